package revocation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// unreliable is a storage that fails now and then, before or after it has done what it
// was asked for. The dice are seeded.
type unreliable struct {
	*memory
	mu    sync.Mutex
	dice  *rand.Rand
	level int // of 100 operations fail so many
}

func (u *unreliable) roll() (before, after bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.dice.IntN(100)
	return n < u.level/2, n >= u.level/2 && n < u.level
}

func (u *unreliable) do(operation func() error) error {
	before, after := u.roll()
	if before {
		return errDown
	}
	if err := operation(); err != nil {
		return err
	}
	if after {
		return errDown
	}
	return nil
}

func (u *unreliable) Store(ctx context.Context, key string, value []byte) error {
	return u.do(func() error { return u.memory.Store(ctx, key, value) })
}

func (u *unreliable) Load(ctx context.Context, key string) (value []byte, err error) {
	err = u.do(func() error { value, err = u.memory.Load(ctx, key); return err })
	return value, err
}

func (u *unreliable) Delete(ctx context.Context, key string) error {
	return u.do(func() error { return u.memory.Delete(ctx, key) })
}

func (u *unreliable) List(ctx context.Context, path string, recursive bool) (keys []string, err error) {
	err = u.do(func() error { keys, err = u.memory.List(ctx, path, recursive); return err })
	return keys, err
}

// model is what is marked, and until when.
type model struct {
	mu    sync.Mutex
	until map[int]time.Time
}

func (m *model) mark(n int, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if until.After(m.until[n]) {
		m.until[n] = until
	}
}

// missing counts the marks that count and that the ledger does not know.
func (m *model) missing(l *Ledger, now time.Time) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, until := range m.until {
		if until.After(now) && !knows(l, id) {
			n++
		}
	}
	return n
}

// Whatever several instances do at the same time over a storage that fails, in the end
// each knows all marks, as does one that begins then.
func TestAllInstancesAgreeInTheEnd(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			clock, marked := newClock(), &model{until: make(map[int]time.Time)}
			store := &unreliable{memory: newMemory(), dice: rand.New(rand.NewPCG(seed, 1))}
			all := make([]*Ledger, 4)
			for i := range all {
				all[i] = newInstance(store, clock.now)
			}
			for round := range 12 {
				store.level = []int{0, 30, 70}[round%3]
				var wg sync.WaitGroup
				for i, l := range all {
					dice := rand.New(rand.NewPCG(seed, uint64(round*10+i)))
					wg.Go(func() { stress(t, l, marked, clock, dice) })
				}
				wg.Wait()
				if round%4 == 3 { // an instance is replaced after it has written what it had to
					settle(t, store, all)
					all[round%len(all)] = newInstance(store, clock.now)
				}
			}
			settle(t, store, all)
			for i, l := range append(all, newInstance(store, clock.now)) {
				poll(t, l)
				if n := marked.missing(l, clock.now()); n != 0 || l.Status().Waiting != 0 {
					t.Errorf("instance %d does not know %d marks of %d: %+v", i, n, len(marked.until), l.Status())
				}
			}
		})
	}
}

func stress(t *testing.T, l *Ledger, marked *model, clock *clock, dice *rand.Rand) {
	for range 60 {
		switch what := dice.IntN(100); {
		case what < 50:
			n, size := dice.IntN(1<<16), 1+dice.IntN(3)
			if dice.IntN(20) == 0 {
				size = 200 + dice.IntN(2000)
			}
			until := clock.now().Add(time.Duration(1+dice.IntN(10)) * time.Hour)
			for i := range size {
				marked.mark(n+i, until)
			}
			_ = l.Revoke(t.Context(), marksOf(n, n+size, until)...) // or it is written later
			if !knows(l, n) {
				t.Error("a mark does not hold where it was made")
			}
		case what < 60:
			_, _ = l.Once(t.Context(), fmt.Sprint(dice.IntN(100)), clock.now().Add(10*time.Minute))
		case what < 97:
			_ = l.Poll(t.Context())
		default:
			clock.pass(time.Duration(dice.IntN(15)) * time.Minute)
		}
	}
}

// settle lets the storage be well until all is written and read. That something was found
// lost or damaged in the meantime is over by then.
func settle(t *testing.T, store *unreliable, all []*Ledger) {
	t.Helper()
	store.level = 0
	for range 2 {
		for _, l := range all {
			if err := l.Poll(t.Context()); err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		}
	}
	poll(t, all...)
}

func TestNamesOfOthersAreNoLogs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "1234567890", strings.Repeat("A", 32), strings.Repeat("a", 31), strings.Repeat("a", 34), "../" + strings.Repeat("a", 29)} {
		if isLogName(name) {
			t.Errorf("%q", name)
		}
	}
	if !isLogName(strings.Repeat("0f", 16)) {
		t.Error("a name of ours is none")
	}
}
