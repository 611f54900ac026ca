package caddyauth0oidc

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Profile says where the claims of a user's profile come from.
type Profile struct {
	// Source is `id_token` for the claims of the ID token alone, or `userinfo` for
	// those of the tenant's userinfo endpoint beside them (OpenID Connect Core 1.0
	// section 5.3), which is asked once at each login. It replaces claims of the
	// profile, and none that say who signed in, for whom, when and how. Default:
	// `id_token`.
	Source string `json:"source,omitempty"`

	// Fallback is `id_token` to let a login go on with the claims of the ID token
	// when the source cannot be asked. An answer that must not be believed refuses
	// the login whatever stands here. Default: none, the login stops with 503.
	Fallback string `json:"fallback,omitempty"`
}

// sourceIDToken is the source that is always there.
const sourceIDToken = "id_token"

// profileSources give the claims of a login's profile, by the name of the source.
var profileSources = map[string]func(h *Handler, ctx context.Context, token *tenant.IDToken, tokens *tenant.Tokens) (map[string]any, error){
	sourceIDToken: func(_ *Handler, _ context.Context, token *tenant.IDToken, _ *tenant.Tokens) (map[string]any, error) {
		return token.Claims, nil
	},
	"userinfo": (*Handler).claimsWithUserinfo,
}

// parseProfile reads:
//
//	profile id_token | userinfo {
//		fallback id_token
//	}
func (h *Handler) parseProfile(d *caddyfile.Dispenser) error {
	first, name, args := *d, d.Val(), d.RemainingArgs()
	if len(args) != 1 {
		return d.Errf("'%s' needs exactly one value, not %d", name, len(args))
	}
	p := &Profile{Source: args[0]}
	h.Profile = p
	err := parseFields(d, fields{
		"fallback": func() error { return oneArg(d, &p.Fallback, checkFallback) },
	})
	if err != nil {
		return err
	}
	if err := checkProfile(p); err != nil {
		return first.Errf("%s: %w", name, err)
	}
	return nil
}

func checkFallback(name string) error { return oneOf(name, []string{sourceIDToken}) }

func checkProfile(p *Profile) error {
	if err := oneOf(p.Source, slices.Sorted(maps.Keys(profileSources))); err != nil || p.Fallback == "" {
		return err
	}
	if p.Source == sourceIDToken {
		return errors.New("a login always has an ID token; leave the fallback out")
	}
	return named("fallback", checkFallback(p.Fallback))
}

// warn tells of rules that a fallback may get around: a deny does not hold where its
// claim is missing, other than one about email_domain.
func (p *Profile) warn(logger *zap.Logger, deny []Rule) {
	if p.Fallback == "" {
		return
	}
	for _, rule := range deny {
		if rule.Claim == "email_domain" {
			continue
		}
		logger.Warn("a deny keeps out nobody whose profile lacks the claim, which it may after a fallback: leave the fallback out, "+
			"have an Action add the claim to ID tokens, too, or write a require", zap.String("claim", rule.Claim))
	}
}

// profileOf makes the profile of a login from its verified ID token and the source
// that is configured.
func (h *Handler) profileOf(ctx context.Context, token *tenant.IDToken, tokens *tenant.Tokens) (*profile.Profile, error) {
	claims, err := profileSources[h.Profile.Source](h, ctx, token, tokens)
	if _, ok := errors.AsType[*tenant.UnavailableError](err); ok && h.Profile.Fallback != "" && ctx.Err() == nil {
		h.logger.Warn("the source of the profile cannot be asked; the login goes on with the ID token alone",
			zap.String("source", h.Profile.Source), zap.Error(err))
		claims, err = token.Claims, nil
	}
	if err != nil {
		return nil, err
	}
	return profile.FromClaims(claims)
}

// claimsWithUserinfo asks the tenant's userinfo endpoint.
func (h *Handler) claimsWithUserinfo(ctx context.Context, token *tenant.IDToken, tokens *tenant.Tokens) (map[string]any, error) {
	answered, err := h.shared.tenant.Userinfo(ctx, h.application, tokens.AccessToken, token.Subject)
	if err != nil {
		return nil, err
	}
	return profile.Merge(token.Claims, answered), nil
}
