package doctor

// What the tenants say of the client that signs users in.
const (
	// CodeClientUnknown means that the master has no application with the client id.
	CodeClientUnknown = "client_unknown"
	// CodeClientAuthenticated means that the tenant takes the credentials, and the grants that logins use.
	CodeClientAuthenticated = "client_authenticated"
	// CodeClientSecretWrong means that the tenant does not take the client secret.
	CodeClientSecretWrong = "client_secret_wrong"
	// CodeClientAuthWrong means that the application authenticates in another way than the settings say.
	CodeClientAuthWrong = "client_auth_wrong"
	// CodeAssertionRefused means that the tenant does not take assertions signed with the key (private_key_jwt).
	CodeAssertionRefused = "client_assertion_refused"
	// CodeCertificateRefused means that the tenant does not take the client certificate.
	CodeCertificateRefused = "client_certificate_refused"
	// CodeFirstSecretRefused means that of two secrets only the next one is taken.
	CodeFirstSecretRefused = "client_secret_first_refused"
	// CodeGrantMissing means that the application may not use authorization codes.
	CodeGrantMissing = "grant_missing"
	// CodeRefreshGrantMissing means that refresh is on, and that the application may not use refresh tokens.
	CodeRefreshGrantMissing = "refresh_grant_missing"
	// CodeTokenRefused means that the token endpoint refuses for a reason that has no code of its own.
	CodeTokenRefused = "token_endpoint_refused"
)

// What the Management API says of the master's application.
const (
	// CodeApplicationRight means that the settings of the application are those that logins need.
	CodeApplicationRight = "application_right"
	// CodeApplicationType means that the application is no regular web application.
	CodeApplicationType = "application_type"
	// CodeApplicationSigning means that the ID tokens of the application are not signed with a public key.
	CodeApplicationSigning = "application_signing_algorithm"
	// CodeApplicationNotConformant means that OIDC Conformant is off.
	CodeApplicationNotConformant = "application_not_conformant"
)

// What the master says to the begin of a login, and to a logout.
const (
	// CodeCallbackAllowed means that the callback of a base URL is allowed.
	CodeCallbackAllowed = "callback_allowed"
	// CodeCallbackNotAllowed means that it is not.
	CodeCallbackNotAllowed = "callback_not_allowed"
	// CodeAudienceUnknown means that the tenant has no API with the identifier of audience.
	CodeAudienceUnknown = "audience_unknown"
	// CodeOrganizationRefused means that the organization does not exist, or that the application takes none.
	CodeOrganizationRefused = "organization_refused"
	// CodeOrganizationRequired means that the application takes only logins with an organization, and none is set.
	CodeOrganizationRequired = "organization_required"
	// CodePushRequired means that the application takes pushed requests only, and that none would be pushed.
	CodePushRequired = "par_required"
	// CodePushRefused means that the tenant does not take the request when it is pushed.
	CodePushRefused = "par_refused"
	// CodeLoginRefused means that logins are refused for a reason that has no code of its own.
	CodeLoginRefused = "login_refused"
	// CodeLogoutAllowed means that the tenant leads back to a base URL after a logout.
	CodeLogoutAllowed = "logout_allowed"
	// CodeLogoutNotAllowed means that it does not.
	CodeLogoutNotAllowed = "logout_not_allowed"
)

// What is found out about a connection.
const (
	// CodeConnectionUsable means that the master sends browsers on to the connection's identity provider.
	CodeConnectionUsable = "connection_usable"
	// CodeConnectionNotUsable means that the connection does not exist or is not enabled; the tenant does not say which.
	CodeConnectionNotUsable = "connection_not_usable"
	// CodeConnectionMissing means that there is no connection of that name.
	CodeConnectionMissing = "connection_missing"
	// CodeConnectionNotEnabled means that the connection is not enabled for the application.
	CodeConnectionNotEnabled = "connection_not_enabled"
	// CodeStrategyWrong means that users of the connection have other ids than strategy lets in.
	CodeStrategyWrong = "connection_strategy_wrong"
	// CodeFrontChannel means that the connection gets ID tokens through the browser.
	CodeFrontChannel = "connection_front_channel"
	// CodeChildDomain means that the connection leads to another tenant than child domain.
	CodeChildDomain = "child_domain_mismatch"
	// CodeChildClient means that the connection uses another application than child client_id.
	CodeChildClient = "child_client_mismatch"
)

// What is found out about the child.
const (
	// CodeChildReady means that the child takes the begin of a login that the master sends there.
	CodeChildReady = "child_ready"
	// CodeChildNotAsked means that the child could not be asked.
	CodeChildNotAsked = "child_not_asked"
	// CodeChildClientUnknown means that the child has no application with the client id of the connection.
	CodeChildClientUnknown = "child_client_unknown"
	// CodeChildCallbackMissing means that the child does not lead back to the master.
	CodeChildCallbackMissing = "child_callback_missing"
	// CodeCustomDomainMixup means that the child leads back to the master under another domain than that of the logins.
	CodeCustomDomainMixup = "custom_domain_mixup"
	// CodeChildSecretWrong means that the child does not take the secret of the connection.
	CodeChildSecretWrong = "child_secret_wrong"
	// CodeChildSecretUnread means that the secret of the connection could not be read, so that nobody knows.
	CodeChildSecretUnread = "child_secret_unread"
	// CodeChildGrantMissing means that the child's application may not use authorization codes.
	CodeChildGrantMissing = "child_grant_missing"
	// CodeChildNoConnections means that the child's application has no connection to sign users in with.
	CodeChildNoConnections = "child_connections_missing"
	// CodeChildConformant means that OIDC Conformant is on, which auth0-oidc does not work with.
	CodeChildConformant = "child_oidc_conformant"
	// CodeChildLegacyProfile means that the child does not give out the profile that auth0-oidc needs.
	CodeChildLegacyProfile = "child_legacy_profile_off"
	// CodeChildSigning means that the ID tokens for the master are not signed with a public key.
	CodeChildSigning = "child_signing_algorithm"
	// CodeChildRefused means that the child refuses for a reason that has no code of its own.
	CodeChildRefused = "child_refused"
	// CodeChildLogout means that the child does not lead back to the site after logout child.
	CodeChildLogout = "child_logout_not_allowed"
)

// Why something could not be looked at.
const (
	// CodeTenantNotAsked means that the tenant had no usable answer.
	CodeTenantNotAsked = "tenant_not_asked"
	// CodeTenantLimited means that the tenant limits the requests.
	CodeTenantLimited = "tenant_rate_limited"
	// CodeManagementAbsent means that there are no credentials for the Management API.
	CodeManagementAbsent = "management_absent"
	// CodeManagementRefused means that the Management API does not take the credentials or the token.
	CodeManagementRefused = "management_credentials_refused"
	// CodeManagementScope means that the token lacks a scope.
	CodeManagementScope = "management_scope_missing"
	// CodeManagementLimited means that the Management API limits the requests.
	CodeManagementLimited = "management_rate_limited"
	// CodeManagementUnavailable means that the Management API had no usable answer.
	CodeManagementUnavailable = "management_unavailable"
	// CodeManagementElsewhere means that the credentials seem to be those of another tenant.
	CodeManagementElsewhere = "management_other_tenant"
)
