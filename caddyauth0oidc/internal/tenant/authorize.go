package tenant

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// AuthorizeRequest is what one login asks for.
type AuthorizeRequest struct {
	// RedirectURI is where the tenant sends the browser back to, byte for byte as it is registered.
	RedirectURI string
	// Scope is a list with spaces that contains openid.
	Scope string
	// State comes back with the callback.
	State string
	// Nonce comes back in the ID token.
	Nonce string
	// Verifier is the PKCE code verifier; only its SHA-256 leaves this process now.
	Verifier string
	// Connection is the name of the connection to sign in with; empty lets the tenant ask.
	Connection string
	// Organization is the id or name of the organization to sign in to; empty for none. The claims must be compared with it.
	Organization string
	// Invitation is the ticket of an invitation to that organization; empty for none.
	Invitation string
	// Audience is the API to get an access token for; empty for none.
	Audience string
	// MaxAge is how long ago the user may have been asked for credentials, in whole seconds; nil for any time. Check.MaxAge must be
	// the same.
	MaxAge *time.Duration
	// ACRValues are the authentication contexts that are asked for, the preferred one first; nil for none.
	ACRValues []string
	// Prompt says what the tenant must ask the user for, such as login; empty leaves it to the tenant. With login, Check.ProvenSince
	// must be the moment at which the login began.
	Prompt string
	// Push says whether the request is pushed to the tenant, and the browser takes only a reference along: PushOn, PushOff or
	// PushAuto, which is the default.
	Push string
	// Preview says that nobody will follow the URL. Then nothing is pushed, and where it would be, the URL has no request in it.
	Preview bool
	// ResponseMode is how the answer comes to RedirectURI, such as form_post; empty is the query of the address.
	ResponseMode string
	// Extra are further parameters. Those that are reserved are left out; of two with the same name the later one counts.
	Extra []Parameter
}

// Parameter is a further parameter of an authorize URL.
type Parameter struct {
	// Name is the name of the parameter.
	Name string
	// Value is its value, not yet encoded.
	Value string
}

// reserved are the parameters that the protocol needs, or that have a setting of their own, those whose effect must be verified
// after the login, because the user can edit the address, and those that belong to other endpoints, or would replace all the
// others (RFC 9101, RFC 9126).
var reserved = []string{
	"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"connection", "audience", "response_mode",
	"organization", "invitation", "max_age", "acr_values", // worth nothing unless the ID token is compared with them
	"request", "request_uri", "registration", "id_token_hint",
	"code", "code_verifier", "grant_type", "client_secret", "client_assertion", "client_assertion_type",
}

// ReservedParameter reports whether a parameter of the authorize URL cannot be set by hand.
func ReservedParameter(name string) bool {
	return slices.Contains(reserved, strings.ToLower(strings.TrimSpace(name)))
}

// AuthorizeURL returns the URL that a browser is sent to for a login: the code flow (OpenID Connect Core 1.0 section 3.1.2.1) with
// PKCE S256 (RFC 7636), its parameters in the URL or pushed before (RFC 9126). The error is an *UnavailableError when the tenant cannot
// be asked, and for a request that is to be pushed also a *RefusedError, ErrPushNotOffered, ErrPushRequired or ErrRequestTooLarge.
func (t *Tenant) AuthorizeURL(ctx context.Context, app Application, r AuthorizeRequest) (string, error) {
	if err := r.check(app); err != nil {
		return "", fmt.Errorf("building the authorize URL: %w", err)
	}
	md, err := t.Metadata(ctx)
	if err != nil {
		return "", err
	}
	endpoint, err := r.pushesTo(md, app)
	switch {
	case err != nil:
		return "", err
	case endpoint == "":
		return withParameters(md.AuthorizationEndpoint, r.parameters(app)), nil
	}
	left := []Parameter{{"client_id", app.ClientID}}
	if !r.Preview {
		reference, err := t.push(ctx, app, endpoint, r.parameters(app))
		if err != nil {
			return "", err
		}
		left = append(left, Parameter{"request_uri", reference})
	}
	return withParameters(md.AuthorizationEndpoint, left), nil
}

// parameters are those of the whole request.
func (r AuthorizeRequest) parameters(app Application) []Parameter {
	parameters := make([]Parameter, 0, len(r.Extra)+15)
	for _, p := range r.Extra {
		if p.Name != "" && !ReservedParameter(p.Name) {
			parameters = append(parameters, p)
		}
	}
	parameters = append(parameters,
		Parameter{"response_type", "code"},
		Parameter{"client_id", app.ClientID},
		Parameter{"redirect_uri", r.RedirectURI},
		Parameter{"scope", r.Scope},
		Parameter{"state", r.State},
		Parameter{"nonce", r.Nonce},
		Parameter{"code_challenge", oauth2.S256ChallengeFromVerifier(r.Verifier)},
		Parameter{"code_challenge_method", "S256"},
	)
	parameters = appendUnlessEmpty(parameters, "connection", r.Connection)
	parameters = appendUnlessEmpty(parameters, "organization", r.Organization)
	if r.Organization != "" {
		parameters = appendUnlessEmpty(parameters, "invitation", r.Invitation)
	}
	parameters = appendUnlessEmpty(parameters, "audience", r.Audience)
	parameters = appendUnlessEmpty(parameters, "acr_values", strings.Join(r.ACRValues, " "))
	parameters = appendUnlessEmpty(parameters, "prompt", r.Prompt)
	parameters = appendUnlessEmpty(parameters, "response_mode", r.ResponseMode)
	if r.MaxAge != nil {
		parameters = append(parameters, Parameter{"max_age", strconv.FormatInt(int64(*r.MaxAge/time.Second), 10)})
	}
	return parameters
}

func (r AuthorizeRequest) check(app Application) error {
	switch {
	case app.ClientID == "" || r.RedirectURI == "":
		return errors.New("there is no client id or no redirect URI")
	case r.State == "" || r.Nonce == "":
		return errors.New("there is no state or no nonce")
	case !slices.Contains(strings.Fields(r.Scope), "openid"):
		return errors.New("the scope does not contain openid")
	case len(r.Verifier) < 43 || len(r.Verifier) > 128 || strings.ContainsFunc(r.Verifier, notUnreserved):
		return errors.New("the code verifier is not 43 to 128 unreserved characters")
	}
	return nil
}

// notUnreserved is the complement of RFC 3986 section 2.3.
func notUnreserved(c rune) bool {
	letterOrDigit := (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
	return !letterOrDigit && !strings.ContainsRune("-._~", c)
}

func appendUnlessEmpty(parameters []Parameter, name, value string) []Parameter {
	if value == "" {
		return parameters
	}
	return append(parameters, Parameter{name, value})
}

// withParameters sets parameters in the query of an endpoint, whose own ones it keeps (RFC 6749 section 3.1).
func withParameters(endpoint string, parameters []Parameter) string {
	base, own, _ := strings.Cut(endpoint, "?")
	query, err := url.ParseQuery(own)
	if err != nil {
		query = url.Values{}
	}
	for _, p := range parameters {
		query.Set(p.Name, p.Value)
	}
	return base + "?" + query.Encode()
}

// AcceptsCallback reports whether the iss parameters of a callback, of an error too, are what the tenant sends (RFC 9207 section 2.4):
// one that is the issuer, or none if the tenant does not announce any. md may be nil.
func (t *Tenant) AcceptsCallback(md *Metadata, iss []string) bool {
	if len(iss) == 0 {
		return md == nil || !md.IssParameterSupported
	}
	return len(iss) == 1 && iss[0] == t.issuer
}
