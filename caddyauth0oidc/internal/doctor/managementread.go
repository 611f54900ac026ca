package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
)

// application is what the Management API says of an application.
type application struct {
	Type           string         `json:"app_type"`
	Callbacks      []string       `json:"callbacks"`
	Logouts        []string       `json:"allowed_logout_urls"`
	Grants         []string       `json:"grant_types"`
	Method         string         `json:"token_endpoint_auth_method"`
	Methods        map[string]any `json:"client_authentication_methods"`
	Conformant     *bool          `json:"oidc_conformant"`
	Organizations  string         `json:"organization_usage"`
	AsksFor        string         `json:"organization_require_behavior"`
	RequiresPushed bool           `json:"require_pushed_authorization_requests"`
	Signing        struct {
		Alg string `json:"alg"`
	} `json:"jwt_configuration"`
}

// applicationFields leave the secret where it is.
const applicationFields = "app_type,callbacks,allowed_logout_urls,grant_types,token_endpoint_auth_method," +
	"client_authentication_methods,oidc_conformant,organization_usage,organization_require_behavior,require_pushed_authorization_requests,jwt_configuration"

// connection is what the Management API says of a connection.
type connection struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Strategy string         `json:"strategy"`
	Options  map[string]any `json:"options"`
}

func (c *connection) text(option string) string {
	text, _ := c.Options[option].(string)
	return text
}

// home is the address of the child that the options name, without a slash at its end; empty if they name none.
func (c *connection) home() string {
	address := c.text("discovery_url")
	if c.Strategy == strategyAuth0 {
		address = "https://" + c.text("domain")
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

const (
	strategyAuth0 = "auth0-oidc"
	strategyOIDC  = "oidc"
)

const (
	// managementTries and managementWait bound the patience with rate limits; small plans allow two requests a second.
	managementTries = 3
	managementWait  = 5 * time.Second
)

// patient waits for rate limits that end soon.
type patient struct{ Management }

// Get tries again after the wait that the tenant asks for.
func (p patient) Get(ctx context.Context, path string, to any) error {
	for try := 1; ; try++ {
		err := p.Management.Get(ctx, path, to)
		e, ok := errors.AsType[*management.Error](err)
		if !ok || e.Status != http.StatusTooManyRequests || e.RetryAfter > managementWait || try == managementTries {
			return err
		}
		timer := time.NewTimer(max(e.RetryAfter, time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func readApplication(ctx context.Context, m Management, clientID string) (*application, error) {
	var a application
	err := m.Get(ctx, "clients/"+url.PathEscape(clientID)+"?include_fields=true&fields="+url.QueryEscape(applicationFields), &a)
	return &a, err
}

// readConnection gives nil if there is none of that name.
func readConnection(ctx context.Context, m Management, name string) (*connection, error) {
	var answer struct {
		Connections []connection `json:"connections"`
	}
	err := m.Get(ctx, "connections?take=2&name="+url.QueryEscape(name), &answer)
	for _, c := range answer.Connections {
		if err == nil && c.Name == name {
			return &c, nil
		}
	}
	return nil, err
}

// maxClientPages bounds the reading of who may use a connection, by hundreds.
const maxClientPages = 50

func readEnabled(ctx context.Context, m Management, connectionID, clientID string) (bool, error) {
	query := url.Values{"take": {"100"}}
	for range maxClientPages {
		var answer struct {
			Clients []struct {
				ClientID string `json:"client_id"`
			} `json:"clients"`
			Next string `json:"next"`
		}
		if err := m.Get(ctx, "connections/"+url.PathEscape(connectionID)+"/clients?"+query.Encode(), &answer); err != nil {
			return false, err
		}
		for _, c := range answer.Clients {
			if c.ClientID == clientID {
				return true, nil
			}
		}
		if answer.Next == "" {
			return false, nil
		}
		query.Set("from", answer.Next)
	}
	return false, errManyClients
}

var errManyClients = errors.New("the connection has too many applications")

func notFound(err error) bool {
	e, ok := errors.AsType[*management.Error](err)
	return ok && e.Err == nil && e.Status == http.StatusNotFound && !e.GettingToken()
}

// managementAbsent reports what only the Management API could tell.
func (i *inquiry) managementAbsent() {
	i.unknown(CodeManagementAbsent,
		"The settings of the master's application and connections were not read: signing algorithm, strategy, OIDC Conformant and more.",
		"There are no credentials for the Management API.",
		"Give those of a machine-to-machine application with the scopes read:clients, read:connections and read:connections_options in "+
			"AUTH0_MANAGEMENT_CLIENT_ID and AUTH0_MANAGEMENT_CLIENT_SECRET; for the child, AUTH0_CHILD_MANAGEMENT_CLIENT_ID and "+
			"AUTH0_CHILD_MANAGEMENT_CLIENT_SECRET with read:clients and read:tenant_settings.")
}

func (i *inquiry) childManagementAbsent() {
	i.unknown(CodeManagementAbsent, "The settings of the child's application were not read.", "There are no credentials for the Management API of the child.",
		"Give those of a machine-to-machine application of the child with the scopes read:clients and read:tenant_settings in "+
			"AUTH0_CHILD_MANAGEMENT_CLIENT_ID and AUTH0_CHILD_MANAGEMENT_CLIENT_SECRET.")
}

// unread reports why something was not read from the Management API of a tenant, which is master or child.
func (i *inquiry) unread(which, what, scope string, err error) {
	seen := "The " + what + " of the " + which + " was not read: "
	e, ok := errors.AsType[*management.Error](err)
	at := "Applications > APIs > Auth0 Management API > Machine to Machine Applications of the " + which + "'s dashboard"
	switch {
	case !ok || e.Err != nil:
		i.unknown(CodeManagementUnavailable, seen+"the Management API had no usable answer.", "It cannot be reached from here, or has a fault of its own.",
			"Look at https://status.auth0.com and at the network, and run the doctor again.")
	case e.Status == http.StatusTooManyRequests:
		i.unknown(CodeManagementLimited, seen+"the Management API limits the requests.", "Other programs ask it, too; small plans allow two requests a second.",
			"Run the doctor again in a minute.")
	case e.GettingToken() && e.Status >= 500, !e.GettingToken() && e.Status != http.StatusUnauthorized && e.Status != http.StatusForbidden:
		i.unknown(CodeManagementUnavailable, seen+"the Management API answered with status "+number(e.Status)+".", "It has a fault of its own.",
			"Look at https://status.auth0.com, and run the doctor again.")
	case e.GettingToken() && e.Status == http.StatusForbidden:
		i.unknown(CodeManagementRefused, seen+"the machine-to-machine application gets no token for the Management API.",
			"It is not authorized for the API of this very tenant, or the domain is a custom one.", "Authorize it, with "+scope+": "+at+".")
	case e.Status == http.StatusForbidden:
		i.unknown(CodeManagementScope, seen+"the token lacks the scope "+scope+".", "The machine-to-machine application has fewer scopes.",
			"Grant "+scope+": "+at+".")
	default:
		i.unknown(CodeManagementRefused, seen+"the Management API refuses the credentials.",
			"Client id, secret or token are wrong, have expired, or are of another tenant.",
			"Compare AUTH0_"+prefixOf(which)+"MANAGEMENT_CLIENT_ID and its secret, or the token, with "+at+".")
	}
}

func prefixOf(which string) string {
	if which == "child" {
		return strings.ToUpper(which) + "_"
	}
	return ""
}

// managementElsewhere reports that the API does not know what the tenant itself knows.
func (i *inquiry) managementElsewhere(which, clientID string) {
	i.unknown(CodeManagementElsewhere, "The Management API of the "+which+" does not know the client id "+shown(clientID)+", which logins use.",
		"Its credentials seem to be those of another tenant.",
		"Compare AUTH0_"+prefixOf(which)+"MANAGEMENT_CLIENT_ID with the tenant of the logins.")
}
