package caddyauth0oidc

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

var asScript = map[string]string{"Accept": "application/json"}

// A session that is idle for too long for the inner directive is not made young by the
// outer one in the very answer that refuses it.
func TestRefusalDoesNotRenewWhatItRefuses(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"auto", "pass"} {
		w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\nsession {\nidle 10h\n}\n}\nauth0_oidc /b/* {\nSETTINGS\nunauthenticated "+mode+"\nsession {\nidle 1h\n}\n}\nreverse_proxy UPSTREAM"))
		b := w.browser()
		w.signIn(b, "/b/home", w.pair.User)
		w.clock.advance(2 * time.Hour)
		for range 2 {
			response, _ := w.send(b, "GET", "/b/x", asScript)
			if response.Header["Set-Cookie"] != nil || mode == "auto" && response.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %d, %.60q", mode, response.StatusCode, response.Header["Set-Cookie"])
			}
		}
	}
}

// CONC-03: the request comes at once after a login that took the session's place, its
// answer when most of those since are forgotten.
func TestCONC_03_RequestAfterTheNextLoginThatIsAnsweredLateRenewsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession))
	b, others := w.browser(), []*heldBrowser{w.browser(), w.browser(), w.browser()}
	for _, one := range append(others, b) {
		w.signIn(one, "/home", w.pair.User)
	}
	w.clock.advance(2 * time.Hour)
	cookies := cookieHeader(w, b)
	replace := func(b *heldBrowser) { w.open(b, "/auth/login") }
	replace(b)
	slow := w.askWith(cookies)
	for _, one := range others {
		w.clock.advance(16 * time.Minute)
		replace(one)
	}
	if slow.finish() != "" {
		t.Error("the session that was replaced came back")
	}
}

// A configuration that was loaded and does not serve, as while it is loaded or after
// another part of it failed, seals nothing for the one that does.
func TestRunningConfigurationSealsWithItsOwnSecret(t *testing.T) {
	t.Parallel()
	w, b, replace := dueWorldOfAFile(t)
	running := w.server
	replace()
	w.network.Handle(strings.TrimPrefix(w.base, "https://"), running)
	for _, want := range []int{1, 0} {
		response, _ := w.send(b, "GET", "/x", asScript)
		if n := len(response.Header["Set-Cookie"]); response.StatusCode != http.StatusOK || n != want {
			t.Errorf("%d with %d cookies, want %d", response.StatusCode, n, want)
		}
	}
	other := w.browser()
	w.signIn(other, "/home", w.pair.User)
	if response, _ := w.send(other, "GET", "/x", asScript); response.StatusCode != http.StatusOK {
		t.Errorf("after a login: %d", response.StatusCode)
	}
}

// The directive of an error route that comes first knows nothing of the others' limits.
func TestErrorPageDoesNotShortenTheSession(t *testing.T) {
	t.Parallel()
	const errorRoutes = "handle_errors {\nauth0_oidc {\nSETTINGS\nsession {\nidle 10m\n}\nunauthenticated pass\n}\nrespond \"err {err.status_code}\"\n}"
	w := newWorld(t, withSite("route {\nerror /e 404\nauth0_oidc {\nSETTINGS\nsession {\nidle 10h\n}\n}\nreverse_proxy UPSTREAM\n}\n"+errorRoutes))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(2 * time.Minute)
	response, body := w.send(b, "GET", "/e", nil)
	if response.StatusCode != http.StatusNotFound || !strings.Contains(body, "err 404") || response.Header["Set-Cookie"] != nil {
		t.Errorf("%d %q %v", response.StatusCode, body, response.Header["Set-Cookie"])
	}
}

func TestShorterDirectiveRenewsForAsLongAsTheLongerOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("@main not path /b/*\nauth0_oidc @main {\nSETTINGS\nsession {\nidle 10h\n}\n}\nauth0_oidc /b/* {\nSETTINGS\nsession {\nidle 30m\n}\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/b/home", w.pair.User)
	w.clock.advance(10 * time.Minute)
	response, _ := w.send(b, "GET", "/b/x", asScript)
	cookies := response.Cookies()
	if len(cookies) != 1 || cookies[0].MaxAge < 36000-60 || cookies[0].MaxAge > 36000 {
		t.Errorf("%v", cookies)
	}
}

// CONC-12: the later cookie is of another instance, and comes by while the answer is
// under way.
func TestCONC_12_LateAnswerNeverReplacesACookieOfAnotherInstance(t *testing.T) {
	t.Parallel()
	w, b := dueWorld(t)
	slow := w.ask(b)
	h, s := w.handler(), new(session.Session)
	if !h.keys.Load().ReadSession(s, []string{cookieHeader(w, b)}, h.secureCookies.Session.Name) {
		t.Fatal("no session")
	}
	header := make(http.Header)
	if err := h.keys.Load().WriteSession(header, h.secureCookies.Session, s.Renewed(w.clock.Now()), time.Hour, nil, 16<<10); err != nil {
		t.Fatal(err)
	}
	later, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	r, _ := http.NewRequest("GET", w.base+"/x", nil)
	r.Header.Set("Cookie", later)
	if _, err := w.network.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if slow.finish() != "" {
		t.Error("the later cookie was replaced")
	}
}

// CACHE-02: behind a directive that does not protect the request, a subroute's own
// error routes show the user that a further one knows.
func TestCACHE_02_AnswerOfASubroutesErrorRoutesIsForTheBrowserAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc /never/* {\nSETTINGS\n}\nauth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	var outer, inner *Handler
	for _, h := range w.handler().shared.all() {
		if len(h.matchers) > 0 {
			outer = h
		} else {
			inner = h
		}
	}
	failing := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return errors.New("no application") })
	subroute := caddyhttp.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) error {
		if err := inner.ServeHTTP(rw, r, failing); err != nil {
			rw.Header().Add("CDN-Cache-Control", "public, max-age=600")
			_, _ = rw.Write([]byte(r.Header.Get("X-Auth0-User-Id")))
		}
		return nil
	})
	recorded, r := httptest.NewRecorder(), httptest.NewRequest("GET", w.base+"/x", nil)
	r.Header.Set("Cookie", cookieHeader(w, b))
	if err := outer.ServeHTTP(recorded, caddyhttp.PrepareRequest(r, caddy.NewReplacer(), recorded, w.server), subroute); err != nil {
		t.Fatal(err)
	}
	if h := recorded.Header(); recorded.Body.Len() == 0 || h.Get("CDN-Cache-Control") != "" || h.Get("Cache-Control") != "private" {
		t.Errorf("%q with %v", recorded.Body, h)
	}
}
