package caddyauth0oidc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
)

// placed is a directive as it is written, and where it stands.
type placed struct {
	written json.RawMessage
	place   doctor.Place
	ports   [2]int // of plain http and of https
}

// placedIn finds the directives of a whole configuration, in the order of its servers'
// names and of their routes. Nothing of it is provisioned.
func placedIn(config []byte) ([]placed, error) {
	var root struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(config, &root); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	app := new(caddyhttp.App)
	if raw := root.Apps["http"]; raw != nil {
		if err := caddy.StrictUnmarshalJSON(raw, app); err != nil {
			return nil, fmt.Errorf("reading the configuration of the app http: %w", err)
		}
	}
	ports := [2]int{caddyhttp.DefaultHTTPPort, caddyhttp.DefaultHTTPSPort}
	for i, port := range []int{app.HTTPPort, app.HTTPSPort} {
		if port != 0 {
			ports[i] = port
		}
	}
	var found []placed
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		if server := app.Servers[name]; server != nil {
			w := &placeWalk{server: server, ports: ports}
			w.walk()
			found = append(found, w.found...)
		}
	}
	return found, nil
}

// placeWalk goes through the routes of a server, in the order of a request.
type placeWalk struct {
	server *caddyhttp.Server
	ports  [2]int
	found  []placed
}

// step of a walk is what is known on the way to a route.
type routeStep struct {
	hosts   []string // that lead there; none for any
	behind  string   // a handler that has answered before
	invoked []string // named routes
}

func (w *placeWalk) walk() {
	w.routes(w.server.Routes, routeStep{})
	if w.server.Errors != nil {
		w.routes(w.server.Errors.Routes, routeStep{})
	}
}

// routes gives the name of a handler that answers whatever comes to its end, or nothing.
func (w *placeWalk) routes(list caddyhttp.RouteList, at routeStep) string {
	for i := range list {
		one := &list[i]
		next := at
		if hosts := hostsOf(one.MatcherSetsRaw); hosts != nil {
			next.hosts = hosts
		}
		if behind := w.handlers(one.HandlersRaw, next); len(one.MatcherSetsRaw) == 0 {
			at.behind = behind
		}
	}
	return at.behind
}

func (w *placeWalk) handlers(all []json.RawMessage, at routeStep) string {
	for _, raw := range all {
		var is struct {
			Handler string            `json:"handler"`
			Name    string            `json:"name"`
			Passes  bool              `json:"pass_thru"`
			Answers []json.RawMessage `json:"handle_response"` // which go on, as those of forward_auth
		}
		if json.Unmarshal(raw, &is) != nil {
			continue
		}
		switch is.Handler {
		case "auth0_oidc":
			w.found = append(w.found, placed{raw, w.placeOf(at), w.ports})
		case "invoke":
			at.behind = w.invoke(is.Name, at)
		case "subroute":
			at.behind = w.nested(raw, at)
		default:
			w.nested(raw, at)
			if at.behind == "" && concluding[is.Handler] && !is.Passes && len(is.Answers) == 0 {
				at.behind = is.Handler
			}
		}
	}
	return at.behind
}

// concluding are handlers of Caddy behind which nothing comes.
var concluding = map[string]bool{"reverse_proxy": true, "static_response": true, "file_server": true, "error": true}

func (w *placeWalk) invoke(name string, at routeStep) string {
	named := w.server.NamedRoutes[name]
	if named == nil || slices.Contains(at.invoked, name) {
		return at.behind
	}
	at.invoked = append(slices.Clip(at.invoked), name)
	return w.routes(caddyhttp.RouteList{*named}, at)
}

// nested goes through the routes that a handler has, for errors and for answers, too.
func (w *placeWalk) nested(raw json.RawMessage, at routeStep) string {
	type within struct {
		Routes caddyhttp.RouteList `json:"routes"`
	}
	var has struct {
		within
		Errors  *within  `json:"errors"`
		Answers []within `json:"handle_response"`
	}
	if json.Unmarshal(raw, &has) != nil {
		return at.behind
	}
	end := w.routes(has.Routes, at)
	for _, more := range has.Answers {
		w.routes(more.Routes, routeStep{hosts: at.hosts, invoked: at.invoked})
	}
	if has.Errors != nil {
		w.routes(has.Errors.Routes, routeStep{hosts: at.hosts, invoked: at.invoked})
	}
	return end
}

// hostsOf gives the hosts of matchers, in lower case; nil if they let any host pass.
func hostsOf(sets caddyhttp.RawMatcherSets) []string {
	var all []string
	for _, set := range sets {
		var hosts []string
		if raw := set["host"]; raw == nil || json.Unmarshal(raw, &hosts) != nil {
			return nil
		}
		for _, host := range hosts {
			all = append(all, strings.ToLower(host))
		}
	}
	return all
}

func (w *placeWalk) placeOf(at routeStep) doctor.Place {
	s := w.server
	limit := s.MaxHeaderBytes
	if limit == 0 {
		limit = http.DefaultMaxHeaderBytes
	}
	return doctor.Place{
		Hosts: at.hosts, Listen: s.Listen, Secure: w.secure(), Behind: at.behind, HeaderLimit: limit,
		TrustedProxies: s.TrustedProxiesRaw != nil || s.TrustedProxiesUnix,
	}
}

// secure follows what Caddy's automatic HTTPS does.
func (w *placeWalk) secure() bool {
	s := w.server
	plain, others := 0, 0
	for _, address := range s.Listen {
		switch portOf(address) {
		case w.ports[0]:
			plain++
		case w.ports[1]:
		default:
			others++
		}
	}
	switch {
	case plain == len(s.Listen) && len(s.Listen) > 0:
		return false
	case len(s.TLSConnPolicies) > 0:
		return true
	case s.AutoHTTPS != nil && s.AutoHTTPS.Disabled:
		return false
	case plain+others == 0 && len(s.Listen) > 0:
		return true
	}
	named := func(host string) bool { return s.AutoHTTPS == nil || !slices.Contains(s.AutoHTTPS.Skip, host) }
	return slices.ContainsFunc(s.Routes, func(r caddyhttp.Route) bool { return slices.ContainsFunc(hostsOf(r.MatcherSetsRaw), named) })
}

// portOf gives 0 for what has none, such as a socket of a file.
func portOf(address string) int {
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		return 0
	}
	return int(parsed.StartPort)
}

// addresses are those of the site if nobody says otherwise. A server that believes its
// proxies is reached through one that speaks https.
func (p placed) addresses() []string {
	scheme, port, standard := "http", 0, p.ports[0]
	if p.place.Secure {
		scheme, standard = "https", p.ports[1]
	}
	if len(p.place.Listen) > 0 {
		port = portOf(p.place.Listen[0])
	}
	suffix := ":" + strconv.Itoa(port)
	if port == 0 || port == standard {
		suffix = ""
	}
	if !p.place.Secure && p.place.TrustedProxies {
		scheme, suffix = "https", ""
	}
	var all []string
	for _, host := range p.place.Hosts {
		if !strings.ContainsAny(host, "*{") {
			all = append(all, scheme+"://"+host+suffix)
		}
	}
	return all
}

// name is the site's name in the report.
func (p placed) name() string {
	switch {
	case len(p.place.Hosts) > 0:
		return p.place.Hosts[0]
	case len(p.place.Listen) > 0:
		return p.place.Listen[0]
	}
	return "any host"
}

// settings are those of the directive, without the member that names the module.
func (p placed) settings() (*Handler, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(p.written, &members); err != nil {
		return nil, err
	}
	delete(members, "handler")
	written, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	h := new(Handler)
	if err := caddy.StrictUnmarshalJSON(bytes.TrimSpace(written), h); err != nil {
		return nil, fmt.Errorf("reading the directive: %w", err)
	}
	return h, nil
}
