package revocation

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Nobody who looks waits for a storage that hangs, and nobody who revokes waits longer
// than for its own context; the mark holds meanwhile.
func TestFAULT_21_ASlowStorageHoldsUpNobodyWhoLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l := newInstance(store, time.Now)
		hang := make(chan struct{})
		store.fail(func(context.Context, string, string) error { <-hang; return nil })
		var wg sync.WaitGroup
		until := time.Now().Add(time.Hour)
		for n := range 10 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := l.Revoke(ctx, OfSession(idOf(n), until)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
				if err := l.Poll(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		if n := unknown(l, 0, 10); n != 0 {
			t.Errorf("%d marks do not hold", n)
		}
		if s := l.Status(); s.Waiting != 10 || time.Since(began) != 0 {
			t.Errorf("%+v, after %s", s, time.Since(began))
		}
		wg.Wait()
		if d := time.Since(began); d != time.Second {
			t.Errorf("it took %s", d)
		}
		store.fail(nil)
		close(hang)
		poll(t, l)
		if s := l.Status(); s.Waiting != 0 || s.Err != nil {
			t.Errorf("%+v", s)
		}
	})
}

// All who come while one write goes on share the next one.
func TestConcurrentRevokesShareAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l := newInstance(store, time.Now)
		store.fail(func(ctx context.Context, _, _ string) error {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return ctx.Err()
		})
		until := time.Now().Add(time.Hour)
		var wg sync.WaitGroup
		for n := range 500 {
			wg.Go(func() {
				time.Sleep(time.Duration(n) * time.Millisecond)
				revoke(t, l, OfSession(idOf(n), until))
			})
		}
		wg.Wait()
		if operations, _ := store.spent(); operations > 5 {
			t.Errorf("%d operations", operations)
		}
		store.fail(nil)
		other := newInstance(store, time.Now)
		poll(t, other)
		if n := unknown(other, 0, 500); n != 0 {
			t.Errorf("%d marks are not stored", n)
		}
	})
}

// One who gives up takes nobody else's write along.
func TestGivingUpEndsNoWriteThatOthersWaitFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l := newInstance(store, time.Now)
		store.fail(func(ctx context.Context, _, _ string) error {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return ctx.Err()
		})
		until := time.Now().Add(time.Hour)
		begin := func(n int, patience time.Duration) chan error {
			done := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				done <- l.Revoke(ctx, OfSession(idOf(n), until))
			}()
			synctest.Wait()
			return done
		}
		alone := begin(0, 500*time.Millisecond) // whose write ends with it
		second, third := begin(1, 100*time.Millisecond), begin(2, time.Minute)
		if err := <-second; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if err := <-alone; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		fourth := begin(3, time.Millisecond) // of a turn that nobody else waits for
		<-fourth
		fifth := begin(4, time.Minute)
		for _, done := range []chan error{third, fifth} {
			if err := <-done; err != nil {
				t.Errorf("%v", err)
			}
		}
		store.fail(nil)
		other := newInstance(store, time.Now)
		poll(t, other)
		if n := unknown(other, 0, 5); n != 0 || l.Status().Waiting != 0 {
			t.Errorf("%d marks are not stored", n)
		}
	})
}

// Requests that begin after Revoke returned, or even while it waits, find the mark.
func TestCONC_19_NoRequestLooksPastAMark(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	l := newInstance(store, clock.now)
	until := clock.now().Add(time.Hour)
	var revoked [200]atomic.Bool
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for reader := range 10 {
		wg.Go(func() {
			for n := reader; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if at := n % len(revoked); revoked[at].Load() && !knows(l, at) {
					t.Errorf("a request began after %d was revoked, and went through", at)
				}
			}
		})
	}
	for n := range revoked {
		revoke(t, l, OfSession(idOf(n), until))
		revoked[n].Store(true)
	}
	close(stop)
	wg.Wait()
}

// The session of a login that is under way when the logout comes is ended, whichever of
// the two is first.
func TestCONC_18_ALogoutThatRacesTheLoginWins(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	until := clock.now().Add(time.Hour)
	revoke(t, a, OfSID("racing", until), OfSubject("u", clock.now(), until))
	poll(t, b)
	for name, began := range map[string]time.Time{"before": clock.now().Add(-time.Second), "after": clock.now().Add(time.Second)} {
		if !a.Revoked(idOf(1), "racing", "u", began) || !b.Revoked(idOf(1), "racing", "u", began) {
			t.Errorf("the login %s the logout lives", name)
		}
	}
	if b.Revoked(idOf(1), "the next", "u", clock.now().Add(time.Second)) {
		t.Error("the user cannot log in any more")
	}
}

// gated is the storage as one instance uses it: each operation waits to be let through.
type gated struct {
	*memory
	step chan struct{}
}

func (g gated) Store(ctx context.Context, key string, value []byte) error {
	<-g.step
	return g.memory.Store(ctx, key, value)
}

func (g gated) Load(ctx context.Context, key string) ([]byte, error) {
	<-g.step
	return g.memory.Load(ctx, key)
}

func (g gated) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	<-g.step
	return g.memory.List(ctx, path, recursive)
}

// Two who write overwrite each other's bell, while a third reads: in each order that the
// operations may have, the next poll of the third finds both marks.
func TestNoOrderOfWritesHidesAMark(t *testing.T) {
	t.Parallel()
	orders := interleavings("AA", "BB", "RRRR")
	if len(orders) != 420 {
		t.Fatalf("%d orders", len(orders))
	}
	for _, order := range orders {
		synctest.Test(t, func(t *testing.T) { tryOrder(t, order) })
	}
}

func tryOrder(t *testing.T, order string) {
	store := newMemory()
	until := time.Now().Add(time.Hour)
	gates, ledgers := make(map[rune]gated), make(map[rune]*Ledger)
	for n, who := range "ABR" {
		gates[who] = gated{store, make(chan struct{}, 100)}
		ledgers[who] = newInstance(gates[who], time.Now)
		for range 100 {
			gates[who].step <- struct{}{}
		}
		if who != 'R' {
			revoke(t, ledgers[who], OfSession(idOf(n), until))
		}
	}
	poll(t, ledgers['R'])
	for _, g := range gates {
		for len(g.step) > 0 {
			<-g.step
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { revoke(t, ledgers['A'], OfSession(idOf(10), until)) })
	wg.Go(func() { revoke(t, ledgers['B'], OfSession(idOf(11), until)) })
	wg.Go(func() { poll(t, ledgers['R']) })
	for _, who := range order {
		synctest.Wait()
		gates[who].step <- struct{}{}
	}
	wg.Wait()
	for range 10 {
		gates['R'].step <- struct{}{}
	}
	poll(t, ledgers['R'])
	if !knows(ledgers['R'], 10) || !knows(ledgers['R'], 11) {
		t.Errorf("with %s a mark is not known", order)
	}
}

// interleavings gives all orders of the letters that keep those of each word.
func interleavings(words ...string) (all []string) {
	done := true
	for i, w := range words {
		if w == "" {
			continue
		}
		done = false
		rest := append([]string(nil), words...)
		rest[i] = w[1:]
		for _, tail := range interleavings(rest...) {
			all = append(all, w[:1]+tail)
		}
	}
	if done {
		return []string{strings.Join(words, "")}
	}
	return all
}
