package doctor

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// keys are shared, because making them takes long.
var keys = auth0sim.NewKeyPool()

const appBase = "https://app.example.test"

// tenantWorld is a site whose tenants are as they shall be, until a test spoils something.
type tenantWorld struct {
	*auth0sim.Pair
	t       *testing.T
	network *auth0sim.Network
	site    *Site

	masterScopes, childScopes []string // of the Management API
	masterID                  string   // of its client, where a test has one of its own
}

// withTenants makes the tenants of a test; the default is a pair of strategy oidc.
func withTenants(t *testing.T, options ...auth0sim.PairOption) *tenantWorld {
	t.Helper()
	network := auth0sim.NewNetwork()
	network.Keys = keys
	w := &tenantWorld{
		t: t, network: network, Pair: auth0sim.NewPair(network, appBase, append([]auth0sim.PairOption{auth0sim.WithStrategy("oidc")}, options...)...),
		masterScopes: []string{"read:clients", "read:connections", "read:connections_options"},
		childScopes:  []string{"read:clients", "read:tenant_settings"},
	}
	w.site = &Site{
		Name: "app.example.test", Domain: w.Master.Issuer(), Issuer: w.Master.Issuer(),
		Application: tenant.Application{ClientID: w.App.ClientID, ClientSecret: tenant.Secret(w.App.ClientSecret)},
		Connections: []Connection{{
			Name: w.Connection.Name, Strategy: "auto", ChildDomain: w.Child.Domain(), ChildClientID: w.ChildApp.ClientID,
		}},
		BaseURLs: []string{appBase}, ConfiguredBaseURLs: true, Callback: "/auth/callback", ReturnTo: "/",
		Scopes: "openid profile email", Client: &http.Client{Transport: network, Timeout: 5 * time.Second}, ChildReturnTo: "/auth/logout",
	}
	return w
}

// api gives the Management API of a tenant to a new client with these scopes.
func (w *tenantWorld) api(at *auth0sim.Tenant, clientID string, scopes []string) Management {
	w.t.Helper()
	app := at.AddManagementClient(scopes...)
	if clientID == "" {
		clientID = app.ClientID
	}
	client, err := management.New(management.Config{
		Base: at.Issuer(), ClientID: clientID, ClientSecret: app.ClientSecret, Transport: w.network,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

// examine runs the checks, with the Management API or without.
func (w *tenantWorld) examine(withManagement bool) []Finding {
	w.t.Helper()
	s := Surroundings{Now: time.Now}
	if withManagement {
		s.Master, s.Child = w.api(w.Master, w.masterID, w.masterScopes), w.api(w.Child, "", w.childScopes)
	}
	return w.examineWith(s)
}

func (w *tenantWorld) examineWith(s Surroundings) []Finding {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var all []Finding
	for _, check := range TenantChecks() {
		all = append(all, check(ctx, w.site, s)...)
	}
	return all
}

// codes are those of findings with one of the severities, sorted.
func codes(findings []Finding, severities ...Severity) []string {
	var all []string
	for _, f := range findings {
		if slices.Contains(severities, f.Severity) {
			all = append(all, f.Code)
		}
	}
	slices.Sort(all)
	return all
}
