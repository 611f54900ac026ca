package caddyauth0oidc

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// answeredByErrorRoutes lets the site's error routes answer, if there are any,
// and tells whether they did. Whatever they leave behind without an answer is
// undone.
func (h *Handler) answeredByErrorRoutes(w http.ResponseWriter, r *http.Request, f refusal) bool {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Errors == nil || len(server.Errors.Routes) == 0 {
		return false
	}
	// Not each of them has seen the request. Those of this site need no matcher,
	// which might look at a Host that was rewritten.
	for _, other := range append(everyDirective(server, r), visitOf(r).site.handlers...) {
		other.clean(r)
	}
	before := w.Header().Clone()
	replacerOf(r).Set(errorPlaceholder, f.code)
	restoreOriginal(r)
	answer := &routeAnswer{
		ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		visit:                 visitOf(r), ours: before["Set-Cookie"], unanswered: f.status,
	}
	unanswered := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(f.status)
		return nil
	})
	failure := server.Errors.WithError(r, caddyhttp.Error(f.status, errors.New(f.code)))
	if err := server.Errors.Routes.Compile(unanswered).ServeHTTP(answer, failure); err != nil {
		h.logger.Error("answering a refusal through the site's error routes", zap.Error(err))
	}
	if answer.sent {
		return true
	}
	clear(w.Header())
	maps.Copy(w.Header(), before)
	return false
}

// restoreOriginal undoes rewrites, as Caddy does before its error routes.
func restoreOriginal(r *http.Request) {
	before := original(r)
	restored := *before.URL
	r.Method, r.URL, r.RequestURI = before.Method, &restored, restored.RequestURI()
}

// routeAnswer is what the site's error routes write to. Where none of them has
// anything to say, Caddy ends them with the bare status; that is held back, so
// that a site with a page for 404 alone still has our page for the rest.
type routeAnswer struct {
	*caddyhttp.ResponseWriterWrapper
	visit      *visit
	ours       []string // Set-Cookie lines of the refusal
	unanswered int      // the status that is held back
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
	a.visit.dropOurCookies(a.Header(), slices.Concat(a.ours, a.visit.renewed()))
	noStore(a.Header())
	a.ResponseWriterWrapper.WriteHeader(status)
}

// release sends the status once there is a body to it: the held one, or the 200
// that a body without a status stands for.
func (a *routeAnswer) release() {
	switch {
	case a.held:
		a.send(a.unanswered)
	case !a.sent:
		a.send(http.StatusOK)
	}
}

func (a *routeAnswer) Write(b []byte) (int, error) {
	if len(b) == 0 && !a.sent {
		return 0, nil
	}
	a.release()
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
