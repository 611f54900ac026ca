package caddyauth0oidc

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/go-jose/go-jose/v4"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// restart ends Caddy and begins another one on the same storage.
func (w *world) restart(setup worldSetup) {
	w.t.Helper()
	w.end()
	setup.base = w.base
	w.load(setup)
}

// keptFiles are the files in Caddy's storage of what tenants said.
func (w *world) keptFiles(name string) []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.folder, tenantPath, "*", name))
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}

// wantOutage is the page of a login that the tenant cannot serve now.
func (w *world) wantOutage(page *auth0sim.Page) {
	w.t.Helper()
	wait, err := strconv.Atoi(page.Header.Get("Retry-After"))
	if page.Status != http.StatusServiceUnavailable || err != nil || wait < 1 || wait > 60 || !strings.Contains(page.Body, codeTenantUnavailable) {
		w.t.Errorf("%d, Retry-After %q: %s", page.Status, page.Header.Get("Retry-After"), page.Body)
	}
	assertSafePage(w.t, page)
}

// answerAll makes the master answer requests for a path, or for all with an empty one.
func (w *world) answerAll(path string, answer http.HandlerFunc) {
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if path != "" && r.URL.Path != path {
				return false
			}
			answer(rw, r)
			return true
		}
	})
}

func (w *world) answerAsUsual() {
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = nil })
}

const (
	discoveryRoute = "/.well-known/openid-configuration"
	keysRoute      = "/.well-known/jwks.json"
	tokenRoute     = "/oauth/token"
)

// Caddy begins anew while Auth0 is away. Who is signed in works on, who wants to sign in
// is led to Auth0, and the login ends well as soon as its token endpoint is back, its
// keys still being away.
func TestFAULT_01_FAULT_02_RestartDuringAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/page", w.pair.User)
	w.pair.Master.Down(true)
	w.restart(worldSetup{})
	if page := w.open(b, "/other"); page.Status != http.StatusOK {
		t.Errorf("a session gives %d", page.Status)
	}
	late := w.browser()
	for i := range 3 {
		page := w.step(late, w.base+"/page")
		if page.Status != http.StatusFound || !strings.HasPrefix(page.Location(), w.pair.Master.Issuer()+"authorize?") {
			t.Fatalf("login %d begins with %d %s\n%s", i, page.Status, page.Location(), w.logs())
		}
	}
	authorize := w.step(late, w.base+"/page").Location()
	w.answerAll(keysRoute, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) })
	w.pair.Master.Down(false)
	page, err := late.Get(authorize)
	if err != nil {
		t.Fatal(err)
	}
	if page, err = late.Login(page, w.pair.User.Email, auth0sim.PairPassword); err != nil || page.Status != http.StatusOK || !strings.Contains(page.Body, "application at /page") {
		t.Errorf("%v: %d %s\n%s", err, page.Status, page.Body, w.logs())
	}
}

// Nothing of what is kept is a secret, and it is kept by issuer.
func TestFAULT_01_WhatIsKeptIsWhatTheTenantPublishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn(w.browser(), "/page", w.pair.User)
	w.end()
	if len(w.keptFiles("*")) != 2 || len(w.keptFiles("discovery.json")) != 1 || len(w.keptFiles("keys.json")) != 1 {
		t.Fatalf("kept: %q", w.keptFiles("*"))
	}
	for _, file := range w.keptFiles("*") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{w.pair.App.ClientSecret, w.pair.App.ClientID, w.pair.User.Email} {
			if strings.Contains(string(content), secret) {
				t.Errorf("%s has %q", file, secret)
			}
		}
	}
	if strings.Contains(w.logs(), "kept in Caddy's storage") {
		t.Error("there was a warning")
	}
}

// What somebody spoilt is as good as nothing, is said once, and is replaced.
func TestFAULT_21_SpoiltFilesAreIgnoredAndReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn(w.browser(), "/page", w.pair.User)
	w.end()
	for _, file := range w.keptFiles("*") {
		if err := os.WriteFile(file, []byte(`{"issuer":"https://evil.test/"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.pair.Master.Down(true)
	w.restart(worldSetup{})
	page := w.open(w.browser(), "/page")
	w.wantOutage(page)
	if n := strings.Count(w.logs(), "recalling discovery.json"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	w.pair.Master.Down(false)
	w.waitForTenant(page.Header.Get("Retry-After"))
	if page = w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	w.pair.Master.Down(true)
	w.restart(worldSetup{})
	if page = w.step(w.browser(), w.base+"/page"); page.Status != http.StatusFound {
		t.Errorf("after the repair: %d %s", page.Status, page.Body)
	}
}

// The storage of the newest configuration counts, and that of the one before if the
// newest has gone again.
func TestFAULT_21_AReloadMayChangeTheStorage(t *testing.T) {
	adaptNoEnvironment(t)
	first, second := inStorage(t, t.TempDir()), inStorage(t, t.TempDir())
	h, unload, err := loadHandler(t, first)
	if err != nil {
		t.Fatal(err)
	}
	memory := h.shared.memory
	stores := func() (in [2]bool) {
		if err := memory.Store(t.Context(), "x", []byte("x")); err != nil {
			t.Error(err)
		}
		for i, base := range []caddy.Context{first, second} {
			in[i] = base.Storage().Exists(t.Context(), memory.folder+"x")
			_ = base.Storage().Delete(t.Context(), memory.folder+"x")
		}
		return in
	}
	if got := stores(); got != [2]bool{true, false} {
		t.Errorf("at first: %v", got)
	}
	_, unloadSecond, err := loadHandler(t, second)
	if err != nil {
		t.Fatal(err)
	}
	if got := stores(); got != [2]bool{false, true} {
		t.Errorf("after the reload: %v", got)
	}
	unloadSecond()
	if got := stores(); got != [2]bool{true, false} {
		t.Errorf("when the newest is gone: %v", got)
	}
	unload()
	if err := memory.Store(t.Context(), "x", nil); err == nil {
		t.Error("stored without a handler")
	}
}

// Auth0 goes away between its login page and the callback. The user is not signed in, is
// told to try again, and gets in without a password when it is back.
func TestFAULT_02_OutageInTheMiddleOfALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/page", w.pair.User)
	w.pair.Master.Down(true)
	page := w.step(b, callback)
	w.wantOutage(page)
	if sessionCookie(w, b) != "" || !strings.Contains(page.Body, `href="/page"`) {
		t.Errorf("a session, or no way on: %s", page.Body)
	}
	w.pair.Master.Down(false)
	if page = w.open(b, "/page"); page.Status != http.StatusOK || len(page.Forms) != 0 {
		t.Errorf("the next try gives %d %s", page.Status, page.Body)
	}
}

// One user's code exchange hangs. Others sign in, and who is signed in notices nothing.
func TestFAULT_03_AHangingLoginHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signedIn, slow := w.browser(), w.browser()
	w.signIn(signedIn, "/page", w.pair.User)
	callback := w.callbackOf(slow, "/slow", w.pair.User)
	var hung atomic.Bool
	hangs, release := make(chan struct{}), make(chan struct{})
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == tokenRoute && hung.CompareAndSwap(false, true) {
				close(hangs)
				<-release
			}
			return false
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if page, err := slow.Get(callback); err != nil || page.Status != http.StatusOK {
			t.Errorf("the slow one: %v, %v", page, err)
		}
	})
	<-hangs
	for range 3 {
		if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
			t.Errorf("another login: %d %s", page.Status, page.Body)
		}
		if page := w.open(signedIn, "/page"); page.Status != http.StatusOK {
			t.Errorf("a session: %d", page.Status)
		}
	}
	close(release)
	wg.Wait()
}

// A tenant that hangs when Caddy has begun anew costs the first user a second.
func TestFAULT_03_ARestartWithAHangingTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("http {\ntimeout 20s\n}"))
	w.signIn(w.browser(), "/page", w.pair.User)
	w.answerAll("", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.restart(worldSetup{settings: "http {\ntimeout 20s\n}"})
	before := time.Now()
	if page := w.step(w.browser(), w.base+"/page"); page.Status != http.StatusFound {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	if took := time.Since(before); took < 900*time.Millisecond || took > 15*time.Second {
		t.Errorf("the first login took %s to begin", took)
	}
	w.end() // and waits for nobody
}

// Each endpoint that a login needs fails in each way. The user gets the page, the endpoint
// one request, and all is well afterwards.
func TestFAULT_04_EachEndpointFails(t *testing.T) {
	t.Parallel()
	for _, path := range []string{discoveryRoute, keysRoute, tokenRoute} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{500, 502, 503, 504} {
				w := newWorld(t)
				w.answerAll(path, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
				b := w.browser()
				page := w.open(b, "/page")
				if path != discoveryRoute {
					var err error
					if page, err = b.Login(page, w.pair.User.Email, auth0sim.PairPassword); err != nil {
						t.Fatal(err)
					}
				}
				w.wantOutage(page)
				if n := w.pair.Master.Calls(path); n != 1 || sessionCookie(w, b) != "" || len(w.app.take()) != 0 {
					t.Errorf("status %d: %d requests, or somebody is signed in", status, n)
				}
				w.answerAsUsual()
				w.waitForTenant(page.Header.Get("Retry-After"))
				if page = w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
					t.Errorf("after status %d: %d %s", status, page.Status, page.Body)
				}
			}
		})
	}
}

// The token endpoint asks to be left alone, in every form, and is for that time, at most
// for a minute. Logins still begin, since that needs none of it.
func TestFAULT_05_ThrottledLogins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		name, value string
		least, most int // of our own Retry-After
	}{
		{"Retry-After", "0", 1, 1}, {"Retry-After", "5", 5, 5}, {"Retry-After", "86400", 60, 60}, {"Retry-After", "-5", 1, 1},
		{"Retry-After", "soon", 1, 1}, {"Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT", 60, 60}, {"Retry-After", "date", 19, 20},
		{"X-RateLimit-Reset", "epoch", 29, 30}, {"X-RateLimit-Reset", "1", 1, 1}, {"X-RateLimit-Reset", "9999999999", 60, 60},
	} {
		value := tc.value
		switch value {
		case "date":
			value = w.clock.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat)
		case "epoch":
			value = strconv.FormatInt(w.clock.Now().Add(30*time.Second).Unix(), 10)
		}
		first, second := w.browser(), w.browser()
		one, two := w.callbackOf(first, "/page", w.pair.User), w.callbackOf(second, "/page", w.pair.User)
		w.answerAll(tokenRoute, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set(tc.name, value)
			rw.WriteHeader(http.StatusTooManyRequests)
		})
		before := w.pair.Master.Calls(tokenRoute)
		page := w.step(first, one)
		w.wantOutage(page)
		w.wantOutage(w.step(second, two))
		wait, _ := strconv.Atoi(page.Header.Get("Retry-After"))
		if n := w.pair.Master.Calls(tokenRoute) - before; n != 1 || wait < tc.least || wait > tc.most {
			t.Errorf("%s: %s: Retry-After %d after %d requests", tc.name, value, wait, n)
		}
		if page := w.step(w.browser(), w.base+"/page"); page.Status != http.StatusFound {
			t.Errorf("%s: %s: a login begins with %d", tc.name, value, page.Status)
		}
		w.answerAsUsual()
		w.waitForTenant(strconv.Itoa(wait))
		if page := w.open(first, "/page"); page.Status != http.StatusOK {
			t.Errorf("%s: %s: afterwards %d %s", tc.name, value, page.Status, page.Body)
		}
	}
}

// A captive portal answers everything with its own page. It replaces nothing of what is
// known, in memory or in the storage.
func TestFAULT_06_FAULT_07_ACaptivePortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/page", w.pair.User)
	late := w.browser()
	callback := w.callbackOf(late, "/page", w.pair.User)
	w.answerAll("", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprint(rw, "<html><title>Please sign in to the WLAN</title></html>")
	})
	for range 2 {
		w.clock.advance(3 * time.Hour) // all that is known is stale
		if page := w.open(b, "/page"); page.Status != http.StatusOK {
			t.Errorf("a session gives %d", page.Status)
		}
		if page := w.step(w.browser(), w.base+"/page"); page.Status != http.StatusFound {
			t.Errorf("a login begins with %d", page.Status)
		}
		if page := w.step(late, callback); page.Status < 300 || page.Status == http.StatusInternalServerError || sessionCookie(w, late) != "" {
			t.Errorf("a callback gives %d", page.Status)
		}
		w.restart(worldSetup{})
	}
	if strings.Contains(w.logs(), "WLAN") {
		t.Error("its page is in the log")
	}
	w.answerAsUsual()
	w.waitForTenant("60")
	if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("%d %s", page.Status, page.Body)
	}
}

// Keys are rotated, and the edge that serves them lags one fetch behind: logins fail for
// half a minute at most, and the sessions notice nothing.
func TestFAULT_13_RotationWithAnEdgeThatLags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/page", w.pair.User)
	var old *jose.JSONWebKeySet // as it was at the first fetch after this
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.TamperKeys = func(set *jose.JSONWebKeySet) { old = set } })
	response, err := w.network.RoundTrip(httptest.NewRequest(http.MethodGet, w.pair.Master.Issuer()+".well-known/jwks.json", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	keys := slices.Clone(old.Keys)
	for range 2 { // past the next key, which was fetched with the first
		w.pair.Master.RotateKeys()
		w.pair.Master.RevokePreviousKey()
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.TamperKeys = func(set *jose.JSONWebKeySet) {
			if keys != nil {
				set.Keys, keys = keys, nil
			}
		}
	})
	if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeInvalidToken) {
		t.Errorf("while the edge lags: %d %s", page.Status, page.Body)
	}
	if page := w.open(b, "/page"); page.Status != http.StatusOK {
		t.Errorf("a session gives %d", page.Status)
	}
	w.clock.advance(30 * time.Second)
	if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("afterwards: %d %s", page.Status, page.Body)
	}
}

// Our clock is not the tenant's. A minute does no harm, and more ends on a page.
func TestFAULT_19_ClocksThatDiffer(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]int{
		30 * time.Second: 200, -30 * time.Second: 200, 5 * time.Minute: 200, -5 * time.Minute: 400, 24 * time.Hour: 400, -24 * time.Hour: 400,
	} {
		w := newWorld(t)
		own := &clock{now: w.clock.Now().Add(ahead)}
		h := w.handler()
		h.now, h.shared.now = own.Now, own.Now
		b := w.browser()
		page := w.signIn(b, "/page", w.pair.User)
		if page.Status != want || (sessionCookie(w, b) != "") != (want == 200) {
			t.Errorf("ahead by %v: %d %s", ahead, page.Status, page.Body)
		}
		if want == 400 && (!strings.Contains(page.Body, codeInvalidToken) || w.pair.Master.Calls(tokenRoute) != 1) {
			t.Errorf("ahead by %v: %d exchanges: %s", ahead, w.pair.Master.Calls(tokenRoute), page.Body)
		}
	}
}

// The clock steps while sessions live: a small step ends none, and a large one back costs
// a redirect through Auth0 and no password, however the back-off stood.
func TestFAULT_19_TheClockStepsWhileSessionsLive(t *testing.T) {
	t.Parallel()
	for step, kept := range map[time.Duration]bool{
		-30 * time.Second: true, 30 * time.Second: true, 5 * time.Minute: true, -2 * time.Hour: false, -24 * time.Hour: false,
	} {
		w := newWorld(t)
		b := w.browser()
		w.signIn(b, "/page", w.pair.User)
		w.pair.Master.Down(true)
		w.clock.advance(time.Hour) // keys and discovery are stale, and cannot be had
		w.step(w.browser(), w.base+"/page")
		w.open(b, "/page")
		w.pair.Master.Down(false)
		w.clock.advance(step)
		page := w.step(b, w.base+"/page")
		if (page.Status == http.StatusOK) != kept {
			t.Errorf("step of %v: %d", step, page.Status)
		}
		if page = w.open(w.browser(), "/page"); len(page.Forms) == 0 {
			t.Errorf("step of %v: no login page but %d %s", step, page.Status, page.Body)
		}
	}
}

// The child's keys are kept as well: its token is verified while it is away, by a new
// process too.
func TestFAULT_01_ChildAwayAfterARestart(t *testing.T) {
	t.Parallel()
	settings := siteOf(withChild("header", ""))
	w := childWorld(t, withChild("header", ""))
	w.signIn(w.browser(), "/home", w.pair.User)
	w.app.take()
	late := w.browser()
	callback := w.callbackOf(late, "/home", w.pair.User)
	w.pair.Child.Down(true)
	w.restart(worldSetup{site: settings})
	if len(w.keptFiles("keys.json")) != 2 {
		t.Errorf("kept: %q", w.keptFiles("*"))
	}
	if page := w.step(late, callback); page.Location() != w.base+"/home" {
		t.Fatalf("%d %s\n%s", page.Status, page.Location(), w.logs())
	}
	w.open(late, "/home")
	if got := w.seen().header.Get("X-Auth0-Child-Access-Token"); !strings.Contains(got, "eyJ") {
		t.Errorf("the application got %q", got)
	}
}

// The last handler takes all with it.
func TestFAULT_02_NothingOfATenantIsLeftAfterTheLastHandler(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn(w.browser(), "/page", w.pair.User)
	h := w.handler()
	w.end()
	if n, _ := pool.References(h.shared.key); n != 0 || len(h.shared.memory.from) != 0 {
		t.Errorf("%d handlers, %d storages", n, len(h.shared.memory.from))
	}
	if _, err := os.Stat(w.keptFiles("keys.json")[0]); err != nil { // though it was the last to come
		t.Error(err)
	}
}
