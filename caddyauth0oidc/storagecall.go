package caddyauth0oidc

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/caddyserver/certmagic"
)

// call is something that is asked of a storage. Its caller may be gone before its end.
type call[T any] struct {
	turns   chan struct{} // nil for what must not wait for one
	written string        // the key that is changed, or empty
	do      func(context.Context, certmagic.Storage) (T, error)
	late    func(certmagic.Storage) // undoes what succeeded when the caller had gone; may be nil
}

// reply is what a call comes to.
type reply[T any] struct {
	value T
	err   error
}

// ask makes the call with the newest storage, and once more if that may have failed because
// its configuration has ended.
func ask[T any](ctx context.Context, s *sharedStorage, c call[T]) (value T, err error) {
	for u := s.current(); ; {
		if u == nil {
			return value, errNoStorage
		}
		if value, err = once(ctx, s, u.storage, c); err == nil || ctx.Err() != nil || u.ctx.Err() == nil {
			return value, err
		}
		before := u
		if u = s.current(); u == nil || u == before {
			return value, err
		}
	}
}

// once makes the call, and waits no longer than ctx.
func once[T any](ctx context.Context, s *sharedStorage, storage certmagic.Storage, c call[T]) (value T, err error) {
	done, err := s.begin(ctx, c.turns, c.written)
	if err != nil {
		return value, gaveUp(err)
	}
	var decided atomic.Bool // by whoever comes first: the end of the call, or of ctx
	replies := make(chan reply[T], 1)
	go func() {
		defer done()
		switch r := c.make(ctx, storage); {
		case decided.CompareAndSwap(false, true):
			replies <- r
		case r.err == nil && c.late != nil:
			c.late(storage)
		}
	}()
	select {
	case r := <-replies:
		return r.value, r.err
	case <-ctx.Done():
		if decided.CompareAndSwap(false, true) {
			return value, gaveUp(ctx.Err())
		}
		r := <-replies
		return r.value, r.err
	}
}

// make turns a panic into an error: nothing else would catch it in a goroutine of its own.
func (c call[T]) make(ctx context.Context, storage certmagic.Storage) (r reply[T]) {
	defer func() {
		if recover() != nil {
			r = reply[T]{err: errStoragePanicked}
		}
	}()
	r.value, r.err = c.do(ctx, storage)
	return r
}

func gaveUp(err error) error { return fmt.Errorf("waiting for Caddy's storage: %w", err) }

// begin waits for a turn, and for the end of what is being written to the key: a write of
// which nobody waits for the end any more must not come after a later one.
func (s *sharedStorage) begin(ctx context.Context, turns chan struct{}, written string) (done func(), err error) {
	release, err := s.claim(ctx, written)
	if err != nil {
		return nil, err
	}
	if err = ctx.Err(); err == nil {
		if turns == nil {
			return release, nil
		}
		select {
		case turns <- struct{}{}:
			return func() { release(); <-turns }, nil
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	release()
	return nil, err
}

func (s *sharedStorage) claim(ctx context.Context, key string) (release func(), err error) {
	if key == "" {
		return func() {}, nil
	}
	mine := make(chan struct{})
	for {
		theirs := s.claimOrFind(key, mine)
		if theirs == mine {
			return func() { s.release(key, mine) }, nil
		}
		select {
		case <-theirs:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *sharedStorage) claimOrFind(key string, mine chan struct{}) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if theirs, ok := s.writes[key]; ok {
		return theirs
	}
	s.writes[key] = mine
	return mine
}

func (s *sharedStorage) release(key string, mine chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.writes, key)
	close(mine)
}
