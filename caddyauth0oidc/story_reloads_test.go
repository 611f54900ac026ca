package caddyauth0oidc

import (
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
)

// CONC-22: a hundred reloads under requests, of a configuration with all that handlers
// share, sign nobody out, bring back nobody who was, and leave nothing behind. It counts
// what the process has, and runs before the tests that run beside each other.
func TestCONC_22_AHundredReloadsLeaveNothing(t *testing.T) {
	pooledBefore, workingBefore := pooled(), working()
	setup := worldSetup{base: "https://app.example.test", site: "auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\n" +
		withChild("header", "refresh on\n"+assertedToLegacy) + "\n}\nrespond {http.auth.user.id}"}
	w := managedWorld(t, readTokens, withSite(setup.site))
	b, ended := w.browser(), w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.signIn(ended, "/home", w.pair.Accented)
	h := w.handler()
	if err := h.ledger.Revoke(t.Context(), revocation.OfSubject(w.pair.MasterUserID(w.pair.Accented), h.now().Add(time.Second), h.marksUntil())); err != nil {
		t.Fatal(err)
	}
	stop := w.keepAsking(map[string]int{"/x": http.StatusOK, "/auth/profile": http.StatusOK, "/auth/login": http.StatusFound, "/auth/jwks.json": http.StatusOK}, cookieHeader(w, b))
	stopEnded := w.keepAsking(map[string]int{"/x": http.StatusUnauthorized}, cookieHeader(w, ended))
	shared, files := pooled(), 0
	for reload := range 100 {
		before := w.handlers()
		w.serve(setup)
		w.unload(before)
		if n := pooled(); n != shared {
			t.Fatalf("after reload %d the handlers share %d things, not %d", reload, n, shared)
		}
		if reload == 10 {
			files = openFiles()
		}
	}
	if n := openFiles(); n > files+5 { // connections to the tenants come and go
		t.Errorf("%d open files, %d after the tenth reload", n, files)
	}
	stop()
	stopEnded()
	if working() == workingBefore {
		t.Error("no goroutine is found while there are some")
	}
	w.end()
	for end := time.Now().Add(10 * time.Second); working() > workingBefore && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := working(); n > workingBefore {
		t.Errorf("%d goroutines are left", n-workingBefore)
	}
	if n := pooled(); n != pooledBefore {
		t.Errorf("%d shared things are left", n-pooledBefore)
	}
}

// unload cleans handlers up, as Caddy does when their configuration ends.
func (w *world) unload(handlers []*Handler) {
	for _, h := range handlers {
		if err := h.Cleanup(); err != nil {
			w.t.Errorf("cleaning up: %v", err)
		}
	}
}

// keepAsking makes requests with the cookies until it is stopped, and wants the same
// status of each path all the time.
func (w *world) keepAsking(paths map[string]int, cookies string) (stop func()) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	for path, want := range paths {
		wait.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r, _ := http.NewRequest("GET", w.base+path, nil)
				r.Header.Set("Cookie", cookies)
				if response, err := w.network.RoundTrip(r); err != nil || response.StatusCode != want {
					w.t.Errorf("%s: %+v %v", path, response, err)
					return
				}
			}
		})
	}
	return func() { close(done); wait.Wait() }
}

// pooled counts what handlers share.
func pooled() (n int) {
	for _, shared := range []*caddy.UsagePool{pool, children, ledgers, managers, refreshers, watchers} {
		shared.Range(func(_, _ any) bool { n++; return true })
	}
	return n
}

// working counts the goroutines that are no request's.
func working() (n int) {
	stacks := make([]byte, 8<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, begun := range []string{"acquireWatcher", "acquireLedger", "acquireRefresher", "tenant.(*background).start"} {
		for line := range strings.Lines(string(stacks)) {
			if strings.HasPrefix(line, "created by ") && strings.Contains(line, begun) {
				n++
			}
		}
	}
	return n
}

// openFiles counts the descriptors of the process, where the system shows them.
func openFiles() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}
