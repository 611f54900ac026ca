package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// The main job with an issuer that is not https://<domain>/: with port and path, and with
// and without a slash at its end.
func TestIssuerWithPortAndPathSignsUsersInAndOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ path, settings, logout string }{
		"without a slash":                {"/tenants/acme", "", "/tenants/acme/oidc/logout"},
		"with a slash":                   {"/tenants/acme/", "", "/tenants/acme/oidc/logout"},
		"strategy v2 below the path":     {"/tenants/acme/", "logout {\nstrategy v2\n}", "/tenants/acme/v2/logout"},
		"strategy oidc below the path":   {"/tenants/acme", "logout {\nstrategy oidc\n}", "/tenants/acme/oidc/logout"},
		"no endpoint that is published":  {"/tenants/acme", "", "/"},
		"the host alone, with its slash": {"/", "", "/oidc/logout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, atIssuerPath(test.path), withSettings(test.settings))
			master := w.pair.Master
			if !strings.HasSuffix(master.Issuer(), test.path) {
				t.Fatalf("the issuer is %s", master.Issuer())
			}
			master.Configure(func(s *auth0sim.Settings) { s.IssParameter = true })
			master.AdvertiseEndSession = test.logout != "/"
			b := w.browser()
			home := w.signIn(b, "/home", w.pair.User)
			if home.Status != http.StatusOK || home.URL.String() != w.base+"/home" {
				t.Fatalf("ended at %d %s\n%s", home.Status, home.URL, home.Body)
			}
			if got := w.app.take()[0].header.Get("X-Auth0-User-Id"); got != w.pair.MasterUserID(w.pair.User) {
				t.Errorf("the application saw %q", got)
			}
			page, err := home.Click("/auth/logout")
			if err != nil {
				t.Fatal(err)
			}
			first, _ := url.Parse(page.Hops[0].Header.Get("Location"))
			if first.Path != test.logout {
				t.Errorf("the logout leads to %s", first)
			}
			if page.URL.String() != w.afterLogout(first) || !strings.Contains(page.Body, codeSignedOut) {
				t.Errorf("the logout ends at %d %s", page.Status, page.URL)
			}
		})
	}
}

// RP-CFG-03, ISS-02: an issuer that differs from the document's, by the slash at its end or
// by anything else, begins no login.
func TestRP_CFG_03_ISS_02_IssuerIsComparedByteForByte(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(issuer string) string{
		"slash":        func(issuer string) string { return strings.TrimSuffix(issuer, "/") },
		"case":         func(issuer string) string { return strings.Replace(issuer, "master", "Master", 1) },
		"percent code": func(issuer string) string { return strings.Replace(issuer, "acme", "%61cme", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, atIssuerPath("/acme/"))
			issuer := change(w.pair.Master.Issuer())
			w.load(worldSetup{base: w.base, site: "auth0_oidc {\nissuer " + issuer +
				"\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\n}\nreverse_proxy UPSTREAM"})
			page := w.open(w.browser(), "/page")
			if page.Status != http.StatusServiceUnavailable || w.pair.Master.Calls("/authorize") != 0 {
				t.Errorf("%d %s", page.Status, page.Body)
			}
			if calls := w.pair.Master.Calls("/.well-known/openid-configuration"); calls != 1 || !strings.Contains(w.logs(), "is of another issuer") {
				t.Errorf("%d discovery requests, and the log does not say why", calls)
			}
		})
	}
}

// ISS-02, ISS-05, ISS-06: the callback's iss is compared with the whole issuer.
func TestISS_02_CallbackOfAnIssuerWithAPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atIssuerPath("/acme"))
	w.pair.Master.IssParameter = true
	issuer := w.pair.Master.Issuer()
	for name, iss := range map[string][]string{
		"absent": nil, "with a slash": {issuer + "/"}, "the host's": {strings.TrimSuffix(issuer, "acme")}, "twice": {issuer, issuer},
	} {
		b := w.browser()
		callback, _ := url.Parse(w.callbackOf(b, "/page", w.pair.User))
		query := callback.Query()
		query["iss"] = iss
		callback.RawQuery = query.Encode()
		if page := w.step(b, callback.String()); page.Status != http.StatusBadRequest || sessionCookie(w, b) != "" {
			t.Errorf("%s: %d", name, page.Status)
		}
	}
	if calls := w.pair.Master.Calls("/oauth/token"); calls != 0 {
		t.Errorf("ISS-06: %d token requests", calls)
	}
}

// The page that asks before a logout lets its form lead to where the logout leads.
func TestLogoutPageAllowsTheEndpointOfAnotherHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atIssuerPath("/acme"))
	w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/.well-known/openid-configuration" {
			return false
		}
		issuer := w.pair.Master.Issuer()
		_ = json.NewEncoder(rw).Encode(map[string]string{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"jwks_uri": issuer + "/keys", "end_session_endpoint": "https://logout.example.test:8443/end",
		})
		return true
	}
	page, _ := w.send(w.browser(), "GET", "/auth/logout", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
	policy := page.Header.Get("Content-Security-Policy")
	host := w.pair.Master.Host()
	if !strings.Contains(policy, "form-action 'self' http://"+host+" https://logout.example.test:8443 "+w.base+";") {
		t.Errorf("the policy is %s", policy)
	}
}

func TestIssuerTakesThePlaceOfADomain(t *testing.T) {
	t.Setenv(envDomain, "acme.eu.auth0.com")
	h := &Handler{Issuer: "https://login.example.com:8443/acme"}
	h.fillFromEnvironment()
	if h.Domain != "" || h.issuer() != h.Issuer || h.checkProvider() != nil {
		t.Errorf("the domain of the environment counts: %q, %q", h.Domain, h.issuer())
	}
	h.Domain = "acme.eu.auth0.com"
	if h.checkProvider() == nil {
		t.Error("domain and issuer are accepted together")
	}
	h = new(Handler)
	h.fillFromEnvironment()
	if h.issuer() != "https://acme.eu.auth0.com/" {
		t.Errorf("the issuer is %q", h.issuer())
	}
}

func TestAPIsBelowTheIssuerAreNoAudience(t *testing.T) {
	t.Parallel()
	for audience, refused := range map[string]bool{
		"https://idp.test:8443/acme/userinfo": true, "https://idp.test:8443/acme": true, "https://IDP.test:8443/acme/x": true,
		"https://idp.test:8443/acmes": false, "https://idp.test:8443/": false, "https://idp.test/acme/userinfo": false,
		"https://idp.test:8443/other/": false, "urn:reports": false,
	} {
		for _, issuer := range []string{"https://idp.test:8443/acme", "https://idp.test:8443/acme/"} {
			if err := checkForeign(audience, issuer); (err != nil) != refused {
				t.Errorf("%s at %s: %v", audience, issuer, err)
			}
		}
	}
}
