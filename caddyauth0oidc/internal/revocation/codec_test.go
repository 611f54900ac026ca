package revocation

import (
	"bytes"
	"errors"
	"math"
	"path"
	"reflect"
	"testing"
	"time"
)

const testLog = "00112233445566778899aabbccddeeff"

func testRecords(n int) (records []record) {
	for i := range n {
		records = append(records, record{kind: kind(i % int(kinds)), key: idOf(i), before: int64(i), until: math.MaxInt64 - int64(i)})
	}
	return records
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, segmentRecords} {
		records, err := decodeSegment("a", encodeSegment("a", testRecords(n)))
		if err != nil || len(records) != n || n > 0 && !reflect.DeepEqual(records, testRecords(n)) {
			t.Errorf("%d records: %d, %v", n, len(records), err)
		}
	}
	h := head{first: 3, flushed: 5000, total: 5010, until: 42, tail: testRecords(tailRecords)}
	if got, err := decodeHead("a", encodeHead("a", h)); err != nil || !reflect.DeepEqual(got, h) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFAULT_21_DamagedValuesAreToldFromOthers(t *testing.T) {
	t.Parallel()
	good := head{first: 1, flushed: 2048, total: 2050, until: 42, tail: testRecords(10)}
	changed := func(change func(*head)) []byte {
		h := good
		change(&h)
		return encodeHead("a", h)
	}
	for name, value := range map[string][]byte{
		"of another log":         encodeHead("b", good),
		"a segment":              encodeSegment("a", testRecords(3)),
		"none":                   nil,
		"half a record":          seal("a", headMagic, make([]byte, headNumbers+recordSize/2)),
		"half the numbers":       seal("a", headMagic, make([]byte, headNumbers/2)),
		"records nowhere":        changed(func(h *head) { h.total = 3000 }),
		"more records than are":  changed(func(h *head) { h.total, h.flushed, h.first = 5, 5, 0 }),
		"segments of the future": changed(func(h *head) { h.first = 3 }),
		"segments without end":   changed(func(h *head) { h.flushed, h.total = math.MaxUint64-2, math.MaxUint64 }),
		"segments beyond count":  changed(func(h *head) { h.first = math.MaxUint64 }),
		"a tail too long":        changed(func(h *head) { h.tail = testRecords(tailRecords + 1) }),
	} {
		if _, err := decodeHead("a", value); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := encodeSegment("a", testRecords(5))
	for n := range whole {
		if _, err := decodeSegment("a", whole[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	for _, value := range [][]byte{encodeSegment("a", testRecords(segmentRecords+1)), seal("a", segmentMagic, make([]byte, 7))} {
		if _, err := decodeSegment("a", value); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: %v", len(value), err)
		}
	}
}

// A kind that is new in a later release is for it alone.
func TestRecordsOfUnknownKindsEndNothing(t *testing.T) {
	t.Parallel()
	records := testRecords(2)
	records[1].kind = kinds + 3
	read, err := decodeSegment("a", encodeSegment("a", records))
	if err != nil || read[1].kind != voided {
		t.Errorf("%+v, %v", read, err)
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(encodeSegment("a", testRecords(3)))
	f.Add(encodeSegment("a", nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		records, err := decodeSegment("a", value)
		if err != nil {
			if !errors.Is(err, ErrDamaged) || records != nil {
				t.Errorf("%d, %v", len(records), err)
			}
			return
		}
		if again, err := decodeSegment("a", encodeSegment("a", records)); err != nil || !reflect.DeepEqual(again, records) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzHead(f *testing.F) {
	f.Add(encodeHead("a", head{total: 2, tail: testRecords(2)}))
	f.Add(encodeHead("a", head{first: 1, flushed: 1500, total: 1510, until: 1, tail: testRecords(12)}))
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := decodeHead("a", value)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%v", err)
			}
			return
		}
		if h.begin() > h.flushed || h.flushed > h.total || len(h.tail) > tailRecords {
			t.Errorf("%+v", h)
		}
		if again := encodeHead("a", h); !bytes.Equal(again, value) && len(h.tail) == 0 {
			t.Errorf("%x, %x", again, value)
		}
	})
}

// Whatever an instance finds in the storage, sealed as it should be or not, it neither
// falls over, nor works without end, nor forgets what it knows.
func FuzzLogOfAnotherInstance(f *testing.F) {
	f.Add([]byte("bell"), uint64(0), uint64(3), uint64(5), int64(math.MaxInt64), []byte("\x01"), []byte("x"))
	f.Add([]byte{}, uint64(0), uint64(1500), uint64(1500), int64(math.MaxInt64), []byte{}, encodeSegment("x", testRecords(4)))
	f.Fuzz(func(t *testing.T, bell []byte, first, flushed, total uint64, until int64, tail, segment []byte) {
		store, clock := newMemory(), newClock()
		put := func(name string, value []byte) { _ = store.Store(t.Context(), path.Join(testPath, name), value) }
		name, at := headName(testLog), segmentName(testLog, 0)
		put(bellName, bell)
		put(name, encodeHead(name, head{first: first, flushed: flushed % 10000, total: total % 10000, until: until, tail: decodeRecords(tail)}))
		put(at, segment)
		put(segmentName(testLog, 1), seal(segmentName(testLog, 1), segmentMagic, segment))
		l := newInstance(store, clock.now)
		_ = l.Revoke(t.Context(), OfSession(idOf(0), clock.now().Add(2*sweepEvery)))
		for range 2 {
			_ = l.Poll(t.Context())
		}
		if !knows(l, 0) {
			t.Error("a mark was forgotten")
		}
		clock.pass(sweepEvery + time.Second)
		_ = l.Poll(t.Context())
		if operations, _ := store.spent(); operations > 200 {
			t.Errorf("%d operations", operations)
		}
	})
}
