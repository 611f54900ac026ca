package doctor

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

func number(n int) string { return strconv.Itoa(n) }

func aboutConnection(c Connection) string { return "connection " + c.Name }

// loginRefused reports what the master has against a login with an allowed callback.
func (i *inquiry) loginRefused(c Connection, kind refusal, a reply) {
	switch kind {
	case refusedAudience:
		i.audienceUnknown()
	case refusedGrant:
		i.grantMissing("The master refuses logins, because the application may not use authorization codes.")
	case refusedOrganization:
		i.organizationRefused("The master refuses logins to the organization " + shown(i.site.Organization) + ".")
	case refusedWithoutOrganization:
		i.organizationRequired("The master refuses logins without an organization.")
	case refusedConnection, refusedAllConnections:
		i.connectionNotUsable(c)
	default:
		seen := "The master refuses a login with status " + number(a.status) + "."
		if code := a.errorCode(); code != "" {
			seen = "The master refuses a login with " + code + "."
		}
		i.fault("login", Failure, CodeLoginRefused, seen, "The reason has no code of its own; the tenant's log says it.",
			"Look at the newest entries of Monitoring > Logs in the master's dashboard. caddy auth0-oidc doctor --explain explains the "+
				"address that a browser ends at.")
	}
}

func (i *inquiry) audienceUnknown() {
	i.fault(aboutAudience, Failure, CodeAudienceUnknown, "The master knows no API with the identifier "+shown(i.site.Audience)+".",
		"audience is compared to the byte with the identifiers of the tenant's APIs, with the slash at the end.",
		"Correct audience, or create the API in the master's dashboard: Applications > APIs.")
}

func (i *inquiry) grantMissing(seen string) {
	i.fault(aboutGrant, Failure, CodeGrantMissing, seen, "The grant type Authorization Code is off.",
		"Switch it on in the master's dashboard: Applications > (yours) > Settings > Advanced > Grant Types"+i.orConnect("")+".")
}

func (i *inquiry) organizationRefused(seen string) {
	i.fault(aboutOrganization, Failure, CodeOrganizationRefused, seen,
		"There is no such organization, the application takes none, or organization is a name and the tenant takes ids (org_...) alone.",
		"Compare organization with Organizations in the master's dashboard. Allow Business Users or Both under Applications > (yours) > "+
			"Login Experience. For names: Settings > Advanced > Allow Organization Names in Authentication API.")
}

func (i *inquiry) organizationRequired(seen string) {
	i.fault(aboutOrganization, Failure, CodeOrganizationRequired, seen,
		"The application is for Business Users only, and the site has no organization.",
		"Set organization, or choose Individuals or Both in the master's dashboard: Applications > (yours) > Login Experience.")
}

func (i *inquiry) connectionNotUsable(c Connection) {
	i.fault(aboutConnection(c), Failure, CodeConnectionNotUsable,
		"The master refuses logins through the connection "+shown(c.Name)+": it was not found.",
		"There is no connection of that name, or it is not enabled for the application; Auth0 does not tell the two apart.",
		"Compare connection with the names, and switch it on in the master's dashboard: Applications > (yours) > Connections"+
			i.orConnectTo(c, "")+".")
}

// notSentOn reports that a login stays at the master, where users of a federated connection have nothing to do.
func (i *inquiry) notSentOn(c Connection, a reply) {
	seen := "A login through the connection " + shown(c.Name) + " is not sent on to an identity provider, but to a page of the master."
	if a.location != nil && strings.HasPrefix(a.location.Path, "/u/organization") {
		i.unknown(CodeChildNotAsked, seen, "The page asks for the user's organization first.", "Set organization to skip the page, or try a login by hand.")
		return
	}
	if u, err := url.Parse(i.callback); err == nil && tenant.IsLoopback(u.Hostname()) {
		i.unknown(CodeChildNotAsked, seen, "For callbacks on localhost Auth0 shows a page of confirmation first.",
			"Run the doctor with the public address of the site, or try a login by hand.")
		return
	}
	if c.Strategy != "any" {
		i.strategyWrong(c, seen, "It is a connection of the master's own users, and strategy wants one of another tenant's.")
	}
}

func (i *inquiry) strategyWrong(c Connection, seen, cause string) {
	another := c
	another.Name = "NAME"
	i.fault("strategy "+c.Name, Failure, CodeStrategyWrong, seen, cause,
		"Name a connection of strategy oidc or auth0-oidc, or write strategy any to let its users in. A connection keeps its strategy "+
			"for ever; a new one comes from "+i.connect(another, "")+".")
}

// isMaster tells whether an address is the master's own.
func (i *inquiry) isMaster(u *url.URL) bool {
	for _, own := range []string{i.home(), i.site.Issuer, i.metadata.AuthorizationEndpoint} {
		if master, err := url.Parse(own); err == nil && strings.EqualFold(master.Host, u.Host) {
			return true
		}
	}
	return false
}

// orConnect names the command that sets the applications up, where it sets what this site has.
func (i *inquiry) orConnect(base string) string {
	return i.orConnectTo(i.connections()[0], base)
}

func (i *inquiry) orConnectTo(c Connection, base string) string {
	if base != "" && i.site.Callback != "/auth/callback" {
		return ""
	}
	return "; or run " + i.connect(c, base)
}

// connect is the command that sets up a connection and its applications; what is not known of them is in capitals.
func (i *inquiry) connect(c Connection, base string) string {
	child := "CHILD"
	if c.ChildDomain != "" {
		child = bareHost(c.ChildDomain)
	}
	text := "caddy auth0-oidc connect --master " + bareHost(i.home()) + " --child " + child + " --connection " + c.Name +
		" --client-id " + i.site.Application.ClientID
	if c.ChildClientID != "" {
		text += " --child-client-id " + c.ChildClientID
	}
	if read := i.connection[c.Name]; c.Strategy == strategyAuth0 || read != nil && read.Strategy == strategyAuth0 {
		text += " --strategy " + strategyAuth0
	}
	if base != "" {
		text += " --app-url " + base
	}
	return text
}

// bareHost takes everything but host and port off an address.
func bareHost(address string) string {
	if _, rest, found := strings.Cut(address, "://"); found {
		address = rest
	}
	host, _, _ := strings.Cut(address, "/")
	return host
}
