package session

import (
	"bytes"
	"crypto/aes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
)

// sealedParts takes a sealed value apart as securecookie writes it: the time, the IV with
// the ciphertext behind it, and the MAC.
func sealedParts(t *testing.T, value string) (date string, iv, ciphertext, mac []byte) {
	t.Helper()
	outer, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	parts := bytes.SplitN(outer, []byte("|"), 3)
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	inner, err := base64.URLEncoding.DecodeString(string(parts[1]))
	if err != nil || len(inner) <= aes.BlockSize {
		t.Fatalf("%d bytes of ciphertext, %v", len(inner), err)
	}
	return string(parts[0]), inner[:aes.BlockSize], inner[aes.BlockSize:], parts[2]
}

// AES-CTR gives the plaintext away when an IV comes again under the same key. Of 128
// random bits none does; 20000 of them would show a counter or a clock that is not.
func TestCVE_MAO_09_NoIVComesAgain(t *testing.T) {
	t.Parallel()
	const sealings = 20_000
	k, s := newTestKeyring(t), typicalSession(t)
	ivs, texts := make(map[string]bool, sealings), make(map[string]bool, sealings)
	for range sealings {
		_, value, err := k.seal(forSession, "name", s)
		if err != nil {
			t.Fatal(err)
		}
		_, iv, ciphertext, mac := sealedParts(t, value)
		if len(mac) != sha256.Size || len(ciphertext) != len(s.pack()) {
			t.Fatalf("a MAC of %d bytes, %d bytes of ciphertext", len(mac), len(ciphertext))
		}
		ivs[string(iv)], texts[string(ciphertext[:aes.BlockSize])] = true, true
	}
	if len(ivs) != sealings || len(texts) != sealings {
		t.Errorf("%d IVs and %d ciphertexts of %d sealings", len(ivs), len(texts), sealings)
	}
}

// codecsOf derives what deriveKey does and makes codecs of the keys that are not ours:
// one that signs only, and one that signs with the key of the encryption.
func codecsOf(t *testing.T) map[string]*securecookie.SecureCookie {
	t.Helper()
	b, err := hkdf.Key(sha256.New, []byte(secretA), nil, derivationInfo("session", testIssuer, testClient), hashKeySize+blockKeySize)
	if err != nil {
		t.Fatal(err)
	}
	hash, block := b[:hashKeySize], b[hashKeySize:]
	codecs := map[string]*securecookie.SecureCookie{
		"as it is sealed":   securecookie.New(hash, block),
		"signed only":       securecookie.New(hash, nil),
		"AES-128":           securecookie.New(hash, block[:16]),
		"keys swapped":      securecookie.New(block, hash[:blockKeySize]),
		"one key for both":  securecookie.New(block, block),
		"only 32 hash bits": securecookie.New(hash[:4], block),
	}
	for _, codec := range codecs {
		codec.MaxLength(0).MaxAge(0).SetSerializer(payloadSerializer{})
	}
	return codecs
}

func TestCK_19_OnlyTheFullStrengthOpens(t *testing.T) {
	t.Parallel()
	if hashKeySize < 32 || blockKeySize != 32 {
		t.Errorf("keys of %d and %d bytes", hashKeySize, blockKeySize)
	}
	k := newTestKeyring(t)
	for what, codec := range codecsOf(t) {
		value, err := codec.Encode("name", typicalSession(t).pack())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := k.open(forSession, k.keys[0].id, "name", value, new(Session)), what == "as it is sealed"; got != want {
			t.Errorf("%s: opened %v", what, got)
		}
	}
}

// A cookie of a build to come, under the same secret.
func TestCVE_MAO_33_CookieOfAnotherVersionIsNoSession(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	for version := range 256 {
		payload := typicalSession(t).pack()
		payload[0] = byte(version)
		value, err := k.keys[0].codecs[forSession].Encode(c.Name, payload)
		if err != nil {
			t.Fatal(err)
		}
		s, ok := readSession(k, []string{c.Name + "=" + k.keys[0].id + ".1." + value}, c.Name)
		if ok != (version == payloadVersion) || !ok && s.Profile.UserID != "" {
			t.Errorf("version %d: read %v, user %q", version, ok, s.Profile.UserID)
		}
	}
}

// What browsers refuse to store they drop without a word, and Caddy refuses requests with
// headers above max_header_size. So a session takes at most 8 cookies of 3800 bytes of
// value, and fewer where the server accepts less; a larger one is an error and not cut.
func TestCK_05_EveryCookieIsOneThatBrowsersStore(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("d.", 120) + "example.com"
	for name, domain := range map[string]string{strings.Repeat("n", maxBaseName): "", strings.Repeat("m", maxBaseName): longest} {
		both, err := NewCookies(name, true, domain, http.SameSiteNoneMode)
		if err != nil {
			t.Fatal(err)
		}
		k := newTestKeyring(t)
		for size := 0; size <= 16_000; size += 500 {
			h := http.Header{}
			if err := k.WriteSession(h, both.Session, largeSession(t, size), time.Hour, nil, roomy); err != nil {
				t.Fatal(err)
			}
			if err := k.WriteTransaction(h, both.Transaction, newTestTransaction(t, testNow), nil); err != nil {
				t.Fatal(err)
			}
			assertStorable(t, h)
		}
	}
}

// assertStorable asks what RFC 6265bis section 5.6 asks of a cookie.
func assertStorable(t *testing.T, h http.Header) {
	t.Helper()
	if n := len(h["Set-Cookie"]); n > maxChunks+1 {
		t.Errorf("%d cookies", n)
	}
	for _, line := range h["Set-Cookie"] {
		pair, attributes, _ := strings.Cut(line, ";")
		if len(pair)-len("=") > 4096 {
			t.Errorf("name and value of %d bytes", len(pair)-1)
		}
		for attribute := range strings.SplitSeq(attributes, ";") {
			if len(attribute) > 1024 {
				t.Errorf("an attribute of %d bytes", len(attribute))
			}
		}
	}
}

// A cookie that names a key we do not have costs a comparison and no memory; one that
// names a key of ours costs that key alone, however many there are, as
// TestGarbageCostsAtMostOneKey counts.
func TestDOS_12_RefusingACookieOfNoKeyAllocatesNothing(t *testing.T) {
	k, c, s := newTestKeyring(t, secretA, secretB, secretC), newTestCookies(t).Session, new(Session)
	genuine := signIn(t, k, c, typicalSession(t)).value(c.Name)
	third := k.keys[2].id
	tries := countTries(k)
	for what, tc := range map[string]struct {
		value string
		tries int64
		most  float64
	}{
		"unknown key":          {"zzzz" + genuine[keyIDLength:], 0, 0},
		"no key":               {strings.Repeat("x", 900), 0, 0},
		"count of nine":        {genuine[:keyIDLength] + ".9." + genuine[keyIDLength+3:], 0, 0},
		"not base64":           {third + ".1.%%%%", 0, 0},
		"too long for one":     {third + ".1." + strings.Repeat("A", chunkSize), 0, 0},
		"forged, of the third": {third + genuine[keyIDLength:], 1, 30},
	} {
		lines := []string{c.Name + "=" + tc.value}
		if k.ReadSession(s, lines, c.Name) {
			t.Errorf("%s: accepted", what)
		}
		if n := tries(); n != tc.tries {
			t.Errorf("%s: %d keys were tried, want %d", what, n, tc.tries)
		}
		if n := testing.AllocsPerRun(100, func() { k.ReadSession(s, lines, c.Name) }); n > tc.most {
			t.Errorf("%s: %v allocations, want at most %v", what, n, tc.most)
		}
		tries()
	}
}

// The library's decoder skips line breaks.
func TestCVE_LIB_20_ValueWithLineBreaksDoesNotOpen(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	for size := range 4 {
		id, value, err := k.seal(forSession, "name", largeSession(t, size))
		if err != nil {
			t.Fatal(err)
		}
		for _, breaks := range []string{"\r\r\r\r", "\n\n\n\n", "\r\n\r\n"} {
			for i := range len(value) + 1 {
				if k.open(forSession, id, "name", value[:i]+breaks+value[i:], new(Session)) {
					t.Fatalf("%q at %d", breaks, i)
				}
			}
		}
	}
}
