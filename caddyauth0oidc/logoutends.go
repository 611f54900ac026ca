package caddyauth0oidc

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// heldSession is a session that the browser has, alive or not.
type heldSession struct {
	session session.Session
	tokens  *session.Tokens // or nil
	keeper  *Handler        // of those that share it, one for which it is alive, if there is any
}

// heldSessions finds the sessions of the site's directives that share this route.
func (h *Handler) heldSessions(r *http.Request, v *visit) (held []heldSession) {
	for _, other := range h.siblings(v) {
		one, name := heldSession{keeper: other}, other.cookiesOf(other.originOf(r)).Session.Name
		if !other.keys.Load().ReadSession(&one.session, v.cookies, name) {
			continue
		}
		if i := slices.IndexFunc(held, func(same heldSession) bool { return same.session.ID == one.session.ID }); i >= 0 {
			if !held[i].session.Alive(h.now(), held[i].keeper.limits) {
				held[i].keeper = other
			}
			continue
		}
		one.tokens, _ = other.keys.Load().ReadTokens(&one.session, v.cookies, name)
		held = append(held, one)
	}
	return held
}

// whoRefreshes gives a directive among them that refreshes sessions, or nil. All that do
// have the same refresher.
func (h *Handler) whoRefreshes(v *visit) *Handler {
	for _, other := range h.siblings(v) {
		if other.refresher != nil {
			return other
		}
	}
	return nil
}

// findNewest takes what the last refresh has brought, here or on another instance: the
// browser may have a refresh token that was exchanged for another one.
func (s *heldSession) findNewest(ctx context.Context, by *Handler) {
	if by == nil {
		return
	}
	id := s.session.ID
	ctx, cancel := context.WithTimeout(ctx, logoutPatience/2)
	defer cancel()
	stored, err := by.refresher.load(ctx, s.keeper.keys.Load(), id)
	if err != nil {
		s.keeper.logger.Warn("signing out of a session that may have been refreshed elsewhere", zap.Error(err))
	}
	for _, known := range [...]*session.Refreshed{by.refresher.find(id).state, stored} {
		if known != nil && (s.tokens == nil || newer(&known.Tokens, s.tokens)) {
			s.session, s.tokens = continuedAs(known, &s.session), &known.Tokens
		}
	}
}

// sessionEnds are the ends of sessions, everywhere, of which the storage has to know.
type sessionEnds struct {
	handler *Handler
	ctx     context.Context
	by      *Handler // that refreshes sessions, or nil
	storing sync.WaitGroup
}

func (h *Handler) beginEnds(ctx context.Context, v *visit) *sessionEnds {
	return &sessionEnds{handler: h, ctx: ctx, by: h.whoRefreshes(v)}
}

// end keeps a session from being written again, and forgets its newest state: whoever has
// a use for that looks for it before.
func (e *sessionEnds) end(id [16]byte, mark func(context.Context)) {
	e.handler.shared.renewals.end(id, e.handler.now())
	if e.by != nil {
		e.by.refresher.remember(id, refreshState{over: true})
	}
	e.storing.Go(func() {
		mark(e.ctx)
		if e.by != nil { // not before: it keeps the others from using the refresh token of an older cookie
			e.by.forgetRefreshed(e.ctx, id)
		}
	})
}

// endHeld ends a session that the browser has, and every copy of it.
func (e *sessionEnds) endHeld(one *heldSession) {
	e.end(one.session.ID, func(ctx context.Context) { one.keeper.endCopies(ctx, &one.session) })
}

// endCrossing keeps the browser's logins that are under way from beginning a session, and
// ends those that one of them has come to at this very moment.
func (e *sessionEnds) endCrossing(r *http.Request, v *visit) {
	h := e.handler
	for _, other := range h.siblings(v) {
		name := other.pendingCookie(other.originOf(r)).Name
		for _, transaction := range other.keys.Load().Transactions(v.cookies, name, h.now()) {
			if id, came := h.shared.crossings.signOut(transaction, h.now()); came {
				e.end(id, func(ctx context.Context) {
					_ = h.ledger.end(ctx, causeLogout, revocation.OfSession(id, h.marksUntil()))
				})
			}
		}
	}
}

// wait waits until the storage has it, and no longer than the context says: storages may
// hang, and what is not done by then goes on.
func (e *sessionEnds) wait() {
	stored := make(chan struct{})
	go func() {
		e.storing.Wait()
		close(stored)
	}()
	select {
	case <-stored:
	case <-e.ctx.Done():
	}
}
