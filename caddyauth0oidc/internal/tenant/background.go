package tenant

import (
	"context"
	"sync"
	"time"
)

// background is what goes on behind the callers' backs, and ends with the tenant.
type background struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	working int
	idle    chan struct{} // closed when nothing is left to wait for; nil while nobody waits
}

func newBackground() *background {
	b := &background{}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

func (b *background) start(work func()) {
	b.mu.Lock()
	b.working++
	b.mu.Unlock()
	go func() {
		defer b.done()
		work()
	}()
}

func (b *background) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.working--; b.working == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// end cancels what is asked for and waits for all that is under way, but not for a storage that knows no limits.
func (b *background) end() {
	b.cancel()
	b.mu.Lock()
	if b.working > 0 && b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-time.After(memoryTimeout):
	}
}
