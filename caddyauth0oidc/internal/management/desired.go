package management

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	// StrategyOIDC is the enterprise strategy for any provider of OpenID Connect.
	StrategyOIDC = "oidc"
	// StrategyAuth0 is the old strategy between Auth0 accounts, which Auth0 deprecated in August 2019.
	StrategyAuth0 = "auth0-oidc"

	maxConnectionName  = 128
	maxApplicationName = 255
	maxClientID        = 128
	maxScope           = 255
)

// Desired is what two tenants shall have.
type Desired struct {
	// Strategy and Connection are the strategy and name of the connection in the master tenant.
	Strategy, Connection string
	// Scope is what the connection asks the child for; openid has to be in it. Words of a stored scope are kept.
	Scope string
	// LoginBase is the address of the master where logins happen, with a slash at its end: that of its custom domain if
	// it has one.
	LoginBase string
	// ChildBase is the address of the child tenant, with a slash at its end.
	ChildBase string
	// App is the master's application that the site uses, ChildApp the child's that the connection uses.
	App, ChildApp DesiredApplication
	// AppURL is the site's origin without a slash at its end; empty leaves its addresses unchecked.
	AppURL string
	// ChildSecret is the secret of ChildApp; empty takes it from the child if the token there may read it. One that differs
	// from what the child shows is refused.
	ChildSecret string
	// RotateSecret writes the secret into the connection also where the stored one cannot be compared.
	RotateSecret bool
	// ChildConnections are the child's connections that ChildApp may use, those of its users.
	ChildConnections []string
}

// DesiredApplication is an application by its client id, or, without one, by its name: it is created if there is none.
type DesiredApplication struct{ ClientID, Name string }

var (
	connectionPattern = regexp.MustCompile(`^[a-zA-Z0-9](-[a-zA-Z0-9]|[a-zA-Z0-9])*$`)
	clientIDPattern   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
)

// Validate says in words for the operator what Auth0 would refuse.
func (d Desired) Validate() error {
	if d.Strategy != StrategyOIDC && d.Strategy != StrategyAuth0 {
		return fmt.Errorf("the strategy is %s or %s, not %q", StrategyOIDC, StrategyAuth0, d.Strategy)
	}
	for _, name := range append([]string{d.Connection}, d.ChildConnections...) {
		if len(name) > maxConnectionName || !connectionPattern.MatchString(name) {
			return fmt.Errorf("%q is no name of a connection: it has letters, digits and single hyphens between them, at most %d",
				name, maxConnectionName)
		}
	}
	if words := strings.Fields(d.Scope); !slices.Contains(words, "openid") || len(d.Scope) > maxScope || printable(d.Scope) != d.Scope {
		return fmt.Errorf("the scope %q needs the word openid, and has at most %d characters", d.Scope, maxScope)
	}
	if d.LoginBase == d.ChildBase {
		return errors.New("master and child are the same tenant")
	}
	return errors.Join(d.App.validate(), d.ChildApp.validate())
}

func (a DesiredApplication) validate() error {
	if a.ClientID != "" {
		if len(a.ClientID) > maxClientID || !clientIDPattern.MatchString(a.ClientID) {
			return fmt.Errorf("%q is no client id: it has letters, digits, - and _", a.ClientID)
		}
		return nil
	}
	if a.Name == "" || len(a.Name) > maxApplicationName || strings.ContainsAny(a.Name, "<>") || printable(a.Name) != a.Name[:min(len(a.Name), maxMessage)] {
		return fmt.Errorf("%q is no name of an application: it has printable ASCII without < and >, at most %d characters",
			a.Name, maxApplicationName)
	}
	return nil
}

// appCallback and appLogout are where the master sends the browser back to, at the default path of the module's routes.
func (d Desired) appCallback() string { return d.AppURL + "/auth/callback" }

func (d Desired) appLogout() string { return d.AppURL + "/" }

// childLogout is where the child sends the browser back to after `logout child`.
func (d Desired) childLogout() string { return d.AppURL + "/auth/logout" }

// loginCallback is where the child sends its users back to, the same for every connection of the master.
func (d Desired) loginCallback() string { return d.LoginBase + "login/callback" }

// childHost is how the old strategy names the child.
func (d Desired) childHost() string {
	_, host, _ := strings.Cut(d.ChildBase, "://")
	return strings.TrimSuffix(host, "/")
}

// options are those that the connection has to have, besides the secret.
func (d Desired) options(clientID string) map[string]any {
	o := map[string]any{"client_id": clientID, "scope": d.Scope, "upstream_params": promptAlias()}
	if d.Strategy == StrategyAuth0 {
		o["domain"] = d.childHost()
		return o
	}
	o["type"] = "back_channel"
	o["discovery_url"] = d.ChildBase + ".well-known/openid-configuration"
	return o
}

// promptAlias passes the prompt of a login on to the child.
func promptAlias() map[string]any {
	return map[string]any{"prompt": map[string]any{"alias": "prompt"}}
}
