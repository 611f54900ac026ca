package auth0sim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestLoginTakesTwoHopsAndEndsWithTheMastersIdentity(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, WithStrategy(strategy))
			callback := w.login(map[string]string{"nonce": "n1", "state": "a b&c=d"})
			var visited []string
			for _, h := range callback.Hops {
				visited = append(visited, h.URL.Host+h.URL.Path)
			}
			want := []string{
				"child.auth0.test/u/login", "child.auth0.test/authorize/resume", "master.auth0.test/login/callback",
				"master.auth0.test/authorize/resume", "app.example.test/auth/callback",
			}
			if !slices.Equal(visited, want) {
				t.Errorf("visited %q, want %q", visited, want)
			}
			if got := callback.URL.Query().Get("state"); got != "a b&c=d" {
				t.Errorf("state came back as %q", got)
			}
			status, body := w.exchange(w.Master, w.codeForm(callback))
			if status != http.StatusOK {
				t.Fatalf("status %d: %v", status, body)
			}
			claims := claimsOf(t, body["id_token"])
			for name, want := range map[string]any{
				"iss": "https://master.auth0.test/", "sub": strategy + "|acme-child|auth0|563b9b6cf50bc24402a69b80",
				"aud": w.App.ClientID, "nonce": "n1", "email": "user-in-child@mail.com", "email_verified": false,
				"nickname": "user-in-child", "updated_at": "2026-03-01T12:00:00.000Z",
			} {
				if claims[name] != want {
					t.Errorf("%s = %v, want %v", name, claims[name], want)
				}
			}
			if parts := strings.Split(body["access_token"].(string), "."); len(parts) != 5 {
				t.Errorf("the access token without audience has %d parts, want 5", len(parts))
			}
		})
	}
}

func TestFirstHopNamesTheConnectionAndGoesStraightToTheChild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page, err := w.browser.Step(w.AuthorizeURL(nil))
	if err != nil {
		t.Fatal(err)
	}
	next := page.Location()
	if !strings.HasPrefix(next, "https://child.auth0.test/authorize?") {
		t.Fatalf("the master sent the browser to %q", next)
	}
	if strings.Contains(next, "opaque") {
		t.Error("the application's state reached the child")
	}
	login, err := page.Follow()
	if err != nil {
		t.Fatal(err)
	}
	if login.URL.Path != "/u/login" || !strings.Contains(login.Body, "child.auth0.test") {
		t.Errorf("ended at %s", login.URL)
	}
}

func TestLiveSessionsSkipHops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(nil)
	if again := w.open(w.AuthorizeURL(nil)); len(again.Hops) != 2 || again.URL.Host != "app.example.test" {
		t.Errorf("with a session at the master the login took %d hops to %s", len(again.Hops), again.URL.Host)
	}
	again := w.open(w.AuthorizeURL(map[string]string{"prompt": "login"}))
	if again.URL.Host != "app.example.test" || w.Child.Calls("/u/login") != 2 {
		t.Errorf("prompt=login reached the child: ended at %s", again.URL)
	}
}

func TestSocialUserAndAccentedNamesTravelThroughTheFederation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	callback, err := w.browser.LoginWith(w.open(w.AuthorizeURL(nil)), "google-oauth2", w.Social.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, body := w.exchange(w.Master, w.codeForm(callback))
	if sub := claimsOf(t, body["id_token"])["sub"]; sub != "auth0-oidc|acme-child|google-oauth2|103547991597142817347" {
		t.Errorf("sub = %v", sub)
	}
	w.browser = NewBrowser(w.network)
	callback, err = w.browser.Login(w.open(w.AuthorizeURL(nil)), w.Accented.Email, PairPassword)
	if err != nil {
		t.Fatal(err)
	}
	_, body = w.exchange(w.Master, w.codeForm(callback))
	claims := claimsOf(t, body["id_token"])
	if claims["name"] != "Zoë Łukasiewicz 日本" || claims["email_verified"] != true {
		t.Errorf("claims = %v", claims)
	}
}

func TestTheMastersOwnPageOffersItsConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.open(w.AuthorizeURL(map[string]string{"connection": ""}))
	if page.URL.Host != "master.auth0.test" {
		t.Fatalf("ended at %s", page.URL)
	}
	atChild, err := page.Press("Continue with Acme")
	if err != nil {
		t.Fatal(err)
	}
	callback, err := w.browser.Login(atChild, w.User.Email, PairPassword)
	if err != nil {
		t.Fatal(err)
	}
	if callback.URL.Query().Get("code") == "" {
		t.Errorf("ended at %s", callback.URL)
	}
}

func TestFormPostArrivesAsACrossSitePost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.browser.SetCookie(appBase, &http.Cookie{Name: "lax", Value: "1", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode})
	w.browser.SetCookie(appBase, &http.Cookie{Name: "none", Value: "1", Path: "/", Secure: true, SameSite: http.SameSiteNoneMode})
	callback := w.login(map[string]string{"response_mode": "form_post"})
	last := callback.Hops[len(callback.Hops)-1]
	if last.Method != http.MethodPost || last.URL.RawQuery != "" || callback.Body != "application POST" {
		t.Fatalf("the callback was %s %s", last.Method, last.URL)
	}
	if got := last.RequestHeader.Get("Cookie"); got != "none=1" {
		t.Errorf("the callback carried the cookies %q", got)
	}
	if got := last.RequestHeader.Get("Sec-Fetch-Site"); got != "cross-site" {
		t.Errorf("Sec-Fetch-Site: %s", got)
	}
}

func TestUpstreamFailuresEndAtTheApplicationAsAccessDenied(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare func(w *world)
		want    string
	}{
		"wrong secret of the connection": {func(w *world) { w.Connection.Options["client_secret"] = "old" }, "status 401"},
		"child without the legacy profile": {func(w *world) {
			w.Child.LegacyUserProfile = false
		}, "no legacy user profile"},
		"child application that is conformant": {func(w *world) { w.ChildApp.Legacy = false }, "no legacy user profile"},
		"ID token of another key":              {func(w *world) { w.Child.SignWithForeignKey = true }, "verifying the ID token"},
		"ID token without signature": {func(w *world) {
			w.Child.TamperIDToken = func(header, _ map[string]any) { header["alg"] = "none" }
		}, "reading the ID token"},
		"ID token of another issuer": {func(w *world) {
			w.Child.TamperIDToken = func(_, claims map[string]any) { claims["iss"] = "https://evil.test/" }
		}, "issuer"},
		"profile of another user": {func(w *world) {
			w.Child.TamperUserInfo = func(body map[string]any) { body["user_id"] = "auth0|other" }
		}, "no legacy user profile"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.prepare(w)
			q := w.login(nil).URL.Query()
			if q.Get("error") != "access_denied" || q.Get("state") != "opaque" || q.Has("code") {
				t.Fatalf("the callback received %v", q)
			}
			if !strings.Contains(q.Get("error_description"), c.want) {
				t.Errorf("error_description %q does not tell of %q", q.Get("error_description"), c.want)
			}
		})
	}
}

func TestCancellingAtTheChildIsToldToTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	callback, err := w.open(w.AuthorizeURL(nil)).Press("Cancel")
	if err != nil {
		t.Fatal(err)
	}
	q := callback.URL.Query()
	if q.Get("error") != "access_denied" || q.Get("error_description") != "User has canceled the interaction." {
		t.Errorf("the callback received %v", q)
	}
}

func TestCallbackMissingAtTheChildStaysOnTheChildsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ChildApp.Callbacks = nil
	page := w.open(w.AuthorizeURL(nil))
	if page.URL.Host != "child.auth0.test" || page.Status != http.StatusForbidden ||
		!strings.Contains(page.Body, "https://master.auth0.test/login/callback is not in the list of allowed callback URLs") {
		t.Errorf("%d at %s: %s", page.Status, page.URL, page.Body)
	}
}

func TestOutageOfATenantLooksLikeARefusedConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Child.Down(true)
	if _, err := w.browser.Get(w.AuthorizeURL(nil)); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("the browser got %v", err)
	}
	w.Child.Down(false)
	if page := w.open(w.AuthorizeURL(nil)); page.URL.Path != "/u/login" {
		t.Errorf("after the outage the browser is at %s", page.URL)
	}
}
