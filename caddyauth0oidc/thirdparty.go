package caddyauth0oidc

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

var (
	errUnknownIssuer = errors.New("the login was to begin at another issuer")
	errTarget        = errors.New("target_link_uri is no address of this site")
	errLoginHint     = errors.New("login_hint is too long")
)

// checkInitiated judges a login that another party begins (OpenID Connect Core 1.0
// section 4): one with the parameter iss. Its target takes the place of return_to.
func (h *Handler) checkInitiated(r *http.Request, query map[string]string) *refusal {
	iss, initiated := query["iss"]
	if !initiated {
		return nil
	}
	refused := func(code string, cause error) *refusal {
		return &refusal{code: code, status: http.StatusBadRequest, cause: cause, again: "/"}
	}
	if iss != h.shared.tenant.Issuer() {
		return refused(codeUnknownIssuer, errUnknownIssuer)
	}
	if len(query["login_hint"]) > maxParam {
		return refused(codeBadRequest, errLoginHint)
	}
	query["return_to"] = "/"
	if address, given := query["target_link_uri"]; given {
		target, ok := h.targetOf(r, address)
		if !ok {
			return refused(codeBadRequest, errTarget)
		}
		query["return_to"] = target
	}
	return nil
}

// targetOf reads a path, or a URL of the site's own origin. Unlike return_to, which
// another site did not choose, anything else is refused.
func (h *Handler) targetOf(r *http.Request, address string) (target string, ok bool) {
	if u, err := url.Parse(address); err == nil && u.IsAbs() {
		scheme := strings.ToLower(u.Scheme)
		if named := (origin{scheme, withoutDefaultPort(scheme, strings.ToLower(u.Host))}); u.User != nil || named != h.originOf(r) {
			return "", false
		}
		_, rest, _ := strings.Cut(address, "://")
		address = "/"
		if at := strings.IndexAny(rest, "/?#"); at >= 0 {
			address += strings.TrimPrefix(rest[at:], "/")
		}
	}
	target = h.localReturnTo(r, address)
	path, _, _ := strings.Cut(address, "#")
	return target, target != "/" || path == "/"
}

// hint gives the parameters of the authorization request with that of the other party.
func hint(query, params map[string]string) map[string]string {
	if _, initiated := query["iss"]; initiated && query["login_hint"] != "" {
		params["login_hint"] = query["login_hint"]
	}
	return params
}

// serveInitiated receives the parameters as a form. A form of another site comes
// without the cookies that tell of pending logins: the browser comes again by GET.
func (h *Handler) serveInitiated(w http.ResponseWriter, r *http.Request, form map[string]string) error {
	if isPrefetch(r) || isSubresource(r) {
		return h.refuse(w, r, refusal{code: codeLoginRequired, status: http.StatusUnauthorized, loginURL: h.loginURL(r)})
	}
	again := url.Values{}
	for _, name := range []string{"iss", "target_link_uri", "login_hint"} {
		if value, given := form[name]; given {
			again.Set(name, value)
		}
	}
	if refused := h.checkInitiated(r, form); refused != nil {
		return h.refuse(w, r, *refused)
	}
	redirect(w, originalPath(r)+"?"+again.Encode(), http.StatusSeeOther)
	return nil
}
