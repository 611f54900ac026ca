package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap/zapcore"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// reload gives the instance a new configuration, whose handler is the newest.
func (i *instance) reload(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	next, err := acquireWatcher(secretStore{sealing, i.store.storage, rand.Reader}, i.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := newRotation(next, i.absolute)
	r.logger, r.ring = i.rotation.logger, i.ring
	t.Cleanup(func() { _ = next.leave(r) })
	if next != i.watcher {
		t.Fatal("there are two watchers of one storage")
	}
	return next.join(ctx, r)
}

func (i *instance) count(level zapcore.Level) int { return i.logs.FilterLevelExact(level).Len() }

// All handlers of a process read the storage once, have the same secrets at every
// moment, and write one line when something fails.
func TestHandlersOnOneStorageChangeTogether(t *testing.T) {
	t.Parallel()
	files := &faultyStorage{Storage: &certmagic.FileStorage{Path: t.TempDir()}}
	putSecrets(t, files, storedAt(0, 30*day)...)
	i := newInstance(t, files, secretEpoch.Add(33*day), time.Hour)
	i.start(t)
	var rest []*rotation
	for n := range 49 {
		w, err := acquireWatcher(secretStore{sealing, files, rand.Reader}, i.clock.Now)
		if err != nil || w != i.watcher {
			t.Fatalf("another watcher, %v", err)
		}
		r, _ := newRotation(w, time.Duration(n+1)*24*time.Hour)
		r.logger = i.rotation.logger
		t.Cleanup(func() { _ = w.leave(r) })
		if err := w.join(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		rest = append(rest, r)
	}
	if files.loads != -1 {
		t.Errorf("the storage was read %d times", -files.loads)
	}
	if got := len(i.order); got != 1 || len(rest[0].order) != 1 || len(rest[2].order) != 2 {
		t.Error("a handler does not go by its own limit")
	}
	old := i.seal(t)
	putSecrets(t, files, storedSecret{secretEpoch.Add(33 * day), testSecret('z')})
	if i.check(t.Context()); files.loads != -2 || i.count(zapcore.WarnLevel) != 1 {
		t.Errorf("the storage was read %d times, %d warnings", -files.loads-1, i.count(zapcore.WarnLevel))
	}
	cookie := i.seal(t)
	for n, r := range rest {
		ring := r.ring.Load()
		if ring.ReadSession(new(session.Session), old, sealedName) || !ring.ReadSession(new(session.Session), cookie, sealedName) {
			t.Fatalf("handler %d has other secrets", n)
		}
	}
	files.load = errors.New("the disk is broken")
	if i.check(t.Context()) || len(i.complaints()) != 1 {
		t.Error("not one error in the log")
	}
}

// While a process runs, a file that is gone may be on a volume that is not
// mounted or in a database that fails over: nobody is signed out, nothing is
// written. Only a configuration that is loaded begins anew.
func TestOnlyALoadedConfigurationAcceptsADeletion(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		at    time.Duration
		fault faultyStorage
	}{
		"no secret is due":        {at: day},
		"a secret is due":         {at: 30 * day},
		"gone when it was locked": {at: 30 * day, fault: faultyStorage{loads: 1, load: fs.ErrNotExist}},
	} {
		files := &certmagic.FileStorage{Path: t.TempDir()}
		faulty := &faultyStorage{Storage: files}
		i := newInstance(t, faulty, secretEpoch, 72*day)
		i.start(t)
		cookie, kept := i.seal(t), takeSecrets(t, files)
		i.clock.advance(tc.at)
		if tc.fault.load == nil {
			if err := files.Delete(t.Context(), secretPath); err != nil {
				t.Fatal(err)
			}
		}
		*faulty = tc.fault
		faulty.Storage = files
		if i.check(t.Context()) || len(i.complaints()) != 1 || !i.opens(cookie) {
			t.Errorf("%s: it is not in the log, or the session has ended", what)
		}
		*faulty = faultyStorage{Storage: files}
		if tc.fault.load == nil && files.Exists(t.Context(), secretPath) || tc.fault.load != nil && !slices.Equal(takeSecrets(t, files), kept) {
			t.Errorf("%s: a file was written", what)
		}
		putSecrets(t, files, kept...)
		if !i.check(t.Context()) || i.count(zapcore.WarnLevel) != 0 || !i.opens(cookie) {
			t.Errorf("%s: all is not well after the file came back", what)
		}
		if err := files.Delete(t.Context(), secretPath); err != nil {
			t.Fatal(err)
		}
		if err := i.reload(t); err != nil || i.opens(cookie) || i.count(zapcore.WarnLevel) != 1 || len(takeSecrets(t, files)) != 1 {
			t.Errorf("%s: the reload did not end the session: %v", what, err)
		}
	}
}

// slow is a storage on which something happens after a file was read.
type slow struct {
	certmagic.Storage
	after func()
}

func (s *slow) Load(ctx context.Context, name string) ([]byte, error) {
	content, err := s.Storage.Load(ctx, name)
	if after := s.after; after != nil {
		s.after = nil
		after()
	}
	return content, err
}

// A check that read the file before it was deleted does not bring the old
// secrets back after a reload.
func TestSlowCheckDoesNotUndoAReload(t *testing.T) {
	t.Parallel()
	files := &slow{Storage: &certmagic.FileStorage{Path: t.TempDir()}}
	i := newInstance(t, files, secretEpoch, 72*time.Hour)
	i.start(t)
	cookie := i.seal(t)
	files.after = func() {
		if err := errors.Join(files.Delete(t.Context(), secretPath), i.reload(t)); err != nil {
			t.Error(err)
		}
	}
	if i.check(t.Context()) || i.opens(cookie) {
		t.Error("the old secret is back, or there is no check soon")
	}
	if !i.check(t.Context()) || i.opens(cookie) {
		t.Error("the old secret is back")
	}
}

// An old copy of the file that is restored ends sessions, and the log says so.
func TestRestoredOldFileIsInTheLog(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at       time.Duration
		restored []storedSecret
		want     int
	}{
		{32 * day, storedAt(0), 1},
		{32 * day, storedAt(0, 30*day)[1:], 1},
		{40 * day, storedAt(0, 30*day)[1:], 0}, // it opened nothing any more
		{32 * day, storedAt(0, 30*day), 0},
	} {
		files := &certmagic.FileStorage{Path: t.TempDir()}
		putSecrets(t, files, storedAt(0, 30*day)...)
		i := newInstance(t, files, secretEpoch.Add(tc.at), 72*time.Hour)
		i.start(t)
		putSecrets(t, files, tc.restored...)
		if i.check(t.Context()); i.count(zapcore.WarnLevel) != tc.want {
			t.Errorf("on %s, %d left: %d warnings", tc.at, len(tc.restored), i.count(zapcore.WarnLevel))
		}
	}
}

// A configuration that has ended closes its log.
func TestNewestHandlersLogIsUsed(t *testing.T) {
	t.Parallel()
	faulty := &faultyStorage{Storage: &certmagic.FileStorage{Path: t.TempDir()}}
	i := newInstance(t, faulty, secretEpoch, time.Hour)
	i.start(t)
	faulty.load = errors.New("the disk is broken")
	newer, logs := newRotation(i.watcher, time.Hour)
	if err := i.join(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if i.check(t.Context()); i.logs.Len() != 0 || logs.Len() != 1 {
		t.Errorf("%d lines in the old log, %d in the new one", i.logs.Len(), logs.Len())
	}
	if _, err := acquireWatcher(secretStore{sealing, faulty, rand.Reader}, i.clock.Now); err != nil { // for leave
		t.Fatal(err)
	}
	if err := i.leave(newer); err != nil {
		t.Fatal(err)
	}
	if i.check(t.Context()); i.logs.Len() != 1 || logs.Len() != 1 {
		t.Errorf("%d lines in the old log, %d in the new one", i.logs.Len(), logs.Len())
	}
}

// A reload whose storage fails keeps what is known and says so.
func TestReloadSaysWhatFailedAndKeepsTheSecrets(t *testing.T) {
	t.Parallel()
	faulty := &faultyStorage{Storage: &certmagic.FileStorage{Path: t.TempDir()}}
	i := newInstance(t, faulty, secretEpoch, time.Hour)
	i.start(t)
	cookie := i.seal(t)
	faulty.load = errors.New("the disk is broken")
	if err := i.reload(t); err != nil || len(i.complaints()) != 1 || !i.opens(cookie) {
		t.Errorf("%v, or it is not in the log", err)
	}
}

// An ended context is no failure of the storage.
func TestCheckOfAnEndedWatcherIsSilent(t *testing.T) {
	t.Parallel()
	faulty := &faultyStorage{Storage: &certmagic.FileStorage{Path: t.TempDir()}}
	i := newInstance(t, faulty, secretEpoch, time.Hour)
	i.start(t)
	faulty.load = context.Canceled
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if i.check(ctx); i.logs.Len() != 0 {
		t.Errorf("%v", i.logs.All())
	}
}

// counting is a storage that may be used while it is changed.
type counting struct {
	certmagic.Storage
	loads  atomic.Int32
	broken atomic.Bool
}

func (c *counting) Load(ctx context.Context, name string) ([]byte, error) {
	if c.loads.Add(1); c.broken.Load() {
		return nil, fs.ErrPermission
	}
	return c.Storage.Load(ctx, name)
}

// The storage is read within a minute of a load, then every hour, and every
// minute while something fails, also if there is no randomness.
func TestChecksAreSoonAfterAFailureAndSeldomOtherwise(t *testing.T) {
	t.Parallel()
	for i, span := range map[interval][2]time.Duration{
		checkLoaded: {0, time.Minute}, checkOften: {time.Minute, 70 * time.Second}, checkSeldom: {time.Hour, 70 * time.Minute},
	} {
		seen := make(map[time.Duration]bool)
		for range 50 {
			pause := i.pause(rand.Reader)
			if seen[pause] = true; pause < span[0] || pause >= span[1] {
				t.Errorf("%s is not between %s and %s", pause, span[0], span[1])
			}
		}
		if len(seen) < 45 {
			t.Errorf("%d different pauses of 50", len(seen))
		}
		if pause := i.pause(faultyReader{errors.New("no randomness")}); pause != span[1] {
			t.Errorf("%s without randomness", pause)
		}
	}
	files := &certmagic.FileStorage{Path: t.TempDir()}
	putSecrets(t, files, storedAt(0)...)
	synctest.Test(t, func(t *testing.T) {
		storage := &counting{Storage: files}
		i := newInstance(t, storage, secretEpoch.Add(31*day), 72*time.Hour)
		if err := i.join(t.Context(), i.rotation); err != nil || len(takeSecrets(t, files)) != 1 {
			t.Fatalf("the load made a secret that was due, %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(takeSecrets(t, files)) != 2 {
			t.Error("no secret was made within a minute")
		}
		readings := func(d time.Duration) int32 {
			storage.loads.Store(0)
			time.Sleep(d)
			return storage.loads.Load()
		}
		if n := readings(10 * time.Hour); n < 8 || n > 10 {
			t.Errorf("%d readings in ten hours", n)
		}
		storage.broken.Store(true)
		readings(70 * time.Minute)
		if n := readings(time.Hour); n < 51 || n > 60 {
			t.Errorf("%d readings in an hour of failures", n)
		}
	})
}

// hanging is a storage that answers some calls only when their time is over.
type hanging struct {
	*faultyStorage
	lock, unlock bool
}

func (h *hanging) Lock(ctx context.Context, name string) error {
	if h.lock {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.faultyStorage.Lock(ctx, name)
}

func (h *hanging) Unlock(ctx context.Context, name string) error {
	if h.unlock {
		<-ctx.Done()
	}
	return h.faultyStorage.Storage.Unlock(ctx, name)
}

// A lock that nobody gives free delays no reload if a secret is known, even while
// a check waits for it, and the first start by half a minute.
func TestStuckLocksHaveAnEnd(t *testing.T) {
	t.Parallel()
	files := &certmagic.FileStorage{Path: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		storage := &hanging{faultyStorage: &faultyStorage{Storage: files}, lock: true}
		i := newInstance(t, storage, secretEpoch, time.Hour)
		begin := time.Now()
		took := func() (d time.Duration) {
			d, begin = time.Since(begin), time.Now()
			return d
		}
		if err := i.join(t.Context(), i.rotation); !errors.Is(err, context.DeadlineExceeded) || took() != 30*time.Second {
			t.Errorf("the first start: %v", err)
		}
		putSecrets(t, files, storedAt(0)...)
		i.clock.advance(31 * day)
		var wait sync.WaitGroup
		wait.Go(func() { i.check(t.Context()) })
		synctest.Wait()
		if err := i.reload(t); err != nil || took() != 0 {
			t.Errorf("a reload: %v", err)
		}
		i.timer.Stop()
		if wait.Wait(); took() != 30*time.Second {
			t.Error("the check did not wait for half a minute")
		}
		storage.lock, storage.unlock = false, true
		if i.check(t.Context()); took() != 5*time.Second || len(takeSecrets(t, files)) != 2 {
			t.Error("the lock was not left alone after five seconds")
		}
		time.Sleep(time.Minute) // until what kept the lock fresh has ended
	})
}
