package caddyauth0oidc

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// discoveryPatience is how long a logout waits to learn the tenant's logout
// endpoint before it takes the one that every Auth0 tenant has.
const discoveryPatience = 2 * time.Second

// serveLogout ends the session here and at the tenant. A request that another
// site may have caused gets a page that asks first.
func (h *Handler) serveLogout(w http.ResponseWriter, r *http.Request, v *visit) error {
	if r.Method == http.MethodPost {
		if err := h.checkSameOrigin(r); err != nil {
			return h.refuse(w, r, refusal{code: codeCrossSite, status: http.StatusForbidden, cause: err, again: h.Prefix + "/logout"})
		}
		return h.signOut(w, r, v, http.StatusSeeOther)
	}
	if !isOwnNavigation(r) {
		noStore(w.Header())
		h.writePage(w, r, http.StatusOK, confirmLogoutPage(h.Prefix+"/logout"))
		return nil
	}
	return h.signOut(w, r, v, http.StatusFound)
}

// checkSameOrigin refuses a POST that another site made. Behind a proxy the
// request's Host need not be the address that the browser calls its origin.
func (h *Handler) checkSameOrigin(r *http.Request) error {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(h.originOf(r).String()); err != nil {
		return err
	}
	return protection.Check(r)
}

// isOwnNavigation tells whether the user went there from this site, or by
// typing the address. Only the browser can say so.
func isOwnNavigation(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "same-origin" || site == "none") && isNavigation(r)
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, v *visit, status int) error {
	request := tenant.LogoutRequest{
		Strategy: h.logoutStrategy(), ReturnTo: h.originOf(r).String() + h.Logout.ReturnTo, State: h.logoutState(),
	}
	ended, newest := 0, time.Time{}
	for _, other := range h.siblings(v) {
		if s, ok := other.endSession(w, r, v, request.State); ok {
			if ended++; s.Login.After(newest) { // the tenant knows the latest login only
				newest = s.Login
				request.SID, request.IDToken = h.logoutHint(r, v, &s, other)
			}
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), discoveryPatience)
	defer cancel()
	metadata, err := h.shared.tenant.Metadata(ctx)
	if err != nil {
		h.logger.Warn("logging out at the tenant without its metadata", zap.Error(err))
	}
	h.logger.Info("signed out", zap.Int("sessions", ended))
	if request.IDToken != "" { // the address of the redirect has it, and access logs have that
		caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	}
	redirect(w, cmp.Or(h.shared.tenant.LogoutURL(metadata, h.application, request), request.ReturnTo), status)
	return nil
}

// logoutState is a fresh random value by which the page after the logout knows that the
// tenant led to it. Nothing hangs on it: a logout goes on without.
func (h *Handler) logoutState() string {
	state, err := h.drawID()
	if err != nil {
		h.logger.Warn("logging out without a state", zap.Error(err))
	}
	return state
}

// withoutState takes the state of the last logout off the address that the tenant led
// back to, so that the next login does not bring it to the application. A state of
// anything else is the application's, and stays.
func withoutState(address, state string) string {
	for _, joint := range []string{"?", "&"} {
		if rest, ok := strings.CutSuffix(address, joint+"state="+state); ok && state != "" {
			return rest
		}
	}
	return address
}

// endSession deletes what this directive keeps in the browser, where the logout leaves
// its state, and gives the session that it kept.
func (h *Handler) endSession(w http.ResponseWriter, r *http.Request, v *visit, state string) (s session.Session, ok bool) {
	family := h.cookiesOf(h.originOf(r))
	session.ClearSession(w.Header(), family.Session, v.cookies)
	session.ClearTransactions(w.Header(), h.pendingCookie(h.originOf(r)), v.cookies)
	session.ClearForm(w.Header(), family.Transaction, v.cookies)
	session.ClearAttempts(w.Header(), family.Transaction)
	session.WriteSignedOut(w.Header(), family.Transaction, state)
	if ok = h.supersede(&s, v, family.Session.Name); ok {
		h.endCopies(r, &s)
	}
	return s, ok
}

// logoutHint tells the tenant which session is meant; keeper has it.
func (h *Handler) logoutHint(r *http.Request, v *visit, s *session.Session, keeper *Handler) (sid string, idToken tenant.Secret) {
	if h.Logout.Hint == hintNone {
		return "", ""
	}
	if h.Logout.Hint == hintIDToken {
		name := keeper.cookiesOf(keeper.originOf(r)).Session.Name
		if tokens, ok := keeper.keys.Load().ReadTokens(s, v.cookies, name); ok {
			idToken = tenant.Secret(tokens.ID)
		}
	}
	return s.SID, idToken
}
