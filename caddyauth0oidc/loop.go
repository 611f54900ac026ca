package caddyauth0oidc

import (
	"net/http"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// loopWindow and the limits say which row of logins is a loop: the third one within half
// a minute after which nobody was signed in, wherever it was to lead. Where the browser
// has a session that was not enough, it is the fifth one for the same place, because
// pages that want different sign-ins may be opened one after another, and the twelfth one
// for whatever place: nobody opens pages that fast, and a loop may change its address.
const (
	loopWindow    = session.AttemptsLifetime
	loopLimit     = 3
	weakLoopLimit = 5
	rowLimit      = 12
)

// nextAttempt counts the logins that ended well without a session coming of
// it that is enough here. The cookie of the last one is still there when it led
// nowhere.
func (h *Handler) nextAttempt(r *http.Request, v *visit, returnTo string) session.Attempts {
	prefix := h.cookiesOf(h.originOf(r)).Transaction.Name
	last, ok := h.keys.Load().ReadAttempts(v.cookies, prefix, h.now())
	if ok && !h.readSession(r, v, new(session.Session)) {
		return last.Next(session.PlaceOf(returnTo), h.now())
	}
	return session.Attempts{First: h.now()}
}

// attemptOf gives the attempt that a login was, as its state carries it.
func attemptOf(state session.State) session.Attempts {
	return session.Attempts{
		Count: state.Attempt, First: state.First, Place: session.PlaceOf(state.ReturnTo), Others: state.Others, Since: state.Since,
	}
}

// following counts one more attempt for the same place, or begins anew when
// that was too long ago to be a loop.
func (h *Handler) following(last session.Attempts) session.Attempts {
	return last.Next(last.Place, h.now())
}

// isLoop tells whether a login was one too many, after which the browser may have no
// session again or, as it had one before, one that is not enough.
func (h *Handler) isLoop(a session.Attempts, hadSession bool) bool {
	if !hadSession {
		return h.isRow(a.Total(), a.First, loopLimit)
	}
	return h.isRow(a.Count, a.First, weakLoopLimit) || h.isRow(a.Total(), a.First, rowLimit)
}

// isRow tells whether one login more than the count makes a row of that length in time.
func (h *Handler) isRow(count int, first time.Time, limit int) bool {
	return count+1 >= limit && h.now().Sub(first) <= loopWindow
}
