package revocation

import (
	"context"
	"testing"
	"time"
)

func TestSegmentsOfMarksThatArePastAreDeleted(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	n := 0
	for range 20 { // hours, in which there are 1500 marks each that count for two
		for range 6 {
			revoke(t, a, marksOf(n, n+250, clock.now().Add(2*time.Hour))...)
			n += 250
			poll(t, a, b)
			if unknown(b, n-250, n)+unknown(a, n-250, n) != 0 {
				t.Fatal("marks are not known")
			}
			clock.pass(10 * time.Minute)
		}
	}
	if s := b.Status(); s.Marks > 4*1500 || a.Status().Marks != s.Marks {
		t.Errorf("%d marks in memory, %d", s.Marks, a.Status().Marks)
	}
	if keys := store.keys(logsFolder); len(keys) > 8 {
		t.Errorf("%d segments in the storage", len(keys))
	}
	if kept := len(a.own.segments); kept > 8 {
		t.Errorf("%d segments in memory", kept)
	}
	late := newInstance(store, clock.now)
	poll(t, late)
	if unknown(late, n-1500, n) != 0 {
		t.Error("an instance that began later does not know what still counts")
	}
}

func TestLogsOfInstancesThatAreGoneAreDeletedByOthers(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	watching := newInstance(store, clock.now)
	for n := range 5 { // deployments
		gone := newInstance(store, clock.now)
		revoke(t, gone, marksOf(n*2000, n*2000+2000, clock.now().Add(10*time.Hour))...)
		poll(t, watching)
	}
	clock.pass(10*time.Hour + 30*time.Minute)
	poll(t, watching)
	if len(store.keys(headsFolder)) != 5 {
		t.Error("a log was deleted that counts by the clock of another")
	}
	clock.pass(2 * time.Hour)
	poll(t, watching)
	if left := append(store.keys(headsFolder), store.keys(logsFolder)...); len(left) != 0 {
		t.Errorf("%q are left", left)
	}
	if s := watching.Status(); s.Marks != 0 {
		t.Errorf("%d marks in memory", s.Marks)
	}
}

// An instance goes on after others have deleted its log, as they may when it is past, or
// somebody did it by hand.
func TestAnInstanceGoesOnWhoseLogWasDeleted(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]time.Duration{"past": 5 * time.Hour, "by hand": 0} {
		store, clock := newMemory(), newClock()
		idle, other := newInstance(store, clock.now), newInstance(store, clock.now)
		revoke(t, idle, marksOf(0, 1500, clock.now().Add(time.Hour))...)
		poll(t, idle, other)
		clock.pass(away)
		poll(t, other)
		if away == 0 {
			store.remove(store.keys("")...)
			_ = other.Poll(t.Context()) // tells of it
		}
		if left := store.keys(headsFolder); len(left) != 0 {
			t.Fatalf("%s: %q are left", name, left)
		}
		until := clock.now().Add(time.Hour)
		revoke(t, idle, marksOf(5000, 5100, until)...)
		if err := other.Poll(t.Context()); (err != nil) != (away == 0) { // the other segments are lost
			t.Errorf("%s: %v", name, err)
		}
		if unknown(other, 5000, 5100) != 0 {
			t.Errorf("%s: the new marks are not known", name)
		}
		for range 3 * lookEvery { // until it has looked at each segment of its own
			poll(t, idle)
		}
		poll(t, other)
		late := newInstance(store, clock.now)
		poll(t, late)
		if unknown(late, 5000, 5100) != 0 || away == 0 && unknown(late, 0, 1500) != 0 {
			t.Errorf("%s: an instance that began later does not know the marks", name)
		}
	}
}

// What cannot be deleted is no reason to do it with every poll.
func TestSweepingIsSeldomThoughItFails(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	revoke(t, a, OfSession(idOf(0), clock.now().Add(time.Hour)))
	poll(t, b)
	clock.pass(5 * time.Hour)
	store.fail(readOnly)
	if err := b.Poll(t.Context()); err == nil {
		t.Error("nobody is told")
	}
	store.spent()
	poll(t, b)
	if operations, _ := store.spent(); operations != 1 {
		t.Errorf("%d operations", operations)
	}
}

// Well before others may delete a log, by their clocks, its instance writes to another one;
// and not before all of it is past.
func TestAnInstanceLeavesALogBeforeOthersMayDeleteIt(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a := newInstance(store, clock.now)
	revoke(t, a, marksOf(0, 10, clock.now().Add(time.Hour))...)
	for _, step := range []struct {
		pass time.Duration
		logs int
	}{{time.Minute, 1}, {time.Hour - 2*time.Minute, 1}, {clockMargin/2 + 2*time.Minute, 2}} {
		clock.pass(step.pass)
		until := clock.now().Add(-time.Second) // counts up to the end of its hour, and makes the log no longer
		if step.logs > 1 {
			until = clock.now().Add(time.Hour)
		}
		revoke(t, a, marksOf(100*int(step.pass/time.Minute), 100*int(step.pass/time.Minute)+10, until)...)
		if n := len(store.keys(headsFolder)); n != step.logs {
			t.Errorf("%d logs after %s more, want %d", n, step.pass, step.logs)
		}
	}
}

// A segment of marks that are past stays for as long as the head that is stored tells of it.
func TestSegmentsOfTheStoredHeadAreNotDeleted(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a := newInstance(store, clock.now)
	revoke(t, a, marksOf(0, 3*segmentRecords, clock.now().Add(time.Hour))...)
	revoke(t, a, marksOf(9000, 9010, clock.now().Add(100*time.Hour))...)
	store.fail(func(_ context.Context, operation, _ string) error {
		if operation == "store" {
			return errDown
		}
		return nil
	})
	for range 5 {
		clock.pass(time.Hour)
		_ = a.Poll(t.Context()) // the head cannot be replaced
	}
	store.fail(nil)
	late := newInstance(store, clock.now)
	poll(t, late)
	if n := unknown(late, 9000, 9010); n != 0 {
		t.Errorf("%d marks are not known", n)
	}
}
