// Package policy answers who may pass.
package policy

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// The strategies of a Connection.
const (
	StrategyAuto      = "auto"       // auth0-oidc or oidc
	StrategyAuth0OIDC = "auth0-oidc" // another Auth0 tenant, by Auth0's own strategy
	StrategyOIDC      = "oidc"       // the same by the OpenID Connect enterprise strategy
	StrategyAny       = "any"        // every user of the application
)

// Connection is a connection of the master tenant through which users may come.
type Connection struct {
	Name     string
	Strategy string
}

// Connections are alternatives: a user of one of them may pass.
type Connections []Connection

// Auth0 Management API, Create a connection: the field name.
const longestName = 128

var connectionName = regexp.MustCompile(`^[a-zA-Z0-9](-[a-zA-Z0-9]|[a-zA-Z0-9])*$`)

var errName = errors.New("write the name as it is in Auth0: 1 to 128 letters and digits, with single hyphens between them")

// NewConnection checks a connection's name and strategy; an empty strategy is auto.
func NewConnection(name, strategy string) (Connection, error) {
	if len(name) > longestName || !connectionName.MatchString(name) {
		return Connection{}, fmt.Errorf("checking the connection %q: %w", name, errName)
	}
	switch strategy {
	case "":
		strategy = StrategyAuto
	case StrategyAuto, StrategyAuth0OIDC, StrategyOIDC, StrategyAny:
	default:
		return Connection{}, fmt.Errorf("checking the strategy %q of the connection %q: write auto, auth0-oidc, oidc or any", strategy, name)
	}
	return Connection{Name: name, Strategy: strategy}, nil
}

// ConnectionError says that a signed-in user came through none of the
// configured connections. Strategy and Connection are what the user_id names,
// for logs and events; Connection is empty for users of a strategy whose ids
// carry none.
type ConnectionError struct {
	Strategy   string
	Connection string
}

// Error names no part of the user_id.
func (*ConnectionError) Error() string {
	return "judging the connection: the user_id is not of a configured connection"
}

// Judge returns nil if the verified user_id begins with strategy|name| of one of
// the connections, byte for byte, and the child's part follows; otherwise a
// *ConnectionError. The parameter connection of a login can be edited in the
// browser, the verified user_id cannot. Without connections nobody passes.
func (c Connections) Judge(userID string) error {
	s := profile.ParseSubject(userID)
	for _, connection := range c {
		if connection.admits(s) {
			return nil
		}
	}
	return &ConnectionError{Strategy: s.Strategy, Connection: s.Connection}
}

func (c Connection) admits(s profile.Subject) bool {
	switch c.Strategy {
	case StrategyAny:
		return s.UserID != ""
	case StrategyAuto:
		if s.Strategy != StrategyAuth0OIDC && s.Strategy != StrategyOIDC {
			return false
		}
	case StrategyAuth0OIDC, StrategyOIDC:
		if s.Strategy != c.Strategy {
			return false
		}
	default:
		return false
	}
	return c.Name != "" && s.Connection == c.Name && s.Child != ""
}

// Has reports whether a connection of this name is configured.
func (c Connections) Has(name string) bool {
	for _, connection := range c {
		if connection.Name == name {
			return true
		}
	}
	return false
}
