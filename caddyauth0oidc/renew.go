package caddyauth0oidc

import (
	"math"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// renewal is the session's cookie that an answer under way writes again. It has its
// own copy of all that it needs: handlers behind us may change the request, and a
// further directive reads another session.
type renewal struct {
	handler *Handler
	visit   *visit
	session session.Session
	place   cookiePlace
}

// renewalDue tells whether a tenth of the idle time has passed. Upgraded
// connections and prefetches do not renew: the first have no answer of their
// own, the second nobody asked for.
func (h *Handler) renewalDue(r *http.Request, v *visit) bool {
	return v.session.RenewalDue(h.now(), h.limits) && !v.renews && r.Header.Get("Upgrade") == "" && !isPrefetch(r)
}

// write adds the cookie to the answer unless a newer one was written since the
// request came in, or the session was ended. It tells whether it did.
func (n *renewal) write(header http.Header) bool {
	h, now := n.handler, n.handler.now()
	if !n.session.Alive(now, h.limits) {
		return false
	}
	renewed := n.session.Renewed(now)
	if !h.shared.renewals.claim(renewed.ID, renewed.Issue) {
		return false
	}
	if err := h.writeSession(header, n.place, n.visit, renewed); err != nil {
		h.logger.Error("renewing the session", zap.Error(err))
		return false
	}
	return true
}

// writeSession adds the session's cookies to an answer, for the rest of its life
// and within what the server accepts of a request.
func (h *Handler) writeSession(header http.Header, at cookiePlace, v *visit, s *session.Session) error {
	return h.keys.Load().WriteSession(header, at.family.Session, s, s.Expires(h.limits).Sub(h.now()), v.cookies, at.headerLimit)
}

// cookiePlace is where cookies go to.
type cookiePlace struct {
	family      session.Cookies
	headerLimit int // bytes of header that the server accepts of a request
}

func (h *Handler) placeOf(r *http.Request) cookiePlace {
	at := cookiePlace{h.cookiesOf(h.originOf(r)), http.DefaultMaxHeaderBytes}
	if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.MaxHeaderBytes > 0 {
		at.headerLimit = server.MaxHeaderBytes
	}
	return at
}

// supersede reads the session that the browser has, whether it is alive or not, and
// keeps answers under way from bringing it back.
func (h *Handler) supersede(s *session.Session, v *visit, name string) bool {
	ok := h.keys.Load().ReadSession(s, v.cookies, name)
	if ok {
		h.shared.renewals.end(s.ID)
	}
	return ok
}

// renewals knows the sessions whose cookie answers under way are going to write. An
// answer that takes long must not replace the cookie of a later one, nor bring back a
// session that was ended meanwhile. What it remembers goes with the last such answer.
type renewals struct {
	answers  atomic.Int64 // under way, so that the usual request need not ask for the lock
	mu       sync.Mutex
	underWay map[[16]byte]*issued
}

type issued struct {
	answers int
	newest  uint64 // issue number of the session, the highest that is known
}

// ended is above every issue number.
const ended = math.MaxUint64

// begin says that an answer is under way that will renew the session.
func (n *renewals) begin(s *session.Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.underWay == nil {
		n.underWay = make(map[[16]byte]*issued)
	}
	i := n.underWay[s.ID]
	if i == nil {
		i = new(issued)
		n.underWay[s.ID] = i
	}
	i.answers++
	i.newest = max(i.newest, s.Issue)
	n.answers.Add(1)
}

// saw says that the browser has this session, which another instance may have
// written.
func (n *renewals) saw(s *session.Session) {
	if n.answers.Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := n.underWay[s.ID]; i != nil {
		i.newest = max(i.newest, s.Issue)
	}
}

// done says that the answer is over.
func (n *renewals) done(id [16]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers.Add(-1)
	i := n.underWay[id]
	if i.answers--; i.answers == 0 {
		delete(n.underWay, id)
	}
}

// claim tells whether the session may be written with this issue number, and if so
// to one answer only.
func (n *renewals) claim(id [16]byte, issue uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.underWay[id]
	if i == nil || i.newest >= issue {
		return false
	}
	i.newest = issue
	return true
}

// end keeps answers under way from writing the session again.
func (n *renewals) end(id [16]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := n.underWay[id]; i != nil {
		i.newest = ended
	}
}
