package caddyauth0oidc

import (
	"errors"
	"net/http"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

func checkPAR(value string) error {
	return oneOf(value, []string{tenant.PushAuto, tenant.PushOn, tenant.PushOff})
}

// leadsNowhere tells whether no browser will follow the redirect to the tenant. A login is
// pushed for none of these, or crawlers and idle tabs would use up what the tenant allows.
func leadsNowhere(r *http.Request) bool { return r.Method == http.MethodHead || isPrefetch(r) }

// notBegun is the refusal of a login that cannot be brought to the tenant. The browser gets
// no other request in place of a pushed one.
func (h *Handler) notBegun(err error, again string) refusal {
	f := h.unavailable(err, again)
	f.login = loginAtStart
	_, refused := errors.AsType[*tenant.RefusedError](err)
	switch {
	case refused: // secret, key or application are set up wrongly
		f.code, f.status = codeRequestRefused, http.StatusBadGateway
	case errors.Is(err, tenant.ErrPushNotOffered), errors.Is(err, tenant.ErrPushRequired):
		f.code, f.status = codePARMismatch, http.StatusBadGateway
	case errors.Is(err, tenant.ErrRequestTooLarge):
		f.code, f.status = codeBadRequest, http.StatusBadRequest
	}
	return f
}
