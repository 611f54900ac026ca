// Package caddyauth0oidc is the Caddy module http.handlers.auth0_oidc. It puts
// an Auth0 login in front of applications that know nothing of OpenID Connect.
//
// A browser without a session is sent to the master tenant's /authorize with
// the connection whose identity provider is an application in a child tenant.
// The callback is verified, the session is sealed into a cookie, and the Auth0
// normalized user profile reaches the upstream as request headers. Marks in
// Caddy's storage end sessions before their time, on every instance.
//
//	app.example.com {
//		auth0_oidc {
//			domain        acme.eu.auth0.com
//			client_id     {env.AUTH0_CLIENT_ID}
//			client_secret {file./run/secrets/auth0_client_secret}
//			connection    acme-child
//		}
//		reverse_proxy legacy:8080
//	}
//
// One request: headers that are ours are removed, whoever sent them (serve.go);
// a path that is ours is answered here (login.go, callback.go, logout.go,
// frontchannel.go, backchannel.go, profileroute.go); otherwise the session is read
// and judged, whether it was ended (revocation.go) included, its access token is
// kept fresh (refresh.go), the identity is set (identity.go), and the next handler
// runs. Whoever may not pass is sent to the login or answered in refuse.go, first
// of all by the site's own error routes (errorroutes.go).
//
// The directives of one site know each other (site.go). What all directives of a
// tenant and client share outlives reloads: discovery and keys (shared.go), what
// ended sessions (ledger.go), refreshes (refreshstate.go). Operators end sessions
// by the admin API (admin.go) and a command (commandrevoke.go). What they learn of each
// decision, as line of the log, metric and event, comes from one place (observe.go).
package caddyauth0oidc
