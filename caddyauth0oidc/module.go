package caddyauth0oidc

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler puts an Auth0 login in front of the handlers that follow it.
//
// A navigation without a session is redirected to the tenant's /authorize
// endpoint; every other request without one gets 401. A request with a session
// reaches the next handler with the user's profile in its headers. Every header
// of the client that carries one of those names, in any spelling, is removed
// first, signed in or not.
//
// Once a user is known, these placeholders are set:
//
// Placeholder | Description
// ------------|------------
// `{http.auth.user.id}` | The user's `sub` at the master tenant; also the user id of access logs and `REMOTE_USER` of FastCGI.
// `{http.auth.user.access_token}` | The access token, while it is good, where `refresh` is on or a header shows it; otherwise empty.
// `{http.auth.user.<claim>}` | A claim of the profile, such as `email`; a dotted path leads into objects and arrays; also `strategy`, `connection`, `child_user`, `child_connection` and `child_user_id`.
// `{http.auth.auth0_oidc.error}` | In error routes: a stable code of the reason for which the request was refused.
type Handler struct {
	// MatcherSetsRaw limits which requests are protected. Without it every
	// request is. It never limits the module's own routes, nor the removal of
	// headers that are ours.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Domain is the master tenant's domain (or custom domain), such as
	// `acme.eu.auth0.com`, or its full URL; plain http is accepted for loopback
	// hosts only. The issuer is `https://<domain>/`, compared byte for byte with
	// the tokens' `iss`. Placeholders are resolved when the configuration is
	// loaded. Default: the environment variable `AUTH0_DOMAIN`. Required.
	Domain string `json:"domain,omitempty"`

	// Issuer is the issuer identifier (OpenID Connect Discovery 1.0 section 3), in
	// place of `domain`, where it is not `https://<domain>/`: a URL with any port and
	// path, such as `https://login.example.com:8443/tenants/acme`, compared byte for
	// byte with the discovery document and the tokens' `iss`, a slash at its end
	// included; plain http is accepted for loopback hosts only. With it, `logout
	// strategy` `auto` knows no other logout endpoint than a published one.
	// Placeholders are resolved when the configuration is loaded. Default: none.
	Issuer string `json:"issuer,omitempty"`

	// HTTP says how the tenant is reached. Handlers of the same tenant and client
	// share what is known of it only if they reach it in the same way.
	HTTP *HTTP `json:"http,omitempty"`

	// ClientID is the client id of the application in the master tenant.
	// Placeholders are resolved when the configuration is loaded. Default: the
	// environment variable `AUTH0_CLIENT_ID`. Required.
	ClientID string `json:"client_id,omitempty"`

	// ClientSecret is the secret of that application. Write it as a
	// placeholder, `{env.X}` or `{file./path}`, resolved when the configuration
	// is loaded. Default: the environment variable `AUTH0_CLIENT_SECRET`, unless
	// there is a `client_assertion` or a `client_certificate`. Required without one.
	ClientSecret string `json:"client_secret,omitempty"`

	// NextClientSecret is tried when the tenant refuses `client_secret`, once and
	// with the same request, so that the secret can be replaced at the tenant
	// without a failed login. Which of the two worked is remembered. Placeholders
	// are resolved when the configuration is loaded. Default: none.
	NextClientSecret string `json:"next_client_secret,omitempty"`

	// ClientAuth is how the secret is sent to the tenant, as it is set for the
	// application there: `post` in the body (client_secret_post, Auth0's default),
	// `basic` in the header Authorization (client_secret_basic). Default: `post`.
	ClientAuth string `json:"client_auth,omitempty"`

	// ClientAssertion takes the place of a secret. Default: none.
	ClientAssertion *ClientAssertion `json:"client_assertion,omitempty"`

	// ClientCertificate takes the place of a secret and of `client_assertion`. Default:
	// none.
	ClientCertificate *ClientCertificate `json:"client_certificate,omitempty"`

	// Connections are those that users sign in through, in the order in which they
	// are offered. With one, a login leads straight to it; with several, it leads to a
	// page on which the user chooses. Default: the one named by the environment
	// variable `AUTH0_CONNECTION`. Required.
	Connections []Connection `json:"connections,omitempty"`

	// Scopes are asked for at the login. `openid` must be among them. Default:
	// `openid profile email`.
	Scopes []string `json:"scopes,omitempty"`

	// Audience is the identifier of an API for which the access token is asked.
	// Placeholders are resolved when the configuration is loaded. Default: none.
	Audience string `json:"audience,omitempty"`

	// Profile says where the claims of the user's profile come from. Default: the ID
	// token alone.
	Profile *Profile `json:"profile,omitempty"`

	// AuthorizeParams are added to every authorization request, such as
	// `ui_locales`. Parameters of the protocol cannot be set. Placeholders are
	// resolved when the configuration is loaded.
	AuthorizeParams map[string]string `json:"authorize_params,omitempty"`

	// AllowParams are query parameters that the login route passes on to the
	// authorization request, such as `login_hint`. A value is at most 512 bytes
	// and takes the place of the same one in `authorize_params`. Default: none.
	AllowParams []string `json:"allow_params,omitempty"`

	// PAR says whether the parameters of a login are pushed to the tenant, so that the
	// browser takes only a reference along (RFC 9126, Auth0's Highly Regulated
	// Identity). `auto` pushes if the tenant's discovery document offers it; `on`
	// refuses logins where it does not; `off` never pushes, and refuses logins where
	// the document says that it has to be. There is no way round a push that failed.
	// Default: `auto`.
	PAR string `json:"par,omitempty"`

	// ResponseMode is how the tenant's answer to a login comes to the callback. With
	// `query` it is in the address, with `form_post` (OAuth 2.0 Form Post Response
	// Mode) in a form that the browser sends, so that the code is in no address. That
	// needs https; the cookies of pending logins are `SameSite=None` then. On a
	// loopback host with plain http `form_post` works as `query`. Default: `query`.
	ResponseMode string `json:"response_mode,omitempty"`

	// MaxAge ends a session so long after the user last proved to Auth0 who they
	// are (the claim `auth_time`), whatever the session's own limits say, and asks
	// for such a proof at the login (the parameter `max_age` of OpenID Connect
	// Core 1.0 section 3.1.2.1, a minute less, so that no session begins at its
	// end). Auth0 decides with it about its own session at the master tenant; the
	// child may still have one. At least 1m. Default: none.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// ACRValues are the authentication contexts of which a session must be one, and
	// which the login asks for (the parameter `acr_values` of OpenID Connect Core 1.0
	// section 3.1.2.1). The ID token must show one of them in the claim `acr` or, for
	// `mfa`, the short word for
	// `http://schemas.openid.net/pape/policies/2007/06/multi-factor`, the method `mfa`
	// in `amr`. A session without it asks for a new login here, and holds for
	// directives that want less. Auth0 only does something about it through an Action
	// at the master tenant. Placeholders are resolved when the configuration is
	// loaded. Default: none.
	ACRValues []string `json:"acr_values,omitempty"`

	// Organization is the organization of the master tenant that users have to sign in
	// to: its id, which begins with `org_`, or its name. Every login asks for it (the
	// parameter `organization`), and the claim `org_id` of the verified token must be the
	// id to the byte, or `org_name` the name in any case; Auth0 only puts that claim into
	// tokens with the tenant setting `allow_organization_name_in_authentication_api`. A
	// session of another organization, or of none, asks for a new login here. The login
	// route passes on invitations to it. Placeholders are resolved when the
	// configuration is loaded. Default: none is asked for.
	Organization string `json:"organization,omitempty"`

	// Prompt is sent with every login that this directive begins: `login` for
	// credentials at every login, `select_account` or `consent`. With `login` the ID
	// token must say (`auth_time`) that they were given after the login began. It is
	// about logins only: a session that is there is enough. Default: none.
	Prompt string `json:"prompt,omitempty"`

	// Secrets seal the cookies: the first seals, all of them open, so that a
	// secret is replaced without signing anybody out. Each has at least 32
	// bytes. Placeholders are resolved when the configuration is loaded.
	// Default: the environment variable `AUTH0_SECRET`, and without it a random
	// secret that is kept in Caddy's storage, shared by every instance on that
	// storage, and replaced every 30 days without signing anybody out.
	Secrets []string `json:"secrets,omitempty"`

	// Session sets how long a session lasts and the cookie that it lives in.
	Session *Session `json:"session,omitempty"`

	// Refresh keeps the access token fresh while a session is used. Default: sessions
	// have no refresh token.
	Refresh *Refresh `json:"refresh,omitempty"`

	// Revocation says how sessions that were ended before their time become known.
	// Default: Caddy's storage is read every 5 seconds.
	Revocation *Revocation `json:"revocation,omitempty"`

	// Unauthenticated says what a request without a session gets. `auto`
	// redirects the navigations of a browser and answers everything else with
	// 401; `redirect` redirects every GET and HEAD request; `401` redirects
	// none; `pass` lets the request through without an identity. Default: `auto`.
	Unauthenticated string `json:"unauthenticated,omitempty"`

	// Require are rules that have all to hold for a signed-in user to pass; whoever
	// is kept out gets 403. They are asked on every protected request. Default: none.
	Require []Rule `json:"require,omitempty"`

	// Deny are rules of which none may hold for a signed-in user to pass, whatever
	// `require` says. One about `email_domain` keeps out whoever has no verified and
	// unambiguous address, too. Default: none.
	Deny []Rule `json:"deny,omitempty"`

	// Management says how the Management API of the master tenant is asked, with
	// `profile` `management`, which needs it. Default: it is not asked.
	Management *Management `json:"management,omitempty"`

	// Bearer lets API clients pass with an access token. Default: none is accepted.
	Bearer *Bearer `json:"bearer,omitempty"`

	// PreservePost is the largest form in bytes that a browser without a session may
	// send and that is sent again after the login; 16384 at most. It waits in sealed
	// cookies of that browser; nothing is stored on the server. Only navigations
	// whose body is `application/x-www-form-urlencoded` in UTF-8 are kept, with
	// `unauthenticated` `auto` or `redirect`. A form that no page of this site sent
	// is sent only after the user has confirmed it. Default: 0, no form is kept.
	PreservePost int64 `json:"preserve_post,omitempty"`

	// Headers says under which names the profile reaches the upstream.
	Headers *Headers `json:"headers,omitempty"`

	// Assertion adds a signed JWT to the requests of a signed-in user, for an
	// application that others can reach, too. Default: none.
	Assertion *Assertion `json:"assertion,omitempty"`

	// BaseURLs are the public addresses of the site, scheme and host, such as
	// `https://app.example.com`. With several, the one of the request's host is
	// used, else the first. Placeholders are resolved when the configuration is
	// loaded. Default: the environment variable `APP_BASE_URL` (a comma
	// separated list), and without it the host and scheme of the request; set
	// it for a site that answers any host, or that stands behind a proxy which
	// is not among Caddy's trusted proxies.
	BaseURLs []string `json:"base_urls,omitempty"`

	// Prefix is the path below which the module's own routes are. Default: `/auth`.
	Prefix string `json:"prefix,omitempty"`

	// Pages is a directory with templates, a style and language files of your own for
	// the module's pages (docs/pages.md); a path that is not absolute is below the
	// directory that Caddy runs in. They are read when the configuration is loaded.
	// Placeholders are resolved then. Default: the built-in pages.
	Pages string `json:"pages,omitempty"`

	// Logout says how the tenant's session is ended.
	Logout *Logout `json:"logout,omitempty"`

	matchers      caddyhttp.MatcherSets
	asksClaims    bool // by auth0_claim among the matchers
	key           string
	application   tenant.Application
	connections   policy.Connections
	dynamic       string            // the connection's name with placeholders of requests, or empty
	choice        string            // tells in links whose connections are meant, if there are several
	realms        map[string]string // connections by domains of e-mail addresses
	userIDs       policy.UserIDs
	contexts      policy.Contexts
	organization  policy.Organization
	rules         policy.Rules
	manager       *manager // of the Management API; nil without the setting
	metadata      []management.MetadataPath
	childTenants  map[string]*childTenant // by connection
	keys          *atomic.Pointer[session.Keyring]
	rotation      *rotation // of the keys, unless secrets are configured
	asserter      *asserter // nil without the setting
	limits        session.Limits
	secureCookies session.Cookies
	plainCookies  session.Cookies
	origins       []origin
	plan          *upstream.Plan
	routes        map[string]*route
	shared        *shared
	keeping       *keeping // for the memory of what it shares
	storage       *sharedStorage
	ledger        *ledger    // of sessions that were ended
	refresher     *refresher // nil without the setting
	leading       *work      // refreshes that this handler does
	place         *atomic.Pointer[place]
	tally         *tally     // of its tenant and client
	announcer     *announcer // of events
	now           func() time.Time
	random        io.Reader
	pages         *pages.Set
	logger        *zap.Logger
}

// Connection is one way to sign in: a connection of the master tenant.
type Connection struct {
	// Name is the connection's name as in the master tenant, sent as the
	// parameter `connection`. Placeholders are resolved when the configuration
	// is loaded, those of requests (`{http.*}`) at every request; a name with one of
	// these needs `allow`, and no other connection can stand beside it. Required.
	Name string `json:"name,omitempty"`

	// Label is what the page calls the connection on which the user chooses; at most
	// 128 bytes. Default: the name.
	Label string `json:"label,omitempty"`

	// Strategy is what the verified `sub` must begin with: `auth0-oidc`, `oidc`,
	// or `auto` for either of the two. `any` accepts every user of the
	// application, through whatever connection. Default: `auto`.
	Strategy string `json:"strategy,omitempty"`

	// EmailDomains are the domains of the e-mail addresses that lead to this
	// connection, such as `acme.com`, to the letter and without those below them. If
	// any connection has some, the page asks for an address, too. It is a way to the
	// login and no rule: who may sign in is up to the connection. Default: none.
	EmailDomains []string `json:"email_domains,omitempty"`

	// Allow are the names that one with placeholders of requests may come to; a
	// request that comes to another one is refused. Placeholders are resolved when the
	// configuration is loaded. Required with such a name, and for no other.
	Allow []string `json:"allow,omitempty"`

	// UserIDAs shows the ids of the connection's users as those of the connection that
	// it takes the place of, to the same child tenant. It needs a Strategy that is
	// `auth0-oidc` or `oidc`. Default: they are shown as they are.
	UserIDAs *UserIDAs `json:"user_id_as,omitempty"`

	// Child is the tenant behind the connection, whose tokens `idp_token` verifies.
	// Default: not known.
	Child *Child `json:"child,omitempty"`
}

// Session sets the limits of a session and its cookie.
type Session struct {
	// Idle ends a session that was not used for so long; the cookie is written
	// again after a tenth of it, or of the shortest among directives that share a
	// session. Use of any of them counts for all. Default: 24h.
	Idle caddy.Duration `json:"idle,omitempty"`

	// Absolute ends a session so long after the login. Default: 72h.
	Absolute caddy.Duration `json:"absolute,omitempty"`

	// Cookie sets name and attributes of the session cookie.
	Cookie *Cookie `json:"cookie,omitempty"`
}

// Cookie sets name and attributes of the session cookie.
type Cookie struct {
	// Name is the cookie's name; on https without a domain it gets the prefix
	// `__Host-`. Pending logins have their own cookies next to it, with `_txn_`
	// and an id in place of a final `_session`. Default: `auth0_session`.
	Name string `json:"name,omitempty"`

	// Domain shares the session with the subdomains of this domain. It gives up
	// the protection of the `__Host-` prefix: every host below the domain can
	// then set a cookie of this name. Default: none, the host alone.
	Domain string `json:"domain,omitempty"`

	// SameSite is `lax` or `none`; `none` lets frames of other sites use the
	// session, and needs https. Default: `lax`.
	SameSite string `json:"same_site,omitempty"`
}

// Logout says how the tenant's session is ended.
type Logout struct {
	// Strategy is the tenant's logout endpoint: `oidc` for /oidc/logout, `v2`
	// for /v2/logout, `auto` for the first if discovery advertises it.
	// Default: `auto`.
	// See https://auth0.com/docs/authenticate/login/logout/log-users-out-of-auth0.
	Strategy string `json:"strategy,omitempty"`

	// Hint is how the tenant's /oidc/logout learns which session is meant, so that
	// it does not ask the user: `sid` sends the session's id (logout_hint);
	// `id_token` sends the ID token (id_token_hint, OpenID Connect RP-Initiated
	// Logout 1.0 section 2) as well, which is kept for that in a cookie of its
	// own, and falls back to the session's id where it does not fit; `none` sends
	// neither. Default: `sid`.
	Hint string `json:"hint,omitempty"`

	// Child ends the session of the child tenant first, so that the next login asks for
	// credentials: the browser goes to the child's /v2/logout, comes back to the logout
	// route, and goes on to the master. It needs a connection with `child` and its
	// `client_id`; that application has the address of the logout route among its Allowed
	// Logout URLs. Default: off.
	Child bool `json:"child,omitempty"`

	// Federated asks the master to end the session at the connection's identity provider
	// (the parameter `federated`), as far as Auth0 does that for its strategy; for
	// `auth0-oidc` it is not documented. Default: off.
	Federated bool `json:"federated,omitempty"`

	// Frontchannel adds the route `<prefix>/frontchannel-logout` (OpenID Connect
	// Front-Channel Logout 1.0), by which a page of the tenant ends the session of its
	// browser. Browsers send the session there with `same_site` `none` only, and not if
	// they block cookies of other sites. Default: off.
	Frontchannel bool `json:"frontchannel,omitempty"`

	// ReturnTo is the path on this site to which the tenant sends the browser
	// afterwards. The whole address must be among the application's Allowed
	// Logout URLs, without the parameter `state` that comes back with it from
	// /oidc/logout. Default: `/`.
	ReturnTo string `json:"return_to,omitempty"`
}

// CaddyModule returns the module's id and constructor.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.auth0_oidc",
		New: func() caddy.Module { return new(Handler) },
	}
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
