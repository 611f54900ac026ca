package caddyauth0oidc

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A directive inside the error routes of its own site answers once, and still
// protects: it would otherwise refuse its refusals without an end, or let those
// pass whom it has just refused.
func TestDirectiveInItsOwnErrorRoutes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"auto", "401", "redirect", "pass"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc
reverse_proxy UPSTREAM
handle_errors {
auth0_oidc {
unauthenticated `+mode+`
}
rewrite * /error/{err.status_code}
reverse_proxy UPSTREAM
}`))
			for path, want := range map[string]int{"/x": 401, "/auth/callback": 400, "/auth/profile": 401} {
				response, _ := w.send(w.browser(), "GET", path, map[string]string{
					"X-Auth0-User-Id": "evil", "Cookie": "theirs=1; __Host-auth0_session=evil",
				})
				seen := w.app.take()
				if mode != "pass" {
					if response.StatusCode != want || len(seen) != 0 {
						t.Errorf("INV-01: %s: %d, %d requests reached the application", path, response.StatusCode, len(seen))
					}
					continue
				}
				if response.StatusCode != http.StatusOK || len(seen) != 1 || seen[0].uri != fmt.Sprint("/error/", want) {
					t.Fatalf("%s: %d %+v", path, response.StatusCode, seen)
				}
				assertOnlyOurs(t, seen[0], nil)
			}
		})
	}
}

// A spare application behind the error routes is protected as the first one,
// also when the tenant is what has failed.
func TestSpareApplicationInErrorRoutesIsProtected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc
reverse_proxy 127.0.0.1:1
handle_errors 502 503 {
auth0_oidc
reverse_proxy UPSTREAM
}`))
	b := w.browser()
	w.signIn(b, "/auth/login", w.pair.User)
	w.app.take()
	if response, _ := w.send(b, "GET", "/secret", nil); response.StatusCode != http.StatusOK || len(w.app.take()) != 1 {
		t.Errorf("signed in: %d", response.StatusCode)
	}
	down := newWorld(t, withGlobal(globalTenant), withSite("auth0_oidc\nreverse_proxy UPSTREAM\nhandle_errors 502 503 {\nauth0_oidc\nreverse_proxy UPSTREAM\n}"))
	down.pair.Master.Down(true)
	if page := down.open(down.browser(), "/secret"); page.Status != http.StatusServiceUnavailable || len(down.app.take()) != 0 {
		t.Errorf("signed out, the tenant down: %d", page.Status)
	}
}

// INV-02, INV-03: what belongs to another directive of the site does not reach
// the error routes either, whatever the two share.
func TestErrorRoutesAreCleanedForEveryDirective(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"same client": "", "another prefix": "prefix /authb", "another client": "client_id other", "another address": "base_url https://app.example.test",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withGlobal(globalTenant), withSite(`@a not path /b/*
auth0_oidc @a
auth0_oidc /b/* {
headers {
prefix X-Partner-
}
session {
cookie {
name other_session
}
}
`+line+`
}
reverse_proxy UPSTREAM
handle_errors {
reverse_proxy UPSTREAM
}`))
			w.send(w.browser(), "GET", "/a/x", map[string]string{"X-Partner-User-Id": "evil", "Cookie": "theirs=1; __Host-other_session=evil"})
			seen := w.app.take()
			if len(seen) != 1 || seen[0].header["X-Partner-User-Id"] != nil || seen[0].header.Get("Cookie") != "theirs=1" {
				t.Errorf("the error route got %+v", seen)
			}
		})
	}
}

// What belongs to a directive of another site is the application's here.
func TestErrorRoutesKeepWhatOtherSitesCallTheirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc
reverse_proxy UPSTREAM
handle_errors {
reverse_proxy UPSTREAM
}
}
https://other.example.test {
auth0_oidc {
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
	w.send(w.browser(), "GET", "/x", map[string]string{"X-App-Version": "7", "Cookie": "sid=theirs"})
	seen := w.app.take()
	if len(seen) != 1 || seen[0].header.Get("X-App-Version") != "7" || seen[0].header.Get("Cookie") != "sid=theirs" {
		t.Errorf("the error route got %+v", seen)
	}
}

// An error route that writes without a status means 200, and one that writes
// nothing has not answered.
func TestRouteAnswerKeepsStatusAndBodyTogether(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write func(http.ResponseWriter)
		held  bool
		code  int
		body  string
	}{
		"implicit 200":         {func(w http.ResponseWriter) { _, _ = w.Write([]byte("page")) }, false, 200, "page"},
		"status and body":      {func(w http.ResponseWriter) { w.WriteHeader(401); _, _ = w.Write([]byte("page")) }, false, 401, "page"},
		"status and nothing":   {func(w http.ResponseWriter) { w.WriteHeader(401); _, _ = w.Write(nil) }, true, 200, ""},
		"another status":       {func(w http.ResponseWriter) { w.WriteHeader(302) }, false, 302, ""},
		"read from":            {func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader("page")) }, false, 200, "page"},
		"flushed":              {func(w http.ResponseWriter) { w.WriteHeader(401); _ = http.NewResponseController(w).Flush() }, false, 401, ""},
		"early hints, nothing": {func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(401) }, true, 200, ""},
	} {
		recorder := httptest.NewRecorder()
		answer := &routeAnswer{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: recorder}, visit: new(visit), unanswered: 401}
		test.write(answer)
		if answer.sent == test.held || recorder.Body.String() != test.body || answer.sent && recorder.Code != test.code {
			t.Errorf("%s: sent %v, %d %q", name, answer.sent, recorder.Code, recorder.Body)
		}
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
