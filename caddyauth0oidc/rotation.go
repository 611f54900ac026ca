package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"math/big"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const (
	// rotationInterval is the least time between two readings of the stored
	// secrets. Up to rotationJitter is added, so that instances do not meet.
	rotationInterval = time.Hour
	rotationJitter   = 10 * time.Minute

	// rotationMargin is how much longer than a session an old secret opens: an
	// instance may have sealed with it until its next reading, its clock may be
	// behind, and a pending login lives for a quarter of an hour.
	rotationMargin = 2 * time.Hour
)

// rotation keeps a keyring in step with the secrets in Caddy's storage.
type rotation struct {
	store    secretStore
	ring     *atomic.Pointer[session.Keyring]
	derive   func(secrets []string) (*session.Keyring, error)
	absolute time.Duration
	now      func() time.Time
	random   io.Reader
	logger   *zap.Logger

	known []storedSecret
	order []string // of what the keyring was made
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
	h.rotation = &rotation{
		store: secretStore{storage: ctx.Storage(), random: h.random}, ring: h.keys, derive: derive, absolute: h.limits.Absolute,
		now: func() time.Time { return h.now() }, random: h.random, logger: h.logger,
	}
	return h.rotation.start(ctx)
}

// start is the first check, which fails only if there is no keyring after it.
func (r *rotation) start(ctx context.Context) error {
	err := r.refresh(ctx)
	if r.ring.Load() == nil {
		return err
	}
	r.report(ctx, err)
	return nil
}

// watch checks until the context ends.
func (r *rotation) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.pause()):
			r.check(ctx)
		}
	}
}

func (r *rotation) pause() time.Duration {
	jitter, err := rand.Int(r.random, big.NewInt(int64(rotationJitter)))
	if err != nil {
		return rotationInterval
	}
	return rotationInterval + time.Duration(jitter.Int64())
}

// check refreshes and says in the log what failed. Only one goroutine may call it.
func (r *rotation) check(ctx context.Context) { r.report(ctx, r.refresh(ctx)) }

func (r *rotation) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		r.logger.Error("checking the stored secrets; those that are known stay in use", zap.Error(err))
	}
}

// refresh reads the stored secrets and makes a new keyring if another secret
// seals now, or others open. Those that were known stay in use when reading fails.
func (r *rotation) refresh(ctx context.Context) error {
	now := r.now()
	found, err := r.store.current(ctx, now)
	if found != nil {
		r.compare(found)
		r.known = found
	}
	if r.known == nil {
		return err
	}
	return errors.Join(err, r.use(openers(r.known, now, r.absolute)))
}

// compare says in the log what others did to the secrets.
func (r *rotation) compare(found []storedSecret) {
	if r.known == nil {
		return
	}
	newest := found[len(found)-1]
	if !slices.ContainsFunc(r.known, func(s storedSecret) bool { return slices.Contains(found, s) }) {
		r.logger.Warn("the stored secrets are others than before; every session has ended", zap.Time("created", newest.Created))
	} else if !slices.Contains(r.known, newest) {
		r.logger.Info("there is a new stored secret", zap.Time("created", newest.Created), zap.Time("seals", newest.seals()))
	}
}

func (r *rotation) use(order []string) error {
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
// ones open, and older ones as long as a session lives that they have sealed.
func openers(secrets []storedSecret, now time.Time, absolute time.Duration) []string {
	sealing := 0
	for i, s := range secrets {
		if !now.Before(s.seals()) {
			sealing = i
		}
	}
	var order []string
	for _, s := range secrets[sealing:] {
		order = append(order, s.Secret)
	}
	for i := sealing - 1; i >= 0 && now.Before(secrets[i+1].seals().Add(absolute+rotationMargin)); i-- {
		order = append(order, secrets[i].Secret)
	}
	return order
}
