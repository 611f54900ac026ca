package doctor

// What log events have in common.
const (
	ofChild = "The event is in the log of the tenant that has the user's password, the child."
	ofEvent = "Open the event: its description, connection and client_id say which login and why. Ask for the description with --explain, too."
)

// logEvents are the types of events in a tenant's log that a login, a refresh or a logout can leave.
var logEvents = []explained{
	{
		[]string{"f"},
		"Failed login: none of the more special types, often an error between master and child.",
		[]string{"At the master: the connection could not finish the login at the child (secret, issuer, discovery, an Action).", "At the child: the application, the callback or a policy."},
		[]string{ofEvent},
		pageLogs,
	},
	{
		[]string{"fp"},
		"Failed login: wrong password.", []string{"The user's password. " + ofChild},
		[]string{"The user resets it. Many of them from many addresses are an attack: Security > Attack Protection."}, pageLogs,
	},
	{
		[]string{"fu"},
		"Failed login: no such user.", []string{"A mistyped name, or the user is in another connection. " + ofChild},
		[]string{"Child: the application > Connections must have the user's connection."}, pageLogs,
	},
	{
		[]string{"fc"},
		"Failed by connector: the AD/LDAP connector of a connection did not answer.", []string{"The connector is offline."},
		[]string{"Look after the connector, at the tenant that has the connection."}, pageLogs,
	},
	{
		[]string{"fco"},
		"Failed by CORS: a page asked the tenant from an origin that is not allowed.", []string{"A login form of your own. This module's logins are navigations, and need no origin."},
		[]string{"Applications > the application > Allowed Origins (CORS), for the page that asks."}, pageApplication,
	},
	{
		[]string{"fcoa"},
		"Failed cross-origin authentication.", []string{"A login form of your own (Lock, auth0.js) in place of Universal Login, a wrong password in it, or third-party cookies that are blocked."},
		[]string{"Take Universal Login at the child. This module sends browsers there and needs no cross-origin authentication."}, auth0Docs + "authenticate/login/cross-origin-authentication",
	},
	{
		[]string{"fsa"},
		"Failed silent authentication: prompt=none, without a session or with a page that had to be shown.", []string{"The session at the tenant has ended; or a factor or consent is due."},
		[]string{"It is the usual end of a session, unless `authorize_param prompt none` is set."}, pageSilent,
	},
	{
		[]string{"feacft"},
		"Failed exchange of a code: Caddy's at the master, or the master's at the child.",
		[]string{"The secret of the application in that log is wrong: `client_secret` at the master, the connection's secret at the child.", "The code was used twice or expired; the callback or the verifier differ."},
		[]string{ofEvent, "`caddy auth0-oidc connect --rotate-secret` renews the connection's secret."}, pageLogs,
	},
	{
		[]string{"feccft"},
		"Failed exchange of client credentials: a machine-to-machine application got no token.",
		[]string{"`management`, `connect` or an API client: wrong secret, no grant for the API, or the quota is used up."},
		[]string{"Applications > APIs > the API > Machine to Machine Applications; compare the secret."}, pageClientGrants,
	},
	{
		[]string{"fertft"},
		"Failed exchange of a refresh token.", []string{"It expired or was revoked, the user is gone or blocked, or an Action refuses."},
		[]string{"The user signs in again. Lifetimes: Applications > the application > Refresh Token Expiration."}, pageRefresh,
	},
	{
		[]string{"ferrt"},
		"Failed exchange of a rotating refresh token: it was used before. Auth0 has revoked all that came from it.",
		[]string{"Instances that do not share Caddy's storage refresh the same session.", "An answer was lost on the way, and the overlap is 0 seconds.", "Somebody else has the token."},
		[]string{"Share one storage; set a Rotation Overlap Period. If neither explains it, treat the session as stolen: `caddy auth0-oidc revoke --sub`."}, pageRotation,
	},
	{
		[]string{"fede", "fens", "feoobft", "feotpft", "fepft", "fepotpft", "fercft", "fecte", "feta", "jwt_bearer_exchange_failed", "idjag_exchange_failed", "failed_on_behalf_of_token_exchange", "ciba_exchange_failed", "ciba_start_failed"},
		"Failed exchange of a kind that this module never asks for, such as a password or a device code.", []string{"Another client of the same tenant."},
		[]string{"Look for the client_id of the event."}, pageLogs,
	},
	{
		[]string{"fpar"},
		"Failed pushed authorization request.", []string{"The application's secret or key, a callback that is not allowed, or a parameter."},
		[]string{ofEvent, "`par off` shows Auth0's page to the browser, with the same reason."}, pagePAR,
	},
	{
		[]string{"fapi"},
		"Failed operation of the Management API.", []string{"A missing scope, or a value that it does not take."},
		[]string{ofEvent}, pageManagement,
	},
	{
		[]string{"flo"},
		"Failed logout.", []string{"The address after the logout is not among the Allowed Logout URLs."},
		[]string{"Applications > the application > Allowed Logout URLs, at the tenant of the log."}, pageLogout,
	},
	{
		[]string{"federated_logout_failed", "universal_logout_failed"},
		"The logout at the identity provider, here the child, failed; that at this tenant did not.", []string{"The child has no end_session_endpoint, or does not allow the address."},
		[]string{"Use `logout { child }`, which does not depend on it."}, pageIDPLogout,
	},
	{
		[]string{"oidc_backchannel_logout_failed", "fslo"},
		"Auth0 could not deliver a back-channel logout to this site.", []string{"The address cannot be reached from the internet, answers after more than 5 seconds, or is not https.", "The site answered 400: the token is of another application, or the clock is off."},
		[]string{"The event has the status of the answer. Applications > the application > OpenID Connect Back-Channel Logout: `https://<site>/auth/backchannel-logout`."}, pageBackChannel,
	},
	{
		[]string{"limit_wc", "limit_sul"},
		"Blocked account: too many sign-ins to one account from one address.", []string{"Wrong passwords, or many users behind one address. " + ofChild},
		[]string{"User Management > Users > the user > Unblock. Security > Attack Protection > Brute-force Protection, its AllowList."}, pageBruteForce,
	},
	{
		[]string{"limit_mu"},
		"Blocked address: too many failed sign-ins or sign-ups from it.", []string{"An attack; or all users come from one address, such as that of an office."},
		[]string{"Security > Attack Protection > Suspicious IP Throttling: thresholds and AllowList."}, pageThrottling,
	},
	{
		[]string{"api_limit", "api_limit_warning", "limit_ui", "limit_delegation"},
		"A rate limit of an API of the tenant was reached, or is about to be.", []string{"Many logins at once, `profile userinfo` (5 calls a minute for each user), or the Management API."},
		[]string{"The event names the endpoint and the client. The module waits as long as Auth0 says."}, pageRates,
	},
	{
		[]string{"pwd_leak", "reset_pwd_leak", "signup_pwd_leak"},
		"A password that was found in a breach elsewhere.", []string{"The user has the same password in several places. " + ofChild},
		[]string{"The user sets a new password."}, pageBreached,
	},
	{
		[]string{"fs", "fi", "fv", "fvr", "fcp", "fcpr", "fce", "fcu", "fcpn", "fcph", "fpurh", "fdu", "fui", "fn"},
		"Something about an account failed: a sign-up, an invitation, a verification, a changed password or address, a mail.", []string{"It is between the user and the tenant of the log, and no part of a login here."},
		[]string{ofEvent}, pageLogs,
	},
	{
		[]string{"gd_auth_failed", "gd_auth_rejected", "gd_otp_rate_limit_exceed", "gd_recovery_failed", "gd_recovery_rate_limit_exceed", "gd_send_pn_failure", "gd_send_sms_failure", "gd_send_voice_failure", "gd_start_enroll_failed", "gd_webauthn_challenge_failed", "gd_webauthn_enrollment_failed", "gd_send_email_verification_failure", "gd_auth_fail_email_verification", "mfar", "too_many_records"},
		"A second factor was wrong, refused, asked for too often, or could not be sent.", []string{"The user's device or code, or the tenant's provider of messages."},
		[]string{"User Management > Users > the user > Multi-Factor; Security > Multi-factor Auth, its providers."}, pageMFA,
	},
	{
		[]string{"actions_execution_failed", "flows_execution_failed", "forms_submission_failed"},
		"An Action, a flow or a form of the tenant failed; the login ends with access_denied or server_error.", []string{"An error in its code, a secret of it that is missing, or a service that it asks."},
		[]string{"Actions > Library > the Action: its log and a test run."}, pageActions,
	},
	{
		[]string{"custom_domain_verification_failed"},
		"The custom domain is not, or no longer, verified.", []string{"Its CNAME record is gone or leads elsewhere."},
		[]string{"Branding > Custom Domains; until it is back, logins at that domain fail."}, pageDomains,
	},
	{
		[]string{"depnote"},
		"A deprecation notice: something that is used will go away.", []string{"With auth0-oidc: the legacy user profile, or enabled_clients of connections."},
		[]string{"Read it, and plan the move to the strategy oidc (docs/sign-in.md, Moving to another connection)."}, auth0Docs + "troubleshoot/basic-issues/check-deprecation-errors",
	},
	{
		[]string{"w", "wn", "wum"},
		"A warning: it worked, and something should be looked after.", []string{"The description names it."},
		[]string{ofEvent}, pageLogs,
	},
	{
		[]string{"s", "ss", "ssa", "scoa", "slo", "seacft", "seccft", "sertft", "srrt", "sapi", "mgmt_api_read", "sslo", "oidc_backchannel_logout_succeeded", "universal_logout_succeeded", "sv", "svr", "scp", "gd_auth_succeed"},
		"It worked. A login leaves s and seacft at the child, and then both at the master.", []string{"If users complain all the same, the fault comes after it: at the master, or at this module."},
		[]string{"Compare both tenants' logs: the first of the four that is missing says where it stops."}, pageLogs,
	},
}
