package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
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
		"uri path_regexp ^/api/$ \"\"": "/api/",
	} {
		w := newWorld(t, withSite(line+"\nauth0_oidc /api/* {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
		if response, _ := w.send(w.browser(), "GET", path, nil); response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
			t.Errorf("INV-01: %s: %s gives %d", line, path, response.StatusCode)
		}
	}
}

const twoDirectives = `auth0_oidc /a/*
auth0_oidc /b/* {
connection partners
headers {
prefix X-Partner-
}
}
reverse_proxy UPSTREAM
handle_errors {
reverse_proxy UPSTREAM
}`

// A callback of a login that was begun on another site is refused with the
// cleaning of this one.
func TestCallbackOfAnotherSiteIsCleanedForThisOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(twoDirectives+"\n}\nhttps://other.example.test {\nauth0_oidc\nreverse_proxy UPSTREAM"))
	w.network.Handle("other.example.test", w.server)
	b := w.browser()
	u, _ := url.Parse(w.step(b, "https://other.example.test/x").Location())
	var pending []string
	for _, c := range b.Cookies("https://other.example.test/") {
		pending = append(pending, c.Name+"="+c.Value)
	}
	w.send(w.browser(), "GET", "/auth/callback?error=access_denied&state="+url.QueryEscape(u.Query().Get("state")), map[string]string{
		"Cookie": strings.Join(pending, "; "), "X-Partner-User-Id": "evil",
	})
	if seen := w.app.take(); len(seen) != 1 || seen[0].header["X-Partner-User-Id"] != nil {
		t.Errorf("the error route got %+v", seen)
	}
}

// What one server's request finds out is not taken for another server's.
func TestSiteOfAReloadedDirective(t *testing.T) {
	t.Parallel()
	setup := worldSetup{base: "https://app.example.test", global: globalTenant, site: twoDirectives}
	w := newWorld(t, withGlobal(setup.global), withSite(setup.site))
	old := w.server
	b := w.browser()
	callback := w.callbackOf(b, "/a/x", w.pair.User)
	w.load(setup)
	w.network.Handle("app.example.test", old) // a request that the old server still has
	w.step(b, callback)
	w.network.Handle("app.example.test", w.server)
	w.app.take()
	w.send(w.browser(), "GET", "/a/x", map[string]string{"X-Partner-User-Id": "evil"})
	if seen := w.app.take(); len(seen) != 1 || seen[0].header["X-Partner-User-Id"] != nil {
		t.Errorf("the error route got %+v", seen)
	}
	if page := w.step(w.browser(), w.base+"/auth/login?connection=partners"); page.Status != http.StatusFound {
		t.Errorf("the other directive is not found: %d", page.Status)
	}
}

// A named route that several sites invoke is part of each of them.
func TestNamedRouteOfSeveralSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant+"\n}\n&(gate) {\nauth0_oidc /a/*\n}\nhttps://another.example.test {\ninvoke gate\nauth0_oidc /c/* {\nprefix /foreign\nclient_id another\n}\nreverse_proxy UPSTREAM"),
		withSite("invoke gate\nauth0_oidc /b/* {\nconnection partners\nheaders {\nprefix X-Partner-\n}\n}\nreverse_proxy UPSTREAM\nhandle_errors {\nreverse_proxy UPSTREAM\n}"))
	w.send(w.browser(), "GET", "/a/x", map[string]string{"X-Partner-User-Id": "evil"})
	if seen := w.app.take(); len(seen) != 1 || seen[0].header["X-Partner-User-Id"] != nil {
		t.Errorf("the error route got %+v", seen)
	}
	if page := w.step(w.browser(), w.base+"/auth/login?connection=partners"); page.Status != http.StatusFound {
		t.Errorf("the site's own connection: %d", page.Status)
	}
	if response, _ := w.send(w.browser(), "GET", "/foreign/login", nil); response.StatusCode != http.StatusOK || len(w.app.take()) != 1 {
		t.Errorf("a path of the other site's: %d", response.StatusCode)
	}
}

// A rewrite that changes nothing but the spelling of a path is one, too.
func TestRewriteOfTheSpellingIsNoWayAround(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("@p path /api%2F*\nroute {\nrewrite * {path}\nauth0_oidc @p {\nSETTINGS\n}\nreverse_proxy UPSTREAM\n}"))
	if response, _ := w.send(w.browser(), "GET", "/api%2Fx", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", response.StatusCode)
	}
}

// A path that a rewrite has emptied is not the one that was asked for.
func TestRewriteToNothingIsNoWayAround(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("@p path /\nuri path_regexp ^/$ \"\"\nauth0_oidc @p {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	if response, _ := w.send(w.browser(), "GET", "/", nil); response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
		t.Errorf("INV-01: status %d", response.StatusCode)
	}
}

// A directive that stands in the error routes alone ends its own sessions.
func TestLogoutOfADirectiveInErrorRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc /a/* {
prefix /main
}
error /b/* 404
error /auth/* 404
reverse_proxy UPSTREAM
handle_errors {
auth0_oidc {
session {
cookie {
name other
}
}
}
reverse_proxy UPSTREAM
}`))
	b := w.browser()
	if page := w.signIn(b, "/b/x", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.URL)
	}
	if response, body := w.send(b, "GET", "/auth/profile", nil); response.StatusCode != http.StatusOK || !strings.Contains(body, "user_id") {
		t.Errorf("profile: %d %s", response.StatusCode, body)
	}
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	if response, _ := w.send(b, "GET", "/b/x", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the logout: %d", response.StatusCode)
	}
}

// A refusal from within the error routes is cleaned for the site's other
// directives as well.
func TestRefusalInErrorRoutesIsCleanedForTheWholeSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`handle /b/* {
auth0_oidc {
connection partners
headers {
prefix X-Partner-
}
}
reverse_proxy UPSTREAM
}
handle {
error 404
}
handle_errors 404 {
auth0_oidc
reverse_proxy UPSTREAM
}
handle_errors 401 {
reverse_proxy UPSTREAM
}`))
	w.send(w.browser(), "GET", "/x", map[string]string{"X-Partner-User-Id": "evil", "X-Auth0-User-Id": "evil"})
	seen := w.app.take()
	if len(seen) != 1 || seen[0].header["X-Partner-User-Id"] != nil || seen[0].header["X-Auth0-User-Id"] != nil {
		t.Errorf("INV-02: the error route got %+v", seen)
	}
}

// A Host that was rewritten for the upstream does not hide the site from its own
// cleaning, when the error routes of a broader site take over.
func TestRewrittenHostIsCleanedForItsSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`route {
request_header Host backend.internal
auth0_oidc /a/*
auth0_oidc /b/* {
connection partners
headers {
prefix X-Partner-
}
session {
cookie {
name sid
}
}
}
reverse_proxy UPSTREAM
}
}
https:// {
respond hi
handle_errors {
reverse_proxy UPSTREAM
}`))
	w.send(w.browser(), "GET", "/a/x", map[string]string{
		"X-Partner-User-Id": "evil", "X-Auth0-User-Id": "evil", "Cookie": "sid=own; __Host-sid=own; theirs=1",
	})
	seen := w.app.take()
	if len(seen) != 1 || seen[0].header["X-Partner-User-Id"] != nil || seen[0].header["X-Auth0-User-Id"] != nil || seen[0].header.Get("Cookie") != "theirs=1" {
		t.Errorf("INV-02, INV-03: the error route got %+v", seen)
	}
}
