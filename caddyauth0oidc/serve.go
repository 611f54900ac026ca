package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// visitVar keeps the visit among the variables of a request, which no client
// can set.
const visitVar = "auth0_oidc"

// visit is what the handlers of one request know of it. Most of what a request of a
// signed-in user needs is a part of it, and so takes no memory of its own.
type visit struct {
	cookies []string // the Cookie header as it came, before ours were removed
	site    *site    // where the first directive met it
	// The header as it came: a request whose token was taken out for the application is
	// not the session's afterwards.
	authorization string

	session  session.Session
	identity identity
	applied  []*upstream.Plan // whose headers were set
	query    string           // of one of our own routes, as it came
	refusal  *refusal         // for which the request goes through the error routes
	speaks   bool             // the answer is the module's own
	judged   bool             // a directive has protected the request
	written  *[]string        // Set-Cookie lines that renew or end sessions; a slice would take a visit out of its size class
	fresh    *freshness       // of the session or client that was judged last

	answer     answer
	values     [headerRoom]string
	usualPlans [1]*upstream.Plan
}

// renewed gives the Set-Cookie lines of ours that an answer under way keeps.
func (v *visit) renewed() []string {
	if v.written == nil {
		return nil
	}
	return *v.written
}

// keep adds lines to those that an answer under way keeps.
func (v *visit) keep(lines []string) {
	all := append(v.renewed(), lines...)
	v.written = &all
}

// String shows nothing: the variables of a request can be read by templates.
func (*visit) String() string { return "" }

// visitOf gives the request's visit, or nil before the first directive.
func visitOf(r *http.Request) *visit {
	v, _ := caddyhttp.GetVar(r.Context(), visitVar).(*visit)
	return v
}

// ServeHTTP answers the module's own routes, lets requests with a session pass
// with the user's profile, and sends the others to the login or refuses them.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	v := h.enter(r)
	if own := h.ownRoute(v, originalPath(r)); own != nil && v.refusal == nil {
		v.speaks = true
		return own.serve(w, r, v)
	}
	if !h.protects(r, v) {
		v.restore(r)
		return v.answerTo(w).serve(r, next)
	}
	v.judged = true
	if v.refusal != nil && h.ownRoute(v, originalPath(r)) == nil { // what was refused is not let in behind the refusal
		return h.turnAway(w, r, v, next)
	}
	if token, found := h.presented(v); found {
		return h.serveClient(w, r, v, token, next)
	}
	if reason := h.openSession(r, v, &v.session); reason != sessionAccepted {
		h.tellRejection(reason)
		return h.turnAway(w, r, v, next)
	}
	if h.marksTooOld() {
		return h.refuseUnjudged(w, r, v)
	}
	return h.serveUser(w, r, v, next)
}

// serveUser lets a signed-in user's request pass, if the rules do and, where the session
// is refreshed, the tenant does.
func (h *Handler) serveUser(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	switch over, refused := h.freshen(r, v); {
	case refused != nil:
		v.withdraw(r)
		v.speaks = true
		return h.refuse(w, r, *refused)
	case over:
		h.tellRejection(sessionRefresh)
		h.dropSession(w, r, v)
		return h.turnAway(w, r, v, next)
	case v.fresh != nil && v.fresh.renew: // the refresh may have changed the profile
		if reason := h.judgeSession(r, &v.session); reason != sessionAccepted {
			h.tellRejection(reason)
			return h.turnAway(w, r, v, next)
		}
	}
	h.tally.opened.Inc()
	p := h.shownFor(r, &v.session.Profile)
	if err := h.rules.Judge(p); err != nil {
		return h.forbid(w, r, v, err)
	}
	h.publish(r, v, p, v.session.ID, v.session.Expires(h.limits))
	return h.pass(w, r, v, next)
}

// dropSession deletes the cookies of a session that has ended.
func (h *Handler) dropSession(w http.ResponseWriter, r *http.Request, v *visit) {
	gone := make(http.Header)
	session.ClearSession(gone, h.cookiesOf(h.originOf(r)).Session, v.cookies)
	v.keep(gone["Set-Cookie"]) // an application that answers without a session must not lose them
	w.Header()["Set-Cookie"] = append(w.Header()["Set-Cookie"], gone["Set-Cookie"]...)
}

// turnAway answers a protected request that nobody is known to have made.
func (h *Handler) turnAway(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	v.withdraw(r)
	if v.refusal != nil && h.Unauthenticated != modePass { // an error route of our own refusal, protected
		v.speaks = true
		noStore(w.Header())
		h.writeRefusal(w, r, *v.refusal)
		return nil
	}
	return h.challenge(w, r, v, next)
}

// pass hands a signed-in user's request to the next handler.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	a := v.answerTo(w)
	h.tellWhatVaries(a)
	h.shared.renewals.saw(&v.session)
	if h.renewalDue(r, v) {
		a.renewal = h.beginRenewal(r, v)
		defer a.renewal.done()
	}
	if opensStream(r) {
		ends, revoked := h.ofSession(v.session)
		return h.serveStream(a, r, next, ends, revoked)
	}
	return a.serve(r, next)
}

// protects tells whether the request is one that needs a session: as it is now,
// or as it came, because a rewrite must not lead around the matchers. A prefix
// that was stripped, as by handle_path, cannot be told from a rewrite such as
// that of /admin/index.php to /index.php. One whose matchers fail is protected, and
// so is one whose matchers ask who the user is before anybody can be known.
func (h *Handler) protects(r *http.Request, v *visit) bool {
	if h.asksClaims && !v.judged || h.matches(r) {
		return true
	}
	before := original(r)
	if before.Method == r.Method && before.URL.Path == r.URL.Path && before.URL.RequestURI() == r.URL.RequestURI() {
		return false
	}
	return asItCame(r, func() bool { return h.matches(r) })
}

// asItCame asks about the request as it was before any rewrite. It is changed in
// place, because placeholders of matchers look at this very request.
func asItCame(r *http.Request, question func() bool) bool {
	before := original(r)
	method, address := r.Method, *r.URL
	r.Method, *r.URL = before.Method, *before.URL
	defer func() { r.Method, *r.URL = method, address }()
	return question()
}

func (h *Handler) matches(r *http.Request) bool {
	matched, err := h.matchers.AnyMatchWithError(r)
	if err != nil {
		h.logger.Error("matching the request; it is protected", zap.Error(err))
	}
	return matched || err != nil
}

// enter removes, before anything is decided, what only we may say to those
// behind us: headers with our names, and our cookies.
func (h *Handler) enter(r *http.Request) *visit {
	v := visitOf(r)
	if v == nil {
		v = &visit{cookies: r.Header["Cookie"], site: h.siteOf(r), authorization: authorizationOf(r)}
		caddyhttp.SetVar(r.Context(), visitVar, v)
		replacerOf(r).Map(v.placeholder)
	}
	h.clean(r)
	return v
}

// clean removes headers and cookies that are this directive's.
func (h *Handler) clean(r *http.Request) {
	h.plan.Strip(r)
	kept, changed := session.Strip(r.Header["Cookie"], h.ownsCookie)
	switch {
	case !changed:
	case len(kept) == 0:
		delete(r.Header, "Cookie")
	default:
		r.Header["Cookie"] = kept
	}
}

// siteSession gives the session for the module's own routes, which the
// directives of a site share: one that any of them accepts.
func (h *Handler) siteSession(r *http.Request, v *visit) (s *session.Session, by *Handler, ok bool) {
	s = new(session.Session)
	for _, other := range h.siblings(v) {
		if other.readSession(r, v, s) {
			return s, other, true
		}
	}
	return nil, nil, false
}

// challenge answers a protected request without a session.
func (h *Handler) challenge(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	if h.Unauthenticated == modePass {
		a := v.answerTo(w)
		h.tellWhatVaries(a)
		return a.serve(r, next)
	}
	v.speaks = true
	switch {
	case len(h.connectionsFor(r)) == 0:
		return h.refuse(w, r, unknownConnection())
	case h.preserves(r):
		return h.challengeForm(w, r, v)
	case !h.redirects(r):
		return h.refuse(w, r, h.missingLogin(r, v))
	}
	o, returnTo := h.originOf(r), h.localReturnTo(r, originalAddress(r))
	family := h.cookiesOf(o).Transaction
	// Shown for as long as the cookie lives: of two tabs that sign out, the second comes back later.
	if state, signedOut := session.SignedOut(v.cookies, family.Name); signedOut && isNavigation(r) {
		return h.refuse(w, r, refusal{
			code: codeSignedOut, status: http.StatusUnauthorized, loginURL: h.loginURL(r) + returnParameter(withoutState(returnTo, state)),
		})
	}
	connection := h.soleConnection(r)
	if connection == "" {
		redirect(w, h.loginURL(r)+returnParameter(returnTo), http.StatusFound)
		return nil
	}
	return h.startLogin(w, r, v, login{returnTo: returnTo, connection: connection, attempt: h.nextAttempt(r, v, returnTo)})
}

// The values of unauthenticated.
const (
	modeAuto     = "auto"
	modeRedirect = "redirect"
	mode401      = "401"
	modePass     = "pass"
)

func checkUnauthenticated(mode string) error {
	return oneOf(mode, []string{modeAuto, modeRedirect, mode401, modePass})
}

// redirects tells whether a request without a session is led to the login.
func (h *Handler) redirects(r *http.Request) bool {
	switch h.Unauthenticated {
	case modeAuto:
		return isNavigation(r)
	case modeRedirect:
		return isRead(r) && !isPrefetch(r)
	}
	return false
}

// isNavigation tells whether the answer to a request will be shown as a page.
// Browsers say so in Sec-Fetch-*; where they do not, because they are old or
// the site is plain http, the Accept header has to do.
// See https://www.w3.org/TR/fetch-metadata/.
func isNavigation(r *http.Request) bool { return isRead(r) && navigates(r) }

// navigates is isNavigation for every method.
func navigates(r *http.Request) bool {
	if isPrefetch(r) || r.Header.Get("Upgrade") != "" {
		return false
	}
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if mode != "" || dest != "" {
		return mode == "navigate" && dest == "document"
	}
	if r.Header.Get("X-Requested-With") != "" { // a script of an old browser; web views send it with Sec-Fetch-Mode
		return false
	}
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.Contains(accept, "text/html") || strings.Contains(accept, "application/xhtml+xml")
}

func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

func isPrefetch(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if purpose := strings.ToLower(r.Header.Get(name)); strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender") || strings.Contains(purpose, "preview") {
			return true
		}
	}
	return false
}

// arrival is what of a request rewrites may change.
type arrival struct {
	Method string
	URL    *url.URL
}

// original gives what rewrites may have changed, as it was before: our routes are
// found, and the user is sent back, by what the browser asked for.
func original(r *http.Request) arrival {
	if before, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return arrival{before.Method, before.URL}
	}
	return arrival{r.Method, r.URL}
}

func originalPath(r *http.Request) string { return original(r).URL.EscapedPath() }

// originalAddress gives path and query as the browser asked for them.
func originalAddress(r *http.Request) string {
	u := original(r).URL
	if u.RawQuery == "" {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + u.RawQuery
}

func replacerOf(r *http.Request) *caddy.Replacer {
	return r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
}
