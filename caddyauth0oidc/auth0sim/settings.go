package auth0sim

import (
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Settings are the knobs of a tenant. Set the fields before the tenant is used, or at run time through
// [Tenant.Configure].
type Settings struct {
	// AdvertiseEndSession puts end_session_endpoint into discovery: the tenant setting "RP-Initiated Logout End Session
	// Endpoint Discovery", on for tenants created since November 2023.
	AdvertiseEndSession bool
	// AdvertiseBackchannel puts the backchannel_logout fields into discovery, which only Enterprise tenants have.
	AdvertiseBackchannel bool
	// AdvertisePAR is the tenant setting "Allow Pushed Authorization Requests", which puts
	// pushed_authorization_request_endpoint into discovery; off by default, and only some Enterprise tenants have it.
	AdvertisePAR bool
	// RequirePAR puts require_pushed_authorization_requests into discovery and refuses all other requests. Auth0 has this
	// flag for applications only, see [Application.RequirePushedAuthorizationRequests].
	RequirePAR bool
	// MTLSHost, if not empty, is the host, with its port if it has one, of mtls_endpoint_aliases, which are put into
	// discovery: the tenant setting "mTLS Endpoint Aliases". Certificates count there alone then. [Network.Handle] has to
	// lead from that host to the tenant.
	MTLSHost string
	// IssParameter sends the iss parameter of RFC 9207 to callbacks: the tenant setting
	// authorization_response_iss_parameter_supported, off by default.
	IssParameter bool
	// LegacyUserProfile is the migration toggle of the same name, which tenants created in recent years do not have.
	// Together with [Application.Legacy] it makes /userinfo return the whole profile, which the auth0-oidc strategy needs.
	LegacyUserProfile bool
	// KeysWithoutAlg leaves alg out of the key set: the toggle "Include Signing Algorithms in JSON Web Key Set", off.
	KeysWithoutAlg bool
	// SigningAlg is the algorithm of ID tokens of applications that name none: RS256 (default), PS256, ES256, or HS256
	// signed with the client secret.
	SigningAlg string

	// IDTokenLifetime is jwt_configuration.lifetime_in_seconds; Auth0's default is ten hours.
	IDTokenLifetime time.Duration
	// AccessTokenLifetime is the token lifetime of an API; Auth0's default is one day.
	AccessTokenLifetime time.Duration
	// PushLifetime is how long a pushed request waits for the browser.
	PushLifetime time.Duration
	// CodeLifetime is how long an authorization code can be exchanged.
	CodeLifetime time.Duration
	// SessionIdle and SessionLifetime end the tenant's own single sign-on session, as "Inactivity timeout" and "Require
	// log in after" do.
	SessionIdle, SessionLifetime time.Duration
	// SessionExpiry, if not zero, adds the session_expiry claim, this long after the authentication: an identity
	// provider that limits the sessions of its applications.
	SessionExpiry time.Duration

	// UnknownClientStatus, CallbackMismatchStatus and LogoutMismatchStatus are the statuses of Auth0's own HTML error
	// pages, which are not documented; the defaults are 400, 403 and 400.
	UnknownClientStatus, CallbackMismatchStatus, LogoutMismatchStatus int
	// AllowedLogoutURLs is the list of the tenant, for logouts that name no application.
	AllowedLogoutURLs []string
	// SkipLogoutConsent is the tenant setting that turns off the confirmation page of /oidc/logout.
	SkipLogoutConsent bool
	// ChainFederatedLogout makes logout?federated of a user of an auth0-oidc connection go on to the child's logout.
	// Whether Auth0 does so is not documented; by default the parameter has no effect for this strategy.
	ChainFederatedLogout bool
	// SSOIgnoresConnection lets a live session of the tenant answer a request that names another connection; by
	// default such a request goes to the connection it names.
	SSOIgnoresConnection bool
	// RevokeDeletesGrant is the toggle "Refresh Token Revocation Deletes Grant": /oauth/revoke ends every refresh token
	// of that user and application.
	RevokeDeletesGrant bool
	// HideConnectionOptions leaves options out of Management answers and refuses them in updates unless the token has the
	// scopes of connection options, as tenants that finished that migration do.
	HideConnectionOptions bool
	// HideConnectionSecrets leaves client_secret out of the options in Management answers unless the token has
	// read:connections_options. Updates replace the options nevertheless: one without the secret loses it.
	HideConnectionSecrets bool
	// MFAOnACRValues is an Action that asks for a second factor when acr_values names the multi-factor policy: the
	// ID token of that login has amr and acr.
	MFAOnACRValues bool
	// OmitSID leaves sid out of ID tokens; Auth0 promises it no more than the other optional claims.
	OmitSID bool
	// AlwaysAuthTime adds auth_time to every ID token, not only after max_age or prompt=login.
	AlwaysAuthTime bool
	// Organizations are the organizations that the organization parameter may name by id.
	Organizations []Organization
	// OrganizationNames is the setting allow_organization_name_in_authentication_api: the parameter may hold a name,
	// and tokens carry org_name.
	OrganizationNames bool
	// DenyLogin, if not empty, is the text that an Action gave to api.access.deny: every login ends in access_denied.
	DenyLogin string
	// CustomClaims are set on ID tokens and in /userinfo by an Action.
	CustomClaims map[string]any

	// Intercept, if not nil, sees each request first; when it returns true, it has answered. A test can script any
	// endpoint with it: failures, slow answers, answers that are not what they should be.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
	// TamperDiscovery, if not nil, changes the discovery document.
	TamperDiscovery func(document map[string]any)
	// TamperKeys, if not nil, changes the key set.
	TamperKeys func(set *jose.JSONWebKeySet)
	// TamperCallback, if not nil, changes the parameters that a callback receives, in whatever response mode.
	TamperCallback func(parameters url.Values)
	// TamperIDToken, if not nil, changes header and claims of an ID token before it is signed. The alg of the header
	// decides how: RS256, PS256, ES256, HS256, or none for an empty signature.
	TamperIDToken func(header, claims map[string]any)
	// TamperAccessToken, if not nil, does the same with an access token of an API.
	TamperAccessToken func(header, claims map[string]any)
	// TamperLogoutToken, if not nil, does the same with a logout token.
	TamperLogoutToken func(header, claims map[string]any)
	// RepeatLogoutTokens is how many times each logout token is sent again, to the byte. Auth0 promises no retries.
	RepeatLogoutTokens int
	// TamperTokenResponse, if not nil, changes the JSON answer of /oauth/token.
	TamperTokenResponse func(body map[string]any)
	// TamperUserInfo, if not nil, changes the JSON answer of /userinfo.
	TamperUserInfo func(body map[string]any)
	// SignUserInfo, if not nil, makes the answer of /userinfo a JWT (application/jwt) with iss and aud, and changes its
	// header and claims before it is signed. Auth0 signs no such answers; other providers do.
	SignUserInfo func(header, claims map[string]any)
	// UserInfoType, if not empty, is the content type of a good answer of /userinfo, whatever it holds.
	UserInfoType string
	// SignWithForeignKey signs with a key that is not in the key set, under the kid of the current one.
	SignWithForeignKey bool
	// HMACKey replaces the client secret as the key of HS256, for attacks that confuse algorithms.
	HMACKey []byte
	// BackchannelTransport delivers logout tokens and the requests to child tenants; the default is the [Network].
	BackchannelTransport http.RoundTripper
	// BackchannelTimeout is how long the tenant waits for the answer to a logout token; Auth0 waits five seconds.
	BackchannelTimeout time.Duration
}

func defaultSettings() Settings {
	return Settings{
		AdvertiseEndSession: true, SigningAlg: "RS256",
		IDTokenLifetime: 10 * time.Hour, AccessTokenLifetime: 24 * time.Hour, CodeLifetime: 10 * time.Minute,
		PushLifetime: 90 * time.Second,
		SessionIdle:  72 * time.Hour, SessionLifetime: 168 * time.Hour,
		UnknownClientStatus: http.StatusBadRequest, CallbackMismatchStatus: http.StatusForbidden,
		LogoutMismatchStatus: http.StatusBadRequest, BackchannelTimeout: 5 * time.Second,
	}
}
