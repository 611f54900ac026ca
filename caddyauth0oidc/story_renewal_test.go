package caddyauth0oidc

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// slowAnswer is a request for /slow that the application has not answered yet.
type slowAnswer struct {
	release  chan struct{}
	response chan *http.Response
}

// ask sends a request with the browser's cookies of now and returns when it has
// reached the application.
func (w *world) ask(b *heldBrowser) *slowAnswer {
	w.t.Helper()
	return w.askWith(cookieHeader(w, b))
}

func (w *world) askWith(cookies string) *slowAnswer {
	w.t.Helper()
	s := &slowAnswer{release: make(chan struct{}), response: make(chan *http.Response, 1)}
	arrived := make(chan struct{})
	w.app.mu.Lock()
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-s.release
		}
	}
	w.app.mu.Unlock()
	r, err := http.NewRequest("GET", w.base+"/slow", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Cookie", cookies)
	go func() {
		response, err := w.network.RoundTrip(r)
		if err != nil {
			w.t.Error(err)
		}
		s.response <- response
	}()
	<-arrived
	return s
}

// finish lets the application answer and gives the session cookie that came along.
func (s *slowAnswer) finish() string {
	close(s.release)
	response := <-s.response
	if response == nil {
		return ""
	}
	for _, c := range response.Cookies() {
		if strings.HasSuffix(c.Name, "auth0_session") {
			return c.Value
		}
	}
	return ""
}

// CONC-12, RIL-07, CONC-14, CONC-18: an answer that takes long neither replaces the
// cookie of a later one nor brings back a session that has ended.
func TestCONC_12_LateAnswerNeverReplacesANewerSession(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		meanwhile func(*world, *heldBrowser)
		renews    bool
	}{
		"nothing happens": {func(*world, *heldBrowser) {}, true},
		"the user does not use the session": {func(w *world, _ *heldBrowser) {
			w.clock.advance(time.Minute)
		}, true},
		"another answer renews": {func(w *world, b *heldBrowser) {
			w.clock.advance(time.Minute)
			if !w.isSignedIn(b) {
				w.t.Error("signed out")
			}
		}, false},
		"another answer renews after a reload": {func(w *world, b *heldBrowser) {
			w.load(worldSetup{base: w.base, settings: shortSession})
			if !w.isSignedIn(b) {
				w.t.Error("signed out")
			}
		}, false},
		"the user signs out": {func(w *world, b *heldBrowser) {
			w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
		}, false},
		"the user signs in again": {func(w *world, b *heldBrowser) {
			w.open(b, "/auth/login?return_to=/home")
		}, false},
		"the session ends": {func(w *world, _ *heldBrowser) {
			w.clock.advance(20 * time.Hour)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(shortSession))
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			before := sessionCookie(w, b)
			w.clock.advance(2 * time.Hour)
			slow := w.ask(b)
			tc.meanwhile(w, b)
			late := slow.finish()
			if got := late != ""; got != tc.renews {
				t.Errorf("the late answer sets a session: %v, want %v", got, tc.renews)
			}
			if late == before {
				t.Error("the session came back as it was")
			}
		})
	}
}

// dueWorld has a signed-in browser whose session is due to be renewed.
func dueWorld(t *testing.T) (*world, *heldBrowser) {
	t.Helper()
	w := newWorld(t, withSettings(shortSession))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(2 * time.Hour)
	return w, b
}

const shortSession = "session {\nidle 10h\nabsolute 20h\n}"

// Nothing of an answer that is over is remembered.
func TestRenewalsAreForgottenWhenTheirAnswersAreOver(t *testing.T) {
	t.Parallel()
	w, b := dueWorld(t)
	w.isSignedIn(b)
	w.app.answer = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	w.clock.advance(2 * time.Hour)
	w.send(b, "GET", "/x", nil)
	renewals := &w.handler().shared.renewals
	if n := renewals.answers.Load(); n != 0 || len(renewals.underWay) != 0 {
		t.Errorf("%d answers, %d sessions are remembered", n, len(renewals.underWay))
	}
}

// The idle time counts from the answer, so that a long download does not end in a
// session that is over.
func TestRenewedCookieIsOfTheMomentOfTheAnswer(t *testing.T) {
	t.Parallel()
	w, b := dueWorld(t)
	slow := w.ask(b)
	w.clock.advance(7 * time.Hour)
	cookie := slow.finish()
	w.clock.advance(9 * time.Hour)
	r, _ := http.NewRequest("GET", w.base+"/x", nil)
	r.Header.Set("Cookie", "__Host-auth0_session="+cookie)
	response, err := w.network.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("9 hours after the answer: %v %v", response, err)
	}
}

// Every way of writing an answer has the cookie in its header.
func TestRenewalReachesEveryKindOfAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a status": func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) },
		"a body":   func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("x")) },
		"nothing":  func(http.ResponseWriter, *http.Request) {},
		"a flush":  func(rw http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(rw).Flush() },
		"a large file": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(rw, bytes.NewReader(make([]byte, 1<<20)))
		},
		"early hints": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Link", "</style.css>; rel=preload")
			rw.WriteHeader(http.StatusEarlyHints)
			rw.WriteHeader(http.StatusOK)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := dueWorld(t)
			w.app.answer = answer
			response, _ := w.send(b, "GET", "/x", nil)
			if n := len(response.Header.Values("Set-Cookie")); n != 1 || response.Header.Get("Cache-Control") != uncached {
				t.Errorf("%d cookies, %q", n, response.Header.Get("Cache-Control"))
			}
		})
	}
}

// Each of two directives renews its own session, whatever the handlers behind them do
// to the request.
func TestTwoDirectivesRenewTheirOwnSessions(t *testing.T) {
	t.Parallel()
	const global = "servers {\ntrusted_proxies static 192.0.2.1/32\n}\n"
	w := newWorld(t, withGlobal(global), withSite(`auth0_oidc {
SETTINGS
session {
idle 10h
}
}
auth0_oidc /b/* {
SETTINGS
prefix /authb
session {
idle 10h
cookie {
name b_session
}
}
}
request_header -X-Forwarded-Proto
request_header Host other.example.test
reverse_proxy UPSTREAM`))
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) {
		a.Callbacks = append(a.Callbacks, w.base+"/authb/callback")
	})
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.open(b, "/b/x")
	ids := func() map[string][16]byte {
		found := make(map[string][16]byte)
		for _, name := range []string{"__Host-auth0_session", "__Host-b_session"} {
			s := new(session.Session)
			if !w.handler().keys.Load().ReadSession(s, []string{cookieHeader(w, b)}, name) {
				t.Fatalf("%s is no session", name)
			}
			found[name] = s.ID
		}
		return found
	}
	for _, name := range []string{"both are due", "both are due again"} {
		before := ids()
		w.clock.advance(2 * time.Hour)
		response, _ := w.send(b, "GET", "/b/x", nil)
		renewed := strings.Join(response.Header.Values("Set-Cookie"), "|")
		if response.StatusCode != http.StatusOK || strings.Count(renewed, "Max-Age=3") != 2 ||
			!strings.Contains(renewed, "__Host-auth0_session=") || !strings.Contains(renewed, "__Host-b_session=") {
			t.Errorf("%s: %d %s", name, response.StatusCode, renewed)
		}
		if after := ids(); !maps.Equal(before, after) {
			t.Errorf("%s: before %v, after %v", name, before, after)
		}
	}
}

// Two directives with one session renew it once, and neither undoes it.
func TestTwoDirectivesRenewTheirCommonSessionOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\nsession {\nidle 10h\n}\n}\nauth0_oidc /b/* {\nSETTINGS\nsession {\nidle 1h\n}\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/b/home", w.pair.User)
	for range 9 {
		w.clock.advance(20 * time.Minute)
		response, _ := w.send(b, "GET", "/b/x", map[string]string{"Accept": "application/json"})
		if n := len(response.Header.Values("Set-Cookie")); response.StatusCode != http.StatusOK || n != 1 {
			t.Fatalf("%d, %d cookies", response.StatusCode, n)
		}
	}
}

// CONC-03: a request that was sent before a logout and arrives after it does not
// bring the session back.
func TestCONC_03_RequestThatArrivesAfterTheLogoutRenewsNothing(t *testing.T) {
	t.Parallel()
	w, b := dueWorld(t)
	late, _ := http.NewRequest("GET", w.base+"/x", nil)
	late.Header.Set("Cookie", cookieHeader(w, b))
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	response, err := w.network.RoundTrip(late)
	if err != nil || len(response.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("%v %v", response, err)
	}
}

// A late answer of a configuration that is gone does not write with its old secret.
func TestLateAnswerOfAnOldConfigurationWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession+"\nsecret \""+oldSecret+"\""))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(2 * time.Hour)
	old := w.handler()
	slow := w.ask(b)
	w.load(worldSetup{base: w.base, settings: shortSession + "\nsecret \"" + newSecret + "\""})
	if err := old.Cleanup(); err != nil {
		t.Fatal(err)
	}
	w.open(b, "/home")
	if slow.finish() != "" || !w.isSignedIn(b) {
		t.Error("the old configuration wrote its cookie")
	}
}

// A stream is open for long; from its header on it cannot renew.
func TestStreamForgetsItsRenewalWithItsHeader(t *testing.T) {
	t.Parallel()
	w, b := dueWorld(t)
	var open int64 = -1
	recorded := httptest.NewRecorder()
	r := httptest.NewRequest("GET", w.base+"/stream", nil)
	r.Header.Set("Cookie", cookieHeader(w, b))
	h := w.handler()
	h.place.Store(nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), recorded, w.server)
	err := h.ServeHTTP(recorded, r, caddyhttp.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) error {
		if err := http.NewResponseController(rw).Flush(); err != nil {
			return err
		}
		open = h.shared.renewals.answers.Load()
		return nil
	}))
	if err != nil || open != 0 || len(recorded.Header().Values("Set-Cookie")) != 1 {
		t.Errorf("%v, %d answers, %v", err, open, recorded.Header())
	}
}
