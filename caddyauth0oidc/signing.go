package caddyauth0oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// jwksFresh is how long others may go by a copy of the JWK Set. A key is in it for
// secretSettle before it signs, which is longer by far, and the copy of somebody
// who withdraws a key is soon out of date.
const jwksFresh = 5 * time.Minute

// signingKind are the keys that sign the assertions of an issuer and client, named
// as shared.key. They have a file of their own, so that one tenant's applications
// never believe another's, and are P-256 keys of the size of a secret.
func signingKind(tenantAndClient string) secretKind {
	sum := sha256.Sum256([]byte(tenantAndClient))
	return secretKind{
		path: "auth0_oidc/assertion/" + hex.EncodeToString(sum[:16]) + ".json", kept: secretSettle,
		make:      upstream.NewSigningKey,
		renounced: "sign assertions with a new key",
		replaced:  "the stored keys of assertions are others than before; applications have to fetch them",
		lost:      "stored keys of assertions that were in use are gone, as after an old copy was restored; what they signed is refused",
	}
}

// signing keeps the keys of a handler's assertions in step with those that are known
// of the storage. A key is published as long as a secret opens: from when it is known
// until nothing that it has signed is valid.
type signing struct {
	watcher *watcher
	current atomic.Pointer[upstream.SigningKeys]
	logger  *zap.Logger

	order []string // of what the keys were made; guarded by the watcher
}

func (s *signing) log() *zap.Logger { return s.logger }

// lifetime is the longest possible one, so that all handlers with these keys publish
// the same.
func (s *signing) lifetime() time.Duration { return upstream.MaxAssertionTTL }

// follow takes other keys if another one signs at the time, or others are published.
func (s *signing) follow(known []storedSecret, now time.Time) error {
	order := openers(known, now, s.lifetime())
	if slices.Equal(order, s.order) {
		return nil
	}
	all := make([][]byte, len(order))
	for i, text := range order {
		var err error
		if all[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			return fmt.Errorf("reading the key of %s: %w", s.watcher.store.path, err)
		}
	}
	keys, err := upstream.NewSigningKeys(all)
	if err != nil {
		return fmt.Errorf("%s in Caddy's storage is damaged, %w; restore it, or delete it to %s", s.watcher.store.path, err, s.watcher.store.renounced)
	}
	s.current.Store(keys)
	s.order = order
	return nil
}

// serveJWKS publishes the keys with which applications verify assertions.
func (h *Handler) serveJWKS(w http.ResponseWriter, _ *http.Request, _ *visit) error {
	header := w.Header()
	header.Set("Content-Type", "application/jwk-set+json")
	header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(jwksFresh.Seconds())))
	header.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(h.asserter.keys.current.Load().Set()) // fails when the client is gone
	return nil
}
