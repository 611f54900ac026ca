package caddyauth0oidc

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

const (
	// assertionSets times assertionWays assertions are remembered for a tenant and
	// client, 2 kB each with typical profiles.
	assertionSets = 256
	assertionWays = 4
	// maxAssertion is the most bytes that an assertion may take and still be
	// remembered, its text and the profile's JSON together.
	maxAssertion = 16 << 10
)

// assertions remembers those that were made last, because signing one costs more than
// everything else that we do for a request. No request waits for another one: two
// that come at once may both sign. The zero value is ready for use.
//
// What is remembered is what was said about one session by one directive at one
// address. That the session is alive, and accepted, was decided before anybody asks.
type assertions struct {
	sets [assertionSets][assertionWays]atomic.Pointer[assertion]
	turn atomic.Uint32
}

// assertionKey holds all that an assertion depends on, but for the profile, the time
// and the key that signs. The maker is of one directive of one configuration.
type assertionKey struct {
	maker   *upstream.Assertion
	issuer  origin
	session [16]byte // or the access token
}

type assertion struct {
	key     assertionKey
	signer  string // kid
	profile profile.Profile
	from    time.Time
	expires time.Time
	text    string
}

var assertionSeed = maphash.MakeSeed()

func (c *assertions) set(k assertionKey) *[assertionWays]atomic.Pointer[assertion] {
	return &c.sets[maphash.Comparable(assertionSeed, k)%assertionSets]
}

// fresh tells whether the first half of its life is not over.
func (a *assertion) fresh(now time.Time) bool {
	return !now.Before(a.from) && now.Sub(a.from) < a.expires.Sub(a.from)/2
}

// find gives an assertion that says the same as a new one would, and does not
// outlive the session, which may have been longer when it was made.
func (c *assertions) find(k assertionKey, signer string, p *profile.Profile, now, end time.Time) (string, bool) {
	set := c.set(k)
	for i := range set {
		a := set[i].Load()
		if a != nil && a.key == k && a.signer == signer && a.fresh(now) && !a.expires.After(end) && a.profile.Same(p) {
			return a.text, true
		}
	}
	return "", false
}

// keep takes the place of an older one of the same key, or of one that is of no use
// any more, or of any.
func (c *assertions) keep(a *assertion) {
	if len(a.text)+len(a.profile.Identities)+len(a.profile.Extra) > maxAssertion {
		return
	}
	set := c.set(a.key)
	for i := range set {
		if old := set[i].Load(); old == nil || old.key == a.key || !old.fresh(a.from) {
			set[i].Store(a)
			return
		}
	}
	set[c.turn.Add(1)%assertionWays].Store(a)
}
