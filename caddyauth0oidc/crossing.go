package caddyauth0oidc

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// crossings see to it that a login and a logout of one browser that are served at the same
// time leave no session, whichever comes first: the browser may get the answer to the login
// after that to the logout. Both ask here, about the login's transaction, before they answer.
// Another instance does not see it: a mark in the storage for each pending login would let
// everybody fill that, because a login takes no more than a request to begin.
type crossings struct {
	mu                sync.Mutex
	current, previous map[string][16]byte // the session that came of a transaction, or zero after a logout
	turned            time.Time
}

// signIn says that the transaction comes to the session, unless its browser was signed out.
func (c *crossings) signIn(transaction string, id [16]byte, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	came, known := c.find(transaction)
	if known && came == [16]byte{} {
		return false
	}
	c.keep(transaction, id, now)
	return true
}

// signOut says that the transaction may come to no session any more, or gives that which it
// came to, whose cookies the browser did not have yet.
func (c *crossings) signOut(transaction string, now time.Time) (id [16]byte, came bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, _ = c.find(transaction)
	c.keep(transaction, [16]byte{}, now)
	return id, id != [16]byte{}
}

func (c *crossings) find(transaction string) (id [16]byte, known bool) {
	if id, known = c.current[transaction]; !known {
		id, known = c.previous[transaction]
	}
	return id, known
}

func (c *crossings) keep(transaction string, id [16]byte, now time.Time) {
	if c.current == nil || now.Sub(c.turned) > session.TransactionLifetime || len(c.current) >= maxRemembered {
		c.previous, c.current, c.turned = c.current, make(map[string][16]byte), now
	}
	c.current[transaction] = id
}

// discard answers a login whose browser was signed out before it could begin a session.
func (h *Handler) discard(w http.ResponseWriter, r *http.Request, v *visit, got *redeemed, to destination) error {
	if unused := got.tokens.RefreshToken; unused != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), logoutPatience)
		defer cancel()
		h.revokeRefresh(ctx, []tenant.Secret{unused})()
	}
	return h.refuseLogin(w, r, v, to, refusal{
		code: codeSignedOut, status: http.StatusUnauthorized, loginURL: h.loginURL(r) + returnParameter(to.returnTo),
	})
}
