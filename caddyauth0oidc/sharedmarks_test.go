package caddyauth0oidc

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
)

var errMarksLost = errors.New("the storage is away")

// sharedMarks is a storage of marks that instances share, and that can be away.
type sharedMarks struct {
	mu      sync.Mutex
	away    bool
	written []revocation.Mark
	polls   int
}

func (s *sharedMarks) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// count gives how many marks were written.
func (s *sharedMarks) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.written)
}

// newMarks gives an instance's marks over a storage of its own.
func newMarks(now func() time.Time) *revocation.Ledger {
	return revocation.New(revocation.Config{Store: &memoryStore{}, Path: "marks", Random: rand.Reader, Now: now})
}

// memoryStore is a storage that nobody shares.
type memoryStore struct{ values sync.Map }

func (s *memoryStore) Store(_ context.Context, key string, value []byte) error {
	s.values.Store(key, bytes.Clone(value))
	return nil
}

func (s *memoryStore) Load(_ context.Context, key string) ([]byte, error) {
	if value, found := s.values.Load(key); found {
		return bytes.Clone(value.([]byte)), nil
	}
	return nil, fs.ErrNotExist
}

func (s *memoryStore) Delete(_ context.Context, key string) error {
	s.values.Delete(key)
	return nil
}

func (s *memoryStore) List(context.Context, string, bool) (keys []string, _ error) {
	s.values.Range(func(key, _ any) bool {
		keys = append(keys, key.(string))
		return true
	})
	return keys, nil
}

// markClient is an instance's ledger over shared marks.
type markClient struct {
	*revocation.Ledger
	shared  *sharedMarks
	known   int
	waiting []revocation.Mark
}

// shareMarks has the handler's ledger use the storage.
func shareMarks(h *Handler, s *sharedMarks) *ledger {
	h.ledger.markBook = &markClient{Ledger: newMarks(h.ledger.time), shared: s}
	return h.ledger
}

func (c *markClient) Revoke(ctx context.Context, marks ...revocation.Mark) error {
	if err := c.Ledger.Revoke(ctx, marks...); err != nil {
		return err
	}
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	if c.shared.away {
		c.waiting = append(c.waiting, marks...)
		return errMarksLost
	}
	c.shared.written = append(c.shared.written, marks...)
	return nil
}

func (c *markClient) Poll(ctx context.Context) error {
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	c.shared.polls++
	if c.shared.away {
		return errMarksLost
	}
	c.shared.written = append(c.shared.written, c.waiting...)
	c.waiting = nil
	fresh := c.shared.written[c.known:]
	c.known = len(c.shared.written)
	return c.Ledger.Revoke(ctx, fresh...)
}

func (c *markClient) Status() revocation.Status {
	s := c.Ledger.Status()
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	s.Waiting = len(c.waiting)
	return s
}

// cluster is a site that two instances serve, over one storage.
type cluster struct {
	*world
	shared  *sharedMarks
	ledgers [2]*ledger
	servers [2]*caddyhttp.Server
}

func newCluster(t *testing.T, options ...worldOption) *cluster {
	t.Helper()
	c := newInstances(t, options...)
	c.shared = new(sharedMarks)
	for _, l := range c.ledgers {
		l.markBook = &markClient{Ledger: newMarks(l.time), shared: c.shared}
		l.pollNow(t)
	}
	return c
}

// newInstances is a site that two instances serve, over one folder of files.
func newInstances(t *testing.T, options ...worldOption) *cluster {
	t.Helper()
	setup := worldSetup{base: "https://app.example.test"}
	for _, o := range options {
		o(&setup)
	}
	c := &cluster{world: newWorld(t, options...)}
	for i := range c.ledgers {
		if i > 0 {
			c.folder += "/." // another storage to Caddy, and the same folder
			c.load(setup)
		}
		c.servers[i], c.ledgers[i] = c.server, c.handler().ledger
	}
	if c.ledgers[0] == c.ledgers[1] {
		t.Fatal("the instances are one")
	}
	c.serveBy(0)
	return c
}

// serveBy has the instance get the requests.
func (c *cluster) serveBy(i int) { c.network.Handle("app.example.test", c.servers[i]) }

// accepts tells whether the cookies are a session.
func (w *world) accepts(cookies string) bool {
	w.t.Helper()
	return w.statusOf(cookies) == http.StatusOK
}

func (w *world) statusOf(cookies string) int {
	w.t.Helper()
	response, _ := w.send(w.browser(), "GET", "/x", map[string]string{"Cookie": cookies, "Accept": "application/json"})
	return response.StatusCode
}

func (l *ledger) pollNow(t *testing.T) {
	t.Helper()
	l.poll(t.Context(), time.Minute)
}
