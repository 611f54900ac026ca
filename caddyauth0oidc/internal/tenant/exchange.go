package tenant

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	exactjson "github.com/go-jose/go-jose/v4/json"
)

// maxTokenLife is the longest that Auth0 lets an access token live.
const maxTokenLife = 30 * 24 * time.Hour

// Tokens are what a code or a refresh token was exchanged for. Nothing in them has been verified.
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

// Exchange exchanges a code for tokens with exactly one request, unless the client secret was refused and there is a second one: a
// code is good for one, and what became of it is unknown after a failure. The error is an *UnavailableError, a *RefusedError or an
// *InvalidTokenError.
func (t *Tenant) Exchange(ctx context.Context, app Application, code, verifier, redirectURI string) (*Tokens, error) {
	md, err := t.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	at, err := md.endpointsOf(app, exchanging)
	if err != nil {
		return nil, err
	}
	got, err := t.send(ctx, app, call{
		doing: exchanging, at: EndpointToken, endpoint: at.token, throttledUntil: &t.throttledUntil, form: url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
		},
	})
	if err != nil {
		return nil, err
	}
	tokens, err := t.readTokens(got, exchanging)
	if err == nil && tokens.IDToken == "" {
		return nil, invalid("id_token")
	}
	return tokens, err
}

// tokenResponse has the members of RFC 6749 sections 5.1 and 5.2 and OpenID Connect Core 1.0 section 3.1.3.3.
type tokenResponse struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	RefreshToken string  `json:"refresh_token"`
	IDToken      string  `json:"id_token"`
	ExpiresIn    seconds `json:"expires_in"`
	Error        string  `json:"error"`
}

// readTokens judges the answer of the token endpoint. The error code counts more than the status, which Auth0 chooses
// differently from RFC 6749.
func (t *Tenant) readTokens(a *answer, doing string) (*Tokens, error) {
	var r tokenResponse
	err := decodeExactly(a.body, &r)
	switch {
	case r.Error != "" || a.status != http.StatusOK:
		return nil, &RefusedError{Doing: doing, Code: refusalCode(r.Error), Status: a.status}
	case !isJSON(a):
		return nil, invalid("content_type")
	case err != nil:
		return nil, invalid("malformed")
	case r.AccessToken == "":
		return nil, invalid("access_token")
	case !strings.EqualFold(r.TokenType, "bearer"):
		return nil, invalid("token_type")
	}
	return &Tokens{
		IDToken: Secret(r.IDToken), AccessToken: Secret(r.AccessToken), RefreshToken: Secret(r.RefreshToken), Expiry: r.expiry(t.now()),
	}, nil
}

func isJSON(a *answer) bool {
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return mediaType == "application/json"
}

// expiry is when the access token ends, or the zero time.
func (r *tokenResponse) expiry(now time.Time) time.Time {
	if r.ExpiresIn <= 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(min(r.ExpiresIn, seconds(maxTokenLife/time.Second))) * time.Second)
}

// seconds is a whole number, which some servers write as text.
type seconds int64

// UnmarshalJSON reads a number, a number in quotes, or null for 0.
func (s *seconds) UnmarshalJSON(text []byte) error {
	var number exactjson.Number
	if err := exactjson.Unmarshal(text, &number); err != nil || number == "" {
		return err
	}
	whole, err := number.Int64()
	*s = seconds(whole)
	return err
}
