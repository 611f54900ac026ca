package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"testing"
)

// However a Caddyfile spreads the directives of a site, the one that began a login
// ends it.
func TestLoginEndsWhereverItsDirectiveStands(t *testing.T) {
	t.Parallel()
	const partners = "auth0_oidc {\nconnection partners\n}\nreverse_proxy UPSTREAM"
	for name, test := range map[string]struct{ address, global, site string }{
		"handle, no host": {":8080", "", "auth0_oidc /a/*\nhandle /b/* {\n" + partners + "\n}\nhandle {\nreverse_proxy UPSTREAM\n}"},
		"handle":          {"", "", "auth0_oidc /a/*\nhandle /b/* {\n" + partners + "\n}\nhandle {\nreverse_proxy UPSTREAM\n}"},
		"route, no host":  {":8080", "", "route {\nauth0_oidc /auth/*\nroute /b/* {\n" + partners + "\n}\nreverse_proxy UPSTREAM\n}"},
		"path in address": {"http://app.example.test/b/*", "", partners + "\n}\nhttp://app.example.test {\nauth0_oidc\nreverse_proxy UPSTREAM"},
		"another cookie":  {":8080", "", "auth0_oidc /a/*\nhandle /b/* {\nauth0_oidc {\nconnection partners\nsession {\ncookie {\nname other_session\n}\n}\n}\nreverse_proxy UPSTREAM\n}"},
		"error route":     {"", "", "auth0_oidc /a/*\nerror /b/* 404\nreverse_proxy UPSTREAM\nhandle_errors {\n" + partners + "\n}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, atBase("http://app.example.test"), atAddress(test.address), withGlobal(globalTenant), withSite(test.site))
			w.addPartners()
			if page := w.signIn(w.browser(), "/b/x", w.pair.User); page.Status != http.StatusOK || page.URL.Path != "/b/x" {
				t.Errorf("%d %s %s", page.Status, page.URL, page.Body)
			}
		})
	}
}

// The directives of a named route are of the site that invokes it.
func TestDirectiveInANamedRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant+"\n}\n&(b) {\nauth0_oidc /b/* {\nconnection partners\n}"), withSite("auth0_oidc /a/*\ninvoke b\nreverse_proxy UPSTREAM"))
	w.addPartners()
	if page := w.signIn(w.browser(), "/b/x", w.pair.User); page.Status != http.StatusOK || page.URL.Path != "/b/x" {
		t.Errorf("%d %s", page.Status, page.URL)
	}
}

// Each host of a wildcard site has its own directive, which no other one answers
// for.
func TestHostsOfAWildcardSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atAddress("https://*.example.test"), withGlobal(globalTenant), withSite(`@a host other.example.test
handle @a {
auth0_oidc {
client_id another
}
reverse_proxy UPSTREAM
}
@b host app.example.test
handle @b {
auth0_oidc
reverse_proxy UPSTREAM
}`))
	if page := w.signIn(w.browser(), "/x", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("%d %s %s", page.Status, page.URL, page.Body)
	}
	u, _ := url.Parse(w.step(w.browser(), w.base+"/auth/login").Location())
	if got := u.Query().Get("client_id"); got != w.pair.App.ClientID {
		t.Errorf("the login goes to the client %q", got)
	}
}

// Two ports are two sites, although neither has a host.
func TestPortsAreSitesOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"), atAddress(":8080"), withGlobal(globalTenant), withSite(`auth0_oidc
reverse_proxy UPSTREAM
handle_errors {
reverse_proxy UPSTREAM
}
}
:8081 {
auth0_oidc {
client_id another
connection partners
prefix /authb
headers {
prefix X-App-
}
session {
cookie {
name sid
}
}
}
reverse_proxy UPSTREAM`))
	if page := w.signIn(w.browser(), "/x", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("%d %s", page.Status, page.URL)
	}
	w.app.take()
	w.send(w.browser(), "GET", "/authb/login", map[string]string{"X-App-Version": "7", "Cookie": "sid=theirs"})
	seen := w.app.take()
	if len(seen) != 1 || seen[0].header.Get("X-App-Version") != "7" || seen[0].header.Get("Cookie") != "sid=theirs" {
		t.Errorf("a path, a header and a cookie of the other port's: %+v", seen)
	}
}

// What rewrites leave of an address says nothing of what was asked for: a client
// could ask for a path that ends like it.
func TestRewriteTargetsAreNoWayAroundTheMatcher(t *testing.T) {
	t.Parallel()
	for line, path := range map[string]string{
		"uri /api/* strip_prefix /api": "/api/users",
		"rewrite /api/* /index.php":    "/api/x/index.php",
		"rewrite /api/* /":             "/api/secret/",
	} {
		w := newWorld(t, withSite(line+"\nauth0_oidc /api/* {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
		if response, _ := w.send(w.browser(), "GET", path, nil); response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
			t.Errorf("INV-01: %s: %s gives %d", line, path, response.StatusCode)
		}
	}
}
