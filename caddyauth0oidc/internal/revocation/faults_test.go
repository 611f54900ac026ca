package revocation

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// Marks hold at once where they were made, and everywhere when the storage is back.
func TestFAULT_21_MarksAreWrittenWhenTheStorageIsBack(t *testing.T) {
	t.Parallel()
	bell := func(_ context.Context, operation, key string) error {
		if operation == "store" && key == bellName {
			return errDown
		}
		return nil
	}
	heads := func(_ context.Context, operation, key string) error {
		if operation == "store" && strings.HasPrefix(key, headsFolder) {
			return errDown
		}
		return nil
	}
	for name, failing := range map[string]func(context.Context, string, string) error{
		"down": down, "read-only": readOnly, "no bell": bell, "no heads": heads,
	} {
		store, clock := newMemory(), newClock()
		a, b := newInstance(store, clock.now), newInstance(store, clock.now)
		until := clock.now().Add(time.Hour)
		revoke(t, a, marksOf(0, 100, until)...)
		poll(t, a, b)
		store.fail(failing)
		if err := a.Revoke(t.Context(), marksOf(100, 3000, until)...); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := a.Poll(t.Context()); err == nil {
			t.Errorf("%s: no error of a poll that could not write", name)
		}
		if s := a.Status(); s.Waiting != 2900 || s.Err == nil || s.Marks != 3000 {
			t.Errorf("%s: %+v", name, s)
		}
		if n := unknown(a, 0, 3000) + unknown(b, 0, 100); n != 0 {
			t.Errorf("%s: %d marks were forgotten", name, n)
		}
		store.fail(nil)
		poll(t, a, b)
		if s := a.Status(); s.Waiting != 0 || s.Err != nil || !s.Polled.Equal(clock.now()) {
			t.Errorf("%s, and back: %+v", name, s)
		}
		if n := unknown(b, 0, 3000); n != 0 {
			t.Errorf("%s, and back: %d marks are not known", name, n)
		}
	}
}

// One who says that a mark is there already waits as long as the one who made it.
func TestFAULT_21_RevokingAgainDoesNotHideThatNothingIsStored(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a := newInstance(store, clock.now)
	mark := OfSID("s", clock.now().Add(time.Hour))
	store.fail(down)
	for range 2 {
		if err := a.Revoke(t.Context(), mark); !errors.Is(err, errDown) {
			t.Errorf("%v", err)
		}
	}
	store.fail(nil)
	revoke(t, a, mark)
	b := newInstance(store, clock.now)
	poll(t, b)
	if !b.Revoked(idOf(1), "s", "u", clock.now()) || a.Status().Waiting != 0 {
		t.Error("the mark was not stored")
	}
}

// What is wrong with one log keeps nobody from reading another, or the rest of it; and as
// its instance is there, it is as it was again soon.
func TestFAULT_21_ADamagedLogIsWrittenAgainAndHidesNoOther(t *testing.T) {
	t.Parallel()
	const marks = 3*segmentRecords + 5
	to := func(value string) func([]byte) []byte { return func([]byte) []byte { return []byte(value) } }
	for name, change := range map[string]func([]byte) []byte{
		"empty": to(""), "garbage": to("<html>it works</html>"), "huge": to(strings.Repeat("x", 1<<22)),
		"truncated":     func(b []byte) []byte { return b[:len(b)/2] },
		"a bit flipped": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
		"a newer version": func(b []byte) []byte {
			b[4]++
			return b
		},
		"lost": nil,
	} {
		for _, which := range []string{"heads/", "/0000000000", "/0000000001"} {
			store, clock := newMemory(), newClock()
			a, b := newInstance(store, clock.now), newInstance(store, clock.now)
			until := clock.now().Add(time.Hour)
			revoke(t, a, marksOf(0, marks, until)...)
			poll(t, a)
			revoke(t, b, marksOf(marks, marks+10, until)...)
			log := a.ownName()
			for _, k := range store.keys("") {
				if !strings.Contains(k, log) || !strings.Contains(k, which) {
					continue
				}
				if change == nil {
					store.remove(k)
				} else {
					store.change(k, change)
				}
			}
			late := newInstance(store, clock.now)
			if err := late.Poll(t.Context()); !errors.Is(err, ErrDamaged) && !(change == nil && which == "heads/") {
				t.Errorf("%s of %s: %v", name, which, err)
			}
			if n := unknown(late, marks, marks+10) + unknown(late, 2*segmentRecords, marks); n != 0 && which != "heads/" {
				t.Errorf("%s of %s: %d other marks are not known", name, which, n)
			}
			for range 5 * lookEvery {
				poll(t, a)
			}
			poll(t, late)
			if n := unknown(late, 0, marks+10); n != 0 || late.Status().Err != nil {
				t.Errorf("%s of %s: %d marks are not known, %v", name, which, n, late.Status().Err)
			}
		}
	}
}

func TestFAULT_21_EverythingEvictedIsWrittenAgain(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	until := clock.now().Add(time.Hour)
	revoke(t, a, marksOf(0, 2000, until)...)
	revoke(t, b, marksOf(2000, 2010, until)...)
	poll(t, a, b)
	store.remove(store.keys("")...)
	if err := a.Poll(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("nobody is told: %v", err)
	}
	late := newInstance(store, clock.now)
	poll(t, b, a, late)
	if n := unknown(a, 0, 2010) + unknown(b, 0, 2010) + unknown(late, 0, 2010); n != 0 {
		t.Errorf("%d marks are not known", n)
	}
}

// A storage that was restored, or shows what was there some time ago.
func TestFAULT_21_AnOlderStateIsNoHarm(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	until := clock.now().Add(time.Hour)
	revoke(t, a, marksOf(0, 1500, until)...)
	poll(t, a, b)
	store.mu.Lock()
	older := maps.Clone(store.values)
	store.mu.Unlock()
	revoke(t, a, marksOf(1500, 4000, until)...)
	poll(t, a, b)
	store.mu.Lock()
	store.values = older
	store.mu.Unlock()
	poll(t, b)
	if n := unknown(b, 0, 4000); n != 0 {
		t.Errorf("%d marks were forgotten", n)
	}
	poll(t, a)
	revoke(t, a, marksOf(4000, 4001, until)...)
	late := newInstance(store, clock.now)
	poll(t, b, late)
	if n := unknown(b, 0, 4001) + unknown(late, 0, 4001); n != 0 {
		t.Errorf("%d marks are not known", n)
	}
}

// A segment that is older than the head which tells of it is read again.
func TestFAULT_21_AStaleSegmentIsReadAgain(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	until := clock.now().Add(time.Hour)
	revoke(t, a, marksOf(0, 100, until)...)
	key := store.keys(logsFolder)[0]
	old, _ := store.Load(t.Context(), key)
	revoke(t, a, marksOf(100, 500, until)...)
	fresh, _ := store.Load(t.Context(), key)
	store.change(key, func([]byte) []byte { return old })
	if err := b.Poll(t.Context()); !errors.Is(err, ErrDamaged) || unknown(b, 0, 100) != 0 {
		t.Errorf("%v", err)
	}
	store.change(key, func([]byte) []byte { return fresh })
	poll(t, b)
	if n := unknown(b, 0, 500); n != 0 {
		t.Errorf("%d marks are not known", n)
	}
}

// The bell is lost for those whose storage shows it before the head.
func TestFAULT_21_HeadsAreLookedAtThoughTheBellIsSilent(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	revoke(t, a, OfSession(idOf(0), clock.now().Add(time.Hour)))
	poll(t, b)
	bell, _ := store.Load(t.Context(), testPath+"/"+bellName)
	revoke(t, a, OfSession(idOf(1), clock.now().Add(time.Hour)))
	store.change(testPath+"/"+bellName, func([]byte) []byte { return bell })
	for range lookEvery {
		poll(t, b)
	}
	if !knows(b, 1) {
		t.Error("the mark is not known")
	}
}

// A file storage lists a folder badly while files come and go in it.
func TestFAULT_21_AFolderThatChangesWhileItIsListed(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	revoke(t, a, OfSession(idOf(0), clock.now().Add(time.Hour)))
	left := listTries - 1
	store.fail(func(_ context.Context, operation, _ string) error {
		if operation == "list" && left > 0 {
			left--
			return fs.ErrNotExist
		}
		return nil
	})
	poll(t, b)
	if left != 0 || !knows(b, 0) {
		t.Error("the mark is not known")
	}
	left = math.MaxInt
	if err := newInstance(store, clock.now).Poll(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a folder that never is there: %v", err)
	}
}

func TestFAULT_20_MarksWaitForRandomness(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	l := New(Config{Store: store, Path: testPath, Now: clock.now, Random: iotest.ErrReader(errDown)})
	if err := l.Revoke(t.Context(), OfSession(idOf(0), clock.now().Add(time.Hour))); !errors.Is(err, errDown) {
		t.Errorf("%v", err)
	}
	if !knows(l, 0) || l.Status().Waiting != 1 || len(store.keys("")) != 0 {
		t.Errorf("%+v, %q", l.Status(), store.keys(""))
	}
}

// deaf is a storage that says of every key that it is not there while it cannot be reached,
// as that of Redis does; only a folder tells.
func deaf(_ context.Context, operation, _ string) error {
	if operation == "load" {
		return fs.ErrNotExist
	}
	return errDown
}

// Before there is the first mark, too, an instance notices that it reads nothing.
func TestFAULT_21_AStorageThatSaysNothingIsThereIsNotWellRead(t *testing.T) {
	t.Parallel()
	for name, marks := range map[string]int{"no marks": 0, "marks": 3} {
		store, clock := newMemory(), newClock()
		a, b := newInstance(store, clock.now), newInstance(store, clock.now)
		if marks > 0 {
			revoke(t, a, marksOf(0, marks, clock.now().Add(time.Hour))...)
		}
		poll(t, b)
		polled := b.Status().Polled
		store.fail(deaf)
		clock.pass(time.Minute)
		if err := b.Poll(t.Context()); !errors.Is(err, errDown) || !b.Status().Polled.Equal(polled) {
			t.Errorf("%s: %v, %+v", name, err, b.Status())
		}
	}
}

// A head that was listed and cannot be loaded is looked for again at the next poll, though
// the bell does not ring another time.
func TestFAULT_21_AHeadThatGoesAwayWhileItIsReadIsReadLater(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	revoke(t, a, marksOf(0, 3, clock.now().Add(time.Hour))...)
	store.fail(func(_ context.Context, operation, key string) error {
		if operation == "load" && strings.HasPrefix(key, headsFolder) {
			return fs.ErrNotExist
		}
		return nil
	})
	if err := b.Poll(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("it is not said that a log could not be read: %v", err)
	}
	store.fail(nil)
	poll(t, b)
	if n := unknown(b, 0, 3); n != 0 {
		t.Errorf("%d marks are not known", n)
	}
}
