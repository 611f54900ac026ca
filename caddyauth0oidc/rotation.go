package caddyauth0oidc

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// rotationMargin is how much longer than a session an old secret opens: an
// instance may have sealed with it until its next reading, its clock may be
// behind, and a pending login lives for a quarter of an hour.
const rotationMargin = 2 * time.Hour

// secretPath is where the secrets are kept that nobody configured.
const secretPath = "auth0_oidc/secrets.json" // #nosec G101 -- the name of a file

// sealing are the secrets that seal cookies, and are remembered for as long as a
// browser may keep one (RFC 6265bis, section 5.5).
var sealing = secretKind{
	path: secretPath, kept: 400 * 24 * time.Hour,
	make: func(random io.Reader) ([]byte, error) {
		made := make([]byte, secretSize)
		_, err := io.ReadFull(random, made)
		return made, err
	},
	renounced: "sign everybody out and start with a new secret",
	replaced:  "the stored secrets are others than before; every session has ended",
	lost:      "stored secrets that were in use are gone, as after an old copy was restored; the sessions that they sealed have ended",
}

// rotation keeps a handler's keyring in step with the secrets that are known of
// the storage.
type rotation struct {
	watcher  *watcher
	ring     *atomic.Pointer[session.Keyring]
	derive   func(secrets []string) (*session.Keyring, error)
	absolute time.Duration
	logger   *zap.Logger

	order []string // of what the keyring was made; guarded by the watcher
}

// prepareKeys makes the keyring, of the stored secrets if none is configured.
func (h *Handler) prepareKeys(ctx caddy.Context, issuer string) error {
	derive := func(secrets []string) (*session.Keyring, error) {
		return session.NewKeyring(secrets, issuer, h.ClientID)
	}
	h.keys = new(atomic.Pointer[session.Keyring])
	if len(h.Secrets) > 0 {
		ring, err := derive(h.Secrets)
		h.keys.Store(ring)
		return err
	}
	watcher, err := acquireWatcher(secretStore{sealing, h.storage, h.random}, h.now)
	if err != nil {
		return err
	}
	h.rotation = &rotation{watcher: watcher, ring: h.keys, derive: derive, absolute: h.limits.Absolute, logger: h.logger}
	return watcher.join(ctx, h.rotation)
}

func (r *rotation) log() *zap.Logger { return r.logger }

func (r *rotation) lifetime() time.Duration { return r.absolute }

// follow makes a new keyring if another secret seals at the time, or others open.
func (r *rotation) follow(known []storedSecret, now time.Time) error {
	order := openers(known, now, r.absolute)
	if slices.Equal(order, r.order) {
		return nil
	}
	ring, err := keyringOf(order, r.derive)
	if err != nil {
		return err
	}
	r.ring.Store(ring)
	r.order = order
	return nil
}

// keyringOf leaves the last secrets out if two have the same key id, which is
// short: some sessions end then, but the site does not.
func keyringOf(order []string, derive func([]string) (*session.Keyring, error)) (*session.Keyring, error) {
	for {
		ring, err := derive(order)
		if !errors.Is(err, session.ErrDuplicateSecret) {
			return ring, err
		}
		order = order[:len(order)-1]
	}
}

// openers gives the secrets that open at the time, the one that seals in front.
// That is the newest one that has settled, or the oldest if none has. All newer
// ones open, and older ones for the lifetime of what they have sealed.
func openers(secrets []storedSecret, now time.Time, lifetime time.Duration) []string {
	sealing := sealingAt(secrets, now)
	var order []string
	for _, s := range secrets[sealing:] {
		order = append(order, s.Secret)
	}
	for i := sealing - 1; i >= 0 && now.Before(secrets[i+1].seals().Add(lifetime+rotationMargin)); i-- {
		order = append(order, secrets[i].Secret)
	}
	return order
}

// sealingAt gives the place of the secret that seals at the time.
func sealingAt(secrets []storedSecret, now time.Time) (place int) {
	for i, s := range secrets {
		if !now.Before(s.seals()) {
			place = i
		}
	}
	return place
}
