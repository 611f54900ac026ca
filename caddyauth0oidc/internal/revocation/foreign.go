package revocation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// readLog reads what of the log of another instance was not read yet.
func (l *Ledger) readLog(ctx context.Context, name string) error {
	f := l.reader.logs[name]
	value, err := l.load(ctx, headName(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if f != nil && f.until < l.config.Now().Unix() {
			return nil // deleted in the meantime
		}
		delete(l.reader.logs, name)
		return fmt.Errorf("%w: %s is lost", ErrDamaged, headName(name))
	case err != nil:
		return err
	case f != nil && bytes.Equal(value, f.seen):
		return nil
	}
	h, err := decodeHead(headName(name), value)
	if err != nil {
		return err
	}
	if f == nil {
		f = &foreign{missing: make(map[uint64]struct{})}
		l.reader.logs[name] = f
	}
	if err := l.follow(ctx, name, f, h); err != nil {
		return err
	}
	f.seen = value
	return nil
}

// follow takes the records that the head tells of: the latest from itself, those before
// from segments, of which it goes on with the next if one cannot be read.
func (l *Ledger) follow(ctx context.Context, name string, f *foreign, h head) error {
	f.until = max(f.until, h.until)
	if h.until < l.config.Now().Unix() {
		return nil
	}
	maps.DeleteFunc(f.missing, func(n uint64, _ struct{}) bool { return n < h.first })
	l.take(h.tail)
	var damages []error
	for _, n := range f.pending(h) {
		err := l.readSegment(ctx, name, n, h)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		if err != nil {
			f.missing[n] = struct{}{}
			damages = append(damages, err)
		} else {
			delete(f.missing, n)
		}
		f.read = max(f.read, min(h.begin(), (n+1)*segmentRecords))
	}
	f.read = max(f.read, h.total)
	return errors.Join(damages...)
}

// pending gives the segments to read, those that failed before included. A head that is
// older than what was read has none.
func (f *foreign) pending(h head) []uint64 {
	numbers := slices.Collect(maps.Keys(f.missing))
	for n := max(f.read, h.first*segmentRecords) / segmentRecords; max(f.read, n*segmentRecords) < h.begin(); n++ {
		if _, ok := f.missing[n]; !ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

func (l *Ledger) readSegment(ctx context.Context, log string, n uint64, h head) error {
	name := segmentName(log, n)
	value, err := l.load(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is lost", ErrDamaged, name)
	}
	if err != nil {
		return err
	}
	records, err := decodeSegment(name, value)
	if err != nil {
		return err
	}
	expected := uint64(0)
	if h.begin() > n*segmentRecords {
		expected = min(segmentRecords, h.begin()-n*segmentRecords)
	}
	l.take(records[:min(uint64(len(records)), expected)])
	if uint64(len(records)) < expected {
		return fmt.Errorf("%w: %s has %d records of %d", ErrDamaged, name, len(records), expected)
	}
	return nil
}

// take adds what still counts.
func (l *Ledger) take(records []record) {
	now := l.config.Now().Unix()
	for _, r := range records {
		if r.kind != voided && r.until >= now {
			l.index.add(r)
		}
	}
}
