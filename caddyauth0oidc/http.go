package caddyauth0oidc

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// HTTP says how the tenant is reached, by every call of this module: those to its
// Management API and to the child tenants of connections, too. What browsers are sent to
// is not concerned.
type HTTP struct {
	// Timeout limits each call to the tenant, from the connection to the last byte;
	// from 100ms to 1m. Default: 5s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// TrustPoolRaw is a module of the namespace `tls.ca_pool.source`, such as `file`,
	// that gives the certificate authorities which the certificates of all these
	// tenants, and that of a proxy reached by https, must go back to. It takes the
	// place of the system's. Default: the system's.
	TrustPoolRaw json.RawMessage `json:"trust_pool,omitempty" caddy:"namespace=tls.ca_pool.source inline_key=provider"`

	// Proxy is the URL of the proxy to the tenant, of the scheme `http`, `https` or
	// `socks5`, with user name and password if it asks for them (percent-encoded), or
	// `none` for no proxy. Loopback hosts are always reached without one. Placeholders
	// are resolved when the configuration is loaded; what it holds is never logged.
	// Default: that of the environment variables `HTTPS_PROXY` and `NO_PROXY`.
	Proxy string `json:"proxy,omitempty"`
}

// noProxy stands for a direct connection, whatever the environment says.
const noProxy = "none"

// parseHTTP reads:
//
//	http {
//		timeout    <duration>
//		trust_pool <module> ...
//		proxy      <url> | none
//	}
func (h *Handler) parseHTTP(d *caddyfile.Dispenser) error {
	h.HTTP = orNew(h.HTTP)
	return parseFields(d, fields{
		"timeout":    func() error { return duration(d, &h.HTTP.Timeout) },
		"trust_pool": func() error { return h.HTTP.parseTrustPool(d) },
		"proxy":      func() error { return oneArg(d, &h.HTTP.Proxy, checkProxy) },
	})
}

// parseTrustPool reads what Caddy's own reverse_proxy takes behind tls_trust_pool.
func (c *HTTP) parseTrustPool(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Errf("'trust_pool' needs the name of a module and what belongs to it; write it like: trust_pool file /etc/ssl/own-ca.pem")
	}
	name := d.Val()
	id := "tls.ca_pool.source." + name
	if _, err := caddy.GetModule(id); err != nil {
		return d.Errf("trust_pool: there is no module '%s'; choose one such as file, inline, pki_root or system", name)
	}
	module, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return d.Errf("trust_pool: %w", err)
	}
	c.TrustPoolRaw = caddyconfig.JSONModuleObject(module, "provider", name, nil)
	return nil
}

var (
	errProxy       = errors.New("the proxy is not a URL of the scheme http, https or socks5; write it like http://proxy.example.com:3128, with a percent-encoded user name and password if need be, or none")
	errHTTPTimeout = fmt.Errorf("the timeout is %s at least and %s at most", minHTTPTimeout, maxHTTPTimeout)
)

const (
	minHTTPTimeout = 100 * time.Millisecond
	maxHTTPTimeout = time.Minute
)

// checkProxy names nothing of the value, which may have a password in it.
func checkProxy(proxy string) error {
	if proxy == noProxy {
		return nil
	}
	u, err := url.Parse(proxy)
	if err != nil || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) || u.Hostname() == "" ||
		strings.TrimSuffix(u.Path, "/") != "" || strings.ContainsAny(proxy, "?#") {
		return errProxy
	}
	return nil
}

// checkHTTP takes what is empty for the default.
func checkHTTP(c *HTTP) error {
	if c == nil {
		return nil
	}
	if timeout := time.Duration(c.Timeout); timeout != 0 && (timeout < minHTTPTimeout || timeout > maxHTTPTimeout) {
		return named("timeout", errHTTPTimeout)
	}
	if c.Proxy == "" || hasPlaceholder(c.Proxy) {
		return nil
	}
	return named("proxy", checkProxy(c.Proxy))
}

// passage is how a directive reaches the tenants.
type passage struct {
	tenant.Egress
	key     string // tells it from others, without showing what is in it; empty for the usual one
	trust   string // whom it believes; empty for the system's authorities
	keeping *keeping
}

// passage gives the way to the tenants, that of the child and of the Management API too.
func (c *HTTP) passage(ctx caddy.Context, storage storage) (passage, error) {
	e, err := c.load(ctx)
	if err != nil {
		return passage{}, named("http", err)
	}
	number := 0
	e.Roots, number = trustPools.share(e.Roots)
	return passage{e, c.fingerprint(e, number), string(orNew(c).TrustPoolRaw), &keeping{ctx, storage, ctx.Logger()}}, nil
}

func (c *HTTP) load(ctx caddy.Context) (tenant.Egress, error) {
	var e tenant.Egress
	if c == nil {
		return e, nil
	}
	e.Timeout = time.Duration(c.Timeout)
	if c.TrustPoolRaw != nil {
		module, err := ctx.LoadModule(c, "TrustPoolRaw")
		if err != nil {
			return e, fmt.Errorf("loading trust_pool: %w", err)
		}
		if e.Roots, err = rootsOf(module); err != nil {
			return e, named("trust_pool", err)
		}
	}
	switch c.Proxy {
	case "":
	case noProxy:
		e.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	default:
		u, err := url.Parse(c.Proxy)
		if err != nil {
			return e, errProxy
		}
		e.Proxy = http.ProxyURL(u)
	}
	return e, nil
}

// rootsOf never gives nil, which would stand for the system's authorities.
func rootsOf(module any) (*x509.CertPool, error) {
	if authorities, ok := module.(caddytls.CA); ok {
		if roots := authorities.CertPool(); roots != nil {
			return roots, nil
		}
	}
	return nil, errors.New("the module gives no certificates; choose one such as file")
}

func (c *HTTP) fingerprint(e tenant.Egress, roots int) string {
	if c == nil || e.Timeout == 0 && e.Roots == nil && c.Proxy == "" {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", e.Timeout, roots, c.Proxy))
	return hex.EncodeToString(sum[:]) + "|"
}

// trustPools numbers pools of certificates by what is in them: a file may have others
// when the configuration is loaded again.
var trustPools poolNumbers

type poolNumbers struct {
	mu    sync.Mutex
	last  int
	known map[int]weak.Pointer[x509.CertPool]
}

// share gives the number of a pool, and the one to use in place of the pool: as long as
// anybody has that, the number is the same.
func (p *poolNumbers) share(pool *x509.CertPool) (shared *x509.CertPool, number int) {
	if pool == nil {
		return nil, 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for number, reference := range p.known {
		switch known := reference.Value(); {
		case known == nil: // nobody uses it any more
			delete(p.known, number)
		case known.Equal(pool):
			return known, number
		}
	}
	if p.known == nil {
		p.known = make(map[int]weak.Pointer[x509.CertPool])
	}
	p.last++
	p.known[p.last] = weak.Make(pool)
	return pool, p.last
}
