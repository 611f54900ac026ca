package session

import (
	"fmt"
	"strings"
	"time"
)

// ContinuationLifetime is how long a logout may take at the child tenant.
const ContinuationLifetime = 10 * time.Minute

// continuationName stands where a cookie's name stands when a cookie is sealed.
const continuationName = "logout"

// Continuation is what a logout knows again when the browser comes back from the child
// tenant on its way to the master. It signs nobody in, and ends no session here.
type Continuation struct {
	Session [16]byte  // ID of the session that has ended, zero for none
	SID     string    // the claim sid of that session, empty for none
	State   string    // of the logout
	Made    time.Time // in whole seconds
}

func (c *Continuation) pack() []byte {
	b := append(make([]byte, 0, 128), payloadVersion)
	b = append(b, c.Session[:]...)
	b = appendText(b, c.SID)
	b = appendText(b, c.State)
	return appendTime(b, c.Made)
}

func (c *Continuation) unpack(b []byte) error {
	f := readFields(b)
	from := f.take(uint64(len(c.Session)))
	copy(c.Session[:], f.bytes[from:f.at])
	c.SID = f.string()
	c.State = f.string()
	c.Made = f.time()
	return f.end()
}

// SealContinuation returns the text for an address: base64url characters and a dot, less
// than 1400 of them. A sid that does not fit is left out.
func (k *Keyring) SealContinuation(c Continuation) (string, error) {
	c.Made = wholeSeconds(c.Made)
	text, err := k.sealText(forContinuation, continuationName, &c)
	if err == nil && len(text) >= maxState {
		c.SID = ""
		text, err = k.sealText(forContinuation, continuationName, &c)
	}
	if err != nil {
		return "", fmt.Errorf("sealing the continuation of a logout: %w", err)
	}
	return strings.TrimRight(text, "="), nil
}

// OpenContinuation is the reverse of SealContinuation. It refuses whatever that did not
// make, and what was made more than ContinuationLifetime ago.
func (k *Keyring) OpenContinuation(text string, now time.Time) (Continuation, bool) {
	var c Continuation
	if !k.openParameter(forContinuation, continuationName, text, &c) || !within(c.Made, now, ContinuationLifetime) {
		return Continuation{}, false
	}
	return c, true
}
