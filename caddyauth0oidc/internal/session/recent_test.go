package session

import (
	"crypto/rand"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// sameSession compares all fields but the profile's own memory of what it decoded,
// which the first reading of a session does not have.
func sameSession(a, b *Session) bool {
	exported := func(s *Session) (values []any) {
		p := reflect.ValueOf(s.Profile)
		for _, f := range reflect.VisibleFields(p.Type()) {
			if f.IsExported() {
				values = append(values, p.FieldByIndex(f.Index).Interface())
			}
		}
		rest := *s
		rest.Profile = profile.Profile{}
		return append(values, rest)
	}
	return reflect.DeepEqual(exported(a), exported(b))
}

func TestCookieThatComesAgainIsOpenedTwiceAtMost(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	want := typicalSession(t)
	lines := signIn(t, k, c, want).lines()
	tries := countTries(k)
	for range 10 {
		if got, ok := readSession(k, lines, c.Name); !ok || !sameSession(got, want) {
			t.Fatalf("read %+v, %v", got, ok)
		}
	}
	if n := tries(); n != 2 {
		t.Errorf("opened %d times, want 2", n)
	}
}

func TestWhoeverReadsASessionHasItAlone(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	want := typicalSession(t)
	lines := signIn(t, k, c, want).lines()
	for range 4 {
		got, _ := readSession(k, lines, c.Name)
		if !sameSession(got, want) {
			t.Fatalf("read %+v, want %+v", got, want)
		}
		got.Issue, got.Profile.Name, got.Seen = 99, "Mallory", time.Time{}
		got.Profile.Extra = append(got.Profile.Extra, "x"...)
	}
}

func TestCK_04_ChangedCookieIsRefusedWhileTheGenuineOneIsRemembered(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	value := signIn(t, k, c, typicalSession(t)).value(c.Name)
	for range 3 {
		if _, ok := readSession(k, []string{c.Name + "=" + value}, c.Name); !ok {
			t.Fatal("the genuine one was refused")
		}
	}
	for i := range len(value) {
		b := []byte(value)
		b[i] ^= 1
		for range 3 {
			if _, ok := readSession(k, []string{c.Name + "=" + string(b)}, c.Name); ok {
				t.Fatalf("byte %d changed: accepted", i)
			}
		}
	}
	for _, s := range spellings(value) {
		if _, ok := readSession(k, []string{c.Name + "=" + s}, c.Name); ok {
			t.Errorf("%q: accepted", s)
		}
	}
}

func TestCK_03_RememberedCookieIsNoneUnderAnotherNameOrKey(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	value := signIn(t, k, c, typicalSession(t)).value(c.Name)
	for range 3 {
		readSession(k, []string{c.Name + "=" + value}, c.Name)
	}
	if _, ok := readSession(k, []string{"other=" + value}, "other"); ok {
		t.Error("under another name: accepted")
	}
	if _, ok := readSession(newTestKeyring(t, secretB), []string{c.Name + "=" + value}, c.Name); ok {
		t.Error("by another keyring: accepted")
	}
	_, rest, _ := strings.Cut(value, ".")
	if _, ok := readSession(k, []string{c.Name + "=AAAA." + rest}, c.Name); ok {
		t.Error("with another key id: accepted")
	}
}

func TestRememberedSessionsAreBounded(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	for i := range 3 * recentSets * recentWays {
		s, err := New(rand.Reader, testNow, profile.Profile{UserID: fmt.Sprint("auth0-oidc|acme-child|auth0|", i)})
		if err != nil {
			t.Fatal(err)
		}
		lines := signIn(t, k, c, s).lines()
		for range 3 {
			if got, ok := readSession(k, lines, c.Name); !ok || got.ID != s.ID {
				t.Fatalf("session %d: read %v, %v", i, got, ok)
			}
		}
	}
	large := signIn(t, k, c, largeSession(t, 9_000)).lines()
	tries := countTries(k)
	for range 3 {
		readSession(k, large, c.Name)
	}
	if n := tries(); n != 3 {
		t.Errorf("a session of many cookies was opened %d times of 3: it is remembered", n)
	}
}

// A claim of one letter seals to almost nothing; what is remembered is bounded by what
// it takes opened.
func TestSessionThatIsLargeOnceOpenedIsNotRemembered(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	s.Profile.Extra = []byte(`{"x":"` + strings.Repeat("x", 60_000) + `"}`)
	lines := signIn(t, k, c, s).lines()
	tries := countTries(k)
	for range 4 {
		readSession(k, lines, c.Name)
	}
	if n := tries(); n != 4 {
		t.Errorf("opened %d times of 4", n)
	}
}

func TestWhatIsNoSessionLeavesNothingOfAnotherOne(t *testing.T) {
	t.Parallel()
	k, c, s := newTestKeyring(t), newTestCookies(t).Session, new(Session)
	if !k.ReadSession(s, signIn(t, k, c, typicalSession(t)).lines(), c.Name) {
		t.Fatal("not opened")
	}
	if k.ReadSession(s, []string{c.Name + "=x"}, c.Name) || !reflect.DeepEqual(s, new(Session)) {
		t.Errorf("left: %+v", s)
	}
}

func TestManyReadersRememberTheRightSessions(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	var lines [50][]string
	for i := range lines {
		s := typicalSession(t)
		s.Profile.Name = fmt.Sprint(i)
		lines[i] = signIn(t, k, c, s).lines()
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 2_000 {
				n := i * 31 % len(lines)
				if got, ok := readSession(k, lines[n], c.Name); !ok || got.Profile.Name != fmt.Sprint(n) {
					t.Errorf("cookie %d: read %q, %v", n, got.Profile.Name, ok)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestRememberedSessionsDecodeTheirClaimsOnce(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	want := typicalSession(t)
	want.Profile.Extra = []byte(`{"app_metadata":{"plan":"gold"}}`)
	lines := signIn(t, k, c, want).lines()
	var kept [10]any // so that no two of them can be at one address
	decoded := make(map[uintptr]bool)
	for i := range kept {
		s, _ := readSession(k, lines, c.Name)
		claim, _ := s.Profile.Claim("app_metadata")
		if profile.Text(claim) != `{"plan":"gold"}` {
			t.Fatalf("the claim is %v", claim)
		}
		kept[i], decoded[reflect.ValueOf(claim).Pointer()] = claim, true
	}
	runtime.KeepAlive(&kept)
	if len(decoded) > 3 {
		t.Errorf("decoded %d times, want 3 at most: twice while the session is unknown", len(decoded))
	}
}
