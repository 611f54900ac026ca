package caddyauth0oidc

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// OIDC-15, OIDC-16: the user can edit the address of the login. What is taken out of
// it is missing in the ID token, and no session begins.
func TestOIDC_16_ParametersTakenOutOfTheAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, lines, parameter, claim string }{
		{"acr_values", "acr_values mfa", "acr_values", "acr"},
		{"prompt", "prompt login\nacr_values mfa", "prompt", "auth_time"},
		{"max_age", "max_age 5m", "max_age", "auth_time"},
	} {
		for _, alwaysAuthTime := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				w := stepUpWorld(t, besideAdmin, test.lines)
				w.pair.Master.AlwaysAuthTime = alwaysAuthTime
				b := w.browser()
				w.signIn(b, "/home", w.pair.User)
				w.clock.advance(10 * time.Minute)
				before := sessionCookie(w, b)
				address, err := url.Parse(w.step(b, w.base+"/admin/x").Location())
				if err != nil {
					t.Fatal(err)
				}
				query := address.Query()
				if !query.Has(test.parameter) {
					t.Fatalf("the login does not ask for it: %v", query)
				}
				query.Del(test.parameter)
				address.RawQuery = query.Encode()
				page, err := b.Get(address.String())
				if err != nil {
					t.Fatal(err)
				}
				if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "<code>"+codeStepUpFailed+"</code> <code>"+test.claim+"</code>") {
					t.Errorf("%d %s\n%s", page.Status, page.URL, page.Body)
				}
				if sessionCookie(w, b) != before {
					t.Error("the session changed")
				}
				w.wantPage(w.open(b, "/home"), "/home", 0)
			})
		}
	}
}

// OIDC-16: what the ID token says of the time is believed only if it can be.
func TestOIDC_16_LoginWithoutAProofOfItsTime(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{"max_age 5m", "prompt login"} {
		for name, change := range map[string]func(now time.Time, claims map[string]any){
			"missing": func(_ time.Time, claims map[string]any) { delete(claims, "auth_time") },
			"old":     func(now time.Time, claims map[string]any) { claims["auth_time"] = now.Add(-time.Hour).Unix() },
			"future":  func(now time.Time, claims map[string]any) { claims["auth_time"] = now.Add(time.Hour).Unix() },
			"text":    func(_ time.Time, claims map[string]any) { claims["auth_time"] = "now" },
		} {
			t.Run(lines+" "+name, func(t *testing.T) {
				t.Parallel()
				w := stepUpWorld(t, besideAdmin, lines)
				b := w.browser()
				w.pair.Master.TamperIDToken = func(_, claims map[string]any) { change(w.clock.Now(), claims) }
				page := w.signIn(b, "/admin/x", w.pair.User)
				if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeStepUpFailed) || sessionCookie(w, b) != "" {
					t.Errorf("%d %s", page.Status, page.Body)
				}
			})
		}
	}
}

// OIDC-02: an error in place of the stronger sign-in is shown once, and the session
// that is there stays.
func TestOIDC_02_ErrorsOfAStepUp(t *testing.T) {
	t.Parallel()
	w := stepUpWorld(t, besideAdmin, "acr_values mfa\nprompt login")
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	before := sessionCookie(w, b)
	for answer, want := range map[string]string{
		"access_denied": codeLoginDenied, "login_required": codeLoginDenied, "interaction_required": codeLoginDenied,
		"consent_required": codeLoginDenied, "unmet_authentication_requirements": codeLoginFailed, "invalid_request": codeLoginFailed,
		"server_error": codeTenantUnavailable, "temporarily_unavailable": codeTenantUnavailable, "nobody_knows": codeLoginFailed,
	} {
		address, err := url.Parse(w.step(b, w.base+"/admin/x").Location())
		if err != nil {
			t.Fatal(err)
		}
		callback := url.Values{"error": {answer}, "error_description": {"MFA was cancelled"}, "state": {address.Query().Get("state")}}
		page, err := b.Get(w.base + "/auth/callback?" + callback.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if len(w.logins(page)) > 0 || page.Status < 400 || !strings.Contains(page.Body, "<code>"+want+"</code>") || !strings.Contains(page.Body, `href="/admin/x">Try again`) {
			t.Errorf("%s: %d %s", answer, page.Status, page.Body)
		}
	}
	if sessionCookie(w, b) != before {
		t.Error("the session changed")
	}
	w.wantPage(w.open(b, "/home"), "/home", 0)
}

// Who signs in at a step-up is the user from then on, and nothing of the one before
// is left: no claim, no part of a cookie, no token, no answer under way.
func TestOIDC_15_StepUpAsSomebodyElse(t *testing.T) {
	t.Parallel()
	const hint = "logout {\nhint id_token\n}\nsession {\nidle 10h\n}"
	w := newWorld(t, withGlobal(strings.Replace(globalTenant, "\n}", "\n"+hint+"\n}", 1)), withSite(strings.Replace(besideAdmin, "LINES", "acr_values mfa", 1)))
	w.pair.Master.MFAOnACRValues = true
	first := w.pair.MasterUserID(w.pair.User)
	w.pair.Master.TamperIDToken = func(_, claims map[string]any) {
		if claims["sub"] == first {
			claims["https://acme.example/groups"] = opaqueText(6000)
		}
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	old := cookieValues(w, b)
	if len(old) < 4 { // two of the session, one of the tokens, one of the login
		t.Fatalf("the first session has only the cookies %q", old)
	}
	w.clock.advance(2 * time.Hour)
	slow := w.ask(b)
	for _, tenant := range []*auth0sim.Tenant{w.pair.Child, w.pair.Master} {
		if _, err := b.Get(tenant.Issuer() + "v2/logout"); err != nil {
			t.Fatal(err)
		}
	}
	page := w.signIn(b, "/admin/x", w.pair.Accented)
	if page.Status != http.StatusOK || page.URL.Path != "/admin/x" {
		t.Fatalf("%d %s", page.Status, page.URL)
	}
	if slow.finish() != "" {
		t.Error("an answer to the first user renewed the session")
	}
	for name := range cookieValues(w, b) {
		if value := old[name]; value != "" && value == cookieValues(w, b)[name] {
			t.Errorf("%s is the first user's", name)
		}
	}
	if slices.ContainsFunc(b.Cookies(w.base), func(c *http.Cookie) bool { return strings.HasSuffix(c.Name, ".1") }) {
		t.Error("a part of the first session is left")
	}
	w.app.take()
	for _, path := range []string{"/home", "/admin/x"} {
		w.wantPage(w.open(b, path), path, 0)
		seen := w.app.take()[0].header
		if got := seen.Get("X-Auth0-User-Id"); got != w.pair.MasterUserID(w.pair.Accented) || seen.Get("X-Auth0-Email") != w.pair.Accented.Email {
			t.Errorf("%s is of %s", path, got)
		}
	}
	if _, body := w.send(b, "GET", "/auth/profile", nil); strings.Contains(body, w.pair.User.Email) || strings.Contains(body, "acme.example/groups") {
		t.Errorf("the profile is %s", body)
	}
	response, _ := w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	u, _ := url.Parse(response.Header.Get("Location"))
	parts := strings.Split(u.Query().Get("id_token_hint"), ".")
	if len(parts) != 3 {
		t.Fatalf("the logout has no hint: %s", u)
	}
	if claims, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || !strings.Contains(string(claims), w.pair.MasterUserID(w.pair.Accented)) {
		t.Errorf("the logout hints at %s", claims)
	}
}

// cookieValues gives the site's cookies that are not empty, by name.
func cookieValues(w *world, b *heldBrowser) map[string]string {
	all := make(map[string]string)
	for _, c := range b.Cookies(w.base) {
		if c.Value != "" {
			all[c.Name] = c.Value
		}
	}
	return all
}

// Directives of one page that want what no single login gives end on a page, and so
// does a browser that keeps the old session.
func TestFAULT_25_StepUpLoopEndsOnAPage(t *testing.T) {
	t.Parallel()
	t.Run("directives that contradict each other", func(t *testing.T) {
		t.Parallel()
		w := stepUpWorld(t, "auth0_oidc {\nacr_values mfa\n}\nauth0_oidc /admin/* {\nmax_age 5m\n}\nreverse_proxy UPSTREAM", "")
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		w.wantLoop(w.open(b, "/admin/x"))
	})
	t.Run("the new session's cookie is refused", func(t *testing.T) {
		t.Parallel()
		w := stepUpWorld(t, besideAdmin, "acr_values mfa")
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		b.gate.next = cookieDropper{w.network, "auth0_session"}
		w.wantLoop(w.open(b, "/admin/x"))
		w.wantPage(w.open(b, "/home"), "/home", 0)
	})
}

func (w *world) wantLoop(page *auth0sim.Page) {
	w.t.Helper()
	if n := len(w.logins(page)); page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeLoop) || n > weakLoopLimit {
		w.t.Errorf("%d after %d logins\n%s", page.Status, n, page.Body)
	}
}

// A callback that comes late begins the same login again while the session is still
// not enough, and leads to the page once it is.
func TestLateCallbackOfAStepUp(t *testing.T) {
	t.Parallel()
	w := stepUpWorld(t, besideAdmin, "acr_values mfa")
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	callback := w.callbackOf(b, "/admin/x", w.pair.User)
	w.clock.advance(16 * time.Minute)
	page, err := b.Get(callback)
	if err != nil {
		t.Fatal(err)
	}
	w.wantPage(page, "/admin/x", 1)
	if page, err = b.Get(callback); err != nil {
		t.Fatal(err)
	}
	w.wantPage(page, "/admin/x", 0)
}

// Error routes learn of a step-up as of every refusal, and the log names no claim.
func TestStepUpInErrorRoutesAndLog(t *testing.T) {
	t.Parallel()
	site := besideAdmin + "\nhandle_errors {\nrespond \"{err.status_code} {http.auth.auth0_oidc.error}\"\n}"
	w := stepUpWorld(t, site, "acr_values urn:example:gold")
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	response, body := w.send(b, "POST", "/admin/x", nil)
	if response.StatusCode != http.StatusUnauthorized || body != "401 "+codeStepUpRequired || !strings.Contains(response.Header.Get("WWW-Authenticate"), "acr_values=") {
		t.Errorf("%d %s %v", response.StatusCode, body, response.Header)
	}
	if page := w.open(b, "/admin/x"); page.Body != "403 "+codeStepUpFailed {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	refused := 0
	for line := range strings.Lines(w.logs()) {
		if strings.Contains(line, `"msg":"request refused"`) && strings.Contains(line, codeStepUpFailed) {
			refused++
			if strings.Contains(line, "urn:example:gold") || strings.Contains(line, w.pair.User.Email) {
				t.Errorf("the log says %s", line)
			}
		}
	}
	if refused != 1 {
		t.Errorf("the log has %d lines of the refusal", refused)
	}
}
