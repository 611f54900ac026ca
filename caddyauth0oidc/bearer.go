package caddyauth0oidc

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"
)

// Bearer lets API clients pass with an access token of the tenant in the header
// Authorization (RFC 6750 section 2.1), in place of a session. Where the directive has
// `acr_values` or `max_age`, the token itself has to show them, that of a machine too.
type Bearer struct {
	// Audiences are the identifiers of the APIs of the tenant for which a token
	// may have been issued, compared byte for byte; one of them has to be among
	// its audiences. Placeholders are resolved when the configuration is loaded.
	// Required.
	Audiences []string `json:"audiences,omitempty"`

	// Scopes are all wanted in the token's claim `scope`. Default: none.
	Scopes []string `json:"scopes,omitempty"`

	// Permissions are all wanted in the token's claim `permissions`, which Auth0
	// adds if role-based access control of the API says so. Default: none.
	Permissions []string `json:"permissions,omitempty"`

	verified verifiedTokens
}

// warn tells of rules that access tokens may get around: a deny does not hold where its
// claim is missing, and what an Action adds to ID tokens is not in access tokens.
func (b *Bearer) warn(logger *zap.Logger, deny []Rule) {
	if b == nil {
		return
	}
	for _, rule := range deny {
		logger.Warn("a deny keeps out nobody whose access token lacks the claim: have an Action add the claim to access tokens, too, "+
			"or write a require", zap.String("claim", rule.Claim))
	}
}

// parseBearer reads:
//
//	bearer {
//		audience    <api...>
//		scope       <scope...>
//		permissions <permission...>
//	}
//	bearer off
func (h *Handler) parseBearer(d *caddyfile.Dispenser) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		if len(args) > 1 || args[0] != "off" {
			return d.Errf("'bearer' takes 'off' on its line and nothing else; write its settings in braces, not '%s'", args[len(args)-1])
		}
		h.Bearer = nil
		return nil
	}
	h.Bearer = orNew(h.Bearer)
	read := func(field *[]string, check func(string) error) func() error {
		return func() error { return list(func(*Handler) *[]string { return field }, each(check))(h, d) }
	}
	return parseFields(d, fields{
		"audience":    read(&h.Bearer.Audiences, checkAPI),
		"scope":       read(&h.Bearer.Scopes, checkScopeToken),
		"permissions": read(&h.Bearer.Permissions, checkScopeToken),
	})
}

// checkBearer judges the setting as a whole; a placeholder among the audiences is
// judged once it is resolved.
func checkBearer(b *Bearer, issuer, clientID string) error {
	if b == nil {
		return nil
	}
	if len(b.Audiences) == 0 {
		return errors.New("'audience' is missing; add the identifier of the API, without one a token for any API would pass")
	}
	for _, audience := range b.Audiences {
		if audience == clientID {
			return errors.New("the audience is the client id, which ID tokens are for; write the identifier of an API")
		}
		if hasPlaceholder(audience) {
			continue
		}
		if err := errors.Join(checkAPI(audience), checkForeign(audience, issuer)); err != nil {
			return fmt.Errorf("audience: %w", err)
		}
	}
	return errors.Join(named("scope", each(checkScopeToken)(b.Scopes)), named("permissions", each(checkScopeToken)(b.Permissions)))
}

func checkAPI(audience string) error {
	if err := checkNotEmpty(audience); err != nil {
		return err
	}
	if strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("'%s' is not an identifier of an API; write several apart by spaces", audience)
	}
	return nil
}

// checkForeign refuses the APIs of the tenant itself, by whichever issuer it has:
// the token of every user is for /userinfo, whatever application asked for it, and there
// are others, such as /api/v2/, /me/ and /my-org/. Below the issuer no address is
// somebody else's; of other tenants the known ones are refused.
func checkForeign(audience, issuer string) error {
	u, err := url.Parse(audience)
	if err != nil {
		return nil
	}
	known := slices.Contains([]string{"userinfo", "api/v2", "me", "my-org"}, strings.Trim(u.Path, "/"))
	if belongsTo(u, issuer) || known && strings.HasSuffix(strings.ToLower(u.Hostname()), ".auth0.com") {
		return fmt.Errorf("'%s' is an API of the tenant itself; write the identifier of one of your own", audience)
	}
	return nil
}

func checkScopeToken(scope string) error {
	if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return fmt.Errorf("'%s' is not a scope (RFC 6749 section 3.3); write them apart by spaces", scope)
	}
	return nil
}
