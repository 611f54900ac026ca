package caddyauth0oidc

import (
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// site is what the directives of one site have in common: they answer each
// other's routes and clean each other's headers and cookies.
type site struct {
	handlers []*Handler        // in the order in which a request meets them
	routes   map[string]*route // their own routes; the first directive has a path
	ofErrors bool              // they stand in the server's error routes
}

// place is where in a server a directive stands: in one site, or, as part of a
// named route, in several.
type place struct {
	server *caddyhttp.Server
	sites  []located
}

type located struct {
	matchers caddyhttp.MatcherSets
	site     *site
}

// siteOf gives the site in which the directive has met the request. A handler is
// not told where it stands, so the server's routes are looked through at the
// first request.
func (h *Handler) siteOf(r *http.Request) *site {
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	at := h.place.Load()
	if at == nil || at.server != server {
		at = &place{server: server, sites: locate(server, h)}
		h.place.Store(at)
		for _, one := range at.sites {
			h.warnOfUserIDs(one.site)
			h.warnOfMetadata(one.site)
		}
		if server != nil {
			h.warnOfLockouts(server)
		}
	}
	if len(at.sites) > 1 {
		for _, one := range at.sites {
			if asItCame(r, func() bool { return matchesAny(one.matchers, r) }) {
				return one.site
			}
		}
	}
	return at.sites[0].site
}

// locate finds the sites of a directive, at least one.
func locate(server *caddyhttp.Server, h *Handler) []located {
	var found []located
	if server != nil {
		if found = neighbours(server, server.Routes, h); found == nil && server.Errors != nil {
			found = neighbours(server, server.Errors.Routes, h)
			for _, one := range found {
				one.site.ofErrors = true
			}
		}
	}
	if found == nil { // in a module that keeps its routes to itself
		found = []located{{site: newSite([]*Handler{h})}}
	}
	return found
}

func newSite(handlers []*Handler) *site {
	s := &site{handlers: handlers, routes: make(map[string]*route)}
	for _, h := range slices.Backward(handlers) {
		maps.Copy(s.routes, h.routes)
	}
	return s
}

// neighbours gives the sites of h among the routes. The Caddyfile adapter makes of
// each site one terminal route; what stands beside such routes is the server's
// only site.
func neighbours(server *caddyhttp.Server, routes caddyhttp.RouteList, h *Handler) []located {
	var found []located
	var beside []*Handler
	for _, one := range routes {
		handlers := directives(server, caddyhttp.RouteList{one}, nil)
		if !one.Terminal {
			beside = append(beside, handlers...)
		} else if slices.Contains(handlers, h) {
			found = append(found, located{one.MatcherSets, newSite(handlers)})
		}
	}
	if slices.Contains(beside, h) {
		found = append(found, located{site: newSite(beside)})
	}
	return found
}

// directives finds the handlers of this module in routes, their subroutes and the
// named routes that they invoke.
func directives(server *caddyhttp.Server, routes caddyhttp.RouteList, invoked []string) []*Handler {
	var found []*Handler
	for _, one := range routes {
		for _, handler := range one.Handlers {
			switch is := handler.(type) {
			case *Handler:
				found = append(found, is)
			case *caddyhttp.Subroute:
				found = append(found, directives(server, is.Routes, invoked)...)
			case *caddyhttp.Invoke:
				if named := server.NamedRoutes[is.Name]; named != nil && !slices.Contains(invoked, is.Name) {
					found = append(found, directives(server, caddyhttp.RouteList{*named}, append(invoked, is.Name))...)
				}
			}
		}
	}
	return found
}

// ownRoute gives the route of this module that has the path: of this directive,
// or else of another one of the site.
func (h *Handler) ownRoute(v *visit, path string) *route {
	if own := h.routes[path]; own != nil || v == nil {
		return own
	}
	return v.site.routes[path]
}

// ownsCookie tells whether a cookie is of one of the site's directives.
func (s *site) ownsCookie(name string) bool {
	return slices.ContainsFunc(s.handlers, func(h *Handler) bool { return h.ownsCookie(name) })
}

// siblings are the directives of the visited site that share this one's tenant,
// client and routes.
func (h *Handler) siblings(v *visit) []*Handler {
	var found []*Handler
	if !slices.Contains(v.site.handlers, h) { // it stands elsewhere, as in an error route
		found = append(found, h)
	}
	for _, other := range v.site.handlers {
		if other.shared == h.shared && other.Prefix == h.Prefix {
			found = append(found, other)
		}
	}
	return found
}

// everyDirective gives the directives of whatever the server would do with the
// request, error routes included.
func everyDirective(server *caddyhttp.Server, r *http.Request) []*Handler {
	var found []*Handler
	for _, one := range slices.Concat(server.Routes, server.Errors.Routes) {
		if !one.Terminal || asItCame(r, func() bool { return matchesAny(one.MatcherSets, r) }) {
			found = append(found, directives(server, caddyhttp.RouteList{one}, nil)...)
		}
	}
	return found
}

// matchesAny takes a matcher that fails for one that does not match.
func matchesAny(sets caddyhttp.MatcherSets, r *http.Request) bool {
	matched, err := sets.AnyMatchWithError(r)
	return matched && err == nil
}

// siblingWith gives the sibling with the given connection, or nil.
func (h *Handler) siblingWith(r *http.Request, v *visit, connection string) *Handler {
	for _, other := range h.siblings(v) {
		if other.accepts(r, connection) {
			return other
		}
	}
	return nil
}
