package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// onBrittle loads a configuration with a client of the test's server.
func onBrittle(t *testing.T, pairs ...string) (h *Handler, unload func(), client *brittle, err error) {
	t.Helper()
	base, client := inBrittle(t, t.Name())
	t.Cleanup(func() { brittleServers.Delete(t.Name()) })
	h, unload, err = loadHandler(t, base, pairs...)
	return h, unload, client, err
}

func (l *ledger) endsUser() bool {
	return l.Revoked([16]byte{}, "", "auth0|x", time.Now().Add(-time.Minute))
}

func markOfUser() revocation.Mark {
	return revocation.OfSubject("auth0|x", time.Now(), time.Now().Add(time.Hour))
}

// refreshedOf gives a state of a new session.
func refreshedOf(t *testing.T) *session.Refreshed {
	t.Helper()
	s, err := session.New(rand.Reader, time.Now(), profile.Profile{UserID: "auth0|x"})
	if err != nil {
		t.Fatal(err)
	}
	return &session.Refreshed{Session: *s, Tokens: session.Tokens{Session: s.ID, Access: "a", Refresh: "r", Expiry: time.Now().Add(time.Hour)}}
}

// FAULT-21: while the storage is dead, also one in which no mark ever was, no reading is a
// good one, and no refreshed session is taken for one that is not there.
func TestFAULT_21_DeadStorageTellsNothing(t *testing.T) {
	adaptNoEnvironment(t)
	h, unload, client, err := onBrittle(t, "refresh", `{}`, "revocation", `{"poll":"1h","max_stale":"2h"}`)
	if err != nil {
		t.Fatal(err)
	}
	defer unload()
	state := refreshedOf(t)
	if err := h.refresher.store(t.Context(), h.keys.Load(), state); err != nil {
		t.Fatal(err)
	}
	died := time.Now()
	client.server.setDown(true)
	h.ledger.pollNow(t)
	if read := h.ledger.lastRead(); read.IsZero() || read.After(died) || h.ledger.failed.Load() != 1 {
		t.Errorf("a reading of the dead storage counts: it died at %s, read %s", died, read)
	}
	if found, err := h.refresher.load(t.Context(), h.keys.Load(), state.Session.ID); err == nil {
		t.Errorf("the state is %v", found)
	}
	if _, err := h.shared.memory.Load(t.Context(), "keys.json"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the tenant said: %v", err)
	}
	client.server.setDown(false)
	if h.ledger.pollNow(t); !h.ledger.lastRead().After(died) {
		t.Error("the storage is not read again")
	}
}

// What an idle reading of the marks costs, with marks and without any.
func TestIdleReadingOfMarksIsCheap(t *testing.T) {
	adaptNoEnvironment(t)
	h, unload, client, err := onBrittle(t, "revocation", `{"poll":"1h"}`)
	if err != nil {
		t.Fatal(err)
	}
	defer unload()
	for _, most := range []int64{4, 1} {
		h.ledger.pollNow(t)
		before := client.server.calls.Load()
		h.ledger.pollNow(t)
		if calls := client.server.calls.Load() - before; calls > most {
			t.Errorf("%d calls, not %d", calls, most)
		}
		if err := h.ledger.Revoke(t.Context(), markOfUser()); err != nil {
			t.Fatal(err)
		}
	}
}

// CONC-22, CONC-23: a reload closes the client of the configuration that ends, and a refused
// one its own. Secrets, marks, refreshes and what tenants said go on with the one that is
// left; also if the storage is dead at the time, in which case nobody is signed out.
func TestCONC_22_CONC_23_ClosedClientsAreNotUsed(t *testing.T) {
	adaptNoEnvironment(t)
	settings := []string{"refresh", `{}`, "revocation", `{"poll":"1h"}`}
	h, unload, client, err := onBrittle(t, settings...)
	if err != nil {
		t.Fatal(err)
	}
	cookie, state := sealOf(t, h), refreshedOf(t)
	if err := h.ledger.Revoke(t.Context(), markOfUser()); err != nil {
		t.Fatal(err)
	}
	works := func(when string) {
		t.Helper()
		failed := h.ledger.failed.Load()
		h.ledger.pollNow(t)
		if h.ledger.failed.Load() != failed || !h.ledger.endsUser() {
			t.Errorf("%s: the marks cannot be read", when)
		}
		if err := h.refresher.store(t.Context(), h.keys.Load(), state); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := h.shared.memory.Store(t.Context(), "keys.json", []byte("{}")); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if !h.rotation.watcher.check(t.Context()) || !h.keys.Load().ReadSession(new(session.Session), cookie, sealedName) {
			t.Errorf("%s: the secrets cannot be read", when)
		}
	}
	_, unloadRefused, refused, err := onBrittle(t, append(settings, "session", `{"cookie":{"same_site":"none"}}`, "base_urls", `["http://app.example.com"]`)...)
	if err == nil {
		t.Fatal("the refused configuration was loaded")
	}
	unloadRefused()
	refused.closed.Store(true)
	works("after a refused configuration")
	for _, down := range []bool{false, true} {
		client.server.setDown(down)
		next, unloadNext, nextClient, err := onBrittle(t, settings...)
		if err != nil || next.storage != h.storage || next.refresher != h.refresher || next.ledger != h.ledger {
			t.Fatalf("something was lost, or %v", err)
		}
		unload()
		client.closed.Store(true)
		client.server.setDown(false)
		h, unload, client = next, unloadNext, nextClient
		works("after a reload")
	}
	if unload(); h.storage.current() != nil {
		t.Error("the storage is still in use")
	}
}

// CONC-22: a refresh that is under way at a reload keeps its result, although the client is
// closed with which it began, and requests to the new configuration wait for it.
func TestCONC_22_RefreshUnderWayAtAReloadIsKept(t *testing.T) {
	adaptNoEnvironment(t)
	first, unload, client, err := onBrittle(t, "refresh", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	state, began, goOn := refreshedOf(t), make(chan struct{}), make(chan struct{})
	under := first.refresher.join(state.Session.ID, first.leading, func(ctx context.Context) refreshState {
		unlock, err := first.refresher.lock(ctx, state.Session.ID)
		if err != nil {
			t.Error(err)
			return refreshState{}
		}
		defer unlock()
		close(began)
		<-goOn
		if err := first.refresher.store(ctx, first.keys.Load(), state); err != nil {
			t.Error(err)
		}
		return refreshState{state: state}
	})
	<-began
	second, unloadSecond, _, err := onBrittle(t, "refresh", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	defer unloadSecond()
	same := second.refresher.join(state.Session.ID, second.leading, func(context.Context) refreshState {
		t.Error("it is refreshed twice")
		return refreshState{}
	})
	client.closed.Store(true)
	ended := make(chan struct{})
	go func() { unload(); close(ended) }()
	for first.storage.current().handler != second { // what Caddy does first
		<-time.After(time.Millisecond)
	}
	close(goOn)
	<-ended
	if got, ok := same.wait(t.Context(), false); same != under || !ok || got.state != state {
		t.Error("the result is lost")
	}
	if found, err := second.refresher.load(t.Context(), second.keys.Load(), state.Session.ID); err != nil || found == nil {
		t.Errorf("the storage has %v, %v", found, err)
	}
}

// FAULT-21: readings of a storage that hangs leave few goroutines behind, and shutting down
// is not kept waiting.
func TestFAULT_21_PollsOfAHangingStorageAreBounded(t *testing.T) {
	adaptNoEnvironment(t)
	base, client := inBrittle(t, t.Name())
	synctest.Test(t, func(t *testing.T) {
		h, unload, err := loadHandler(t, base, "revocation", `{"poll":"1s"}`)
		if err != nil {
			t.Fatal(err)
		}
		answer := client.server.hang()
		time.Sleep(24 * time.Hour)
		if n := client.server.waiting.Load(); n == 0 || n > 2*maxCalls {
			t.Errorf("%d calls are left behind", n)
		}
		if !h.ledger.health().Stale {
			t.Error("the health is good")
		}
		answer()
		time.Sleep(time.Hour)
		if h.ledger.health().Stale || client.server.waiting.Load() != 0 {
			t.Error("it does not go on")
		}
		unload()
	})
}

var _ caddy.Destructor = (*sharedStorage)(nil)
