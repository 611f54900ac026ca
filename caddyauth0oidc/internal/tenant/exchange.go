package tenant

import (
	"context"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// maxTokenLife is the longest that Auth0 lets an access token live.
const maxTokenLife = 30 * 24 * time.Hour

// Tokens are what a code was exchanged for. Nothing in them has been verified.
type Tokens struct {
	// IDToken is the ID token as it came.
	IDToken Secret
	// AccessToken is the access token, opaque to us.
	AccessToken Secret
	// RefreshToken is the refresh token; empty when none was granted.
	RefreshToken Secret
	// Expiry is when the access token ends; the zero time when the tenant did not say.
	Expiry time.Time
}

// Exchange exchanges a code for tokens with exactly one request: a code is good for one, and what became of it is unknown after
// a failure. The error is an *UnavailableError, a *RefusedError or an *InvalidTokenError.
func (t *Tenant) Exchange(ctx context.Context, app Application, code, verifier, redirectURI string) (*Tokens, error) {
	if until, now := time.Unix(0, t.throttledUntil.Load()), t.now(); pending(until, now) {
		return nil, &UnavailableError{Doing: exchanging, RetryAfter: max(until.Sub(now), minRetryAfter), Err: errThrottled}
	}
	md, err := t.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	client, seen := t.client()
	config := oauth2.Config{
		ClientID:     app.ClientID,
		ClientSecret: string(app.ClientSecret),
		Endpoint:     oauth2.Endpoint{TokenURL: md.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams},
		RedirectURL:  redirectURI,
	}
	granted, err := config.Exchange(oidc.ClientContext(ctx, client), code, oauth2.VerifierOption(verifier))
	response, refusal := t.readTokens(seen)
	switch {
	case refusal != nil:
		return nil, refusal
	case err != nil:
		return nil, invalid("malformed")
	}
	return &Tokens{
		IDToken:      Secret(response.IDToken),
		AccessToken:  Secret(response.AccessToken),
		RefreshToken: Secret(response.RefreshToken),
		Expiry:       expiryAfter(granted.ExpiresIn, t.now()),
	}, nil
}

// tokenResponse has the members of RFC 6749 sections 5.1 and 5.2 and OpenID Connect Core 1.0 section 3.1.3.3.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Error        string `json:"error"`
}

// readTokens judges the answer of the token endpoint. The error code counts more than the status, which Auth0 chooses
// differently from RFC 6749.
func (t *Tenant) readTokens(a *answer) (*tokenResponse, error) {
	if a.status == http.StatusTooManyRequests || a.status >= 500 || a.status < 200 || (a.status >= 300 && a.status < 400) {
		failure := t.unavailable(exchanging, a, errNoHTTP)
		if a.status == http.StatusTooManyRequests {
			t.throttledUntil.Store(t.now().Add(failure.RetryAfter).UnixNano())
		}
		return nil, failure
	}
	var r tokenResponse
	err := decodeExactly(a.body, &r)
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case r.Error != "" || a.status != http.StatusOK:
		return nil, &RefusedError{Code: refusalCode(r.Error), Status: a.status}
	case mediaType != "application/json":
		return nil, invalid("content_type")
	case err != nil:
		return nil, invalid("malformed")
	case r.AccessToken == "":
		return nil, invalid("access_token")
	case r.IDToken == "":
		return nil, invalid("id_token")
	case !strings.EqualFold(r.TokenType, "bearer"):
		return nil, invalid("token_type")
	}
	return &r, nil
}

func expiryAfter(seconds int64, now time.Time) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(min(seconds, int64(maxTokenLife/time.Second))) * time.Second)
}
