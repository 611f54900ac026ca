package tenant

import (
	"context"
	"net/http"
	"net/url"
)

// RevokeToken ends a refresh token (RFC 7009), and with it all that came out of the same login by rotation. A tenant without such
// an endpoint is an *UnavailableError; so is one that cannot be asked, and a refusal is a *RefusedError.
func (t *Tenant) RevokeToken(ctx context.Context, app Application, refreshToken Secret) error {
	md, err := t.Metadata(ctx)
	if err != nil {
		return err
	}
	at, err := md.endpointsOf(app, revoking)
	switch {
	case err != nil:
		return err
	case at.revocation == "":
		return &UnavailableError{Doing: revoking, RetryAfter: minRetryAfter, Err: errNoRevocation}
	}
	a, err := t.send(ctx, app, call{
		doing: revoking, at: EndpointRevoke, endpoint: at.revocation, throttledUntil: &t.revocationThrottledUntil,
		form: url.Values{"token": {string(refreshToken)}, "token_type_hint": {"refresh_token"}},
	})
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return &RefusedError{Doing: revoking, Code: errorCode(a), Status: a.status}
	}
	return nil
}
