package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func TestCK_18_UnusableSecretsAreRefused(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		secrets []string
		want    error
	}{
		"none":                     {nil, ErrNoSecret},
		"CVE-LIB-19 empty":         {[]string{""}, ErrShortSecret},
		"CVE-LIB-19 one byte":      {[]string{"x"}, ErrShortSecret},
		"31 bytes":                 {[]string{strings.Repeat("x", 31)}, ErrShortSecret},
		"32 bytes":                 {[]string{strings.Repeat("x", 32)}, nil},
		"short one behind another": {[]string{secretA, "short"}, ErrShortSecret},
		"twice the same":           {[]string{secretA, secretB, secretA}, ErrDuplicateSecret},
		"several":                  {[]string{secretA, secretB, secretC}, nil},
	} {
		k, err := NewKeyring(tc.secrets, testIssuer, testClient)
		if !errors.Is(err, tc.want) || (err == nil) != (k != nil) {
			t.Errorf("%s: got %v, want %v", what, err, tc.want)
		}
		for _, secret := range tc.secrets {
			if err != nil && len(secret) > 4 && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows a secret", what)
			}
		}
	}
}

func TestCK_18_RotationOfSecrets(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t).Session
	oldOnly, both, newOnly := newTestKeyring(t, secretA), newTestKeyring(t, secretB, secretA), newTestKeyring(t, secretB)
	before, after := signIn(t, oldOnly, c, typicalSession(t)).lines(), signIn(t, both, c, typicalSession(t)).lines()
	for _, tc := range []struct {
		what  string
		k     *Keyring
		lines []string
		want  bool
	}{
		{"the older secret still opens", both, before, true},
		{"the first secret seals", newOnly, after, true},
		{"the older one no longer seals", oldOnly, after, false},
		{"a secret that is gone opens nothing", newOnly, before, false},
	} {
		if _, ok := readSession(tc.k, tc.lines, c.Name); ok != tc.want {
			t.Errorf("%s: read %v", tc.what, ok)
		}
	}
}

// Two sites of the same tenant, client and cookie name share their sessions where they
// share the secret: a session is bound to issuer, client, purpose and cookie name, and
// the prefix __Host- keeps the browser from sending it to another host.
func TestCK_03_NothingOpensForAnotherTenantClientOrName(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t).Session
	lines := signIn(t, newTestKeyring(t), c, typicalSession(t)).lines()
	for what, other := range map[string][2]string{
		"issuer":                      {"https://globex.eu.auth0.test/", testClient},
		"issuer without slash":        {strings.TrimSuffix(testIssuer, "/"), testClient},
		"client":                      {testIssuer, "another-client"},
		"CVE-ENV-03 byte moved right": {testIssuer[:len(testIssuer)-1], "/" + testClient},
		"CVE-ENV-03 byte moved left":  {testIssuer + testClient[:1], testClient[1:]},
		"swapped":                     {testClient, testIssuer},
	} {
		k, err := NewKeyring([]string{secretA}, other[0], other[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := readSession(k, lines, c.Name); ok {
			t.Errorf("%s: the cookie opened", what)
		}
		// The key id alone is public and must not be what keeps tenants apart.
		k.keys[0].id = newTestKeyring(t).keys[0].id
		if _, ok := readSession(k, lines, c.Name); ok {
			t.Errorf("%s: the cookie opened once the key id was forged", what)
		}
	}
	renamed := []string{strings.Replace(lines[0], c.Name, "auth0_session", 1)}
	if _, ok := readSession(newTestKeyring(t), renamed, "auth0_session"); ok {
		t.Error("the cookie opened under another name")
	}
}

func TestCVE_SDK_16_NothingOpensForAnotherPurpose(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	for from := range purposes {
		id, value, err := k.seal(from, "name", typicalSession(t))
		if err != nil {
			t.Fatal(err)
		}
		for to := range purposes {
			if ok := k.open(to, id, "name", value, new(Session)); ok != (from == to) {
				t.Errorf("sealed as %s, opened as %s: %v", labels[from], labels[to], ok)
			}
		}
	}
}

func TestCVE_SDK_16_TransactionIsNoSessionAndTheOtherWayRound(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t)
	txn, b := startLogin(t, k, c.Transaction, testNow)
	pending := b.value(c.Transaction.Name + txn.ID)
	id, sealed, _ := strings.Cut(pending, ".")
	for _, value := range []string{pending, id + ".1." + sealed} {
		if _, ok := readSession(k, []string{c.Session.Name + "=" + value}, c.Session.Name); ok {
			t.Error("a pending login was read as a session")
		}
	}
	large := signIn(t, k, c.Session, largeSession(t, 5_000))
	for i, cookie := range large.cookies {
		for _, value := range []string{cookie.Value, id + ".1." + cookie.Value} {
			if _, ok := readSession(k, []string{c.Session.Name + "=" + value}, c.Session.Name); ok {
				t.Errorf("chunk %d alone was read as a session", i)
			}
		}
	}
	value := signIn(t, k, c.Session, typicalSession(t)).value(c.Session.Name)
	id, sealed, _ = strings.Cut(value, ".1.")
	for _, value := range []string{value, id + "." + sealed} {
		line := c.Transaction.Name + txn.ID + "=" + value
		if _, ok := k.ReadTransaction([]string{line}, c.Transaction.Name, txn.ID, testNow); ok {
			t.Error("a session was read as a pending login")
		}
		if _, ok := k.OpenState(value); ok {
			t.Error("a session was read as a state")
		}
	}
}

func TestGarbageCostsAtMostOneKey(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t, secretA, secretB, secretC), newTestCookies(t).Session
	genuine := signIn(t, newTestKeyring(t, secretC), c, typicalSession(t)).value(c.Name)
	third := k.keys[2].id
	tries := countTries(k)
	for _, tc := range []struct {
		what  string
		value string
		want  int64
	}{
		{"genuine, last key", genuine, 1},
		{"no MAC", third + ".1." + strings.Repeat("AAAA", 8) + "fEFB" + strings.Repeat("AAAA", 10), 0},
		{"flipped", genuine[:30] + flip(genuine[30:31]) + genuine[31:], 1},
		{"unknown key", "zzzz" + genuine[4:], 0},
		{"no key", "garbage", 0},
		{"no base64", third + ".1.%%%%", 0},
	} {

		readSession(k, []string{c.Name + "=" + tc.value}, c.Name)
		if got := tries(); got != tc.want {
			t.Errorf("%s: %d keys were tried, want %d", tc.what, got, tc.want)
		}
	}

	junk := strings.Repeat(c.Name+"="+genuine[:30]+flip(genuine[30:31])+genuine[31:]+"; ", 50)
	readSession(k, []string{junk}, c.Name)
	if got := tries(); got != maxCandidates {
		t.Errorf("50 forged duplicates: %d were tried, want %d", got, maxCandidates)
	}
}

func flip(digit string) string {
	if digit == "A" {
		return "B"
	}
	return "A"
}

// recorder is a payload that counts how often it is unpacked.
type recorder struct{ unpacked int }

func (r *recorder) unpack([]byte) error { r.unpacked++; return nil }

func TestCVE_SDK_19_NothingIsUnpackedBeforeTheMACIsChecked(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	id, value, err := k.seal(forSession, "name", typicalSession(t))
	if err != nil {
		t.Fatal(err)
	}
	var r recorder
	for i := range len(value) {
		forged := value[:i] + flip(value[i:i+1]) + value[i+1:]
		if k.open(forSession, id, "name", forged, &r) || r.unpacked > 0 {
			t.Fatalf("forged at %d: unpacked %d times", i, r.unpacked)
		}
	}
	if !k.open(forSession, id, "name", value, &r) || r.unpacked != 1 {
		t.Error("the genuine value was not unpacked")
	}
}

func TestCVE_SDK_18_ShortMACIsRefused(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	id, value, err := k.seal(forSession, "name", typicalSession(t))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut <= sha256.Size+1; cut++ {
		short := base64.URLEncoding.EncodeToString(raw[:len(raw)-cut])
		if k.open(forSession, id, "name", short, new(Session)) {
			t.Errorf("a MAC of %d bytes was accepted", sha256.Size-cut)
		}
	}
}

// The expansion is done by hand here (RFC 5869 section 2), so that a change of how
// keys are derived, which would sign everybody out, does not go unseen.
func TestCK_19_KeyIDIsDerivedAsWritten(t *testing.T) {
	t.Parallel()
	extract := hmac.New(sha256.New, make([]byte, sha256.Size))
	extract.Write([]byte(secretA))
	expand := hmac.New(sha256.New, extract.Sum(nil))
	info := "caddy-auth0-oidc 1" + "\x06key id" + string(byte(len(testIssuer))) + testIssuer + string(byte(len(testClient))) + testClient
	expand.Write([]byte(info + "\x01"))
	want := base64.RawURLEncoding.EncodeToString(expand.Sum(nil)[:3])
	if got := newTestKeyring(t).keys[0].id; got != want {
		t.Errorf("key id %s, want %s", got, want)
	}
}

// goldenCookie was written by the first version of the format with secretA.
const goldenCookie = "n91r.1.MTc5NTQxMDU3NXxzS2F0SDNNN2ZXdlhLN3JjZmJSeVJmc0REZGd3WWtMUE1UWnVUdWZ6aDBiQ3U4bjdUZFp" +
	"2bzhxRVV3Zld5WXRfN2UzT0NzY1ZhRXJJOUJlOHJQVEVKdFc2aFdEOFFPX3JoNF8yb0FZQjRiVGo4bE9QZlluV1VNW" +
	"GR2RnlrNE1veWZab3ZVSzhCRVJrN25kZFlSQXNvOGJ5Sm5KRDR0NWJjVGJpYjRzMGlqcmc9fJISFP2TV3NisTypITX" +
	"S_I9g3cxQcAB_uVUmasVDrK9S"

func TestCookieOfAnEarlierBuildStillOpens(t *testing.T) {
	t.Parallel()
	want := &Session{
		ID:      [16]byte{1, 2, 3},
		Issue:   7,
		Login:   testNow,
		Seen:    testNow.Add(time.Hour),
		Ceiling: testNow.Add(48 * time.Hour),
		SID:     "sid-1",
		Profile: profile.Profile{UserID: "auth0-oidc|acme-child|auth0|1", Extra: []byte(`{"zoneinfo":"Europe/Vienna"}`)},
	}
	got, ok := readSession(newTestKeyring(t), []string{"auth0_session=" + goldenCookie}, "auth0_session")
	if !ok || !sameSession(got, want) {
		t.Errorf("got %+v, %v", got, ok)
	}
}

func TestCK_19_ASVS_23_ValueIsEncryptedAndNotOnlySigned(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	s := typicalSession(t)
	_, value, err := k.seal(forSession, "name", s)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := base64.URLEncoding.DecodeString(strings.Split(string(outer), "|")[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []string{s.Profile.Email, s.SID, "auth0-oidc|"} {
		if strings.Contains(string(outer), clear) || strings.Contains(string(inner), clear) {
			t.Errorf("%q can be read in the cookie", clear)
		}
	}
}

// Whatever opens has exactly one spelling.
func FuzzOneSpelling(f *testing.F) {
	k := newTestKeyring(f)
	for _, size := range []int{0, 1, 2, 3} {
		_, value, err := k.seal(forSession, "name", largeSession(f, size))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
		f.Add(value[:len(value)/2])
	}
	f.Add("")
	f.Add("fHx8")
	f.Fuzz(func(t *testing.T, value string) {
		var s Session
		if !k.open(forSession, k.keys[0].id, "name", value, &s) {
			return
		}
		b, err := base64.URLEncoding.DecodeString(value)
		if err != nil || base64.URLEncoding.EncodeToString(b) != value {
			t.Errorf("a second spelling of a value opens: %v", err)
		}
	})
}

func TestWhatWasSealedOpensAtEverySize(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	for size := range 200 {
		want := largeSession(t, size)
		id, value, err := k.seal(forSession, "name", want)
		if err != nil {
			t.Fatal(err)
		}
		var got Session
		if !k.open(forSession, id, "name", value, &got) || !sameSession(&got, want) {
			t.Fatalf("a claim of %d bytes did not come back", size)
		}
	}
}

func TestKeyringServesManyGoroutines(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t, secretA, secretB), newTestCookies(t).Session
	done := make(chan string)
	for range 8 {
		go func() {
			s := typicalSession(t)
			for range 50 {
				h := http.Header{}
				if err := k.WriteSession(h, c, s, time.Hour, nil, roomy); err != nil {
					done <- err.Error()
					return
				}
				line, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
				if got, ok := readSession(k, []string{line}, c.Name); !ok || !sameSession(got, s) {
					done <- "another session came back"
					return
				}
			}
			done <- ""
		}()
	}
	for range 8 {
		if failure := <-done; failure != "" {
			t.Error(failure)
		}
	}
}
