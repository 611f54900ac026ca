package caddyauth0oidc

import (
	"context"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// profileOf makes the profile of a login from its verified ID token.
func (h *Handler) profileOf(_ context.Context, token *tenant.IDToken, _ *tenant.Tokens) (*profile.Profile, error) {
	return profile.FromClaims(token.Claims)
}
