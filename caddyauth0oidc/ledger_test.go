package caddyauth0oidc

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
)

// polling is a ledger whose readings are counted, and fail if they should.
type polling struct {
	*revocation.Ledger
	polls atomic.Int64
	hangs bool
}

func (p *polling) Poll(ctx context.Context) error {
	p.polls.Add(1)
	if p.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// use replaces the marks, from the next reading on.
func (l *ledger) use(book markBook) {
	l.markBook = book
	l.timer.Reset(time.Second)
}

// The shortest time among directives that share a ledger counts, never more and a fifth
// less at most; the last one ends the readings: this test would not end otherwise.
func TestLedgerIsReadAsOftenAsTheShortestSays(t *testing.T) {
	adaptNoEnvironment(t)
	base := inStorage(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		first, unloadFirst, err := loadHandler(t, base, "revocation", `{"poll":"10s"}`)
		if err != nil {
			t.Fatal(err)
		}
		counted := &polling{Ledger: newMarks(time.Now)}
		first.ledger.use(counted)
		within := func(d time.Duration, least, most int64) {
			t.Helper()
			counted.polls.Store(0)
			time.Sleep(d)
			if n := counted.polls.Load(); n < least || n > most {
				t.Errorf("%d readings in %s, not %d to %d", n, d, least, most)
			}
		}
		within(1000*time.Second, 99, 126)
		second, unloadSecond, err := loadHandler(t, base, "revocation", `{"poll":"2s"}`)
		if err != nil || second.ledger != first.ledger {
			t.Fatalf("another ledger, or %v", err)
		}
		within(1000*time.Second, 499, 626)
		_, unloadRefused, err := loadHandler(t, base, "revocation", `{"poll":"1s"}`, "session", `{"cookie":{"same_site":"none"}}`, "base_urls", `["http://app.example.com"]`)
		if err == nil {
			t.Error("the refused configuration was loaded")
		}
		unloadRefused()
		within(1000*time.Second, 499, 626)
		unloadSecond()
		within(1000*time.Second, 99, 126)
		unloadFirst()
		within(1000*time.Second, 0, 0)
	})
}

// CONC-22, CONC-23: marks outlive a reload, also those that the storage does not have and
// where Caddy makes another storage of the same configuration; a configuration that is
// refused takes none of them along.
func TestCONC_22_CONC_23_ReloadKeepsMarks(t *testing.T) {
	adaptNoEnvironment(t)
	folder := t.TempDir()
	mark := revocation.OfSubject("auth0|x", time.Now(), time.Now().Add(time.Hour))
	ends := func(h *Handler) bool {
		return h.ledger.Revoked([16]byte{}, "", "auth0|x", time.Now().Add(-time.Minute))
	}
	first, unload, err := loadHandler(t, inStorage(t, folder))
	if err != nil {
		t.Fatal(err)
	}
	l := first.ledger
	if err := l.Revoke(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, unloadRefused, err := loadHandler(t, inStorage(t, folder), "session", `{"cookie":{"same_site":"none"}}`, "base_urls", `["http://app.example.com"]`)
		if err == nil {
			t.Fatal("the refused configuration was loaded")
		}
		if unloadRefused(); !ends(first) || l.users() != 1 {
			t.Fatalf("a refused configuration left %d users", l.users())
		}
		base := inStorage(t, folder)
		next, unloadNext, err := loadHandler(t, base)
		if err != nil {
			t.Fatal(err)
		}
		if unload(); next.ledger != l || !ends(next) || l.users() != 1 {
			t.Fatal("the reload has lost the marks")
		}
		if next.storage.current().storage != base.Storage() {
			t.Error("the storage of the configuration that ended is used")
		}
		first, unload = next, unloadNext
	}
	other, unloadOther, err := loadHandler(t, inStorage(t, folder), "client_id", `"another"`)
	if err != nil || other.ledger == l || ends(other) {
		t.Errorf("another client has the marks, or %v", err)
	}
	unloadOther()
	unload()
	if n, exists := ledgers.References(l.key); exists {
		t.Errorf("%d handlers have the ledger", n)
	}
	if err := first.storage.Store(t.Context(), "x", nil); !errors.Is(err, errNoStorage) {
		t.Errorf("storing without a configuration: %v", err)
	}
}

// The storage that a ledger is given is that of the newest configuration.
func TestLedgerUsesCaddysStorage(t *testing.T) {
	adaptNoEnvironment(t)
	folder := t.TempDir()
	h, unload, err := loadHandler(t, inStorage(t, folder))
	if err != nil {
		t.Fatal(err)
	}
	defer unload()
	s, files := h.storage, certmagic.FileStorage{Path: folder}
	if err := s.Store(t.Context(), "a/b", []byte("c")); err != nil || !files.Exists(t.Context(), "a/b") {
		t.Fatal(err)
	}
	value, err := s.Load(t.Context(), "a/b")
	keys, listing := s.List(t.Context(), "a", false)
	if err != nil || listing != nil || string(value) != "c" || len(keys) != 1 {
		t.Errorf("%q %v %q %v", value, err, keys, listing)
	}
	if err := s.Delete(t.Context(), "a/b"); err != nil || files.Exists(t.Context(), "a/b") {
		t.Error(err)
	}
	if _, err := s.Load(t.Context(), "a/b"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key that is gone: %v", err)
	}
}

// FAULT-21: a storage that hangs keeps a configuration waiting for seconds and not from
// being loaded, and further directives do not wait once more.
func TestFAULT_21_HangingStorageDoesNotStopALoading(t *testing.T) {
	adaptNoEnvironment(t)
	base := inStorage(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		first, unload, err := loadHandler(t, base)
		if err != nil {
			t.Fatal(err)
		}
		hanging := &polling{Ledger: newMarks(time.Now), hangs: true}
		first.ledger.use(hanging)
		time.Sleep(time.Hour) // each of its readings has been given up
		before := time.Now()
		var unloads []func()
		for range 5 {
			_, unloadNext, err := loadHandler(t, base)
			if err != nil {
				t.Fatal(err)
			}
			unloads = append(unloads, unloadNext)
		}
		if waited := time.Since(before); waited > 2*loadPatience {
			t.Errorf("waited for %s", waited)
		}
		if told := first.ledger.health(); !told.Stale {
			t.Errorf("the health is %+v", told)
		}
		for _, end := range append(unloads, unload) {
			end()
		}
	})
}

// Whoever ends a session waits no longer than two seconds, whatever became of the client.
func TestEndOfASessionIsBounded(t *testing.T) {
	t.Parallel()
	asked := make(chan time.Duration, 1)
	l := &ledger{now: time.Now, markBook: deadlineOf{asked: asked}}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.end(gone, causeLogout, revocation.OfSession([16]byte{1}, time.Now())); err != nil {
		t.Error(err)
	}
	if left := <-asked; left <= 0 || left > endPatience {
		t.Errorf("it waits for %s", left)
	}
}

type deadlineOf struct {
	*revocation.Ledger
	asked chan time.Duration
}

func (d deadlineOf) Revoke(ctx context.Context, _ ...revocation.Mark) error {
	until, _ := ctx.Deadline()
	d.asked <- time.Until(until)
	return ctx.Err()
}

// unmarshalable is a storage that has no JSON.
type unmarshalable struct {
	certmagic.FileStorage
	Channel chan int
}

// A ledger's key tells storages apart, and shows nothing of what they are configured with.
func TestINV_04_StorageIsNamedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	a, again, b := &certmagic.FileStorage{Path: "secret-a"}, &certmagic.FileStorage{Path: "secret-a"}, &certmagic.FileStorage{Path: "b"}
	if storageName(a) != storageName(again) || storageName(a) == storageName(b) || strings.Contains(storageName(a), "secret") {
		t.Errorf("%s %s", storageName(a), storageName(b))
	}
	one := new(unmarshalable)
	if name, again, other := storageName(one), storageName(one), storageName(new(unmarshalable)); name != again || name == other {
		t.Error("storages without JSON are not told apart")
	}
}

var _ caddy.Destructor = (*ledger)(nil)
