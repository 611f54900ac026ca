package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench"
)

// variant is a proxy that is compared with a bare one. The settings are those of a
// Caddy; a peer has its own.
type variant struct {
	name, about string

	peer *peer // nil of a Caddy with the plugin, and of a bare one

	directive string // of the site, before reverse_proxy
	env       []string
	log       bool // an access log, into a file
	smallPool bool // Caddy's default for idle connections to the upstream
	crowded   bool // twice the connections, on both sides

	sessions int  // how many users' cookies the load sends
	added    bool // the bare side gets none of them
	cookies  func(m *bench.Mint, sessions int) ([]string, error)
	protects bool   // requests without a session
	userID   string // the header that carries the user id, if one does
}

// usual are the variants that a comparison without flags measures.
func usual() []variant {
	tokens := plugin("tokens", "12 headers, tokens in a second cookie", 12).with(func(v *variant) { v.cookies = (*bench.Mint).CookiesWithTokens })
	preset := plugin("preset", "default headers", bench.Preset)
	all := []variant{
		bare("noop", "handler that does nothing").with(func(v *variant) { v.directive = "bench_noop\n" }),
		headers(4), headers(4).with(many), headers(12), headers(12).with(many), tokens, preset,
	}
	for _, v := range []variant{headers(4), headers(12), tokens, preset} {
		all = append(all, v.with(alone))
	}
	return all
}

// many makes sessions too many for the plugin to remember those that it has opened.
func many(v *variant) {
	v.name += "-100k"
	v.sessions = 100_000
}

// alone leaves the bare side with the application's own cookie. What the variant has
// more is everything that a login adds, its cookie on the wire included.
func alone(v *variant) {
	v.name += "-added"
	v.added = true
}

// title is what a report calls the variant.
func (v *variant) title() string {
	sessions := "one session"
	if v.sessions != 1 {
		sessions = fmt.Sprintf("%d sessions", v.sessions)
	}
	return v.about + ", " + sessions
}

// besides is what a report calls the bare proxy beside the variant.
func (v *variant) besides() string {
	proxy, cookies := "bare Caddy", "the same cookies"
	if v.peer != nil && v.peer.beside != "" {
		proxy = "bare Apache"
	}
	if v.added {
		cookies = "the application's cookie alone"
	}
	return proxy + " with " + cookies
}

// tuning are the variants that show what an operator can do.
func tuning() []variant {
	large := func(v *variant) { v.env = []string{"GOGC=400"} }
	bounded := func(v *variant) { v.env = []string{"GOGC=off", "GOMEMLIMIT=256MiB"} }
	logged := func(v *variant) { v.log = true }
	pooled := func(v *variant) { v.smallPool, v.crowded = true, true }
	return []variant{
		headers(0),
		headers(8),
		headers(16),
		bare("bare-gogc", "bare, GOGC=400").with(large),
		plugin("preset-gogc", "default headers, GOGC=400", bench.Preset).with(large),
		bare("bare-memlimit", "bare, GOMEMLIMIT=256MiB and GOGC=off").with(bounded),
		plugin("preset-memlimit", "default headers, GOMEMLIMIT=256MiB and GOGC=off", bench.Preset).with(bounded),
		bare("bare-pool", "bare, default keepalive_idle_conns_per_host, twice the connections on both sides").with(pooled),
		bare("bare-log", "bare, access log").with(logged),
		plugin("preset-log", "default headers, access log", bench.Preset).with(logged),
	}
}

func bare(name, about string) variant {
	return variant{name: name, about: about, sessions: 1, cookies: (*bench.Mint).Cookies}
}

func headers(n int) variant {
	return plugin(fmt.Sprintf("headers-%d", n), fmt.Sprintf("%d headers", n), n)
}

func plugin(name, about string, headers int) variant {
	v := bare(name, "plugin, "+about)
	v.directive, v.protects = bench.Directive(headers), true
	switch {
	case headers == bench.Preset:
		v.userID = bench.PresetUserID
	case headers > 0:
		v.userID = bench.Headers[0].Name
	}
	return v
}

func (v variant) with(change func(*variant)) variant {
	change(&v)
	return v
}

// choose gives the variants with the names, separated by commas, in the order in
// which they stand; no names are all of them.
func choose(all []variant, names string) ([]variant, error) {
	if names == "" {
		return all, nil
	}
	wanted := strings.Split(names, ",")
	var known []string
	for _, v := range all {
		known = append(known, v.name)
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no variant %q among %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(v variant) bool { return !slices.Contains(wanted, v.name) }), nil
}
