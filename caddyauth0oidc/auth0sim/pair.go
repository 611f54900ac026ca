package auth0sim

import (
	"net/url"
	"strings"
)

// Pair is a master tenant whose connection signs users in at a child tenant.
type Pair struct {
	// Master is the tenant that the application under test talks to, Child the one where its users are.
	Master, Child *Tenant
	// App is the application in the master that the application under test uses.
	App *Application
	// ChildApp is the application in the child that the master's connection uses.
	ChildApp *Application
	// Connection is the connection in the master.
	Connection *Connection
	// User and Accented are database users of the child with [PairPassword]; Social comes from google-oauth2.
	User, Accented, Social User
}

// PairPassword is the password of the database users of a [Pair].
const PairPassword = "correct horse battery staple"

// PairOption changes how [NewPair] sets up its tenants.
type PairOption func(*pairSetup)

type pairSetup struct{ master, child, strategy, connection string }

// WithStrategy makes the connection of strategy auth0-oidc (default) or oidc.
func WithStrategy(strategy string) PairOption { return func(s *pairSetup) { s.strategy = strategy } }

// WithConnection names the connection; the default is acme-child.
func WithConnection(name string) PairOption { return func(s *pairSetup) { s.connection = name } }

// WithDomains names the tenants; the defaults are master.auth0.test and child.auth0.test.
func WithDomains(master, child string) PairOption {
	return func(s *pairSetup) { s.master, s.child = master, child }
}

// NewPair sets up a master and a child tenant for an application whose address is appBase, such as
// https://app.example.test: the callback is appBase/auth/callback, and users return to appBase/ after a logout, and
// to appBase/auth/logout after one at the child.
func NewPair(n *Network, appBase string, opts ...PairOption) *Pair {
	s := pairSetup{"master.auth0.test", "child.auth0.test", "auth0-oidc", "acme-child"}
	for _, o := range opts {
		o(&s)
	}
	p := &Pair{Master: n.Tenant(s.master), Child: n.Tenant(s.child)}
	p.App = p.Master.AddApplication(Application{
		Name: "Legacy application", Callbacks: []string{appBase + "/auth/callback"},
		AllowedLogoutURLs: []string{appBase + "/"},
	})
	p.setUpChild(s, appBase)
	p.Connection = p.Master.AddConnection(Connection{
		Name: s.connection, Strategy: s.strategy, DisplayName: "Acme", Options: p.connectionOptions(s.strategy),
		EnabledClients: []string{p.App.ClientID},
	})
	p.addUsers()
	return p
}

func (p *Pair) setUpChild(s pairSetup, appBase string) {
	master := p.Master.base()
	p.ChildApp = p.Child.AddApplication(Application{
		Name: "Master account", Callbacks: []string{master + "/login/callback"},
		AllowedLogoutURLs: []string{master + "/logout", master + "/login/callback", appBase + "/auth/logout"},
		Legacy:            s.strategy == "auth0-oidc",
	})
	p.Child.Configure(func(set *Settings) { set.LegacyUserProfile = s.strategy == "auth0-oidc" })
	p.Child.AddConnection(Connection{Name: "google-oauth2", Strategy: "google-oauth2", DisplayName: "Google"})
	p.Child.Enable(DatabaseConnection, p.ChildApp.ClientID)
	p.Child.Enable("google-oauth2", p.ChildApp.ClientID)
}

func (p *Pair) connectionOptions(strategy string) map[string]any {
	options := map[string]any{
		"client_id": p.ChildApp.ClientID, "client_secret": p.ChildApp.ClientSecret, "scope": "openid profile email",
	}
	if strategy == "oidc" {
		options["discovery_url"] = p.Child.base() + "/.well-known/openid-configuration"
		options["type"] = "back_channel"
	} else {
		options["domain"] = p.Child.Host()
	}
	return options
}

func (p *Pair) addUsers() {
	p.User = p.Child.AddUser(User{
		ID: "auth0|563b9b6cf50bc24402a69b80", Email: "user-in-child@mail.com", Password: PairPassword,
	})
	p.Accented = p.Child.AddUser(User{
		ID: "auth0|5f7c8ec7c33c6c004bbafe82", Email: "zoe@mail.com", EmailVerified: true, Password: PairPassword,
		Name: "Zoë Łukasiewicz 日本", GivenName: "Zoë", FamilyName: "Łukasiewicz",
	})
	p.Social = p.Child.AddUser(User{
		ID: "google-oauth2|103547991597142817347", Connection: "google-oauth2", Email: "ada@gmail.test",
		EmailVerified: true, Name: "Ada Lovelace", GivenName: "Ada", FamilyName: "Lovelace",
	})
}

// MasterUserID is the id that a user of the child has in the master once it has signed in there.
func (p *Pair) MasterUserID(u User) string { return userID(*p.Connection, u.ID) }

// AuthorizeURL is a request to the master with the connection, as the application would make it; extra parameters
// replace those given here, and an empty value removes one.
func (p *Pair) AuthorizeURL(extra map[string]string) string {
	q := url.Values{
		"client_id": {p.App.ClientID}, "response_type": {"code"}, "redirect_uri": {p.App.Callbacks[0]},
		"scope": {"openid profile email"}, "state": {"opaque"}, "connection": {p.Connection.Name},
	}
	for name, value := range extra {
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
	}
	return strings.TrimSuffix(p.Master.Issuer(), "/") + "/authorize?" + q.Encode()
}
