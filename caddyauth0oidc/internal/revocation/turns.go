package revocation

import (
	"context"
	"fmt"
	"sync"
)

// turns does one thing for many: it runs once at a time, and each run is for all who
// asked before it began. Nobody's end of waiting ends a run that others wait for.
type turns struct {
	run func(context.Context) error

	mu            sync.Mutex
	running, next *turn
}

type turn struct {
	ctx     context.Context
	cancel  context.CancelFunc
	waiting int
	done    chan struct{}
	err     error
}

// wait gives the outcome of a run that began after the call, or the end of ctx.
func (t *turns) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("using the storage: %w", err)
	}
	mine := t.join()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		t.leave(mine)
		return fmt.Errorf("waiting for the storage: %w", ctx.Err())
	}
}

func (t *turns) join() *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		t.next = &turn{done: make(chan struct{})}
		t.next.ctx, t.next.cancel = context.WithCancel(context.Background())
	}
	t.next.waiting++
	mine := t.next
	if t.running == nil {
		t.start()
	}
	return mine
}

// start is called with the lock held.
func (t *turns) start() {
	t.running, t.next = t.next, nil
	if t.running != nil {
		go t.take(t.running)
	}
}

func (t *turns) take(mine *turn) {
	mine.err = t.run(mine.ctx)
	mine.cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	close(mine.done)
	t.start()
}

func (t *turns) leave(mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.waiting--; mine.waiting > 0 {
		return
	}
	mine.cancel()
	if t.next == mine {
		t.next = nil
	}
}
