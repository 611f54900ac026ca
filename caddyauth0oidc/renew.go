package caddyauth0oidc

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// renew gives the writer for the answer: the same one, or, when a tenth of the
// idle time has passed, one that writes the session's cookie again. Upgraded
// connections and prefetches do not renew: the first have no answer of their
// own, the second nobody asked for.
func (h *Handler) renew(w http.ResponseWriter, r *http.Request, v *visit, s *session.Session) http.ResponseWriter {
	now := h.now()
	if v.renewed || !s.RenewalDue(now, h.limits) || r.Header.Get("Upgrade") != "" || isPrefetch(r) {
		return w
	}
	s.Renew(now)
	cookies := make(http.Header)
	if err := h.writeSession(cookies, r, v, s); err != nil {
		h.logger.Error("renewing the session", zap.Error(err))
		return w
	}
	v.renewed = true
	return &renewal{
		ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		cookies:               cookies["Set-Cookie"],
	}
}

// writeSession adds the session's cookies to an answer, for the rest of its life
// and within what the server accepts of a request.
func (h *Handler) writeSession(header http.Header, r *http.Request, v *visit, s *session.Session) error {
	limit := http.DefaultMaxHeaderBytes
	if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.MaxHeaderBytes > 0 {
		limit = server.MaxHeaderBytes
	}
	family := h.cookiesOf(h.originOf(r)).Session
	return h.keys.WriteSession(header, family, s, s.Expires(h.limits).Sub(h.now()), v.cookies, limit)
}

// renewal adds a cookie to an answer of the application and keeps that answer
// out of shared caches, whatever the application says: another user would get
// the cookie from there.
type renewal struct {
	*caddyhttp.ResponseWriterWrapper
	cookies []string
	done    bool
}

// WriteHeader adds the cookie to the final answer; 1xx answers precede it.
func (w *renewal) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.addCookies()
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

func (w *renewal) addCookies() {
	if w.done {
		return
	}
	w.done = true
	header := w.Header()
	header["Set-Cookie"] = append(header["Set-Cookie"], w.cookies...)
	for _, name := range []string{"Cdn-Cache-Control", "Surrogate-Control", "Expires", "Pragma"} {
		header.Del(name)
	}
	header.Set("Cache-Control", uncached)
}

func (w *renewal) Write(b []byte) (int, error) {
	w.addCookies()
	return w.ResponseWriterWrapper.Write(b)
}

// ReadFrom keeps the way open for sendfile.
func (w *renewal) ReadFrom(r io.Reader) (int64, error) {
	w.addCookies()
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError sends what was written so far, the header with it.
func (w *renewal) FlushError() error {
	w.addCookies()
	return http.NewResponseController(w.ResponseWriterWrapper).Flush()
}
