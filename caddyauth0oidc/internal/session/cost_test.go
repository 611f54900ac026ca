package session

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func TestCVE_LIB_22_ManySmallCookiesDoNotGrowMemory(t *testing.T) {
	k, c, s := newTestKeyring(t), newTestCookies(t).Session, new(Session)
	for _, piece := range []string{"a=b; ", "; ", c.Name + "=x; ", c.Name + ".1=x; "} {
		lines := []string{strings.Repeat(piece, 100_000)}
		if n := testing.AllocsPerRun(2, func() { k.ReadSession(s, lines, c.Name) }); n > 0 {
			t.Errorf("reading 100000 times %q takes %v allocations", piece, n)
		}
	}
}

// All of them are securecookie's.
func TestOpeningASessionAllocatesAtMost12Times(t *testing.T) {
	k, c, s := newTestKeyring(t, secretA, secretB, secretC), newTestCookies(t).Session, new(Session)
	text := signIn(t, k, c, typicalSession(t)).value(c.Name)
	id, value := text[:keyIDLength], text[keyIDLength+len(".1."):]
	n := testing.AllocsPerRun(100, func() {
		if !k.open(forSession, id, c.Name, value, s) {
			t.Fatal("not opened")
		}
	})
	if n > 12 {
		t.Errorf("opening the session takes %v allocations, want at most 12", n)
	}
}

func TestReadingARecentSessionAllocatesNothing(t *testing.T) {
	k, c, s := newTestKeyring(t, secretA, secretB, secretC), newTestCookies(t).Session, new(Session)
	lines := signIn(t, k, c, typicalSession(t)).lines()
	lines[0] = "theme=dark; " + lines[0] + "; _ga=GA1.2.3"
	k.ReadSession(s, lines, c.Name)
	if n := testing.AllocsPerRun(100, func() { k.ReadSession(s, lines, c.Name) }); n > 0 {
		t.Errorf("reading the session takes %v allocations, want none", n)
	}
}

func BenchmarkReadSession(b *testing.B) {
	k, c, s := newTestKeyring(b, secretA, secretB, secretC), newTestCookies(b).Session, new(Session)
	profileOnly := signIn(b, k, c, typicalSession(b)).lines()
	value := strings.TrimPrefix(profileOnly[0], c.Name+"=")
	for _, bm := range []struct {
		name  string
		lines []string
	}{
		{"profile", []string{"theme=dark; " + profileOnly[0] + "; _ga=GA1.2.3"}},
		{"three chunks", signIn(b, k, c, largeSession(b, 5_000)).lines()},
		{"garbage of a known key", []string{c.Name + "=" + value[:100] + "AAAA" + value[104:]}},
		{"garbage of no key", []string{c.Name + "=x" + value[1:]}},
		{"none", []string{"theme=dark; _ga=GA1.2.3"}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.ReadSession(s, bm.lines, c.Name)
			}
		})
	}
}

func BenchmarkWriteSession(b *testing.B) {
	k, c := newTestKeyring(b), newTestCookies(b).Session
	s, err := New(rand.Reader, testNow, profile.Profile{UserID: "auth0-oidc|acme-child|auth0|1"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := k.WriteSession(http.Header{}, c, s, time.Hour, nil, roomy); err != nil {
			b.Fatal(err)
		}
	}
}
