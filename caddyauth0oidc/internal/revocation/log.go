package revocation

import (
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"time"
)

const (
	logsFolder  = "logs"
	headsFolder = "heads"
	bellName    = "bell"
)

// clockMargin is how long after its last mark a log of an instance that is gone may be
// deleted, by another's clock. Well before that its own instance begins another log, so
// that nobody deletes what is written to.
const clockMargin = time.Hour

// nameSize is of the random names of logs.
const nameSize = 16

func isLogName(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == nameSize && hex.EncodeToString(b) == name
}

// Names are below Config.Path, and also what is in the checksum of a value.
func headName(log string) string { return path.Join(headsFolder, log) }

func segmentName(log string, n uint64) string {
	return path.Join(logsFolder, log, fmt.Sprintf("%010d", n))
}

// log is what this instance writes, with all records that still count, so that it can be
// written again when the storage has lost it. The lock of its Ledger is held by all.
type log struct {
	name     string // empty before it is first written
	first    uint64 // the number of segments[0]
	total    uint64
	segments [][]record
	until    int64

	flushed  uint64 // how many records the segments in the storage have
	changes  uint64 // counts what happened to the records
	saved    uint64 // how much of that is in the storage
	rewrites uint64 // counts what happened to records that segments had already
	rings    uint64 // counts the writes of the bell

	head      []byte // in the storage, as far as we know
	headFirst uint64 // what it says of the first segment
	stored    uint64 // how many records it tells of
	condemned uint64 // segments before it are deleted by the next sweep
	deleted   uint64 // segments before it were deleted
	checked   uint64 // counts the segments that were looked at for loss
}

func (l *log) append(records []record) {
	for _, r := range records {
		if l.total%segmentRecords == 0 {
			l.segments = append(l.segments, make([]record, 0, min(len(records), segmentRecords)))
		}
		last := &l.segments[len(l.segments)-1]
		*last = append(*last, r)
		l.total++
		l.until = max(l.until, r.until)
		l.changes++
	}
}

func (l *log) at(n uint64) *record {
	return &l.segments[n/segmentRecords-l.first][n%segmentRecords]
}

// void takes a record back.
func (l *log) void(n uint64) {
	if n/segmentRecords < l.first {
		return
	}
	l.at(n).kind = voided
	l.changes++
	l.flushed = min(l.flushed, n)
	l.rewrites++
}

// writeAgain has everything written anew.
func (l *log) writeAgain() {
	l.flushed = l.first * segmentRecords
	l.stored = l.flushed
	l.changes++
	l.rewrites++
}

func (l *log) nameIt(random io.Reader) error {
	if l.name != "" {
		return nil
	}
	var b [nameSize]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return fmt.Errorf("naming a log of revocations: %w", err)
	}
	l.name = hex.EncodeToString(b[:])
	return nil
}

// tail gives the latest of the records before the one with the number n.
func (l *log) tail(n uint64) []record {
	from := max(l.first*segmentRecords, n-min(n, tailRecords))
	records := make([]record, 0, tailRecords)
	for ; from < n; from++ {
		records = append(records, *l.at(from))
	}
	return records
}

// pastBy tells whether nothing of the log counts, since so long.
func (l *log) pastBy(now time.Time, margin time.Duration) bool {
	return l.until != 0 && l.until < now.Add(-margin).Unix()
}

// expire forgets the full segments at the begin whose marks are past.
func (l *log) expire(now int64) {
	for len(l.segments) > 0 && l.flushed >= (l.first+1)*segmentRecords {
		for _, r := range l.segments[0] {
			if r.until >= now && r.kind != voided {
				return
			}
		}
		l.segments = l.segments[1:]
		l.first++
		l.changes++
	}
}
