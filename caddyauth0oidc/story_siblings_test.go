package caddyauth0oidc

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Directives of one site share the session and not its limits: a request to one of
// them keeps the session alive for all, and the browser keeps the cookie for as long
// as any of them accepts it.
func TestSessionOfTwoDirectivesLastsAsLongAsItIsUsed(t *testing.T) {
	t.Parallel()
	const site = "@main not path /b/*\nauth0_oidc @main {\nSETTINGS\nsession {\nidle 10h\n}\n}\nauth0_oidc /b/* {\nSETTINGS\nsession {\nidle 30m\n}\n}\nreverse_proxy UPSTREAM"
	w := newWorld(t, withSite(site))
	b := w.browser()
	w.signIn(b, "/b/home", w.pair.User)
	for range 12 {
		w.clock.advance(10 * time.Minute)
		response, _ := w.send(b, "GET", "/home", map[string]string{"Accept": "application/json"})
		if cookie := response.Header.Get("Set-Cookie"); response.StatusCode != http.StatusOK || !strings.Contains(cookie, "Max-Age=3") {
			t.Fatalf("/home: %d %q", response.StatusCode, cookie)
		}
	}
	if response, _ := w.send(b, "GET", "/b/x", map[string]string{"Accept": "application/json"}); response.StatusCode != http.StatusOK {
		t.Errorf("/b/x: %d", response.StatusCode)
	}
}

// pollWithoutEnd asks for something and goes away before the answer.
func (w *world) pollWithoutEnd(b *heldBrowser) {
	answer, arrived := w.app.answer, make(chan struct{}, 1)
	w.app.mu.Lock()
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/poll" {
			answer(rw, r)
			return
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	}
	w.app.mu.Unlock()
	answers := &w.handler().shared.renewals.answers
	before := answers.Load()
	ctx, cancel := context.WithCancel(w.t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", w.base+"/poll", nil)
	r.Header.Set("Cookie", cookieHeader(w, b))
	gone := make(chan struct{})
	go func() { _, _ = w.network.RoundTrip(r); close(gone) }()
	<-arrived
	cancel()
	<-gone
	for answers.Load() > before {
		runtime.Gosched()
	}
}

// A renewal that a client did not wait for holds up no other one.
func TestRenewalThatWasLostIsMadeUpFor(t *testing.T) {
	t.Parallel()
	w, b := dueWorld(t)
	slow := w.ask(b)
	w.pollWithoutEnd(b)
	for range 9 {
		w.clock.advance(time.Hour)
		response, _ := w.send(b, "GET", "/x", map[string]string{"Accept": "application/json"})
		if len(response.Header.Values("Set-Cookie")) != 1 {
			t.Errorf("%d, %v", response.StatusCode, response.Header)
		}
	}
	if slow.finish() != "" {
		t.Error("the slow answer renewed, too")
	}
}

func TestRenewalIsLeftToAnAnswerThatSomebodyWaitsFor(t *testing.T) {
	t.Parallel()
	w, b := dueWorld(t)
	slow := w.ask(b)
	w.pollWithoutEnd(b)
	if slow.finish() == "" {
		t.Error("the renewal went to a client that was gone")
	}
}

// RIL-07: however long an answer takes, and whoever signs out meanwhile.
func TestRIL_07_LogoutIsNeverForgottenByAnAnswerUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession))
	b, others := w.browser(), []*heldBrowser{w.browser(), w.browser(), w.browser()}
	for _, any := range append(others, b) {
		w.signIn(any, "/home", w.pair.User)
	}
	w.clock.advance(2 * time.Hour)
	slow := w.ask(b)
	for _, any := range append([]*heldBrowser{b}, others...) {
		w.send(any, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
		w.clock.advance(16 * time.Minute)
	}
	if slow.finish() != "" {
		t.Error("the session that was ended came back")
	}
}

// dueWorldOfAFile is a dueWorld with its secret in a file; replace writes another one
// there and loads the configuration again.
func dueWorldOfAFile(t *testing.T) (w *world, b *heldBrowser, replace func()) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	write := func(value string) {
		if err := os.WriteFile(secret, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(oldSecret)
	settings := shortSession + "\nsecret {file." + secret + "}"
	w = newWorld(t, withSettings(settings))
	b = w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(2 * time.Hour)
	return w, b, func() {
		write(newSecret)
		w.load(worldSetup{base: w.base, settings: settings})
	}
}

// The newest keys of a configuration seal, also what an answer since before a reload
// writes.
func TestLateAnswerSealsWithTheSecretOfNow(t *testing.T) {
	t.Parallel()
	w, b, replace := dueWorldOfAFile(t)
	old := w.handler()
	slow := w.ask(b)
	replace()
	if err := old.Cleanup(); err != nil {
		t.Fatal(err)
	}
	cookie := slow.finish()
	r, _ := http.NewRequest("GET", w.base+"/x", nil)
	r.Header.Set("Cookie", "__Host-auth0_session="+cookie)
	if response, err := w.network.RoundTrip(r); err != nil || cookie != "" && response.StatusCode != http.StatusOK {
		t.Errorf("with the late cookie: %v %v", response, err)
	}
}

// CACHE-01: what the site says to shared caches does not hold for our own answers.
func TestCACHE_01_SitesHeadersForSharedCachesAreTakenFromOurAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("header CDN-Cache-Control \"public, max-age=3600\"\nheader Netlify-CDN-Cache-Control public\nheader Edge-Control max-age=1h\nheader Surrogate-Control max-age=3600\nauth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	callback := strings.TrimPrefix(w.callbackOf(b, "/auth/login?return_to=/x", w.pair.User), w.base)
	for _, path := range []string{"/home", "/auth/profile", "/auth/login", "/auth/logout", callback} {
		response, _ := w.send(b, "GET", path, nil)
		for name := range response.Header {
			if strings.HasSuffix(name, "-Cache-Control") || name == "Edge-Control" || name == "Surrogate-Control" {
				t.Errorf("%.20s: %s", path, name)
			}
		}
	}
}

// A directive in the error routes that lets everybody pass leaves the refusal's own
// cookies alone, and what it renews itself.
func TestErrorRoutesKeepTheCookiesOfTheRefusal(t *testing.T) {
	t.Parallel()
	const inner = "handle_errors {\nauth0_oidc {\nSETTINGS\nsession {\nidle 10h\n}\nunauthenticated pass\n}\nrespond \"err {err.status_code}\"\n}"
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\nsession {\nidle 10h\n}\n}\nerror /e 404\nreverse_proxy UPSTREAM\n"+inner))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(2 * time.Hour)
	for _, path := range []string{"/auth/callback?x=1", "/e"} {
		response, _ := w.send(b, "GET", path, nil)
		if n := len(response.Header.Values("Set-Cookie")); n != 1 {
			t.Errorf("%s: %d %v", path, response.StatusCode, response.Header)
		}
		w.clock.advance(2 * time.Hour)
	}
	late := w.browser()
	callback := w.callbackOf(late, "/x", w.pair.User)
	w.pair.Master.Down(true)
	if page := w.step(late, callback); page.Status != http.StatusServiceUnavailable || len(w.pendingLogins(late)) != 0 {
		t.Errorf("%d, and %d logins are pending", page.Status, len(w.pendingLogins(late)))
	}
}

// A user's answer is private on an error route that is not protected, too.
func TestCACHE_02_UserOnAnUnprotectedErrorRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nerror /e 404\nreverse_proxy UPSTREAM\nhandle_errors {\nrewrite * /err\n@never path /never\nauth0_oidc @never {\nSETTINGS\n}\nreverse_proxy UPSTREAM\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "public, max-age=600")
		rw.Header().Set("CDN-Cache-Control", "public, max-age=600")
	}
	response, _ := w.send(b, "GET", "/e", nil)
	if got := response.Header.Values("Cache-Control"); len(got) != 1 || got[0] != "private, max-age=600" || response.Header.Get("CDN-Cache-Control") != "" {
		t.Errorf("%v", response.Header)
	}
}

// A stream that says no-transform still does when its answer renews the session.
func TestRenewalKeepsNoTransform(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "no-cache, No-Transform")
	}
	w.clock.advance(2 * time.Hour)
	if response, _ := w.send(b, "GET", "/stream", nil); response.Header.Get("Cache-Control") != uncached+", no-transform" {
		t.Errorf("%v", response.Header)
	}
}
