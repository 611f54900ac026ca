package doctor

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// askingTimeout limits each request of a site whose client has no limit.
const askingTimeout = 5 * time.Second

// TenantChecks gives what asks the tenants of a site: whether the master takes the client's credentials, its callbacks, connections,
// audience, organization and return addresses, and the child what the master sends there. With access to the Management API, the
// settings of applications and connections are read, too. A fault that both ways show is reported once.
//
// Nothing is changed, nobody is signed in and no token is kept. The tenants' logs show a refused code, a refused refresh token and
// logins that nobody went on with.
func TenantChecks() []Check { return []Check{askTenants} }

// inquiry is one site's tenants while they are asked.
type inquiry struct {
	site         *Site
	surroundings Surroundings
	master       *tenant.Tenant
	metadata     *tenant.Metadata
	client       *http.Client
	findings     []Finding

	faulty     map[string]bool // the matters of which a fault is known
	callback   string          // one that the master allows; empty until then
	connection map[string]*connection
}

func askTenants(ctx context.Context, site *Site, s Surroundings) []Finding {
	if s.Master != nil {
		s.Master = patient{s.Master}
	}
	if s.Child != nil {
		s.Child = patient{s.Child}
	}
	i := &inquiry{site: site, surroundings: s, faulty: make(map[string]bool), connection: make(map[string]*connection)}
	if err := i.begin(ctx); err != nil {
		i.unknown(CodeTenantNotAsked, "The tenant "+shown(site.Issuer)+" was not asked about logins: "+shown(err.Error())+".",
			"The tenant has no usable discovery document, or cannot be reached from here.",
			"See to the network, and to domain or issuer, first; then run the doctor again.")
		return i.findings
	}
	defer i.master.Close()
	known := i.askCallbacks(ctx)
	i.readMaster(ctx, known)
	if i.faulty[aboutClient] {
		return i.findings
	}
	i.askTokenEndpoint(ctx)
	for _, c := range i.connections() {
		i.askLogin(ctx, c)
	}
	i.askPush(ctx)
	i.askLogouts(ctx)
	return i.findings
}

// begin reads the discovery document.
func (i *inquiry) begin(ctx context.Context) error {
	var transport http.RoundTripper
	timeout := askingTimeout
	if c := i.site.Client; c != nil {
		transport = c.Transport
		if c.Timeout > 0 {
			timeout = c.Timeout
		}
	}
	egress := tenant.Egress{Timeout: timeout}
	if transport == nil {
		transport = tenant.NewTransport(egress)
	}
	var err error
	i.master, err = tenant.New(tenant.Config{Issuer: i.site.Issuer, Egress: egress, Transport: transport, Now: i.surroundings.Now})
	if err != nil {
		return err
	}
	i.client = &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if i.metadata, err = i.master.Metadata(ctx); err != nil {
		i.master.Close()
	}
	return err
}

// The matters that more than one source knows about.
const (
	aboutClient       = "client"
	aboutCredentials  = "credentials"
	aboutGrant        = "grant"
	aboutRefresh      = "refresh grant"
	aboutAudience     = "audience"
	aboutOrganization = "organization"
	aboutPush         = "push"
	aboutApplication  = "application"
)

// fault reports what is wrong with a matter, unless that is known already.
func (i *inquiry) fault(about string, severity Severity, code, seen, cause, remedy string) {
	if i.faulty[about] {
		return
	}
	i.faulty[about] = true
	i.add(Finding{Code: code, Severity: severity, Seen: seen, Cause: cause, Remedy: remedy})
}

func (i *inquiry) unknown(code, seen, cause, remedy string) {
	i.add(Finding{Code: code, Severity: Unknown, Seen: seen, Cause: cause, Remedy: remedy})
}

// passed reports that a matter is as it shall be, unless a fault of it is known.
func (i *inquiry) passed(about, code, seen string) {
	if !i.faulty[about] {
		i.add(Finding{Code: code, Severity: Passed, Seen: seen})
	}
}

func (i *inquiry) add(f Finding) {
	f.Site = i.site.Name
	if !slices.Contains(i.findings, f) {
		i.findings = append(i.findings, f)
	}
}

// bases are the addresses of the site without a slash at their ends.
func (i *inquiry) bases() []string {
	var all []string
	for _, base := range i.site.BaseURLs {
		all = append(all, strings.TrimSuffix(base, "/"))
	}
	return all
}

// connections are those of the site, or one without a name.
func (i *inquiry) connections() []Connection {
	if len(i.site.Connections) == 0 {
		return []Connection{{}}
	}
	return i.site.Connections
}

// home is the address of the master that logins go to, without a slash at its end.
func (i *inquiry) home() string {
	if i.site.Domain != "" {
		return strings.TrimSuffix(i.site.Domain, "/")
	}
	return strings.TrimSuffix(i.site.Issuer, "/")
}

// loginCallback is where the master has its identity providers send users back to.
func (i *inquiry) loginCallback() string { return i.home() + "/login/callback" }

// maxShown bounds what is shown of somebody else's text.
const maxShown = 200

// shown lets the printable characters of a text through, as far as they are ASCII.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text[:min(len(text), maxShown)])
	return text
}
