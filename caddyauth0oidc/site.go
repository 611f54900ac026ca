package caddyauth0oidc

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// site is what the directives of one site have in common: they answer each
// other's routes and clean each other's headers and cookies.
type site struct {
	handlers []*Handler        // in the order in which a request meets them
	routes   map[string]*route // their own routes; the first directive has a path
}

// siteOf gives the directive's site. A handler is not told where it stands, so
// the server's routes are looked through at the first request.
func (h *Handler) siteOf(r *http.Request) *site {
	if s := h.site.Load(); s != nil {
		return s
	}
	var found []*Handler
	if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		if found = neighbours(server, server.Routes, h); found == nil && server.Errors != nil {
			found = neighbours(server, server.Errors.Routes, h)
		}
	}
	if found == nil { // in a module that keeps its routes to itself
		found = []*Handler{h}
	}
	s := &site{handlers: found, routes: make(map[string]*route)}
	for _, other := range slices.Backward(found) {
		for path, own := range other.routes {
			s.routes[path] = own
		}
	}
	h.site.Store(s)
	return s
}

// neighbours gives the directives of h's site, or nil when h is not among the
// routes. The Caddyfile adapter makes of each site one terminal route; what
// stands beside such routes is the server's only site.
func neighbours(server *caddyhttp.Server, routes caddyhttp.RouteList, h *Handler) []*Handler {
	var beside []*Handler
	for _, one := range routes {
		found := directives(server, caddyhttp.RouteList{one}, nil)
		if !one.Terminal {
			beside = append(beside, found...)
		} else if slices.Contains(found, h) {
			return found
		}
	}
	if slices.Contains(beside, h) {
		return beside
	}
	return nil
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
// or else of another one of its site.
func (h *Handler) ownRoute(r *http.Request, path string) *route {
	if own := h.routes[path]; own != nil {
		return own
	}
	return h.siteOf(r).routes[path]
}

// siblings are the directives of the site, h among them, that share its tenant,
// client and routes.
func (h *Handler) siblings(r *http.Request) []*Handler {
	var found []*Handler
	for _, other := range h.siteOf(r).handlers {
		if other.shared == h.shared && other.Prefix == h.Prefix {
			found = append(found, other)
		}
	}
	return found
}

// siblingWith gives the sibling with the given connection, or nil.
func (h *Handler) siblingWith(r *http.Request, connection string) *Handler {
	for _, other := range h.siblings(r) {
		if other.connections.Has(connection) {
			return other
		}
	}
	return nil
}
