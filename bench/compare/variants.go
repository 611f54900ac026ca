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

	sessions int // how many users' cookies the load sends, to both sides
	cookies  func(m *bench.Mint, sessions int) ([]string, error)
	protects bool   // requests without a session
	userID   string // the header that carries the user id, if one does
}

// usual are the variants that a comparison without flags measures.
func usual() []variant {
	return []variant{
		bare("noop", "handler that does nothing").with(func(v *variant) { v.directive = "bench_noop\n" }),
		headers(4),
		headers(12),
		plugin("sessions", "plugin, 12 headers, 100000 sessions", 12).with(func(v *variant) { v.sessions = 100_000 }),
		plugin("tokens", "plugin, 12 headers, tokens in a second cookie", 12).with(func(v *variant) { v.cookies = (*bench.Mint).CookiesWithTokens }),
		plugin("preset", "plugin, default headers", bench.Preset),
	}
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
		plugin("preset-gogc", "plugin, default headers, GOGC=400", bench.Preset).with(large),
		bare("bare-memlimit", "bare, GOMEMLIMIT=256MiB and GOGC=off").with(bounded),
		plugin("preset-memlimit", "plugin, default headers, GOMEMLIMIT=256MiB and GOGC=off", bench.Preset).with(bounded),
		bare("bare-pool", "bare, default keepalive_idle_conns_per_host, twice the connections on both sides").with(pooled),
		bare("bare-log", "bare, access log").with(logged),
		plugin("preset-log", "plugin, default headers, access log", bench.Preset).with(logged),
	}
}

func bare(name, about string) variant {
	return variant{name: name, about: about, sessions: 1, cookies: (*bench.Mint).Cookies}
}

func headers(n int) variant {
	return plugin(fmt.Sprintf("headers-%d", n), fmt.Sprintf("plugin, %d headers", n), n)
}

func plugin(name, about string, headers int) variant {
	v := bare(name, about)
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
