package caddyauth0oidc

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// matched gives the answer's header in which a site names the matchers that matched.
func (w *world) matched(b *heldBrowser, path string) string {
	w.t.Helper()
	response, _ := w.send(b, "GET", path, nil)
	return strings.Join(response.Header.Values("X-Matched"), " ")
}

// The matcher asks about the user whom a directive let in, and is nobody's elsewhere.
func TestMatcherAsksAboutTheUserThatADirectiveLetIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`@admin auth0_claim `+rolesClaim+` admin
@verified auth0_claim email_verified
@there auth0_claim sub
@not not auth0_claim `+rolesClaim+` admin
route {
header @there +X-Matched early
auth0_oidc /in/*
header @admin +X-Matched admin
header @verified +X-Matched verified
header @there +X-Matched there
header @not +X-Matched not
reverse_proxy UPSTREAM
}`))
	admin := w.signInWith(map[string]any{rolesClaim: []string{"admin"}, "email_verified": true})
	staff := w.signInWith(map[string]any{rolesClaim: []string{"staff"}, "email_verified": "false"})
	for _, test := range []struct {
		who        *heldBrowser
		path, want string
	}{
		{admin, "/in/x", "admin verified there"}, {staff, "/in/x", "there not"},
		{admin, "/out", "not"}, {staff, "/out", "not"}, {w.browser(), "/out", "not"}, {w.browser(), "/in/x", ""},
	} {
		if got := w.matched(test.who, test.path); got != test.want {
			t.Errorf("%s: %q, want %q", test.path, got, test.want)
		}
	}
	w.send(admin, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	if got := w.matched(admin, "/in/x"); got != "" {
		t.Errorf("after the logout: %q", got)
	}
}

// A matcher in front of the directive is asked before anybody is known, and so is the
// directive's own: that one must not leave a page open, however it is written.
func TestMatcherBeforeAnybodyIsKnownOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`@admin auth0_claim `+rolesClaim+` admin
@others not auth0_claim `+rolesClaim+` admin
redir @admin /never
@written {
auth0_claim `+rolesClaim+` admin
}
handle /own/* {
auth0_oidc @admin
reverse_proxy UPSTREAM
}
handle /beside/* {
auth0_oidc /beside/other/*
auth0_oidc @written
reverse_proxy UPSTREAM
}
handle /written/* {
auth0_oidc @written
reverse_proxy UPSTREAM
}
handle {
auth0_oidc @others
reverse_proxy UPSTREAM
}`))
	w.give(map[string]any{rolesClaim: "admin"})
	b := w.browser()
	w.signIn(b, "/x", w.pair.User)
	for _, path := range []string{"/own/x", "/written/x", "/beside/x", "/x"} {
		w.app.take()
		response, _ := w.send(b, "GET", path, nil)
		seen := w.app.take()
		if response.StatusCode != http.StatusOK || len(seen) != 1 || seen[0].header.Get("X-Auth0-User-Id") == "" {
			t.Errorf("%s: %d %+v", path, response.StatusCode, seen)
		}
		if response, _ := w.send(w.browser(), "GET", path, nil); response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
			t.Errorf("%s signed out: %d", path, response.StatusCode)
		}
	}
}

// Of two directives the later one says who the user is; a second one may ask for
// more of those whom a claim marks.
func TestMatcherOfALaterDirective(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`@external not auth0_claim `+rolesClaim+` staff
route {
auth0_oidc
auth0_oidc @external {
require `+rolesClaim+` partner
}
reverse_proxy UPSTREAM
}`))
	for role, want := range map[string]int{"staff": 200, "partner": 200, "guest": 403} {
		if response, _ := w.send(w.signInWith(map[string]any{rolesClaim: role}), "GET", "/x", nil); response.StatusCode != want {
			t.Errorf("%s: %d", role, response.StatusCode)
		}
	}
}

// The example with roles does what its page says.
func TestExampleWithRoles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../examples/roles/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	site := strings.ReplaceAll(strings.ReplaceAll(string(text), "legacy:8080", "UPSTREAM"), "https://acme.com/roles", rolesClaim)
	site = regexp.MustCompile(`(?s)domain .*?connection acme-child`).ReplaceAllString(site, "SETTINGS")
	site = strings.TrimSuffix(strings.TrimPrefix(site, "staff.example.com {"), "}\n")
	w := newWorld(t, withSite(site))
	for roles, want := range map[string][]string{
		"staff": {"application at /x", "Only for administrators."}, "staff admin": {"application at /x", "application at /admin/x"},
		"admin": {codeForbidden, codeForbidden}, "staff admin suspended": {codeForbidden, codeForbidden}, "": {codeForbidden, codeForbidden},
	} {
		b := w.signInWith(map[string]any{rolesClaim: strings.Fields(roles)})
		for i, path := range []string{"/x", "/admin/x"} {
			if _, body := w.send(b, "GET", path, nil); !strings.Contains(body, want[i]) {
				t.Errorf("%q at %s: %s", roles, path, body)
			}
		}
	}
}
