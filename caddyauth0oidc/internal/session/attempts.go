package session

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"net/http"
	"strings"
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
	Count  int       // for Place, in a row
	First  time.Time // when the first of these began, in whole seconds
	Place  uint32    // where they were to lead, by PlaceOf; zero if that is not known
	Others int       // logins for other places that came before them without a pause
	Since  time.Time // when the first of the others began, zero without others
}

// PlaceOf gives a short hash of the path of a return address, never zero. What follows a
// question mark or a semicolon is left out: a loop may change it each time, as the
// session ids do that old applications put there.
func PlaceOf(returnTo string) uint32 {
	if end := strings.IndexAny(returnTo, "?;"); end >= 0 {
		returnTo = returnTo[:end]
	}
	sum := fnv.New32a()
	_, _ = io.WriteString(sum, returnTo) // which never fails
	return max(sum.Sum32(), 1)
}

// Total is how many logins in a row the attempts are, wherever they were to lead.
func (a Attempts) Total() int { return a.Count + a.Others }

// Next gives the attempts with one login more, for a place; those of AttemptsLifetime
// ago are forgotten.
func (a Attempts) Next(place uint32, now time.Time) Attempts {
	next := Attempts{First: now, Place: place}
	switch {
	case now.Sub(a.First) > AttemptsLifetime:
		return next
	case a.Place == place, a.Place == 0:
		next.Count, next.First, next.Others, next.Since = a.Count+1, a.First, a.Others, a.Since
	default:
		next.Others, next.Since = a.Total()+1, a.First
		if a.Others > 0 {
			next.Since = a.Since
		}
	}
	if now.Sub(next.Since) > AttemptsLifetime {
		next.Others, next.Since = 0, time.Time{}
	}
	return next
}

func (a *Attempts) pack() []byte {
	b := appendCount(append(make([]byte, 0, 32), payloadVersion), a.Count, a.First)
	if a.Place == 0 { // payloads that end before it are of the same version
		return b
	}
	b = binary.AppendUvarint(b, uint64(a.Place))
	if a.Others > 0 {
		b = appendCount(b, a.Others, a.Since)
	}
	return b
}

func (a *Attempts) unpack(b []byte) error {
	*a = Attempts{}
	f := readFields(b)
	a.Count, a.First = f.count()
	if f.more() {
		if a.Place = uint32(f.atMost(math.MaxUint32)); a.Place == 0 { // #nosec G115 -- atMost bounds it
			f.fail()
		}
	}
	if f.more() {
		a.Others, a.Since = f.others()
	}
	return f.end()
}

// others reads a count that is left out where it is zero.
func (f *fields) others() (int, time.Time) {
	n, since := f.count()
	if n == 0 {
		f.fail()
	}
	return n, since
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
