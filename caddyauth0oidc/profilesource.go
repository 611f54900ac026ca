package caddyauth0oidc

import (
	"context"
	"errors"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Profile says where the claims of a user's profile come from.
type Profile struct {
	// Source is `id_token` for the claims of the ID token alone, `userinfo` for those
	// of the tenant's userinfo endpoint beside them (OpenID Connect Core 1.0 section
	// 5.3), or `management` for what the Management API of the master tenant says about
	// the user. Either is asked once at each login. It replaces claims of the profile,
	// and none that say who signed in, for whom, when and how. Default: `id_token`.
	Source string `json:"source,omitempty"`

	// Fallback is `id_token` to let a login go on with the claims of the ID token
	// when the source cannot be asked. An answer that must not be believed refuses
	// the login whatever stands here. Default: none, the login stops with 503.
	Fallback string `json:"fallback,omitempty"`
}

// The sources of a profile; the ID token is always there.
const (
	sourceIDToken    = "id_token"
	sourceUserinfo   = "userinfo"
	sourceManagement = "management"
)

// profileSource is that of this directive's logins, but for a fallback.
func (h *Handler) profileSource() string {
	if h.Profile == nil {
		return sourceIDToken
	}
	return h.Profile.Source
}

// acceptsSource tells whether a session whose profile came from the source has the claims
// that the rules of this directive ask about. A source adds to what the ID token says, so
// that any will do where no other one is named; with a fallback the directive's own
// sessions may be of the ID token, and so may all others.
func (h *Handler) acceptsSource(s session.Source) bool {
	if h.Profile == nil || h.Profile.Fallback != "" {
		return true
	}
	switch h.Profile.Source {
	case sourceUserinfo:
		return s == session.FromUserinfo
	case sourceManagement:
		return s == session.FromManagement
	}
	return true
}

// parseProfile reads:
//
//	profile id_token | userinfo | management {
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
	if p == nil {
		return nil
	}
	if err := oneOf(p.Source, []string{sourceIDToken, sourceUserinfo, sourceManagement}); err != nil || p.Fallback == "" {
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
	if p == nil || p.Fallback == "" {
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

// warnOfMetadata tells of directives that share the session and not the metadata: they
// accept each other's sessions, and a deny does not hold for whoever has signed in by one
// that does not ask for what it is about.
func (h *Handler) warnOfMetadata(s *site) {
	for _, one := range s.handlers {
		for _, rule := range one.Deny {
			if slices.ContainsFunc(s.handlers, func(other *Handler) bool { return one.sharesSession(other) && other.leavesOut(rule.Claim) }) {
				h.logger.Warn("a deny keeps out nobody whose profile lacks the claim: name it in the 'management metadata' of every directive "+
					"of the site that has 'profile management' and shares the session", zap.String("claim", rule.Claim))
				return
			}
		}
	}
}

// leavesOut tells whether the claim is a part of the metadata for which the directive's
// logins do not ask, although they ask the Management API.
func (h *Handler) leavesOut(claim string) bool {
	path, err := management.ParseMetadataPath(claim)
	return err == nil && h.fromManagement() && !slices.ContainsFunc(h.metadata, func(asked management.MetadataPath) bool {
		return len(asked) <= len(path) && slices.Equal(asked, path[:len(asked)])
	})
}

// foundProfile is what a login has found out about the user.
type foundProfile struct {
	profile *profile.Profile
	source  session.Source
	child   *childToken // or nil
}

// profileOf makes the profile of a login through the connection from its verified ID
// token and the source that is configured.
func (h *Handler) profileOf(ctx context.Context, token *tenant.IDToken, tokens *tenant.Tokens, connection string) (foundProfile, error) {
	switch h.profileSource() {
	case sourceUserinfo:
		return h.profileWithUserinfo(ctx, token, tokens)
	case sourceManagement:
		return h.profileAndChild(ctx, token, connection)
	}
	return profileFrom(session.FromIDToken, token.Claims)
}

func profileFrom(source session.Source, claims map[string]any) (foundProfile, error) {
	p, err := profile.FromClaims(claims)
	return foundProfile{profile: p, source: source}, err
}

// profileWithUserinfo asks the tenant's userinfo endpoint.
func (h *Handler) profileWithUserinfo(ctx context.Context, token *tenant.IDToken, tokens *tenant.Tokens) (foundProfile, error) {
	answered, err := h.shared.tenant.Userinfo(ctx, h.application, tokens.AccessToken, token.Subject)
	if _, ok := errors.AsType[*tenant.UnavailableError](err); ok && h.Profile.Fallback != "" && ctx.Err() == nil {
		h.logger.Warn("userinfo cannot be asked; the login goes on with the ID token alone", zap.Error(err))
		return profileFrom(session.FromIDToken, token.Claims)
	}
	if err != nil {
		return foundProfile{}, err
	}
	return profileFrom(session.FromUserinfo, profile.Merge(token.Claims, answered))
}
