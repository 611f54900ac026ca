package peers

import (
	"context"
	_ "embed"
	"text/template"
)

const caddySecurityCallback = "/auth/oauth2/generic/authorization-code-callback"

//go:embed caddy-security.Caddyfile
var caddySecurityConf string

var caddySecurityTemplate = template.Must(template.New("Caddyfile").Parse(caddySecurityConf))

// CaddySecurity starts a Caddy that has the plugin caddy-security.
func CaddySecurity(ctx context.Context, o Options) ([]*Peer, error) {
	path, err := givenPath("a Caddy with caddy-security", o.CaddySecurityBinary)
	if err != nil {
		return nil, err
	}
	return o.startAll(ctx, []program{{
		name: "caddy-security", path: path, callback: caddySecurityCallback, arguments: o.configureCaddySecurity,
	}})
}

func (o Options) configureCaddySecurity(at place) ([]string, error) {
	values := o.commonValues(at)
	values["Key"] = randomHex(64) // of HS512
	path, err := writeConfig(at, caddySecurityTemplate, values)
	return []string{"run", "--adapter", "caddyfile", "--config", path}, err
}
