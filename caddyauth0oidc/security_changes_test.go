package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// CONC-21: a login that was under way when a reload replaced the secret or the client of
// its directive ends on a page with a way on, without a request for tokens; with a secret
// that still opens it, it ends where it should.
func TestCONC_21_LoginUnderWayWhileItsKeysOrItsClientChange(t *testing.T) {
	t.Parallel()
	const other = "auth0_oidc {\ndomain DOMAIN\nclient_id other\nclient_secret other-secret\nconnection acme-child\nsecret \"" + oldSecret + "\"\n}\nreverse_proxy UPSTREAM"
	for name, tc := range map[string]struct {
		next worldSetup
		ends bool
	}{
		"secret that is kept":    {worldSetup{settings: `secret "` + newSecret + `" "` + oldSecret + `"`}, true},
		"secret that is dropped": {worldSetup{settings: `secret "` + newSecret + `"`}, false},
		"another client":         {worldSetup{site: other}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(`secret "`+oldSecret+`"`))
			w.pair.Master.AddApplication(auth0sim.Application{ClientID: "other", ClientSecret: "other-secret", Callbacks: []string{w.base + "/auth/callback"}})
			w.pair.Master.Enable("acme-child", "other")
			b := w.browser()
			callback := w.callbackOf(b, "/page", w.pair.User)
			tc.next.base = w.base
			old := w.handler()
			w.load(tc.next)
			if err := old.Cleanup(); err != nil {
				t.Fatal(err)
			}
			exchanges := w.pair.Master.Calls("/oauth/token")
			response, body := w.send(b, "GET", strings.TrimPrefix(callback, w.base), map[string]string{"Accept": "text/html"})
			n := w.pair.Master.Calls("/oauth/token") - exchanges
			ended := response.StatusCode == http.StatusFound && response.Header.Get("Location") == "/page" && n == 1
			refused := response.StatusCode == http.StatusBadRequest && strings.Contains(body, codeBadState) && n == 0
			if ended != tc.ends || refused == tc.ends {
				t.Fatalf("%d to %q after %d exchanges\n%s", response.StatusCode, response.Header.Get("Location"), n, body)
			}
			if page := w.openSignedIn(b, "/page"); page.Status != http.StatusOK || page.URL.Path != "/page" {
				t.Errorf("afterwards: %d %s", page.Status, page.URL)
			}
		})
	}
}

// CONC-03: a login that ends while another tab signs out leaves no way back to the session
// that was signed out; what the browser has then is the login's session, or none.
func TestCONC_03_LoginThatEndsDuringALogout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	before := cookieHeader(w, b)
	b.gate.closed = true
	w.open(b, "/auth/login?return_to=/page") // the tenant's session signs in unasked
	b.gate.closed = false
	callback := b.gate.held
	arrived, release := make(chan struct{}), make(chan struct{})
	intercept := func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/oauth/token" {
			close(arrived)
			<-release
		}
		return false
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = intercept })
	r, _ := http.NewRequest("GET", callback, nil)
	r.Header.Set("Cookie", cookieHeader(w, b))
	ended := make(chan *http.Response)
	go func() {
		response, err := w.network.RoundTrip(r)
		if err != nil {
			t.Error(err)
		}
		ended <- response
	}()
	<-arrived
	if response, _ := w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"}); response.StatusCode != http.StatusSeeOther {
		t.Errorf("the logout: %d", response.StatusCode)
	}
	close(release)
	response := <-ended
	if response == nil {
		return
	}
	for _, c := range response.Cookies() {
		b.SetCookie(w.base, c)
	}
	if status := w.statusWith(before); status != http.StatusUnauthorized {
		t.Errorf("the session that was signed out is accepted: %d", status)
	}
	leads := response.StatusCode == http.StatusFound && response.Header.Get("Location") == "/page"
	if signedIn := w.isSignedIn(b); signedIn != leads {
		t.Errorf("signed in %t after %d to %q", signedIn, response.StatusCode, response.Header.Get("Location"))
	}
}

// FAULT-29: what Auth0 says at the callback in place of a code ends on a page, once, with a
// way on and without its words.
func TestFAULT_29_RefusalsOfAuth0EndOnAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct{ answer, text, want string }{
		"rule or Action denies": {"access_denied", "not on the list", codeLoginDenied},
		"address not verified":  {"unauthorized", "Please verify your email before logging in.", codeLoginDenied},
		"user is blocked":       {"unauthorized", "user is blocked", codeLoginDenied},
		"consent":               {"consent_required", "Consent required", codeLoginDenied},
		"too many attempts":     {"too_many_attempts", "Your account has been blocked", codeLoginFailed},
		"connection gone":       {"invalid_request", "the connection is not enabled", codeLoginFailed},
		"application gone":      {"unauthorized_client", "Unknown client", codeLoginFailed},
		"tenant is paused":      {"server_error", "tenant is suspended", codeTenantUnavailable},
		"tenant is overloaded":  {"temporarily_unavailable", "try again later", codeTenantUnavailable},
		"custom domain removed": {"invalid_domain", "custom domain not found", codeLoginFailed},
	} {
		b := w.browser()
		address, err := url.Parse(w.step(b, w.base+"/page").Location())
		if err != nil {
			t.Fatal(err)
		}
		query := url.Values{"error": {tc.answer}, "error_description": {tc.text}, "state": {address.Query().Get("state")}}
		page, err := b.Get(w.base + "/auth/callback?" + query.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if page.Status < 400 || page.URL.Path != "/auth/callback" || !strings.Contains(page.Body, "<code>"+tc.want+"</code>") {
			t.Errorf("%s: %d %s %s", name, page.Status, page.URL, page.Body)
		}
		if strings.Contains(page.Body, tc.text) || strings.Contains(w.logs(), tc.text) {
			t.Errorf("%s: Auth0's words are repeated", name)
		}
		assertSafePage(t, page)
		if page := w.signIn(b, "/page", w.pair.User); page.Status != http.StatusOK {
			t.Errorf("%s: the next login: %d", name, page.Status)
		}
	}
}
