package auth0sim

import (
	"maps"
	"slices"
)

// DatabaseConnection is the name of the database that every new tenant has.
const DatabaseConnection = "Username-Password-Authentication"

// Connection is a source of users of a tenant.
type Connection struct {
	// ID begins with con_ and is made when empty.
	ID string
	// Name is what /authorize and user ids carry.
	Name string
	// Strategy is auth0 for a database, auth0-oidc or oidc for another tenant, or a social one such as google-oauth2,
	// which is simulated by a choice among its users.
	Strategy string
	// DisplayName is the label of the button; the default is the name.
	DisplayName string
	// Options of a federated connection: client_id, client_secret, scope, upstream_params, and domain for auth0-oidc or
	// discovery_url for oidc.
	Options map[string]any
	// EnabledClients are the applications that may use the connection.
	EnabledClients []string
	// Metadata is free.
	Metadata map[string]any
	// ShowAsButton and IsDomainConnection are kept for the Management API.
	ShowAsButton, IsDomainConnection bool
}

// AddConnection registers a connection, or replaces the one of that name, and returns it. The pointer is live, as that
// of [Tenant.AddApplication].
func (t *Tenant) AddConnection(c Connection) *Connection {
	if c.ID == "" {
		c.ID = "con_" + alphanumeric(t.network.bytes(16))
	}
	if c.Options == nil {
		c.Options = map[string]any{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connections = slices.DeleteFunc(t.connections, func(old *Connection) bool { return old.Name == c.Name })
	t.connections = append(t.connections, &c)
	return &c
}

// Enable lets applications use a connection.
func (t *Tenant) Enable(connection string, clientIDs ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.connections {
		if c.Name == connection {
			c.setEnabled(true, clientIDs...)
		}
	}
}

// Disable takes a connection away from applications.
func (t *Tenant) Disable(connection string, clientIDs ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.connections {
		if c.Name == connection {
			c.setEnabled(false, clientIDs...)
		}
	}
}

func (c *Connection) setEnabled(on bool, clientIDs ...string) {
	enabled := slices.Clone(c.EnabledClients)
	for _, id := range clientIDs {
		enabled = slices.DeleteFunc(enabled, func(other string) bool { return other == id })
		if on {
			enabled = append(enabled, id)
		}
	}
	c.EnabledClients = enabled
}

// enabledConnections returns copies of what an application may use, in the order they were added.
func (t *Tenant) enabledConnections(clientID string) []Connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	var enabled []Connection
	for _, c := range t.connections {
		if slices.Contains(c.EnabledClients, clientID) {
			enabled = append(enabled, c.copy())
		}
	}
	return enabled
}

func (t *Tenant) connection(match func(*Connection) bool) (Connection, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.connections, match)
	if i < 0 {
		return Connection{}, false
	}
	return t.connections[i].copy(), true
}

func (t *Tenant) connectionNamed(name string) (Connection, bool) {
	return t.connection(func(c *Connection) bool { return c.Name == name })
}

func (c *Connection) copy() Connection {
	same := *c
	same.Options = maps.Clone(c.Options)
	return same
}

func (c Connection) federated() bool { return c.Strategy == "auth0-oidc" || c.Strategy == "oidc" }

func (c Connection) label() string {
	if c.DisplayName != "" {
		return c.DisplayName
	}
	return c.Name
}

func (c Connection) option(name string) string {
	value, _ := c.Options[name].(string)
	return value
}

// social says what identities[].isSocial is; the old strategy between Auth0 accounts counted as social.
func social(strategy string) bool {
	switch strategy {
	case "auth0", "oidc", "samlp", "waad", "ad", "adfs", "google-apps", "okta":
		return false
	}
	return true
}

// enterprise strategies have the connection's name inside the user id.
func enterprise(strategy string) bool {
	return strategy == "auth0-oidc" || !social(strategy) && strategy != "auth0"
}

func alphanumeric(raw []byte) string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i, b := range raw {
		raw[i] = letters[int(b)%len(letters)]
	}
	return string(raw)
}
