package upstream

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

var signingTime = time.Unix(1_800_000_000, 700_000_000)

func newKeys(t testing.TB, n int) (*SigningKeys, [][]byte) {
	t.Helper()
	var all [][]byte
	for range n {
		key, err := NewSigningKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, key)
	}
	keys, err := NewSigningKeys(all)
	if err != nil {
		t.Fatal(err)
	}
	return keys, all
}

// opened verifies an assertion with the published keys.
func opened(t testing.TB, keys *SigningKeys, text string) (header jose.Header, claims map[string]any) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys.Set(), &set); err != nil {
		t.Fatal(err)
	}
	header = signed.Signatures[0].Header
	payload, err := signed.Verify(set.Key(header.KeyID)[0])
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return header, claims
}

func TestHDR_46_AssertionSaysWhoForWhomAndForHowLong(t *testing.T) {
	t.Parallel()
	keys, _ := newKeys(t, 2)
	a, err := NewAssertion(AssertionConfig{
		Audience: "https://legacy.internal", TTL: time.Minute,
		Claims: []string{"email", "email_verified", "org_id", "connection", "child_user", "app_metadata.plan", `"https://acme.test/roles"`, "level"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &profile.Profile{
		UserID: "auth0-oidc|acme-child|auth0|1", Email: "ann@example.com", EmailVerified: "true",
		Extra: json.RawMessage(`{"app_metadata":{"plan":"gold"},"https://acme.test/roles":["a","b"],"level":12345678901234567890,"iss":"evil","SUB":"evil"}`),
	}
	signed, err := a.Sign(keys, p, Occasion{Issuer: "https://app.example.com", ID: "one", Now: signingTime, Until: signingTime.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	header, claims := opened(t, keys, signed.Text)
	if header.Algorithm != "ES256" || header.KeyID != keys.ID() || header.ExtraHeaders["typ"] != "JWT" {
		t.Errorf("the header is %+v", header)
	}
	want := `{"app_metadata.plan":"gold","aud":"https://legacy.internal","child_user":"auth0|1","connection":"acme-child",` +
		`"email":"ann@example.com","email_verified":true,"exp":1800000060,"https://acme.test/roles":["a","b"],"iat":1800000000,` +
		`"iss":"https://app.example.com","jti":"one","level":12345678901234567890,"sub":"auth0-oidc|acme-child|auth0|1"}`
	if got, err := json.Marshal(claims); err != nil || string(got) != want {
		t.Errorf("%v\n%s\n%s", err, got, want)
	}
	if signed.Expires.Unix() != 1_800_000_060 {
		t.Errorf("it expires at %s", signed.Expires)
	}
}

func TestHDR_46_NoAssertionOutlivesItsSession(t *testing.T) {
	t.Parallel()
	keys, _ := newKeys(t, 1)
	a, err := NewAssertion(AssertionConfig{Audience: "app", TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for left, want := range map[time.Duration]int64{
		time.Hour: 60, time.Minute: 60, 59 * time.Second: 59, 1500 * time.Millisecond: 2, 200 * time.Millisecond: 0,
	} {
		signed, err := a.Sign(keys, &profile.Profile{UserID: "auth0|1"}, Occasion{Now: signingTime, Until: signingTime.Add(left)})
		if err != nil {
			t.Fatal(err)
		}
		_, claims := opened(t, keys, signed.Text)
		exp, _ := claims["exp"].(json.Number).Int64()
		if got := exp - signingTime.Unix(); got != want || signed.Expires.After(signingTime.Add(left)) || signed.Expires.Unix() != exp {
			t.Errorf("%s before the end: valid for %d s, not %d", left, got, want)
		}
	}
}

// CVE-LIB-11: an application may find SUB where it asks for sub.
func TestCVE_LIB_11_ClaimsOfTheAssertionCannotBeChosen(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{
		{"iss"}, {"sub"}, {"aud"}, {"exp"}, {"nbf"}, {"iat"}, {"jti"}, {"SUB"}, {"Iss"}, {"\u017fub"}, {`"sub"`}, {`s"u"b`},
		{""}, {`""`}, {" email"}, {"email", "email"}, {"email", "Email"}, {"email", `"email"`},
	} {
		if _, err := NewAssertion(AssertionConfig{Audience: "app", TTL: time.Minute, Claims: names}); err == nil {
			t.Errorf("%q are accepted", names)
		}
	}
	if _, err := NewAssertion(AssertionConfig{Audience: "app", TTL: time.Minute, Claims: []string{"id", "user_id", "a.b", `"a".c`}}); err != nil {
		t.Error(err)
	}
}

func TestAssertionNeedsAnAudienceAndAPossibleTTL(t *testing.T) {
	t.Parallel()
	for _, c := range []AssertionConfig{
		{TTL: time.Minute}, {Audience: " ", TTL: time.Minute}, {Audience: "app"}, {Audience: "app", TTL: -time.Minute},
		{Audience: "app", TTL: MinAssertionTTL - 1}, {Audience: "app", TTL: MaxAssertionTTL + 1},
	} {
		if _, err := NewAssertion(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

// The set has what RFC 7517 calls public, whatever the library does.
func TestHDR_46_JWKSetHasNoPrivatePart(t *testing.T) {
	t.Parallel()
	keys, raw := newKeys(t, 3)
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(keys.Set(), &set); err != nil || len(set.Keys) != 3 {
		t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	for _, key := range set.Keys {
		if got := slices.Sorted(maps.Keys(key)); !slices.Equal(got, []string{"alg", "crv", "kid", "kty", "use", "x", "y"}) {
			t.Errorf("a key has %q", got)
		}
		if key["alg"] != "ES256" || key["use"] != "sig" || key["kty"] != "EC" || key["crv"] != "P-256" {
			t.Errorf("a key is %v", key)
		}
	}
	if set.Keys[0]["kid"] != keys.ID() {
		t.Error("the first key does not sign")
	}
	again, err := NewSigningKeys(raw)
	if err != nil || !bytes.Equal(again.Set(), keys.Set()) {
		t.Errorf("another instance publishes something else: %v", err)
	}
}

func TestWhatIsNoKeySignsNothingAndShowsNothing(t *testing.T) {
	t.Parallel()
	_, good := newKeys(t, 1)
	for what, all := range map[string][][]byte{
		"none": nil, "zero": {make([]byte, 32)}, "above the order": {bytes.Repeat([]byte{0xff}, 32)}, "short": {[]byte("0123456789")},
		"a bad one behind a good one": {good[0], make([]byte, 32)},
	} {
		keys, err := NewSigningKeys(all)
		if err == nil || keys != nil {
			t.Errorf("%s is accepted", what)
		} else if strings.Contains(err.Error(), "0123") || strings.Contains(err.Error(), fmt.Sprint(good[0])) {
			t.Errorf("INV-04: %v", err)
		}
	}
}

func TestKeysSignForManyAtOnce(t *testing.T) {
	t.Parallel()
	keys, _ := newKeys(t, 1)
	a, err := NewAssertion(AssertionConfig{Audience: "app", TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			id := fmt.Sprint("auth0|", i)
			signed, err := a.Sign(keys, &profile.Profile{UserID: id}, Occasion{Now: signingTime, Until: signingTime.Add(time.Hour)})
			if err != nil {
				t.Error(err)
				return
			}
			if _, claims := opened(t, keys, signed.Text); claims["sub"] != id {
				t.Errorf("%v got the assertion of %v", id, claims["sub"])
			}
		})
	}
	all.Wait()
}

func TestHeaderOfTheAssertionIsOneOfOurs(t *testing.T) {
	t.Parallel()
	p, err := NewPlan(Config{Preset: PresetNone, Assertion: "Signed-User"})
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Header: http.Header{"Signed_user": {"evil"}, "SIGNED-USER": {"evil"}, "Signed.User": {"evil"}, "Signed-Users": {"kept"}}}
	if p.Strip(r); len(r.Header) != 1 {
		t.Errorf("left: %v", r.Header)
	}
	for text, want := range map[string][]string{"a.b.c": {"a.b.c"}, "": nil} {
		for _, encoding := range Encodings() {
			h := http.Header{"Signed-User": {"evil"}}
			applied(planOf(t, Config{Assertion: "Signed-User", Encoding: encoding}), h, new(profile.Profile), Facts{Assertion: text})
			if !slices.Equal(h["Signed-User"], want) {
				t.Errorf("%s: %q is sent as %q", encoding, text, h)
			}
		}
	}
	for _, c := range []Config{
		{Assertion: "X-Auth0-Email"}, {Assertion: "x_auth0_email"}, {Assertion: "Authorization"}, {Assertion: "Sec-User"}, {Assertion: "a b"},
		{Assertion: "X-Auth0-Profile", Profile: true}, {Assertion: "Signed-User", Lines: []Line{{Header: "signed_user", Claim: "email"}}},
	} {
		if _, err := NewPlan(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
