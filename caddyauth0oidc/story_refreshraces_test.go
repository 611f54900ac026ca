package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// heldRefresh is a refresh that has come to the tenant, which does not answer yet.
type heldRefresh struct{ arrived, release chan struct{} }

func (w *world) holdRefresh() heldRefresh {
	held := heldRefresh{make(chan struct{}), make(chan struct{})}
	w.answerTokens(func(http.ResponseWriter, *http.Request) bool {
		close(held.arrived)
		<-held.release
		return false
	})
	return held
}

// during sends a request that refreshes, does something meanwhile, and gives the answer.
func (w *world) during(b *heldBrowser, meanwhile func()) *http.Response {
	w.t.Helper()
	held, done := w.holdRefresh(), make(chan *http.Response)
	r, _ := http.NewRequest("GET", w.base+"/x", nil)
	r.Header.Set("Cookie", cookieHeader(w, b))
	go func() {
		response, err := w.network.RoundTrip(r)
		if err != nil {
			w.t.Error(err)
		}
		done <- response
	}()
	<-held.arrived
	w.answerTokens(nil)
	meanwhile()
	close(held.release)
	return <-done
}

// CONC-14, RIL-07, BCL-19: what a refresh brings for a session that was ended meanwhile
// is discarded, and the new refresh token is revoked.
func TestCONC_14_SessionThatEndsDuringItsRefresh(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, b *heldBrowser){
		"the user signs out": func(w *world, b *heldBrowser) {
			w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
		},
		"the user signs out at another instance": func(w *world, b *heldBrowser) {
			first := w.handler()
			w.instance(refreshOn)
			ended := &first.shared.renewals.ended // which other processes do not share
			w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
			ended.mu.Lock()
			clear(ended.current)
			ended.mu.Unlock()
		},
		"the tenant ends the session": func(w *world, b *heldBrowser) {
			h, s := w.handler(), new(session.Session)
			if !h.keys.Load().ReadSession(s, []string{cookieHeader(w, b)}, "__Host-auth0_session") {
				w.t.Fatal("no session")
			}
			if err := h.ledger.Revoke(w.t.Context(), revocation.OfSession(s.ID, h.marksUntil())); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t)
			w.due()
			response := w.during(b, func() { end(w, b) })
			if response.StatusCode == http.StatusOK || len(w.app.take()) != 0 {
				t.Errorf("%d", response.StatusCode)
			}
			for _, c := range response.Cookies() {
				if c.Name == "__Host-auth0_session" && c.MaxAge >= 0 {
					t.Error("the session came back")
				}
			}
			if n := w.pair.Master.Calls("/oauth/revoke"); n != 1 || w.storedStates() != 0 {
				t.Errorf("%d tokens were revoked, %d states are left", n, w.storedStates())
			}
		})
	}
}

// CONC-17, FAULT-24: a client that leaves takes its refresh from nobody.
func TestCONC_17_ClientThatLeavesEndsNoRefresh(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.due()
	calls := w.exchanges()
	ctx, leave := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", w.base+"/x", nil)
	r.Header.Set("Cookie", cookieHeader(w, b))
	held, left := w.holdRefresh(), make(chan struct{})
	go func() {
		_, _ = w.network.RoundTrip(r)
		close(left)
	}()
	<-held.arrived
	w.answerTokens(nil)
	leave()
	<-left
	statuses := make(chan map[int]int)
	go func() { statuses <- w.together(5, cookieHeader(w, b)) }()
	close(held.release)
	if got := <-statuses; got[http.StatusOK] != 5 {
		t.Errorf("%v", got)
	}
	w.app.take()
	if got := w.bearer(b); !w.isGood(got) || calls() != 1 {
		t.Errorf("%d refreshes", calls())
	}
	w.wantNoReuse()
}

// CONC-16: what is too much at a time goes on with tokens that are still good, or waits.
func TestCONC_16_TooManyRefreshesWait(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	f := w.handler().refresher
	f.waiting.Store(maxWaiting)
	calls := w.exchanges()
	w.due()
	if status := w.statusFor(b); status != http.StatusOK {
		t.Errorf("before the end: %d", status)
	}
	w.clock.advance(time.Minute)
	if status := w.statusFor(b); status != http.StatusServiceUnavailable || calls() != 0 {
		t.Errorf("after it: %d, %d refreshes", status, calls())
	}
	f.waiting.Store(0)
	w.clock.advance(time.Minute)
	if status := w.statusFor(b); status != http.StatusOK || calls() != 1 {
		t.Errorf("afterwards: %d, %d refreshes", status, calls())
	}
}

// CONC-12: the browser gets the new cookies once, and no older ones after them.
func TestCONC_12_RefreshedCookiesAreWrittenOnce(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.due()
	slow := w.ask(b)
	response, _ := w.send(b, "GET", "/x", nil)
	if late := slow.finish(); len(response.Header.Values("Set-Cookie")) < 2 || late != "" {
		t.Errorf("the first to answer sets %d cookies, the late one %q", len(response.Header.Values("Set-Cookie")), late)
	}
	for range 3 {
		w.send(b, "GET", "/x", nil)
	}
	response, _ = w.send(b, "GET", "/x", nil)
	if lines := response.Header.Values("Set-Cookie"); len(lines) != 0 {
		t.Errorf("%d cookies are written again", len(lines))
	}
}

// An answer that can set no cookie has the fresh token all the same, and the next one
// sets them.
func TestUpgradeUsesTheFreshToken(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	before := w.bearer(b)
	w.due()
	calls := w.exchanges()
	response, _ := w.send(b, "GET", "/x", map[string]string{"Connection": "Upgrade", "Upgrade": "websocket"})
	all := w.app.take()
	if len(all) != 1 || all[0].header.Get("Authorization") == before || len(response.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("%d %v", response.StatusCode, all)
	}
	if response, _ := w.send(b, "GET", "/x", nil); len(response.Header.Values("Set-Cookie")) < 2 || calls() != 1 {
		t.Errorf("%v, %d refreshes", response.Header, calls())
	}
}

// What a refresh leaves in the storage goes with the session, or after its time.
func TestRefreshedSessionsLeaveTheStorage(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.due()
	w.bearer(b)
	if n := w.storedStates(); n != 1 {
		t.Fatalf("%d states", n)
	}
	f := w.handler().refresher
	for want, after := range []time.Duration{75 * time.Hour, 72 * time.Hour} {
		w.due()
		w.bearer(b)
		if err := f.sweep(t.Context(), time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
		if n := w.storedStates(); n != want {
			t.Errorf("after %s: %d states", after, n)
		}
	}
	w.due()
	w.bearer(b)
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	if n := w.storedStates(); n != 0 {
		t.Errorf("%d states after the logout", n)
	}
}

// A state that somebody else wrote or damaged is not used, nor is the refresh token.
func TestDamagedStateRefreshesNothing(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.due()
	w.bearer(b)
	found, err := filepath.Glob(filepath.Join(w.folder, "auth0_oidc", "refreshed", "*", "*"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := os.WriteFile(found[0], []byte("x.damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	calls := w.exchanges()
	w.due()
	if status := w.statusFor(b); status != http.StatusOK || calls() != 0 {
		t.Errorf("before the end: %d, %d refreshes", status, calls())
	}
	w.clock.advance(time.Minute)
	if status := w.statusFor(b); status != http.StatusUnauthorized || calls() != 0 {
		t.Errorf("after it: %d, %d refreshes", status, calls())
	}
}

// The end of a configuration does not wait for a tenant that hangs.
func TestRefreshThatHangsHoldsNoReloadUp(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	h := w.handler()
	w.due()
	w.during(b, func() {
		if !h.refreshes() {
			t.Error("a refresh that is under way is not waited for")
		}
	})
	if h.refreshes() {
		t.Error("one that is done is waited for")
	}
}

// The state of another session, in the place of this one's, is not used.
func TestStateOfAnotherSessionIsNotUsed(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.due()
	w.bearer(b)
	h, id := w.handler(), w.tokensOf(b).Session
	other := id
	other[0]++
	content, err := h.refresher.storage.Load(t.Context(), h.refresher.file(id))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.refresher.storage.Store(t.Context(), h.refresher.file(other), content); err != nil {
		t.Fatal(err)
	}
	if state, err := h.refresher.load(t.Context(), h.keys.Load(), other); !errors.Is(err, errUnreadable) || state != nil {
		t.Errorf("%v, %v", state != nil, err)
	}
}

// LSN-10, CONC-11: whoever comes with an older cookie to an instance that has not yet read
// that another one ended the session does not use its refresh token, which is spent.
func TestCONC_11_EndedElsewhereIsReadBeforeTheFirstRefresh(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.due()
	old := cookieHeader(w, b)
	w.bearer(b)
	h, s := w.handler(), new(session.Session)
	if !h.keys.Load().ReadSession(s, []string{old}, h.secureCookies.Session.Name) {
		t.Fatal("there is no session")
	}
	elsewhere := revocation.New(revocation.Config{Store: h.storage, Path: h.folderIn(revocationPath), Now: w.clock.Now, Random: rand.Reader})
	if err := elsewhere.Revoke(t.Context(), revocation.OfSession(s.ID, h.marksUntil())); err != nil {
		t.Fatal(err)
	}
	if err := h.refresher.remove(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	h.refresher.mu.Lock()
	clear(h.refresher.recent)
	h.refresher.mu.Unlock()
	calls := w.exchanges()
	if statuses := w.together(1, old); statuses[http.StatusUnauthorized] != 1 || calls() != 0 {
		t.Errorf("%v, %d refreshes", statuses, calls())
	}
	w.wantNoReuse()
}
