package caddyauth0oidc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// The values of response_mode.
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

const (
	// maxCode is the longest code that is taken from a form, in bytes; what is sealed
	// of it has to fit into a cookie.
	maxCode = 2048
	// maxIssuerParameter bounds the parameter iss in the same way.
	maxIssuerParameter = 512
)

func checkResponseMode(mode string) error {
	return oneOf(mode, []string{modeQuery, modeFormPost})
}

// checkPosting wants https for form_post: browsers send the cookie of a login along with
// a form of another site only if it is Secure.
func checkPosting(mode string, bases []string) error {
	if mode != modeFormPost {
		return nil
	}
	for _, base := range bases {
		if o, err := parseOrigin(base); err == nil && !o.secure() {
			return fmt.Errorf("form_post needs https, and base_url has %s; write https, or use the mode query", o)
		}
	}
	return nil
}

// posts tells whether the tenant is asked to post its answers. On plain http, which is
// this machine alone, they come in the address.
func (h *Handler) posts(o origin) bool { return h.ResponseMode == modeFormPost && o.secure() }

// cannotPost tells whether a login would have to come back by a form that brings no
// cookie along. Without https nothing on the way is secret, and to take the address
// instead would show the code where it was meant not to be.
func (h *Handler) cannotPost(o origin) bool {
	u := url.URL{Host: o.host}
	return h.ResponseMode == modeFormPost && !o.secure() && !tenant.IsLoopback(u.Hostname())
}

// overHTTPS is the same address with https. Which port has it beside one that is named
// is not known: there is none then.
func overHTTPS(o origin, path string) string {
	if u := (url.URL{Host: o.host}); u.Port() != "" {
		return ""
	}
	return "https://" + o.host + path
}

// responseMode is the parameter of the authorization request.
func responseMode(t session.Transaction) string {
	if t.Posted {
		return modeFormPost
	}
	return ""
}

// pendingCookie is the family of pending logins with the attributes of those: the one
// cookie that has to come along with a form of another site.
func (h *Handler) pendingCookie(o origin) session.Cookie {
	c := h.cookiesOf(o).Transaction
	if h.posts(o) {
		c.SameSite = http.SameSiteNoneMode
	}
	return c
}

// takesForms tells whether one of the directives that answer this callback asks for
// posted answers, or did so when a login of this browser began.
func (h *Handler) takesForms(r *http.Request, v *visit) bool {
	for _, sibling := range h.siblings(v) {
		o := sibling.originOf(r)
		if sibling.posts(o) || r.Method == http.MethodPost && sibling.keys.Load().AwaitsPost(v.cookies, sibling.cookiesOf(o).Transaction.Name, h.now()) {
			return true
		}
	}
	return false
}

// sentForm is what a request brought along, for nobody else to see.
type sentForm struct {
	header http.Header
	length int64
	body   io.ReadCloser
}

// hideForm takes the body of a request away from whoever comes after us, as hideQuery
// does with its address.
func hideForm(r *http.Request) *sentForm {
	form := &sentForm{header: r.Header.Clone(), length: r.ContentLength, body: r.Body}
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, 0, nil, nil
	for _, name := range []string{"Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Trailer"} {
		r.Header.Del(name)
	}
	replacer := replacerOf(r)
	replacer.Set("http.request.body", "")
	replacer.Set("http.request.body_base64", "")
	return form
}

var errNoForm = errors.New("the body is no form of the type application/x-www-form-urlencoded")

// parameters reads the form as singleQuery reads an address, and nothing beyond its limit.
func (f *sentForm) parameters(w http.ResponseWriter, now time.Time) (map[string]string, error) {
	switch {
	case !isURLEncoded(f.header):
		return nil, errNoForm
	case f.length > maxQuery:
		return nil, errLongQuery
	}
	body, err := readSoon(w, f.body, now, maxQuery+1)
	if err != nil || f.length >= 0 && int64(len(body)) != f.length {
		return nil, errFormBody
	}
	return singleQuery(string(body))
}

// servePosted receives the tenant's answer as a form (OAuth 2.0 Form Post Response Mode).
// The browser sends it without its Lax cookies, so that neither session nor kept form can
// be seen: the answer goes into the cookie of its login, and the browser comes again.
func (h *Handler) servePosted(w http.ResponseWriter, r *http.Request, v *visit, sent *sentForm) error {
	form, err := sent.parameters(w, h.now())
	if err != nil {
		return h.refuseCallback(w, r, refusal{code: codeBadRequest, status: http.StatusBadRequest, cause: err, again: "/"})
	}
	began, state := h.beganBy(r, v, form["state"])
	if began == nil || (form["code"] == "") == (form["error"] == "") {
		return h.refuseCallback(w, r, refusal{code: codeBadState, status: http.StatusBadRequest, again: "/"})
	}
	return began.takeAnswer(w, r, v, form, state)
}

var errLongAnswer = errors.New("the tenant's answer is too long for a cookie")

// takeAnswer seals the answer and has the browser come for what follows. A login that is
// over, or was begun in another browser, goes on in the same way, without an answer.
func (h *Handler) takeAnswer(w http.ResponseWriter, r *http.Request, v *visit, form map[string]string, state session.State) error {
	family := h.pendingCookie(h.originOf(r))
	t, ok := h.keys.Load().ReadTransaction(v.cookies, family.Name, state.Transaction, h.now())
	if ok && !t.Posted {
		return h.refuseCallback(w, r, h.wrongMode(r, state))
	}
	if t.Posted { // the directive may not ask for posted answers any more
		family.SameSite = http.SameSiteNoneMode
	}
	if ok && !h.shared.spent.has(t.ID) {
		err := errLongAnswer
		if len(form["code"]) <= maxCode && len(form["iss"]) <= maxIssuerParameter {
			t.Answer = answerOf(form)
			err = h.keys.Load().WriteTransaction(w.Header(), family, t, v.cookies)
		}
		if err != nil {
			session.ClearTransaction(w.Header(), family, t.ID)
			return h.refuseCallback(w, r, refusal{code: codeBadRequest, status: http.StatusBadRequest, cause: err, again: h.returnOf(r, state)})
		}
	}
	redirect(w, originalPath(r)+"?"+url.Values{"state": {form["state"]}}.Encode(), http.StatusSeeOther)
	return nil
}

// answerOf keeps of an error what is known of it, and nothing of its text.
func answerOf(form map[string]string) *session.Answer {
	a := &session.Answer{Code: form["code"]}
	a.Issuer, a.HasIssuer = form["iss"]
	if form["error"] != "" {
		a.Error = knownTenantCode(form["error"])
	}
	return a
}

// answered gives the tenant's answer to the login t, which is nil when it is over: from
// the address or, if it was to be posted, from the login's cookie. There may be none.
func (h *Handler) answered(query map[string]string, t *session.Transaction, o origin) (answer map[string]string, refused error) {
	posted := h.posts(o)
	if t != nil {
		posted = t.Posted
	}
	switch {
	case posted && (query["code"] != "" || query["error"] != ""):
		return nil, errWrongMode
	case posted && (t == nil || t.Answer == nil):
		return nil, nil
	case posted:
		answer = map[string]string{"code": t.Answer.Code, "error": t.Answer.Error}
		if t.Answer.HasIssuer {
			answer["iss"] = t.Answer.Issuer
		}
		return answer, nil
	case (query["code"] == "") == (query["error"] == ""):
		return nil, errNoAnswer
	}
	return query, nil
}

var (
	errWrongMode = errors.New("the answer came in another way than the one that was asked for; see response_mode")
	errNoAnswer  = errors.New("the callback has neither a code nor an error, or both")
)

// wrongMode refuses an answer that came in another way than the one that was asked for.
func (h *Handler) wrongMode(r *http.Request, state session.State) refusal {
	return refusal{code: codeResponseMode, status: http.StatusBadRequest, cause: errWrongMode, again: h.returnOf(r, state)}
}
