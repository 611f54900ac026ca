package caddyauth0oidc

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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
	tokens  *session.Tokens // nil if those of the browser are the newest
	place   cookiePlace
	gone    func() error // tells whether the client still listens
	over    bool
}

// renewalDue tells whether a tenth of the idle time has passed. Connections that are
// upgraded over HTTP/1.1 and prefetches do not renew: the first have no answer of
// their own, the second nobody asked for. Neither do error routes that no directive
// of the site has come before: theirs do not know for how long the cookie lives.
func (h *Handler) renewalDue(r *http.Request, v *visit) bool {
	refreshed := v.fresh != nil && v.fresh.renew
	return (refreshed || v.session.RenewalDue(h.now(), h.renewBy(v))) && r.Header.Get("Upgrade") == "" && !isPrefetch(r) && !v.site.ofErrors
}

// renewBy gives the limits with the shortest idle time of the directives that share
// the session: none of them may end it while another one is used.
func (h *Handler) renewBy(v *visit) session.Limits {
	shortest := h.limits
	for _, other := range v.site.handlers {
		if h.sharesSession(other) {
			shortest.Idle = min(shortest.Idle, other.limits.Idle)
		}
	}
	return shortest
}

// sharesSession tells whether the other directive reads the same cookie.
func (h *Handler) sharesSession(other *Handler) bool {
	return other.shared == h.shared && other.secureCookies.Session.Name == h.secureCookies.Session.Name
}

func (h *Handler) beginRenewal(r *http.Request, v *visit) *renewal {
	n := &renewal{handler: h, visit: v, session: v.session, place: h.placeOf(r), gone: r.Context().Err}
	n.session.Issue = h.shared.renewals.begin(&v.session)
	if v.fresh != nil && v.fresh.renew {
		n.tokens = v.fresh.tokens
	}
	return n
}

// write adds the cookie to the answer, unless a newer one was written since the
// request came in, the session was ended or found wanting by a further directive, or
// the configuration or the client is gone. It tells whether it did.
func (n *renewal) write(header http.Header) bool {
	defer n.done()
	h, withdrawn := n.handler.shared.sealer(n.handler), n.visit.identity.plan == nil
	if h == nil || withdrawn || n.gone() != nil || h.revoked(&n.session) || !n.session.Alive(n.handler.now(), n.handler.limits) {
		return false
	}
	if !h.shared.renewals.claim(&n.session) {
		return false
	}
	cookies := make(http.Header)
	if err := h.writeSession(cookies, n.place, n.visit, n.session.Renewed(n.handler.now())); err != nil {
		h.logger.Error("renewing the session", zap.Error(err))
		return false
	}
	if err := n.writeTokens(h, cookies); err != nil { // which are in the storage
		h.logger.Warn("keeping the tokens of a refreshed session in the browser", zap.Error(err))
	}
	// An answer that failed may have left a line for the error routes already.
	header["Set-Cookie"] = slices.DeleteFunc(header["Set-Cookie"], func(line string) bool {
		rest, ours := strings.CutPrefix(line, n.place.family.Session.Name)
		return ours && (strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "-")) && slices.Contains(n.visit.renewed(), line)
	})
	n.visit.keep(cookies["Set-Cookie"])
	header["Set-Cookie"] = append(header["Set-Cookie"], cookies["Set-Cookie"]...)
	return true
}

// writeTokens adds the cookies of the tokens that the browser does not have yet.
func (n *renewal) writeTokens(h *Handler, header http.Header) error {
	if n.tokens == nil {
		return nil
	}
	left := n.session.Login.Add(h.limits.Absolute).Sub(h.now())
	return h.keys.Load().WriteTokens(header, n.place.family.Session, n.tokens, left, n.visit.cookies, n.place.headerLimit)
}

// done says that the answer can no longer write the cookie.
func (n *renewal) done() {
	if !n.over {
		n.over = true
		n.handler.shared.renewals.done(n.session.ID)
	}
}

// writeSession adds the session's cookies to an answer, for the rest of its life
// and within what the server accepts of a request.
func (h *Handler) writeSession(header http.Header, at cookiePlace, v *visit, s *session.Session) error {
	end := s.Expires(h.limits)
	for _, other := range v.site.handlers { // each judges the session by its own limits
		if last := s.Expires(other.limits); h.sharesSession(other) && last.After(end) {
			end = last
		}
	}
	return h.keys.Load().WriteSession(header, at.family.Session, s, end.Sub(h.now()), v.cookies, at.headerLimit)
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
		h.shared.renewals.end(s.ID, h.now())
	}
	return ok
}

// renewals knows the sessions whose cookie answers under way are going to write, and
// those that were ended lately. An answer that takes long must not replace the cookie
// of a later one, nor bring back a session that has ended.
type renewals struct {
	answers  atomic.Int64 // under way, so that the usual request need not ask for the lock
	mu       sync.Mutex
	underWay map[[16]byte]*issued
	ended    remembered
}

type issued struct {
	answers int
	newest  uint32 // issue number of the session, the highest that is known
	ended   bool
}

// endedLately is how long a request may take to arrive after the session's end, with
// a cookie from before it. Nothing but the cookie's renewal depends on it.
const endedLately = 15 * time.Minute

// begin says that an answer is under way that will renew the session, and gives the
// highest issue number that is known.
func (n *renewals) begin(s *session.Session) uint32 {
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
	i.ended = i.ended || n.ended.has(string(s.ID[:]))
	n.answers.Add(1)
	return i.newest
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

// claim tells whether the session may be renewed by an answer to a request that came
// in when its issue number was the highest: only if nothing newer was written since.
func (n *renewals) claim(s *session.Session) bool {
	lately := n.ended.has(string(s.ID[:]))
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.underWay[s.ID]
	if i == nil || i.newest != s.Issue || i.ended || lately {
		return false
	}
	i.newest++
	return true
}

// end keeps the session from being written again: by answers under way however long
// they take, and for a while by those to requests that are still to come.
func (n *renewals) end(id [16]byte, now time.Time) {
	n.ended.add(string(id[:]), now, endedLately)
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := n.underWay[id]; i != nil {
		i.ended = true
	}
}
