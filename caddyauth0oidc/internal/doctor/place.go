package doctor

import (
	"net"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Place is where in a server a directive stands.
type Place struct {
	// Hosts are the names that the site answers, in lower case, such as "*.example.com"; none for a site that answers any.
	Hosts []string
	// Listen are the addresses of the server, as they are configured.
	Listen []string
	// Secure tells that the server itself speaks TLS with browsers.
	Secure bool
	// TrustedProxies tells that the server believes X-Forwarded-* of some proxy.
	TrustedProxies bool
	// HeaderLimit is how many bytes of header the server accepts of a request.
	HeaderLimit int
	// Behind names a handler that answers every request before it comes to the directive; empty if there is none.
	Behind string
}

// Settings are those of a directive that concern the browser's side.
type Settings struct {
	// IssuerSetting is the setting that names the tenant: domain or issuer.
	IssuerSetting string
	// ManagementDomain is the tenant's canonical domain, where the directive says it.
	ManagementDomain string
	// Open tells that requests without a session pass, and that there is no rule for users.
	Open bool
	// CookieName, CookieDomain and SameSite are those of the session cookie, without the prefix of its name.
	CookieName, CookieDomain, SameSite string
	// Sealing tells the secrets of one directive from those of another, and shows nothing of them; empty where they are made
	// by the server itself.
	Sealing string
	// MoreCookies tells that a session has cookies of its own for tokens.
	MoreCookies bool
}

// isAny tells whether the site answers any host, or any below a domain.
func (p Place) isAny() bool {
	for _, host := range p.Hosts {
		if strings.ContainsAny(host, "*{") {
			return true
		}
	}
	return len(p.Hosts) == 0
}

// anyShown is how such hosts are shown.
func (p Place) anyShown() string {
	if len(p.Hosts) == 0 {
		return "any host"
	}
	return shortened(strings.Join(p.Hosts, ", "))
}

// answers tells whether the site answers requests for a host.
func (p Place) answers(host string) bool {
	for _, own := range p.Hosts {
		label, rest, _ := strings.Cut(host, ".")
		if own == host || strings.Contains(own, "{") || own == "*" || label != "" && own == "*."+rest {
			return true
		}
	}
	return len(p.Hosts) == 0
}

// isLocal tells whether only browsers of this machine can reach the site.
func (p Place) isLocal() bool {
	for _, host := range p.Hosts {
		if !tenant.IsLoopback(withoutPort(host)) {
			return false
		}
	}
	if len(p.Hosts) > 0 {
		return true
	}
	for _, address := range p.Listen {
		host, _, err := net.SplitHostPort(strings.TrimPrefix(address, "tcp/"))
		if err != nil || !tenant.IsLoopback(host) {
			return false
		}
	}
	return len(p.Listen) > 0
}

func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
