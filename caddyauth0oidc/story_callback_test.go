package caddyauth0oidc

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// A victim who is handed the callback of an attacker's login is not signed in
// as the attacker: the code is not redeemed.
func TestCVE_OP_01_ASVS_20_ForeignCallbackSignsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attacker, victim := w.browser(), w.browser()
	callback := w.callbackOf(attacker, "/page", w.pair.User)
	before := w.pair.Master.Calls("/oauth/token")
	page := w.step(victim, callback)
	if got := w.pair.Master.Calls("/oauth/token") - before; got != 0 {
		t.Errorf("the attacker's code was sent to the tenant %d times", got)
	}
	if sessionCookie(w, victim) != "" || len(w.app.take()) != 0 {
		t.Error("the victim is signed in")
	}
	if !strings.HasPrefix(page.Location(), w.pair.Master.Issuer()+"authorize?") {
		t.Errorf("the victim is not sent to a login of its own but gets %d %s", page.Status, page.Location())
	}
}

func sessionCookie(w *world, b *heldBrowser) string {
	for _, c := range b.Cookies(w.base) {
		if strings.HasSuffix(c.Name, "auth0_session") {
			return c.Value
		}
	}
	return ""
}

// A callback that comes late, twice, or after its cookie was pushed out still
// leads to where the user wanted to go.
func TestFAULT_26_LateAndRepeatedCallbacksLeadToThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/page?x=1", w.pair.User)
	want := w.base + "/page?x=1"
	for _, story := range []struct {
		name   string
		before func()
		tokens int // exchanges that the story makes
	}{
		{"in time", func() {}, 1},
		{"again, signed in", func() {}, 0},
		{"again, signed out here", func() { dropCookies(w, b) }, 1},
		{"an hour later", func() { w.clock.advance(time.Hour) }, 0},
		{"a week later", func() { w.clock.advance(7 * 24 * time.Hour) }, 1},
	} {
		story.before()
		before := w.pair.Master.Calls("/oauth/token")
		page, err := b.Get(callback)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Forms) > 0 { // the tenants have forgotten the user as well
			if page, err = b.Login(page, w.pair.User.Email, auth0sim.PairPassword); err != nil {
				t.Fatal(err)
			}
		}
		if page.Status != http.StatusOK || page.URL.String() != want {
			t.Errorf("%s: ended at %d %s", story.name, page.Status, page.URL)
		}
		if got := w.pair.Master.Calls("/oauth/token") - before; got != story.tokens {
			t.Errorf("%s: %d code exchanges, want %d", story.name, got, story.tokens)
		}
	}
}

func dropCookies(w *world, b *heldBrowser) {
	for _, c := range b.Cookies(w.base) {
		b.SetCookie(w.base, &http.Cookie{Name: c.Name, Path: "/", Secure: c.Secure, MaxAge: -1})
	}
}

// CONC-02: a callback that is delivered twice at once costs one exchange.
func TestCONC_02_CallbackDeliveredTwiceIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/page", w.pair.User)
	path := strings.TrimPrefix(callback, w.base)
	header := map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Cookie": cookieHeader(w, b)}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			r, _ := http.NewRequest("GET", w.base+path, nil)
			for name, value := range header {
				r.Header.Set(name, value)
			}
			response, err := w.network.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			if response.StatusCode != http.StatusFound {
				t.Errorf("status %d", response.StatusCode)
			}
		})
	}
	wait.Wait()
	if got := w.pair.Master.Calls("/oauth/token"); got != 1 {
		t.Errorf("%d code exchanges", got)
	}
}

func cookieHeader(w *world, b *heldBrowser) string {
	var pairs []string
	for _, c := range b.Cookies(w.base) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// Whatever comes to the callback is answered with a page, and neither its text
// nor its markup stands there.
func TestCallbackRefusesWhatNoTenantSends(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const markup = `'";</script><svg onload=alert(1)>`
	evil := url.QueryEscape(markup)
	state := func(b *heldBrowser) string {
		u, _ := url.Parse(w.step(b, w.base+"/page").Location())
		return url.QueryEscape(u.Query().Get("state"))
	}
	tests := []struct {
		id    string
		query func(b *heldBrowser) string
		want  int
	}{
		{"LSN-04 nothing", func(*heldBrowser) string { return "" }, 400},
		{"CVE-MAO-32 separators only", func(*heldBrowser) string { return "?&&;&" }, 400},
		{"LSN-08 error without a state", func(*heldBrowser) string { return "?error=" + evil + "&error_description=" + evil }, 400},
		{"CVE-CS-08 unknown state", func(*heldBrowser) string { return "?code=x&state=" + evil }, 400},
		{"OIDC-03 state alone", func(b *heldBrowser) string { return "?state=" + state(b) }, 400},
		{"BCP-06 token on the front channel", func(b *heldBrowser) string { return "?id_token=x&access_token=y&state=" + state(b) }, 400},
		{"code and error", func(b *heldBrowser) string { return "?code=x&error=access_denied&state=" + state(b) }, 400},
		{"CVE-MAO-18 two states", func(b *heldBrowser) string { return "?code=x&state=" + state(b) + "&state=" + state(b) }, 400},
		{"CVE-MAO-18 two codes", func(b *heldBrowser) string { return "?code=x&code=y&state=" + state(b) }, 400},
		{"ISS-02 foreign iss", func(b *heldBrowser) string { return "?code=x&iss=https%3A%2F%2Fevil.test%2F&state=" + state(b) }, 400},
		{"DOS-07 long query", func(b *heldBrowser) string { return "?code=" + strings.Repeat("x", 9000) + "&state=" + state(b) }, 400},
		{"unreadable query", func(b *heldBrowser) string { return "?code=%zz&state=" + state(b) }, 400},
		{"CVE-MAO-01 denied with markup", func(b *heldBrowser) string {
			return "?error=access_denied&error_description=" + evil + "&state=" + state(b)
		}, 403},
		{"CVE-SDK-01 unknown error with markup", func(b *heldBrowser) string {
			return "?error=" + evil + "&error_description=" + evil + "&state=" + state(b)
		}, 400},
	}
	for _, test := range tests {
		t.Run(test.id, func(t *testing.T) {
			b := w.browser()
			before := w.pair.Master.Calls("/oauth/token")
			page := w.step(b, w.base+"/auth/callback"+test.query(b))
			if page.Status != test.want {
				t.Errorf("status %d, want %d\n%s", page.Status, test.want, page.Body)
			}
			if strings.Contains(page.Body, "alert(1)") || strings.Contains(page.Body, "<svg") {
				t.Errorf("the page repeats what came with the request:\n%s", page.Body)
			}
			if !strings.Contains(page.Body, " href=") {
				t.Error("the page has no way on")
			}
			if sessionCookie(w, b) != "" || len(w.app.take()) != 0 {
				t.Error("INV-01, INV-07: somebody is signed in")
			}
			if calls := w.pair.Master.Calls("/oauth/token") - before; calls != 0 {
				t.Errorf("ISS-06: %d token requests", calls)
			}
			assertSafePage(t, page)
		})
	}
}

// assertSafePage: ASVS-02, INV-05, BCP-11, BCP-21.
func assertSafePage(t *testing.T, page *auth0sim.Page) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := page.Header.Get(name); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q in it", name, got, want)
		}
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

// An error of the tenant ends on a page with a way on, and the way on works.
func TestTenantErrorsEndOnAPageWithAWayOn(t *testing.T) {
	t.Parallel()
	t.Run("OIDC-02 cancelled at the child", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		page, err := w.open(b, "/page").Submit(map[string]string{"action": "cancel"})
		if err != nil {
			t.Fatal(err)
		}
		if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeLoginDenied) {
			t.Fatalf("%d %s", page.Status, page.Body)
		}
		again, err := page.Click("/page")
		if err != nil {
			t.Fatal(err)
		}
		if done, err := b.Login(again, w.pair.User.Email, auth0sim.PairPassword); err != nil || done.Status != http.StatusOK {
			t.Errorf("the second try: %v %v", done, err)
		}
	})
	t.Run("FAULT-29 denied by an Action", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.pair.Master.DenyLogin = "<b>Not you</b>"
		page := w.signIn(w.browser(), "/page", w.pair.User)
		if page.Status != http.StatusForbidden || strings.Contains(page.Body, "Not you") || !strings.Contains(page.Body, "Sign out") {
			t.Errorf("%d %s", page.Status, page.Body)
		}
		assertSafePage(t, page)
	})
	t.Run("connection not enabled", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.pair.Master.Disable("acme-child", w.pair.App.ClientID)
		page := w.open(w.browser(), "/page")
		if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "invalid_request") {
			t.Errorf("%d %s", page.Status, page.Body)
		}
	})
	t.Run("wrong client secret", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.ClientSecret = "another" })
		page := w.signIn(w.browser(), "/page", w.pair.User)
		if page.Status != http.StatusBadGateway || !strings.Contains(page.Body, codeTokenRefused) {
			t.Errorf("%d %s", page.Status, page.Body)
		}
	})
}

// A browser that drops our cookies is told so, and does not go round in circles.
func TestFAULT_25_LoopEndsOnAPage(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, drops string }{
		{"all cookies", "auth0_"},
		{"the session's cookie", "auth0_session"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			b.gate.next = cookieDropper{w.network, test.drops}
			page := w.signIn(b, "/page", w.pair.User)
			if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeLoop) {
				t.Errorf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
			}
			logins := 0
			for _, hop := range page.Hops {
				if strings.HasPrefix(hop.Header.Get("Location"), w.pair.Master.Issuer()+"authorize?") {
					logins++
				}
			}
			if logins > loopLimit {
				t.Errorf("%d logins were begun", logins)
			}
		})
	}
}

// cookieDropper refuses cookies whose name has the given part.
type cookieDropper struct {
	next http.RoundTripper
	part string
}

func (d cookieDropper) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	kept := response.Header["Set-Cookie"]
	response.Header.Del("Set-Cookie")
	for _, line := range kept {
		if name, _, _ := strings.Cut(line, "="); !strings.Contains(name, d.part) {
			response.Header.Add("Set-Cookie", line)
		}
	}
	return response, nil
}

// connection= can be edited in the browser; the verified sub decides.
func TestConnectionIsEnforcedOnTheVerifiedSub(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master := w.pair.Master
	master.Enable(auth0sim.DatabaseConnection, w.pair.App.ClientID)
	intruder := master.AddUser(auth0sim.User{Email: "intruder@mail.test", Password: "pw"})
	b := w.browser()
	authorize := w.step(b, w.base+"/page").Location()
	edited := strings.Replace(authorize, "connection=acme-child", "connection="+auth0sim.DatabaseConnection, 1)
	if edited == authorize {
		t.Fatal("the connection does not stand in the address")
	}
	page, err := b.Get(edited)
	if err != nil {
		t.Fatal(err)
	}
	if page, err = b.Login(page, intruder.Email, "pw"); err != nil {
		t.Fatal(err)
	}
	if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeConnectionMismatch) || sessionCookie(w, b) != "" {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	if !strings.Contains(page.Body, `href="/auth/logout"`) {
		t.Error("the page does not offer to sign out")
	}
}

func TestStrategyAnyLetsOtherConnectionsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`auth0_oidc {
domain DOMAIN
client_id CLIENT_ID
client_secret CLIENT_SECRET
connection acme-child {
strategy any
}
}
reverse_proxy UPSTREAM`))
	master := w.pair.Master
	master.Enable(auth0sim.DatabaseConnection, w.pair.App.ClientID)
	master.AddUser(auth0sim.User{ID: "auth0|direct", Email: "direct@mail.test", Password: "pw"})
	b := w.browser()
	authorize := w.step(b, w.base+"/page").Location()
	page, err := b.Get(strings.Replace(authorize, "connection=acme-child", "connection="+auth0sim.DatabaseConnection, 1))
	if err != nil {
		t.Fatal(err)
	}
	if page, err = b.Login(page, "direct@mail.test", "pw"); err != nil || page.Status != http.StatusOK {
		t.Fatalf("%v %v", page, err)
	}
	seen := w.app.take()[0].header
	if seen.Get("X-Auth0-User-Id") != "auth0|direct" || seen.Get("X-Auth0-Strategy") != "auth0" || seen["X-Auth0-Connection"] != nil || seen["X-Auth0-Child-User"] != nil {
		t.Errorf("the application saw %v", seen)
	}
}

// Caddy starts while Auth0 is down, says so to those who want to sign in, lets
// those pass who are signed in, and logs in as soon as Auth0 is up.
func TestFAULT_01_TenantDownAtStartAndLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pair.Master.Down(true)
	b := w.browser()
	page := w.open(b, "/page")
	if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" || !strings.Contains(page.Body, codeTenantUnavailable) {
		t.Fatalf("%d %v %s", page.Status, page.Header, page.Body)
	}
	assertSafePage(t, page)
	response, _ := w.send(w.browser(), "GET", "/x", map[string]string{"Accept": "application/json"})
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("an API client got %d", response.StatusCode)
	}
	w.pair.Master.Down(false)
	w.waitForTenant(page.Header.Get("Retry-After"))
	if page = w.signIn(b, "/page", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	w.pair.Master.Down(true)
	if page = w.open(b, "/other"); page.Status != http.StatusOK {
		t.Errorf("FAULT-02: a signed-in user got %d", page.Status)
	}
}

// waitForTenant moves the tenant's clock past the time that it asked for.
func (w *world) waitForTenant(retryAfter string) {
	w.t.Helper()
	d, err := time.ParseDuration(retryAfter + "s")
	if err != nil {
		w.t.Fatal(err)
	}
	w.clock.advance(d + time.Second)
}

// FAULT-13, OIDC-20: a key that is not known yet is fetched, and a forged one
// does not make us ask for keys again and again.
func TestUnknownKeyIsFetchedWithAFloor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn(w.browser(), "/page", w.pair.User)
	w.pair.Master.RotateKeys()
	w.pair.Master.RevokePreviousKey()
	w.pair.Master.RotateKeys() // past the next key, which was fetched with the first
	if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("after the rotation: %d %s", page.Status, page.Body)
	}
	if got := w.pair.Master.Calls("/.well-known/jwks.json"); got != 2 {
		t.Errorf("%d key requests, want 2", got)
	}
	for i := range 5 {
		w.pair.Master.Configure(func(s *auth0sim.Settings) {
			s.TamperIDToken = func(header, _ map[string]any) { header["kid"] = fmt.Sprint("forged", i) }
		})
		if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusBadRequest {
			t.Errorf("forged key: %d", page.Status)
		}
	}
	if got := w.pair.Master.Calls("/.well-known/jwks.json"); got > 3 {
		t.Errorf("CVE-LIB-12: %d key requests after five forged kids", got)
	}
}

// CONC-24: a code that another instance has redeemed leads to the page when the
// session is there, and to a new login when it is not.
func TestRedeemedCodeLeadsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/page", w.pair.User)
	before := cookieHeader(w, b)
	if _, err := b.Get(callback); err != nil {
		t.Fatal(err)
	}
	w.forgetSpent()
	r, _ := http.NewRequest("GET", callback, nil)
	r.Header.Set("Cookie", before+"; "+cookieHeader(w, b))
	if response, err := w.network.RoundTrip(r); err != nil || response.Header.Get("Location") != "/page" {
		t.Errorf("with a session: %+v %v", response, err)
	}
	w.forgetSpent()
	r.Header.Set("Cookie", before)
	if response, err := w.network.RoundTrip(r); err != nil || !strings.HasPrefix(response.Header.Get("Location"), w.pair.Master.Issuer()+"authorize?") {
		t.Errorf("without a session: %+v %v", response, err)
	}
}

// forgetSpent makes this instance another one, which has redeemed nothing.
func (w *world) forgetSpent() {
	pool.Range(func(_, value any) bool {
		if s := value.(*shared); s.tenant.Issuer() == w.pair.Master.Issuer() {
			s.spent.mu.Lock()
			s.spent.current, s.spent.previous = nil, nil
			s.spent.mu.Unlock()
		}
		return true
	})
}

// A code that the tenant never accepts ends on a page, not in a circle, however
// long each login takes.
func TestRefusedCodesEndOnAPage(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{0, 20 * time.Second, 5 * time.Minute} {
		w := newWorld(t)
		w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/oauth/token" {
				return false
			}
			w.clock.advance(pause)
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusForbidden)
			_, _ = rw.Write([]byte(`{"error":"invalid_grant","error_description":"Invalid authorization code"}`))
			return true
		}
		page := w.signIn(w.browser(), "/page", w.pair.User)
		if calls := w.pair.Master.Calls("/oauth/token"); page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeTokenRefused) || calls != 2 {
			t.Errorf("%s: %d %s after %d exchanges", pause, page.Status, page.Body, calls)
		}
	}
}
