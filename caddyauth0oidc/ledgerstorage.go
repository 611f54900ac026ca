package caddyauth0oidc

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/caddyserver/certmagic"
)

// newestStorage is the storage of the newest configuration: that of an earlier one may
// have been closed.
type newestStorage struct{ of *ledger }

func (s newestStorage) current() certmagic.Storage {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if len(s.of.members) == 0 {
		return nil
	}
	return s.of.members[len(s.of.members)-1].storage
}

func (s newestStorage) Store(ctx context.Context, key string, value []byte) error {
	return s.with(func(storage certmagic.Storage) error { return storage.Store(ctx, key, value) })
}

func (s newestStorage) Load(ctx context.Context, key string) (value []byte, err error) {
	err = s.with(func(storage certmagic.Storage) error {
		value, err = storage.Load(ctx, key)
		return err
	})
	return value, err
}

func (s newestStorage) Delete(ctx context.Context, key string) error {
	return s.with(func(storage certmagic.Storage) error { return storage.Delete(ctx, key) })
}

func (s newestStorage) List(ctx context.Context, path string, recursive bool) (keys []string, err error) {
	err = s.with(func(storage certmagic.Storage) error {
		keys, err = storage.List(ctx, path, recursive)
		return err
	})
	return keys, err
}

func (s newestStorage) with(use func(certmagic.Storage) error) error {
	storage := s.current()
	if storage == nil {
		return errNoStorage
	}
	return use(storage)
}

// storageName is the same after a reload that does not change the storage, although Caddy
// makes another one. Nothing of the storage's configuration can be read from it.
func storageName(storage certmagic.Storage) string {
	written, err := json.Marshal(storage)
	if err != nil {
		return fmt.Sprintf("%T %p", storage, storage)
	}
	sum := sha256.Sum256(written)
	return fmt.Sprintf("%T %x", storage, sum[:8])
}
