package auth0sim

import (
	"net/http"
	"net/url"
	"strings"
)

// address is where a tenant is.
type address struct {
	scheme, host string
	path         string // without a slash at its end; empty for a tenant that has its host to itself
	issuer       string
}

// addressOf reads what an operator writes: a host, a URL of a host, or a whole issuer with a path.
func addressOf(domain string) address {
	scheme, rest, found := strings.Cut(domain, "://")
	if !found {
		scheme, rest = "https", domain
	}
	host, path, _ := strings.Cut(rest, "/")
	at := address{scheme: scheme, host: canonicalHost(host)}
	at.issuer = at.base() + "/"
	if path != "" {
		at.path = "/" + strings.TrimSuffix(path, "/")
		at.issuer = at.scheme + "://" + at.host + "/" + path
	}
	return at
}

// Issuer is the iss of the tenant's tokens, with the slash at its end that Auth0 puts there; that of a tenant with a path
// ends as it was written.
func (a address) Issuer() string { return a.issuer }

// Domain is what an operator writes as the tenant's domain: the bare host, or the whole URL of an http tenant. A tenant
// with a path has none, only an issuer.
func (a address) Domain() string {
	if a.scheme == "https" {
		return a.host + a.path
	}
	return a.base()
}

// Host is the host, with its port if it has one.
func (a address) Host() string { return a.host }

func (a address) base() string { return a.scheme + "://" + a.host + a.path }

// has tells whether a path of the host is the tenant's.
func (a address) has(path string) bool {
	return a.path == "" || strings.HasPrefix(path, a.path+"/")
}

// withoutPath gives the request as a tenant that has its host to itself would get it.
func (a address) withoutPath(r *http.Request) (*http.Request, bool) {
	if a.path == "" {
		return r, true
	}
	below, ok := strings.CutPrefix(r.URL.Path, a.path)
	if !ok || !strings.HasPrefix(below, "/") {
		return r, false
	}
	seen := *r
	seen.URL = new(url.URL)
	*seen.URL = *r.URL
	seen.URL.Path, seen.URL.RawPath = below, ""
	return &seen, true
}
