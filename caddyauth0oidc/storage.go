package caddyauth0oidc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

const (
	// maxCalls bounds what is done with a storage at a time, with that of which nobody
	// waits for the end any more; as many wait for locks.
	maxCalls = 64

	// unlockTimeout is for giving back a lock that was obtained too late.
	unlockTimeout = 5 * time.Second

	// probedPath is a folder that never is.
	probedPath = "auth0_oidc/none"
)

// storage is what is used of Caddy's storage; certmagic.Storage tells what that does.
type storage interface {
	certmagic.Locker
	Store(ctx context.Context, key string, value []byte) error
	Load(ctx context.Context, key string) ([]byte, error)
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, path string, recursive bool) ([]string, error)
	Stat(ctx context.Context, key string) (certmagic.KeyInfo, error)
}

var (
	errNoStorage       = errors.New("the configuration with the storage has ended")
	errNotLocked       = errors.New("the lock is not held")
	errStoragePanicked = errors.New("the storage panicked")
)

// storages are by name, across reloads.
var storages = caddy.NewUsagePool()

// sharedStorage is the storage of all configurations that have the same one: Caddy makes
// another client of it for each, and closes that of the configuration that ends.
//
// Of what the storage may do it makes what can be relied on. The end of ctx ends each
// call. Load gives fs.ErrNotExist only if the storage answers: some give that for each
// failure. Writes of a key are done one after the other.
type sharedStorage struct {
	name         string
	calls, locks chan struct{}

	mu     sync.Mutex
	users  []*storageUser               // the newest last
	writes map[string]chan struct{}     // under way; closed at their end
	held   map[string]certmagic.Storage // locks
}

// storageUser is a handler, and what is of its configuration.
type storageUser struct {
	handler *Handler
	ctx     context.Context // ends before the storage is closed
	storage certmagic.Storage
}

func (h *Handler) acquireStorage(ctx caddy.Context) error {
	own := ctx.Storage()
	name := storageName(own)
	value, _, err := storages.LoadOrNew(name, func() (caddy.Destructor, error) { return newSharedStorage(name), nil })
	if err != nil {
		return err
	}
	h.storage = value.(*sharedStorage)
	h.storage.join(&storageUser{h, ctx, own})
	return nil
}

func newSharedStorage(name string) *sharedStorage {
	return &sharedStorage{
		name: name, calls: make(chan struct{}, maxCalls), locks: make(chan struct{}, maxCalls),
		writes: make(map[string]chan struct{}), held: make(map[string]certmagic.Storage),
	}
}

func (s *sharedStorage) join(u *storageUser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(s.users, u)
}

// leave gives the handler's place free.
func (s *sharedStorage) leave(h *Handler) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	before := len(s.users)
	s.users = slices.DeleteFunc(s.users, func(u *storageUser) bool { return u.handler == h })
	left := len(s.users) < before
	s.mu.Unlock()
	if !left {
		return nil
	}
	_, err := storages.Delete(s.name)
	return err
}

// Destruct is called when the last handler is gone.
func (*sharedStorage) Destruct() error { return nil }

// current is of the newest configuration that has not ended; at the end of all, which may
// not have closed its storage yet, of the newest. Without any it is nil.
func (s *sharedStorage) current() *storageUser {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range slices.Backward(s.users) {
		if u.ctx.Err() == nil {
			return u
		}
	}
	if len(s.users) == 0 {
		return nil
	}
	return s.users[len(s.users)-1]
}

func (s *sharedStorage) Store(ctx context.Context, key string, value []byte) error {
	_, err := ask(ctx, s, call[struct{}]{turns: s.calls, written: key, do: func(ctx context.Context, storage certmagic.Storage) (struct{}, error) {
		return struct{}{}, storage.Store(ctx, key, value)
	}})
	return err
}

// Load gives fs.ErrNotExist only if the storage can be asked: of what is not there, it is
// asked twice, and in between for something that it does not lie about.
func (s *sharedStorage) Load(ctx context.Context, key string) ([]byte, error) {
	load := call[[]byte]{turns: s.calls, do: func(ctx context.Context, storage certmagic.Storage) ([]byte, error) {
		return storage.Load(ctx, key)
	}}
	value, err := ask(ctx, s, load)
	if !errors.Is(err, fs.ErrNotExist) {
		return value, err
	}
	if _, err := s.List(ctx, probedPath, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("asking whether the storage can be read: %w", err)
	}
	value, err = ask(ctx, s, load)
	if err != nil && ctx.Err() != nil { // of which some storages say the same
		return nil, gaveUp(ctx.Err())
	}
	return value, err
}

func (s *sharedStorage) Delete(ctx context.Context, key string) error {
	_, err := ask(ctx, s, call[struct{}]{turns: s.calls, written: key, do: func(ctx context.Context, storage certmagic.Storage) (struct{}, error) {
		return struct{}{}, storage.Delete(ctx, key)
	}})
	return err
}

func (s *sharedStorage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	return ask(ctx, s, call[[]string]{turns: s.calls, do: func(ctx context.Context, storage certmagic.Storage) ([]string, error) {
		return storage.List(ctx, path, recursive)
	}})
}

// Stat may give fs.ErrNotExist for any failure.
func (s *sharedStorage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	return ask(ctx, s, call[certmagic.KeyInfo]{turns: s.calls, do: func(ctx context.Context, storage certmagic.Storage) (certmagic.KeyInfo, error) {
		return storage.Stat(ctx, key)
	}})
}

func (s *sharedStorage) Lock(ctx context.Context, name string) error {
	holder, err := ask(ctx, s, call[certmagic.Storage]{
		turns: s.locks,
		do: func(ctx context.Context, storage certmagic.Storage) (certmagic.Storage, error) {
			return storage, storage.Lock(ctx, name)
		},
		late: func(storage certmagic.Storage) {
			ctx, cancel := context.WithTimeout(context.Background(), unlockTimeout)
			defer cancel()
			_ = storage.Unlock(ctx, name) // a lock that nobody keeps fresh expires by itself
		},
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[name] = holder
	return nil
}

// Unlock asks the client that has the lock, and keeps it fresh, even if that was closed. It
// waits for no turn: a lock that was not given back is kept fresh for as long as the process
// lives, and no more are given back than were obtained.
func (s *sharedStorage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	holder, ok := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if !ok {
		return errNotLocked
	}
	_, err := once(ctx, s, holder, call[struct{}]{do: func(ctx context.Context, storage certmagic.Storage) (struct{}, error) {
		return struct{}{}, storage.Unlock(ctx, name)
	}})
	return err
}

// lists tells whether the storage lists a key in its folder, where it may be although it
// cannot be loaded.
func lists(ctx context.Context, s storage, key string) (bool, error) {
	keys, err := s.List(ctx, path.Dir(key), false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("listing %s in Caddy's storage: %w", path.Dir(key), err)
	}
	return slices.Contains(keys, key), nil
}

// storageName is the same after a reload that does not change the storage, although Caddy
// makes another one. Nothing of the storage's configuration can be read from it.
func storageName(storage certmagic.Storage) string {
	written, err := json.Marshal(storage)
	if err != nil || string(written) == "{}" { // which tells nothing
		return fmt.Sprintf("%T %p", storage, storage)
	}
	sum := sha256.Sum256(written)
	return fmt.Sprintf("%T %x", storage, sum[:8])
}

// folderIn gives the folder of the handler's issuer and client in one of Caddy's storage.
func (h *Handler) folderIn(path string) string {
	sum := sha256.Sum256([]byte(h.issuer() + "\x00" + h.ClientID))
	return path + hex.EncodeToString(sum[:8])
}
