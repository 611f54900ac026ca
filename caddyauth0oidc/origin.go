package caddyauth0oidc

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// origin is scheme and host of the site as the browser sees it.
type origin struct{ scheme, host string }

func (o origin) String() string { return o.scheme + "://" + o.host }

func (o origin) secure() bool { return o.scheme == "https" }

// originOf gives the site's origin for this request: the configured base URL
// of its host, else the first configured one, else what the request says.
func (h *Handler) originOf(r *http.Request) origin {
	seen := requestOrigin(r)
	if len(h.origins) == 0 {
		return seen
	}
	for _, o := range h.origins {
		if o.host == seen.host {
			return o
		}
	}
	return h.origins[0]
}

// requestOrigin believes X-Forwarded-* only of Caddy's trusted proxies, because
// whoever sets them decides where the browser is sent after the login.
func requestOrigin(r *http.Request) origin {
	o := origin{scheme: "http", host: strings.ToLower(r.Host)}
	if r.TLS != nil {
		o.scheme = "https"
	}
	o.host = withoutDefaultPort(o.scheme, o.host)
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); !trusted {
		return o
	}
	if proto := forwarded(r, "X-Forwarded-Proto"); proto == "https" || proto == "http" {
		o.scheme = proto
	}
	if host := forwarded(r, "X-Forwarded-Host"); host != "" && httpguts.ValidHostHeader(host) {
		o.host = withoutDefaultPort(o.scheme, host)
	}
	return o
}

// withoutDefaultPort writes a host as browsers do.
func withoutDefaultPort(scheme, host string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// forwarded gives what the first of several proxies said.
func forwarded(r *http.Request, name string) string {
	first, _, _ := strings.Cut(r.Header.Get(name), ",")
	return strings.ToLower(strings.TrimSpace(first))
}

// localReturnTo reads an address that came with a request: a path, or a whole
// URL of this very origin. Everything else, and the module's own routes, which
// would lead in circles, give "/".
func (h *Handler) localReturnTo(r *http.Request, address string) string {
	o := h.originOf(r)
	if rest, ok := strings.CutPrefix(address, o.String()); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		address = rest
		if !strings.HasPrefix(address, "/") {
			address = "/" + address
		}
	}
	address = cleanReturnTo(address)
	if path, _, _ := strings.Cut(address, "?"); h.ownRoute(visitOf(r), path) != nil {
		return "/"
	}
	return address
}

// cookiesOf gives the cookies of a request of this origin. Plain http has names
// of its own, because a cookie that is not Secure cannot have the prefix
// __Host-, and a browser may hold both kinds.
func (h *Handler) cookiesOf(o origin) session.Cookies {
	if o.secure() {
		return h.secureCookies
	}
	return h.plainCookies
}

// newCookies prepares the cookies of https and of plain http.
func (h *Handler) newCookies() (err error) {
	c := h.Session.Cookie
	sameSite := http.SameSiteLaxMode
	if c.SameSite == "none" {
		sameSite = http.SameSiteNoneMode
	}
	if h.secureCookies, err = session.NewCookies(c.Name, true, c.Domain, sameSite); err != nil {
		return err
	}
	h.secureCookies.Transaction.SameSite = http.SameSiteLaxMode
	h.plainCookies, err = session.NewCookies(c.Name, false, c.Domain, http.SameSiteLaxMode)
	return err
}

// ownsCookie tells whether a cookie is this directive's, of either kind.
func (h *Handler) ownsCookie(name string) bool {
	return h.secureCookies.Names().Own(name) || h.plainCookies.Names().Own(name)
}
