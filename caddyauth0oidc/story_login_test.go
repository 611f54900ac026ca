package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// The main job: from a protected page through both tenants and back to it.
func TestLoginLeadsThroughMasterAndChildBackToThePage(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withStrategy(strategy))
			b := w.browser()
			page := w.signIn(b, "/reports/2026?quarter=3&q=a%2Fb", w.pair.User)
			if page.Status != http.StatusOK || page.URL.String() != w.base+"/reports/2026?quarter=3&q=a%2Fb" {
				t.Fatalf("ended at %d %s", page.Status, page.URL)
			}
			requests := w.app.take()
			if len(requests) != 1 {
				t.Fatalf("the application got %d requests, want 1", len(requests))
			}
			seen := requests[0].header
			for name, want := range map[string]string{
				"X-Auth0-User-Id":          strategy + "|acme-child|auth0|563b9b6cf50bc24402a69b80",
				"X-Auth0-Strategy":         strategy,
				"X-Auth0-Connection":       "acme-child",
				"X-Auth0-Child-User":       "auth0|563b9b6cf50bc24402a69b80",
				"X-Auth0-Child-Connection": "auth0",
				"X-Auth0-Child-User-Id":    "563b9b6cf50bc24402a69b80",
				"X-Auth0-Email":            "user-in-child@mail.com",
				"X-Auth0-Email-Verified":   "false",
				"X-Auth0-Nickname":         "user-in-child",
				"X-Auth0-Client-Id":        w.pair.App.ClientID,
			} {
				if got := seen.Values(name); len(got) != 1 || got[0] != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if cookie := seen.Get("Cookie"); cookie != "" {
				t.Errorf("the application got the cookie %q", cookie)
			}
		})
	}
}

// The authorization request says all that RFC 9700 and Auth0 want of it.
func TestOIDC_01_ASVS_21_AuthorizationRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("audience https://api.example.test/\nauthorize_param ui_locales de"))
	page := w.step(w.browser(), w.base+"/page")
	if page.Status != http.StatusFound {
		t.Fatalf("status %d", page.Status)
	}
	location := page.Location()
	if !strings.HasPrefix(location, strings.TrimSuffix(w.pair.Master.Issuer(), "/")+"/authorize?") || len(location) > 2048 {
		t.Fatalf("redirected to %d bytes: %s", len(location), location)
	}
	u, _ := url.Parse(location)
	query := u.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": w.pair.App.ClientID, "redirect_uri": w.base + "/auth/callback",
		"scope": "openid profile email", "connection": "acme-child", "code_challenge_method": "S256",
		"audience": "https://api.example.test/", "ui_locales": "de",
	} {
		if got := query[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(query[name]) != 1 || len(query.Get(name)) < 20 {
			t.Errorf("%s is %q", name, query[name])
		}
	}
	if got := page.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("INV-05: Cache-Control is %q", got)
	}
	for _, line := range page.Header.Values("Set-Cookie") {
		for _, attribute := range []string{"__Host-auth0_txn_", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
			if !strings.Contains(line, attribute) {
				t.Errorf("CK-01: %q lacks %s", line, attribute)
			}
		}
	}
}

// Ten tabs opened one after another and finished in any order end at ten
// addresses, although only five pending logins are kept.
func TestCONC_01_ManyTabsEndWhereEachWantedToGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	var callbacks [10]string
	for i := range callbacks {
		callbacks[i] = w.callbackOf(b, "/tab/"+string(rune('a'+i)), w.pair.User)
	}
	pending := 0
	for _, c := range b.Cookies(w.base) {
		if strings.HasPrefix(c.Name, "__Host-auth0_txn_") {
			pending++
		}
	}
	if pending > 5 {
		t.Errorf("CVE-OP-17: %d pending logins are kept", pending)
	}
	for _, i := range []int{3, 9, 0, 5, 1, 8, 2, 7, 4, 6} {
		page, err := b.Get(callbacks[i])
		if err != nil {
			t.Fatal(err)
		}
		if want := w.base + "/tab/" + string(rune('a'+i)); page.Status != http.StatusOK || page.URL.String() != want {
			t.Errorf("tab %d ended at %d %s, want %s", i, page.Status, page.URL, want)
		}
	}
}

func TestDirectLinkTakesReturnToAndAConfiguredConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("allow_params login_hint"))
	page := w.step(w.browser(), w.base+"/auth/login?return_to=%2Fdeep%3Fx%3D1&connection=acme-child&login_hint=a%40b&prompt=none&scope=admin")
	u, _ := url.Parse(page.Location())
	if got := u.Query(); got.Get("login_hint") != "a@b" || got.Has("prompt") || got.Get("scope") != "openid profile email" {
		t.Errorf("CVE-MAO-23: authorization request %s", u.RawQuery)
	}
	done := w.signIn(w.browser(), "/auth/login?return_to=%2Fdeep%3Fx%3D1&connection=acme-child", w.pair.User)
	if done.URL.String() != w.base+"/deep?x=1" {
		t.Errorf("ended at %s", done.URL)
	}
	other := w.step(w.browser(), w.base+"/auth/login?connection=google-oauth2")
	if other.Status != http.StatusBadRequest || other.Location() != "" || !strings.Contains(other.Body, codeUnknownConnection) {
		t.Errorf("a connection that is not configured: %d %s", other.Status, other.Body)
	}
}

// Everything but the navigation of a browser is told 401 and where to sign in.
func TestWhoIsRedirectedAndWhoGets401(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	navigation := map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
	with := func(more ...string) map[string]string {
		header := map[string]string{}
		for name, value := range navigation {
			header[name] = value
		}
		for i := 0; i < len(more); i += 2 {
			header[more[i]] = more[i+1]
		}
		return header
	}
	tests := []struct {
		name   string
		method string
		header map[string]string
		want   int
	}{
		{"NAV-01 navigation", "GET", navigation, 302},
		{"NAV-01 old browser", "GET", map[string]string{"Accept": "text/html,application/xhtml+xml;q=0.9"}, 302},
		{"NAV-04 HEAD of a navigation", "HEAD", navigation, 302},
		{"NAV-02 fetch", "GET", map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "text/html"}, 401},
		{"NAV-02 XHR of an old browser", "GET", map[string]string{"X-Requested-With": "XMLHttpRequest", "Accept": "text/html"}, 401},
		{"NAV-02 API client", "GET", map[string]string{"Accept": "application/json"}, 401},
		{"NAV-02 no Accept", "GET", nil, 401},
		{"NAV-03 POST", "POST", navigation, 401},
		{"NAV-03 PUT", "PUT", navigation, 401},
		{"NAV-03 DELETE", "DELETE", navigation, 401},
		{"NAV-05 preflight", "OPTIONS", map[string]string{"Access-Control-Request-Method": "POST"}, 401},
		{"NAV-06 image", "GET", map[string]string{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 401},
		{"NAV-06 frame", "GET", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 401},
		{"NAV-07 prefetch", "GET", with("Sec-Purpose", "prefetch"), 401},
		{"NAV-07 prerender", "GET", with("Sec-Purpose", "prefetch;prerender"), 401},
		{"NAV-07 old prefetch", "GET", with("Purpose", "prefetch"), 401},
		{"NAV-08 event stream", "GET", map[string]string{"Accept": "text/event-stream"}, 401},
		{"NAV-09 unknown method", "PROPFIND", navigation, 401},
		{"HDR-40 WebSocket", "GET", with("Connection", "Upgrade", "Upgrade", "websocket"), 401},
		{"CVE-OP-10 health checker", "GET", map[string]string{"User-Agent": "kube-probe/1.29"}, 401},
		{"CVE-ENV-01 bearer", "GET", map[string]string{"Authorization": "Bearer x"}, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := w.browser()
			response, body := w.send(b, test.method, "/x", test.header)
			if response.StatusCode != test.want {
				t.Fatalf("status %d, want %d", response.StatusCode, test.want)
			}
			if len(w.app.take()) != 0 {
				t.Error("INV-01: the application was reached")
			}
			if !strings.Contains(response.Header.Get("Cache-Control"), "no-store") {
				t.Errorf("INV-05: Cache-Control is %q", response.Header.Get("Cache-Control"))
			}
			minted := len(response.Header.Values("Set-Cookie"))
			if (test.want == 302 && test.method == "GET") != (minted == 1) {
				t.Errorf("%d cookies were set", minted)
			}
			if test.want == 401 && test.method == "GET" && test.header["Sec-Fetch-Mode"] != "navigate" {
				assertProblem(t, w, response, body)
			}
		})
	}
}

func assertProblem(t *testing.T, w *world, response *http.Response, body string) {
	t.Helper()
	var got problem
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("the body is no JSON: %v\n%s", err, body)
	}
	if response.Header.Get("Content-Type") != "application/problem+json" || got.Status != 401 || got.Code != codeLoginRequired {
		t.Errorf("got %s %+v", response.Header.Get("Content-Type"), got)
	}
	if got.LoginURL != w.base+"/auth/login?connection=acme-child" {
		t.Errorf("login_url is %q", got.LoginURL)
	}
	if response.Header.Get("Www-Authenticate") == "" {
		t.Error("RFC 9110 section 11.6.1: a 401 without a challenge")
	}
}

func TestUnauthenticatedModes(t *testing.T) {
	t.Parallel()
	api := map[string]string{"Accept": "application/json"}
	page := map[string]string{"Accept": "text/html"}
	tests := []struct {
		mode             string
		api, page, posts int
	}{
		{"auto", 401, 302, 401},
		{"redirect", 302, 302, 401},
		{"401", 401, 401, 401},
		{"pass", 200, 200, 200},
	}
	for _, test := range tests {
		t.Run(test.mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings("unauthenticated "+test.mode))
			for _, request := range []struct {
				method string
				header map[string]string
				want   int
			}{{"GET", api, test.api}, {"GET", page, test.page}, {"POST", page, test.posts}} {
				response, _ := w.send(w.browser(), request.method, "/x", request.header)
				if response.StatusCode != request.want {
					t.Errorf("%s %v gives %d, want %d", request.method, request.header, response.StatusCode, request.want)
				}
			}
			for _, r := range w.app.take() {
				for name := range r.header {
					if strings.HasPrefix(name, "X-Auth0-") {
						t.Errorf("CVE-MAO-02: the application saw %s without a session", name)
					}
				}
			}
		})
	}
}

// A signed-in request goes through in every mode with the identity, and makes
// no call to the tenant.
func TestINV_11_SignedInRequestAsksTheTenantNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("unauthenticated pass"))
	b := w.browser()
	w.signIn(b, "/auth/login", w.pair.User)
	w.app.take()
	before := w.tenantCalls()
	for range 5 {
		w.send(b, "POST", "/x", nil)
	}
	if calls := w.tenantCalls() - before; calls != 0 {
		t.Errorf("5 requests made %d calls to the tenant", calls)
	}
	for _, r := range w.app.take() {
		if r.header.Get("X-Auth0-User-Id") != w.pair.MasterUserID(w.pair.User) {
			t.Errorf("the application saw %q", r.header.Get("X-Auth0-User-Id"))
		}
	}
	if token, keys, discovery := w.pair.Master.Calls("/oauth/token"), w.pair.Master.Calls("/.well-known/jwks.json"), w.pair.Master.Calls("/.well-known/openid-configuration"); token != 1 || keys != 1 || discovery != 1 {
		t.Errorf("one login made %d token, %d key and %d discovery requests", token, keys, discovery)
	}
}

func (w *world) tenantCalls() int {
	total := 0
	for _, tenant := range []*auth0sim.Tenant{w.pair.Master, w.pair.Child} {
		for _, path := range []string{"/oauth/token", "/.well-known/jwks.json", "/.well-known/openid-configuration", "/userinfo", "/authorize"} {
			total += tenant.Calls(path)
		}
	}
	return total
}
