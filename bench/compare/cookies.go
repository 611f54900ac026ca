package main

import (
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/report"
)

// beside is the Cookie header of a browser that has cookies of the application, too.
func beside(session string) string { return session + "; " + bench.ApplicationCookie }

// sent gives the Cookie headers of both sides' requests, which are sent in turn. A
// browser would not have the sessions' cookies if nobody had to sign in; with added,
// the bare side does not get them.
func sent(sessions []string, added bool) (toVariant, toBare []string) {
	for _, s := range sessions {
		toVariant = append(toVariant, beside(s))
	}
	if added {
		return toVariant, []string{bench.ApplicationCookie}
	}
	return toVariant, toVariant
}

// result is what is known of the variant's result before it is measured.
func (v *variant) result(connections int) report.Result {
	if v.crowded {
		connections *= 2
	}
	return report.Result{
		Name: v.name, About: v.title(), Beside: v.besides(), Added: v.added,
		Sessions: v.sessions, Connections: connections,
	}
}
