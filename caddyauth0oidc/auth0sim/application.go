package auth0sim

import (
	"crypto"
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Application is an application ("client") of a tenant. The pointer that [Tenant.AddApplication] returns is live: change
// it before the tenant is used, and through [Tenant.UpdateApplication] afterwards.
type Application struct {
	// ClientID has 32 characters and ClientSecret 64; both are made when empty.
	ClientID, ClientSecret string
	// Name is what pages call the application.
	Name string
	// Description is free text.
	Description string
	// AppType is regular_web (default), spa, native or non_interactive. It is kept for the Management API.
	AppType string
	// Callbacks are the Allowed Callback URLs. They match exactly; one * may stand in the left-most subdomain label.
	Callbacks []string
	// AllowedLogoutURLs match exactly at /oidc/logout; /v2/logout does not compare their query strings.
	AllowedLogoutURLs []string
	// GrantTypes are the grants the application may use; the default is authorization_code and refresh_token.
	GrantTypes []string
	// TokenEndpointAuthMethod is client_secret_post (default), client_secret_basic, private_key_jwt, tls_client_auth or
	// none. Any other method than this is refused.
	TokenEndpointAuthMethod string
	// AssertionKeys verify the client assertions of private_key_jwt.
	AssertionKeys []crypto.PublicKey
	// Certificates are those of tls_client_auth: a request has to come over a TLS connection of a real listener on which
	// one of them was presented first.
	Certificates []*x509.Certificate
	// RequirePushedAuthorizationRequests refuses authorization requests that were not pushed.
	RequirePushedAuthorizationRequests bool
	// Legacy is oidc_conformant:false: scope names act as claim names, and /userinfo returns the whole profile if the
	// tenant has the legacy profile on. The auth0-oidc strategy needs it on the child's application.
	Legacy bool
	// SigningAlg is jwt_configuration.alg; empty means the tenant's.
	SigningAlg string
	// Rotation, Leeway and RefreshLifetime are the refresh_token settings; the defaults are a non-rotating token, no
	// overlap and no expiry.
	Rotation        bool
	Leeway          time.Duration
	RefreshLifetime time.Duration
	// BackchannelLogoutURL receives logout tokens; Auth0 allows one URL.
	BackchannelLogoutURL string
	// OrganizationUsage is organization_usage: [OrganizationDeny] (default), [OrganizationAllow] or [OrganizationRequire].
	OrganizationUsage string
	// Grants are the client grants for client_credentials: the scopes allowed for each audience.
	Grants map[string][]string
}

// API is a resource server of a tenant.
type API struct {
	// Identifier is the audience.
	Identifier string
	// Scopes are what a request may ask for besides the scopes of OpenID Connect; others are dropped silently.
	Scopes []string
	// AllowOfflineAccess lets applications have refresh tokens for this API.
	AllowOfflineAccess bool
	// TokenDialect is access_token (default), rfc9068_profile, or one of them with _authz behind it, which adds the claim
	// permissions.
	TokenDialect string
	// Permissions are what the roles of users grant, by user id. Applications that act for themselves have the scopes of
	// their grant.
	Permissions map[string][]string
}

// AddApplication registers an application and returns it with the defaults filled in.
func (t *Tenant) AddApplication(a Application) *Application {
	if a.ClientID == "" {
		a.ClientID = t.network.token(24)
	}
	if a.ClientSecret == "" {
		a.ClientSecret = t.network.token(48)
	}
	if a.Name == "" {
		a.Name = "Application " + a.ClientID
	}
	if a.AppType == "" {
		a.AppType = "regular_web"
	}
	if a.GrantTypes == nil {
		a.GrantTypes = []string{"authorization_code", "refresh_token"}
	}
	if a.TokenEndpointAuthMethod == "" {
		a.TokenEndpointAuthMethod = "client_secret_post"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.applications[a.ClientID] = &a
	return &a
}

// UpdateApplication changes an application while the tenant is in use, such as a secret that was rotated.
func (t *Tenant) UpdateApplication(clientID string, change func(a *Application)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, ok := t.applications[clientID]; ok {
		change(a)
	}
}

// AddAPI registers an API; a request with its identifier as audience gets a JWT as access token.
func (t *Tenant) AddAPI(api API) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.apis[api.Identifier] = api
}

// application returns a copy.
func (t *Tenant) application(clientID string) (Application, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.applications[clientID]
	if !ok {
		return Application{}, false
	}
	return *a, true
}

func (t *Tenant) api(audience string) (API, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	api, ok := t.apis[audience]
	return api, ok
}

func (a Application) allows(grant string) bool { return slices.Contains(a.GrantTypes, grant) }

func (a Application) allowsCallback(redirectURI string) bool {
	return slices.ContainsFunc(a.Callbacks, func(entry string) bool { return matchesURL(entry, redirectURI) })
}

// matchesURL compares exactly, except for one * as the whole or a part of the left-most subdomain label.
func matchesURL(entry, given string) bool {
	if entry == given {
		return true
	}
	before, after, found := strings.Cut(entry, "*")
	if !found || (before != "https://" && before != "http://") || !strings.HasPrefix(after, ".") {
		return false
	}
	u, err := url.Parse(given)
	if err != nil || u.User != nil || u.Scheme+"://" != before {
		return false
	}
	label, rest, found := strings.Cut(strings.TrimPrefix(given, before), ".")
	return found && label != "" && !strings.ContainsAny(label, "/?#@:\\") && "."+rest == after
}

// allowsLogout is the rule of /v2/logout: query and fragment are not compared, scheme and host in any case.
func allowsLogout(list []string, returnTo string) bool {
	given, ok := logoutKey(returnTo)
	return ok && slices.ContainsFunc(list, func(entry string) bool {
		allowed, ok := logoutKey(entry)
		return ok && matchesURL(allowed, given)
	})
}

func logoutKey(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil {
		return "", false
	}
	return strings.ToLower(u.Scheme+"://"+u.Host) + u.EscapedPath(), true
}
