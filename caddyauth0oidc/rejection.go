package caddyauth0oidc

import (
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// Why what a browser sends is no session for a directive. None of them is an error: the
// browser is sent to the login.
const (
	sessionAccepted     = ""
	sessionAbsent       = "absent" // the one that is not counted: there is nothing to reject
	sessionIncomplete   = "incomplete"
	sessionUnknownKey   = "unknown_key"
	sessionAltered      = "altered"
	sessionVersion      = "version"
	sessionIdle         = "idle"
	sessionAbsolute     = "absolute"
	sessionMaxAge       = "max_age"
	sessionCeiling      = "session_expiry"
	sessionFuture       = "clock"
	sessionRevoked      = "revoked"
	sessionSource       = "profile_source"
	sessionChild        = "child"
	sessionConnection   = "connection"
	sessionOrganization = "organization"
	sessionStrength     = "step_up"
	sessionRefresh      = "refresh"
)

// rejections are the values of the label reason.
var rejections = []string{
	sessionIncomplete, sessionUnknownKey, sessionAltered, sessionVersion, sessionIdle, sessionAbsolute, sessionMaxAge, sessionCeiling,
	sessionFuture, sessionRevoked, sessionSource, sessionChild, sessionConnection, sessionOrganization, sessionStrength, sessionRefresh,
}

var limitReasons = map[session.Limit]string{
	session.IdleLimit: sessionIdle, session.AbsoluteLimit: sessionAbsolute, session.MaxAgeLimit: sessionMaxAge,
	session.CeilingLimit: sessionCeiling, session.FutureLimit: sessionFuture,
}

// openSession reads the session of the request into s, and gives why it is none, or
// sessionAccepted if it is alive and of a connection, a strength and a source that this
// directive accepts.
func (h *Handler) openSession(r *http.Request, v *visit, s *session.Session) (reason string) {
	got := h.keys.Load().OpenSession(s, v.cookies, h.cookiesOf(h.originOf(r)).Session.Name)
	if got != session.Opened {
		return got.String()
	}
	reason = h.judgeSession(r, s)
	if reason != sessionAccepted && h.refresher != nil {
		h.dropEnded(r.Context(), s)
	}
	return reason
}

// readSession tells whether openSession gives a session. Anything else is no session.
func (h *Handler) readSession(r *http.Request, v *visit, s *session.Session) bool {
	return h.openSession(r, v, s) == sessionAccepted
}

// judgeSession gives why a session that was read is none for this directive.
func (h *Handler) judgeSession(r *http.Request, s *session.Session) (reason string) {
	now := h.now()
	switch {
	case !s.Alive(now, h.limits):
		return limitReasons[s.Over(now, h.limits)]
	case h.revoked(s):
		return sessionRevoked
	case !h.acceptsSource(s.Source):
		return sessionSource
	case !h.acceptsChild(r, &s.Profile):
		return sessionChild
	}
	err := h.admits(r, &s.Profile, s.Source, nil)
	switch {
	case err == nil:
		return sessionAccepted
	case errors.Is(err, policy.ErrOrganization):
		return sessionOrganization
	case errors.Is(err, policy.ErrContext):
		return sessionStrength
	}
	return sessionConnection
}

// tellRejection tells of a request whose session was not accepted. Strangers can send any
// number of them, so that only the level debug has a line.
func (h *Handler) tellRejection(reason string) {
	if reason == sessionAbsent {
		return
	}
	h.tally.rejections.count(reason)
	h.observe(decision{level: zap.DebugLevel, message: "session not accepted", fields: []zap.Field{zap.String("reason", reason)}})
}
