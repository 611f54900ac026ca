package caddyauth0oidc

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
)

// warnOfLockouts tells of directives that a request meets one after the other although
// no session can do for both: each ends what the other has begun, and nobody ever gets
// in. It looks for the partners of this directive that come behind it, so that a site
// has one line of log for it. Those whose matchers alone tell whether they meet are
// left out.
func (h *Handler) warnOfLockouts(server *caddyhttp.Server) {
	met := meetings(server, server.Routes, nil, nil)
	for i, one := range met {
		for _, other := range met[i+1:] {
			if one.handler != h || !one.meets(other) {
				continue
			}
			if setting := h.contradicts(other.handler); setting != "" {
				h.logger.Warn("two directives protect the same requests, and no session can be enough for both of them, so that nobody gets in: " +
					"give them different matchers, or a session cookie each, or the same " + setting)
				return
			}
		}
	}
}

// contradicts names the setting by which no session is enough for both directives.
func (h *Handler) contradicts(other *Handler) string {
	if !h.sharesSession(other) || h.Unauthenticated == modePass || other.Unauthenticated == modePass {
		return ""
	}
	if a, b := h.organization, other.organization; a != "" && b != "" && a != b && isOrganizationID(a) == isOrganizationID(b) {
		return "organization"
	}
	insists := func(d *Handler) bool {
		return d.Profile != nil && d.Profile.Fallback == "" && d.Profile.Source != sourceIDToken
	}
	if insists(h) && insists(other) && h.Profile.Source != other.Profile.Source {
		return "profile"
	}
	return ""
}

func isOrganizationID(o policy.Organization) bool { return strings.HasPrefix(string(o), "org_") }

// meeting is where requests meet a directive: the steps that lead there.
type meeting struct {
	handler *Handler
	steps   []step
}

// step is a choice on the way to a directive.
type step struct {
	of    any    // what the choice belongs to
	group string // of a route; a request takes one route of a group
	some  bool   // not every request goes on here
}

// meets tells whether every request that meets one of the two meets the other one as
// well, as far as matchers do not have to be understood.
func (m meeting) meets(other meeting) bool {
	n := 0
	for n < min(len(m.steps), len(other.steps)) && m.steps[n].of == other.steps[n].of {
		n++
	}
	a, b := m.steps[n:], other.steps[n:]
	if len(a) > 0 && len(b) > 0 && a[0].group != "" && a[0].group == b[0].group {
		return false
	}
	isSome := func(s step) bool { return s.some }
	return !slices.ContainsFunc(a, isSome) || !slices.ContainsFunc(b, isSome)
}

// meetings finds the directives of routes as directives does, in the order of requests.
func meetings(server *caddyhttp.Server, routes caddyhttp.RouteList, way []step, invoked []string) []meeting {
	var found []meeting
	for i := range routes {
		one := &routes[i]
		to := append(slices.Clip(way), step{of: one, group: one.Group, some: len(one.MatcherSets) > 0})
		for _, handler := range one.Handlers {
			switch is := handler.(type) {
			case *Handler:
				found = append(found, meeting{is, append(slices.Clip(to), step{of: is, some: len(is.matchers) > 0})})
			case *caddyhttp.Subroute:
				found = append(found, meetings(server, is.Routes, to, invoked)...)
			case *caddyhttp.Invoke:
				if named := server.NamedRoutes[is.Name]; named != nil && !slices.Contains(invoked, is.Name) {
					found = append(found, meetings(server, caddyhttp.RouteList{*named}, append(slices.Clip(to), step{of: is}), append(slices.Clip(invoked), is.Name))...)
				}
			}
		}
	}
	return found
}
