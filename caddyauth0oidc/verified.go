package caddyauth0oidc

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// maxVerified bounds one of the two generations that are kept. What is kept of a token are
// its claims, decoded and as a profile: some ten times its length, so that 512 of the
// longest, of 8 kB, take 40 MB. Only who gets tokens from the tenant can bring that about.
const maxVerified = 256

// verifiedTokens keeps which access tokens had a good signature, because verifying
// one costs more than all else that we do for a request. It belongs to one
// directive, and so to one issuer and client, and a token is found by the SHA-256
// of all its bytes. What is kept is the result of a computation, never a decision:
// audience, times, connection, scopes and permissions are judged for every request,
// and the signature again when the tenant's keys were fetched anew. What was refused
// is not kept.
type verifiedTokens struct {
	mu                sync.RWMutex
	current, previous map[[sha256.Size]byte]*verifiedToken
}

// verifiedToken is shared by requests and never changed.
type verifiedToken struct {
	*tenant.AccessToken
	profile *profile.Profile
	shown   *profile.Profile // with the user id that others get to know
	id      [16]byte         // of its SHA-256
}

// verify gives what is known of a token for an API with one of the audiences; show is
// always that of the same directive. The errors are those of tenant.VerifyAccessToken.
func (k *verifiedTokens) verify(
	ctx context.Context, t *tenant.Tenant, raw string, audiences []string, show func(*profile.Profile) *profile.Profile,
) (*verifiedToken, error) {
	key := sha256.Sum256([]byte(raw))
	if known := k.find(key); known != nil {
		current, err := t.JudgeAgain(ctx, known.AccessToken, audiences)
		if err != nil {
			return nil, err
		}
		if current {
			return known, nil
		}
	}
	token, err := t.VerifyAccessToken(ctx, raw, audiences)
	if err != nil {
		return nil, err
	}
	p, err := profile.FromClaims(token.Claims)
	if err != nil {
		return nil, fmt.Errorf("reading the access token: %w", err)
	}
	p.Remember()
	found := &verifiedToken{token, p, show(p), [16]byte(key[:16])}
	k.keep(key, found)
	return found, nil
}

func (k *verifiedTokens) find(key [sha256.Size]byte) *verifiedToken {
	k.mu.RLock()
	found, kept := k.current[key], k.previous[key]
	k.mu.RUnlock()
	if found == nil && kept != nil {
		k.keep(key, kept)
		return kept
	}
	return found
}

func (k *verifiedTokens) keep(key [sha256.Size]byte, found *verifiedToken) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == nil || len(k.current) >= maxVerified {
		k.previous, k.current = k.current, make(map[[sha256.Size]byte]*verifiedToken)
	}
	k.current[key] = found
}
