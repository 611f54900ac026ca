package doctor

// The pages that the tables refer to.
const (
	auth0Docs = "https://auth0.com/docs/"

	pageErrorPages   = auth0Docs + "authenticate/login/auth0-universal-login/error-pages"
	pageErrors       = auth0Docs + "troubleshoot/basic-issues/check-error-messages"
	pageLogins       = auth0Docs + "troubleshoot/authentication-issues/check-login-and-logout-issues"
	pageTokens       = auth0Docs + "troubleshoot/basic-issues/invalid-token-errors"
	pageApplication  = auth0Docs + "get-started/applications/application-settings"
	pageGrants       = auth0Docs + "get-started/applications/update-grant-types"
	pageAlgorithms   = auth0Docs + "get-started/applications/change-application-signing-algorithms"
	pageConnections  = auth0Docs + "get-started/applications/update-application-connections"
	pageCredentials  = auth0Docs + "get-started/applications/credentials"
	pageClientGrants = auth0Docs + "get-started/applications/application-access-to-apis-client-grants"
	pageConsent      = auth0Docs + "get-started/applications/third-party-applications/user-consent-and-third-party-applications"
	pagePAR          = auth0Docs + "get-started/applications/configure-par"
	pageJAR          = auth0Docs + "get-started/applications/configure-jar"
	pageDPoP         = auth0Docs + "get-started/applications/configure-sender-constraining"
	pageSilent       = auth0Docs + "authenticate/login/configure-silent-authentication"
	pageMaxAge       = auth0Docs + "authenticate/login/max-age-reauthentication"
	pageLoginRoutes  = auth0Docs + "authenticate/login/auth0-universal-login/configure-default-login-routes"
	pageLogout       = auth0Docs + "authenticate/login/logout/redirect-users-after-logout"
	pageBackChannel  = auth0Docs + "authenticate/login/logout/back-channel-logout"
	pageIDPLogout    = auth0Docs + "authenticate/login/logout/log-users-out-of-idps"
	pageOIDC         = auth0Docs + "authenticate/identity-providers/enterprise-identity-providers/oidc"
	pageRefresh      = auth0Docs + "secure/tokens/refresh-tokens/use-refresh-tokens"
	pageRotation     = auth0Docs + "secure/tokens/refresh-tokens/refresh-token-rotation"
	pageAccessTokens = auth0Docs + "secure/tokens/access-tokens/get-access-tokens"
	pageIDTokens     = auth0Docs + "secure/tokens/id-tokens/validate-id-tokens"
	pageManagement   = auth0Docs + "secure/tokens/access-tokens/management-api-access-tokens"
	pageBruteForce   = auth0Docs + "secure/attack-protection/brute-force-protection"
	pageThrottling   = auth0Docs + "secure/attack-protection/suspicious-ip-throttling"
	pageBreached     = auth0Docs + "secure/attack-protection/breached-password-detection"
	pageMFA          = auth0Docs + "troubleshoot/authentication-issues/troubleshoot-mfa-issues"
	pageRates        = auth0Docs + "troubleshoot/customer-support/operational-policies/rate-limit-policy"
	pageDomains      = auth0Docs + "troubleshoot/integration-extensibility-issues/troubleshoot-custom-domains"
	pageLogs         = auth0Docs + "deploy-monitor/logs/log-event-type-codes"
	pageActions      = auth0Docs + "troubleshoot/integration-extensibility-issues/troubleshoot-actions-real-time-logs"
	pageOrgs         = auth0Docs + "manage-users/organizations"
)

// What several errors have in common.
const (
	seeLogs    = "Look at the event in the log of the master, and in that of the child (Monitoring > Logs): the description names what went wrong."
	beginAgain = "Begin again at the site's own address, not at a bookmark of a login page."
	runDoctor  = "Run `caddy auth0-oidc doctor --config Caddyfile`, which compares the settings with the tenants."
)

// auth0Codes are the error codes of OAuth (RFC 6749, 6750, 8628, 9126, 9449, 9470), of OpenID Connect and of Auth0's APIs.
var auth0Codes = []explained{
	{
		[]string{"access_denied"},
		"Auth0 did not let the user in, or, as an answer of the token endpoint, did not accept the application's secret.",
		[]string{
			"The user cancelled, or may not use the application: an Action, a Rule or a policy says no, and its words are the description.",
			"The login at the child failed: the child cannot be reached, or it refuses the secret that the connection has.",
			"With status 401 from the token endpoint: the client secret is wrong, or sent in another way than the application expects.",
		},
		[]string{
			seeLogs,
			"Compare `client_secret` and `client_auth` with the application (master: Applications > the application > Credentials), and the connection's client secret with the child's application (Authentication > Enterprise > OpenID Connect > the connection).",
		},
		pageErrors,
	},
	{
		[]string{"unauthorized"},
		"A rule of the tenant does not let this user in, or an access token is not accepted.",
		[]string{"The user is blocked at the master or at the child.", "An Action or a Rule refuses the user; its words are the description.", "/userinfo was asked with an access token that has ended."},
		[]string{seeLogs, "A blocked user: User Management > Users > the user > Actions > Unblock, in the tenant that says so."},
		pageLogins,
	},
	{
		[]string{"login_required"},
		"There is no session at Auth0, and the request did not allow to ask for a sign-in.",
		[]string{"The login was begun with prompt=none, as by `authorize_param prompt none` or a silent sign-in.", "The master's session has ended (tenant settings, Session Expiration)."},
		[]string{"Leave prompt=none out, or begin a login without it where this comes back."},
		pageSilent,
	},
	{
		[]string{"consent_required"},
		"The user has to consent, and the request did not allow to ask.",
		[]string{"prompt=none together with an `audience` that needs consent.", "The callback is on localhost, for which consent cannot be skipped.", "The application is not a first-party one."},
		[]string{"Leave prompt=none out, or switch on Applications > APIs > the API > Allow Skipping User Consent, and use a host name that is not localhost."},
		pageConsent,
	},
	{
		[]string{"interaction_required", "account_selection_required"},
		"Auth0 has to show the user a page, and the request did not allow it.",
		[]string{"prompt=none, while a second factor, a redirect of an Action or the choice of an account is due."},
		[]string{"Leave prompt=none out."},
		pageSilent,
	},
	{
		[]string{"unmet_authentication_requirements", "insufficient_user_authentication"},
		"The sign-in is not as strong or as recent as `acr_values` or `max_age` asks for.",
		[]string{"No second factor is enrolled or enabled.", "No Action of the master reacts to acr_values."},
		[]string{"Master: Security > Multi-factor Auth, and an Action that asks for the factor when acr_values is there."},
		pageMaxAge,
	},
	{
		[]string{"invalid_request"},
		"A parameter is missing, unknown or impossible; the description says which.",
		[]string{
			"The connection does not exist, or is not enabled for this application.",
			"The organization does not exist, or the application may not use organizations.",
			"A parameter of `authorize_param` or `allow_params` has a value that Auth0 does not take.",
			"The sign-in took too long, or the browser went back to an earlier page of it.",
		},
		[]string{
			"Read the description, and ask for it with --explain, too.",
			"Master: Applications > the application > Connections must list the connection of the setting `connection`.",
			runDoctor,
		},
		pageConnections,
	},
	{
		[]string{"invalid_connection", "bad.connection"},
		"The connection does not exist or is not enabled for the application; /authorize says it as invalid_request.",
		[]string{"Something else than this module asked, such as an embedded login or the passwordless API."},
		[]string{"Master: Applications > the application > Connections."},
		pageConnections,
	},
	{
		[]string{"unauthorized_client"},
		"The application may not use the way in which it asked.",
		[]string{"The grant type is switched off for the application, such as Refresh Token with `refresh on`.", "The application is of the wrong type, such as Machine to Machine."},
		[]string{"Master: Applications > the application > Advanced Settings > Grant Types: Authorization Code, and Refresh Token with `refresh on`. The type is Regular Web Application."},
		pageGrants,
	},
	{
		[]string{"unsupported_response_type"},
		"The tenant does not answer in the way that was asked for.",
		[]string{"Something other than this module began the login: this one asks for a code only."},
		[]string{"Master: Applications > the application > Advanced Settings > Grant Types: Authorization Code."},
		pageGrants,
	},
	{
		[]string{"unsupported_response_mode"},
		"The tenant does not send the answer in the way that was asked for.",
		[]string{"`response_mode form_post` where a proxy in front of Auth0 does not let it through."},
		[]string{"Set `response_mode query`."},
		pageErrors,
	},
	{
		[]string{"invalid_scope"},
		"A scope is unknown, or not allowed to this application.",
		[]string{"A scope in `scopes` that the API of `audience` does not have, or that the user lacks under RBAC.", "In a connection's options: the child does not know a scope of `scope`, or `openid` is missing there."},
		[]string{"Compare `scopes` with Applications > APIs > the API > Permissions; the connection's scope with what the child offers."},
		pageAccessTokens,
	},
	{
		[]string{"server_error"},
		"Something went wrong inside Auth0.",
		[]string{"An Action or a Rule threw an error or took too long.", "An outage: https://status.auth0.com."},
		[]string{seeLogs, "Try again; if it stays, look at Actions > Library > the Action > its log, then ask Auth0's support with the log's id."},
		pageActions,
	},
	{
		[]string{"temporarily_unavailable"},
		"Auth0 cannot answer at the moment.",
		[]string{"An outage or maintenance: https://status.auth0.com.", "Too many requests at once."},
		[]string{"Wait and try again. Sessions that are there go on."},
		pageErrors,
	},
	{
		[]string{"invalid_grant"},
		"The code or the refresh token is not valid: used, expired, revoked, or of another application or callback.",
		[]string{
			"The callback was opened twice, or late; browsers and link scanners do that.",
			"The application's client id or the callback differ between /authorize and the token endpoint, as with two differing configurations on one host.",
			"A refresh token was used twice under rotation, as by two instances that do not share Caddy's storage.",
		},
		[]string{beginAgain, "Instances of one site must have the same settings and share Caddy's storage.", "Master: Applications > the application > Refresh Token Rotation: a Rotation Overlap Period of some seconds."},
		pageRotation,
	},
	{
		[]string{"invalid_client"},
		"The tenant does not know the application, or does not accept how it proves who it is.",
		[]string{
			"`client_id` is of another tenant, such as the child's in place of the master's.",
			"The secret is wrong or was rotated; or `client_auth`, `client_assertion` or `client_certificate` is not the method that the application has.",
			"A client assertion: the clock is off, the key is not registered, or the algorithm is another one.",
		},
		[]string{"Compare with master: Applications > the application > Settings (Client ID) and Credentials (Authentication Method).", "While a secret is replaced, write both: `client_secret <current> <next>`.", runDoctor},
		pageCredentials,
	},
	{
		[]string{"unsupported_grant_type"},
		"The token endpoint does not know this kind of request.",
		[]string{"A proxy between Caddy and Auth0 changed the request.", "`domain` leads to something other than Auth0."},
		[]string{"Compare `domain` and `http { proxy }` with the tenant.", runDoctor},
		pageGrants,
	},
	{
		[]string{"mfa_required", "mfa_registration_required", "mfa_invalid_code"},
		"The policy wants a second factor where nobody can be asked for one.",
		[]string{"A refresh: the tenant's policy asks for a factor at every exchange of a refresh token.", "A wrong or missing factor of the user."},
		[]string{"Let the Action that asks for the factor leave refreshes out (event.transaction.protocol is oauth2-refresh-token)."},
		pageMFA,
	},
	{
		[]string{"use_dpop_nonce", "invalid_dpop_proof"},
		"The application is set to take tokens that are bound to a key (DPoP), which this module does not send.",
		[]string{"Applications > the application > Advanced Settings: Require Token Sender-Constraining is on."},
		[]string{"Switch it off for this application, or use `client_certificate`."},
		pageDPoP,
	},
	{
		[]string{"too_many_requests", "slow_down"},
		"A rate limit of the tenant was reached.",
		[]string{"Many logins at once, a loop of logins, or a load test.", "`profile userinfo`: five calls a minute for each user.", "The Management API, with two calls a second on free plans."},
		[]string{"Wait: the module does, too, as long as Auth0 says. Log: api_limit events name the endpoint.", "Take `profile id_token` where userinfo is not needed."},
		pageRates,
	},
	{
		[]string{"too_many_attempts", "too_many_logins"},
		"Auth0 blocks the account or the address after too many sign-ins that failed.",
		[]string{"A wrong password, many times.", "All users come from one address, as behind a proxy."},
		[]string{"Unblock the user in the tenant that has the password, the child: User Management > Users > the user > Unblock.", "Child: Security > Attack Protection, its thresholds and its AllowList."},
		pageBruteForce,
	},
	{
		[]string{"invalid_user_password", "password_leaked", "blocked_user"},
		"The tenant that has the password, which is the child, did not accept it.",
		[]string{"A wrong password or user name, a blocked user, or a password that was found in a breach."},
		[]string{"The user resets the password, or an administrator unblocks the user at the child."},
		pageLogins,
	},
	{
		[]string{"request_not_supported", "request_uri_not_supported", "invalid_request_object", "invalid_request_uri", "registration_not_supported"},
		"The tenant does not take the authorization request in the form in which it came.",
		[]string{"A pushed request (`par`) expired before the browser came: it lives for 30 to 90 seconds.", "The application requires signed requests (JAR), which this module does not send."},
		[]string{"Begin again. With JAR: Applications > the application > Application Settings > JWT-secured Authorization Requests, do not require it."},
		pageJAR,
	},
	{
		[]string{"invalid_authorization_details", "invalid_target"},
		"The API, or the details of what is asked of it, are not known.",
		[]string{"`audience` or `authorize_param resource` is no identifier of an API of the master."},
		[]string{"Compare `audience` with Applications > APIs > the API > Identifier, to the byte, the slash at its end included."},
		pageAccessTokens,
	},
	{
		[]string{"invalid_token", "expired_token"},
		"An access token has ended, is of another issuer or API, or is no token at all.",
		[]string{"A client sends an ID token, or an access token without an `audience`, which is opaque.", "The token is of the child, and the API belongs to the master."},
		[]string{"Get the token with the `audience` of `bearer`, at the tenant of `domain`; the issuer differs between a custom domain and the canonical one."},
		pageTokens,
	},
	{
		[]string{"insufficient_scope"},
		"An access token lacks a scope or a permission.",
		[]string{"The client did not ask for it, or the user does not have it.", "The Management API: the machine-to-machine application is not granted the scope that the message names."},
		[]string{"Applications > APIs > the API > Machine to Machine Applications (for the Management API: > Auth0 Management API), then get a new token."},
		pageManagement,
	},
	{
		[]string{"authorization_pending", "unsupported_token_type", "invalid_client_metadata", "invalid_redirect_uri"},
		"An answer to something that this module never asks: the device flow, a revocation of an unknown kind, or a registration.",
		[]string{"It belongs to another client of the same tenant."},
		[]string{"Look for the client id in the tenant's log (Monitoring > Logs)."},
		pageErrors,
	},
	{
		[]string{"invalid_body", "invalid_uri", "invalid_query_string", "operation_not_supported"},
		"The Management API does not take a request as it is written.",
		[]string{"An option that this strategy of connections does not have, or a value of the wrong kind."},
		[]string{"Read the message; `caddy auth0-oidc connect --dry-run` shows what would be sent."},
		pageManagement,
	},
	{
		[]string{"inexistent_connection", "inexistent_user", "inexistent_client"},
		"The Management API does not know what it was asked for.",
		[]string{"The id is of the other tenant: users of the child have other ids in the master.", "It was deleted."},
		[]string{"Compare the id with the tenant whose Management API is asked; `management` must belong to the master."},
		pageManagement,
	},
	{
		[]string{"connection_conflict"},
		"There is a connection of this name already.",
		[]string{"It was made by hand, or by another run. Names stay taken for a while after a deletion."},
		[]string{"Run `caddy auth0-oidc connect` again, which finds it; or choose another name."},
		pageManagement,
	},
}

var answeredWell = explained{
	means: "Auth0 was content: this is the address of a sign-in that worked there. What fails comes after it, at this module.",
	causes: []string{
		"The address was opened a second time, or after more than a quarter of an hour.",
		"The browser did not send the cookie of the login back: another host, http in place of https, or cookies that are refused.",
		"The exchange of the code failed: the client secret, the network to the tenant, the clock.",
	},
	remedies: []string{
		"Look for the code on the page, or for `request refused` in Caddy's log, and ask for that code with --explain.",
		beginAgain,
	},
	source: pageOwn,
}
