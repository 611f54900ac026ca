package caddyauth0oidc

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// identity is the user as which a request goes on, by the judgement of the
// last directive that protects it.
type identity struct {
	profile *profile.Profile
	facts   upstream.Facts
	plan    *upstream.Plan
}

// publish gives the request the session's user: headers for the upstream,
// placeholders for the configuration and the access log.
func (h *Handler) publish(r *http.Request, v *visit, s *session.Session) {
	v.identity = &identity{profile: &s.Profile, facts: upstream.Facts{Expires: s.Expires(h.limits)}, plan: h.plan}
	v.restore(r)
}

// restore sets the headers of the identity that stands. A directive that does
// not protect a request leaves what an earlier one found out.
func (v *visit) restore(r *http.Request) {
	if i := v.identity; i != nil {
		i.plan.Apply(r.Header, make([]string, i.plan.Len()), i.profile, i.facts)
		if !slices.Contains(v.applied, i.plan) {
			v.applied = append(v.applied, i.plan)
		}
	}
}

// withdraw takes back what earlier directives said about the user, because a
// later one does not accept the session.
func (v *visit) withdraw(r *http.Request) {
	for _, plan := range v.applied {
		plan.Strip(r)
	}
	v.identity, v.applied = nil, nil
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
	if v.identity == nil {
		return "", true
	}
	value, _ := v.identity.profile.Claim(claim)
	return upstream.Value(profile.Text(value)), true
}
