package caddyauth0oidc

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// This file says what an operator learns of each decision: log, metric and event come
// from one place, so that they do not disagree.

// What came of the tenant's answers that browsers brought.
const (
	callbackSignedIn = "signed_in"
	callbackKnown    = "already_signed_in" // late or twice, in a browser that has a session
	callbackAgain    = "login_again"       // late or twice; another login was begun
	callbackRefused  = "refused"
)

// What came of refreshes.
const (
	refreshDone    = "refreshed"
	refreshDelayed = "delayed" // it is tried again
	refreshLost    = "lost"    // the session ends with its access token
	refreshEnded   = "ended"   // the tenant has ended the session
)

// How a browser signs out.
const (
	logoutUser         = "user"         // at the logout route
	logoutFrontchannel = "frontchannel" // in a frame of the tenant
)

// What came of requests to the back-channel route.
const (
	logoutTokenTaken     = "accepted"
	logoutTokenRefused   = "invalid_token"
	logoutTokenReplayed  = "replayed"
	logoutTokenDelayed   = "unavailable" // the tenant is told to send it again
	logoutTokenMalformed = "bad_request" // without a token that could be read
)

// decision is what is to be said of one thing that was decided.
type decision struct {
	level   zapcore.Level
	message string
	fields  []zap.Field
	event   event // without a name there is none
	beside  bool  // it is part of a refresh, which holds what others wait for, and no subscriber
}

func (h *Handler) observe(d decision) {
	if entry := h.logger.Check(d.level, d.message); entry != nil {
		entry.Write(d.fields...)
	}
	switch {
	case d.event.name == "":
	case d.beside:
		h.leading.start(func() { h.announce(d.event) })
	default:
		h.announce(d.event)
	}
}

func partyOf(s *session.Session) party { return party{user: s.Profile.UserID, sid: s.SID} }

// tellLoginBegun tells of a browser that is sent to the tenant.
func (h *Handler) tellLoginBegun() {
	h.tally.loginsStarted.Inc()
	h.observe(decision{level: zap.DebugLevel, message: "login begun"})
}

// tellLogin tells of a session that was begun.
func (h *Handler) tellLogin(r *http.Request, s *session.Session, took time.Duration) {
	took = max(took, 0) // the clock of the instance that began it may be ahead
	h.tally.logins.Inc()
	h.tally.loginDuration.Observe(took.Seconds())
	h.observe(decision{
		level: zap.InfoLevel, message: "signed in", fields: []zap.Field{zap.Duration("took", took)},
		event: event{name: eventLogin, request: r, about: partyOf(s), more: map[string]any{"took_seconds": took.Seconds()}},
	})
}

// tellRefusal tells of a request that may not go on. A login that fails is an event once it
// has come back: anybody can have any number of them begin. A missing session is the
// usual beginning of a login.
func (h *Handler) tellRefusal(r *http.Request, f refusal) {
	h.countRefusal(r, f)
	d := decision{
		level: f.level(), message: "request refused",
		fields: []zap.Field{zap.String("code", f.code), zap.Int("status", f.status), zap.Error(f.cause)},
	}
	switch {
	case f.login == loginAtEnd && (f.about.user != "" || h.shared.failures.take(h.now(), time.Minute, maxFailures)):
		d.event = event{name: eventLoginFailed, request: r, about: f.about, more: map[string]any{"code": f.code}}
	case f.login != loginAtEnd && f.about.user != "" && h.isNewDenial(f.about.user):
		d.event = event{name: eventDenied, request: r, about: f.about, more: map[string]any{"code": f.code}}
	}
	h.observe(d)
}

// countRefusal leaves out whose client has gone: a tab that is closed while the tenant is
// asked would count as an outage of it.
func (h *Handler) countRefusal(r *http.Request, f refusal) {
	if errors.Is(f.cause, context.Canceled) && r.Context().Err() != nil {
		return
	}
	h.tally.refusals.count(f.code)
	if f.login != noLogin {
		h.tally.loginFailures.count(f.code)
	}
}

// maxFailures are the events in a minute, for a tenant and client, of failed logins of which
// nobody is known: anybody can bring a login to an end that the tenant has never seen.
const maxFailures = 60

// denialPause is how often a user who is kept out is told of as an event: a page asks for
// all that is on it.
const denialPause = time.Minute

func (h *Handler) isNewDenial(user string) bool {
	now := h.now() // what is remembered may stay so for much longer, and so is of one minute
	sum := sha256.Sum256([]byte(h.key + now.Truncate(denialPause).UTC().String() + user))
	return h.shared.denials.add(string(sum[:16]), now, denialPause)
}

func (f refusal) level() zapcore.Level {
	switch {
	case f.code == codeLoginRequired || f.code == codeStepUpRequired || f.code == codeSignedOut || f.code == codeMethodNotAllowed,
		f.code == codeRevocationUnknown,     // the ledger says when that begins and ends
		errors.Is(f.cause, errNotRefreshed): // the refresh has said why
		return zap.DebugLevel
	case errors.Is(f.cause, context.Canceled): // the client is gone
		return zap.DebugLevel
	case f.status >= 500:
		return zap.ErrorLevel
	}
	return zap.InfoLevel
}

// whoAreIn gives whose sessions are alive, and so are going to end.
func (h *Handler) whoAreIn(held []heldSession) (all []party) {
	for i := range held {
		if one := &held[i]; one.session.Alive(h.now(), one.keeper.limits) && !one.keeper.revoked(&one.session) {
			all = append(all, partyOf(&one.session))
		}
	}
	return all
}

// tellLogout tells of the sessions that their browser has ended. Anybody can sign out of
// none, any number of times.
func (h *Handler) tellLogout(r *http.Request, kind string, ended []party) {
	level := zap.InfoLevel
	if len(ended) == 0 {
		level = zap.DebugLevel
	}
	h.observe(decision{
		level: level, message: "signed out", fields: []zap.Field{zap.String("kind", kind), zap.Int("sessions", len(ended))},
	})
	for _, about := range ended {
		h.tally.logouts.count(kind)
		h.announce(event{name: eventLogout, request: r, about: about, more: map[string]any{"kind": kind}})
	}
}

// tellRefusedLogoutToken tells of a request to the back-channel route that ended nothing.
func (h *Handler) tellRefusedLogoutToken(f *logoutRefusal) {
	h.tally.backchannel.count(f.outcome())
	level := zap.InfoLevel
	switch {
	case f.status == http.StatusMethodNotAllowed || errors.Is(f.cause, context.Canceled):
		level = zap.DebugLevel
	case f.status == http.StatusServiceUnavailable:
		level = zap.ErrorLevel
	}
	h.observe(decision{
		level: level, message: "back-channel logout refused",
		fields: []zap.Field{zap.String("code", f.reason), zap.Int("status", f.status), zap.Error(f.cause)},
	})
}

func (f *logoutRefusal) outcome() string {
	switch {
	case f.status == http.StatusServiceUnavailable:
		return logoutTokenDelayed
	case f.reason == reasonReplayed:
		return logoutTokenReplayed
	case f.ofToken:
		return logoutTokenRefused
	}
	return logoutTokenMalformed
}

// tellLogoutToken tells of sessions that a tenant has ended.
func (h *Handler) tellLogoutToken(about party, ofChild bool) {
	h.tally.backchannel.count(logoutTokenTaken)
	h.tellRevoked(causeBackchannel, about, "back-channel logout", zap.Bool("of_child", ofChild),
		zap.Bool("names_session", about.sid != ""), zap.Bool("names_user", about.user != ""))
}

// tellRevoked tells of sessions that were ended from elsewhere; the ledger counts them.
func (h *Handler) tellRevoked(why cause, about party, message string, fields ...zap.Field) {
	h.observe(decision{
		level: zap.InfoLevel, message: message, fields: fields, beside: why == causeRefresh,
		event: event{name: eventRevoked, about: about, more: map[string]any{"cause": causeNames[why]}},
	})
}

// tellRefresh tells of what came of a refresh. One that did not go well says so at its own
// level.
func (h *Handler) tellRefresh(outcome string, about party, level zapcore.Level, message string, fields ...zap.Field) {
	h.tally.refreshes.count(outcome)
	d := decision{level: level, message: message, fields: fields, beside: true}
	if outcome == refreshDone {
		d.event = event{name: eventRefreshed, about: about}
	}
	h.observe(d)
}
