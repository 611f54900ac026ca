package revocation

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const testPath = "auth0_oidc/revoked/0123456789abcdef"

var errDown = errors.New("the storage is down")

// memory is a storage with folders as Caddy's have them.
type memory struct {
	mu                                   sync.Mutex
	values                               map[string][]byte
	loads, lists, stores, deletes, bytes int

	// before is asked first, without the lock, and may wait or fail.
	before func(ctx context.Context, operation, key string) error
}

func newMemory() *memory { return &memory{values: make(map[string][]byte)} }

func (m *memory) ask(ctx context.Context, operation, key string) error {
	m.mu.Lock()
	before := m.before
	m.mu.Unlock()
	if before != nil {
		if err := before(ctx, operation, strings.TrimPrefix(key, testPath+"/")); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (m *memory) fail(before func(ctx context.Context, operation, key string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = before
}

// down is for fail.
func down(context.Context, string, string) error { return errDown }

// readOnly is for fail.
func readOnly(_ context.Context, operation, _ string) error {
	if operation == "store" || operation == "delete" {
		return fs.ErrPermission
	}
	return nil
}

func (m *memory) Store(ctx context.Context, key string, value []byte) error {
	if err := m.ask(ctx, "store", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stores++
	m.bytes += len(value)
	m.values[key] = slices.Clone(value)
	return nil
}

func (m *memory) Load(ctx context.Context, key string) ([]byte, error) {
	if err := m.ask(ctx, "load", key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	value, ok := m.values[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	m.bytes += len(value)
	return slices.Clone(value), nil
}

func (m *memory) Delete(ctx context.Context, key string) error {
	if err := m.ask(ctx, "delete", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deletes++
	for k := range m.values {
		if k == key || strings.HasPrefix(k, key+"/") {
			delete(m.values, k)
		}
	}
	return nil
}

func (m *memory) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	if recursive {
		return nil, errors.New("nobody needs that")
	}
	if err := m.ask(ctx, "list", folder); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lists++
	var keys []string
	for k := range m.values {
		if below, ok := strings.CutPrefix(k, folder+"/"); ok {
			child, _, _ := strings.Cut(below, "/")
			keys = append(keys, path.Join(folder, child))
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for _, k := range keys {
		m.bytes += len(k)
	}
	if len(keys) == 0 {
		return nil, fs.ErrNotExist
	}
	return keys, nil
}

// spent gives the operations and bytes since the last call.
func (m *memory) spent() (operations, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	operations, bytes = m.loads+m.lists+m.stores+m.deletes, m.bytes
	m.loads, m.lists, m.stores, m.deletes, m.bytes = 0, 0, 0, 0, 0
	return operations, bytes
}

// keys gives those below a folder of the ledgers.
func (m *memory) keys(folder string) (keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.values {
		if strings.HasPrefix(k, path.Join(testPath, folder)+"/") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func (m *memory) change(key string, change func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = change(slices.Clone(m.values[key]))
}

func (m *memory) remove(keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		delete(m.values, k)
	}
}

// clock is a time that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// instances counts the ledgers, for names that differ.
var (
	instancesMu sync.Mutex
	instances   uint64
)

func newInstance(s Store, now func() time.Time) *Ledger {
	instancesMu.Lock()
	defer instancesMu.Unlock()
	instances++
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], instances)
	return New(Config{Store: s, Path: testPath, Now: now, Random: rand.NewChaCha8(seed)})
}

func poll(t *testing.T, ledgers ...*Ledger) {
	t.Helper()
	for _, l := range ledgers {
		if err := l.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func revoke(t *testing.T, l *Ledger, marks ...Mark) {
	t.Helper()
	if err := l.Revoke(t.Context(), marks...); err != nil {
		t.Fatal(err)
	}
}

// idOf is a session's id.
func idOf(n int) (id [16]byte) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	copy(id[:], sum[:])
	return id
}

// marksOf gives the marks of the sessions from, and before to.
func marksOf(from, to int, until time.Time) (marks []Mark) {
	for n := from; n < to; n++ {
		marks = append(marks, OfSession(idOf(n), until))
	}
	return marks
}

func knows(l *Ledger, n int) bool { return l.Revoked(idOf(n), "", "", time.Time{}) }

// unknown counts which of the sessions from, and before to, are not ended.
func unknown(l *Ledger, from, to int) (n int) {
	for i := from; i < to; i++ {
		if !knows(l, i) {
			n++
		}
	}
	return n
}
