package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// watchers are by storage and file, so that all handlers of the process that use a
// file change their secrets together. A reload keeps the watcher if it keeps the
// storage.
var watchers = caddy.NewUsagePool()

// interval is the time between two readings. A random part is added, so that
// instances do not meet.
type interval struct{ least, jitter time.Duration }

var (
	checkLoaded = interval{0, time.Minute} // after a configuration was loaded
	checkOften  = interval{time.Minute, 10 * time.Second}
	checkSeldom = interval{time.Hour, 10 * time.Minute} // when all is well
)

// member makes of the secrets what its handler uses. The watcher guards it.
type member interface {
	follow(known []storedSecret, now time.Time) error
	lifetime() time.Duration // of what is made with a secret
	log() *zap.Logger
}

// watcher reads the secrets of a file for all handlers that use it.
type watcher struct {
	store  secretStore
	timer  *time.Timer // of the next check
	cancel context.CancelFunc

	mu      sync.Mutex // not held while the storage is used
	now     func() time.Time
	known   []storedSecret
	loaded  <-chan struct{} // Done of the configuration that read them last
	members []member        // the newest last
}

func acquireWatcher(store secretStore, now func() time.Time) (*watcher, error) {
	value, _, err := watchers.LoadOrNew(store.file(), func() (caddy.Destructor, error) {
		w := &watcher{store: store, now: now}
		w.timer = time.NewTimer(checkSeldom.least)
		var ctx context.Context
		ctx, w.cancel = context.WithCancel(context.Background())
		go w.watch(ctx)
		return w, nil
	})
	if err != nil {
		return nil, err
	}
	return value.(*watcher), nil
}

// join gives the member the secrets and keeps it in step until it leaves. The first
// member of a configuration reads the storage; it fails if no secret is known
// afterwards.
func (w *watcher) join(ctx context.Context, m member) error {
	w.mu.Lock()
	w.members = append(w.members, m)
	isRead := w.known != nil && w.loaded == ctx.Done()
	w.mu.Unlock()
	if !isRead {
		if err := w.load(ctx); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return m.follow(w.known, w.now())
}

// leave is called once for each acquireWatcher. The last one ends the watcher.
func (w *watcher) leave(m member) error {
	w.mu.Lock()
	w.members = slices.DeleteFunc(w.members, func(other member) bool { return other == m })
	w.mu.Unlock()
	_, err := watchers.Delete(w.store.file())
	return err
}

// Destruct is called when the last handler is gone.
func (w *watcher) Destruct() error {
	w.cancel()
	return nil
}

func (w *watcher) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.timer.C:
			next := checkOften
			if w.check(ctx) {
				next = checkSeldom
			}
			w.timer.Reset(next.pause(w.store.random))
		}
	}
}

func (i interval) pause(random io.Reader) time.Duration {
	jitter, err := rand.Int(random, big.NewInt(int64(i.jitter)))
	if err != nil {
		return i.least + i.jitter
	}
	return i.least + time.Duration(jitter.Int64())
}

// load reads the secrets for a configuration. It alone takes a missing file for
// one that the operator deleted, and leaves a secret that is due to a check, so
// that the configuration does not wait for a lock.
func (w *watcher) load(ctx context.Context) error {
	found, err := w.store.load(ctx, w.time())
	w.mu.Lock()
	defer w.mu.Unlock()
	if found == nil && w.known == nil {
		return err
	}
	w.report(ctx, errors.Join(err, w.adopt(found)))
	w.loaded = ctx.Done()
	w.timer.Reset(checkLoaded.pause(w.store.random))
	return nil
}

// check reads the secrets, adds one if it is time, and says in the log what
// failed. It tells whether all is well.
func (w *watcher) check(ctx context.Context) bool {
	w.mu.Lock()
	loaded := w.loaded
	w.mu.Unlock()
	found, err := w.store.rotate(ctx, w.time())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loaded != loaded { // a configuration may have read what is newer
		return false
	}
	err = errors.Join(err, w.adopt(found))
	w.report(ctx, err)
	return err == nil
}

func (w *watcher) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

// adopt gives the members what was found. If nothing was, what is known is
// kept, of which another secret may be in use by now.
func (w *watcher) adopt(found []storedSecret) error {
	now := w.now()
	if found != nil {
		w.compare(found, now)
		w.known = found
	}
	if w.known == nil {
		return nil
	}
	var errs []error
	for _, m := range w.members {
		errs = append(errs, m.follow(w.known, now))
	}
	return errors.Join(errs...)
}

// logger is the newest member's: a configuration that has ended closes its log.
func (w *watcher) logger() *zap.Logger {
	if len(w.members) == 0 {
		return zap.NewNop()
	}
	return w.members[len(w.members)-1].log()
}

func (w *watcher) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		w.logger().Error("checking the stored secrets; those that are known stay in use", zap.String("file", w.store.path), zap.Error(err))
	}
}

// compare says in the log what others did to the secrets.
func (w *watcher) compare(found []storedSecret, now time.Time) {
	if w.known == nil {
		return
	}
	newest := found[len(found)-1]
	if !slices.ContainsFunc(w.known, func(s storedSecret) bool { return slices.Contains(found, s) }) {
		w.logger().Warn(w.store.replaced, zap.Time("created", newest.Created))
		return
	}
	if n := w.missing(found, now); n > 0 {
		w.logger().Warn(w.store.lost, zap.Int("gone", n))
	}
	if !slices.Contains(w.known, newest) {
		w.logger().Info("there is a new stored secret", zap.Time("created", newest.Created), zap.Time("used_from", newest.seals()), zap.String("file", w.store.path))
	}
}

// missing counts the known secrets that are still of use to some member and were not found.
func (w *watcher) missing(found []storedSecret, now time.Time) (n int) {
	longest := time.Duration(0)
	for _, m := range w.members {
		longest = max(longest, m.lifetime())
	}
	for _, secret := range openers(w.known, now, longest) {
		if !slices.ContainsFunc(found, func(s storedSecret) bool { return s.Secret == secret }) {
			n++
		}
	}
	return n
}
