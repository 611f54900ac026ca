package caddyauth0oidc

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// pool keeps what handlers of the same issuer and client share, across reloads:
// a new configuration is provisioned before the old one is cleaned up.
var pool = caddy.NewUsagePool()

// shared is the part of a tenant and client that all their handlers use.
type shared struct {
	tenant *tenant.Tenant
	origin string // of the issuer, for the pages' policy
	spent  spent
	key    string
	now    func() time.Time

	mu       sync.RWMutex
	handlers map[string][]*Handler // by Handler.key, the newest last
}

func acquireShared(issuer string, h *Handler) (*shared, error) {
	key := strconv.Itoa(len(issuer)) + ":" + issuer + h.ClientID
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) {
		s := &shared{key: key, now: time.Now, handlers: make(map[string][]*Handler)}
		t, err := tenant.New(tenant.Config{Issuer: issuer, Now: func() time.Time { return s.now() }})
		if err != nil {
			return nil, fmt.Errorf("preparing the tenant: %w", err)
		}
		u, err := url.Parse(issuer)
		if err != nil {
			return nil, fmt.Errorf("reading the issuer: %w", err)
		}
		s.tenant, s.origin = t, u.Scheme+"://"+u.Host
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	s := value.(*shared)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[h.key] = append(s.handlers[h.key], h)
	return s, nil
}

// release gives the handler's place free. The same configuration may be there
// more than once: a reload loads the new one before it ends the old one, and
// ends the new one when another part of it fails.
func (s *shared) release(h *Handler) error {
	s.mu.Lock()
	s.handlers[h.key] = slices.DeleteFunc(s.handlers[h.key], func(other *Handler) bool { return other == h })
	if len(s.handlers[h.key]) == 0 {
		delete(s.handlers, h.key)
	}
	s.mu.Unlock()
	_, err := pool.Delete(s.key)
	return err
}

// siblings gives the handlers that may be of the same site as h, by what they
// answer to: the same prefix and base URLs. h comes first, the others in an order
// that is the same on every instance.
func (s *shared) siblings(h *Handler) []*Handler {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := []*Handler{h}
	for _, key := range slices.Sorted(maps.Keys(s.handlers)) {
		same := s.handlers[key]
		other := same[len(same)-1]
		if other.key != h.key && other.Prefix == h.Prefix && slices.Equal(other.origins, h.origins) {
			found = append(found, other)
		}
	}
	return found
}

// siblingWith gives the sibling with the given connection, or nil.
func (s *shared) siblingWith(h *Handler, connection string) *Handler {
	for _, other := range s.siblings(h) {
		if other.connections.Has(connection) {
			return other
		}
	}
	return nil
}

// Destruct is called when the last handler is gone.
func (s *shared) Destruct() error {
	s.tenant.Close()
	return nil
}

// spent remembers which login transactions were redeemed, so that a callback
// that is delivered twice costs one code exchange. Transactions live for a
// short time, so two generations of that length remember all that matter.
type spent struct {
	mu       sync.Mutex
	current  map[string]struct{}
	previous map[string]struct{}
	turned   time.Time
}

// maxSpent bounds the memory of one generation, about 64 bytes an entry.
const maxSpent = 100_000

// claim tells whether the transaction is redeemed for the first time.
func (s *spent) claim(id string, now time.Time, lifetime time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || now.Sub(s.turned) > lifetime || len(s.current) >= maxSpent {
		s.previous, s.current, s.turned = s.current, make(map[string]struct{}), now
	}
	_, inCurrent := s.current[id]
	_, inPrevious := s.previous[id]
	if inCurrent || inPrevious {
		return false
	}
	s.current[id] = struct{}{}
	return true
}
