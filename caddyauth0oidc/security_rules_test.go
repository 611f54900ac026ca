package caddyauth0oidc

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const rolesClaim = "https://acme.test/roles"

// give sets the claims of the logins that follow.
func (w *world) give(claims map[string]any) {
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.CustomClaims = claims })
}

// signInWith gives a browser of a user with the claims.
func (w *world) signInWith(claims map[string]any) *heldBrowser {
	w.t.Helper()
	w.give(claims)
	b := w.browser()
	w.signIn(b, "/auth/login", w.pair.User)
	if response, _ := w.send(b, "GET", "/auth/profile", nil); response.StatusCode != http.StatusOK {
		w.t.Fatalf("nobody is signed in: %d", response.StatusCode)
	}
	w.app.take()
	return b
}

// CVE-OP-07: of every way to write a rule there is somebody whom it keeps out.
func TestCVE_OP_07_EveryRuleKeepsSomebodyOut(t *testing.T) {
	t.Parallel()
	roles := func(of ...string) map[string]any { return map[string]any{rolesClaim: of} }
	mail := func(address string, verified any) map[string]any {
		return map[string]any{"email": address, "email_verified": verified}
	}
	admin, staff := roles("admin"), roles("staff", "ops-7")
	for name, test := range map[string]struct {
		lines       string // of the directive
		behind      string // what stands behind the directive
		in, keptOut map[string]any
	}{
		"require, there":            {lines: "require " + rolesClaim, in: staff, keptOut: roles()},
		"require, a value":          {lines: "require " + rolesClaim + " admin", in: admin, keptOut: staff},
		"require, one of two":       {lines: "require " + rolesClaim + " root admin", in: admin, keptOut: staff},
		"require, a pattern":        {lines: "require " + rolesClaim + " ops-*", in: staff, keptOut: admin},
		"require, an expression":    {lines: "require " + rolesClaim + " ~ops-[0-9]+", in: staff, keptOut: roles("ops-7x", "xops-7")},
		"require, a list as a text": {lines: "require " + rolesClaim + " admin", in: admin, keptOut: map[string]any{rolesClaim: "staff,admin"}},
		"require, two lines":        {lines: "require " + rolesClaim + " staff\nrequire " + rolesClaim + " ops-*", in: staff, keptOut: roles("staff")},
		"require, a domain":         {lines: "require email_domain corp.test", in: mail("a@corp.test", true), keptOut: mail("a@evil.test", true)},
		"require, a subdomain":      {lines: "require email_domain *.corp.test", in: mail("a@x.corp.test", true), keptOut: mail("a@corp.test", true)},
		"require, verified address": {lines: "require email_domain corp.test", in: mail("a@corp.test", "true"), keptOut: mail("a@corp.test", false)},
		"require, one address":      {lines: "require email_domain corp.test", in: mail("a@corp.test", true), keptOut: mail("a@evil.test@corp.test", true)},
		"require, email_verified":   {lines: "require email_verified", in: mail("a@corp.test", true), keptOut: mail("a@corp.test", "false")},
		"deny, there":               {lines: "deny https://acme.test/banned", in: map[string]any{"https://acme.test/banned": false}, keptOut: map[string]any{"https://acme.test/banned": true}},
		"deny, a value":             {lines: "deny " + rolesClaim + " admin", in: staff, keptOut: admin},
		"deny, a pattern":           {lines: "deny " + rolesClaim + " ops-*", in: admin, keptOut: staff},
		"deny, an expression":       {lines: "deny " + rolesClaim + " ~a.*n", in: staff, keptOut: admin},
		"deny, a domain":            {lines: "deny email_domain evil.test", in: mail("a@corp.test", true), keptOut: mail("a@EVIL.test", true)},
		"deny, no verified address": {lines: "deny email_domain evil.test", in: mail("a@corp.test", true), keptOut: mail("a@corp.test", false)},
		"deny, an unclear address":  {lines: "deny email_domain evil.test", in: mail("a@corp.test", true), keptOut: mail(`"a@corp.test"@evil.test`, true)},
		"deny beside require":       {lines: "require " + rolesClaim + " staff admin\ndeny " + rolesClaim + " admin", in: staff, keptOut: roles("staff", "admin")},
		"matcher":                   {behind: "@in auth0_claim " + rolesClaim + " admin", in: admin, keptOut: staff},
		"matcher, a block":          {behind: "@in auth0_claim {\n" + rolesClaim + " ops-*\n" + rolesClaim + " staff\n}", in: staff, keptOut: roles("staff")},
		"matcher, two lines":        {behind: "@in {\nauth0_claim " + rolesClaim + " ops-*\nauth0_claim " + rolesClaim + " staff\n}", in: staff, keptOut: roles("ops-1")},
		"matcher, a domain":         {behind: "@in auth0_claim email_domain corp.test", in: mail("a@corp.test", true), keptOut: mail("a@corp.test", false)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := "auth0_oidc {\nSETTINGS\n" + test.lines + "\n}\nreverse_proxy UPSTREAM"
			if test.behind != "" {
				site = test.behind + "\nauth0_oidc {\nSETTINGS\n}\nhandle @in {\nreverse_proxy UPSTREAM\n}\nhandle {\nrespond 403\n}"
			}
			w := newWorld(t, withSite(site))
			for _, user := range []struct {
				claims map[string]any
				status int
			}{{test.in, 200}, {test.keptOut, 403}, {nil, 0}} {
				if user.status == 0 {
					user.status = 401
				}
				b := w.browser()
				if user.claims != nil {
					b = w.signInWith(user.claims)
				}
				for _, method := range []string{"GET", "POST", "HEAD", "OPTIONS", "PROPFIND"} {
					w.app.take()
					response, _ := w.send(b, method, "/x", nil)
					if reached := len(w.app.take()) > 0; response.StatusCode != user.status || reached != (user.status == 200) {
						t.Errorf("%s with %v: %d, the application is reached: %v", method, user.claims, response.StatusCode, reached)
					}
				}
			}
		})
	}
}

// ruledWorld is a site with a public part, and a part for admins beside the rest. The
// browsers are of nobody and of somebody who is none.
func ruledWorld(t *testing.T, options ...worldOption) (w *world, nobody, staff *heldBrowser) {
	t.Helper()
	w = newWorld(t, append(options, withGlobal(globalTenant), withSite(`@private {
not path /public/*
not path_regexp ^/api/.*/status$
}
auth0_oidc @private {
require `+rolesClaim+` admin
}
@root auth0_claim `+rolesClaim+` admin
respond @root "root"
reverse_proxy UPSTREAM`))...)
	return w, w.browser(), w.signInWith(map[string]any{rolesClaim: []string{"staff"}})
}

// assertKeptOut sends a request as nobody and as somebody whom a rule keeps out.
func assertKeptOut(t *testing.T, w *world, method, path string, header map[string]string, nobody, staff *heldBrowser) {
	t.Helper()
	w.app.take()
	for want, b := range map[int]*heldBrowser{401: nobody, 403: staff} {
		response, body := w.send(b, method, path, header)
		if response.StatusCode != want || strings.Contains(body, "root") || len(w.app.take()) != 0 {
			t.Errorf("%s %s with %v: %d, want %d: %s", method, path, header, response.StatusCode, want, body)
		}
	}
}

// CVE-OP-08: the query says nothing about what is public, nor about who is asking.
func TestCVE_OP_08_RulesSeeThePathAndNeverTheQuery(t *testing.T) {
	t.Parallel()
	w, nobody, staff := ruledWorld(t)
	for _, path := range []string{
		"/api/private?x=/status", "/api/private?/status", "/api/x?y=/api/x/status", "/api/private/status/?", "/api/x/status%3f", "/x?/public/",
		"/admin?" + url.QueryEscape(rolesClaim) + "=admin", "/admin?roles=admin&auth0_claim=admin", "/admin?path=/public/x",
	} {
		assertKeptOut(t, w, "GET", path, nil, nobody, staff)
	}
	for _, b := range []*heldBrowser{nobody, staff} {
		if response, _ := w.send(b, "GET", "/api/x/status?y=/private", nil); response.StatusCode != http.StatusOK {
			t.Errorf("the public part: %d", response.StatusCode)
		}
	}
}

// CVE-OP-10: no program is let in for its name.
func TestCVE_OP_10_HealthChecksAreNobody(t *testing.T) {
	t.Parallel()
	w, nobody, staff := ruledWorld(t)
	for _, agent := range []string{
		"GoogleHC/1.0", "kube-probe/1.29", "kube-probe/", "ELB-HealthChecker/2.0", "Amazon-Route53-Health-Check-Service", "Consul Health Check", "Googlebot/2.1", "curl/8", "",
	} {
		for _, path := range []string{"/admin", "/", "/ping", "/ready", "/healthz"} {
			assertKeptOut(t, w, "GET", path, map[string]string{"User-Agent": agent}, nobody, staff)
		}
	}
	for _, header := range []map[string]string{
		{"X-Goog-Iap-Jwt-Assertion": "x"}, {"X-Healthcheck": "1"}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Real-Ip": "127.0.0.1"}, {"Authorization": "Bearer x"},
		{"Authorization": "Basic YWRtaW46YWRtaW4="}, {"X-Auth0-User-Id": "admin"}, {"Upgrade": "websocket", "Connection": "Upgrade"},
	} {
		assertKeptOut(t, w, "GET", "/admin", header, nobody, staff)
	}
}

// CVE-OP-11: what a header says about the address does not count.
func TestCVE_OP_11_HeadersDoNotSayWhichPathIsMeant(t *testing.T) {
	t.Parallel()
	w, nobody, staff := ruledWorld(t)
	for _, name := range []string{
		"X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Auth-Request-Redirect", "X-Envoy-Original-Path",
		"X-Accel-Redirect", "X-Sendfile", "Content-Location", "Location", "Destination", "Referer",
	} {
		for _, value := range []string{"/public/x", "https://app.example.test/public/x", "/api/x/status"} {
			assertKeptOut(t, w, "GET", "/admin", map[string]string{name: value}, nobody, staff)
		}
	}
	for _, name := range []string{"X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "X-Forwarded-Method"} {
		assertKeptOut(t, w, "POST", "/admin", map[string]string{name: "OPTIONS"}, nobody, staff)
	}
}

// CVE-OP-12: whatever reaches the application under a public address is public in
// every reading of that address.
func TestCVE_OP_12_PublicAddressesLeadNowhereElse(t *testing.T) {
	t.Parallel()
	w, nobody, staff := ruledWorld(t, atBase("http://app.example.test"))
	for _, path := range []string{
		"/admin%23/public", "/admin%23/public/", "/admin%23/public/x", "/public%23/../admin", "/public%23/%2e%2e/admin", "/public/../admin", "/public/..%2fadmin", "/public/%2e%2e/admin",
		"/public/x/../../admin", "/public%2f..%2fadmin", "/public%2f%2e%2e%2fadmin", "//public/../admin", "/public//../../admin", "/./public/../admin",
		"/admin;/public/x", "/admin%00/public/x", "/admin%3f/public/x", "/publicx", "/public", "/api/../admin/status/..", "/api/x/status/../../../admin",
	} {
		assertKeptOut(t, w, "GET", path, nil, nobody, staff)
	}
	server := httptest.NewServer(w.server)
	defer server.Close()
	for _, target := range []string{"/admin#/public", "/admin#/public/x", "/public#/../admin", "/public/#/../../admin", "/public/../admin#/public/x"} {
		for want, cookie := range map[int]string{401: "", 403: "Cookie: " + cookieHeader(w, staff) + "\n"} {
			status := raw(t, strings.TrimPrefix(server.URL, "http://"), "GET "+target+" HTTP/1.1\nHost: app.example.test\nConnection: close\n"+cookie+"\n")
			if status != want && status != http.StatusBadRequest {
				t.Errorf("%s: %d, want %d", target, status, want)
			}
		}
	}
	w.app.take()
	for _, target := range []string{"/public/x", "/public/%23", "/public/a%2fb", "/public/;x/y"} {
		if response, _ := w.send(nobody, "GET", target, nil); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", target, response.StatusCode)
		}
		for _, seen := range w.app.take() {
			if u, err := url.Parse(seen.uri); err != nil || !strings.HasPrefix(path.Clean(u.Path), "/public/") {
				t.Error(fmt.Sprint("the application got ", seen.uri))
			}
		}
	}
}
