package caddyauth0oidc

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// login is a login that is about to begin.
type login struct {
	returnTo   string
	connection string
	attempt    session.Attempts
	params     map[string]string // allowed ones of the login route's query
	invitation string            // to the directive's organization
	prompt     string            // in place of the directive's, unless it is empty
	form       *session.Form     // that is to be sent afterwards, or nil
	formLost   bool              // a form was to be sent, and is gone
	retry      string            // address for another try, in place of returnTo, unless it is empty
	id         string            // that the form waits under, and that the login takes, unless it is empty
}

// again is the address for another try, if there is one: reloading sends a form again, a
// link would not.
func (l login) again() string {
	if l.form != nil && l.retry == "" {
		return ""
	}
	return cmp.Or(l.retry, l.returnTo)
}

// maxParam bounds the value of a parameter that is passed on.
const maxParam = 512

// allowedParams gives the parameters that a link passes on, unless one is too long.
func (h *Handler) allowedParams(query map[string]string) (params map[string]string, ok bool) {
	params = make(map[string]string)
	for _, key := range h.AllowParams {
		value, found := query[key]
		if len(value) > maxParam {
			return nil, false
		}
		if found {
			params[key] = value
		}
	}
	return params, true
}

// isSubresource tells whether a page asks for a part of itself, such as an image, or a
// script for data. Where such a request could follow the redirects to their end, it would
// sign the user in unasked.
func isSubresource(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode != "" && mode != "navigate"
}

// startLogin sends the browser to the tenant, with a cookie that binds the
// login to this browser.
func (h *Handler) startLogin(w http.ResponseWriter, r *http.Request, v *visit, l login) error {
	o := h.originOf(r)
	if h.cannotPost(o) {
		return h.refuse(w, r, refusal{code: codeHTTPSRequired, status: http.StatusForbidden, again: overHTTPS(o, l.again())})
	}
	t, err := session.NewTransaction(h.random, h.now())
	if err != nil {
		return h.refuse(w, r, refusal{code: codeInternal, status: http.StatusInternalServerError, cause: err})
	}
	t.ID, t.Posted = cmp.Or(l.id, t.ID), h.posts(o)
	location, err := h.authorizeURL(r, o, t, l)
	if err != nil {
		return h.refuse(w, r, h.notBegun(err, l.again()))
	}
	if l.form != nil {
		if refused := h.keepFormFor(w, r, v, t, l.form, l.retry == ""); refused != nil {
			return h.refuse(w, r, *refused)
		}
	}
	if r.Method != http.MethodHead { // a HEAD request has no browser behind it that would come back
		if err := h.keys.Load().WriteTransaction(w.Header(), h.pendingCookie(o), t, v.cookies); err != nil {
			return h.refuse(w, r, refusal{code: codeInternal, status: http.StatusInternalServerError, cause: err})
		}
	}
	status := http.StatusFound
	if r.Method == http.MethodPost { // the tenant must not get the form (RFC 9110 section 15.4.4)
		status = http.StatusSeeOther
	}
	if r.Method != http.MethodHead {
		h.tellLoginBegun()
	}
	redirect(w, location, status)
	return nil
}

// keepFormFor keeps the form of a login in the browser, or says why that is refused.
// Where it is here for the first time, the browser can send it again.
func (h *Handler) keepFormFor(w http.ResponseWriter, r *http.Request, v *visit, t session.Transaction, form *session.Form, first bool) *refusal {
	err := h.keepForm(w.Header(), r, v, t, form)
	if err == nil {
		return nil
	}
	f := h.formNotKept(r, err)
	if !first { // reloading does not send it
		h.dropForm(w, r, v)
		f = formLost(err)
	}
	return &f
}

func (h *Handler) authorizeURL(r *http.Request, o origin, t session.Transaction, l login) (string, error) {
	state, err := h.keys.Load().SealState(session.State{
		Transaction: t.ID, Handler: h.key, Connection: l.connection, ReturnTo: l.returnTo, Attempt: l.attempt.Count, First: l.attempt.First,
		Form: l.form != nil || l.formLost, Others: l.attempt.Others, Since: l.attempt.Since,
	})
	if err != nil {
		return "", err
	}
	return h.shared.tenant.AuthorizeURL(r.Context(), h.application, tenant.AuthorizeRequest{
		RedirectURI:  h.callbackURL(o),
		Scope:        h.askedScopes(),
		State:        state,
		Nonce:        t.Nonce,
		Verifier:     t.Verifier,
		Connection:   l.connection,
		Organization: string(h.organization),
		Invitation:   l.invitation,
		Audience:     h.Audience,
		MaxAge:       h.askedAge(),
		ACRValues:    h.contexts,
		Prompt:       cmp.Or(l.prompt, h.Prompt),
		Push:         h.PAR,
		Preview:      leadsNowhere(r),
		ResponseMode: responseMode(t),
		Extra:        h.extraParams(l.params),
	})
}

// askedAge is how long ago the user may have proved to Auth0 who they are when a
// login ends, or nil.
func (h *Handler) askedAge() *time.Duration {
	if h.limits.MaxAge == 0 {
		return nil
	}
	asked := h.limits.MaxAge - min(time.Minute, h.limits.MaxAge/2)
	return &asked
}

// extraParams joins the configured parameters with those of the login route,
// which take their place.
func (h *Handler) extraParams(passed map[string]string) []tenant.Parameter {
	all := maps.Clone(h.AuthorizeParams)
	if all == nil {
		all = make(map[string]string)
	}
	maps.Copy(all, passed)
	var params []tenant.Parameter
	for _, key := range slices.Sorted(maps.Keys(all)) {
		params = append(params, tenant.Parameter{Name: key, Value: all[key]})
	}
	return params
}

// callbackURL is the redirect_uri, the same to the byte at /authorize and at
// the token endpoint (RFC 6749 section 4.1.3).
func (h *Handler) callbackURL(o origin) string { return o.String() + h.Prefix + "/callback" }

// loginURL is where a login begins as this directive would begin it.
func (h *Handler) loginURL(r *http.Request) string { return h.loginURLAsking(r, h.Prompt) }

// loginURLAsking is the same with another prompt.
func (h *Handler) loginURLAsking(r *http.Request, prompt string) string {
	d := h.demand()
	d.prompt = prompt
	query := strings.TrimPrefix(d.parameters(), "&")
	if connection := h.soleConnection(r); connection != "" {
		query = "connection=" + url.QueryEscape(connection) + d.parameters()
	}
	return h.originOf(r).String() + h.Prefix + "/login?" + query
}

// returnParameter is the part of a login link's query that leads back; a state could
// not carry a longer address.
func returnParameter(returnTo string) string {
	return "&return_to=" + url.QueryEscape(shortened(returnTo))
}

// unavailable is the refusal of a login that the tenant cannot serve now.
func (h *Handler) unavailable(err error, again string) refusal {
	f := refusal{code: codeInternal, status: http.StatusInternalServerError, cause: err, again: again}
	if unreachable, ok := errors.AsType[*tenant.UnavailableError](err); ok {
		f.code, f.status = codeTenantUnavailable, http.StatusServiceUnavailable
		f.retryAfter = max(unreachable.RetryAfter, time.Second)
	}
	return f
}
