package caddyauth0oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// Revocation says how an instance learns of sessions that were ended before their time, by a
// logout, by a tenant or by the operator. Caddy's storage has the marks that end them.
type Revocation struct {
	// Poll is how often this instance reads what other instances have ended, and so how
	// long a session can live on there at most; from 1s to 1h. Directives of one tenant
	// and client read together, as often as the shortest says. Default: 5s.
	Poll caddy.Duration `json:"poll,omitempty"`

	// MaxStale refuses requests with a session or an access token with 503 while the last good reading is
	// longer ago than this, or has not been yet; nobody is signed out by it. At least twice
	// Poll. Default: none, while the storage cannot be read sessions are judged by what is
	// known.
	MaxStale caddy.Duration `json:"max_stale,omitempty"`
}

const (
	defaultPoll = 5 * time.Second
	minPoll     = time.Second
	maxPoll     = time.Hour
)

// cause is why sessions were ended.
type cause int

const (
	causeLogout cause = iota
	causeBackchannel
	causeAdmin
	causeRefresh
	causes
)

var (
	errPoll     = fmt.Errorf("the time between two readings is %s at least and %s at most", minPoll, maxPoll)
	errMaxStale = errors.New("it is at least twice the time between two readings (poll); one that fails would stop every request")
	errEnded    = errors.New("the user was signed out while the login was under way")
)

// parseRevocation reads:
//
//	revocation {
//		poll      <duration>
//		max_stale <duration>
//	}
func (h *Handler) parseRevocation(d *caddyfile.Dispenser) error {
	h.Revocation = orNew(h.Revocation)
	return parseFields(d, fields{
		"poll":      func() error { return duration(d, &h.Revocation.Poll) },
		"max_stale": func() error { return duration(d, &h.Revocation.MaxStale) },
	})
}

// checkRevocation judges the setting with its defaults.
func checkRevocation(r *Revocation) error {
	poll, stale := time.Duration(r.Poll), time.Duration(r.MaxStale)
	if poll < minPoll || poll > maxPoll {
		return named("poll", errPoll)
	}
	if stale != 0 && stale < 2*poll {
		return named("max_stale", errMaxStale)
	}
	return nil
}

// revoked tells whether the session was ended before its time.
func (h *Handler) revoked(s *session.Session) bool {
	return h.ledger.Revoked(s.ID, s.SID, s.Profile.UserID, s.Login)
}

// marksUntil is when no session of today can be alive any more.
func (h *Handler) marksUntil() time.Time { return h.ledger.until(false) }

// userMarksUntil is the same for marks of users, which end their access tokens as well.
func (h *Handler) userMarksUntil() time.Time { return h.ledger.until(true) }

// endCopies ends a session everywhere, whoever has a copy of its cookie. Of one that is over
// already nothing is written. That the storage failed is in the log; the mark holds here.
func (h *Handler) endCopies(ctx context.Context, s *session.Session) {
	if s.Alive(h.now(), h.limits) && !h.revoked(s) {
		_ = h.ledger.end(ctx, causeLogout, revocation.OfSession(s.ID, h.marksUntil()))
	}
}

// dropEnded removes what a session that was ended from elsewhere has left in the storage,
// where only who has its cookie knows of it: the marks have no ids. The refresh token is not
// revoked, as at a logout: nobody can use it, and Auth0 may end those of newer sessions with it.
func (h *Handler) dropEnded(ctx context.Context, s *session.Session) {
	if h.revoked(s) && !h.refresher.find(s.ID).over {
		h.forgetRefreshed(ctx, s.ID)
	}
}

// endedMeanwhile tells whether what a login brought was ended before it could begin: its
// session at the tenant, or all of the user's that began until then. What counts is the
// earliest of when the login began here, when the ID token was made, and now.
func (h *Handler) endedMeanwhile(s *session.Session, started, issued time.Time) bool {
	began := s.Login
	for _, earlier := range []time.Time{started, issued} {
		if earlier.Before(began) {
			began = earlier
		}
	}
	return h.ledger.Revoked(s.ID, s.SID, s.Profile.UserID, began)
}

// endedToken tells whether all that was the user's was ended after the token was made. A
// token that does not say when that was is taken for an old one.
func (h *Handler) endedToken(t *verifiedToken) bool {
	number, _ := t.Claims["iat"].(json.Number)
	seconds, _ := number.Float64()
	return h.ledger.Revoked(t.id, "", t.Subject, time.Unix(int64(seconds), 0))
}

// marksTooOld tells whether too little is known of what was ended to accept a session or token.
func (h *Handler) marksTooOld() bool {
	limit := time.Duration(h.Revocation.MaxStale)
	return limit > 0 && h.now().Sub(h.ledger.lastRead()) > limit
}

// refuseUnjudged answers a request whose session may have been ended, for all that is known.
func (h *Handler) refuseUnjudged(w http.ResponseWriter, r *http.Request, v *visit) error {
	v.withdraw(r)
	v.speaks = true
	return h.refuse(w, r, h.unjudged(h.localReturnTo(r, originalAddress(r))))
}

func (h *Handler) unjudged(again string) refusal {
	return refusal{
		code: codeRevocationUnknown, status: http.StatusServiceUnavailable, retryAfter: max(time.Duration(h.Revocation.Poll), time.Second), again: again,
	}
}
