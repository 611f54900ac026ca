package doctor

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// child is the other side of a connection, as far as it is known.
type child struct {
	connection Connection
	there      *url.URL // where the master sends browsers, nil if that is not known
	home       string   // its address, without a slash at its end
	clientID   string
	callback   string // where it sends its users back to
	strategy   string // that of the connection; empty if nobody has read it

	readFails bool // the Management API does not know the client id
}

func (c *child) about(what string) string { return "child " + what + " " + c.home + " " + c.clientID }

// askLogin begins a login through a connection, and asks the child what it would say to it.
func (i *inquiry) askLogin(ctx context.Context, c Connection) {
	there := i.follow(ctx, c)
	if c.Name == "" || i.faulty["strategy "+c.Name] {
		return
	}
	k := i.childOf(c, there)
	if k == nil {
		return
	}
	if k.there != nil {
		i.passed(aboutConnection(c), CodeConnectionUsable, "The master sends logins through the connection "+shown(c.Name)+" on to "+shown(k.home)+".")
		i.compareChild(k)
	}
	i.readChild(ctx, k)
	i.askChild(ctx, k)
	i.askChildSecret(ctx, k)
}

// childOf puts together what the redirect, the Management API and the settings say, in this order. It is nil if nothing is known, or
// if the redirect is no login of OpenID Connect, which is reported.
func (i *inquiry) childOf(c Connection, there *url.URL) *child {
	k := &child{connection: c, callback: i.loginCallback()}
	if c.ChildDomain != "" {
		if issuer, err := tenant.IssuerOf(c.ChildDomain); err == nil {
			k.home, k.clientID = strings.TrimSuffix(issuer, "/"), c.ChildClientID
		}
	}
	if read := i.connection[c.Name]; read != nil {
		k.strategy = read.Strategy
		if home := read.home(); home != "" {
			k.home = home
		}
		if id := read.text("client_id"); id != "" {
			k.clientID = id
		}
	}
	if there == nil {
		if k.home == "" || k.clientID == "" {
			return nil
		}
		return k
	}
	q := there.Query()
	if q.Get("client_id") == "" || q.Get("redirect_uri") == "" || there.Host == "" {
		if c.Strategy != "any" {
			i.strategyWrong(c, "A login through the connection "+shown(c.Name)+" is sent on to "+shown(there.Host)+" with something other than OpenID Connect.",
				"The connection is of another strategy, such as SAML.")
		}
		return nil
	}
	k.there, k.home, k.clientID, k.callback = there, there.Scheme+"://"+there.Host, q.Get("client_id"), q.Get("redirect_uri")
	return k
}

// compareChild compares where the connection leads with what the settings say of the child.
func (i *inquiry) compareChild(k *child) {
	c := k.connection
	if issuer, err := tenant.IssuerOf(c.ChildDomain); c.ChildDomain != "" && err == nil && !strings.EqualFold(strings.TrimSuffix(issuer, "/"), k.home) {
		i.fault("child domain "+c.Name, Warning, CodeChildDomain,
			"The connection "+shown(c.Name)+" leads to "+shown(k.home)+", and child domain is "+shown(c.ChildDomain)+".",
			"They are two tenants, or one tenant under its canonical and its custom domain. Sessions belong to one domain, so that logout "+
				"child would not end them.",
			"Write child domain as the connection has it in the master's dashboard: Authentication > Enterprise > (the connection).")
	}
	if c.ChildClientID != "" && c.ChildClientID != k.clientID {
		i.fault("child client "+c.Name, Warning, CodeChildClient,
			"The connection "+shown(c.Name)+" uses the client id "+shown(k.clientID)+" in the child, and child client_id is "+shown(c.ChildClientID)+".",
			"The connection was set up with another application, or the settings name another one.",
			"Write child client_id as the connection has it in the master's dashboard: Authentication > Enterprise > (the connection).")
	}
}

// mayAsk keeps requests away from what no connection may lead to: plain http, but for tenants of this machine.
func (i *inquiry) mayAsk(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(i.site.Issuer, "http://") && tenant.IsLoopback(u.Hostname())
}

// askChild asks what the browser would ask, with prompt=none, which begins nothing.
func (i *inquiry) askChild(ctx context.Context, k *child) {
	if k.there == nil || !i.mayAsk(k.there) {
		if k.readFails {
			i.managementElsewhere("child", k.clientID)
		}
		return
	}
	asked := *k.there
	q := asked.Query()
	q.Set("prompt", "none")
	asked.RawQuery = q.Encode()
	a := i.get(ctx, asked.String())
	kind := a.refusal()
	if k.readFails && a.answered() && kind != refusedClient {
		i.managementElsewhere("child", k.clientID)
	}
	switch {
	case !a.answered():
		i.childNotAsked(k, a)
	case kind != refusedNothing:
		i.childRefused(k, kind, a)
	case a.location != nil:
		i.passed(k.about("callback"), CodeChildReady, "The child "+shown(k.home)+" takes logins that the master sends there.")
	default:
		i.childNotAsked(k, a)
	}
}

func (i *inquiry) childNotAsked(k *child, a reply) {
	seen := "The child " + shown(k.home) + " did not answer a login."
	if a.status != 0 {
		seen = "The child " + shown(k.home) + " answered a login with status " + number(a.status) + ", which tells nothing."
	}
	cause := "It cannot be reached from here, or it is no tenant of Auth0."
	if a.status == http.StatusTooManyRequests {
		cause = "There were too many requests from this address or of this tenant."
	}
	i.unknown(CodeChildNotAsked, seen, cause, "Run the doctor again in a minute, or try a login by hand.")
}

// childRefused reports what the child has against a login that the master sends there.
func (i *inquiry) childRefused(k *child, kind refusal, a reply) {
	const where = "in the child's dashboard: Applications > "
	switch kind {
	case refusedClient:
		without := k.connection
		without.ChildClientID = ""
		i.fault(k.about("client"), Failure, CodeChildClientUnknown,
			"The child "+shown(k.home)+" does not know the client id "+shown(k.clientID)+" of the connection "+shown(k.connection.Name)+".",
			"The connection has a mistake in the client id, leads to another tenant, or the application was deleted there.",
			"Write the Client ID of an application of the child into the connection in the master's dashboard: Authentication > Enterprise > "+
				"(the connection) > Settings"+i.orConnectTo(without, "")+".")
	case refusedCallback:
		i.childCallbackMissing(k)
	case refusedGrant:
		i.fault(k.about("grant"), Failure, CodeChildGrantMissing, "The child's application "+shown(k.clientID)+" may not use authorization codes.",
			"The grant type Authorization Code is off.", "Switch it on "+where+shown(k.clientID)+" > Settings > Advanced > Grant Types.")
	case refusedAllConnections, refusedConnection:
		i.fault(k.about("connections"), Failure, CodeChildNoConnections, "The child's application "+shown(k.clientID)+" has no connection to sign users in with.",
			"Connections of the child have to be enabled for each application.",
			"Enable the connection of the users "+where+shown(k.clientID)+" > Connections; or run "+i.connect(k.connection, "")+" --child-connection NAME.")
	default:
		seen := "The child " + shown(k.home) + " refuses logins with a page of status " + number(a.status) + "."
		if code := a.errorCode(); code != "" {
			seen = "The child " + shown(k.home) + " refuses logins with " + code + "."
		}
		i.fault(k.about("login"), Failure, CodeChildRefused, seen, "The reason has no code of its own; the child's log says it.",
			"Look at the newest entries of Monitoring > Logs in the child's dashboard, and at the Allowed Callback URLs of Applications > "+shown(k.clientID)+".")
	}
}

func (i *inquiry) childCallbackMissing(k *child) {
	i.fault(k.about("callback"), Failure, CodeChildCallbackMissing,
		"The child "+shown(k.home)+" refuses to lead users back to "+shown(k.callback)+".",
		"The Allowed Callback URLs of the child's application do not have it. A master with a custom domain has one such address for each "+
			"of its domains, and the domain of the settings decides which one is used.",
		i.addChildCallback(k))
}

func (i *inquiry) addChildCallback(k *child) string {
	text := "Add " + shown(k.callback) + " to the Allowed Callback URLs in the child's dashboard: Applications > " + shown(k.clientID) +
		" > Settings" + i.orConnectTo(k.connection, "")
	if !strings.HasSuffix(bareHost(i.home()), ".auth0.com") {
		text += " (with --custom-domain " + bareHost(i.home()) + ", and --master the canonical domain, if that is a custom domain)"
	}
	return text + "."
}

// askChildSecret tries the connection's secret at the child, if the Management API shows it.
func (i *inquiry) askChildSecret(ctx context.Context, k *child) {
	read := i.connection[k.connection.Name]
	if read == nil || read.text("client_id") != k.clientID || read.text("token_endpoint_auth_method") == "private_key_jwt" || i.faulty[k.about("client")] {
		return
	}
	secret := read.text("client_secret")
	if secret == "" {
		i.unknown(CodeChildSecretUnread, "Whether the child takes the secret of the connection "+shown(k.connection.Name)+" was not looked at.",
			"The Management API does not show the secret to this token.",
			"Grant the scope read:connections_options in the master's dashboard: Applications > APIs > Auth0 Management API > Machine to Machine "+
				"Applications. Or try a login by hand.")
		return
	}
	if home := read.home(); k.there != nil && !strings.EqualFold(bareHost(home), bareHost(k.home)) {
		i.unknown(CodeChildSecretUnread, "Whether the child takes the secret of the connection "+shown(k.connection.Name)+" was not looked at.",
			"The secret is for "+shown(home)+", and logins are sent on to "+shown(k.home)+", which does not get to see it.",
			"Compare the connection in the master's dashboard, Authentication > Enterprise, with the child; or try a login by hand.")
		return
	}
	i.tryChildSecret(ctx, k, tenant.Secret(secret))
}

func (i *inquiry) tryChildSecret(ctx context.Context, k *child, secret tenant.Secret) {
	other, err := tenant.New(tenant.Config{
		Issuer: k.home + "/", Egress: tenant.Egress{Timeout: i.client.Timeout}, Transport: i.client.Transport, Now: i.surroundings.Now,
	})
	if err != nil {
		return
	}
	defer other.Close()
	app := tenant.Application{ClientID: k.clientID, ClientSecret: secret}
	v, _, _ := i.tryCode(ctx, other, app, k.callback)
	if v == refusesMethod || v == refusesClient {
		app.Method = tenant.AuthBasic
		v, _, _ = i.tryCode(ctx, other, app, k.callback)
	}
	if v == refusesMethod || v == refusesClient && k.there != nil {
		i.fault(k.about("secret"), Failure, CodeChildSecretWrong,
			"The child "+shown(k.home)+" refuses the client secret that the connection "+shown(k.connection.Name)+" has.",
			"The secret was rotated in the child, or the application there authenticates in another way. Users come back with access_denied.",
			"Write the child's Client Secret into the connection: "+i.connect(k.connection, "")+" --rotate-secret, with the secret in "+
				"AUTH0_CHILD_CLIENT_SECRET.")
	}
}
