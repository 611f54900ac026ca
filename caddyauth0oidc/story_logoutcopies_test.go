package caddyauth0oidc

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// copyOf sends a request with cookies that somebody copied.
func (w *world) copyOf(path, cookies string) int {
	w.t.Helper()
	r, _ := http.NewRequest("GET", w.base+path, nil)
	r.Header.Set("Cookie", cookies)
	response, err := w.network.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// ASVS-13: a session that was used since its last refresh, of which the browser did not
// hear, is not taken for one that nobody uses any more.
func TestASVS_13_LogoutLongAfterARefreshEndsCopies(t *testing.T) {
	t.Parallel()
	w := newRefreshWorld(t, withSettings(""), withSite("@main not path /b/*\nauth0_oidc /b/* {\nSETTINGS\n}\nauth0_oidc @main {\nSETTINGS\n"+refreshOn+"\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.due()
	w.together(1, cookieHeader(w, b))
	for range 3 {
		w.clock.advance(w.handler().limits.Idle / 2)
		if response, _ := w.send(b, "GET", "/b/x", nil); response.StatusCode != http.StatusOK {
			t.Fatal(response.StatusCode)
		}
	}
	stolen := cookieHeader(w, b)
	w.send(b, "POST", "/auth/logout", ownPost)
	if status := w.copyOf("/b/x", stolen); status == http.StatusOK {
		t.Error("a copy of the cookie is still a session")
	}
}

// ASVS-13: directives that share a session may have limits of their own; it is over when it
// is over for all of them.
func TestASVS_13_LogoutOfASessionThatOneDirectiveStillAcceptsEndsCopies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("@main not path /b/*\nauth0_oidc /b/* {\nSETTINGS\nsession {\nidle 10m\n}\n}\nauth0_oidc @main {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(20 * time.Minute)
	stolen := cookieHeader(w, b)
	if before, after := w.copyOf("/x", stolen), w.copyOf("/b/x", stolen); before != http.StatusOK || after == http.StatusOK {
		t.Fatal(before, after)
	}
	w.send(b, "POST", "/auth/logout", ownPost)
	if status := w.copyOf("/x", stolen); status == http.StatusOK {
		t.Error("a copy of the cookie is still a session")
	}
}

// markedFirst is a storage from which a session's state goes when the others can know that
// the session has ended.
type markedFirst struct {
	storage
	marked func() bool
	early  atomic.Bool
}

func (s *markedFirst) Delete(ctx context.Context, key string) error {
	if !s.marked() {
		s.early.Store(true)
	}
	return s.storage.Delete(ctx, key)
}

// CONC-11: what is stored of a session keeps other instances from using a refresh token of
// an older cookie, so it stays until they can know that the session has ended.
func TestCONC_11_LogoutMarksTheSessionBeforeItForgetsItsTokens(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.due()
	w.bearer(b)
	s, _ := w.browserTokens(b)
	h := w.handler()
	asked := &markedFirst{storage: h.storage, marked: func() bool { return h.revoked(&s) && h.ledger.Status().Waiting == 0 }}
	h.refresher.storage = asked
	w.send(b, "POST", "/auth/logout", ownPost)
	if n := w.storedStates(); n != 0 || asked.early.Load() {
		t.Errorf("%d states are left, removed too early: %t", n, asked.early.Load())
	}
}
