package caddyauth0oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// refreshing is one refresh. With rotation, a refresh token is good for one use, and the
// tenant takes a second one for a theft. So what is going to be done is written down before,
// and what came of it before anybody sees it, under a lock of the storage.
type refreshing struct {
	handler *Handler
	ctx     context.Context
	base    *session.Refreshed // the newest that is known
	stored  *session.Refreshed // what the storage had, or nil
	written bool               // the storage has what is going to be done
}

// awaitRefresh gives what became of the session's refresh. good says that the access token
// has not ended yet.
func (h *Handler) awaitRefresh(ctx context.Context, from *session.Refreshed, good bool) refreshState {
	id := from.Session.ID
	ctx, end := waiting(ctx, "refresh")
	under := h.refresher.join(id, h.leading, func(leading context.Context) (got refreshState) {
		ctx := trace.ContextWithSpan(leading, trace.SpanFromContext(ctx))
		n := &refreshing{handler: h, ctx: ctx, base: from}
		defer func() {
			if p := recover(); p != nil {
				got = n.later(fmt.Errorf("refreshing a session panicked: %v", p), refreshPause)
			}
		}()
		return n.run()
	})
	got, ok := under.wait(ctx, good)
	end(ok)
	if ok {
		return got
	}
	known := h.refresher.find(id)
	known.retry = h.now().Add(time.Second)
	return known
}

func (n *refreshing) run() refreshState {
	h, f, id := n.handler, n.handler.refresher, n.base.Session.ID
	if known := f.find(id); known.over || n.isDone(known.state) || h.now().Before(known.retry) { // since the request looked
		return known
	}
	done, ok := f.turn(n.ctx)
	if !ok {
		return n.later(errTooMany, 0)
	}
	defer done()
	_, end := waiting(n.ctx, "refresh_lock")
	unlock, err := f.lock(n.ctx, id)
	end(err == nil)
	if err != nil {
		return n.later(err, 0)
	}
	defer unlock()
	switch n.stored, err = f.load(n.ctx, h.keys.Load(), id); {
	case errors.Is(err, errUnreadable):
		return n.lost(err)
	case err != nil:
		return n.later(err, 0)
	case n.isDone(n.stored):
		return refreshState{state: n.stored}
	case n.stored == nil:
		return n.beginFirst()
	}
	return n.begin()
}

// beginFirst begins a refresh of which the storage knows nothing: the first one of the
// session, or one with an older cookie after another instance has ended it, whose refresh
// token is spent.
func (n *refreshing) beginFirst() refreshState {
	if err := n.handler.ledger.Poll(n.ctx); err != nil && !errors.Is(err, revocation.ErrDamaged) {
		return n.later(err, 0)
	}
	if n.isMarked() {
		return n.over(errEndedMeanwhile, "")
	}
	return n.begin()
}

var errTooMany = errors.New("too many sessions are refreshed at the moment")

// isDone tells whether the state is one with which a request can go on.
func (n *refreshing) isDone(state *session.Refreshed) bool {
	if state == nil || !newer(&state.Tokens, &n.base.Tokens) || !state.Begun.IsZero() {
		return false
	}
	return n.handler.now().Before(state.Tokens.Expiry.Add(-time.Duration(n.handler.Refresh.Before)))
}

// begin writes down that the refresh token is going to be used, unless the tenant is known
// not to mind how often.
func (n *refreshing) begin() refreshState {
	h, now := n.handler, n.handler.now()
	next := session.Refreshed{Session: n.base.Session, Tokens: n.base.Tokens, Begun: now}
	if s := n.stored; s != nil && !newer(&n.base.Tokens, &s.Tokens) {
		next.Session, next.Tokens, next.Rotates = s.Session, s.Tokens, s.Rotates
		next.Session.Issue = max(next.Session.Issue, n.base.Session.Issue)
		if !s.Begun.IsZero() {
			next.Begun = s.Begun
			if now.Sub(s.Begun) > time.Duration(h.Refresh.Leeway) || h.Refresh.Leeway == 0 {
				n.base = &next
				return n.lost(errUnknownOutcome)
			}
		}
	}
	n.base = &next
	if next.Rotates != session.NotRotating {
		if err := h.refresher.store(n.ctx, h.keys.Load(), n.base); err != nil {
			return n.later(err, 0)
		}
		n.written = true
	}
	return n.exchange()
}

var errUnknownOutcome = errors.New("the refresh token was sent, and what became of it is not known")

func (n *refreshing) exchange() refreshState {
	h := n.handler
	got, err := h.shared.tenant.Refresh(n.ctx, h.application, tenant.Secret(n.base.Tokens.Refresh))
	if err != nil {
		return n.failed(err)
	}
	next, err := h.refreshed(n.ctx, n.base, got)
	if err != nil {
		return n.over(err, next.Tokens.Refresh)
	}
	if n.isEnded() {
		return n.over(errEndedMeanwhile, next.Tokens.Refresh)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.ctx), resultTimeout)
	defer cancel()
	if err := h.refresher.store(ctx, h.keys.Load(), next); err != nil {
		h.logger.Error("the tokens of a refreshed session are known here alone", zap.Error(err))
	}
	if n.isMarked() { // while that was done
		return n.over(errEndedMeanwhile, next.Tokens.Refresh)
	}
	h.tellRefresh(refreshDone, partyOf(&next.Session), zap.DebugLevel, "refreshed a session")
	return refreshState{state: next, retry: h.now().Add(next.Tokens.Expiry.Sub(h.now()) / 2)}
}

var errEndedMeanwhile = errors.New("the session was ended while it was refreshed")

// isEnded tells whether the session was ended meanwhile. A logout anywhere has removed what
// was written down.
func (n *refreshing) isEnded() bool {
	if n.isMarked() {
		return true
	}
	h := n.handler
	ctx, cancel := aside(n.ctx)
	defer cancel()
	left, err := h.refresher.load(ctx, h.keys.Load(), n.base.Session.ID)
	return err == nil && left == nil && (n.written || n.stored != nil)
}

// isMarked tells whether this instance knows that the session was ended.
func (n *refreshing) isMarked() bool {
	id := n.base.Session.ID
	return n.handler.revoked(&n.base.Session) || n.handler.shared.renewals.ended.has(string(id[:]))
}

// failed says what to do after an error of the exchange.
func (n *refreshing) failed(err error) refreshState {
	if unavailable, ok := errors.AsType[*tenant.UnavailableError](err); ok {
		if unavailable.Unsent {
			n.takeBack()
		}
		return n.later(err, unavailable.RetryAfter)
	}
	refused, ok := errors.AsType[*tenant.RefusedError](err)
	switch {
	case ok && isOfApplication(refused):
		n.takeBack()
		return n.later(err, refreshPause)
	case ok && isOfGrant(refused):
		n.takeBack()
		return n.lost(err)
	case ok && isOfNobody(refused):
		return n.lost(err)
	case ok:
		if other, err := n.handler.refresher.load(n.ctx, n.handler.keys.Load(), n.base.Session.ID); err == nil && n.isDone(other) {
			return refreshState{state: other} // somebody had the lock, too
		}
		return n.over(err, "")
	}
	if _, ok := errors.AsType[*tenant.InvalidTokenError](err); ok {
		return n.over(err, n.base.Tokens.Refresh)
	}
	return n.later(err, 0)
}

// isOfApplication tells of refusals that are not the refresh token's, which was not looked
// at: secret, grant or request are wrong. Auth0 calls a wrong secret access_denied, with 401.
func isOfApplication(refused *tenant.RefusedError) bool {
	switch refused.Code {
	case "invalid_client", "invalid_request":
		return true
	case "access_denied", "unauthorized", "unrecognized":
		return refused.Status == http.StatusUnauthorized
	}
	return false
}

// isOfGrant tells of refusals that every refresh gets and no login: the application may not
// refresh any more. To wait for that to change would shut out who could sign in.
func isOfGrant(refused *tenant.RefusedError) bool {
	return refused.Code == "unauthorized_client" || refused.Code == "unsupported_grant_type"
}

// isOfNobody tells of answers that say nothing of the user or the token, such as those of a
// firewall before the tenant.
func isOfNobody(refused *tenant.RefusedError) bool {
	return refused.Code == "unrecognized" || refused.Code == "server_error" || refused.Code == "temporarily_unavailable"
}

// takeBack says that the refresh token was not used after all.
func (n *refreshing) takeBack() {
	if !n.written {
		return
	}
	ctx, cancel := aside(n.ctx)
	defer cancel()
	left, err := n.handler.refresher.load(ctx, n.handler.keys.Load(), n.base.Session.ID)
	if err != nil || left == nil || newer(&left.Tokens, &n.base.Tokens) { // the session was ended, or somebody else had the lock, too
		return
	}
	before := *n.base
	before.Begun = time.Time{}
	if n.stored != nil && !newer(&before.Tokens, &n.stored.Tokens) {
		before = *n.stored
	}
	if err := n.handler.refresher.store(ctx, n.handler.keys.Load(), &before); err != nil {
		n.handler.logger.Warn("a refresh that was not made cannot be made any more", zap.Error(err))
	}
}

const (
	refreshPause    = 30 * time.Second // after what will not be well soon
	maxRefreshPause = time.Minute
)

// later leaves the session as it is, and says when to try again.
func (n *refreshing) later(err error, least time.Duration) refreshState {
	h := n.handler
	known := h.refresher.find(n.base.Session.ID)
	failures := min(known.failures+1, 6)
	pause := max(least, min(time.Second<<(failures-1), maxRefreshPause))
	pause = interval{pause, pause/4 + 1}.pause(h.random)
	level := zap.DebugLevel
	if h.refresher.complains(h.now()) {
		level = zap.WarnLevel
	}
	h.tellRefresh(refreshDelayed, party{}, level, "a session cannot be refreshed now", zap.Error(err), zap.Duration("again_after", pause))
	return refreshState{retry: h.now().Add(pause), failures: failures}
}

// lost says that the refresh token must not be used: the session goes on until its access
// token ends.
func (n *refreshing) lost(err error) refreshState {
	n.handler.tellRefresh(refreshLost, party{}, zap.WarnLevel, "a session cannot be refreshed any more; it ends with its access token", zap.Error(err))
	got := refreshState{retry: n.base.Tokens.Expiry, lost: true}
	if n.stored != nil {
		got.state = n.base
	}
	return got
}

// over ends the session, and at the tenant a refresh token that nobody will use.
func (n *refreshing) over(err error, unused string) refreshState {
	h := n.handler
	h.tally.refreshes.count(refreshEnded)
	ctx, cancel := aside(n.ctx)
	defer cancel()
	h.endRefreshed(ctx, &n.base.Session, err)
	if unused != "" {
		if err := h.shared.tenant.RevokeToken(ctx, h.application, tenant.Secret(unused)); err != nil {
			h.logger.Warn("a refresh token that is not used was not revoked", zap.Error(err))
		}
	}
	return refreshState{over: true}
}

// endRefreshed ends the session everywhere. What is stored of it stays if that could not be
// said to the others: it keeps them from using the refresh token again.
func (h *Handler) endRefreshed(ctx context.Context, s *session.Session, why error) {
	h.tellRevoked(causeRefresh, partyOf(s), "a session has ended with its refresh", zap.Error(why))
	h.shared.renewals.end(s.ID, h.now())
	if err := h.ledger.end(ctx, causeRefresh, revocation.OfSession(s.ID, h.marksUntil())); err != nil {
		h.refresher.remember(s.ID, refreshState{over: true})
		return
	}
	h.forgetRefreshed(ctx, s.ID)
}

// forgetRefreshed removes what is known of a session that has ended. A refresh under way
// finds that, too.
func (h *Handler) forgetRefreshed(ctx context.Context, id [16]byte) {
	if h.refresher == nil {
		return
	}
	h.refresher.remember(id, refreshState{over: true})
	ctx, cancel := aside(ctx)
	defer cancel()
	if err := h.refresher.remove(ctx, id); err != nil {
		h.logger.Warn("a session that has ended is still in the storage", zap.Error(err))
	}
}
