package tenant

import (
	"context"
	"errors"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// Refresh exchanges a refresh token for new tokens (RFC 6749 section 6, OpenID Connect Core 1.0 section 12) with exactly one request,
// unless the client secret was refused and there is a second one. The ID token and the refresh token of the answer may be empty, and
// then those from before go on. The error is a *RefusedError, an *InvalidTokenError of an answer that must not be believed, though the
// tenant has acted on the refresh token; or an *UnavailableError, whose field Unsent tells whether it may have acted.
func (t *Tenant) Refresh(ctx context.Context, app Application, refreshToken Secret) (*Tokens, error) {
	md, err := t.Metadata(ctx)
	if err != nil {
		return nil, unsent(err)
	}
	at, err := md.endpointsOf(app, refreshing)
	if err != nil {
		return nil, unsent(err)
	}
	got, err := t.send(ctx, app, call{
		doing: refreshing, at: EndpointToken, endpoint: at.token, throttledUntil: &t.throttledUntil,
		form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {string(refreshToken)}},
	})
	if err != nil {
		return nil, err
	}
	return t.readTokens(got, refreshing)
}

// unsent gives the error of something that had to come before a request, which was not made.
func unsent(err error) error {
	unavailable, ok := errors.AsType[*UnavailableError](err)
	if !ok {
		return err
	}
	e := *unavailable // which others may have, too
	e.Unsent = true
	return &e
}

// wire watches whether a request can have come to the other side. A transport begins anew with such a request only if it has written
// nothing of it, so the last connection is what counts.
type wire struct{ watched, connected atomic.Bool }

func (w *wire) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { w.watched.Store(true); w.connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { w.connected.Store(true) },
	})
}

// untouched tells that the transport had no connection on which it could have sent anything.
func (w *wire) untouched() bool { return w.watched.Load() && !w.connected.Load() }

// RefreshCheck is what an ID token that came with a refresh must fit, beyond the tenant and the application: the login that it
// continues (OpenID Connect Core 1.0 section 12.2).
type RefreshCheck struct {
	// Subject is the user of the login. It is required.
	Subject string
	// SID is the tenant's session of the login; empty when it is not known. A token without one fits any.
	SID string
	// AuthTime is when the user proved who they are; the zero time when it is not known. A token without one fits any.
	AuthTime time.Time
	// AccessToken is the one that came with the ID token. If the token has an at_hash and this is not empty, they must match.
	AccessToken Secret
}

// VerifyRefreshed verifies an ID token that came with a refresh. It is one for no login: a nonce, which nobody sent, is refused.
// The errors are those of VerifyIDToken.
func (t *Tenant) VerifyRefreshed(ctx context.Context, app Application, raw string, c RefreshCheck) (*IDToken, error) {
	return t.verifyIDToken(ctx, app, raw, func(got claims) []rule {
		return append(t.rulesFor(got, app, c.AccessToken),
			rule{"subject", c.Subject != "" && got["sub"] == any(c.Subject)},
			rule{"sid", c.SID == "" || !got.has("sid") || got["sid"] == any(c.SID)},
			rule{"auth_time", c.AuthTime.IsZero() || !got.has("auth_time") || got.saysTime("auth_time", c.AuthTime)},
			rule{"nonce", !got.has("nonce")},
		)
	})
}

// saysTime tells whether the claim is that very second.
func (c claims) saysTime(name string, want time.Time) bool {
	at, ok := c.time(name)
	return ok && at.Unix() == want.Unix()
}
