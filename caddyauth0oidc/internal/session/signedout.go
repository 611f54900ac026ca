package session

import (
	"net/http"
	"strings"
	"time"
)

// signedOutLifetime is how long after a logout the browser is still told that the
// user is signed out before it is sent to a new login.
const signedOutLifetime = time.Minute

// signedOutMark begins the cookie's value; the state follows.
const signedOutMark = "1"

// signedOutSuffix follows the prefix of pending logins, like attemptsSuffix.
const signedOutSuffix = "signedout"

// WriteSignedOut adds the Set-Cookie line that remembers a logout and the state that was
// sent with it, of URL-safe characters or empty. Without it a
// browser that comes back to a protected page would be sent to the tenant at once,
// and an identity provider with a live session would sign the user in again. It is
// not sealed: whoever forges it makes a page appear that says how to sign in.
func WriteSignedOut(h http.Header, c Cookie, state string) {
	c.set(h, signedOutSuffix, signedOutMark+state, signedOutLifetime)
}

// SignedOut tells whether the user signed out in this browser just now, and gives the
// state of that logout; prefix is that of pending logins.
func SignedOut(lines []string, prefix string) (state string, ok bool) {
	values, n := candidates(lines, prefix+signedOutSuffix)
	return strings.TrimPrefix(values[0], signedOutMark), n > 0
}

// ClearSignedOut adds the Set-Cookie line that forgets the logout.
func ClearSignedOut(h http.Header, c Cookie) {
	c.expire(h, signedOutSuffix)
}
