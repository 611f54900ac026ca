package caddyauth0oidc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// revocationMargin is how much longer than a session a mark is kept: the clock of the
// instance that reads it may be behind.
const revocationMargin = 2 * time.Hour

// revocationPath is the folder of the marks in Caddy's storage.
const revocationPath = "auth0_oidc/revoked/"

// ledgers are by storage, issuer and client, so that all handlers of the process that
// share sessions share the marks that end them, across reloads.
var ledgers = caddy.NewUsagePool()

// ledger polls for the handlers that use it.
type ledger struct {
	*revocation.Ledger
	key    string
	now    func() time.Time
	cancel context.CancelFunc
}

func (h *Handler) acquireLedger(ctx caddy.Context) (*ledger, error) {
	sum := sha256.Sum256([]byte(h.issuer() + "\x00" + h.ClientID))
	folder, storage := revocationPath+hex.EncodeToString(sum[:8]), ctx.Storage()
	key := fmt.Sprintf("%T %p %s", storage, storage, folder)
	value, _, err := ledgers.LoadOrNew(key, func() (caddy.Destructor, error) {
		l := &ledger{key: key, now: h.now}
		l.Ledger = revocation.New(revocation.Config{
			Store: storage, Path: folder, Random: h.random, Now: func() time.Time { return l.now() },
		})
		_, l.cancel = context.WithCancel(context.Background())
		return l, nil
	})
	if err != nil {
		return nil, err
	}
	return value.(*ledger), nil
}

// release gives the handler's place free.
func (l *ledger) release() error {
	if l == nil {
		return nil
	}
	_, err := ledgers.Delete(l.key)
	return err
}

// Destruct is called when the last handler is gone.
func (l *ledger) Destruct() error {
	l.cancel()
	return nil
}

// revoked tells whether the session was ended before its time.
func (h *Handler) revoked(s *session.Session) bool {
	return h.ledger.Revoked(s.ID, s.SID, s.Profile.UserID, s.Login)
}

// marksUntil is when no session of today can be alive any more.
func (h *Handler) marksUntil() time.Time { return h.now().Add(h.limits.Absolute + revocationMargin) }
