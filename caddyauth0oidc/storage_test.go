package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// FAULT-21: a storage that takes every failure for "not there" is not believed, and what is
// not there costs three calls.
func TestFAULT_21_FailureIsNotAbsence(t *testing.T) {
	t.Parallel()
	client := newBrittle(t)
	s, _ := shareStorage(t, client)
	if _, err := s.Load(t.Context(), "a/b"); !errors.Is(err, fs.ErrNotExist) || client.server.calls.Load() != 3 {
		t.Errorf("%d calls, %v", client.server.calls.Load(), err)
	}
	if err := s.Store(t.Context(), "a/b", []byte("c")); err != nil {
		t.Fatal(err)
	}
	client.server.setDown(true)
	if _, err := s.Load(t.Context(), "a/b"); !errors.Is(err, errRedisDown) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("while it is down: %v", err)
	}
	client.server.setDown(false)
	client.server.calls.Store(0)
	if value, err := s.Load(t.Context(), "a/b"); string(value) != "c" || err != nil || client.server.calls.Load() != 1 {
		t.Errorf("%q, %v, %d calls", value, err, client.server.calls.Load())
	}
}

// givesUp is a client whose user has gone at the second look for a key.
type givesUp struct {
	*brittle
	looks int
	leave func()
}

func (g *givesUp) Load(context.Context, string) ([]byte, error) {
	if g.looks++; g.looks == 2 {
		g.leave()
	}
	return nil, fs.ErrNotExist
}

// FAULT-21: nor is the end of the time for a call, of which such storages say the same.
func TestFAULT_21_EndOfTheTimeIsNotAbsence(t *testing.T) {
	t.Parallel()
	for range 100 { // of two who see the end, either may be first
		ctx, leave := context.WithCancel(t.Context())
		s, _ := shareStorage(t, &givesUp{brittle: newBrittle(t), leave: leave})
		if _, err := s.Load(ctx, "a/b"); !errors.Is(err, context.Canceled) || errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// FAULT-21: neither a dead storage nor one that lost sight of the file alone gets a new
// secret, which would sign everybody out.
func TestFAULT_21_BlipMakesNoSecret(t *testing.T) {
	t.Parallel()
	client := newBrittle(t)
	shared, _ := shareStorage(t, client)
	secrets := secretStore{sealing, shared, rand.Reader}
	if _, err := secrets.load(t.Context(), secretEpoch); err != nil {
		t.Fatal(err)
	}
	before := client.server.take(secretPath)
	for what, fault := range map[string]func(*brittleServer){
		"down":         func(s *brittleServer) { s.down = true },
		"one key lost": func(s *brittleServer) { s.lies = secretPath },
	} {
		client.server.set(fault)
		for range 3 {
			if found, err := secrets.load(t.Context(), secretEpoch); found != nil || err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %d secrets, %v", what, len(found), err)
			}
		}
		client.server.set(func(s *brittleServer) { s.down, s.lies = false, "" })
		if client.server.take(secretPath) != before || client.server.locked() != 0 {
			t.Errorf("%s: there are other secrets, or a lock was kept", what)
		}
	}
}

// FAULT-21: a storage that hangs keeps nobody longer than he wants to wait, and as little
// behind as few calls, however long that goes on.
func TestFAULT_21_HangingStorageKeepsFewCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newBrittle(t)
		s, _ := shareStorage(t, client)
		answer := client.server.hang()
		began := time.Now()
		inASecond := func(use func(context.Context) error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := use(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		for range 250 {
			inASecond(func(ctx context.Context) error { _, err := s.Load(ctx, "bell"); return err })
			inASecond(func(ctx context.Context) error { return s.Lock(ctx, "lock") })
		}
		if n := client.server.waiting.Load(); n != 2*maxCalls || time.Since(began) != 500*time.Second {
			t.Errorf("%d calls are left behind, after %s", n, time.Since(began))
		}
		answer()
		synctest.Wait()
		if n, locked := client.server.waiting.Load(), client.server.locked(); n != 0 || locked != 0 {
			t.Errorf("%d calls and %d locks are left", n, locked)
		}
		if err := s.Store(t.Context(), "a", nil); err != nil {
			t.Error(err)
		}
	})
}

// FAULT-21: a lock is given back by a storage that hangs when it answers again, whoever
// else it keeps waiting: its client would keep the lock fresh for ever.
func TestFAULT_21_HangingStorageKeepsNoLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newBrittle(t)
		s, _ := shareStorage(t, client)
		if err := s.Lock(t.Context(), "lock"); err != nil {
			t.Fatal(err)
		}
		answer := client.server.hang()
		for range maxCalls {
			go func() { _, _ = s.Load(t.Context(), "bell") }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Unlock(ctx, "lock"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		answer()
		synctest.Wait()
		if n := client.server.locked(); n != 0 {
			t.Errorf("%d locks are kept", n)
		}
	})
}

// A write that was given up comes before the next one, or is waited for.
func TestFAULT_21_LateWriteReplacesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newBrittle(t)
		s, _ := shareStorage(t, client)
		answer := client.server.hang()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Store(ctx, "a", []byte("old")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		client.server.set(func(s *brittleServer) { s.hangs = nil }) // for what comes now
		stored := make(chan error)
		go func() { stored <- s.Store(t.Context(), "a", []byte("new")) }()
		synctest.Wait()
		answer()
		synctest.Wait()
		if err := <-stored; err != nil || client.server.take("a") != "new" {
			t.Errorf("%v, it has %q", err, client.server.take("a"))
		}
	})
}

type panicking struct{ *brittle }

func (panicking) Delete(context.Context, string) error { panic("storage") }

func TestPanicOfAStorageIsAnError(t *testing.T) {
	t.Parallel()
	s, _ := shareStorage(t, panicking{newBrittle(t)})
	if err := s.Delete(t.Context(), "a"); !errors.Is(err, errStoragePanicked) {
		t.Error(err)
	}
}

// CONC-22, CONC-23: what is used is the storage of the newest configuration that has not
// ended, and at the end of all the newest; a lock is given back to whom it was got from.
func TestCONC_22_CONC_23_StorageOfTheNewestConfiguration(t *testing.T) {
	t.Parallel()
	old, newest := newBrittle(t), newBrittle(t)
	s, ends := shareStorage(t, old, newest)
	if s.current().storage != newest {
		t.Error("the old one is used")
	}
	if err := s.Lock(t.Context(), "lock"); err != nil {
		t.Fatal(err)
	}
	ends[1]() // it was refused
	newest.closed.Store(true)
	if err := s.Unlock(t.Context(), "lock"); !errors.Is(err, errRedisDown) {
		t.Errorf("the lock was given to another client: %v", err)
	}
	if err := s.Unlock(t.Context(), "lock"); !errors.Is(err, errNotLocked) {
		t.Error(err)
	}
	if err := s.Store(t.Context(), "a", []byte("b")); err != nil || s.current().storage != old {
		t.Errorf("the refused one is used: %v", err)
	}
	ends[0]()
	if s.current().storage != newest {
		t.Error("at the end it is not the newest")
	}
}

// endsMeanwhile is a client whose configuration ends while it is asked.
type endsMeanwhile struct {
	*brittle
	end func()
}

func (e endsMeanwhile) List(context.Context, string, bool) ([]string, error) {
	e.end()
	return nil, errRedisDown
}

// CONC-22: what a reload ends is done once more with the new client.
func TestCONC_22_CallOfAClosedClientIsMadeAgain(t *testing.T) {
	t.Parallel()
	next := newBrittle(t)
	s, _ := shareStorage(t, next)
	ctx, end := context.WithCancel(t.Context())
	s.join(&storageUser{new(Handler), ctx, endsMeanwhile{newBrittle(t), end}})
	if err := next.Store(t.Context(), "a/b", nil); err != nil {
		t.Fatal(err)
	}
	if keys, err := s.List(t.Context(), "a", false); err != nil || len(keys) != 1 {
		t.Errorf("%q, %v", keys, err)
	}
}

// Storages that tell nothing of themselves are not taken for each other.
func TestStorageWithoutConfigurationIsItsOwn(t *testing.T) {
	t.Parallel()
	type silent struct {
		*brittle `json:"-"`
	}
	a, b := silent{newBrittle(t)}, &silent{newBrittle(t)}
	if storageName(&a) == storageName(b) || !strings.Contains(storageName(b), "silent") {
		t.Errorf("%s %s", storageName(&a), storageName(b))
	}
}

var _ caddy.StorageConverter = (*brittle)(nil)
