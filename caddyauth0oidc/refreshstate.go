package caddyauth0oidc

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const (
	// refreshedPath is the folder of refreshed sessions in Caddy's storage.
	refreshedPath = "auth0_oidc/refreshed/"

	// refreshTimeout bounds all that one refresh does, refreshPatience what a request
	// waits for it while its access token is still good, and aside for what has to be
	// done beside it, whatever time is left.
	refreshTimeout  = 30 * time.Second
	refreshPatience = 5 * time.Second
	asideTimeout    = 2 * time.Second

	// resultTimeout is for keeping what a refresh has got, which nobody gets again.
	resultTimeout = 15 * time.Second

	// maxRefreshes are done at a time for an issuer and client, and no more than
	// maxWaiting wait for their turn: after an outage, many sessions are due.
	maxRefreshes = 16
	maxWaiting   = 256
	turnPatience = 5 * time.Second

	// complaintEvery bounds what the log says of sessions that cannot be refreshed: in an
	// outage that is all of them.
	complaintEvery = 10 * time.Second

	// maxRecent bounds one generation of what is remembered, about 10 kB an entry.
	maxRecent = 1000
)

// refreshers are by storage, issuer and client, across reloads.
var refreshers = caddy.NewUsagePool()

// refresher knows the refreshes of an issuer and client on this instance.
type refresher struct {
	key, folder string
	storage     storage
	longest     atomic.Int64  // of the absolute limits, in nanoseconds
	turns       chan struct{} // of refreshes
	waiting     atomic.Int32
	swept       atomic.Int64 // counts the states that were looked at
	complained  atomic.Int64 // when the log was last told of a failure, in Unix nanoseconds
	cancel      context.CancelFunc

	mu               sync.RWMutex
	flights          map[[16]byte]*flight
	recent, previous map[[16]byte]refreshState
}

// refreshState is what is known of a session's refresh.
type refreshState struct {
	state    *session.Refreshed // the newest, or nil
	retry    time.Time          // not tried before
	failures int                // in a row
	lost     bool               // the refresh token must not be used any more
	over     bool               // the session has ended
}

// flight is a refresh that is under way.
type flight struct {
	done   chan struct{}
	slow   context.Context // over after refreshPatience
	result refreshState
}

func (h *Handler) acquireRefresher() (*refresher, error) {
	folder := h.folderIn(refreshedPath)
	key := h.storage.name + " " + folder
	value, _, err := refreshers.LoadOrNew(key, func() (caddy.Destructor, error) {
		f := &refresher{
			key: key, folder: folder, storage: h.storage, turns: make(chan struct{}, maxRefreshes),
			flights: make(map[[16]byte]*flight), recent: make(map[[16]byte]refreshState),
		}
		var background context.Context
		background, f.cancel = context.WithCancel(context.Background())
		go f.sweepSeldom(background, h.random)
		return f, nil
	})
	if err != nil {
		return nil, err
	}
	f := value.(*refresher)
	for longest := f.longest.Load(); longest < int64(h.limits.Absolute); longest = f.longest.Load() {
		f.longest.CompareAndSwap(longest, int64(h.limits.Absolute))
	}
	return f, nil
}

// prepareRefresh takes what refreshes need, if the directive makes any.
func (h *Handler) prepareRefresh() (err error) {
	if h.Refresh == nil {
		return nil
	}
	h.leading = new(work)
	h.refresher, err = h.acquireRefresher()
	return err
}

// cleanupPatience is how long the end of a configuration waits for its refreshes.
const cleanupPatience = time.Second

// refreshes tells whether the handler leads refreshes that take long. Their results would be
// lost if what they use was given back, or if Caddy ended, which waits for them therefore.
func (h *Handler) refreshes() bool {
	if h.refresher == nil {
		return false
	}
	done := make(chan struct{})
	go func() {
		h.leading.wait()
		close(done)
	}()
	if caddy.Exiting() {
		<-done
		return false
	}
	select {
	case <-done:
		return false
	case <-time.After(cleanupPatience):
		return true
	}
}

// releaseLater gives back what is shared when the last refresh is done.
func (h *Handler) releaseLater() {
	h.leading.wait()
	if err := h.release(); err != nil { // the configuration's own log is closed
		caddy.Log().Error("giving back what an earlier configuration had", zap.Error(err))
	}
}

func (h *Handler) releaseRefresher() error {
	if h.refresher == nil {
		return nil
	}
	_, err := refreshers.Delete(h.refresher.key)
	return err
}

// Destruct is called when the last handler is gone.
func (f *refresher) Destruct() error {
	f.cancel()
	return nil
}

// find gives what is known of a session.
func (f *refresher) find(id [16]byte) refreshState {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.known(id)
}

func (f *refresher) known(id [16]byte) refreshState {
	if found, ok := f.recent[id]; ok {
		return found
	}
	return f.previous[id]
}

// remember keeps the newest state, and what the last attempt came to.
func (f *refresher) remember(id [16]byte, got refreshState) refreshState {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.known(id)
	if got.state == nil {
		got.state = before.state
	}
	got.over = got.over || before.over // a session that was ended during its refresh stays so
	if len(f.recent) >= maxRecent {
		f.previous, f.recent = f.recent, make(map[[16]byte]refreshState)
	}
	f.recent[id] = got
	return got
}

// complains tells whether a failure is one for the log, which gets one at a time.
func (f *refresher) complains(now time.Time) bool {
	last := f.complained.Load()
	return now.Sub(time.Unix(0, last)) >= complaintEvery && f.complained.CompareAndSwap(last, now.UnixNano())
}

// join gives what the refresh of the session that is under way comes to; without one it
// begins one, which goes on whether anybody waits for it or not.
func (f *refresher) join(id [16]byte, leading *work, refresh func(context.Context) refreshState) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if under := f.flights[id]; under != nil {
		return under
	}
	slow, over := context.WithTimeout(context.Background(), refreshPatience)
	under := &flight{done: make(chan struct{}), slow: slow}
	f.flights[id] = under
	leading.start(func() {
		ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
		defer cancel()
		defer over()
		under.result = f.remember(id, refresh(ctx))
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.flights, id)
		close(under.done)
	})
	return under
}

// wait gives the flight's result. While the access token is still good, no request waits for
// a flight that takes long.
func (u *flight) wait(ctx context.Context, impatient bool) (refreshState, bool) {
	var slow <-chan struct{}
	if impatient {
		slow = u.slow.Done()
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	select {
	case <-u.done:
		return u.result, true
	case <-slow:
	case <-ctx.Done():
	}
	return refreshState{}, false
}

// turn waits for one of the few refreshes that may be done at a time.
func (f *refresher) turn(ctx context.Context) (done func(), ok bool) {
	if f.waiting.Add(1) > maxWaiting {
		f.waiting.Add(-1)
		return nil, false
	}
	defer f.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	select {
	case f.turns <- struct{}{}:
		return func() { <-f.turns }, true
	case <-ctx.Done():
		return nil, false
	}
}

func (f *refresher) file(id [16]byte) string { return f.folder + "/" + hex.EncodeToString(id[:]) }

// lock keeps other instances from refreshing the session.
func (f *refresher) lock(ctx context.Context, id [16]byte) (unlock func(), err error) {
	name := f.file(id)
	if err := f.storage.Lock(ctx, name); err != nil {
		return nil, fmt.Errorf("locking Caddy's storage for a refresh: %w", err)
	}
	return func() {
		ctx, cancel := aside(ctx)
		defer cancel()
		_ = f.storage.Unlock(ctx, name) // a lock that nobody keeps fresh expires by itself
	}, nil
}

// aside is for what has to be done whatever time is left.
func aside(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), asideTimeout)
}

// errUnreadable says that the storage has a state that cannot be opened.
var errUnreadable = errors.New("the refreshed session in Caddy's storage cannot be opened")

// load gives the session's state in the storage, or nil.
func (f *refresher) load(ctx context.Context, ring *session.Keyring, id [16]byte) (*session.Refreshed, error) {
	content, err := f.storage.Load(ctx, f.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a refreshed session in Caddy's storage: %w", err)
	}
	state, ok := ring.OpenRefreshed(string(content))
	if !ok || state.Session.ID != id {
		return nil, errUnreadable
	}
	return state, nil
}

// store replaces the session's state in the storage.
func (f *refresher) store(ctx context.Context, ring *session.Keyring, state *session.Refreshed) error {
	sealed, err := ring.SealRefreshed(state)
	if err != nil {
		return err
	}
	if err := f.storage.Store(ctx, f.file(state.Session.ID), []byte(sealed)); err != nil {
		return fmt.Errorf("keeping a refreshed session in Caddy's storage: %w", err)
	}
	return nil
}

// remove deletes the session's state.
func (f *refresher) remove(ctx context.Context, id [16]byte) error {
	if err := f.storage.Delete(ctx, f.file(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a refreshed session from Caddy's storage: %w", err)
	}
	return nil
}

var (
	sweepFirst = interval{0, 2 * time.Hour}
	sweepEvery = interval{6 * time.Hour, 2 * time.Hour}
)

const (
	maxSwept     = 10_000 // at a time
	sweepTimeout = 30 * time.Minute
)

// sweepSeldom removes what sessions have left that nobody ended.
func (f *refresher) sweepSeldom(ctx context.Context, random io.Reader) {
	timer := time.NewTimer(sweepFirst.pause(random))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			bounded, cancel := context.WithTimeout(ctx, sweepTimeout)
			_ = f.sweep(bounded, time.Now()) // the next one tries again
			cancel()
			timer.Reset(sweepEvery.pause(random))
		}
	}
}

// nextSwept goes on where the last sweep ended: the first ones may all be in use.
func (f *refresher) nextSwept(names []string) []string {
	if len(names) <= maxSwept {
		return names
	}
	from := int(f.swept.Add(maxSwept)-maxSwept) % len(names)
	return slices.Concat(names[from:], names[:from])[:maxSwept]
}

// sweep removes states that were written so long ago that their sessions are over.
func (f *refresher) sweep(ctx context.Context, now time.Time) error {
	names, err := f.storage.List(ctx, f.folder, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing the refreshed sessions in Caddy's storage: %w", err)
	}
	oldest := now.Add(-time.Duration(f.longest.Load()) - revocationMargin)
	for _, name := range f.nextSwept(names) {
		info, err := f.storage.Stat(ctx, name)
		if err != nil || !info.IsTerminal || !info.Modified.Before(oldest) {
			continue
		}
		if err := f.storage.Delete(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a refreshed session from Caddy's storage: %w", err)
		}
	}
	return nil
}
