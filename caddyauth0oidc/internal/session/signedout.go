package session

import (
	"net/http"
	"time"
)

// signedOutLifetime is how long after a logout the browser is still told that the
// user is signed out before it is sent to a new login.
const signedOutLifetime = time.Minute

// signedOutSuffix follows the prefix of pending logins, like attemptsSuffix.
const signedOutSuffix = "signedout"

// WriteSignedOut adds the Set-Cookie line that remembers a logout. Without it a
// browser that comes back to a protected page would be sent to the tenant at once,
// and an identity provider with a live session would sign the user in again. It is
// not sealed: whoever forges it makes a page appear that says how to sign in.
func WriteSignedOut(h http.Header, c Cookie) {
	c.set(h, signedOutSuffix, "1", signedOutLifetime)
}

// SignedOut tells whether the user signed out in this browser just now; prefix is
// that of pending logins.
func SignedOut(lines []string, prefix string) bool {
	_, n := candidates(lines, prefix+signedOutSuffix)
	return n > 0
}

// ClearSignedOut adds the Set-Cookie line that forgets the logout.
func ClearSignedOut(h http.Header, c Cookie) {
	c.expire(h, signedOutSuffix)
}
