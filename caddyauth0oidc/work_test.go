package caddyauth0oidc

import (
	"sync"
	"sync/atomic"
	"testing"
)

// CONC-22: requests that are served while their configuration ends begin work that others
// wait for at that very moment.
func TestCONC_22_WorkMayBeginWhileItsEndIsAwaited(t *testing.T) {
	t.Parallel()
	var w work
	var done atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2000 {
				w.start(func() { done.Add(1) })
				w.wait()
			}
		})
	}
	all.Wait()
	if w.wait(); done.Load() != 8000 {
		t.Errorf("%d of 8000 were done", done.Load())
	}
}
