package caddyauth0oidc

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// examiningTimeout is for each call, unless http { timeout } says otherwise.
const examiningTimeout = 5 * time.Second

// siteMaker makes of directives what the doctor examines.
type siteMaker struct {
	ctx       context.Context
	now       func() time.Time
	transport func(tenant.Egress) http.RoundTripper

	sites  []*doctor.Site
	made   map[string]*doctor.Site
	faults []doctor.Finding
	close  []func()
}

// add makes the site of a directive, or the finding why that is not possible. Directives
// of a site that differ in their connections only are one.
func (m *siteMaker) add(p placed) {
	site, err := m.make(p)
	key := ""
	if err == nil {
		key, err = sameness(p, site)
	}
	if err != nil {
		missing := errors.Is(err, errMissing) // which other settings complain of as well
		for _, one := range joined(err) {
			if missing && !errors.Is(one, errMissing) {
				continue
			}
			m.faults = append(m.faults, doctor.Unloadable(p.name(), codeOfConfig(one), one))
		}
		return
	}
	if before := m.made[key]; before != nil {
		for _, c := range site.Connections {
			if !slices.Contains(before.Connections, c) {
				before.Connections = append(before.Connections, c)
			}
		}
		return
	}
	m.made[key] = site
	m.sites = append(m.sites, site)
}

// joined gives the errors that were joined to one.
func joined(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if _, text := err.(interface{ Unwrap() error }); !ok || text || !strings.Contains(err.Error(), "\n") {
		return []error{err}
	}
	var all []error
	for _, one := range several.Unwrap() {
		all = append(all, joined(one)...)
	}
	return all
}

// sameness is the same for directives that the same checks are about.
func sameness(p placed, site *doctor.Site) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(p.written, &members); err != nil {
		return "", err
	}
	for _, name := range []string{"match", "connections", "require", "deny", "headers", "max_age", "acr_values", "prompt"} {
		delete(members, name)
	}
	written, err := json.Marshal([]any{members, site.Place, site.Settings})
	return string(written), err
}

// codeOfConfig tells the usual mistakes from others.
func codeOfConfig(err error) string {
	switch {
	case errors.Is(err, errResolving):
		return doctor.CodePlaceholder
	case errors.Is(err, errMissing):
		return doctor.CodeMissing
	case errors.Is(err, session.ErrShortSecret):
		return doctor.CodeSecretShort
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return doctor.CodeFile
	case errors.Is(err, errCookieRefused):
		return doctor.CodeCookieDomain
	case errors.Is(err, errNotSecure):
		return doctor.CodeSameSite
	}
	return doctor.CodeConfigInvalid
}

// make settles a directive as Provision does, up to what needs the server.
func (m *siteMaker) make(p placed) (*doctor.Site, error) {
	h, err := p.settings()
	if err != nil {
		return nil, err
	}
	h.logger, h.now, h.random = zap.NewNop(), m.now, rand.Reader
	if err := errors.Join(h.identify(), h.settle()); err != nil {
		return nil, err
	}
	egress, err := m.egress(h)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(h.prepareAlone(passage{Egress: egress}), h.Validate()); err != nil {
		return nil, err
	}
	m.close = append(m.close, h.application.Certificate.Close)
	return m.describe(p, h, egress), nil
}

// egress loads the authorities of trust_pool. A module that needs the running server, such
// as pki_root, cannot be loaded.
func (m *siteMaker) egress(h *Handler) (e tenant.Egress, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("http: trust_pool is of a kind that only the running server can load; name a file")
		}
	}()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: m.ctx})
	defer cancel()
	e, err = h.HTTP.load(ctx)
	return e, named("http", err)
}

func (m *siteMaker) describe(p placed, h *Handler, egress tenant.Egress) *doctor.Site {
	site := &doctor.Site{
		Name: p.name(), Domain: strings.TrimSuffix(h.issuer(), "/"), Issuer: h.issuer(), Application: h.application,
		Connections: examinedConnections(h), BaseURLs: p.addresses(), Callback: h.Prefix + "/callback", ReturnTo: h.Logout.ReturnTo,
		Scopes: h.askedScopes(), Audience: h.Audience, Organization: string(h.organization),
		Push: h.PAR, LogoutStrategy: h.logoutStrategy(), Place: p.place, Settings: settingsOf(h),
		Client: &http.Client{
			Transport: m.transport(egress), Timeout: cmp.Or(egress.Timeout, examiningTimeout),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if len(h.origins) > 0 {
		site.BaseURLs, site.ConfiguredBaseURLs = nil, true
		for _, o := range h.origins {
			site.BaseURLs = append(site.BaseURLs, o.String())
		}
	}
	if h.Logout.Child {
		site.ChildReturnTo = h.Prefix + "/logout"
	}
	return site
}

func examinedConnections(h *Handler) (all []doctor.Connection) {
	for _, c := range h.Connections {
		for _, name := range c.names() {
			one := doctor.Connection{Name: name, Strategy: c.Strategy}
			if c.Child != nil {
				one.ChildDomain, one.ChildClientID = c.Child.Domain, c.Child.ClientID
			}
			all = append(all, one)
		}
	}
	return all
}

func settingsOf(h *Handler) doctor.Settings {
	s := doctor.Settings{
		IssuerSetting: "domain", Open: h.Unauthenticated == modePass && len(h.Require) == 0,
		CookieName: h.Session.Cookie.Name, CookieDomain: h.Session.Cookie.Domain, SameSite: h.Session.Cookie.SameSite,
		MoreCookies: h.Refresh != nil || h.Logout.Hint == hintIDToken,
	}
	if h.Issuer != "" {
		s.IssuerSetting = "issuer"
	}
	if h.Management != nil {
		s.ManagementDomain = h.Management.Domain
	}
	if len(h.Secrets) > 0 {
		sum := sha256.Sum256(fmt.Appendf(nil, "%q", h.Secrets))
		s.Sealing = hex.EncodeToString(sum[:])
	}
	return s
}
