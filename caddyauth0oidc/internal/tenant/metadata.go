package tenant

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	exactjson "github.com/go-jose/go-jose/v4/json"
)

// Metadata is what the tenant's discovery document says, as far as it concerns us. It must not be changed.
type Metadata struct {
	// AuthorizationEndpoint is where a browser is sent to sign in.
	AuthorizationEndpoint string
	// TokenEndpoint is where codes are exchanged.
	TokenEndpoint string
	// JWKSURI is where the signing keys are.
	JWKSURI string
	// UserinfoEndpoint is where the profile can be asked for; empty when not offered.
	UserinfoEndpoint string
	// EndSessionEndpoint is where a browser is sent to sign out; empty when the tenant does not publish it.
	EndSessionEndpoint string
	// RevocationEndpoint is where refresh tokens are revoked; empty when not offered.
	RevocationEndpoint string
	// PushedAuthorizationEndpoint is where authorization requests can be pushed (RFC 9126); empty when not offered.
	PushedAuthorizationEndpoint string
	// MTLSAliases are the endpoints of those who authenticate with a certificate, where they are others (RFC 8705 section 5).
	MTLSAliases Aliases
	// RequirePushed says that the tenant takes no other authorization requests than pushed ones.
	RequirePushed bool
	// IssParameterSupported says that every callback carries iss (RFC 9207).
	IssParameterSupported bool
}

// Aliases take the place of the endpoints of the same names; empty ones do not. They are judged where they are used: who has no
// certificate must ignore them (RFC 8705 section 5).
type Aliases struct {
	// TokenEndpoint is where codes are exchanged.
	TokenEndpoint string `json:"token_endpoint"`
	// PushedAuthorizationEndpoint is where authorization requests can be pushed.
	PushedAuthorizationEndpoint string `json:"pushed_authorization_request_endpoint"`
	// RevocationEndpoint is where refresh tokens are revoked.
	RevocationEndpoint string `json:"revocation_endpoint"`
	// Err says why none of them can be used, or is nil.
	Err error `json:"-"`
}

// readAliases gives the member of the discovery document, or why it cannot be used. One alias that is none spoils the others:
// no certificate is presented anywhere by a guess.
func readAliases(member []byte, plain bool) (a Aliases) {
	if len(member) == 0 {
		return a
	}
	if err := decodeExactly(member, &a); err != nil {
		return Aliases{Err: err}
	}
	for _, endpoint := range []string{a.TokenEndpoint, a.PushedAuthorizationEndpoint, a.RevocationEndpoint} {
		if endpoint != "" && !usableEndpoint(endpoint, plain) {
			return Aliases{Err: errAlias}
		}
	}
	return a
}

// endpoints are those at which an application authenticates; pushed and revocation are empty when not offered.
type endpoints struct{ token, pushed, revocation string }

// endpointsOf gives the endpoints of the application. The error is an *UnavailableError.
func (md *Metadata) endpointsOf(app Application, doing string) (endpoints, error) {
	plain := endpoints{md.TokenEndpoint, md.PushedAuthorizationEndpoint, md.RevocationEndpoint}
	if app.Certificate == nil {
		return plain, nil
	}
	alias := md.MTLSAliases
	if alias.Err != nil {
		return endpoints{}, &UnavailableError{Doing: doing, RetryAfter: minRetryAfter, Err: alias.Err}
	}
	return endpoints{
		cmp.Or(alias.TokenEndpoint, plain.token), cmp.Or(alias.PushedAuthorizationEndpoint, plain.pushed), cmp.Or(alias.RevocationEndpoint, plain.revocation),
	}, nil
}

// Metadata returns the discovery document, which is fetched on first use and refreshed in the background every ten minutes.
// The last good one serves through any outage, also that of an earlier process from the Memory, if the tenant does not answer within
// a second. Without one, the error is an *UnavailableError.
func (t *Tenant) Metadata(ctx context.Context) (*Metadata, error) {
	md, _, err := t.metadata.get(ctx)
	return md, err
}

func (t *Tenant) discover(ctx context.Context) ([]byte, *UnavailableError) {
	client, seen := t.client(EndpointDiscovery)
	_, err := oidc.NewProvider(oidc.ClientContext(ctx, client), t.issuer)
	var foreign *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &foreign):
		return nil, t.unavailable(discovering, seen, errForeignIssuer)
	case err != nil:
		return nil, t.unavailable(discovering, seen, errMalformed)
	}
	return seen.body, nil
}

// document has the members of OpenID Connect Discovery 1.0 section 3 and RFC 8414 section 2 that we use.
type document struct {
	Issuer                string               `json:"issuer"`
	AuthorizationEndpoint string               `json:"authorization_endpoint"`
	TokenEndpoint         string               `json:"token_endpoint"`
	JWKSURI               string               `json:"jwks_uri"`
	UserinfoEndpoint      string               `json:"userinfo_endpoint"`
	EndSessionEndpoint    string               `json:"end_session_endpoint"`
	RevocationEndpoint    string               `json:"revocation_endpoint"`
	PushedEndpoint        string               `json:"pushed_authorization_request_endpoint"`
	Aliases               exactjson.RawMessage `json:"mtls_endpoint_aliases"`
	RequirePushed         bool                 `json:"require_pushed_authorization_requests"`
	IssParameterSupported bool                 `json:"authorization_response_iss_parameter_supported"`
	ChallengeMethods      []string             `json:"code_challenge_methods_supported"`
}

func parseMetadata(body []byte, issuer string) (*Metadata, error) {
	var d document
	if err := decodeExactly(body, &d); err != nil {
		return nil, err
	}
	// The library compared the issuer too, but it takes "ISSUER" for the same member.
	if d.Issuer != issuer {
		return nil, errForeignIssuer
	}
	plain := strings.HasPrefix(issuer, "http:")
	for _, endpoint := range []string{d.AuthorizationEndpoint, d.TokenEndpoint, d.JWKSURI} {
		if !usableEndpoint(endpoint, plain) {
			return nil, errEndpoint
		}
	}
	for _, endpoint := range []string{
		d.UserinfoEndpoint, d.EndSessionEndpoint, d.RevocationEndpoint, d.PushedEndpoint,
	} {
		if endpoint != "" && !usableEndpoint(endpoint, plain) {
			return nil, errEndpoint
		}
	}
	// A tenant that does not say which methods it has may still have S256; one that says so without it has not (RFC 8414 section 2).
	if d.ChallengeMethods != nil && !slices.Contains(d.ChallengeMethods, "S256") {
		return nil, errNoS256
	}
	return &Metadata{
		AuthorizationEndpoint:       d.AuthorizationEndpoint,
		TokenEndpoint:               d.TokenEndpoint,
		JWKSURI:                     d.JWKSURI,
		UserinfoEndpoint:            d.UserinfoEndpoint,
		EndSessionEndpoint:          d.EndSessionEndpoint,
		RevocationEndpoint:          d.RevocationEndpoint,
		PushedAuthorizationEndpoint: d.PushedEndpoint,
		MTLSAliases:                 readAliases(d.Aliases, plain),
		RequirePushed:               d.RequirePushed,
		IssParameterSupported:       d.IssParameterSupported,
	}, nil
}

// usableEndpoint accepts https URLs and, if the issuer itself is a plain http one, those of loopback hosts.
func usableEndpoint(endpoint string, plain bool) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Contains(endpoint, "#") {
		return false
	}
	return u.Scheme == "https" || (plain && u.Scheme == "http" && isLoopback(u.Hostname()))
}

// decodeExactly reads JSON the way RFC 8259 section 4 hopes for: names are case-sensitive and occur once, and text is UTF-8.
func decodeExactly(body []byte, v any) error {
	if !utf8.Valid(body) {
		return errMalformed
	}
	if err := exactjson.Unmarshal(body, v); err != nil {
		return errMalformed
	}
	return nil
}
