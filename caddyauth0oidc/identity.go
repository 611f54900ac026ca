package caddyauth0oidc

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// identity is the user as which a request goes on, by the judgement of the
// last directive that protects it. Without a plan it is nobody.
type identity struct {
	id      [16]byte // of the session or of the access token
	profile *profile.Profile
	plan    *upstream.Plan

	ends                  int64 // in Unix seconds, as headers show it: a time.Time would take a visit out of its size class
	assertion, childToken string
}

func (i *identity) facts() upstream.Facts {
	return upstream.Facts{Expires: time.Unix(i.ends, 0), Assertion: i.assertion, ChildToken: i.childToken}
}

// headerRoom is how many headers the array of a visit has room for.
const headerRoom = 22

// errStale says that a token does not show a sign-in that is recent enough.
var errStale = errors.New("judging the sign-in: auth_time does not show what max_age asks for")

// admits judges whoever is known from a session or, if there is one, from an access
// token, by the connection, by the organization, and by the strength and age of the
// sign-in that this directive asks for; the source is that of the session's profile. A
// machine is an application that acts for itself: it has come through no connection, and
// the tenant grants it each API by name; but it has no second factor either. How old its
// sign-in is, a session knows by its limits.
func (h *Handler) admits(r *http.Request, p *profile.Profile, source session.Source, token *tenant.AccessToken) error {
	if token == nil || !token.IsMachine() {
		if err := h.judgeConnection(r, p, source); err != nil {
			return err
		}
	}
	if err := h.judgeOrganization(p, token); err != nil {
		return err
	}
	if token != nil && !h.limits.Recent(token.AuthTime, h.now()) {
		return errStale
	}
	return h.contexts.Judge(p)
}

// ends is when a token does for this directive no longer.
func (h *Handler) ends(token *tenant.AccessToken) time.Time {
	if end := token.AuthTime.Add(h.limits.MaxAge); h.limits.MaxAge > 0 && end.Before(token.Expiry) {
		return end
	}
	return token.Expiry
}

// publish gives the request its user: headers for the upstream, placeholders for the
// configuration and the access log. The id is of the session or of the access token,
// the end as well.
func (h *Handler) publish(r *http.Request, v *visit, p *profile.Profile, id [16]byte, end time.Time) {
	if v.identity.plan != nil && v.identity.id != id { // an earlier directive has shown somebody else
		v.withdraw(r)
	}
	for _, plan := range v.applied { // whose directive may be for another application
		plan.WithdrawTokens(r.Header)
	}
	v.identity = identity{
		id: id, profile: p, plan: h.plan, ends: end.Unix(), assertion: h.assert(r, p, id, end), childToken: h.childTokenFor(r, v, id),
	}
	v.restore(r)
}

// restore sets the headers of the identity that stands. A directive that does
// not protect a request leaves what an earlier one found out.
func (v *visit) restore(r *http.Request) {
	plan := v.identity.plan
	if plan == nil {
		return
	}
	plan.Apply(r.Header, v.valuesFor(plan), v.identity.profile, v.identity.facts(), v.expander(r, plan))
	if v.applied == nil {
		v.applied = v.usualPlans[:0]
	}
	if !slices.Contains(v.applied, plan) {
		v.applied = append(v.applied, plan)
	}
}

// expander gives the function that fills in the placeholders of lines, or nil if no
// line has one. What it fills in is not looked at again: a claim that reads like a
// placeholder is text. A placeholder that is unknown is empty.
func (v *visit) expander(r *http.Request, plan *upstream.Plan) func(string) string {
	if !plan.Expands() {
		return nil
	}
	replacer, tokenless := replacerOf(r), v.accessToken() == ""
	return func(text string) string {
		if tokenless && strings.Contains(text, accessPlaceholder) { // what stands around it means nothing alone
			return ""
		}
		return replacer.ReplaceAll(text, "")
	}
}

// valuesFor gives an array for the values of the plan's headers, which no other plan
// and no other request writes to: Caddy's header directives edit values in place.
func (v *visit) valuesFor(plan *upstream.Plan) []string {
	usual := len(v.applied) == 0 || v.applied[0] == plan
	if n := plan.Len(); !usual || n > len(v.values) {
		return make([]string, n)
	}
	return v.values[:]
}

// withdraw takes back what earlier directives said about the user, because a
// later one does not accept the session.
func (v *visit) withdraw(r *http.Request) {
	for _, plan := range v.applied {
		plan.Withdraw(r)
	}
	v.identity, v.applied = identity{}, v.applied[:0]
}

// userPlaceholder begins the names of the placeholders that Caddy's modules use
// for a signed-in user.
const userPlaceholder = "http.auth.user."

// placeholder looks up {http.auth.user.*} when somebody asks, so that a request
// whose configuration asks for none costs nothing. A claim that nobody has is
// empty: an unknown placeholder would stand in the configuration's text as it is.
// The text is as harmless as in our own headers, since most of it ends in others.
func (v *visit) placeholder(name string) (any, bool) {
	claim, ok := strings.CutPrefix(name, userPlaceholder)
	if !ok {
		return nil, false
	}
	if v.identity.plan == nil {
		return "", true
	}
	if claim == accessTokenName { // never a claim of that name
		return v.accessToken(), true
	}
	value, _ := v.identity.profile.Claim(claim)
	return upstream.Value(profile.Text(value)), true
}
