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

// pool keeps what handlers of the same issuer, client and way to it share, across reloads:
// a new configuration is provisioned before the old one is cleaned up.
var pool = caddy.NewUsagePool()

// shared is the part of a tenant and client that all their handlers use.
type shared struct {
	tenant  *tenant.Tenant
	origin  string     // of the issuer, for the pages' policy
	spent   remembered // login transactions
	denials remembered // users of directives that keep them out, of which subscribers were told
	key     string
	now     func() time.Time

	failures allowance // of events of failed logins

	memory     *tenantMemory
	renewals   renewals
	crossings  crossings
	streams    streams
	assertions assertions

	mu       sync.RWMutex
	handlers map[string][]*Handler // by Handler.key, the newest last
}

func (h *Handler) acquireShared(by passage) (*shared, error) {
	issuer := h.issuer()
	key := by.key + strconv.Itoa(len(issuer)) + ":" + issuer + h.ClientID
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) {
		s := &shared{key: key, now: time.Now, memory: newTenantMemory(issuer, by), handlers: make(map[string][]*Handler)}
		t, err := tenant.New(tenant.Config{
			Issuer: issuer, Egress: by.Egress, Now: func() time.Time { return s.now() }, Memory: s.memory, Warn: s.memory.warn,
			Observer: newCallObserver(issuer, h.ClientID, func() time.Time { return s.now() }),
		})
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
	h.keeping = by.keeping
	s.memory.join(h.keeping)
	return s, nil
}

// add makes a handler known, from when on others may use it.
func (s *shared) add(h *Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[h.key] = append(s.handlers[h.key], h)
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
	defer s.memory.leave(h.keeping) // the end of the tenant may still keep something
	_, err := pool.Delete(s.key)
	return err
}

// sealer gives the handler that seals for h: itself until its configuration is gone,
// because a newer one may not serve yet, or never, and then the newest of its key, or
// nil.
func (s *shared) sealer(h *Handler) *Handler {
	s.mu.RLock()
	current := slices.Contains(s.handlers[h.key], h)
	s.mu.RUnlock()
	if current {
		return h
	}
	return s.handler(h.key)
}

// judge gives a handler that knows which sessions were ended: h until its configuration is
// gone, and then any of the same tenant and client, or nil.
func (s *shared) judge(h *Handler) *Handler {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if slices.Contains(s.handlers[h.key], h) {
		return h
	}
	for _, same := range s.handlers {
		return same[len(same)-1]
	}
	return nil
}

// handler gives the newest handler of that key, or nil.
func (s *shared) handler(key string) *Handler {
	s.mu.RLock()
	defer s.mu.RUnlock()
	same := s.handlers[key]
	if len(same) == 0 {
		return nil
	}
	return same[len(same)-1]
}

// all gives the newest handler of each key.
func (s *shared) all() []*Handler {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*Handler
	for _, key := range slices.Sorted(maps.Keys(s.handlers)) {
		same := s.handlers[key]
		found = append(found, same[len(same)-1])
	}
	return found
}

// Destruct is called when the last handler is gone.
func (s *shared) Destruct() error {
	s.tenant.Close()
	return nil
}

// remembered knows ids for a while: which login transactions were redeemed, so that
// a callback that is delivered twice costs one code exchange, and which sessions
// were ended. Two generations of the lifetime remember all that matter.
type remembered struct {
	mu       sync.Mutex
	current  map[string]struct{}
	previous map[string]struct{}
	turned   time.Time
}

// maxRemembered bounds the memory of one generation, about 64 bytes an entry.
const maxRemembered = 100_000

// add tells whether the id was not known before.
func (m *remembered) add(id string, now time.Time, lifetime time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil || now.Sub(m.turned) > lifetime || len(m.current) >= maxRemembered {
		m.previous, m.current, m.turned = m.current, make(map[string]struct{}), now
	}
	known := m.knows(id)
	m.current[id] = struct{}{}
	return !known
}

// has tells whether the id is known.
func (m *remembered) has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.knows(id)
}

func (m *remembered) knows(id string) bool {
	_, inCurrent := m.current[id]
	_, inPrevious := m.previous[id]
	return inCurrent || inPrevious
}

// allowance is what may be done so many times in a while.
type allowance struct {
	mu    sync.Mutex
	began time.Time // of the while
	taken int
}

// take tells whether it may be done once more.
func (a *allowance) take(now time.Time, while time.Duration, limit int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.began) >= while {
		a.began, a.taken = now, 0
	}
	a.taken++
	return a.taken <= limit
}
