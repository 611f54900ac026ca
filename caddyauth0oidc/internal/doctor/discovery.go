package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// maxAnswer limits an answer of the tenant.
const maxAnswer = 1 << 20

// document is what of the discovery document is looked at beyond what a login uses.
type document struct {
	Issuer     string   `json:"issuer"`
	Algorithms []string `json:"id_token_signing_alg_values_supported"`
	Challenges []string `json:"code_challenge_methods_supported"`
}

// answer is what came back from one request, and when it was sent and received.
type answer struct {
	status         int
	header         http.Header
	body           []byte
	sent, received time.Time
}

func (s *Site) get(ctx context.Context, address string, now func() time.Time) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("preparing the request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	a := &answer{sent: now()}
	response, err := s.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	a.received, a.status, a.header = now(), response.StatusCode, response.Header
	a.body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return a, err
}

// checkTenant looks at the way to the tenant, at its discovery document, and at what follows from it.
func checkTenant(ctx context.Context, site *Site, surroundings Surroundings) []Finding {
	address := strings.TrimSuffix(site.Issuer, "/") + "/.well-known/openid-configuration"
	got, err := site.get(ctx, address, surroundings.Now)
	if err != nil {
		return []Finding{site.unreached(err, hostOf(site.Issuer))}
	}
	found := site.checkClock(got)
	doc, wrong := site.readDiscovery(got, address)
	if wrong != nil {
		return append(found, *wrong)
	}
	metadata, err := tenant.ReadMetadata(got.body, site.Issuer)
	if err != nil {
		return append(found, site.found(Failure, codeEndpoints, "The discovery document cannot be used: "+err.Error()+".",
			"Something between this server and the tenant changes the document, or this is not an OpenID provider.",
			"Look at "+address+" in a browser; the setting "+site.Settings.IssuerSetting+" has to name a tenant that publishes all of it."))
	}
	found = append(found, site.passed(codeDiscovery, "The tenant answers at "+site.Issuer+", and calls itself so."))
	found = append(found, site.checkAlgorithms(doc)...)
	found = append(found, site.checkOffers(metadata)...)
	return append(found, site.checkKeys(ctx, metadata.JWKSURI, surroundings.Now))
}

// readDiscovery judges status, form and issuer of the document.
func (s *Site) readDiscovery(got *answer, address string) (*document, *Finding) {
	if got.status != http.StatusOK {
		f := s.refusedDiscovery(got, address)
		return nil, &f
	}
	var doc document
	if err := json.Unmarshal(got.body, &doc); err != nil || doc.Issuer == "" {
		f := s.found(Failure, codeNotDiscovery, fmt.Sprintf("%s is no discovery document, but %s.", address, kindOf(got)),
			"Another server answers at this address: a web site, a sign-in page of a network, or a proxy with a page of its own.",
			"Write the tenant's domain as the dashboard shows it, under Applications > (yours) > Domain, in the setting "+
				s.Settings.IssuerSetting+"; if a proxy is in between, name it in http { proxy }, or leave it out with proxy none.")
		return nil, &f
	}
	if doc.Issuer != s.Issuer {
		f := s.otherIssuer(doc.Issuer)
		return nil, &f
	}
	if doc.Challenges != nil && !slices.Contains(doc.Challenges, "S256") {
		f := s.found(Failure, codeNoS256, "The tenant does not offer S256 as code_challenge_methods_supported.",
			"Every login is made with PKCE and S256, which this provider does not know.",
			"Name an Auth0 tenant, or a provider with PKCE, in the setting "+s.Settings.IssuerSetting+".")
		return nil, &f
	}
	return &doc, nil
}

// kindOf describes an answer without quoting it.
func kindOf(got *answer) string {
	kind, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); {
	case kind == "text/html":
		return "an HTML page"
	case json.Valid(got.body):
		return "JSON without an issuer"
	case kind == "":
		return "something without a content type"
	}
	return "something of the type " + shortened(kind)
}

func (s *Site) refusedDiscovery(got *answer, address string) Finding {
	seen := fmt.Sprintf("%s answers with status %d.", address, got.status)
	setting := s.Settings.IssuerSetting
	switch {
	case got.status == http.StatusNotFound || got.status == http.StatusGone:
		return s.found(Failure, codeNoDiscovery, seen, "There is no tenant of this name, or the domain lacks its region, or a path is wrong.",
			"Write the tenant's domain with its region, like acme.eu.auth0.com, in the setting "+setting+"; the dashboard shows it under Applications > (yours) > Domain.")
	case got.status == http.StatusTooManyRequests:
		return s.found(Failure, codeThrottled, seen, "The tenant limits requests, and this server or others have made too many.",
			"Wait a minute and run the command again; if it stays so, look at Monitoring > Logs in the dashboard for what asks so often.")
	case got.status >= 300 && got.status < 400:
		return s.found(Failure, codeRedirected, seen, "The address leads elsewhere, and redirects are not followed: the issuer has to be the tenant's own address.",
			"Write the address at the end of the redirect, "+shortened(hostOf(got.header.Get("Location")))+", in the setting "+setting+".")
	case got.status == http.StatusProxyAuthRequired:
		return s.proxyFailed(seen)
	}
	return s.found(Failure, codeDiscoveryFailed, seen, "The tenant or a proxy in front of it is in trouble, or refuses this server.",
		"Look at https://status.auth0.com and at your proxies; if others get an answer, compare the setting "+setting+" and http { proxy } with theirs.")
}

// otherIssuer says which of the usual mistakes led to a document of another issuer.
func (s *Site) otherIssuer(issuer string) Finding {
	shown, setting := shortened(issuer), s.Settings.IssuerSetting
	seen := fmt.Sprintf("The tenant calls itself %s, and the configured issuer is %s.", shown, s.Issuer)
	if strings.TrimSuffix(issuer, "/") == strings.TrimSuffix(s.Issuer, "/") {
		return s.found(Failure, codeIssuerSlash, seen, "The two differ in the slash at the end, and issuers are compared to the byte. Auth0's have one.",
			"Write issuer "+shown+" in the directive, in place of the setting "+setting+"; for an Auth0 tenant, domain "+hostOf(issuer)+" does it.")
	}
	if isAuth0(hostOf(issuer)) != isAuth0(hostOf(s.Issuer)) {
		return s.found(Failure, codeIssuerCustom, seen,
			"One of the two is the tenant's custom domain, and the other its canonical one. Tokens carry that at which the login was made, so that the two cannot be mixed.",
			"Write domain "+hostOf(issuer)+"; or, if logins are to be made at "+hostOf(s.Issuer)+
				", have it answer itself: finish it under Branding > Custom Domains, and keep proxies in front of it from changing the Host header. A Management API has management { domain } for the canonical one.")
	}
	return s.found(Failure, codeIssuerOther, seen, "The setting "+setting+" names another tenant than the one that answers, or an alias of it.",
		"Write domain "+hostOf(issuer)+" if that is the tenant that is meant, or correct where "+hostOf(s.Issuer)+" leads to.")
}

func isAuth0(host string) bool {
	host = strings.ToLower(withoutPort(host))
	return strings.HasSuffix(host, ".auth0.com") || strings.HasSuffix(host, ".auth0app.com")
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return shortened(address)
	}
	return shortened(u.Host)
}

// shortened bounds what somebody else has written.
func shortened(text string) string {
	const most = 200
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
