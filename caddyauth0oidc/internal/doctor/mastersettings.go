package doctor

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// readMaster reads the application and the connections. known says that the tenant has the application for certain.
func (i *inquiry) readMaster(ctx context.Context, known bool) {
	m := i.surroundings.Master
	if m == nil {
		i.managementAbsent()
	}
	if m == nil || i.faulty[aboutClient] {
		return
	}
	a, err := readApplication(ctx, m, i.site.Application.ClientID)
	switch {
	case notFound(err) && known:
		i.managementElsewhere("master", i.site.Application.ClientID)
		return
	case notFound(err):
		i.clientUnknown("The Management API of the master does not know the client id " + shown(i.site.Application.ClientID) + ".")
		return
	case err != nil:
		i.unread("master", "application", "read:clients", err)
		if stopsReading(err) {
			return
		}
	default:
		i.judgeApplication(a)
	}
	for _, c := range i.site.Connections {
		if err := i.readConnection(ctx, m, c); err != nil {
			i.unread("master", "connection "+shown(c.Name), "read:connections", err)
			return
		}
	}
}

// judgeApplication compares the settings with what logins need.
func (i *inquiry) judgeApplication(a *application) {
	const where = "in the master's dashboard: Applications > (yours) > Settings"
	before := len(i.findings)
	for _, base := range i.bases() {
		if !allows(a.Callbacks, base+i.site.Callback) {
			i.callbackNotAllowed(base, "The application does not have the callback "+base+i.site.Callback+".")
		}
		back := base + i.site.ReturnTo
		if !allows(a.Logouts, back) && (i.site.LogoutStrategy != tenant.LogoutV2 || !allowsPath(a.Logouts, back)) {
			i.logoutNotAllowed(base, "The application does not have the logout address "+back+".")
		}
	}
	if alg := a.Signing.Alg; alg == "" || strings.HasPrefix(alg, "HS") {
		i.fault(aboutApplication+" signing", Failure, CodeApplicationSigning, "The application's ID tokens are signed with HS256, or it names no algorithm, which comes to the same.",
			"HS256 is the default of applications that the API made. Its key is the client secret, and such tokens are refused.",
			"Choose RS256 "+where+" > Advanced > OAuth > JSON Web Token Signature Algorithm"+i.orConnect("")+".")
	}
	if !slices.Contains(a.Grants, "authorization_code") {
		i.grantMissing("The application does not have the grant type authorization_code.")
	}
	if i.refreshes() && !slices.Contains(a.Grants, "refresh_token") {
		i.refreshGrantMissing("The application does not have the grant type refresh_token.")
	}
	i.judgeMethod(a)
	i.judgeOrganization(a)
	if a.RequiresPushed && (i.site.Push == tenant.PushOff || i.metadata.PushedAuthorizationEndpoint == "") {
		i.pushRequired()
	}
	if a.Type != "" && a.Type != "regular_web" && !i.faulty[aboutCredentials] {
		i.fault(aboutApplication+" type", Warning, CodeApplicationType, "The application is of the type "+shown(a.Type)+".",
			"Auth0 treats applications of other types as ones that cannot keep a secret, or that no user signs in to.",
			"Choose Regular Web Application "+where+" > Application Properties. A new one comes from "+i.connect(i.connections()[0], "")+".")
	}
	if a.Conformant != nil && !*a.Conformant {
		i.fault(aboutApplication+" conformant", Warning, CodeApplicationNotConformant, "OIDC Conformant of the application is off.",
			"Auth0 then follows its older rules: scopes name claims, and refresh tokens are not rotated.",
			"Switch it on "+where+" > Advanced > OAuth"+i.orConnect("")+".")
	}
	if len(i.findings) == before {
		i.passed(aboutApplication, CodeApplicationRight, "The master's application has the settings that logins need.")
	}
}

// judgeMethod compares how the application authenticates with what the settings send.
func (i *inquiry) judgeMethod(a *application) {
	app, registered := i.site.Application, []string{a.Method}
	for method := range a.Methods {
		registered = append(registered, method)
	}
	var sends []string
	remedy := "Choose Post "
	switch {
	case app.Certificate != nil:
		sends, remedy = []string{"tls_client_auth", "self_signed_tls_client_auth"}, "Choose mTLS "
	case app.Key != nil:
		sends, remedy = []string{"private_key_jwt"}, "Choose Private Key JWT "
	case app.Method == tenant.AuthBasic:
		sends, remedy = []string{"client_secret_basic"}, "Choose Basic "
	default:
		sends = []string{"client_secret_post"}
	}
	for _, method := range registered {
		if slices.Contains(sends, method) || method == "" && len(registered) == 1 {
			return
		}
	}
	remedy += "in the master's dashboard: Applications > (yours) > Credentials. Or change the settings: "
	switch {
	case a.Method == "client_secret_basic":
		remedy += "client_auth basic."
	case a.Method == "client_secret_post":
		remedy += "client_auth post, with client_secret."
	default:
		remedy += "client_assertion for Private Key JWT, client_certificate for mTLS."
	}
	slices.Sort(registered)
	method := shown(strings.TrimPrefix(strings.Join(slices.Compact(registered), " "), " "))
	i.clientAuthWrong("The application authenticates with "+method+", and the site with "+sends[0]+".", method, remedy)
}

func (i *inquiry) judgeOrganization(a *application) {
	switch {
	case i.site.Organization == "" && a.Organizations == "require" && (a.AsksFor == "" || a.AsksFor == "no_prompt"):
		i.organizationRequired("The application takes no logins without an organization.")
	case i.site.Organization != "" && a.Organizations != "require" && a.Organizations != "allow":
		i.organizationRefused("The application takes no logins to organizations.")
	}
}

// stopsReading tells that further requests would come to the same end.
func stopsReading(err error) bool { return !hasStatus(err, http.StatusForbidden) }
