// Command caddy is the Caddy that the comparison measures: the standard modules,
// this repository's plugin, and a handler that does nothing.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc"
	_ "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/noop"
)

func main() {
	caddycmd.Main()
}
