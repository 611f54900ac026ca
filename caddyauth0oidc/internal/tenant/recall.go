package tenant

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"sync"
	"time"
)

const (
	maxBackOff = 30 * time.Second
	// maxWait is the longest time without a request: what the tenant asked for at most, and the random part.
	maxWait = maxRetryAfter * 3 / 2
)

// recall keeps the last good answer to one question. Any number of callers make one request, a stale answer is renewed
// behind their backs, and after a failure the tenant is left alone for a while that doubles with each further failure. Where
// nothing is known, what was kept on the shelf serves if the tenant does not answer soon.
type recall[T any] struct {
	// ask gives the body of a good answer, and parse judges it.
	ask     func(context.Context) ([]byte, *UnavailableError)
	parse   func([]byte) (T, error)
	doing   string
	life    *background
	now     func() time.Time
	random  io.Reader // a part of the waits, so that instances do not meet
	timeout time.Duration
	// follow gives the context of a request that from waits for; from is that of life if nobody does.
	follow func(ctx, from context.Context) context.Context
	// shelf is where answers outlive the process; nil for nowhere.
	shelf *shelf
	// fresh is how long an answer is served without asking again.
	fresh time.Duration
	// old is the age from which on callers wait for a new answer, and get the old one only if there is none; 0 means never.
	// While requests fail nobody waits: that would make every caller slow through an outage.
	old time.Duration
	// limit is how long an answer may be served at all; 0 means for ever.
	limit time.Duration

	mu         sync.Mutex
	value      T
	generation int // of value; 0 = none yet
	answered   time.Time
	renewal    time.Duration // the age at which value is stale
	recalled   bool          // value comes from the shelf
	failures   int
	failure    *UnavailableError // the last one
	failed     time.Time         // when that was
	notBefore  time.Time
	running    *flight[T]
	searching  bool // the shelf is being read
	keeping    bool // the shelf is being written
}

// flight is a request under way.
type flight[T any] struct {
	asked  chan struct{} // closed when there is an answer, or none
	usable chan struct{} // closed when those who have nothing need wait no longer: the request is over, or the shelf had an answer
	done   chan struct{} // closed when the request is over

	// The rest is guarded by recall.mu.
	served     bool // usable is closed
	over       bool // done is closed; the fields below are valid then
	value      T
	generation int
	failure    *UnavailableError
}

// serve lets those go on who have nothing. The lock of recall is held.
func (f *flight[T]) serve() {
	if !f.served {
		f.served = true
		close(f.usable)
	}
}

// servable tells whether there is an answer that is not too old. The lock is held.
func (r *recall[T]) servable(now time.Time) bool {
	return r.generation > 0 && (r.limit == 0 || now.Sub(r.answered) < r.limit)
}

// get returns the answer and its generation. It waits for one only when there is none that may be served, or only an old one.
func (r *recall[T]) get(ctx context.Context) (T, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.servable(now) {
		f, err := r.join(ctx, now)
		if err != nil {
			var none T
			return none, 0, err
		}
		return r.outcome(ctx, f, f.usable)
	}
	age := now.Sub(r.answered)
	stale := age < 0 || age >= r.renewal || r.recalled
	if stale && !pending(r.notBefore, now) {
		waits := r.old > 0 && age >= r.old && !r.recalled && now.Sub(r.notBefore) >= r.fresh
		from := r.life.ctx
		if waits {
			from = ctx
		}
		if f := r.start(from, now); waits {
			_ = r.wait(ctx, f.done)
		}
	}
	return r.value, r.generation, nil
}

// renew asks for a better answer than the one of generation seen, unless there already is one. If a request is under way its
// outcome is taken; a new one is made only if mayAsk says so at that moment. Without any, the answer stays what it was.
func (r *recall[T]) renew(ctx context.Context, seen int, mayAsk func() bool) (T, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.generation != seen || (r.running == nil && !pending(r.notBefore, now) && !mayAsk()) {
		return r.value, r.generation, nil
	}
	f, err := r.join(ctx, now)
	if err != nil {
		var none T
		return none, 0, err
	}
	return r.outcome(ctx, f, f.done)
}

// wait ends with the request, or when the caller gives up, which is the error. The lock is held, but not meanwhile.
func (r *recall[T]) wait(ctx context.Context, end <-chan struct{}) error {
	r.mu.Unlock()
	defer r.mu.Lock()
	select {
	case <-end:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join gives the request under way or starts one. During the back-off it fails at once. The lock is held.
func (r *recall[T]) join(from context.Context, now time.Time) (*flight[T], error) {
	if r.running == nil && pending(r.notBefore, now) {
		failure := *r.failure
		failure.RetryAfter = min(max(r.notBefore.Sub(now), minRetryAfter), maxRetryAfter)
		return nil, &failure
	}
	return r.start(from, now), nil
}

// outcome waits for one of the flight's ends and gives its answer, its failure, or, where that will do, what was kept. The lock is held.
func (r *recall[T]) outcome(ctx context.Context, f *flight[T], end <-chan struct{}) (T, int, error) {
	var none T
	if err := r.wait(ctx, end); err != nil {
		return none, 0, &UnavailableError{Doing: r.doing, RetryAfter: minRetryAfter, Err: err}
	}
	switch {
	case f.over && f.failure == nil:
		return f.value, f.generation, nil
	case end == f.usable && r.servable(r.now()):
		return r.value, r.generation, nil
	case f.over:
		return none, 0, f.failure
	}
	return none, 0, &UnavailableError{Doing: r.doing, RetryAfter: minRetryAfter, Err: context.DeadlineExceeded} // what was kept has become too old
}

// start makes the request in a goroutine with a deadline of its own, so that a caller who gives up fails nobody else.
// from is that of the caller who waits for it, or that of life.
func (r *recall[T]) start(from context.Context, now time.Time) *flight[T] {
	if r.running != nil {
		return r.running
	}
	f := &flight[T]{asked: make(chan struct{}), usable: make(chan struct{}), done: make(chan struct{})}
	r.running = f
	var searched chan struct{}
	if r.shelf != nil && !r.searching && !r.servable(now) {
		r.searching, searched = true, make(chan struct{})
		r.life.start(func() { r.search(f, searched) })
	}
	r.life.start(func() { r.fly(from, f, searched) })
	return f
}

func (r *recall[T]) fly(from context.Context, f *flight[T], searched <-chan struct{}) {
	ctx, cancel := context.WithTimeout(r.follow(r.life.ctx, from), r.timeout)
	defer cancel()
	body, value, failure := r.askSafely(ctx)
	close(f.asked)
	if failure != nil && searched != nil {
		select {
		case <-searched:
		case <-time.After(memoryTimeout): // a storage may know no limits
		}
	}
	fetched := r.settle(f, value, failure)
	if failure == nil {
		r.keep(body, fetched)
	}
}

// askSafely turns a panic into a failure: nothing above this goroutine would catch it, and the whole server would stop.
func (r *recall[T]) askSafely(ctx context.Context) (body []byte, value T, failure *UnavailableError) {
	defer func() {
		if recover() != nil {
			failure = &UnavailableError{Doing: r.doing, RetryAfter: minRetryAfter, Err: errPanic}
		}
	}()
	body, failure = r.ask(ctx)
	if failure != nil {
		return nil, value, failure
	}
	value, err := r.parse(body)
	if err != nil {
		return nil, value, &UnavailableError{Doing: r.doing, RetryAfter: minRetryAfter, Status: http.StatusOK, Err: err}
	}
	return body, value, nil
}

// search takes the answer from the shelf, unless the tenant gives one soon.
func (r *recall[T]) search(f *flight[T], searched chan<- struct{}) {
	defer close(searched)
	soon := time.NewTimer(patience)
	defer soon.Stop()
	value, fetched, err := r.readShelf()
	if err == nil {
		select {
		case <-soon.C:
		case <-f.asked:
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.searching = false
	now := r.now()
	if err != nil || r.servable(now) || (r.limit > 0 && now.Sub(fetched) >= r.limit) {
		return
	}
	r.value, r.answered, r.recalled = value, fetched, true
	r.generation++
	f.serve()
}

// readShelf gives what was kept, judged as if it had just come, and when it came, which is never after now.
func (r *recall[T]) readShelf() (value T, fetched time.Time, err error) {
	defer recovered(&err)
	ctx, cancel := context.WithTimeout(r.life.ctx, memoryTimeout)
	defer cancel()
	k, err := r.shelf.load(ctx)
	if err != nil {
		return value, fetched, err
	}
	now := r.now()
	value, err = r.parse(k.Body)
	if err == nil && r.limit > 0 && k.Fetched.Sub(now) > keptAhead {
		err = errKeptToCome
	}
	if err != nil {
		r.shelf.complain(fmt.Errorf("recalling %s: %w", r.shelf.name, err))
	}
	if k.Fetched.After(now) {
		return value, now, err
	}
	return value, k.Fetched, err
}

// keep puts the answer on the shelf, which nobody waits for but the end of the tenant.
func (r *recall[T]) keep(body []byte, fetched time.Time) {
	if r.shelf == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keeping {
		return
	}
	r.keeping = true
	r.life.start(func() {
		r.shelf.keep(context.WithoutCancel(r.life.ctx), kept{Issuer: r.shelf.issuer, Fetched: fetched.UTC(), Body: body})
		r.mu.Lock()
		defer r.mu.Unlock()
		r.keeping = false
	})
}

// pending reports whether a wait has not ended. One that seems longer than any can be is that of a clock which was set back.
func pending(until, now time.Time) bool {
	wait := until.Sub(now)
	return wait > 0 && wait <= maxWait
}

// settle gives the moment from which the answer or the failure counts.
func (r *recall[T]) settle(f *flight[T], value T, failure *UnavailableError) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.running = nil
	if failure == nil {
		r.value, r.answered, r.failures, r.notBefore, r.recalled = value, now, 0, time.Time{}, false
		r.renewal = r.fresh - jitter(r.random, r.fresh/10)
		r.generation++
	} else {
		wait := max(failure.RetryAfter, min(time.Second<<min(r.failures, 5), maxBackOff))
		r.failures++
		wait += jitter(r.random, wait/2)
		failure.RetryAfter = min(wait, maxRetryAfter)
		r.failure, r.failed, r.notBefore = failure, now, now.Add(wait)
	}
	f.value, f.generation, f.failure, f.over = value, r.generation, failure, true
	close(f.done)
	f.serve()
	return now
}

// jitter is a random time below most.
func jitter(random io.Reader, most time.Duration) time.Duration {
	n, err := rand.Int(random, big.NewInt(int64(most)))
	if err != nil {
		return 0
	}
	return time.Duration(n.Int64())
}
