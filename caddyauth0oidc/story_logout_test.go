package caddyauth0oidc

import (
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// Signing out ends the session here and at the tenant, and the page that the
// browser comes back to says so: the child's session would otherwise sign the
// user in again at once.
func TestLogoutEndsTheSessionHereAndAtTheTenant(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		endSession bool
		settings   string
		endpoint   string
	}{
		"advertised":     {true, "", "/oidc/logout"},
		"not advertised": {false, "", "/v2/logout"},
		"strategy v2":    {true, "logout {\nstrategy v2\n}", "/v2/logout"},
		"strategy oidc":  {false, "logout {\nstrategy oidc\n}", "/oidc/logout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(test.settings))
			w.pair.Master.AdvertiseEndSession = test.endSession
			b := w.browser()
			home := w.signIn(b, "/home", w.pair.User)
			page, err := home.Click("/auth/logout")
			if err != nil {
				t.Fatal(err)
			}
			if sessionCookie(w, b) != "" || len(w.pair.Master.Sessions()) != 0 {
				t.Errorf("session here %q, at the tenant %v", sessionCookie(w, b), w.pair.Master.Sessions())
			}
			first, _ := url.Parse(page.Hops[0].Header.Get("Location"))
			if first.Path != test.endpoint || first.Query().Get("client_id") != w.pair.App.ClientID {
				t.Errorf("the tenant's logout is %s", first)
			}
			if page.URL.String() != w.afterLogout(first) || page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, codeSignedOut) {
				t.Errorf("RIL-05: ended at %d %s\n%s", page.Status, page.URL, page.Body)
			}
			again, err := page.Click("/auth/login?return_to=/home")
			if err != nil {
				t.Fatal(err)
			}
			if again.Status != http.StatusOK || again.URL.String() != w.base+"/home" {
				t.Errorf("signing in again ends at %d %s", again.Status, again.URL)
			}
		})
	}
}

// afterLogout is where a logout ends that the tenant was asked for in this way.
func (w *world) afterLogout(asked *url.URL) string {
	if state := asked.Query().Get("state"); state != "" {
		return w.base + "/?state=" + state
	}
	return w.base + "/"
}

// signInAgain clicks the link of the page after a logout.
func (w *world) signInAgain(page *auth0sim.Page) *auth0sim.Page {
	w.t.Helper()
	before, _, _ := strings.Cut(page.Body, `">Sign in`)
	page, err := page.Click(html.UnescapeString(before[strings.LastIndex(before, `"`)+1:]))
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// RIL-03: each logout has a state of its own, which nothing depends on when the browser
// comes back. The login that follows takes it off the address again, but leaves what the
// application calls state alone.
func TestRIL_03_StateOfALogoutComesToNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	own := map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	seen := make(map[string]bool)
	for came, want := range map[string]string{
		"/?state=SENT": "/", "/": "/", "/?x=1&state=SENT": "/?x=1", "/?state=other": "/?state=other", "/?state=SENTx": "/?state=SENTx",
		"/?state=SENT&x=1": "/?state=SENT&x=1", "/?state=": "/?state=", "/?xstate=SENT": "/?xstate=SENT",
	} {
		w.signIn(b, "/home", w.pair.User)
		response, _ := w.send(b, "GET", "/auth/logout", own)
		location, err := response.Location()
		if err != nil {
			t.Fatal(err)
		}
		state := location.Query().Get("state")
		if len(state) < 22 || seen[state] {
			t.Errorf("the state is %q", state)
		}
		seen[state] = true
		w.step(b, location.String())
		page := w.open(b, strings.ReplaceAll(came, "SENT", state))
		if page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, codeSignedOut) {
			t.Fatalf("%s: %d %s", came, page.Status, page.Body)
		}
		page = w.signInAgain(page)
		if want = w.base + strings.ReplaceAll(want, "SENT", state); page.Status != http.StatusOK || page.URL.String() != want {
			t.Errorf("%s: the next login ends at %d %s, want %s", came, page.Status, page.URL, want)
		}
		b = w.browser()
	}
}

// Without random bits a logout goes on: the session ends here and at the tenant.
func TestCVE_CS_02_LogoutWithoutRandomness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	home := w.signIn(b, "/home", w.pair.User)
	w.handler().random = iotest.ErrReader(errors.New("no entropy"))
	page, err := home.Click("/auth/logout")
	if err != nil {
		t.Fatal(err)
	}
	if page.URL.String() != w.base+"/" || !strings.Contains(page.Body, codeSignedOut) || sessionCookie(w, b) != "" || len(w.pair.Master.Sessions()) != 0 {
		t.Errorf("ended at %d %s", page.Status, page.URL)
	}
	if !strings.Contains(w.logs(), "logging out without a state") {
		t.Error("the log does not say so")
	}
}

// The ID token is kept beside the session for one use, and goes with it.
func TestLogoutNamesTheSessionByTheConfiguredHint(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hint         string
		lose         bool
		sid, idToken bool
	}{
		"by default":            {hint: "", sid: true},
		"sid":                   {hint: "sid", sid: true},
		"ID token":              {hint: "id_token", sid: true, idToken: true},
		"ID token that is gone": {hint: "id_token", lose: true, sid: true},
		"none":                  {hint: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := "logout {\nstrategy oidc\nhint " + test.hint + "\n}"
			if test.hint == "" {
				settings = ""
			}
			w := newWorld(t, withSettings(settings))
			w.pair.Master.AdvertiseEndSession = true
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			if kept := strings.Contains(cookieHeader(w, b), "auth0_session-t="); kept != (test.hint == "id_token") {
				t.Errorf("the ID token is kept: %v", kept)
			}
			cookies := cookieHeader(w, b)
			if test.lose {
				cookies, _, _ = strings.Cut(cookies, "; __Host-auth0_session-t=")
			}
			r, _ := http.NewRequest("POST", w.base+"/auth/logout", nil)
			r.Header.Set("Cookie", cookies)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			response, err := w.network.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			location, _ := response.Location()
			if q := location.Query(); q.Has("logout_hint") != test.sid || q.Has("id_token_hint") != test.idToken {
				t.Errorf("hints: %v", q)
			}
			deleted := strings.Contains(strings.Join(response.Header.Values("Set-Cookie"), "|"), "auth0_session-t=;")
			if deleted != (test.hint == "id_token" && !test.lose) {
				t.Errorf("the ID token's cookie is deleted: %v", deleted)
			}
			for _, request := range w.app.take() {
				if strings.Contains(request.header.Get("Cookie"), "auth0") {
					t.Error("INV-03: the ID token's cookie reached the application")
				}
			}
		})
	}
}

// The next login deletes an ID token that the configuration has no use for any more.
func TestTokensOfAnEarlierConfigurationGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("logout {\nhint id_token\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.load(worldSetup{base: w.base})
	w.open(b, "/auth/login?return_to=/home")
	if strings.Contains(cookieHeader(w, b), "auth0_session-t") || !w.isSignedIn(b) {
		t.Error("the ID token is still there, or the session is not")
	}
}

func TestSigningInAndOutIsNoLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	page := w.signIn(b, "/page", w.pair.User)
	for i := range 5 {
		if page.Status != http.StatusOK {
			t.Fatalf("login %d: %d %s", i+1, page.Status, page.Body)
		}
		out, err := page.Click("/auth/logout")
		if err != nil {
			t.Fatal(err)
		}
		if page, err = out.Click("/auth/login?return_to=/page"); err != nil {
			t.Fatal(err)
		}
	}
}

// CVE-CS-10, RIL-04: another site cannot sign a user out without asking.
func TestLogoutFromAnotherSiteIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for name, header := range map[string]map[string]string{
		"link of another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
		"image":                {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
		"image of this site":   {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
		"prefetch":             {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch"},
		"nothing said":         {},
	} {
		response, body := w.send(b, "GET", "/auth/logout", header)
		if response.StatusCode != http.StatusOK || !strings.Contains(body, `<form method="post" action="/auth/logout">`) {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
		if len(response.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: signed out", name)
		}
	}
	response, _ := w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"})
	if response.StatusCode != http.StatusForbidden || sessionCookie(w, b) == "" {
		t.Errorf("POST of another site: %d", response.StatusCode)
	}
	response, _ = w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": w.base})
	if response.StatusCode != http.StatusSeeOther || sessionCookie(w, b) != "" { // BCP-17
		t.Errorf("POST of this site: %d", response.StatusCode)
	}
}

// CVE-MAO-04, CVE-CS-05, RIL-02: only the configuration says where a logout ends.
func TestLogoutReturnsWhereTheConfigurationSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("logout {\nreturn_to /bye\n}"))
	own := map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	for _, path := range []string{"/auth/logout", "/auth/logout?return_to=https://evil.test", "/auth/logout?returnTo=//evil.test&post_logout_redirect_uri=https://evil.test"} {
		response, _ := w.send(w.browser(), "GET", path, own)
		u, err := url.Parse(response.Header.Get("Location"))
		if err != nil || !strings.HasPrefix(u.String(), w.pair.Master.Issuer()) {
			t.Fatalf("%s leads to %s", path, u)
		}
		if got := u.Query().Get("post_logout_redirect_uri"); got != w.base+"/bye" || strings.Contains(u.String(), "evil") {
			t.Errorf("%s leads to %s", path, u)
		}
	}
}

// RIL-01, CVE-SDK-13: the local session ends although the tenant is down.
func TestLogoutWhileTheTenantIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	dropped := newWorld(t) // a tenant whose metadata nobody has read
	dropped.pair.Master.Down(true)
	own := map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	response, _ := dropped.send(dropped.browser(), "GET", "/auth/logout", own)
	if response.StatusCode != http.StatusFound || !strings.HasPrefix(response.Header.Get("Location"), dropped.pair.Master.Issuer()+"v2/logout?") {
		t.Errorf("%d %s", response.StatusCode, response.Header.Get("Location"))
	}
	w.pair.Master.Down(true)
	if w.send(b, "GET", "/auth/logout", own); sessionCookie(w, b) != "" {
		t.Error("the session is still there")
	}
}

// CVE-ENV-04, CVE-ENV-07: every cookie of ours is deleted with the attributes
// that it was set with, because browsers ignore any other deletion.
func TestLogoutDeletesEveryCookieOfOurs(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"https://app.example.test", "http://app.example.test"} {
		w := newWorld(t, atBase(base))
		b := w.browser()
		w.step(b, w.base+"/pending")
		w.signIn(b, "/home", w.pair.User)
		w.send(b, "GET", "/auth/logout", map[string]string{"Sec-Fetch-Site": "none", "Accept": "text/html"})
		for _, c := range b.Cookies(w.base) {
			if !strings.HasSuffix(c.Name, "_txn_signedout") {
				t.Errorf("%s: the cookie %s is left", base, c.Name)
			}
		}
	}
}

func TestProfileRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	response, body := w.send(b, "GET", "/auth/profile", nil)
	assertProblem(t, w, response, body)
	w.signIn(b, "/home", w.pair.Accented)
	response, body = w.send(b, "GET", "/auth/profile", nil)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/json" ||
		!strings.Contains(response.Header.Get("Cache-Control"), "no-store") || response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CVE-PA-06: %d %v", response.StatusCode, response.Header)
	}
	var got struct {
		Profile map[string]any `json:"profile"`
		Expires time.Time      `json:"session_expires"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Profile["user_id"] != w.pair.MasterUserID(w.pair.Accented) || got.Profile["name"] != "Zoë Łukasiewicz 日本" || got.Profile["email_verified"] != true {
		t.Errorf("profile %v", got.Profile)
	}
	if left := got.Expires.Sub(w.clock.Now()); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("the session ends in %s", left)
	}
	for _, token := range []string{"access_token", "id_token", "refresh_token", "sid", "nonce"} {
		if _, ok := got.Profile[token]; ok {
			t.Errorf("the profile has %s", token)
		}
	}
}

// ASVS-06, CVE-CS-13: our routes are exact, have their methods, and everything
// else below the prefix is the application's, protected like the rest.
func TestLSN_09_OwnRoutesAreExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, request := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"POST", "/auth/login", 405, "GET, HEAD"},
		{"POST", "/auth/callback?code=SECRET&state=x", 405, "GET"},
		{"HEAD", "/auth/callback", 405, "GET"},
		{"PUT", "/auth/logout", 405, "GET, POST"},
		{"DELETE", "/auth/profile", 405, "GET, HEAD"},
		{"HEAD", "/auth/login", 302, ""},
		{"HEAD", "/auth/profile", 401, ""},
		{"GET", "/auth", 401, ""},
		{"GET", "/auth/", 401, ""},
		{"GET", "/auth/callback/", 401, ""},
		{"GET", "/auth/callback%2f", 401, ""},
		{"GET", "/auth/%63allback", 401, ""},
		{"GET", "/AUTH/callback", 401, ""},
		{"GET", "/auth/callback;x", 401, ""},
		{"GET", "/x/auth/callback", 401, ""},
		{"GET", "//auth/callback", 401, ""},
		{"GET", "/auth/backchannel-logout", 405, "POST"},
	} {
		response, _ := w.send(w.browser(), request.method, request.path, nil)
		if response.StatusCode != request.want || response.Header.Get("Allow") != request.allow {
			t.Errorf("%s %s: %d, Allow %q", request.method, request.path, response.StatusCode, response.Header.Get("Allow"))
		}
	}
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
	if strings.Contains(w.logs(), "SECRET") {
		t.Error("INV-04: the query of a callback is in the log")
	}
}
