package upstream

import (
	"errors"
	"fmt"
	"strings"
)

// Known stands in Config.Strip for the headers in which well-known proxies tell
// applications who the user is.
const Known = "known"

// known leaves out those that are signed, which applications verify themselves,
// and those that say more than who the user is.
var known = []string{
	"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", // Authelia
	"X-Remote-User", "X-Remote-Name", "X-Remote-Email", "X-Remote-Group", "X-Remote-Groups", "X-Remote-Extra-*", // Apache, Kubernetes
	"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", // oauth2-proxy
	"X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Auth-Request-*",
	"X-Webauth-*",                        // Grafana
	"X-Authenticated-*", "X-Authentik-*", // nginx, authentik
	"X-Token-Subject", "X-Token-User-*", // caddy-security
	"Oidc-*",         // mod_auth_openidc
	"Sm-*", "Smuser", // SiteMinder
}

func (p *Plan) addStrip(patterns []string) error {
	var errs []error
	for _, pattern := range patterns {
		if pattern == Known {
			for _, one := range known {
				p.reserve(one)
			}
			continue
		}
		if err := checkPattern(pattern); err != nil {
			errs = append(errs, fmt.Errorf("checking %q, which is to be removed: %w", pattern, err))
			continue
		}
		p.reserve(pattern)
	}
	return errors.Join(errs...)
}

// reserve has the client's headers of a name, or of all names with a beginning
// that a star ends, removed.
func (p *Plan) reserve(pattern string) {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		p.prefixes = append(p.prefixes, fold(prefix))
		return
	}
	p.own(pattern)
}

func checkPattern(pattern string) error {
	prefix, ok := strings.CutSuffix(pattern, "*")
	if begins(pattern, browsers) {
		return errors.New("names that begin with Sec- belong to browsers: leave it out")
	}
	if !ok {
		if name := standardName(pattern); name != "" {
			return fmt.Errorf("%s belongs to HTTP or to the proxy: leave it out", name)
		}
		return checkName(pattern)
	}
	if !plain(prefix) || !strings.HasSuffix(prefix, "-") && !strings.HasSuffix(prefix, "_") {
		return errors.New("before the star there must be letters, digits, hyphens and underscores, " +
			"the first a letter, the last a hyphen or underscore: write it like X-Remote-*")
	}
	if len(prefix) > maxName {
		return fmt.Errorf("it has %d bytes: write at most %d before the star", len(prefix), maxName)
	}
	if name := covered(prefix); name != "" {
		return fmt.Errorf("it would remove %s from every request: write a longer beginning, or single names", name)
	}
	return nil
}
