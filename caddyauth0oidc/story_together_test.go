package caddyauth0oidc

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
)

// Rules and acr_values are asked of whoever presents an access token, too.
func TestAccessTokensAreJudgedAsSessionsAre(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\nrequire https://acme.com/roles staff\ndeny scope *write*"))
	for name, tc := range map[string]struct {
		changes map[string]any
		passes  bool
	}{
		"with the claim":    {map[string]any{"https://acme.com/roles": []string{"staff"}}, true},
		"without the claim": {nil, false},
		"denied":            {map[string]any{"https://acme.com/roles": []string{"staff"}, "scope": "read:reports write:reports"}, false},
		"a machine":         {map[string]any{"sub": "spa@clients", "gty": "client-credentials"}, false},
	} {
		response, body := w.call("/reports", w.signed(tc.changes))
		if !tc.passes {
			assertRefused(t, w, response, body, http.StatusForbidden, codeForbidden, "")
			continue
		}
		if response.StatusCode != http.StatusOK || len(w.app.take()) != 1 {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
}

// What acr_values and max_age ask for, a token shows itself, that of a machine too.
func TestAccessTokensShowTheStrengthAndTheAgeOfTheSignIn(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\nacr_values mfa\nmax_age 10m"))
	at := func(d time.Duration) int64 { return w.clock.Now().Add(d).Unix() }
	machine := map[string]any{"sub": "spa@clients", "gty": "client-credentials"}
	for name, tc := range map[string]struct {
		changes map[string]any
		passes  bool
	}{
		"acr and fresh":            {map[string]any{"acr": policy.MultiFactor, "auth_time": at(-time.Minute)}, true},
		"amr and fresh":            {map[string]any{"amr": []string{"mfa"}, "auth_time": at(-9 * time.Minute)}, true},
		"a little ahead":           {map[string]any{"acr": policy.MultiFactor, "auth_time": at(30 * time.Second)}, true},
		"neither":                  {nil, false},
		"machine":                  {machine, false},
		"machine with acr":         {map[string]any{"sub": "spa@clients", "gty": "client-credentials", "acr": policy.MultiFactor}, false},
		"machine, fresh":           {map[string]any{"sub": "spa@clients", "gty": "client-credentials", "auth_time": at(0)}, false},
		"machine with both":        {map[string]any{"sub": "spa@clients", "acr": policy.MultiFactor, "auth_time": at(0)}, true},
		"acr alone":                {map[string]any{"acr": policy.MultiFactor}, false},
		"fresh alone":              {map[string]any{"auth_time": at(-time.Minute)}, false},
		"too old":                  {map[string]any{"acr": policy.MultiFactor, "auth_time": at(-10*time.Minute - time.Second)}, false},
		"auth_time of tomorrow":    {map[string]any{"acr": policy.MultiFactor, "auth_time": at(24 * time.Hour)}, false},
		"auth_time text":           {map[string]any{"acr": policy.MultiFactor, "auth_time": fmt.Sprint(at(0))}, false},
		"auth_time implausible":    {map[string]any{"acr": policy.MultiFactor, "auth_time": at(0) * 1000}, false},
		"auth_time with a decimal": {map[string]any{"acr": policy.MultiFactor, "auth_time": float64(at(0)) - 0.5}, false},
	} {
		response, body := w.call("/reports", w.signed(tc.changes))
		if tc.passes {
			if response.StatusCode != http.StatusOK || len(w.app.take()) != 1 {
				t.Errorf("%s: %d %s", name, response.StatusCode, body)
			}
			continue
		}
		challenge := response.Header.Get("WWW-Authenticate")
		if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeStepUpRequired) || len(w.app.take()) != 0 ||
			!strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(challenge, `error="insufficient_user_authentication"`) ||
			!strings.Contains(challenge, `acr_values="`+policy.MultiFactor+`", max_age="600"`) {
			t.Errorf("%s: %d %s %q", name, response.StatusCode, body, challenge)
		}
	}
}

func TestAccessTokenEndsWhenItsSignInIsTooOld(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\nmax_age 10m"))
	signedIn := w.clock.Now().Truncate(time.Second).Add(-time.Minute)
	token := w.signed(map[string]any{"auth_time": signedIn.Unix()})
	if response, _ := w.call("/reports", token); response.StatusCode != http.StatusOK {
		t.Fatalf("%d", response.StatusCode)
	}
	assertSeen(t, w.app.take()[0], map[string]string{"X-Auth0-Session-Expires": signedIn.Add(10 * time.Minute).UTC().Format(time.RFC3339)})
	w.clock.advance(9 * time.Minute)
	if response, body := w.call("/reports", token); response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeStepUpRequired) {
		t.Errorf("after it: %d %s", response.StatusCode, body)
	}
}

// A directive for stronger sign-ins may do without the tokens that its block accepts.
func TestBearerOffTakesBackWhatABlockAccepts(t *testing.T) {
	t.Parallel()
	block := strings.Replace(globalTenant, "connection acme-child\n", "connection acme-child\n"+bearerSetting+"\n", 1)
	w := newAPIWorld(t, withGlobal(block), withSite("@usual not path /admin/*\nauth0_oidc @usual\nauth0_oidc /admin/* {\nbearer off\n}\nreverse_proxy UPSTREAM"))
	for path, want := range map[string]int{"/x": http.StatusOK, "/admin/x": http.StatusUnauthorized} {
		response, _ := w.call(path, w.signed(nil))
		if n := len(w.app.take()); response.StatusCode != want || (n == 1) != (want == http.StatusOK) {
			t.Errorf("%s: %d, %d requests", path, response.StatusCode, n)
		}
	}
}

// HDR-46: the application behind a site for API clients verifies the same assertion.
func TestHDR_46_AssertionIsOfWhoeverPresentedTheAccessToken(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\nassertion {\naudience legacy\n}"))
	one, other := w.signed(nil), w.signed(map[string]any{"sub": "spa@clients", "gty": "client-credentials"})
	for _, token := range []string{one, other, one} {
		if response, _ := w.call("/reports", token); response.StatusCode != http.StatusOK {
			t.Fatalf("%d", response.StatusCode)
		}
	}
	seen := w.app.take()
	set, _ := w.publishedAt("/auth/jwks.json")
	for i, want := range []string{w.pair.MasterUserID(w.pair.User), "spa@clients", w.pair.MasterUserID(w.pair.User)} {
		claims, err := w.believe(set, seen[i].header.Get(assertionHeader), w.base, "legacy")
		if err != nil || claims.Subject != want || seen[i].header.Get("X-Auth0-User-Id") != want {
			t.Errorf("request %d: %v %q, want %q", i, err, claims.Subject, want)
		}
	}
	if seen[0].header.Get(assertionHeader) != seen[2].header.Get(assertionHeader) {
		t.Error("the same token was asserted twice")
	}
}

// What the application is told about a token is never over when it is told.
func TestHDR_46_NothingOutlivesItsAccessToken(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\nassertion {\naudience legacy\n}"))
	token := w.signed(nil)
	w.clock.advance(time.Hour - 2*time.Second)
	if response, _ := w.call("/reports", token); response.StatusCode != http.StatusOK {
		t.Fatalf("before its end: %d", response.StatusCode)
	}
	seen := w.app.take()[0].header
	expires, err := time.Parse(time.RFC3339, seen.Get("X-Auth0-Session-Expires"))
	if err != nil || !expires.After(w.clock.Now()) {
		t.Errorf("Session-Expires %s at %s: %v", expires, w.clock.Now(), err)
	}
	set, _ := w.publishedAt("/auth/jwks.json")
	if _, err := w.believe(set, seen.Get(assertionHeader), w.base, "legacy"); err != nil {
		t.Error(err)
	}
	w.clock.advance(2 * time.Second)
	response, body := w.call("/reports", token)
	assertRefused(t, w, response, body, http.StatusUnauthorized, codeInvalidAccessToken, `, error="invalid_token"`)
}

// A page for those with a second factor gets a form of somebody who is signed in with a
// password alone.
func TestFormSurvivesAStepUp(t *testing.T) {
	t.Parallel()
	w := stepUpWorld(t, besideAdmin, "acr_values mfa\npreserve_post 8KiB")
	w.servePage(editPage)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	if page := w.postThenSignIn(b, "/admin/save", "a=1&b=2", formHeader()); page.Body != "saved" {
		t.Fatalf("%+v", page)
	}
	w.assertPosted("/admin/save", "a=1&b=2")
}

// Where rules keep somebody out, the login with another account asks for what the
// directive asks for, and for the credentials.
func TestAnotherAccountIsAskedForTheSameStrength(t *testing.T) {
	t.Parallel()
	for _, prompt := range []string{"", "\nprompt login", "\nprompt consent"} {
		w := stepUpWorld(t, besideAdmin, "acr_values mfa\nmax_age 1h\nrequire name Zo*"+prompt)
		b := w.browser()
		page := w.signIn(b, "/admin/x", w.pair.User)
		if page.Status != http.StatusForbidden {
			t.Fatalf("%d %s\n%s", page.Status, page.URL, page.Body)
		}
		asked, err := page.Click(linkOf(t, page.Body, "Use another account"))
		if err != nil {
			t.Fatal(err)
		}
		logins := w.logins(asked)
		if len(logins) != 1 || logins[0].Get("prompt") != "login" || logins[0].Get("acr_values") != policy.MultiFactor || !logins[0].Has("max_age") {
			t.Errorf("%q: %v", prompt, logins)
		}
	}
}

// Directives with cookies of their own: each one's links begin its own login.
func TestLinksOfADirectiveWithItsOwnCookieEndInItsSession(t *testing.T) {
	t.Parallel()
	const own = "session {\ncookie {\nname other_session\n}\n}\n"
	for first, site := range []string{
		"auth0_oidc /a/*\nauth0_oidc /b/* {\nLINES\n}\nreverse_proxy UPSTREAM",
		"route {\nauth0_oidc /b/* {\nLINES\n}\nauth0_oidc /a/*\nreverse_proxy UPSTREAM\n}",
	} {
		w := stepUpWorld(t, site, own+"unauthenticated 401\nrequire name Zo*")
		w.pair.Connection.Options["upstream_params"] = map[string]any{"prompt": map[string]any{"alias": "prompt"}}
		b := w.browser()
		page := w.open(b, "/b/x")
		if page.Status != http.StatusUnauthorized {
			t.Fatalf("%d: %d", first, page.Status)
		}
		asked, err := page.Click(linkOf(t, page.Body, "Sign in"))
		if err != nil {
			t.Fatal(err)
		}
		w.finishLogin(b, asked)
		if page = w.open(b, "/b/x"); page.Status != http.StatusForbidden {
			t.Fatalf("%d: after the login: %d\n%s", first, page.Status, page.Body)
		}
		if asked, err = page.Click(linkOf(t, page.Body, "Use another account")); err != nil {
			t.Fatal(err)
		}
		page, err = b.Login(asked, w.pair.Accented.Email, auth0sim.PairPassword)
		if err != nil || page.Status != http.StatusOK || page.URL.Path != "/b/x" {
			t.Errorf("%d: with another account: %v %d %s", first, err, page.Status, page.URL)
		}
	}
}

func TestLinkOfALongAddressLeadsToTheStartPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("require name Zo*"))
	w.pair.Connection.Options["upstream_params"] = map[string]any{"prompt": map[string]any{"alias": "prompt"}}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	page := w.open(b, "/x?q="+strings.Repeat("%C3%A4", 1000))
	asked, err := page.Click(linkOf(t, page.Body, "Use another account"))
	if err != nil {
		t.Fatal(err)
	}
	page, err = b.Login(asked, w.pair.Accented.Email, auth0sim.PairPassword)
	if err != nil || page.Status != http.StatusOK || page.URL.RequestURI() != "/" {
		t.Errorf("%v %d %s", err, page.Status, page.URL)
	}
}

// A kept-out POST is not asked for by GET afterwards.
func TestAnotherAccountAfterAPostBeginsAtTheStartPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("require name Zo*"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	response, body := w.send(b, "POST", "/delete", formHeader())
	if link := linkOf(t, body, "Use another account"); response.StatusCode != http.StatusForbidden || !strings.HasSuffix(link, "&return_to=%2F") {
		t.Errorf("%d %s", response.StatusCode, link)
	}
}

// A rewrite of the method alone leads around no matcher.
func TestMethodThatWasRewrittenIsProtected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("@m method POST\nmethod GET\nauth0_oidc @m {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	if response, _ := w.send(w.browser(), "POST", "/x", nil); response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
		t.Errorf("%d", response.StatusCode)
	}
}

// Of two directives on the way, the last one that lets a request pass says who it is,
// and no header of the first one says otherwise.
func TestRequestIsOfOneUser(t *testing.T) {
	t.Parallel()
	const outer = "auth0_oidc {\nheaders {\npreset remote_user\n}\nassertion {\nheader Signed-User\naudience app\n}\n}\n"
	w := newAPIWorld(t, withGlobal(globalTenant), withSite(outer+"auth0_oidc /api/* {\n"+bearerSetting+"\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.Accented)
	w.app.take()
	token, _ := w.machineToken(reportsAPI, "read:reports")
	w.send(b, "GET", "/api/x", map[string]string{"Authorization": "Bearer " + token})
	seen := w.app.take()
	if len(seen) != 1 || !strings.HasSuffix(seen[0].header.Get("X-Auth0-User-Id"), "@clients") {
		t.Fatalf("%+v", seen)
	}
	for _, name := range []string{"Remote-User", "Remote-Name", "Remote-Email", "Signed-User"} {
		if got := seen[0].header.Get(name); got != "" {
			t.Errorf("%s is still %.40q", name, got)
		}
	}
}

// Two directives that let the same token pass show the same user twice.
func TestTokenKeepsTheHeadersOfEveryDirective(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nroute {\nauth0_oidc {\nSETTINGS\nheaders {\nprefix X-Second-\n}\n}\nreverse_proxy UPSTREAM\n}"))
	token, _ := w.machineToken(reportsAPI, "read:reports")
	w.call("/x", token)
	w.signIn(w.browser(), "/y", w.pair.User)
	seen := w.app.take()
	if len(seen) != 2 {
		t.Fatalf("%d requests", len(seen))
	}
	for _, r := range seen {
		if first, second := r.header.Get("X-Auth0-User-Id"), r.header.Get("X-Second-User-Id"); first == "" || first != second {
			t.Errorf("%s: %q and %q", r.uri, first, second)
		}
	}
}
