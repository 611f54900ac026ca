package caddyauth0oidc

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

var (
	assertionTime = time.Unix(1_800_000_000, 0)
	assertionUser = profile.Profile{UserID: "auth0|1", Email: "ann@example.com", Extra: json.RawMessage(`{"plan":"gold"}`)}
)

// sessionID gives an id whose last byte alone is the given one.
func sessionID(last byte) (id [16]byte) {
	copy(id[:], strings.Repeat("s", 15))
	id[15] = last
	return id
}

func kept(c *assertions, k assertionKey, text string) *assertion {
	a := &assertion{key: k, signer: "kid", profile: assertionUser, from: assertionTime, expires: assertionTime.Add(time.Minute), text: text}
	c.keep(a)
	return a
}

// CVE-GW-08, CVE-GW-09: keys are compared whole and part by part. Neither ids that
// begin alike nor parts that are alike when they stand behind each other meet.
func TestCVE_GW_08_09_AssertionsOfSimilarSessionsStayApart(t *testing.T) {
	t.Parallel()
	one, other := new(upstream.Assertion), &upstream.Assertion{}
	makers := []*upstream.Assertion{one, other, nil}
	origins := []origin{{"https", "a.test"}, {"https", "a.test:8443"}, {"http", "a.test"}, {"https", "b.test"}, {"httpsa", ".test"}, {"", "httpsa.test"}}
	var keys []assertionKey
	for _, m := range makers {
		for _, o := range origins {
			for _, last := range []byte{0, 1, 's'} {
				keys = append(keys, assertionKey{m, o, sessionID(last)})
			}
		}
	}
	for i, k := range keys {
		c := new(assertions)
		kept(c, k, "text")
		for j, wanted := range keys {
			_, found := c.find(wanted, "kid", &assertionUser, assertionTime, assertionTime.Add(time.Hour))
			if found != (i == j) {
				t.Errorf("%v is found as %v: %t", k, wanted, found)
			}
		}
	}
}

func TestAssertionIsUsedAgainOnlyWhileANewOneWouldSayTheSame(t *testing.T) {
	t.Parallel()
	k := assertionKey{new(upstream.Assertion), origin{"https", "a.test"}, sessionID(1)}
	c := new(assertions)
	kept(c, k, "text")
	changed, hour := assertionUser, time.Hour
	changed.Email = "eve@example.com"
	extra := assertionUser
	extra.Extra = json.RawMessage(`{"plan":"iron"}`)
	for what, tc := range map[string]struct {
		user  profile.Profile
		kid   string
		after time.Duration
		end   time.Duration
		want  bool
	}{
		"at once":                   {assertionUser, "kid", 0, hour, true},
		"before half of it is over": {assertionUser, "kid", 30*time.Second - 1, hour, true},
		"when half of it is over":   {assertionUser, "kid", 30 * time.Second, hour, false},
		"a clock that was set back": {assertionUser, "kid", -1, hour, false},
		"another profile":           {changed, "kid", 0, hour, false},
		"another custom claim":      {extra, "kid", 0, hour, false},
		"another key signs":         {assertionUser, "dik", 0, hour, false},
		"it ends with the session":  {assertionUser, "kid", 0, time.Minute, true},
		"the session ends before":   {assertionUser, "kid", 0, time.Minute - 1, false},
	} {
		text, got := c.find(k, tc.kid, &tc.user, assertionTime.Add(tc.after), assertionTime.Add(tc.end))
		if got != tc.want || got && text != "text" {
			t.Errorf("%s: %t", what, got)
		}
	}
}

func TestAssertionsAreBounded(t *testing.T) {
	t.Parallel()
	c, m := new(assertions), new(upstream.Assertion)
	for i := range 4 * assertionSets * assertionWays {
		k := assertionKey{m, origin{"https", fmt.Sprint(i)}, sessionID(1)}
		kept(c, k, "text")
		if _, ok := c.find(k, "kid", &assertionUser, assertionTime, assertionTime.Add(time.Hour)); !ok {
			t.Fatalf("the last one of %d is not found", i+1)
		}
	}
	big := assertionKey{m, origin{"https", "big"}, sessionID(1)}
	kept(c, big, strings.Repeat("x", maxAssertion))
	if _, ok := c.find(big, "kid", &assertionUser, assertionTime, assertionTime.Add(time.Hour)); ok {
		t.Error("one of any size is remembered")
	}
}

// CONC-01: what one request writes while others read is whole.
func TestAssertionsAreForManyRequestsAtOnce(t *testing.T) {
	t.Parallel()
	c, m := new(assertions), new(upstream.Assertion)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 2000 {
				k := assertionKey{m, origin{"https", fmt.Sprint((i + n) % 50)}, sessionID(byte(n % 7))}
				text, ok := c.find(k, "kid", &assertionUser, assertionTime, assertionTime.Add(time.Hour))
				if want := fmt.Sprint(k.issuer, k.session); ok && text != want {
					t.Errorf("%s was given for %s", text, want)
				}
				kept(c, k, fmt.Sprint(k.issuer, k.session))
			}
		})
	}
	all.Wait()
}
