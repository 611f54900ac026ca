package caddyauth0oidc

import (
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// refreshed makes of a session what it is after the tenant's answer. What the answer
// leaves out stays as it was. With an error the answer must not be believed, and of the
// state nothing but the refresh token is of use.
func (h *Handler) refreshed(ctx context.Context, from *session.Refreshed, got *tenant.Tokens) (*session.Refreshed, error) {
	next := &session.Refreshed{Session: *from.Session.Renewed(h.now()), Tokens: from.Tokens, Rotates: session.NotRotating}
	t := &next.Tokens
	t.Access, t.Expiry, t.Refreshes = string(got.AccessToken), h.endOf(got), t.Refreshes+1
	if issued := string(got.RefreshToken); issued != "" && issued != t.Refresh {
		t.Refresh, next.Rotates = issued, session.Rotating
	}
	if got.IDToken == "" {
		return next, nil
	}
	token, err := h.shared.tenant.VerifyRefreshed(ctx, h.application, string(got.IDToken), tenant.RefreshCheck{
		Subject: from.Session.Profile.UserID, SID: from.Session.SID, AuthTime: from.Session.AuthTime, AccessToken: got.AccessToken,
	})
	if _, ok := errors.AsType[*tenant.UnavailableError](err); ok { // whose keys are not known now
		h.logger.Warn("the profile stays as it was, because the new ID token cannot be verified", zap.Error(err))
		return next, nil
	}
	if err != nil {
		return next, err
	}
	if t.ID != "" {
		t.ID = string(got.IDToken)
	}
	continueBy(&next.Session, token)
	return next, h.renewProfile(ctx, next, token, got)
}

// continueBy takes over what the token says of the login that the session did not know. No
// limit moves further away: a session that does not say when the user proved who they are
// has reached every max_age, and does not learn it by a refresh.
func continueBy(s *session.Session, token *tenant.IDToken) {
	if s.SID == "" {
		s.SID = token.SID
	}
	if end := token.SessionExpiry; !end.IsZero() && (s.Ceiling.IsZero() || end.Before(s.Ceiling)) {
		s.Ceiling = end
	}
}

// renewProfile makes the profile anew, in the way of the login. If its source cannot be
// asked, or the session has more than this directive would find, it stays as it was.
func (h *Handler) renewProfile(ctx context.Context, next *session.Refreshed, token *tenant.IDToken, got *tenant.Tokens) error {
	old := &next.Session.Profile
	keepStrength(token, old)
	found, err := h.profileOf(ctx, token, got, connectionOf(old, &next.Tokens))
	switch {
	case endsSession(err):
		return err
	case err != nil:
		h.logger.Warn("the profile of a refreshed session stays as it was", zap.Error(err))
		return nil
	case found.source < next.Session.Source:
		return nil
	}
	next.Session.Profile, next.Session.Source = *found.profile, found.source
	if h.childHeader() != "" && found.child != nil {
		next.Tokens.Child, next.Tokens.ChildExpiry = found.child.text, found.child.expiry
	}
	return nil
}

// keepStrength keeps what the login has shown of the user's factors, and no more: a refresh
// asks for none, whatever its ID token says of them.
func keepStrength(token *tenant.IDToken, old *profile.Profile) {
	for _, name := range []string{"acr", "amr"} {
		delete(token.Claims, name)
		if value, ok := old.Claim(name); ok {
			token.Claims[name] = value
		}
	}
}

// connectionOf is the connection that the user has come through.
func connectionOf(p *profile.Profile, t *session.Tokens) string {
	if t.ChildConnection != "" {
		return t.ChildConnection
	}
	if of, _ := p.Claim(childOfClaim); of != nil {
		if connection, ok := of.(string); ok {
			return connection
		}
	}
	return p.Subject().Connection
}

// endsSession tells of errors that say something of the user: the answer is of somebody
// else, or the user is blocked or gone.
func endsSession(err error) bool {
	if _, ok := errors.AsType[*tenant.InvalidTokenError](err); ok || errors.Is(err, errBlocked) {
		return true
	}
	failed, ok := errors.AsType[*management.Error](err)
	return ok && failed.Status == http.StatusNotFound
}
