package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
)

// logoutTokenOf gives the master's token for one of its sessions.
func (w *world) logoutTokenOf(sid string) string {
	return w.pair.Master.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), sid)
}

// BCL-17: a session ends at once on the instance that got the token, and on every other one
// with its next reading.
func TestBCL_17_SessionEndsOnEveryInstanceWithinAPoll(t *testing.T) {
	t.Parallel()
	c := newInstances(t)
	b, sid := c.signedInBrowser(c.pair.User)
	other, _ := c.signedInBrowser(c.pair.Accented)
	c.serveBy(1)
	if !c.alive(b) {
		t.Fatal("the other instance does not know the session")
	}
	if status := c.sendLogout(c.logoutTokenOf(sid)); status != http.StatusOK || c.alive(b) {
		t.Fatalf("%d", status)
	}
	c.serveBy(0)
	if !c.alive(b) {
		t.Error("the first instance knows without a reading: this test shows nothing")
	}
	c.ledgers[0].pollNow(t)
	if c.alive(b) || !c.alive(other) {
		t.Error("the wrong sessions live on after a reading")
	}
}

// CONC-24, BCL-12: a token that one instance took is refused by every other one, which need
// not have read the storage since.
func TestCONC_24_BCL_12_TokenOfAnotherInstanceIsAReplay(t *testing.T) {
	t.Parallel()
	c := newInstances(t)
	b, sid := c.signedInBrowser(c.pair.User)
	token := c.logoutTokenOf(sid)
	c.serveBy(1)
	if status := c.sendLogout(token); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	c.serveBy(0)
	if status := c.sendLogout(token); status != http.StatusBadRequest || c.alive(b) {
		t.Errorf("sent to the other one: %d", status)
	}
	if !strings.Contains(c.logs(), `"code":"replayed"`) {
		t.Error("it is refused for something else")
	}
}

// CONC-18, CONC-24: a logout that comes to one instance before the callback comes to another.
func TestCONC_18_CONC_24_LogoutThatOvertakesTheCallbackOfAnotherInstance(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]bool{"and is read before it": true, "and is read after it": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newInstances(t)
			b := c.browser()
			callback := c.callbackOf(b, "/home", c.pair.User)
			sid := c.pair.Master.Sessions()[0]
			c.pair.Master.RevokeSession(sid)
			c.serveBy(1)
			if status := c.sendLogout(c.logoutTokenOf(sid)); status != http.StatusOK {
				t.Fatalf("%d", status)
			}
			c.serveBy(0)
			if reads {
				c.ledgers[0].pollNow(t)
			}
			c.step(b, callback)
			if reads && sessionCookie(c.world, b) != "" {
				t.Error("the login has begun a session")
			}
			if c.ledgers[0].pollNow(t); c.alive(b) {
				t.Error("the session lives")
			}
		})
	}
}

// BCL-19: the next request with the cookie of a session that ended so removes what the
// storage has of its tokens, and no refresh token of it is used again; those of others stay.
func TestBCL_19_TokensOfAnEndedSessionLeaveTheStorage(t *testing.T) {
	t.Parallel()
	w := newRefreshWorld(t)
	b, sid := w.signedInBrowser(w.pair.User)
	other, _ := w.signedInBrowser(w.pair.Accented)
	w.due()
	w.bearer(b)
	w.bearer(other)
	kept := func() int {
		t.Helper()
		h := w.handler()
		names, err := h.refresher.storage.List(t.Context(), h.refresher.folder, false)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	if n := kept(); n != 2 {
		t.Fatalf("%d sessions are in the storage", n)
	}
	if status := w.sendLogout(w.logoutTokenOf(sid)); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	w.due()
	exchanges := w.exchanges()
	if w.alive(b) || kept() != 1 || exchanges() != 0 {
		t.Errorf("%d sessions are in the storage after %d exchanges", kept(), exchanges())
	}
	if !w.alive(other) || kept() != 1 {
		t.Error("the other session is gone")
	}
}
