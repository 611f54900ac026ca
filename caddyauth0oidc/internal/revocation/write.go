package revocation

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path"
)

// write is one run of all who wait for their marks to be stored.
//
// The order is segments, head, bell: nobody who comes to a value finds less than it tells
// of. If a write fails, the records stay where they are in the log, and what is written
// again has them at the same place. So a write of which nobody knows whether it came
// through is no matter, and neither is a head or a segment that is older than it was:
// those who read know how far they have been.
//
// The bell is the only key that many write, and they overwrite each other's. What it has
// is of no meaning, only that it differs from all before: it has the name of the log and
// a count. Whoever reads the bell, and then the heads, has all heads that were stored
// before. A head stored after that is followed by a bell that was not read; so the next
// to read the bell finds another value, be it of this writer or of one who overwrote it.
func (l *Ledger) write(ctx context.Context) error {
	w, err := l.beginWrite()
	if w == nil || err != nil {
		return err
	}
	for at := w.flushed; at < w.flush; {
		n := at / segmentRecords
		at = min(w.flush, (n+1)*segmentRecords)
		name, value := w.segment(l, n)
		if value == nil { // all of it is past by now
			continue
		}
		if err := l.store(ctx, name, value); err != nil {
			return err
		}
		l.wrote(w, at)
	}
	name, value := w.encodeHead(l)
	if err := l.store(ctx, name, value); err != nil {
		return err
	}
	l.wroteHead(w, value)
	if err := l.store(ctx, bellName, w.bell()); err != nil {
		return err
	}
	l.wroteAll(w)
	return nil
}

// writing is what one write does: the state of the log when it began.
type writing struct {
	log            *log
	changes        uint64
	rewrites       uint64
	rings          uint64
	flushed, flush uint64 // the records in segments, before and after
	first, total   uint64
	until          int64
}

// beginWrite gives nil if there is nothing to write.
func (l *Ledger) beginWrite() (*writing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.own
	if own.changes == own.saved {
		return nil, nil
	}
	if err := own.nameIt(l.config.Random); err != nil {
		return nil, err
	}
	own.rings++
	w := &writing{
		log: own, changes: own.changes, rewrites: own.rewrites, rings: own.rings, first: own.first,
		flushed: own.flushed, flush: own.flushed, total: own.total, until: own.until,
	}
	if own.total-own.flushed > tailRecords {
		w.flush = own.total
	}
	return w, nil
}

func (w *writing) segment(l *Ledger, n uint64) (name string, value []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name = segmentName(w.log.name, n)
	if n < w.log.first {
		return name, nil
	}
	records := w.log.segments[n-w.log.first]
	return name, encodeSegment(name, records[:min(uint64(len(records)), w.flush-n*segmentRecords)])
}

func (w *writing) encodeHead(l *Ledger) (name string, value []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name = headName(w.log.name)
	return name, encodeHead(name, head{
		first: w.first, flushed: w.flush, total: w.total, until: w.until, tail: w.log.tail(w.total),
	})
}

func (w *writing) bell() []byte {
	b := make([]byte, 0, nameSize+8)
	b, _ = hex.AppendDecode(b, []byte(w.log.name)) // a name of ours is hex
	return binary.BigEndian.AppendUint64(b, w.rings)
}

// wrote notes how far the segments go.
func (l *Ledger) wrote(w *writing, flushed uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.log.rewrites == w.rewrites {
		w.log.flushed = max(w.log.flushed, flushed)
	}
}

func (l *Ledger) wroteHead(w *writing, value []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.log.head, w.log.headFirst = value, w.first
}

// wroteAll is what those who wait are told of.
func (l *Ledger) wroteAll(w *writing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.log.saved, w.log.stored = w.changes, w.total
}

func (l *Ledger) store(ctx context.Context, name string, value []byte) error {
	if err := l.config.Store.Store(ctx, path.Join(l.config.Path, name), value); err != nil {
		return fmt.Errorf("storing %s: %w", name, err)
	}
	return nil
}
