package session

import (
	"crypto/rand"
	"crypto/sha256"
	"hash"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

const (
	testIssuer = "https://acme.eu.auth0.test/"
	testClient = "Fq3vTestClientOfTheMaster000001"
	secretA    = "first secret, at least thirty-two bytes"
	secretB    = "second secret, also thirty-two bytes long"
	secretC    = "third secret, and thirty-two bytes as well"
)

var (
	testNow    = time.Date(2026, 5, 4, 12, 30, 15, 0, time.UTC)
	testLimits = Limits{Idle: 24 * time.Hour, Absolute: 72 * time.Hour}
)

func newTestKeyring(t testing.TB, secrets ...string) *Keyring {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{secretA}
	}
	k, err := NewKeyring(secrets, testIssuer, testClient)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newTestCookies(t testing.TB) Cookies {
	t.Helper()
	c, err := NewCookies("auth0_session", true, "", http.SameSiteLaxMode)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// typicalSession has the fields of a usual user of an auth0-oidc connection.
func typicalSession(t testing.TB) *Session {
	t.Helper()
	s, err := New(rand.Reader, testNow, profile.Profile{
		UserID:        "auth0-oidc|acme-child|auth0|65f2c4b1a9e8d7c6b5a49382",
		Name:          "Margarethe Oberhuber",
		Nickname:      "margarethe.oberhuber",
		GivenName:     "Margarethe",
		FamilyName:    "Oberhuber",
		Email:         "margarethe.oberhuber@example.com",
		EmailVerified: "true",
		Picture:       "https://s.gravatar.com/avatar/0123456789abcdef0123456789abcdef?s=480&r=pg",
		UpdatedAt:     "2026-05-04T12:30:11.482Z",
		CreatedAt:     "2024-03-14T09:26:53.589Z",
		ClientID:      testClient,
		Identities:    []byte(`[{"provider":"auth0-oidc","user_id":"acme-child|auth0|65f2c4b1a9e8d7c6b5a49382"}]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.SID = "Zx8kq2LmN4pR6sT0vW1yA3bC5dE7fG9h"
	s.AuthTime = testNow.Add(-time.Minute)
	return s
}

// largeSession needs several cookies. Its claim holds size bytes that do not deflate.
func largeSession(t testing.TB, size int) *Session {
	t.Helper()
	s := typicalSession(t)
	s.Profile.Extra = []byte(`{"https://acme.test/groups":"` + noise(size) + `","zoneinfo":"Europe/Vienna"}`)
	return s
}

// noise is the same every time: bytes that a JSON text may hold, about 8 bits each.
func noise(size int) string {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	b := make([]byte, 0, size)
	for len(b) < size {
		if c := byte(random.Uint32()); c >= ' ' && c != '"' && c != '\\' {
			b = append(b, c)
		}
	}
	return string(b)
}

// browser keeps cookies as RFC 6265bis wants it: Set-Cookie lines for __Host- names
// without Secure, with Domain or another Path than / are ignored, deletions too.
type browser struct {
	t       testing.TB
	cookies []*http.Cookie
}

func (b *browser) receive(h http.Header) {
	b.t.Helper()
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			b.t.Fatalf("browser cannot read %q: %v", line, err)
		}
		if strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || c.Domain != "" || c.Path != "/") {
			continue
		}
		if size := len(c.Name) + len(c.Value); size > 4096 {
			b.t.Fatalf("browser would not store %s of %d bytes", c.Name, size)
		}
		b.drop(c)
		if c.MaxAge >= 0 {
			b.cookies = append(b.cookies, c)
		}
	}
}

func (b *browser) drop(c *http.Cookie) {
	for i, old := range b.cookies {
		if old.Name == c.Name && old.Domain == c.Domain && old.Path == c.Path {
			b.cookies = append(b.cookies[:i:i], b.cookies[i+1:]...)
			return
		}
	}
}

// lines returns the Cookie header that the browser sends.
func (b *browser) lines() []string {
	if len(b.cookies) == 0 {
		return nil
	}
	pairs := make([]string, len(b.cookies))
	for i, c := range b.cookies {
		pairs[i] = c.Name + "=" + c.Value
	}
	return []string{strings.Join(pairs, "; ")}
}

func (b *browser) value(name string) string {
	for _, c := range b.cookies {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// roomy is a server that accepts headers of any size that a session may have.
const roomy = 1 << 20

// signIn writes the session into a new browser.
func signIn(t testing.TB, k *Keyring, c Cookie, s *Session) *browser {
	t.Helper()
	b := &browser{t: t}
	h := http.Header{}
	if err := k.WriteSession(h, c, s, time.Hour, nil, roomy); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	return b
}

// countTries makes the keyring count how often any of its keys is tried: the
// library makes a new hash twice for each MAC.
func countTries(k *Keyring) (tries func() int64) {
	n := new(atomic.Int64)
	for i := range k.keys {
		for _, codec := range k.keys[i].codecs {
			codec.HashFunc(func() hash.Hash {
				n.Add(1)
				return sha256.New()
			})
		}
	}
	return func() int64 { return n.Swap(0) / 2 }
}

func readSession(k *Keyring, lines []string, name string) (*Session, bool) {
	s := new(Session)
	ok := k.ReadSession(s, lines, name)
	return s, ok
}
