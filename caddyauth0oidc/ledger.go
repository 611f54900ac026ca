package caddyauth0oidc

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
)

const (
	// loadPatience is how long the loading of a configuration waits for the marks.
	loadPatience = 3 * time.Second
	// pollPatience ends a reading that the storage does not answer.
	pollPatience = 10 * time.Second
	// endPatience is how long whoever ends a session waits for the storage. Auth0 waits 5
	// seconds for the answer to a logout token, for which there are two such waits.
	endPatience = 2 * time.Second
	// defaultPatience is after how long without a good reading a ledger without max_stale
	// is called stale, if two readings are not further apart.
	defaultPatience = time.Minute
	// revocationMargin is how much longer than a session a mark is kept: the clock of the
	// instance that reads it may be behind.
	revocationMargin = 2 * time.Hour
	// longestToken is the longest life that Auth0 lets an access token for an API have.
	longestToken = 30 * 24 * time.Hour
)

// revocationPath is the folder of the marks in Caddy's storage.
const revocationPath = "auth0_oidc/revoked/"

// ledgers are by storage, issuer and client, so that all handlers of the process that
// share sessions share the marks that end them, across reloads.
var ledgers = caddy.NewUsagePool()

// markBook is what a revocation.Ledger does.
type markBook interface {
	Revoked(id [16]byte, sid, sub string, began time.Time) bool
	Revoke(ctx context.Context, marks ...revocation.Mark) error
	Once(ctx context.Context, tokenID string, until time.Time) (first bool, err error)
	Poll(ctx context.Context) error
	Status() revocation.Status
}

// ledger reads the marks for the handlers that use it, and says how that goes.
type ledger struct {
	markBook
	key, issuer, clientID string

	random io.Reader
	timer  *time.Timer // of the next reading
	cancel context.CancelFunc
	read   atomic.Int64 // when the last good reading began, in Unix nanoseconds; 0 before there is one
	ended  [causes]atomic.Int64
	failed atomic.Int64 // readings and writings

	mu      sync.Mutex // not held while the storage is used
	now     func() time.Time
	members []*Handler // the newest last
	tried   time.Time  // when the last reading ended, well or not
	failing bool
}

// acquireLedger gives the handler's ledger, which has been read, or at least been tried to:
// that the storage fails does not keep a configuration from being loaded.
func (h *Handler) acquireLedger(ctx caddy.Context) (*ledger, error) {
	folder := h.folderIn(revocationPath)
	key := h.storage.name + " " + folder
	value, _, err := ledgers.LoadOrNew(key, func() (caddy.Destructor, error) {
		l := &ledger{
			key: key, issuer: h.issuer(), clientID: h.ClientID, random: h.random, now: h.now,
			timer: time.NewTimer(defaultPoll),
		}
		l.markBook = revocation.New(revocation.Config{Store: h.storage, Path: folder, Random: h.random, Now: l.time})
		var watching context.Context
		watching, l.cancel = context.WithCancel(context.Background())
		go l.watch(watching)
		return l, nil
	})
	if err != nil {
		return nil, err
	}
	l := value.(*ledger)
	l.join(ctx, h)
	return l, nil
}

func (l *ledger) join(ctx context.Context, h *Handler) {
	l.mu.Lock()
	l.members = append(l.members, h)
	due := l.tried.IsZero() || l.now().Sub(l.tried) >= l.interval()
	l.mu.Unlock()
	if due {
		l.poll(ctx, loadPatience)
	}
	l.timer.Reset(l.pause())
}

// leave gives the handler's place free. The last one ends the ledger.
func (l *ledger) leave(h *Handler) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	l.members = slices.DeleteFunc(l.members, func(other *Handler) bool { return other == h })
	l.mu.Unlock()
	_, err := ledgers.Delete(l.key)
	return err
}

// Destruct is called when the last handler is gone.
func (l *ledger) Destruct() error {
	l.cancel()
	return nil
}

func (l *ledger) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.timer.C:
			l.poll(ctx, pollPatience)
			l.timer.Reset(l.pause())
		}
	}
}

// interval is the shortest that a member wants; whoever calls it has the lock.
func (l *ledger) interval() time.Duration {
	shortest := time.Duration(0)
	for _, m := range l.members {
		if poll := time.Duration(m.Revocation.Poll); shortest == 0 || poll < shortest {
			shortest = poll
		}
	}
	if shortest == 0 {
		return defaultPoll
	}
	return shortest
}

// pause is never longer than the interval; up to a fifth less keeps instances apart.
func (l *ledger) pause() time.Duration {
	l.mu.Lock()
	poll := l.interval()
	l.mu.Unlock()
	return interval{poll - poll/5, poll / 5}.pause(l.random)
}

// poll reads the marks of others, and writes those that wait.
func (l *ledger) poll(ctx context.Context, patience time.Duration) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began, err := l.time(), l.Poll(bounded)
	if ctx.Err() != nil { // nobody wants to know any more
		return
	}
	read := l.Status().Polled                                // what waits may fail to be written although all was read
	if err == nil || errors.Is(err, revocation.ErrDamaged) { // one log cannot be read, and may never be again; all others were
		read = began
	}
	if !read.IsZero() {
		l.read.Store(max(l.read.Load(), read.UnixNano()))
	}
	l.mu.Lock()
	l.tried = l.now()
	l.mu.Unlock()
	l.report(err, err != nil)
}

// Revoke adds marks as revocation.Ledger does, and says so when the storage begins to fail.
func (l *ledger) Revoke(ctx context.Context, marks ...revocation.Mark) error {
	err := l.markBook.Revoke(ctx, marks...)
	if err != nil {
		l.report(err, true)
	}
	return err
}

// end adds marks for a reason, and waits for the storage no longer than a user does. They
// hold on this instance, whatever the error.
func (l *ledger) end(ctx context.Context, why cause, marks ...revocation.Mark) error {
	l.ended[why].Add(1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	return l.Revoke(ctx, marks...)
}

// Once remembers a logout token as revocation.Ledger does, and waits as end does.
func (l *ledger) Once(ctx context.Context, tokenID string, until time.Time) (first bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	if first, err = l.markBook.Once(ctx, tokenID, until); err != nil {
		l.report(err, true)
	}
	return first, err
}

// report says in the log when the storage begins to fail, and when it works again.
func (l *ledger) report(err error, failing bool) {
	if err != nil {
		l.failed.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case failing && !l.failing:
		l.logger().Error("reading or writing which sessions were ended; what is known here holds, and it is tried again", zap.Error(err))
	case !failing && l.failing:
		l.logger().Info("which sessions were ended is read and written again")
	}
	l.failing = failing
}

// logger is the newest member's: a configuration that has ended closes its log.
func (l *ledger) logger() *zap.Logger {
	if len(l.members) == 0 {
		return zap.NewNop()
	}
	return l.members[len(l.members)-1].logger
}

func (l *ledger) time() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now()
}

// lastRead is the zero time before there was a good reading.
func (l *ledger) lastRead() time.Time {
	nanoseconds := l.read.Load()
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// until is when nothing of today that a mark is about can be alive any more: no session of
// any member, and, for marks of users, no access token that a member accepts.
func (l *ledger) until(ofUser bool) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	longest := time.Duration(0)
	for _, m := range l.members {
		longest = max(longest, m.limits.Absolute)
		if ofUser && m.Bearer != nil {
			longest = max(longest, longestToken)
		}
	}
	return l.now().Add(longest + revocationMargin)
}

// serving gives the oldest member whose configuration has not ended, or nil without
// members. During a reload nobody has subscribed to the events of the newest one yet.
func (l *ledger) serving() (found *Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, found = range l.members {
		if found.announcer.ctx.Err() == nil {
			break
		}
	}
	return found
}

// users is how many handlers have the ledger.
func (l *ledger) users() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.members)
}

// patience is the shortest max_stale of the members.
func (l *ledger) patience() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	shortest := time.Duration(0)
	for _, m := range l.members {
		if stale := time.Duration(m.Revocation.MaxStale); stale > 0 && (shortest == 0 || stale < shortest) {
			shortest = stale
		}
	}
	if shortest == 0 {
		return max(defaultPatience, 2*l.interval())
	}
	return shortest
}

// allLedgers gives the ledgers of the process, by issuer and client.
func allLedgers() []*ledger {
	var found []*ledger
	ledgers.Range(func(_, value any) bool {
		found = append(found, value.(*ledger))
		return true
	})
	slices.SortFunc(found, func(a, b *ledger) int {
		return strings.Compare(a.issuer+"\x00"+a.clientID+"\x00"+a.key, b.issuer+"\x00"+b.clientID+"\x00"+b.key)
	})
	return found
}
