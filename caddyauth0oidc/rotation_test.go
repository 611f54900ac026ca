package caddyauth0oidc

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// instance is what one Caddy with one handler has of the secrets on a storage.
type instance struct {
	*watcher
	*rotation
	clock *clock
	logs  *observer.ObservedLogs
}

// newInstance is not started: it has read nothing.
func newInstance(t *testing.T, storage certmagic.Storage, now time.Time, absolute time.Duration) *instance {
	t.Helper()
	c := &clock{now: now}
	w, err := acquireWatcher(secretStore{sealing, storage, rand.Reader}, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{watcher: w, clock: c}
	i.rotation, i.logs = newRotation(w, absolute)
	t.Cleanup(func() { _ = w.leave(i.rotation) })
	return i
}

func newRotation(w *watcher, absolute time.Duration) (*rotation, *observer.ObservedLogs) {
	core, logs := observer.New(zap.DebugLevel)
	return &rotation{
		watcher: w, ring: new(atomic.Pointer[session.Keyring]), absolute: absolute, logger: zap.New(core),
		derive: func(secrets []string) (*session.Keyring, error) {
			return session.NewKeyring(secrets, "https://acme.eu.auth0.test/", "client")
		},
	}, logs
}

// start loads a configuration with the instance's handler. Its checks are made
// by hand.
func (i *instance) start(t *testing.T) {
	t.Helper()
	if err := i.join(t.Context(), i.rotation); err != nil {
		t.Fatal(err)
	}
	i.timer.Stop()
}

const sealedName = "__Host-auth0_session"

// seal gives the Cookie header of a session of this moment.
func (i *instance) seal(t *testing.T) []string {
	t.Helper()
	return sealWith(t, i.ring.Load(), i.clock.Now())
}

func sealOf(t *testing.T, h *Handler) []string {
	t.Helper()
	return sealWith(t, h.keys.Load(), time.Now())
}

func sealWith(t *testing.T, ring *session.Keyring, now time.Time) []string {
	t.Helper()
	cookies, err := session.NewCookies("auth0_session", true, "", http.SameSiteLaxMode)
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(rand.Reader, now, profile.Profile{UserID: "auth0-oidc|acme-child|auth0|1"})
	if err != nil {
		t.Fatal(err)
	}
	header := make(http.Header)
	if err := ring.WriteSession(header, cookies.Session, s, time.Hour, nil, http.DefaultMaxHeaderBytes); err != nil {
		t.Fatal(err)
	}
	value, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	return []string{value}
}

func (i *instance) opens(lines []string) bool {
	return i.ring.Load().ReadSession(new(session.Session), lines, sealedName)
}

// complaints gives the errors that were logged since the last call.
func (i *instance) complaints() []observer.LoggedEntry {
	errs := i.logs.FilterLevelExact(zapcore.ErrorLevel).All()
	i.logs.TakeAll()
	return errs
}

// CK-18, CONC-26: at every moment around a rotation each instance opens what any
// of them has sealed and what is still alive, though they check at different
// times, their clocks differ, and the storage fails one of them for most of a day.
// When its last session has ended, the old secret opens nothing.
func TestCK_18_InstancesOpenEachOthersCookiesAroundARotation(t *testing.T) {
	t.Parallel()
	files := func() certmagic.Storage { return &certmagic.FileStorage{Path: t.TempDir()} }
	for _, tc := range []aroundRotation{
		{what: "same clock"},
		{what: "same clock, checks at the worst times", phases: [2]int{2, 1}},
		{what: "clock ahead", ahead: 40 * time.Minute},
		{what: "clock ahead, checks at the worst times", ahead: 40 * time.Minute, phases: [2]int{2, 1}},
		{what: "clock behind", ahead: -40 * time.Minute, phases: [2]int{1, 2}},
		{what: "outage when the secret is made", outage: 30*day - time.Hour},
		{what: "outage when it begins to seal", ahead: 10 * time.Minute, outage: 31*day - 3*time.Hour, phases: [2]int{0, 3}},
	} {
		tc.storage = files()
		t.Run(tc.what, func(t *testing.T) {
			t.Parallel()
			tc.play(t)
		})
	}
}

// aroundRotation is two instances on one storage, from before a secret is made
// until after the one before it is forgotten.
type aroundRotation struct {
	what    string
	storage certmagic.Storage
	phases  [2]int        // of the checks, one every seven steps
	ahead   time.Duration // of the second instance's clock
	outage  time.Duration // when the second one's storage begins to fail, for 22 hours
}

type sealedAt struct {
	at    time.Duration
	lines []string
}

func (a aroundRotation) play(t *testing.T) {
	const absolute, step, start, end = 24 * time.Hour, 10 * time.Minute, 30*day - 3*time.Hour, 32*day + 6*time.Hour
	putSecrets(t, a.storage, storedAt(0)...)
	faulty := &faultyStorage{Storage: a.storage}
	both := [2]*instance{
		newInstance(t, a.storage, secretEpoch.Add(start), absolute), newInstance(t, faulty, secretEpoch.Add(start+a.ahead), absolute),
	}
	var alive []sealedAt
	for n := 0; start+time.Duration(n)*step < end; n++ {
		at := start + time.Duration(n)*step
		if faulty.load = nil; a.outage != 0 && at >= a.outage && at < a.outage+22*time.Hour {
			faulty.load = fs.ErrPermission
		}
		for which, i := range both {
			if n == 0 {
				i.start(t)
			} else if (n+a.phases[which])%7 == 0 {
				i.check(t.Context())
			}
			alive = append(alive, sealedAt{at, i.seal(t)})
			i.clock.advance(step)
		}
		for alive[0].at+absolute <= at {
			alive = alive[1:]
		}
		for k, cookie := range alive {
			if edge := k < 6 || k >= len(alive)-2; !edge && k%23 != n%23 {
				continue
			}
			if !both[0].opens(cookie.lines) || !both[1].opens(cookie.lines) {
				t.Fatalf("after %s, one does not open a cookie of %s", at, cookie.at)
			}
		}
	}
	old := newInstance(t, new(faultyStorage), secretEpoch, absolute)
	if err := old.follow(storedAt(0), secretEpoch); err != nil {
		t.Fatal(err)
	}
	for n, i := range both {
		if i.opens(old.seal(t)) || len(i.known) != 2 {
			t.Errorf("instance %d opens with the old secret, or did not rotate", n)
		}
	}
}

// Whatever fails, the keyring stays as it was, the log has one error for each
// check and no secret, the file is not touched, and the next check makes up for it.
func TestFailingChecksKeepWhatIsKnown(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	for what, tc := range map[string]struct {
		fault   faultyStorage
		content string // of the file, if it is damaged
	}{
		"load": {fault: faultyStorage{load: broken}}, "lock": {fault: faultyStorage{lock: broken}}, "store": {fault: faultyStorage{store: broken}},
		"read under the lock": {fault: faultyStorage{load: broken, loads: 1}},
		"half a file":         {content: `{"secrets":[{"created":"2026-03-01T08:00:00Z","secret":"` + testSecret('a')[:20]},
		"an empty list":       {content: `{"secrets":[]}`},
		"a short secret":      {content: `{"secrets":[{"created":"2026-03-01T08:00:00Z","secret":"` + testSecret('a')[:20] + `"}]}`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			files := &certmagic.FileStorage{Path: t.TempDir()}
			putSecrets(t, files, storedAt(0)...)
			faulty := &faultyStorage{Storage: files}
			i := newInstance(t, faulty, secretEpoch, 72*time.Hour)
			i.start(t)
			ring, cookie := i.ring.Load(), i.seal(t)
			whole, err := files.Load(t.Context(), secretPath)
			if err != nil {
				t.Fatal(err)
			}
			content := whole
			if tc.content != "" {
				content = []byte(tc.content)
			}
			if err := files.Store(t.Context(), secretPath, content); err != nil {
				t.Fatal(err)
			}
			i.clock.advance(30 * day)
			for range 3 {
				*faulty = tc.fault
				faulty.Storage = files
				i.check(t.Context())
				complaints := i.complaints()
				if len(complaints) != 1 || i.ring.Load() != ring || !i.opens(cookie) {
					t.Fatalf("%d errors in the log, or another keyring", len(complaints))
				}
				if text, err := json.Marshal(complaints[0].ContextMap()); err != nil || strings.Contains(string(text), testSecret('a')[:8]) {
					t.Errorf("INV-04: %s, %v", text, err)
				}
				if kept, err := files.Load(t.Context(), secretPath); err != nil || string(kept) != string(content) {
					t.Fatalf("the file was changed: %v", err)
				}
			}
			*faulty = faultyStorage{Storage: files}
			if err := files.Store(t.Context(), secretPath, whole); err != nil {
				t.Fatal(err)
			}
			i.check(t.Context())
			if len(i.known) != 2 || !i.opens(cookie) || len(i.complaints()) != 0 {
				t.Error("the check after the failure did not rotate")
			}
		})
	}
}

// While the storage fails, a secret that is known begins to seal all the same.
func TestKnownSecretSealsThoughTheStorageFails(t *testing.T) {
	t.Parallel()
	files := &certmagic.FileStorage{Path: t.TempDir()}
	putSecrets(t, files, storedAt(0, 30*day)...)
	faulty := &faultyStorage{Storage: files}
	i, other := newInstance(t, faulty, secretEpoch.Add(30*day), time.Hour), newInstance(t, files, secretEpoch.Add(40*day), time.Hour)
	i.start(t)
	other.start(t)
	faulty.load = fs.ErrPermission
	i.clock.advance(day)
	i.check(t.Context())
	if !other.opens(i.seal(t)) {
		t.Error("it seals with the old secret")
	}
}

// A keyring is made only when something changed.
func TestKeyringIsKeptWhileNothingChanges(t *testing.T) {
	t.Parallel()
	i := newInstance(t, &certmagic.FileStorage{Path: t.TempDir()}, secretEpoch, 72*time.Hour)
	i.start(t)
	changes := []time.Duration{0}
	for at := time.Duration(0); at < 40*day; at += time.Hour {
		before := i.ring.Load()
		if i.check(t.Context()); i.ring.Load() != before {
			changes = append(changes, at)
		}
		i.clock.advance(time.Hour)
	}
	if want := []time.Duration{0, 30 * day, 31 * day, 34*day + rotationMargin}; len(changes) != 4 || changes[1] != want[1] || changes[2] != want[2] || changes[3] != want[3] {
		t.Errorf("changed at %s and not at %s", changes, want)
	}
	if n := i.logs.FilterLevelExact(zapcore.InfoLevel).Len(); n != 1 || i.logs.Len() != 1 {
		t.Errorf("%d lines in the log", i.logs.Len())
	}
}

// A secret that is dated in the future seals nothing yet, opens, and is said in
// the log if no clock can be so far ahead.
func TestSecretOfTheFutureBreaksNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		ahead      time.Duration
		complaints int
	}{{20 * time.Minute, 0}, {day, 0}, {day + 1, 1}, {20_000 * day, 1}} {
		files := &certmagic.FileStorage{Path: t.TempDir()}
		now := secretEpoch.Add(40 * day)
		putSecrets(t, files, storedAt(0, 40*day+tc.ahead)...)
		i, ahead := newInstance(t, files, now, 72*time.Hour), newInstance(t, files, now.Add(tc.ahead), 72*time.Hour)
		i.start(t)
		ahead.start(t)
		if n := len(i.complaints()); n != tc.complaints || len(ahead.complaints()) != 0 {
			t.Errorf("%s ahead: %d errors in the log", tc.ahead, n)
		}
		if !i.opens(ahead.seal(t)) || !ahead.opens(i.seal(t)) || len(takeSecrets(t, files)) != 2 {
			t.Errorf("%s ahead: the instances do not open each other's cookies", tc.ahead)
		}
	}
}

// Two random secrets have the same short key id once in millions of rotations.
// That must not keep the site from starting.
func TestSecretsWithTheSameKeyIDDoNotStopTheSite(t *testing.T) {
	t.Parallel()
	i := newInstance(t, new(faultyStorage), secretEpoch, time.Hour)
	a, b := testSecret('a'), testSecret('b')
	for _, order := range [][]string{{a, b, a}, {a, a, b}, {a, a}} {
		if ring, err := keyringOf(order, i.derive); ring == nil || err != nil {
			t.Errorf("%s: %v", secretLetters(t, order), err)
		}
	}
	if _, err := keyringOf(nil, i.derive); !errors.Is(err, session.ErrNoSecret) {
		t.Errorf("none: %v", err)
	}
}
