package caddyauth0oidc

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// newSigning is one instance with the keys of a tenant, which has read nothing.
func newSigning(t *testing.T, storage certmagic.Storage, tenant string, c *clock) (*signing, *observer.ObservedLogs) {
	t.Helper()
	w, err := acquireWatcher(secretStore{signingKind(tenant), storage, rand.Reader}, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	s := &signing{watcher: w, logger: zap.New(core)}
	t.Cleanup(func() { _ = w.leave(s) })
	return s, logs
}

func (s *signing) start(t *testing.T) string {
	t.Helper()
	if err := s.watcher.join(t.Context(), s); err != nil {
		t.Error(err)
		return ""
	}
	s.watcher.timer.Stop()
	return string(s.current.Load().Set())
}

// CONC-26: instances that need a key at the same time agree on one, for each tenant
// and client.
func TestCONC_26_InstancesAgreeOnOneSigningKey(t *testing.T) {
	t.Parallel()
	folder, tenants := t.TempDir(), []string{"24:https://a.eu.auth0.com/one", "24:https://a.eu.auth0.com/two"}
	sets := make([]string, 16)
	var all sync.WaitGroup
	for i := range sets {
		s, _ := newSigning(t, &certmagic.FileStorage{Path: folder}, tenants[i%2], &clock{now: secretEpoch})
		all.Go(func() { sets[i] = s.start(t) })
	}
	all.Wait()
	for i, set := range sets {
		if set != sets[i%2] || set == "" {
			t.Errorf("instance %d publishes %s", i, set)
		}
	}
	if sets[0] == sets[1] {
		t.Error("two clients have one key")
	}
}

// A key is published for a day before it signs, and for as long as anybody may
// verify with it afterwards.
func TestSigningKeyIsPublishedBeforeAndAfterItSigns(t *testing.T) {
	t.Parallel()
	c := &clock{now: secretEpoch}
	s, _ := newSigning(t, &certmagic.FileStorage{Path: t.TempDir()}, "a", c)
	s.start(t)
	first := s.current.Load().ID()
	for _, tc := range []struct {
		at    time.Duration
		keys  int
		first bool
	}{
		{30*day - 1, 1, true}, {30 * day, 2, true}, {31*day - 1, 2, true}, {31 * day, 2, false},
		{31*day + 10*time.Minute + rotationMargin - 1, 2, false}, {31*day + 10*time.Minute + rotationMargin, 1, false},
	} {
		c.now = secretEpoch.Add(tc.at)
		s.watcher.check(t.Context())
		keys := s.current.Load()
		if n := strings.Count(string(keys.Set()), `"kid"`); n != tc.keys || (keys.ID() == first) != tc.first {
			t.Errorf("after %s: %d keys, the first signs: %t", tc.at, n, keys.ID() == first)
		}
	}
}

// Whatever the storage does, an instance signs with what it has.
func TestSigningKeysAreKeptWhileTheStorageFails(t *testing.T) {
	t.Parallel()
	files := &certmagic.FileStorage{Path: t.TempDir()}
	faulty, c := &faultyStorage{Storage: files}, &clock{now: secretEpoch}
	s, logs := newSigning(t, faulty, "a", c)
	before, path := s.start(t), s.watcher.store.path
	whole, err := files.Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	zero := `{"secrets":[{"created":"2026-03-01T08:00:00Z","secret":"` + strings.Repeat("A", 43) + `="}]}`
	for what, tc := range map[string]struct {
		fault   faultyStorage
		content string
	}{
		"load":      {faultyStorage{load: fs.ErrPermission}, string(whole)},
		"lock":      {faultyStorage{lock: fs.ErrPermission}, string(whole)},
		"store":     {faultyStorage{store: fs.ErrPermission}, string(whole)},
		"half":      {faultyStorage{}, string(whole[:len(whole)/2])},
		"no key":    {faultyStorage{store: fs.ErrPermission}, zero},
		"no number": {faultyStorage{}, `{"secrets":[{"created":"2026-03-01T08:00:00Z","secret":"x"}]}`},
	} {
		if err := files.Store(t.Context(), path, []byte(tc.content)); err != nil {
			t.Fatal(err)
		}
		*faulty = tc.fault
		faulty.Storage = files
		c.now = secretEpoch.Add(30 * day)
		if s.watcher.check(t.Context()) || string(s.current.Load().Set()) != before || logs.FilterLevelExact(zap.ErrorLevel).Len() == 0 {
			t.Errorf("%s: other keys, or no error in the log", what)
		}
		logs.TakeAll()
	}
}

// At the first start the keys are needed: nothing may be asserted that nobody can
// verify tomorrow.
func TestAssertionFailsAtTheStartWithoutTheStorage(t *testing.T) {
	adaptNoEnvironment(t)
	folder := t.TempDir()
	blocked := filepath.Join(folder, "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	own := []string{"secrets", `["a secret of the test, of 32 bytes or more"]`, "assertion", `{"audience":"app"}`}
	if _, _, err := loadHandler(t, inStorage(t, blocked), own...); err == nil || !strings.Contains(err.Error(), "assertion: ") || !strings.Contains(err.Error(), "auth0_oidc/assertion/") {
		t.Errorf("loaded without a storage: %v", err)
	}
	base := inStorage(t, filepath.Join(folder, "good"))
	h, unload, err := loadHandler(t, base, own...)
	if err != nil {
		t.Fatal(err)
	}
	store := h.asserter.keys.watcher.store
	zero := `{"secrets":[{"created":"2026-03-01T08:00:00Z","secret":"` + strings.Repeat("A", 43) + `="}]}`
	if unload(); watchersOf(store) != 0 {
		t.Error("the watcher has not ended")
	}
	if err := base.Storage().Store(t.Context(), store.path, []byte(zero)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := loadHandler(t, base, own...); err == nil || !strings.Contains(err.Error(), "is damaged") || watchersOf(store) != 0 {
		t.Errorf("loaded with a file that has no key: %v", err)
	}
}

// The clocks of instances differ, so that a key may have been replaced just when another
// one is made. What it signed is valid for a while.
func TestFileKeepsTheSigningKeysThatAreStillPublished(t *testing.T) {
	t.Parallel()
	store, now := secretStore{secretKind: signingKind("tenant")}, secretEpoch
	var all []storedSecret
	for i, sealed := range []time.Duration{-secretAge, -time.Minute, time.Hour, 2 * time.Hour} {
		all = append(all, storedSecret{Created: now.Add(sealed - secretSettle), Secret: string(rune('a' + i))})
	}
	published := openers(all, now, upstream.MaxAssertionTTL)
	if !slices.Contains(published, "a") {
		t.Fatalf("published are %q", published)
	}
	kept := openers(store.forget(slices.Clone(all), now), now, upstream.MaxAssertionTTL)
	if !slices.Equal(kept, published) {
		t.Errorf("%q were published, %q are left", published, kept)
	}
	if left := store.forget(slices.Clone(all), now.Add(secretSettle)); len(left) != secretLeast {
		t.Errorf("%d are left in the end", len(left))
	}
}

func watchersOf(store secretStore) int {
	n, _ := watchers.References(store.file())
	return n
}

// Without randomness nothing is asserted, and the log says so.
func TestNoAssertionWithoutRandomness(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(assertionSettings))
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
	w.clock.advance(time.Hour)
	w.handler().random = faultyReader{errors.New("no randomness")}
	w.app.take()
	w.open(b, "/home")
	seen := w.app.take()
	if len(seen) != 1 || seen[0].header[assertionHeader] != nil || seen[0].header["X-Auth0-User-Id"] == nil || !strings.Contains(w.logs(), "signing an assertion") {
		t.Errorf("the application got %v", seen)
	}
}
