package caddyauth0oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

func init() { caddy.RegisterModule(new(brittle)) }

var errRedisDown = errors.New("the connection is refused")

// brittle is one client of a server, with the traps of Caddy's storages for Redis: what is
// only read is not there, whatever failed, and nothing asks a context.
type brittle struct {
	Server string `json:"server"`

	server *brittleServer
	closed atomic.Bool
}

// brittleServer is what the clients of all configurations have in common.
type brittleServer struct {
	mu      sync.Mutex
	values  map[string][]byte
	locks   map[string]struct{}
	down    bool
	lies    string        // a key that alone cannot be read
	hangs   chan struct{} // closed when it answers again; nil if it does
	calls   atomic.Int64
	waiting atomic.Int64
}

var brittleServers sync.Map

func (*brittle) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.auth0_brittle", New: func() caddy.Module { return new(brittle) }}
}

func (b *brittle) CertMagicStorage() (certmagic.Storage, error) {
	server, _ := brittleServers.LoadOrStore(b.Server, &brittleServer{values: make(map[string][]byte), locks: make(map[string]struct{})})
	b.server = server.(*brittleServer)
	return b, nil
}

// newBrittle gives a client of a server that nobody else has.
func newBrittle(t *testing.T) *brittle {
	t.Helper()
	b := &brittle{Server: t.Name()}
	_, _ = b.CertMagicStorage()
	t.Cleanup(func() { brittleServers.Delete(b.Server) })
	return b
}

func (s *brittleServer) set(change func(*brittleServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *brittleServer) setDown(down bool) { s.set(func(s *brittleServer) { s.down = down }) }

// hang gives what ends it.
func (s *brittleServer) hang() (answer func()) {
	until := make(chan struct{})
	s.set(func(s *brittleServer) { s.hangs = until })
	return sync.OnceFunc(func() {
		s.set(func(s *brittleServer) { s.hangs = nil })
		close(until)
	})
}

// reach holds the server's lock if it succeeds.
func (b *brittle) reach() error {
	s := b.server
	s.calls.Add(1)
	s.mu.Lock()
	if hangs := s.hangs; hangs != nil {
		s.mu.Unlock()
		s.waiting.Add(1)
		<-hangs
		s.waiting.Add(-1)
		s.mu.Lock()
	}
	if b.closed.Load() || s.down {
		s.mu.Unlock()
		return errRedisDown
	}
	return nil
}

func (b *brittle) Store(_ context.Context, key string, value []byte) error {
	if err := b.reach(); err != nil {
		return err
	}
	defer b.server.mu.Unlock()
	b.server.values[key] = bytes.Clone(value)
	return nil
}

func (b *brittle) Load(_ context.Context, key string) ([]byte, error) {
	if b.reach() != nil {
		return nil, fs.ErrNotExist
	}
	defer b.server.mu.Unlock()
	value, ok := b.server.values[key]
	if !ok || b.server.lies == key {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(value), nil
}

func (b *brittle) Delete(_ context.Context, key string) error {
	if err := b.reach(); err != nil {
		return err
	}
	defer b.server.mu.Unlock()
	delete(b.server.values, key)
	return nil
}

func (b *brittle) Exists(ctx context.Context, key string) bool {
	_, err := b.Load(ctx, key)
	return err == nil
}

func (b *brittle) List(_ context.Context, folder string, recursive bool) (keys []string, err error) {
	if err := b.reach(); err != nil {
		return nil, err
	}
	defer b.server.mu.Unlock()
	for key := range b.server.values {
		if below, ok := strings.CutPrefix(key, folder+"/"); ok {
			child, _, _ := strings.Cut(below, "/")
			keys = append(keys, path.Join(folder, child))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

func (b *brittle) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	value, err := b.Load(ctx, key)
	return certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}, err
}

// Lock waits for nobody.
func (b *brittle) Lock(_ context.Context, name string) error {
	if err := b.reach(); err != nil {
		return err
	}
	defer b.server.mu.Unlock()
	if _, ok := b.server.locks[name]; ok {
		return errors.New("the lock is held")
	}
	b.server.locks[name] = struct{}{}
	return nil
}

func (b *brittle) Unlock(_ context.Context, name string) error {
	if err := b.reach(); err != nil {
		return err
	}
	defer b.server.mu.Unlock()
	delete(b.server.locks, name)
	return nil
}

// take gives a value as it is on the server.
func (s *brittleServer) take(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.values[key])
}

func (s *brittleServer) locked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.locks)
}

// shareStorage gives what handlers have of storages, the last one being that of the newest
// configuration, and what ends the configurations.
func shareStorage(t *testing.T, clients ...certmagic.Storage) (s *sharedStorage, ends []context.CancelFunc) {
	t.Helper()
	s = newSharedStorage(t.Name())
	for _, client := range clients {
		ctx, end := context.WithCancel(t.Context())
		s.join(&storageUser{new(Handler), ctx, client})
		ends = append(ends, end)
	}
	return s, ends
}

// inBrittle gives a configuration with a client of the server.
func inBrittle(t *testing.T, server string) (base caddy.Context, client *brittle) {
	t.Helper()
	config := adaptConfig(t, "{}")
	raw, err := json.Marshal(map[string]string{"module": "auth0_brittle", "server": server})
	if err != nil {
		t.Fatal(err)
	}
	config.StorageRaw = raw
	provisioning.Lock()
	defer provisioning.Unlock()
	if base, err = caddy.ProvisionContext(config); err != nil {
		t.Fatal(err)
	}
	return base, base.Storage().(*brittle)
}
