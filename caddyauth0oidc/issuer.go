package caddyauth0oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

var errTwoIssuers = errors.New("domain and issuer both say who signs users in; keep one of the two")

// provider reads domain or issuer, of which a block has one.
func provider(set setting) setting {
	return func(h *Handler, d *caddyfile.Dispenser) error {
		if err := set(h, d); err != nil {
			return err
		}
		if h.Domain != "" && h.Issuer != "" {
			return d.WrapErr(errTwoIssuers)
		}
		return nil
	}
}

// inheritIssuer parses a block whose domain or issuer takes the place of either of the
// preset's.
func (h *Handler) inheritIssuer(parse func() error) error {
	domain, issuer := h.Domain, h.Issuer
	h.Domain, h.Issuer = "", ""
	if err := parse(); err != nil {
		return err
	}
	if h.Domain == "" && h.Issuer == "" {
		h.Domain, h.Issuer = domain, issuer
	}
	return nil
}

func checkIssuer(issuer string) error { return tenant.CheckIssuer(issuer) }

// checkProvider judges domain and issuer together.
func (h *Handler) checkProvider() error {
	switch {
	case h.Issuer == "":
		return named("domain", checkDomain(h.Domain))
	case h.Domain != "":
		return errTwoIssuers
	}
	return named("issuer", checkIssuer(h.Issuer))
}

// issuer gives the issuer identifier, or nothing as long as the settings do not say it.
func (h *Handler) issuer() string {
	if h.Issuer != "" {
		return h.Issuer
	}
	issuer, err := tenant.IssuerOf(h.Domain)
	if err != nil {
		return ""
	}
	return issuer
}

// belongsTo tells whether a URL is the issuer's, or below it. Scheme and host are
// compared as in URLs.
func belongsTo(address *url.URL, issuer string) bool {
	base, err := url.Parse(strings.TrimSuffix(issuer, "/"))
	if err != nil || base.Host == "" {
		return false
	}
	written, root := normalized(address), normalized(base)
	return written == root || strings.HasPrefix(written, root+"/")
}

func normalized(u *url.URL) string {
	scheme := strings.ToLower(u.Scheme)
	return scheme + "://" + withoutDefaultPort(scheme, strings.ToLower(u.Host)) + u.EscapedPath()
}

// logoutStrategy is the one for the tenant's logout. Whoever has an issuer of another
// form than Auth0's may have none of Auth0's paths: there only a published endpoint
// counts, unless the setting says otherwise.
func (h *Handler) logoutStrategy() string {
	if h.Issuer != "" && h.Logout.Strategy == tenant.LogoutAuto {
		return tenant.LogoutPublished
	}
	return h.Logout.Strategy
}

// formOrigins are where the redirects that answer a page's form may lead: to the issuer
// or, from a logout, to the endpoint that it publishes on another host.
func (h *Handler) formOrigins(r *http.Request, p *pages.Page) string {
	if p.Post == nil || p.Resend != nil {
		return h.shared.origin
	}
	return h.masterOrigins(r) + h.logoutOrigins(visitOf(r))
}

func (h *Handler) masterOrigins(r *http.Request) string {
	ctx, cancel := context.WithTimeout(r.Context(), discoveryPatience)
	defer cancel()
	metadata, err := h.shared.tenant.Metadata(ctx)
	if err != nil || metadata.EndSessionEndpoint == "" {
		return h.shared.origin
	}
	endpoint, err := url.Parse(metadata.EndSessionEndpoint)
	if err != nil || !hostName.MatchString(strings.ToLower(endpoint.Hostname())) || endpoint.Scheme+"://"+endpoint.Host == h.shared.origin {
		return h.shared.origin
	}
	return h.shared.origin + " " + endpoint.Scheme + "://" + endpoint.Host
}
