package revocation

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// What a poll costs is the same with few and many marks; only what is new is read.
func TestPollCostsTheSameWithManyMarks(t *testing.T) {
	t.Parallel()
	type cost struct{ idleOperations, idleBytes, newOperations, newBytes int }
	measure := func(marks int) (c cost) {
		store, clock := newMemory(), newClock()
		a, b := newInstance(store, clock.now), newInstance(store, clock.now)
		until := clock.now().Add(time.Hour)
		revoke(t, a, marksOf(0, marks, until)...)
		poll(t, b)
		if n := unknown(b, 0, marks); n != 0 {
			t.Fatalf("%d marks of %d are not known", n, marks)
		}
		store.spent()
		poll(t, b)
		c.idleOperations, c.idleBytes = store.spent()
		revoke(t, a, OfSession(idOf(marks), until))
		store.spent()
		poll(t, b)
		c.newOperations, c.newBytes = store.spent()
		if !knows(b, marks) {
			t.Fatal("the new mark is not known")
		}
		return c
	}
	few, many := measure(300), measure(300_000)
	t.Logf("300: %+v, 300000: %+v (operations and bytes of an idle poll, and of one with a new mark)", few, many)
	for name, pair := range map[string][2]int{
		"operations of an idle poll":             {few.idleOperations, many.idleOperations},
		"bytes of an idle poll":                  {few.idleBytes, many.idleBytes},
		"operations of a poll with one new mark": {few.newOperations, many.newOperations},
		"bytes of a poll with one new mark":      {few.newBytes, many.newBytes},
	} {
		if pair[0] == 0 || pair[1] > 2*pair[0] {
			t.Errorf("%s: %d with 300 marks, %d with 300000", name, pair[0], pair[1])
		}
	}
	if many.idleOperations != 1 || many.newOperations > 4 || many.newBytes > 4096 {
		t.Errorf("a poll costs %+v", many)
	}
}

// The look at the own log and at what the bell did not tell of is as cheap.
func TestThoroughPollCostsTheSameWithManyMarks(t *testing.T) {
	t.Parallel()
	measure := func(marks int) (operations, bytes int) {
		store, clock := newMemory(), newClock()
		a := newInstance(store, clock.now)
		revoke(t, a, marksOf(0, marks, clock.now().Add(time.Hour))...)
		poll(t, a)
		store.spent()
		for range lookEvery {
			poll(t, a)
		}
		return store.spent()
	}
	operations, bytes := measure(segmentRecords)
	for _, marks := range []int{3 * segmentRecords, 40 * segmentRecords} {
		if o, b := measure(marks); o > operations || b > bytes {
			t.Errorf("%d operations and %d bytes with %d marks; %d and %d with few", o, b, marks, operations, bytes)
		}
	}
}

// A mark alone is two writes, and what many at once ask for is shared.
func TestRevokeCostsTheSameWithManyMarks(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a := newInstance(store, clock.now)
	until := clock.now().Add(time.Hour)
	revoke(t, a, marksOf(0, 30_000, until)...)
	store.spent()
	for n := range tailRecords {
		revoke(t, a, OfSession(idOf(1_000_000+n), until))
	}
	if operations, bytes := store.spent(); operations != 2*tailRecords || bytes > tailRecords*2048 {
		t.Errorf("%d operations and %d bytes for %d marks", operations, bytes, tailRecords)
	}
}

func BenchmarkPoll(b *testing.B) {
	for _, size := range []struct {
		name  string
		marks int
	}{{"300", 300}, {"300000", 300_000}} {
		b.Run("idle/"+size.name, func(b *testing.B) { benchmarkPoll(b, size.marks, false) })
		b.Run("one_new_mark/"+size.name, func(b *testing.B) { benchmarkPoll(b, size.marks, true) })
	}
}

func benchmarkPoll(b *testing.B, marks int, one bool) {
	store := &certmagic.FileStorage{Path: b.TempDir()}
	writer, reader := newInstance(store, time.Now), newInstance(store, time.Now)
	until := time.Now().Add(24 * time.Hour)
	if err := writer.Revoke(b.Context(), marksOf(0, marks, until)...); err != nil {
		b.Fatal(err)
	}
	if err := reader.Poll(b.Context()); err != nil {
		b.Fatal(err)
	}
	runtime.GC() // what writing has left
	for n := 0; b.Loop(); n++ {
		if one {
			b.StopTimer()
			if err := writer.Revoke(b.Context(), OfSession(idOf(marks+n), until)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if err := reader.Poll(b.Context()); err != nil {
			b.Fatal(err)
		}
		if one && !knows(reader, marks+n) {
			b.Fatal("the new mark is not known")
		}
	}
}

// Temporary files that an instance which was killed left behind are nobody's log.
func TestPollOverTheFileSystem(t *testing.T) {
	t.Parallel()
	store := &certmagic.FileStorage{Path: t.TempDir()}
	clock := newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	poll(t, a, b) // where there is not even a folder
	revoke(t, a, marksOf(0, 3000, clock.now().Add(time.Hour))...)
	left := store.Filename(testPath + "/heads/1234567890")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	poll(t, a, b)
	if n := unknown(b, 0, 3000); n != 0 {
		t.Errorf("%d marks are not known", n)
	}
	clock.pass(4 * time.Hour)
	poll(t, b)
	poll(t, newInstance(store, clock.now))
	for _, folder := range []string{"/logs", "/heads"} {
		names, err := os.ReadDir(store.Filename(testPath + folder))
		if err != nil || len(names) > 1 || len(names) == 1 && names[0].Name() != "1234567890" {
			t.Errorf("%s has %v, %v", folder, names, err)
		}
	}
}
