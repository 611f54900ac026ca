package session

import (
	"net/http"
	"time"
)

// connectionLifetime is how long a browser remembers the connection of its last login.
const connectionLifetime = 365 * 24 * time.Hour

// connectionSuffix follows the prefix of pending logins, like attemptsSuffix.
const connectionSuffix = "connection"

// WriteConnection adds the Set-Cookie line that remembers the connection of a login, a
// name as Auth0 has it; c is the family of pending logins. It is not sealed: whoever
// forges it moves a line of a page.
func WriteConnection(h http.Header, c Cookie, name string) {
	c.set(h, connectionSuffix, name, connectionLifetime)
}

// ReadConnection gives the connection of the last login in this browser, if it is one
// that is known now; prefix is that of pending logins.
func ReadConnection(lines []string, prefix string, known func(name string) bool) (string, bool) {
	values, n := candidates(lines, prefix+connectionSuffix)
	for _, name := range values[:n] {
		if known(name) {
			return name, true
		}
	}
	return "", false
}
