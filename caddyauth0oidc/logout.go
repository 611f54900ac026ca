package caddyauth0oidc

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// discoveryPatience is how long a page waits to learn the tenant's logout endpoint.
const discoveryPatience = 2 * time.Second

// logoutPatience is how long a logout waits for the tenant: to learn its logout endpoint,
// before it takes the one that every Auth0 tenant has, and to revoke refresh tokens.
const logoutPatience = discoveryPatience

// serveLogout ends the session here and at the tenant. A request that another
// site may have caused gets a page that asks first.
func (h *Handler) serveLogout(w http.ResponseWriter, r *http.Request, v *visit) error {
	if sealed, ok := h.continued(r, v); ok {
		return h.continueLogout(w, r, v, sealed)
	}
	if r.Method == http.MethodPost {
		if err := h.checkSameOrigin(r); err != nil {
			return h.refuse(w, r, refusal{code: codeCrossSite, status: http.StatusForbidden, cause: err, again: h.Prefix + "/logout"})
		}
		return h.signOut(w, r, v, http.StatusSeeOther)
	}
	if !isOwnNavigation(r) {
		noStore(w.Header())
		h.writePage(w, r, http.StatusOK, confirmLogoutPage(h.languageOf(r), h.Prefix+"/logout"))
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

// departure is what a logout has found in the browser, and has to tell the tenants.
type departure struct {
	state  string
	held   []heldSession
	newest *heldSession // the tenant knows the latest login only; nil without any
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, v *visit, status int) error {
	// The client may go away: what it has asked for is done all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), logoutPatience)
	defer cancel()
	d := h.depart(ctx, r, v)
	ended, ends := h.whoAreIn(d.held), h.beginEnds(ctx, v)
	for i := range d.held {
		ends.endHeld(&d.held[i])
	}
	ends.endCrossing(r, v)
	for _, other := range h.siblings(v) {
		other.clearBrowser(w, r, v, d.state)
	}
	revoked := h.revokeRefresh(ctx, d.refreshTokens())
	location := h.childLogout(w.Header(), r, v, d)
	if location == "" {
		location = h.masterLogout(ctx, r, h.departing(r, d))
	}
	revoked()
	ends.wait()
	h.tellLogout(r, logoutUser, ended)
	redirect(w, location, status)
	return nil
}

// depart looks for what the browser has, and for what refreshes have made of it.
func (h *Handler) depart(ctx context.Context, r *http.Request, v *visit) *departure {
	d := &departure{state: h.logoutState(), held: h.heldSessions(r, v)}
	for i := range d.held {
		one := &d.held[i]
		one.findNewest(ctx, h.whoRefreshes(v))
		if d.newest == nil || one.session.Login.After(d.newest.session.Login) {
			d.newest = one
		}
	}
	return d
}

func (d *departure) refreshTokens() (tokens []tenant.Secret) {
	for _, one := range d.held {
		if one.tokens != nil && one.tokens.Refresh != "" {
			tokens = append(tokens, tenant.Secret(one.tokens.Refresh))
		}
	}
	return tokens
}

// departing says how the tenant's session is to be ended.
func (h *Handler) departing(r *http.Request, d *departure) tenant.LogoutRequest {
	request := h.logoutRequest(r, d.state)
	if d.newest == nil || h.Logout.Hint == hintNone {
		return request
	}
	request.SID = d.newest.session.SID
	if h.Logout.Hint == hintIDToken && d.newest.tokens != nil {
		request.IDToken = tenant.Secret(d.newest.tokens.ID)
	}
	return request
}

func (h *Handler) logoutRequest(r *http.Request, state string) tenant.LogoutRequest {
	return tenant.LogoutRequest{
		Strategy: h.logoutStrategy(), ReturnTo: h.afterLogout(r), State: state, Federated: h.Logout.Federated,
	}
}

// afterLogout is where every logout ends; nothing of a request says so but its host.
func (h *Handler) afterLogout(r *http.Request) string {
	return h.originOf(r).String() + h.Logout.ReturnTo
}

// masterLogout gives the address that ends the session at the tenant.
func (h *Handler) masterLogout(ctx context.Context, r *http.Request, request tenant.LogoutRequest) string {
	metadata, err := h.shared.tenant.Metadata(ctx)
	if err != nil {
		h.logger.Warn("logging out at the tenant without its metadata", zap.Error(err))
	}
	if request.IDToken != "" { // the address of the redirect has it, and access logs have that
		caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	}
	return cmp.Or(h.shared.tenant.LogoutURL(metadata, h.application, request), request.ReturnTo)
}

// revokeRefresh ends refresh tokens at the tenant, and gives what waits for that. They
// would outlive the session; the user is signed out whatever becomes of it.
func (h *Handler) revokeRefresh(ctx context.Context, tokens []tenant.Secret) (wait func()) {
	var all sync.WaitGroup
	for _, token := range tokens {
		all.Go(func() {
			if err := h.shared.tenant.RevokeToken(ctx, h.application, token); err != nil {
				h.logger.Warn("revoking the refresh token of a session that was signed out", zap.Error(err))
			}
		})
	}
	return all.Wait
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

// clearBrowser deletes what this directive keeps in the browser, where the logout leaves
// its state.
func (h *Handler) clearBrowser(w http.ResponseWriter, r *http.Request, v *visit, state string) {
	family := h.cookiesOf(h.originOf(r))
	session.ClearSession(w.Header(), family.Session, v.cookies)
	session.ClearTransactions(w.Header(), h.pendingCookie(h.originOf(r)), v.cookies)
	session.ClearForm(w.Header(), family.Transaction, v.cookies)
	session.ClearAttempts(w.Header(), family.Transaction)
	session.WriteSignedOut(w.Header(), family.Transaction, state)
}
