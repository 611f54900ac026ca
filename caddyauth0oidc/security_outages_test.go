package caddyauth0oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// failing is a source of randomness that has none.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

// short gives one byte, and then nothing.
type short struct{ given atomic.Bool }

func (s *short) Read(b []byte) (int, error) {
	if s.given.Swap(true) {
		return 0, io.EOF
	}
	b[0] = 7
	return 1, nil
}

// FAULT-20: without randomness there is no login and no session, and no cookie that
// looks like one; whoever has one goes on.
func TestFAULT_20_WithoutRandomnessNothingIsBegun(t *testing.T) {
	t.Parallel()
	for name, random := range map[string]func() io.Reader{
		"error": func() io.Reader { return failing{} }, "short": func() io.Reader { return new(short) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings("preserve_post 1kB"))
			b, late := w.browser(), w.browser()
			w.signIn(b, "/home", w.pair.User)
			callback := w.callbackOf(late, "/late", w.pair.User)
			h := w.handler()
			for what, begin := range map[string]func() *http.Response{
				"navigation": func() *http.Response {
					r, _ := w.send(w.browser(), "GET", "/x", map[string]string{"Accept": "text/html"})
					return r
				},
				"link": func() *http.Response { r, _ := w.send(w.browser(), "GET", "/auth/login", nil); return r },
				"form": func() *http.Response {
					r, _ := w.post(w.browser(), "/x", strings.NewReader("a=b"), map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"})
					return r
				},
				"callback": func() *http.Response {
					r, _ := w.send(late, "GET", strings.TrimPrefix(callback, w.base), nil)
					return r
				},
			} {
				h.random = random()
				response := begin()
				if response.StatusCode != http.StatusInternalServerError {
					t.Errorf("%s: %d", what, response.StatusCode)
				}
				for _, c := range response.Cookies() {
					if c.MaxAge >= 0 {
						t.Errorf("%s sets %s", what, c.Name)
					}
				}
			}
			if !w.isSignedIn(b) {
				t.Error("a signed-in user is signed out")
			}
		})
	}
}

// FAULT-22: whatever becomes of a request at the application, it is sent there once, and
// the session is as it was.
func TestFAULT_22_FaultsOfTheApplicationAreNotOurs(t *testing.T) {
	t.Parallel()
	reset := func(w http.ResponseWriter, text string) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		status int
		broken bool // in the middle of the body
	}{
		"reset":         {func(w http.ResponseWriter, _ *http.Request) { reset(w, "") }, http.StatusBadGateway, false},
		"half a header": {func(w http.ResponseWriter, _ *http.Request) { reset(w, "HTTP/1.1 200 OK\r\nX-") }, http.StatusBadGateway, false},
		"half a body": {func(w http.ResponseWriter, _ *http.Request) {
			reset(w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
		}, http.StatusOK, true},
		"no HTTP": {func(w http.ResponseWriter, _ *http.Request) { reset(w, "SSH-2.0-OpenSSH\r\n") }, http.StatusBadGateway, false},
		"413":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }, http.StatusRequestEntityTooLarge, false},
		"503":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, http.StatusServiceUnavailable, false},
		"early hints": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		}, http.StatusOK, false},
		"hints, then reset": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints); reset(w, "") }, http.StatusBadGateway, false},
		"panic":             {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, http.StatusBadGateway, false},
	} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			t.Run(name+" "+method, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				b := w.browser()
				w.signIn(b, "/home", w.pair.User)
				w.app.take()
				w.app.answer = tc.answer
				r, _ := http.NewRequest(method, w.base+"/x", strings.NewReader("a=b"))
				r.Host = "app.example.test"
				r.Header.Set("Cookie", cookieHeader(w, b))
				r.Header.Set("Expect", "100-continue")
				response := w.overTLS(r)
				_, err := io.ReadAll(response.Body)
				if response.StatusCode != tc.status || (err != nil) != tc.broken {
					t.Errorf("%d, %v", response.StatusCode, err)
				}
				if lines := response.Header["Set-Cookie"]; len(lines) > 0 {
					t.Errorf("it sets %q", lines)
				}
				if seen := w.app.take(); len(seen) != 1 || seen[0].body != "a=b" {
					t.Errorf("the application got %d requests", len(seen))
				}
				w.app.answer = nil
				if !w.isSignedIn(b) {
					t.Error("the session is gone")
				}
			})
		}
	}
}

// overTLS sends a request over a socket of the site and gives the final answer.
func (w *world) overTLS(r *http.Request) *http.Response {
	w.t.Helper()
	server := httptest.NewTLSServer(w.server)
	w.t.Cleanup(server.Close)
	r.URL.Scheme, r.URL.Host = "https", server.Listener.Addr().String()
	response, err := server.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { response.Body.Close() })
	return response
}

// FAULT-22: an application that is away is 502 for those who are signed in, and the login
// for those who are not; the renewal of a session is not lost with it.
func TestFAULT_22_ApplicationIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\nsession {\nidle 10h\n}\n}\nreverse_proxy 127.0.0.1:1"))
	b := w.browser()
	if page := w.signIn(b, "/home", w.pair.User); page.Status != http.StatusBadGateway {
		t.Errorf("after the login: %d", page.Status)
	}
	for range 3 {
		w.clock.advance(9 * time.Hour)
		response, _ := w.send(b, "GET", "/x", nil)
		if response.StatusCode != http.StatusBadGateway || len(response.Cookies()) == 0 {
			t.Errorf("%d with %d cookies", response.StatusCode, len(response.Cookies()))
		}
	}
}

// FAULT-23: what the application says about who may pass is its own affair: it comes to
// the browser as it is, and begins no login of ours.
func TestFAULT_23_RefusalsOfTheApplicationAreItsOwn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		header http.Header
	}{
		"Basic":               {401, http.Header{"Www-Authenticate": {`Basic realm="legacy"`}}},
		"NTLM":                {401, http.Header{"Www-Authenticate": {"NTLM", "Negotiate"}}},
		"NTLM, second leg":    {401, http.Header{"Www-Authenticate": {"NTLM TlRMTVNTUAACAAAAAAAAAA=="}}},
		"401 without a word":  {401, http.Header{}},
		"403":                 {403, http.Header{}},
		"407":                 {407, http.Header{}},
		"its own login":       {302, http.Header{"Location": {"/login.php?next=%2Fx"}}},
		"its own login, 303":  {303, http.Header{"Location": {"https://sso.example.net/?from=app"}}},
		"itself":              {302, http.Header{"Location": {"/x"}}},
		"refreshes to itself": {401, http.Header{"Refresh": {"0; url=/x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
				for field, lines := range tc.header {
					rw.Header()[field] = lines
				}
				rw.WriteHeader(tc.status)
				_, _ = io.WriteString(rw, "its own words")
			}
			before := w.tenantCalls()
			for range 30 {
				response, body := w.send(b, "GET", "/x", map[string]string{"Accept": "text/html"})
				if response.StatusCode != tc.status || body != "its own words" || len(response.Header["Set-Cookie"]) > 0 {
					t.Fatalf("%d %q %v", response.StatusCode, body, response.Header)
				}
				for field, lines := range tc.header {
					if fmt.Sprint(response.Header[field]) != fmt.Sprint(lines) {
						t.Errorf("%s is %q", field, response.Header[field])
					}
				}
			}
			if n := w.tenantCalls() - before; n != 0 {
				t.Errorf("%d requests to the tenants", n)
			}
		})
	}
}

// FAULT-24: a client that goes away at any step of its login leaves nothing behind; its
// state is good for nothing afterwards, and nobody else waits for it.
func TestFAULT_24_ClientGoesAwayDuringTheLogin(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path     string
		settings string
		callback bool
	}{
		"discovery":  {"/.well-known/openid-configuration", "", false},
		"exchange":   {"/oauth/token", "", true},
		"keys":       {"/.well-known/jwks.json", "", true},
		"userinfo":   {"/userinfo", "profile userinfo", true},
		"management": {"/api/v2/users/", managed(""), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := managedWorld(t, readUsers, withSettings(tc.settings))
			b, address := w.browser(), w.base+"/page"
			if tc.callback {
				address = w.callbackOf(b, "/page", w.pair.User)
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			intercept := func(by func(http.ResponseWriter, *http.Request) bool) {
				w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = by })
			}
			intercept(func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasPrefix(r.URL.Path, tc.path) {
					leave()
				}
				return false
			})
			r, _ := http.NewRequestWithContext(ctx, "GET", address, nil)
			r.Header.Set("Accept", "text/html")
			r.Header.Set("Cookie", cookieHeader(w, b))
			answer := httptest.NewRecorder()
			w.server.ServeHTTP(answer, asServed(r))
			if ctx.Err() == nil {
				t.Fatal("the login did not come to the step")
			}
			intercept(nil)
			if !tc.callback {
				if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
					t.Errorf("the next login: %d", page.Status)
				}
				return
			}
			exchanges := w.pair.Master.Calls("/oauth/token")
			response, _ := w.send(b, "GET", strings.TrimPrefix(address, w.base), map[string]string{"Accept": "text/html"})
			if n := w.pair.Master.Calls("/oauth/token") - exchanges; response.StatusCode != http.StatusFound || n != 0 {
				t.Errorf("the same callback: %d, %d exchanges", response.StatusCode, n)
			}
			if page := w.openSignedIn(b, "/page"); page.Status != http.StatusOK || page.URL.Path != "/page" {
				t.Errorf("the next login: %d %s", page.Status, page.URL)
			}
		})
	}
}

// FAULT-26: the bookmark of a callback, of /authorize, or of the page that came before
// leads to a login in one step, without a request for tokens.
func TestFAULT_26_BookmarksOfALoginBeginANewOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/page?x=1", w.pair.User)
	for name, after := range map[string]func() *heldBrowser{
		"an hour later":   func() *heldBrowser { w.clock.advance(time.Hour); return b },
		"another browser": w.browser,
	} {
		exchanges := w.pair.Master.Calls("/oauth/token")
		response, _ := w.send(after(), "GET", strings.TrimPrefix(callback, w.base), map[string]string{"Accept": "text/html"})
		if location := response.Header.Get("Location"); response.StatusCode != http.StatusFound || !strings.HasPrefix(location, w.pair.Master.Issuer()+"authorize?") {
			t.Errorf("%s: %d to %q", name, response.StatusCode, location)
		}
		if n := w.pair.Master.Calls("/oauth/token") - exchanges; n != 0 {
			t.Errorf("%s: %d exchanges", name, n)
		}
	}
	bookmark := w.step(w.browser(), w.base+"/page?x=1").Location()
	w.clock.advance(time.Hour)
	late := w.browser()
	page, err := late.Get(bookmark)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Forms) > 0 {
		page, err = late.Login(page, w.pair.User.Email, auth0sim.PairPassword)
	}
	if err == nil && len(page.Forms) > 0 {
		page, err = late.Login(page, w.pair.User.Email, auth0sim.PairPassword)
	}
	if err != nil || page.Status != http.StatusOK || page.URL.String() != w.base+"/page?x=1" {
		t.Errorf("a bookmark of /authorize: %v %d %s", err, page.Status, page.URL)
	}
}

// FAULT-27: a process that ends between the tenant's answer and its own leaves a browser
// that knows nothing of it: the callback leads to a new login, here and elsewhere.
func TestFAULT_27_AnswerThatNeverCame(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"same process": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			callback := w.callbackOf(b, "/page", w.pair.User)
			r, _ := http.NewRequest("GET", callback, nil)
			r.Header.Set("Cookie", cookieHeader(w, b))
			w.server.ServeHTTP(httptest.NewRecorder(), asServed(r)) // nobody gets it
			if restart {
				w.forgetSpent()
				w.load(worldSetup{base: w.base})
			}
			page, err := b.Get(callback)
			if err != nil || page.Status != http.StatusOK || page.URL.Path != "/page" {
				t.Errorf("%v %+v", err, page)
			}
			if n := w.pair.Master.Calls("/oauth/token"); n > 3 {
				t.Errorf("%d exchanges", n)
			}
		})
	}
}

// FAULT-28: a storage that takes nothing any more stops nobody: what is known goes on.
func TestFAULT_28_StorageThatTakesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	if err := os.Rename(filepath.Join(w.folder, "auth0_oidc"), filepath.Join(w.folder, "gone")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.folder, "auth0_oidc"), nil, 0o600); err != nil { // no folder can be made there
		t.Fatal(err)
	}
	for range 40 {
		w.clock.advance(time.Hour)
		w.handler().rotation.watcher.check(t.Context())
		if !w.isSignedIn(b) {
			t.Fatal("signed out")
		}
	}
	if page := w.signIn(w.browser(), "/x", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("a new login: %d", page.Status)
	}
	if response, _ := w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"}); response.StatusCode != http.StatusSeeOther && response.StatusCode != http.StatusFound {
		t.Errorf("the logout: %d", response.StatusCode)
	}
}

// FAULT-28: a signed-in request writes nothing to the log of ours, so that a log that
// blocks holds up nobody but those who sign in; one that fails holds up nobody at all.
func TestFAULT_28_LogThatBlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	h, release := w.handler(), make(chan struct{})
	pipe := zapcore.AddSync(writerFunc(func([]byte) (int, error) { <-release; return 0, os.ErrClosed }))
	h.logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), pipe, zapcore.DebugLevel), zap.ErrorOutput(zapcore.AddSync(io.Discard)))
	for range 3 {
		w.clock.advance(3 * time.Hour) // with a renewal
		if !w.isSignedIn(b) {
			t.Error("signed out")
		}
	}
	close(release)
	if page := w.signIn(w.browser(), "/x", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("a login with a log that fails: %d", page.Status)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// FAULT-30: wherever a request panics, it is the only one that ends: over a socket its
// connection is closed without an answer, and no lock is left behind.
func TestFAULT_30_PanicsHoldNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("session {\nidle 10h\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	h := w.handler()
	for n := int64(1); n <= 40; n++ {
		callback := w.callbackOf(w.browser(), "/late", w.pair.User)
		w.clock.advance(2 * time.Hour)
		var left atomic.Int64
		left.Store(n)
		now := func() time.Time {
			if left.Add(-1) == 0 {
				panic("injected")
			}
			return w.clock.Now()
		}
		h.now = now
		panicked := false
		for _, address := range []string{w.base + "/x", w.base + "/auth/login", callback, w.base + "/auth/logout"} {
			r, _ := http.NewRequest("GET", address, nil)
			r.Header.Set("Cookie", cookieHeader(w, b))
			panicked = w.panics(r) || panicked
		}
		h.now = w.clock.Now
		if !w.isSignedIn(b) {
			t.Fatalf("after a panic at moment %d a signed-in user is signed out", n)
		}
		if page := w.signIn(w.browser(), "/y", w.pair.User); page.Status != http.StatusOK {
			t.Fatalf("after a panic at moment %d nobody can sign in: %d", n, page.Status)
		}
		if !panicked {
			return
		}
	}
}

func (w *world) panics(r *http.Request) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	w.server.ServeHTTP(httptest.NewRecorder(), asServed(r))
	return false
}
