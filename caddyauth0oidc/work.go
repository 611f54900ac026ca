package caddyauth0oidc

import "sync"

// work counts what goes on in goroutines of its own. Unlike with a sync.WaitGroup, more may
// begin while somebody waits for the end: requests go on when their configuration ends.
type work struct {
	mu    sync.Mutex
	going int
	idle  chan struct{} // closed when nothing goes on; nil while nobody waits
}

func (w *work) start(do func()) {
	w.mu.Lock()
	w.going++
	w.mu.Unlock()
	go func() {
		defer w.done()
		do()
	}()
}

func (w *work) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.going--; w.going == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// wait waits until nothing goes on.
func (w *work) wait() {
	w.mu.Lock()
	if w.going == 0 {
		w.mu.Unlock()
		return
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	<-idle
}
