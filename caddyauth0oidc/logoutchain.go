package caddyauth0oidc

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// With `logout child` the browser walks from here to the child's logout, back here with a
// sealed parameter, the continuation, then to the master's logout, and back to return_to.

// continueParameter is the parameter of the logout route that brings a continuation.
const continueParameter = "continue"

// checkLogoutChild refuses a chain that could never reach a child.
func checkLogoutChild(l *Logout, connections []Connection) error {
	if !l.Child {
		return nil
	}
	for _, c := range connections {
		if c.endsAtChild() {
			return nil
		}
	}
	return errors.New("child: no connection says which application of which tenant is meant; add to it: child { domain <domain>; client_id <id> }")
}

// endsAtChild tells whether the child's session can be ended.
func (c Connection) endsAtChild() bool { return c.Child != nil && c.Child.ClientID != "" }

// childLogout gives the address that ends the child's session, or nothing if none is known.
func (h *Handler) childLogout(header http.Header, r *http.Request, v *visit, d *departure) string {
	child := h.childOf(v, d)
	if !h.Logout.Child || child == nil {
		return ""
	}
	request := h.departing(r, d)
	sealed, err := h.keys.Load().SealContinuation(session.Continuation{
		Session: d.id(), SID: request.SID, State: request.State, Made: h.now(),
	})
	back := h.originOf(r).String() + h.Prefix + "/logout?" + continueParameter + "=" + sealed
	location, invalid := tenant.ChildLogoutURL(child.Domain, child.ClientID, back)
	if err = cmp.Or(err, invalid); err != nil {
		h.logger.Error("logging out without the child tenant", zap.Error(err))
		return ""
	}
	if request.IDToken != "" {
		h.keepIDToken(header, r, v, d)
	}
	return location
}

// id is that of the newest session, zero for none.
func (d *departure) id() (id [16]byte) {
	if d.newest != nil {
		id = d.newest.session.ID
	}
	return id
}

// childOf finds the child behind the connection of the newest session; without any
// session, it is the only child that there is.
func (h *Handler) childOf(v *visit, d *departure) *Child {
	if d.newest == nil {
		return h.onlyChild(v)
	}
	for _, name := range connectionsOf(&d.newest.session.Profile) {
		for _, other := range h.siblings(v) {
			if child := other.childBehind(name); child != nil {
				return child
			}
		}
	}
	return nil
}

func (h *Handler) onlyChild(v *visit) (only *Child) {
	for _, other := range h.siblings(v) {
		for _, c := range other.Connections {
			switch {
			case !c.endsAtChild():
			case only == nil:
				only = c.Child
			case *only != *c.Child:
				return nil
			}
		}
	}
	return only
}

func (h *Handler) childBehind(connection string) *Child {
	for _, c := range h.Connections {
		for _, name := range c.names() {
			if name == connection && c.endsAtChild() {
				return c.Child
			}
		}
	}
	return nil
}

// connectionsOf gives the connections that a user may have signed in through, the
// likeliest first: linked accounts have the user id of one of them.
func connectionsOf(p *profile.Profile) (names []string) {
	if name, ok := claimText(p, childOfClaim); ok {
		names = append(names, name)
	}
	if s := profile.ParseSubject(p.UserID); isFederated(s.Strategy) {
		names = append(names, s.Connection)
	}
	list, _ := p.Claim("identities")
	identities, _ := list.([]any)
	for _, identity := range identities {
		member, _ := identity.(map[string]any)
		provider, _ := member["provider"].(string)
		if name, ok := member["connection"].(string); ok && isFederated(provider) {
			names = append(names, name)
		}
	}
	return names
}

func claimText(p *profile.Profile, name string) (text string, ok bool) {
	value, _ := p.Claim(name)
	text, ok = value.(string)
	return text, ok
}

func isFederated(strategy string) bool {
	return strategy == policy.StrategyAuth0OIDC || strategy == policy.StrategyOIDC
}

// keepIDToken keeps the ID token, and no other one, until the continuation: it is too long
// for an address that has to go through the child, and is none of the child's business.
func (h *Handler) keepIDToken(header http.Header, r *http.Request, v *visit, d *departure) {
	keeper := d.newest.keeper
	at, kept := keeper.placeOf(r), session.Tokens{Session: d.newest.session.ID, ID: d.newest.tokens.ID}
	err := keeper.keys.Load().WriteTokens(header, at.family.Session, &kept, session.ContinuationLifetime, v.cookies, at.headerLimit)
	if err != nil {
		h.logger.Warn("logging out at the master without the ID token", zap.Error(err))
	}
}

// takeIDToken gives the ID token of the session that has ended, and deletes its cookie. One
// of another session, of a login since then, is left alone.
func (h *Handler) takeIDToken(header http.Header, r *http.Request, v *visit, ended [16]byte) tenant.Secret {
	for _, other := range h.siblings(v) {
		cookie := other.cookiesOf(other.originOf(r)).Session
		if tokens, ok := other.keys.Load().ReadTokens(&session.Session{ID: ended}, v.cookies, cookie.Name); ok {
			session.ClearTokens(header, cookie, v.cookies)
			return tenant.Secret(tokens.ID)
		}
	}
	return ""
}

// continued gives the continuation that a request brings.
func (h *Handler) continued(r *http.Request, v *visit) (sealed string, ok bool) {
	if !h.Logout.Child || r.Method != http.MethodGet {
		return "", false
	}
	query, err := singleQuery(v.query)
	if err != nil { // which is none of ours
		return "", strings.Contains(v.query, continueParameter+"=")
	}
	sealed, ok = query[continueParameter]
	return sealed, ok
}

// continueLogout goes on to the master, or back to the site if the continuation is forged
// or too old. It comes by a redirect of another site, so anybody can cause it, with a
// continuation of a logout of their own. That does no harm: no session is ended here, none
// begins, no cookie is deleted but that of the very session that the continuation names,
// and the only place that the browser is sent to is the tenant's logout, where everybody
// can send it without us, and which asks the user if the session is not the one named.
func (h *Handler) continueLogout(w http.ResponseWriter, r *http.Request, v *visit, sealed string) error {
	c, ok := h.keys.Load().OpenContinuation(sealed, h.now())
	if !ok {
		redirect(w, h.afterLogout(r), http.StatusFound)
		return nil
	}
	request := h.logoutRequest(r, c.State)
	if h.Logout.Hint != hintNone {
		request.SID = c.SID
	}
	if h.Logout.Hint == hintIDToken {
		request.IDToken = h.takeIDToken(w.Header(), r, v, c.Session)
	}
	ctx, cancel := context.WithTimeout(r.Context(), logoutPatience)
	defer cancel()
	redirect(w, h.masterLogout(ctx, r, request), http.StatusFound)
	return nil
}

// logoutOrigins are further places that the redirects of a logout may lead to, as a list
// that begins with a space. Where `federated` leads, only the tenant knows.
func (h *Handler) logoutOrigins(v *visit) (list string) {
	all := h.siblings(v)
	if slices.ContainsFunc(all, func(other *Handler) bool { return other.Logout.Federated }) {
		return " https: http:"
	}
	if !slices.ContainsFunc(all, func(other *Handler) bool { return other.Logout.Child }) {
		return ""
	}
	for _, other := range all {
		for _, c := range other.Connections {
			if !c.endsAtChild() {
				continue
			}
			if issuer, err := tenant.IssuerOf(c.Child.Domain); err == nil {
				list += " " + strings.TrimSuffix(issuer, "/")
			}
		}
	}
	return list
}
