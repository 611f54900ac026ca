package caddyauth0oidc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// frontchannelPage is shown in a frame that nobody sees.
const frontchannelPage = "<!doctype html><html lang=\"en\"><title>Signed out</title></html>\n"

var errFrontchannel = errors.New("iss and sid have both to be there")

// serveFrontchannelLogout ends the session of this browser if it is the one that the tenant
// names: GET <prefix>/frontchannel-logout?iss=&sid= (OpenID Connect Front-Channel Logout 1.0
// section 3), in a frame of a page of the tenant. Anybody can make the request, so it does
// no more than that: nothing is revoked at the tenant, and other browsers keep their sessions.
func (h *Handler) serveFrontchannelLogout(w http.ResponseWriter, r *http.Request, v *visit) error {
	query, err := singleQuery(v.query)
	if err == nil && (query["iss"] == "" || query["sid"] == "") {
		err = errFrontchannel
	}
	if err != nil {
		return h.refuse(w, r, refusal{code: codeBadRequest, status: http.StatusBadRequest, cause: err, again: "/"})
	}
	noStore(w.Header())
	if query["iss"] == h.shared.tenant.Issuer() {
		h.endNamed(w, r, v, query["sid"])
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors "+h.shared.origin)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, frontchannelPage) // fails when the client is gone
	return nil
}

// endNamed ends the sessions in the browser for which the tenant's session has that id.
func (h *Handler) endNamed(w http.ResponseWriter, r *http.Request, v *visit, sid string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), logoutPatience)
	defer cancel()
	named := slices.DeleteFunc(h.heldSessions(r, v), func(one heldSession) bool { return one.session.SID != sid })
	if len(named) == 0 {
		return
	}
	ended, ends := h.whoAreIn(named), h.beginEnds(ctx, v)
	for i := range named {
		one := &named[i]
		session.ClearSession(w.Header(), one.keeper.cookiesOf(one.keeper.originOf(r)).Session, v.cookies)
		ends.endHeld(one)
	}
	ends.wait()
	h.tellLogout(r, logoutFrontchannel, ended)
}

// warn tells of a frame that browsers send no session to.
func (l *Logout) warn(logger *zap.Logger, sameSite string) {
	if l.Frontchannel && sameSite != "none" {
		logger.Warn("logout frontchannel does nothing in a browser that holds the session's cookie back from frames of other sites; " +
			"set session { cookie { same_site none } }, or use the back channel")
	}
}
