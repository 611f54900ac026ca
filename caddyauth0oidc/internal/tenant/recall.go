package tenant

import (
	"context"
	"sync"
	"time"
)

const maxBackOff = 30 * time.Second

// recall keeps the last good answer to one question. Any number of callers make one request, a stale answer is renewed
// behind their backs, and after a failure the tenant is left alone for a while that doubles with each further failure.
type recall[T any] struct {
	ask     func(context.Context) (T, *UnavailableError)
	doing   string
	now     func() time.Time
	timeout time.Duration
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
	failures   int
	failure    *UnavailableError
	notBefore  time.Time
	running    *flight[T]
}

// flight is a request under way; its fields are valid when done is closed.
type flight[T any] struct {
	done       chan struct{}
	value      T
	generation int
	failure    *UnavailableError
}

// wait ends with the request, or when the caller gives up.
func (f *flight[T]) wait(ctx context.Context) {
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

// get returns the answer and its generation. It waits for one only when there is none that may be served, or only an old one.
func (r *recall[T]) get(ctx context.Context) (T, int, error) {
	r.mu.Lock()
	now := r.now()
	age := now.Sub(r.answered)
	stale := age < 0 || age >= r.fresh
	if r.generation > 0 && (r.limit == 0 || age < r.limit) {
		if stale && !pending(r.notBefore, now) {
			f := r.start()
			if r.old > 0 && age >= r.old && now.Sub(r.notBefore) >= r.fresh {
				r.mu.Unlock()
				f.wait(ctx)
				r.mu.Lock()
			}
		}
		defer r.mu.Unlock()
		return r.value, r.generation, nil
	}
	return r.await(ctx, now)
}

// renew asks for a better answer than the one of generation seen, unless there already is one. If a request is under way its
// outcome is taken; a new one is made only if mayAsk says so at that moment. Without any, the answer stays what it was.
func (r *recall[T]) renew(ctx context.Context, seen int, mayAsk func() bool) (T, int, error) {
	r.mu.Lock()
	if r.generation != seen || (r.running == nil && !mayAsk()) {
		defer r.mu.Unlock()
		return r.value, r.generation, nil
	}
	return r.await(ctx, r.now())
}

// await waits for the request under way or starts one, and unlocks. During the back-off it fails at once.
func (r *recall[T]) await(ctx context.Context, now time.Time) (T, int, error) {
	var none T
	if r.running == nil && pending(r.notBefore, now) {
		failure := *r.failure
		r.mu.Unlock()
		failure.RetryAfter = max(r.notBefore.Sub(now), minRetryAfter)
		return none, 0, &failure
	}
	f := r.start()
	r.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return none, 0, &UnavailableError{Doing: r.doing, RetryAfter: minRetryAfter, Err: ctx.Err()}
	}
	if f.failure != nil {
		return none, 0, f.failure
	}
	return f.value, f.generation, nil
}

// start makes the request in a goroutine with a deadline of its own, so that a caller who gives up fails nobody else.
func (r *recall[T]) start() *flight[T] {
	if r.running != nil {
		return r.running
	}
	f := &flight[T]{done: make(chan struct{})}
	r.running = f
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
		defer cancel()
		value, failure := r.askSafely(ctx)
		r.settle(f, value, failure)
	}()
	return f
}

// askSafely turns a panic into a failure: nothing above this goroutine would catch it, and the whole server would stop.
func (r *recall[T]) askSafely(ctx context.Context) (value T, failure *UnavailableError) {
	defer func() {
		if recover() != nil {
			failure = &UnavailableError{Doing: r.doing, RetryAfter: minRetryAfter, Err: errPanic}
		}
	}()
	return r.ask(ctx)
}

// pending reports whether a wait has not ended. One that seems longer than any can be is that of a clock which was set back.
func pending(until, now time.Time) bool {
	wait := until.Sub(now)
	return wait > 0 && wait <= maxRetryAfter
}

func (r *recall[T]) settle(f *flight[T], value T, failure *UnavailableError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.running = nil
	if failure == nil {
		r.value, r.answered, r.failures, r.notBefore = value, now, 0, time.Time{}
		r.generation++
	} else {
		backOff := min(time.Second<<min(r.failures, 5), maxBackOff)
		r.failures++
		failure.RetryAfter = max(failure.RetryAfter, backOff)
		r.failure, r.notBefore = failure, now.Add(failure.RetryAfter)
	}
	f.value, f.generation, f.failure = value, r.generation, failure
	close(f.done)
}
