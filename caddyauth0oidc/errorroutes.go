package caddyauth0oidc

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// routeAnswer is what the site's error routes write to. Where none of them has
// anything to say, Caddy ends them with the bare status; that is held back, so
// that a site with a page for 404 alone still has our page for the rest.
type routeAnswer struct {
	*caddyhttp.ResponseWriterWrapper
	unanswered int // the status that is held back
	held       bool
	sent       bool
}

// WriteHeader sends every status but the one that stands for no answer.
func (a *routeAnswer) WriteHeader(status int) {
	if status == a.unanswered && !a.sent {
		a.held = true
		return
	}
	a.send(status)
}

func (a *routeAnswer) send(status int) {
	a.held, a.sent = false, a.sent || status >= http.StatusOK
	a.ResponseWriterWrapper.WriteHeader(status)
}

// release sends the held status once there is a body to it.
func (a *routeAnswer) release() {
	if a.held {
		a.send(a.unanswered)
	}
}

func (a *routeAnswer) Write(b []byte) (int, error) {
	if len(b) > 0 {
		a.release()
	}
	return a.ResponseWriterWrapper.Write(b)
}

// ReadFrom keeps the way open for sendfile.
func (a *routeAnswer) ReadFrom(r io.Reader) (int64, error) {
	a.release()
	return a.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError sends what was written so far, the header with it.
func (a *routeAnswer) FlushError() error {
	a.release()
	return http.NewResponseController(a.ResponseWriterWrapper).Flush()
}
