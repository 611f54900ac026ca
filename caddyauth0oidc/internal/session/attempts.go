package session

import (
	"fmt"
	"net/http"
	"time"
)

// AttemptsLifetime is how long logins that led nowhere are remembered, counted from
// the first of them.
const AttemptsLifetime = 30 * time.Second

// attemptsSuffix follows the prefix of pending logins. It is shorter than the id of
// a transaction, so that it is neither taken nor counted for one.
const attemptsSuffix = "recent"

// Attempts counts logins that ended well at Auth0 and yet led nowhere, as when the
// browser drops our cookies. Without the count such a browser would go around in
// circles.
type Attempts struct {
	Count int
	First time.Time // in whole seconds
}

func (a *Attempts) pack() []byte {
	return appendCount(append(make([]byte, 0, 16), payloadVersion), a.Count, a.First)
}

func (a *Attempts) unpack(b []byte) error {
	f := readFields(b)
	a.Count, a.First = f.count()
	return f.end()
}

// WriteAttempts adds the Set-Cookie line of the count; c.Name is the prefix of the
// cookies of pending logins.
func (k *Keyring) WriteAttempts(h http.Header, c Cookie, a Attempts) error {
	text, err := k.sealText(forAttempts, c.Name+attemptsSuffix, &a)
	if err != nil {
		return fmt.Errorf("sealing the count of attempts: %w", err)
	}
	c.set(h, attemptsSuffix, text, AttemptsLifetime)
	return nil
}

// ReadAttempts opens the count. It is not there when the cookie is missing or
// forged, or when AttemptsLifetime has passed since the first attempt.
func (k *Keyring) ReadAttempts(lines []string, prefix string, now time.Time) (Attempts, bool) {
	name := prefix + attemptsSuffix
	values, n := candidates(lines, name)
	for _, text := range values[:n] {
		var a Attempts
		if k.openText(forAttempts, name, text, &a) && within(a.First, now, AttemptsLifetime) {
			return a, true
		}
	}
	return Attempts{}, false
}

// ClearAttempts adds the Set-Cookie line that deletes the count.
func ClearAttempts(h http.Header, c Cookie) {
	c.expire(h, attemptsSuffix)
}
