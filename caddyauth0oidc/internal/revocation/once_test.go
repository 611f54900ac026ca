package revocation

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func once(t *testing.T, l *Ledger, id string, until time.Time) bool {
	t.Helper()
	first, err := l.Once(t.Context(), id, until)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func TestBCL_12_LogoutTokenIsSeenOnceByAllInstances(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	poll(t, a, b)
	until := clock.now().Add(5 * time.Minute)
	if !once(t, a, "one", until) || once(t, a, "one", until) {
		t.Error("the same instance does not tell the first from the second")
	}
	if once(t, b, "one", until) || !once(t, b, "two", until) {
		t.Error("another instance, which did not poll, does not know the token")
	}
	if once(t, newInstance(store, clock.now), "two", until) {
		t.Error("an instance that just began does not know the token")
	}
}

func TestCONC_20_OneOfTheSameLogoutTokensIsTheFirst(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	l := newInstance(store, clock.now)
	var failures sync.Mutex
	left := 3 // of the writes, so that some of those who wait must try themselves
	store.fail(func(_ context.Context, operation, _ string) error {
		failures.Lock()
		defer failures.Unlock()
		if operation == "store" && left > 0 {
			left--
			return errDown
		}
		return nil
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	outcomes := make(map[string]int)
	for range 100 {
		wg.Go(func() {
			first, err := l.Once(t.Context(), "same", clock.now().Add(time.Minute))
			mu.Lock()
			defer mu.Unlock()
			outcomes[strconv.FormatBool(first)+" "+strconv.FormatBool(err == nil)]++
		})
	}
	wg.Wait()
	if outcomes["true true"] != 1 || outcomes["false false"] != 3 || outcomes["false true"] != 96 {
		t.Errorf("first, without error: %v", outcomes)
	}
}

// The tenant tries again when the storage was not there.
func TestFAULT_21_TokenThatCannotBeStoredIsNotRemembered(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]func(context.Context, string, string) error{
		"down": down, "read-only": readOnly,
		"the bell does not ring": func(_ context.Context, operation, key string) error {
			if operation == "store" && key == bellName {
				return errDown
			}
			return nil
		},
	} {
		store, clock := newMemory(), newClock()
		a, b := newInstance(store, clock.now), newInstance(store, clock.now)
		until := clock.now().Add(time.Minute)
		store.fail(failing)
		if first, err := a.Once(t.Context(), "one", until); first || err == nil {
			t.Errorf("%s: %t, %v", name, first, err)
		}
		store.fail(nil)
		poll(t, a)
		if !once(t, b, "one", until) || once(t, a, "one", until) {
			t.Errorf("%s: the token is remembered, or is not when it is stored", name)
		}
	}
}

// A log that cannot be read may have the token; that no session can be ended because of it
// would be worse than that one is ended twice.
func TestFAULT_21_ADamagedLogKeepsNoTokenFromBeingTaken(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	until := clock.now().Add(time.Minute)
	if !once(t, a, "one", until) {
		t.Fatal("a new token was seen")
	}
	store.change(store.keys(headsFolder)[0], func([]byte) []byte { return []byte("damaged") })
	if !once(t, b, "two", until) || once(t, b, "two", until) {
		t.Error("the first is not told from the second")
	}
	store.fail(readOnly)
	if err := b.Revoke(t.Context(), OfSID("s", clock.now().Add(time.Hour))); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if err := b.Poll(t.Context()); !errors.Is(err, ErrDamaged) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("one error hides the other: %v", err)
	}
}

func TestOnceEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l := newInstance(store, time.Now)
		hang := make(chan struct{})
		store.fail(func(context.Context, string, string) error { <-hang; return nil })
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if first, err := l.Once(ctx, "one", time.Now().Add(time.Minute)); first || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%t, %v", first, err)
				}
			})
		}
		began := time.Now()
		wg.Wait()
		if d := time.Since(began); d != time.Second {
			t.Errorf("it took %s", d)
		}
		store.fail(nil)
		close(hang)
		if !once(t, l, "one", time.Now().Add(time.Minute)) {
			t.Error("the token is remembered")
		}
	})
}

func TestDOS_05_SeenLogoutTokensExpire(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	most := 0
	for minute := range 8 * 60 { // a flood of a whole shift, though only of tokens that are genuine
		for n := range 20 {
			id := strconv.Itoa(minute) + "." + strconv.Itoa(n)
			if !once(t, a, id, clock.now().Add(10*time.Minute)) {
				t.Fatal("a new token was seen")
			}
		}
		clock.pass(time.Minute)
		poll(t, a, b)
		most = max(most, a.Status().Marks, b.Status().Marks)
	}
	if most > 20*25 {
		t.Errorf("%d tokens were kept in memory", most)
	}
	if n := len(store.keys("")); n > 5 {
		t.Errorf("%d keys are left in the storage", n)
	}
	clock.pass(3 * time.Hour)
	poll(t, b)
	if n := b.Status().Marks + len(store.keys("heads")) + len(store.keys("logs")); n != 0 {
		t.Errorf("%d things are left", n)
	}
}
