package revocation

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// Store is what is used of a storage that all instances share. Caddy's storages are such.
// Load and Delete give an error that is fs.ErrNotExist for a key that is not there.
type Store interface {
	// Store keeps the value under the key, in place of what was there.
	Store(ctx context.Context, key string, value []byte) error
	// Load gives the value.
	Load(ctx context.Context, key string) ([]byte, error)
	// Delete removes the key and what is below it.
	Delete(ctx context.Context, key string) error
	// List gives the keys below the path.
	List(ctx context.Context, path string, recursive bool) ([]string, error)
}

// Config says where the marks of an issuer and client are.
type Config struct {
	Store Store
	// Path is the folder in the storage.
	Path string
	// Now is the clock.
	Now func() time.Time
	// Random is where the names of this instance's keys come from.
	Random io.Reader
}

// Ledger has the marks of an issuer and client. It is safe for concurrent use.
type Ledger struct {
	config Config
	index  index

	// Whoever uses the storage has one of these turns, and waits for it without a lock.
	writing, reading, sweeping turns
	reader                     reader // of whoever has the turn of reading

	mu      sync.Mutex // never held while the storage is used, nor asked for by Revoked
	own     *log
	tokens  map[key]chan struct{} // closed when it is known whether the token is remembered
	polled  time.Time
	swept   time.Time
	lastErr error
}

// New makes a Ledger that knows nothing before its first Poll.
func New(c Config) *Ledger {
	l := &Ledger{config: c, own: &log{}, tokens: make(map[key]chan struct{}), swept: c.Now()}
	l.reader.logs = make(map[string]*foreign)
	l.writing.run, l.reading.run, l.sweeping.run = l.write, l.read, l.sweep
	return l
}

// Revoked tells whether a session was ended. It asks neither the storage nor a lock that
// a storage is waited for under.
func (l *Ledger) Revoked(id [16]byte, sid, sub string, began time.Time) bool {
	return l.index.ends(bySession, id, began) ||
		sid != "" && (l.index.asked(bySID) && l.index.ends(bySID, keyOf(bySID, sid, ""), began) ||
			l.index.asked(bySIDAndSubject) && l.index.ends(bySIDAndSubject, keyOf(bySIDAndSubject, sid, sub), began)) ||
		l.index.asked(bySubject) && l.index.ends(bySubject, keyOf(bySubject, sub, ""), began)
}

// Revoke adds marks. They hold on this instance at once, whatever the error, which says
// that the storage does not have them, or that ctx ended before it was known; the next
// Poll tries again. Marks that end nothing that was not ended already, with an end in the
// same hour, are not stored again. Many marks in one call are one write, and so are those
// of concurrent calls.
func (l *Ledger) Revoke(ctx context.Context, marks ...Mark) error {
	if !l.add(marks) {
		return nil
	}
	return l.failed(l.writing.wait(ctx))
}

// add tells whether anything waits to be stored: these marks, or maybe the same of before.
func (l *Ledger) add(marks []Mark) bool {
	now := l.config.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin(now)
	var added []record
	for _, m := range marks {
		if r := m.record(); r.until >= now.Unix() && l.index.add(r) {
			added = append(added, r)
		}
	}
	l.own.append(added)
	return l.own.changes != l.own.saved
}

// begin begins another log if all of the last one is past: it may be deleted by others.
func (l *Ledger) begin(now time.Time) {
	if l.own.pastBy(now, clockMargin/2) {
		l.own = &log{}
	}
}

// Poll reads what other instances have written since the last one, and writes what could
// not be written before. With an error, what was known stays known. It costs one reading
// of a few bytes if nothing was written, else some more for each instance and each new
// mark, and nothing for all others; before the first mark of all, a listing. Seldom it also
// deletes what does not count any more.
//
// An error that is ErrDamaged says that all but some logs were read; with every other one
// it may be that nothing was. It is returned until what is damaged is past or written
// again, which its own instance does; of a log that is lost it is returned once.
func (l *Ledger) Poll(ctx context.Context) error {
	err := l.reading.wait(ctx)
	if l.waits() {
		err = firstOf(err, l.writing.wait(ctx))
	}
	if l.sweepIsDue() {
		err = firstOf(err, l.sweeping.wait(ctx))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastErr = err
	return err
}

func (l *Ledger) waits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.own.changes != l.own.saved
}

// firstOf keeps the errors of a storage that is down from being many of the same.
func firstOf(err, next error) error {
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	return errors.Join(err, next)
}

// failed keeps an error for Status, until a Poll succeeds.
func (l *Ledger) failed(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.lastErr = err
	}
	return err
}

// Status is for those who watch.
type Status struct {
	Marks   int       // how many are known, seen logout tokens included
	Waiting int       // how many the storage does not have, or may not have
	Polled  time.Time // when all was last read without an error; zero for never
	Err     error     // of the last Poll, or of what failed since
}

// Status asks only the memory.
func (l *Ledger) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Status{
		Marks: l.index.size(), Waiting: int(l.own.total - l.own.stored), Polled: l.polled, Err: l.lastErr, // #nosec G115 -- marks that wait are in memory
	}
}
