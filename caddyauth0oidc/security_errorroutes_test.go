package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
)

// A directive inside the error routes of its own site answers once. It would
// otherwise refuse the refusal, and so on without an end.
func TestDirectiveInItsOwnErrorRoutes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"auto", "401", "redirect", "pass"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withGlobal("auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\n}"), withSite(`auth0_oidc
reverse_proxy UPSTREAM
handle_errors {
auth0_oidc {
unauthenticated `+mode+`
}
rewrite * /error/{err.status_code}
reverse_proxy UPSTREAM
}`))
			for path, want := range map[string]string{"/x": "/error/401", "/auth/callback": "/error/400", "/auth/profile": "/error/401"} {
				response, _ := w.send(w.browser(), "GET", path, map[string]string{
					"X-Auth0-User-Id": "evil", "Cookie": "theirs=1; __Host-auth0_session=evil",
				})
				seen := w.app.take()
				if response.StatusCode != http.StatusOK || len(seen) != 1 || seen[0].uri != want {
					t.Fatalf("%s: %d %+v", path, response.StatusCode, seen)
				}
				assertOnlyOurs(t, seen[0], nil)
			}
		})
	}
}

// CFG-03: what fails before the directive gets to the error routes as the
// client sent it; there the directive cleans it and says who is signed in.
func TestCFG_03_DirectiveCleansTheErrorsOfEarlierHandlers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`auth0_oidc {
SETTINGS
}
try_files {path} =404
reverse_proxy UPSTREAM
handle_errors {
auth0_oidc {
SETTINGS
unauthenticated pass
}
reverse_proxy UPSTREAM
}`))
	b := w.browser()
	w.signIn(b, "/auth/login", w.pair.User)
	w.app.take()
	for _, visitor := range []*heldBrowser{b, w.browser()} {
		w.send(visitor, "GET", "/no/such/file", map[string]string{"X-Auth0-Email": "evil", "X~Auth0~User~Id": "evil"})
		seen := w.app.take()
		if len(seen) != 1 {
			t.Fatalf("%d requests", len(seen))
		}
		want := map[string]string(nil)
		if visitor == b {
			want = map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User)}
		}
		assertOnlyOurs(t, seen[0], want)
		if cookie := seen[0].header.Get("Cookie"); cookie != "" {
			t.Errorf("INV-03: the cookies %q", cookie)
		}
	}
}

// An error route that fails, or that has nothing but the bare status, leaves
// our answer whole, and the address of a callback in no log.
func TestFailingErrorRoutesLeaveOurAnswer(t *testing.T) {
	t.Parallel()
	for name, route := range map[string]string{
		"unreachable upstream": "reverse_proxy 127.0.0.1:1",
		"empty answer":         "header Cache-Control public\nheader Content-Length 0\nheader X-Theirs 1\nrespond \"\" {err.status_code}",
		"no answer":            "vars a b",
		"error again":          "error 500",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM\nhandle_errors {\n"+route+"\n}"))
			page := w.open(w.browser(), "/auth/callback?code=SECRETCODE&state=SECRETSTATE")
			if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeBadState) || page.Header.Get("X-Theirs") != "" {
				t.Errorf("%d %v %s", page.Status, page.Header, page.Body)
			}
			assertSafePage(t, page)
			if lines := page.Header.Values("Cache-Control"); len(lines) != 1 {
				t.Errorf("Cache-Control %q", lines)
			}
			response, body := w.send(w.browser(), "GET", "/x", nil)
			assertProblem(t, w, response, body)
			if logs := w.logs(); strings.Contains(logs, "SECRETCODE") || strings.Contains(logs, "SECRETSTATE") {
				t.Error("INV-04: the callback's query is in the log")
			}
		})
	}
}

// INV-04: no placeholder of an error route has the query of a callback.
func TestErrorRoutesDoNotSeeTheCallbacksQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`auth0_oidc {
SETTINGS
}
reverse_proxy UPSTREAM
handle_errors {
rewrite * /error
reverse_proxy UPSTREAM {
header_up X-Seen "{http.request.orig_uri} {http.request.orig_uri.query} {http.request.uri} {query} {uri} {http.error.message} {http.vars.auth0_oidc}"
}
}`))
	b := w.browser()
	w.signIn(b, "/auth/login", w.pair.User)
	w.app.take()
	w.send(b, "GET", "/auth/callback?code=SECRETCODE&state=SECRETSTATE", nil)
	seen := w.app.take()
	if len(seen) != 1 {
		t.Fatalf("%d requests", len(seen))
	}
	for name, values := range seen[0].header {
		if text := strings.Join(values, " "); strings.Contains(text, "SECRET") || strings.Contains(text, sessionCookie(w, b)) {
			t.Errorf("%s: %q", name, text)
		}
	}
}
