package caddyauth0oidc

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// streamCheck is how often it is looked whether those who have streams open may still
// have them.
const streamCheck = 2 * time.Second

// errStreamOver is what the handlers behind us get for a write to a stream that was cut.
var errStreamOver = errors.New("writing to a stream whose session is over")

// opensStream tells whether the answer to a request will be a connection of its own, or
// events for as long as the page is open: one that goes on after the session has ended,
// if nobody cuts it. Ordinary answers end by themselves.
// See RFC 9110 section 7.8, RFC 8441, and https://html.spec.whatwg.org/multipage/server-sent-events.html.
func opensStream(r *http.Request) bool {
	if len(r.Header["Upgrade"]) > 0 || r.Method == http.MethodConnect {
		return true
	}
	for _, line := range r.Header["Accept"] {
		if strings.Contains(line, "event-stream") {
			return true
		}
	}
	return false
}

// ofSession gives the moment up to which streams of a session last, and what ends them
// before. The idle limit is none of it: whoever has a stream open makes no requests that
// would renew the session, and is there all the same.
func (h *Handler) ofSession(s session.Session) (ends time.Time, revoked func() bool) {
	limits := h.limits
	limits.Idle = limits.Absolute + revocationMargin
	return s.Expires(limits), h.judged(func(by *Handler) bool { return by.revoked(&s) })
}

// ofToken gives the same for streams of an API client.
func (h *Handler) ofToken(t *verifiedToken) (ends time.Time, revoked func() bool) {
	return h.ends(t.AccessToken), h.judged(func(by *Handler) bool { return by.endedToken(t) })
}

// judged asks by a handler that learns of what was ended, as one of a configuration that
// is gone does not. Where there is none nobody could end the stream any more: it ends.
func (h *Handler) judged(ended func(by *Handler) bool) func() bool {
	return func() bool {
		by := h.shared.judge(h)
		return by == nil || ended(by)
	}
}

// serveStream lets the handlers behind us answer until the moment given, or until the
// session is revoked. Then the request's context ends, with which reverse_proxy closes
// its side, and the client's connection, for a proxy that was told not to listen to the
// context (flush_interval -1).
func (h *Handler) serveStream(a *answer, r *http.Request, next caddyhttp.Handler, ends time.Time, revoked func() bool) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &openStream{ends: ends, revoked: revoked, now: h.now, cancel: cancel, hijackable: r.ProtoMajor == 1}
	s.ResponseWriterWrapper = caddyhttp.ResponseWriterWrapper{ResponseWriter: a.ResponseWriter}
	a.ResponseWriter = s
	h.shared.streams.add(s)
	defer h.shared.streams.remove(s)
	return a.serve(r.WithContext(ctx), next)
}

// openStream is the writer of an answer that may have to be cut while it is written.
type openStream struct {
	caddyhttp.ResponseWriterWrapper
	ends       time.Time
	revoked    func() bool
	now        func() time.Time
	cancel     context.CancelFunc
	hijackable bool // the connection is the request's alone

	ending sync.Mutex // while it is cut, or ends by itself
	ended  bool

	mu    sync.Mutex // of all writing, so that the connection can be taken away
	isCut bool
	conn  net.Conn // that a handler has taken over
}

// isDue tells whether the stream may not go on.
func (s *openStream) isDue() bool { return !s.now().Before(s.ends) || s.revoked() }

// writing runs f unless the stream was cut.
func (s *openStream) writing(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isCut {
		return errStreamOver
	}
	return f()
}

// WriteHeader writes the status unless the stream was cut.
func (s *openStream) WriteHeader(status int) {
	_ = s.writing(func() error { s.ResponseWriter.WriteHeader(status); return nil }) // Write tells
}

func (s *openStream) Write(b []byte) (n int, err error) {
	err = s.writing(func() error { n, err = s.ResponseWriter.Write(b); return err })
	return n, err
}

// ReadFrom writes in pieces, between which the stream can be cut.
func (s *openStream) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{s}, r) }

// FlushError sends what was written so far, unless the stream was cut.
func (s *openStream) FlushError() error {
	return s.writing(func() error { return http.NewResponseController(s.ResponseWriter).Flush() })
}

// Hijack hands the connection over, which is closed when the stream is cut.
func (s *openStream) Hijack() (conn net.Conn, rw *bufio.ReadWriter, err error) {
	err = s.writing(func() error {
		conn, rw, err = http.NewResponseController(s.ResponseWriter).Hijack()
		s.conn = conn
		return err
	})
	return conn, rw, err
}

// end says that the stream ends, and tells whether it had not ended before. Until leave
// is called nobody else can end it: a writer must not be touched when its handler is gone.
func (s *openStream) end() (first bool, leave func()) {
	s.ending.Lock()
	first, s.ended = !s.ended, true
	return first, s.ending.Unlock
}

// cut ends the stream on both sides. A write that waits for a slow client is ended first.
func (s *openStream) cut() {
	first, leave := s.end()
	defer leave()
	if !first {
		return
	}
	s.cancel()
	_ = http.NewResponseController(serversWriter(s.ResponseWriter)).SetWriteDeadline(time.Unix(1, 0)) // on HTTP/2 it resets the stream
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isCut = true
	if s.conn == nil && s.hijackable {
		s.conn, _, _ = http.NewResponseController(s.ResponseWriter).Hijack() // nil with an error
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// serversWriter gives the writer of the HTTP server itself: those that Caddy puts around
// it are not for two goroutines at once.
func serversWriter(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// streams are those that are open of a tenant and client. One timer looks after all of
// them while there are any.
type streams struct {
	mu    sync.Mutex
	open  map[*openStream]struct{}
	timer *time.Timer
	every time.Duration // streamCheck, if it is zero
}

func (o *streams) add(s *openStream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = make(map[*openStream]struct{})
	}
	o.open[s] = struct{}{}
	if o.timer == nil {
		o.timer = time.AfterFunc(cmp.Or(o.every, streamCheck), o.check)
	}
}

// remove says that the stream has ended, after which it is not cut any more.
func (o *streams) remove(s *openStream) {
	o.mu.Lock()
	delete(o.open, s)
	if len(o.open) == 0 && o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	o.mu.Unlock()
	_, leave := s.end()
	leave()
}

// check cuts the streams that are due, each by itself: closing may take its time.
func (o *streams) check() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for s := range o.open {
		if s.isDue() {
			delete(o.open, s)
			go s.cut()
		}
	}
	if len(o.open) == 0 {
		o.timer = nil
	} else if o.timer != nil {
		o.timer.Reset(cmp.Or(o.every, streamCheck))
	}
}
