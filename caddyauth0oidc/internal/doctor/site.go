package doctor

import (
	"context"
	"net/http"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Site is a directive with all placeholders resolved and all defaults filled in.
type Site struct {
	// Name is the first host of the site, or the address that it listens on.
	Name string
	// Domain is the tenant's URL, and Issuer what it has to call itself.
	Domain, Issuer string
	// Application is the client in the master tenant, with the credentials that the directive has.
	Application tenant.Application
	// Connections are those that a login may be sent to.
	Connections []Connection
	// BaseURLs are the public addresses of the site: those that are configured, or else what its hosts and listeners come to.
	// ConfiguredBaseURLs tells which of the two.
	BaseURLs           []string
	ConfiguredBaseURLs bool
	// Callback and ReturnTo are the paths that Auth0 sends browsers back to, after a login and after a logout.
	Callback, ReturnTo string
	// Scopes, Audience and Organization are sent with each login.
	Scopes, Audience, Organization string
	// Push says whether logins are pushed: tenant.PushAuto, PushOn or PushOff; empty is PushAuto.
	Push string
	// LogoutStrategy is tenant.LogoutAuto, LogoutOIDC or LogoutV2; empty is LogoutAuto.
	LogoutStrategy string
	// ChildReturnTo is the path that the child sends browsers back to after a logout; empty without `logout child`.
	ChildReturnTo string
	// Client reaches the tenants, in the way of the directive's `http`.
	Client *http.Client
	// Place is where the directive stands, and Settings what it says about the browser's side.
	Place    Place
	Settings Settings
}

// Connection is one of the site's connections.
type Connection struct {
	// Name is that at the master tenant.
	Name string
	// Strategy is auto, auth0-oidc, oidc or any.
	Strategy string
	// ChildDomain and ChildClientID are empty where the directive does not name the child.
	ChildDomain, ChildClientID string
}

// Check looks at one matter of a site.
type Check func(ctx context.Context, site *Site, surroundings Surroundings) []Finding

// Surroundings are what checks have from the process.
type Surroundings struct {
	// Now is this machine's clock, which is compared with the tenants'.
	Now func() time.Time
	// Master and Child are clients of the Management API, whose tokens need no more than read scopes; nil without credentials.
	Master, Child Management
}

// Management reads a tenant's configuration, through its Management API.
type Management interface {
	// Get reads what is at path below /api/v2/ into to.
	Get(ctx context.Context, path string, to any) error
}
