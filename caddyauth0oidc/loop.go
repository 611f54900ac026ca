package caddyauth0oidc

import (
	"net/http"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// loopWindow and loopLimit say which row of logins is a loop: the third one
// within half a minute after which nobody was signed in. Where the browser has a
// session that was not enough, it is the fifth, because pages that want different
// sign-ins may be opened one after another.
const (
	loopWindow    = session.AttemptsLifetime
	loopLimit     = 3
	weakLoopLimit = 5
)

// nextAttempt counts the logins that ended well without a session coming of
// it that is enough here. The cookie of the last one is still there when it led
// nowhere.
func (h *Handler) nextAttempt(r *http.Request, v *visit) session.Attempts {
	prefix := h.cookiesOf(h.originOf(r)).Transaction.Name
	last, ok := h.keys.Load().ReadAttempts(v.cookies, prefix, h.now())
	if ok && !h.readSession(r, v, new(session.Session)) {
		return h.following(last)
	}
	return session.Attempts{First: h.now()}
}

// attemptOf gives the attempt that a login was, as its state carries it.
func attemptOf(state session.State) session.Attempts {
	return session.Attempts{Count: state.Attempt, First: state.First}
}

// following counts one more attempt after the given one, or begins anew when
// that was too long ago to be a loop.
func (h *Handler) following(last session.Attempts) session.Attempts {
	if h.now().Sub(last.First) > loopWindow {
		return session.Attempts{First: h.now()}
	}
	return session.Attempts{Count: last.Count + 1, First: last.First}
}

func (h *Handler) isLoop(a session.Attempts, limit int) bool {
	return a.Count+1 >= limit && h.now().Sub(a.First) <= loopWindow
}
