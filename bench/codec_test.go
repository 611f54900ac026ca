package bench

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

func codecOperations() []operation {
	all := []operation{
		{name: "securecookie opens as many bytes", prepare: openingWithout(manyValues)},
		{name: "securecookie refuses as many bytes", prepare: openingWithout(garbageValue)},
	}
	for _, secrets := range []int{1, 10} {
		of := func(what string) string { return fmt.Sprintf("open %s with %d secrets", what, secrets) }
		all = append(all,
			operation{name: of("profile"), prepare: opening(secrets, true, manyCookies)},
			operation{name: of("profile again"), prepare: opening(secrets, true, one(smallCookie))},
			operation{name: of("5 kB"), prepare: opening(secrets, true, manyLargeCookies)},
			operation{name: of("garbage of a known key"), prepare: opening(secrets, false, one(garbageOfKnownKey))},
			operation{name: of("garbage of no key"), prepare: opening(secrets, false, one(garbageOfNoKey))},
			operation{name: of("nothing"), prepare: opening(secrets, false, one(noCookie))},
		)
	}
	return append(all,
		operation{name: "seal profile", prepare: sealing(0)},
		operation{name: "seal 5 kB", prepare: sealing(largeClaim)},
	)
}

// opening reads the sessions of requests, in turn. The secret that sealed them stands
// last, as after nine rotations.
func opening(secrets int, ok bool, cookies func(testing.TB) []string) func(testing.TB) func() {
	return func(tb testing.TB) func() {
		var ring []string
		for i := range secrets - 1 {
			ring = append(ring, fmt.Sprintf("newer secret number %02d, longer than 32 bytes", i))
		}
		keys, err := NewKeyring(append(ring, Secret)...)
		if err != nil {
			tb.Fatal(err)
		}
		all := cookies(tb)
		s, lines, turn := new(session.Session), make([]string, 1), 0
		return func() {
			lines[0] = all[turn%len(all)]
			turn++
			if opened := keys.ReadSession(s, lines, CookieName); opened != ok {
				tb.Fatalf("opened: %t", opened)
			}
		}
	}
}

func sealing(extra int) func(testing.TB) func() {
	return func(tb testing.TB) func() {
		m := newMint(tb)
		s := newSession(tb, m, extra)
		return func() {
			h := make(http.Header)
			if err := m.keys.WriteSession(h, m.cookie, s, lifetime, nil, http.DefaultMaxHeaderBytes); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// largeClaim makes a cookie of several chunks.
const largeClaim = 5000

func newSession(tb testing.TB, m *Mint, extra int) *session.Session {
	tb.Helper()
	s, err := m.Session(1)
	if err != nil {
		tb.Fatal(err)
	}
	if extra > 0 {
		s.Profile.Extra = []byte(`{"https://acme.test/groups":"` + opaque(extra) + `"}`)
	}
	return s
}

// opaque is text that does not deflate by more than a quarter.
func opaque(size int) string {
	var b []byte
	for i := 0; len(b) < size; i++ {
		part := digest("opaque", i)
		b = append(b, base64.RawURLEncoding.EncodeToString(part[:])...)
	}
	return string(b[:size])
}

func mintedCookie(tb testing.TB, extra int) string {
	tb.Helper()
	m := newMint(tb)
	cookie, err := m.Cookie(newSession(tb, m, extra))
	if err != nil {
		tb.Fatal(err)
	}
	return cookie
}

func smallCookie(tb testing.TB) string { return ApplicationCookie + "; " + mintedCookie(tb, 0) }

func largeCookie(tb testing.TB) string {
	cookie := mintedCookie(tb, largeClaim)
	if n := strings.Count(cookie, CookieName); n < 2 {
		tb.Fatalf("%d cookies", n)
	}
	return ApplicationCookie + "; " + cookie
}

// garbageOfKnownKey has the length of a session and the id of a key of ours.
func garbageOfKnownKey(tb testing.TB) string {
	return ApplicationCookie + "; " + garbled(mintedCookie(tb, 0))
}

func garbled(sealed string) string {
	half := len(sealed) / 2
	return sealed[:half] + "AAAAAAAA" + sealed[half+8:]
}

func garbageOfNoKey(tb testing.TB) string {
	return ApplicationCookie + "; " + strings.Replace(mintedCookie(tb, 0), CookieName+"=", CookieName+"=~", 1)
}

func noCookie(testing.TB) string { return ApplicationCookie }

func one(cookie func(testing.TB) string) func(testing.TB) []string {
	return func(tb testing.TB) []string { return []string{cookie(tb)} }
}

// many is more sessions than any cache of ours remembers.
const many = 4096

func manyCookies(tb testing.TB) []string { return minted(tb, many, newSession(tb, newMint(tb), 0)) }

func manyLargeCookies(tb testing.TB) []string {
	return minted(tb, many, newSession(tb, newMint(tb), largeClaim))
}

// minted seals the session n times, each time anew.
func minted(tb testing.TB, n int, s *session.Session) []string {
	tb.Helper()
	all, m := make([]string, n), newMint(tb)
	for i := range all {
		cookie, err := m.Cookie(s.Renewed(m.now))
		if err != nil {
			tb.Fatal(err)
		}
		all[i] = ApplicationCookie + "; " + cookie
	}
	return all
}
