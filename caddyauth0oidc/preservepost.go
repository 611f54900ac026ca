package caddyauth0oidc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const (
	// maxPreservePost is the most that cookies hold of a form, in bytes.
	maxPreservePost = 16 << 10
	// formPatience is how long a browser may take to send a form that is to be kept.
	formPatience = 10 * time.Second
)

// parsePreservePost reads one line:
//
//	preserve_post <max size>
func (h *Handler) parsePreservePost(d *caddyfile.Dispenser) error {
	var written string
	if err := oneArg(d, &written, checkNotEmpty); err != nil {
		return err
	}
	size, err := humanize.ParseBytes(written)
	if err != nil {
		return d.Errf("preserve_post: '%s' is not a size; write it like 8KiB", written)
	}
	if size == 0 || size > maxPreservePost {
		return d.Errf("preserve_post: %w", errPreservePost)
	}
	h.PreservePost = int64(size)
	return nil
}

var errPreservePost = fmt.Errorf("the size is 1 byte at least and %s at most, because a browser keeps the form in cookies",
	humanize.IBytes(maxPreservePost))

// checkPreservePost takes zero for no forms at all.
func checkPreservePost(size int64) error {
	if size < 0 || size > maxPreservePost {
		return errPreservePost
	}
	return nil
}

// preserves tells whether a request without a session is a form that may be kept. One
// in an error route may have been read by whoever failed.
func (h *Handler) preserves(r *http.Request) bool {
	if h.PreservePost == 0 || h.Unauthenticated != modeAuto && h.Unauthenticated != modeRedirect {
		return false
	}
	failed := r.Context().Value(caddyhttp.ErrorCtxKey) != nil
	return r.Method == http.MethodPost && original(r).Method == http.MethodPost && navigates(r) && !failed
}

// challengeForm begins the login of a browser that sent a form, and keeps the form in
// cookies of this browser until the login ends. A form that another site may have sent
// comes without the browser's cookies, so that nothing can be set beside them: it is
// asked for once more, from a page of ours.
func (h *Handler) challengeForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	own := h.sentByOwnPage(r)
	family := h.cookiesOf(h.originOf(r)).Transaction
	if _, signedOut := session.SignedOut(v.cookies, family.Name); own && signedOut {
		session.ClearSignedOut(w.Header(), family)
		return h.refuse(w, r, h.formNotKept(r, errFormSignedOut))
	}
	if !own && !h.canConfirm(r) {
		return h.refuse(w, r, h.formNotKept(r, errFormSender))
	}
	form, fields, err := h.readForm(w, r)
	if err != nil {
		return h.refuse(w, r, h.formNotKept(r, err))
	}
	if !own {
		noStore(w.Header())
		h.writePage(w, r, http.StatusOK, confirmFormPage(h.languageOf(r), form, fields))
		return nil
	}
	connection := h.soleConnection(r)
	if connection == "" {
		return h.holdForm(w, r, v, form, http.StatusSeeOther)
	}
	return h.startLogin(w, r, v, login{returnTo: form.Target, connection: connection, attempt: h.nextAttempt(r, v, form.Target), form: form})
}

// formLost is the refusal of a login whose form is not there when it is to be sent. It
// leads nowhere by itself: nobody asked to GET what a form was sent to.
func formLost(cause error) refusal {
	return refusal{code: codeFormLost, status: http.StatusGone, cause: cause}
}

func (h *Handler) formNotKept(r *http.Request, cause error) refusal {
	return refusal{code: codeFormNotKept, status: http.StatusUnauthorized, loginURL: h.loginURL(r), cause: cause}
}

var (
	errFormSignedOut = errors.New("the user has just signed out")
	errFormSender    = errors.New("the browser would not say that a page of this site sent the form, even if one did")
	errFormType      = errors.New("the body is not of the type application/x-www-form-urlencoded in UTF-8")
	errFormAddress   = errors.New("the address is none that a login can lead back to")
	errFormTooLong   = errors.New("the form is larger than preserve_post allows")
	errFormGone      = errors.New("the form is not in the browser any more, or its address is another one's now")
	errFormBody      = errors.New("the form could not be read to its end")
)

// readForm reads the form of a request, but only if it can be kept by all that its
// header says: a client that waits with the body (RFC 9110 section 10.1.1) is not made
// to send one in vain.
func (h *Handler) readForm(w http.ResponseWriter, r *http.Request) (*session.Form, []pages.Field, error) {
	address := addressAsCame(r)
	target := h.localReturnTo(r, address)
	switch {
	case !isURLEncoded(r.Header):
		return nil, nil, errFormType
	case target != address:
		return nil, nil, errFormAddress
	case r.ContentLength > h.PreservePost:
		return nil, nil, errFormTooLong
	}
	body, err := readSoon(w, r.Body, h.now(), h.PreservePost+1)
	r.Body = readAgain{io.MultiReader(bytes.NewReader(body), r.Body), r.Body} // error routes may want it
	switch {
	case err != nil || r.ContentLength >= 0 && int64(len(body)) != r.ContentLength:
		return nil, nil, errFormBody
	case int64(len(body)) > h.PreservePost:
		return nil, nil, errFormTooLong
	}
	fields, err := formFields(string(body))
	if err != nil {
		return nil, nil, err
	}
	// Cookies of another name can be planted by a sibling host, or on the way: a form of
	// somebody else's would be sent in the user's name.
	own := strings.HasPrefix(h.cookiesOf(h.originOf(r)).Transaction.Name, "__Host-")
	return &session.Form{Target: target, Body: string(body), Own: own}, fields, nil
}

// readSoon reads at most so many bytes of a body, of a browser that does not make it wait.
func readSoon(w http.ResponseWriter, body io.Reader, now time.Time, most int64) ([]byte, error) {
	waits := http.NewResponseController(w)
	_ = waits.SetReadDeadline(now.Add(formPatience)) // where there is none, the server's own limits hold
	read, err := io.ReadAll(io.LimitReader(body, most))
	_ = waits.SetReadDeadline(time.Time{})
	return read, err
}

// addressAsCame gives path and query with the very escapes of the browser.
func addressAsCame(r *http.Request) string {
	if before, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && strings.HasPrefix(before.RequestURI, "/") {
		return before.RequestURI
	}
	return originalAddress(r)
}

// readAgain is a body of which a part was read, from its beginning.
type readAgain struct {
	io.Reader
	io.Closer
}

// isURLEncoded tells whether a body is of the one type that can be kept.
func isURLEncoded(header http.Header) bool {
	if len(header["Content-Type"]) != 1 || header.Get("Content-Encoding") != "" {
		return false
	}
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// sentByOwnPage tells whether the browser says that a page of this very origin sent
// the form. Another Origin outweighs the rest: a script that reloads the answer to a
// form of another site is of the same origin, and the form is not.
func (h *Handler) sentByOwnPage(r *http.Request) bool {
	site, from := r.Header.Get("Sec-Fetch-Site"), r.Header.Values("Origin")
	if len(from) > 0 && (len(from) > 1 || from[0] != h.originOf(r).String()) {
		return false
	}
	return site == "same-origin" || site == "" && len(from) == 1
}

// canConfirm tells, of a form that no page of this site is known to have sent, whether
// the browser would say so of a page of ours. One that says nothing would be asked again
// and again, and so would one that knows this site by another name.
func (h *Handler) canConfirm(r *http.Request) bool {
	site, from := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case from == "null":
		return true
	case site == "":
		return from != "" && from != requestOrigin(r).String()
	}
	return site != "same-origin" || from == ""
}

// keepForm writes the form into the browser, where it waits for the login.
func (h *Handler) keepForm(header http.Header, r *http.Request, v *visit, t session.Transaction, form *session.Form) error {
	at := h.placeOf(r)
	form.Transaction = t.ID
	if form.Kept.IsZero() { // and not of an earlier login
		form.Kept = t.Started
	}
	return h.keys.Load().WriteForm(header, at.family, form, t.Started, v.cookies, at.headerLimit)
}

// destination is where a login leads: an address, or the form that the login
// interrupted.
type destination struct {
	returnTo   string
	connection string // that the login was for
	form       *session.Form
	lost       bool   // there was a form, and it is gone
	retry      string // address at which a login that fails for now is begun again, with its form
}

// ask has the user asked before the form is sent.
func (d destination) ask() {
	if d.form != nil {
		d.form.Own = false
	}
}

// destinationOf reads where a login leads. The callback leads on with the form even
// when its login is over.
func (h *Handler) destinationOf(r *http.Request, v *visit, state session.State, sealed string) destination {
	if !state.Form {
		return destination{returnTo: h.returnOf(r, state), connection: state.Connection}
	}
	name := h.cookiesOf(h.originOf(r)).Transaction.Name
	form, found := h.keys.Load().ReadForm(v.cookies, name, state.Transaction, h.now())
	again := url.Values{"state": {sealed}}
	if !h.posts(h.originOf(r)) {
		again.Set("error", "temporarily_unavailable")
	}
	return destination{returnTo: h.returnOf(r, state), connection: state.Connection, form: form, lost: !found, retry: h.Prefix + "/callback?" + again.Encode()}
}

// returnOf is the address that a login leads back to, never the one that a form was sent to:
// nobody asked to GET that.
func (h *Handler) returnOf(r *http.Request, state session.State) string {
	if state.Form {
		return "/"
	}
	return h.localReturnTo(r, state.ReturnTo)
}

// refuseLogin refuses what a login came to. Its form waits on only where another try
// may help.
func (h *Handler) refuseLogin(w http.ResponseWriter, r *http.Request, v *visit, to destination, f refusal) error {
	switch {
	case to.form == nil:
	case f.status >= http.StatusInternalServerError:
		f.again = to.retry
	default:
		h.dropForm(w, r, v)
	}
	f.login = loginAtEnd
	if f.about.connection == "" && f.about.user == "" {
		f.about.connection = to.connection
	}
	return h.refuseCallback(w, r, f)
}

// refuseCallback refuses an answer of the tenant.
func (h *Handler) refuseCallback(w http.ResponseWriter, r *http.Request, f refusal) error {
	h.tally.callbacks.count(callbackRefused)
	return h.refuse(w, r, f)
}

func (h *Handler) dropForm(w http.ResponseWriter, r *http.Request, v *visit) {
	session.ClearForm(w.Header(), h.cookiesOf(h.originOf(r)).Transaction, v.cookies)
}

// lead brings the browser to where the user wanted to go: by a redirect, or by a page
// that sends the form again, once.
func (h *Handler) lead(w http.ResponseWriter, r *http.Request, v *visit, to destination) error {
	switch {
	case to.lost:
		return h.refuse(w, r, formLost(errFormGone))
	case to.form == nil:
		redirect(w, to.returnTo, http.StatusFound)
		return nil
	}
	h.dropForm(w, r, v)
	if h.localReturnTo(r, to.form.Target) != to.form.Target { // a route of ours by now
		return h.refuse(w, r, formLost(errFormGone))
	}
	fields, err := formFields(to.form.Body)
	if err != nil {
		return h.refuse(w, r, refusal{code: codeInternal, status: http.StatusInternalServerError, cause: err, again: to.returnTo})
	}
	noStore(w.Header())
	h.writePage(w, r, http.StatusOK, formPage(h.languageOf(r), to.form, fields))
	return nil
}

// formPage sends a form again: by itself if a page of this site sent it, and else only
// when the user wants it. It shows neither names nor values of fields.
func formPage(l *pages.Language, form *session.Form, fields []pages.Field) *pages.Page {
	if form.Own {
		p := pageWith(l, "send_form", form, fields)
		p.Resend = pages.NewResend(fields, true)
		return p
	}
	return askingPage(l, "ask_form_after", form, fields)
}

// confirmFormPage asks whether a form that another site may have sent is wanted. What
// it sends is a form of this very site, which comes with all the browser's cookies.
func confirmFormPage(l *pages.Language, form *session.Form, fields []pages.Field) *pages.Page {
	return askingPage(l, "ask_form", form, fields)
}

func askingPage(l *pages.Language, key string, form *session.Form, fields []pages.Field) *pages.Page {
	p := pageWith(l, key, form, fields)
	p.AddLink("/", "link.do_not_send")
	return p
}

// pageWith gives a page with the form in it, which is sent when the user presses the button.
func pageWith(l *pages.Language, key string, form *session.Form, fields []pages.Field) *pages.Page {
	path, _, _ := strings.Cut(form.Target, "?")
	p := l.Page(pages.Form, key, "{path}", path, "{fields}", l.Count("fields", len(fields)))
	p.SetPost(form.Target, "link.send_form")
	p.Resend = pages.NewResend(fields, false)
	return p
}
