package caddyauth0oidc

import (
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// site is what the directives of one site have in common: they answer each
// other's routes and clean each other's headers and cookies.
type site struct {
	root     caddy.Module
	handlers []*Handler        // in the order in which a request meets them
	routes   map[string]*route // their own routes; the first directive has a path
	holders  int
}

// sites are those of every configuration that is loaded. A reload makes new ones,
// so that a site no longer changes once it is served.
var sites = struct {
	mu sync.Mutex
	by map[caddy.Module]*site
}{by: make(map[caddy.Module]*site)}

// joinSite makes h known to its site. It comes last in the provisioning of h,
// because others use it from then on.
func joinSite(root caddy.Module, h *Handler) *site {
	sites.mu.Lock()
	defer sites.mu.Unlock()
	s := sites.by[root]
	if s == nil {
		s = &site{root: root, routes: make(map[string]*route)}
		sites.by[root] = s
	}
	s.holders++
	s.handlers = append(s.handlers, h)
	for path, own := range h.ownRoutes() {
		if s.routes[path] == nil {
			s.routes[path] = own
		}
	}
	return s
}

// leave forgets the site with its last directive. What requests that are still
// under way see of it stays as it is.
func (s *site) leave() {
	sites.mu.Lock()
	defer sites.mu.Unlock()
	if s.holders--; s.holders == 0 {
		delete(sites.by, s.root)
	}
}

// siteRoot tells sites apart by the subroute that the Caddyfile adapter makes of
// each; directives that stand in no subroute are of one site.
func siteRoot(lineage []caddy.Module) caddy.Module {
	for _, module := range lineage {
		if subroute, ok := module.(*caddyhttp.Subroute); ok {
			return subroute
		}
	}
	return lineage[0]
}

// siblings are the directives of the site, h among them, that share its tenant,
// client and routes.
func (h *Handler) siblings() []*Handler {
	var found []*Handler
	for _, other := range h.site.handlers {
		if other.shared == h.shared && other.Prefix == h.Prefix {
			found = append(found, other)
		}
	}
	return found
}

// siblingWith gives the sibling with the given connection, or nil.
func (h *Handler) siblingWith(connection string) *Handler {
	for _, other := range h.siblings() {
		if other.connections.Has(connection) {
			return other
		}
	}
	return nil
}
