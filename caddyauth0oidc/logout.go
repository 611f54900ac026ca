package caddyauth0oidc

import (
	"cmp"
	"context"
	"net/http"
	"slices"
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

// departure is what a logout has found in the browser, and has to tell the tenants.
type departure struct {
	state    string
	sessions int
	newest   session.Session // the tenant knows the latest login only
	keeper   *Handler        // of the newest session; nil without any
	tokens   *session.Tokens // of the newest session, or nil
	refresh  []tenant.Secret // refresh tokens of all of them
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, v *visit, status int) error {
	d := h.endSessions(w, r, v)
	h.logger.Info("signed out", zap.Int("sessions", d.sessions))
	// The client may go away: what it has asked for is done all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), logoutPatience)
	defer cancel()
	revoked := h.revokeRefresh(ctx, d.refresh)
	location := h.childLogout(w.Header(), r, v, d)
	if location == "" {
		location = h.masterLogout(ctx, r, h.departing(r, d))
	}
	revoked()
	redirect(w, location, status)
	return nil
}

// endSessions ends the sessions of the site's directives that share this route.
func (h *Handler) endSessions(w http.ResponseWriter, r *http.Request, v *visit) *departure {
	d := &departure{state: h.logoutState()}
	for _, other := range h.siblings(v) {
		s, ok := other.endSession(w, r, v, d.state)
		if !ok {
			continue
		}
		d.sessions++
		tokens, _ := other.keys.Load().ReadTokens(&s, v.cookies, other.cookiesOf(other.originOf(r)).Session.Name)
		if tokens != nil && tokens.Refresh != "" && !slices.Contains(d.refresh, tenant.Secret(tokens.Refresh)) {
			d.refresh = append(d.refresh, tenant.Secret(tokens.Refresh))
		}
		if d.keeper == nil || s.Login.After(d.newest.Login) {
			d.newest, d.keeper, d.tokens = s, other, tokens
		}
	}
	return d
}

// departing says how the tenant's session is to be ended.
func (h *Handler) departing(r *http.Request, d *departure) tenant.LogoutRequest {
	request := h.logoutRequest(r, d.state)
	if h.Logout.Hint != hintNone {
		request.SID = d.newest.SID
	}
	if h.Logout.Hint == hintIDToken && d.tokens != nil {
		request.IDToken = tenant.Secret(d.tokens.ID)
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
