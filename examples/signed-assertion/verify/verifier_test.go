package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

var now = time.Unix(1_800_000_000, 0)

// site publishes keys, and counts how often it is asked.
type site struct {
	*httptest.Server
	set   jose.JSONWebKeySet
	asked atomic.Int32
	down  atomic.Bool
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := new(site)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.asked.Add(1); s.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(s.set)
	}))
	t.Cleanup(s.Close)
	return s
}

func newKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: id}
}

func (s *site) verifier(t *testing.T) *Verifier {
	t.Helper()
	v, err := NewVerifier(s.URL, "https://app.test", "app", s.Client(), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// claims are good ones, but for the given changes; nil leaves one out.
func claims(changes map[string]any) map[string]any {
	all := map[string]any{
		"iss": "https://app.test", "aud": "app", "sub": "auth0|1", "email": "ann@example.com", "iat": now.Unix(), "exp": now.Unix() + 60,
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func TestHDR_46_VerifierBelievesGoodAssertionsOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key, forger := newKey(t, "one"), newKey(t, "one")
	other := newKey(t, "two")
	s.set.Keys = []jose.JSONWebKey{other.Public(), key.Public()}
	public, err := json.Marshal(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	good := sign(t, jose.ES256, key, claims(nil))
	parts := strings.Split(good, ".")
	for what, tc := range map[string]struct {
		text string
		good bool
	}{
		"good":             {good, true},
		"several audience": {sign(t, jose.ES256, key, claims(map[string]any{"aud": []string{"x", "app"}})), true},
		"ended just now":   {sign(t, jose.ES256, key, claims(map[string]any{"exp": now.Unix() - 29})), true},
		"clock ahead":      {sign(t, jose.ES256, key, claims(map[string]any{"iat": now.Unix() + 29})), true},
		"expired":          {sign(t, jose.ES256, key, claims(map[string]any{"exp": now.Unix() - 31})), false},
		"of the future":    {sign(t, jose.ES256, key, claims(map[string]any{"iat": now.Unix() + 31})), false},
		"not before":       {sign(t, jose.ES256, key, claims(map[string]any{"nbf": now.Unix() + 31})), false},
		"another audience": {sign(t, jose.ES256, key, claims(map[string]any{"aud": "other"})), false},
		"another issuer":   {sign(t, jose.ES256, key, claims(map[string]any{"iss": "https://app.test/"})), false},
		"no exp":           {sign(t, jose.ES256, key, claims(map[string]any{"exp": nil})), false},
		"no iat":           {sign(t, jose.ES256, key, claims(map[string]any{"iat": nil})), false},
		"no sub":           {sign(t, jose.ES256, key, claims(map[string]any{"sub": nil})), false},
		"no aud":           {sign(t, jose.ES256, key, claims(map[string]any{"aud": nil})), false},
		"forged":           {sign(t, jose.ES256, forger, claims(nil)), false},
		"unknown key":      {sign(t, jose.ES256, newKey(t, "three"), claims(nil)), false},
		"no kid":           {sign(t, jose.ES256, key.Key, claims(nil)), false},
		"public as secret": {sign(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: "one"}, claims(nil)), false},
		"none":             {"eyJhbGciOiJub25lIiwia2lkIjoib25lIn0." + parts[1] + ".", false},
		"no signature":     {parts[0] + "." + parts[1] + ".", false},
		"empty":            {"", false},
		"no JWT":           {"a.b", false},
	} {
		got, err := s.verifier(t).Verify(t.Context(), tc.text)
		if (err == nil) != tc.good || tc.good && (got.Subject != "auth0|1" || got.Email != "ann@example.com") {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}

// Made-up keys cost the site one request in ten seconds, a new one is found, and an
// outage of an hour is survived.
func TestVerifierFetchesKeysSeldom(t *testing.T) {
	t.Parallel()
	s, at := newSite(t), now
	old, next := newKey(t, "old"), newKey(t, "next")
	s.set.Keys = []jose.JSONWebKey{old.Public()}
	v := s.verifier(t)
	v.now = func() time.Time { return at }
	verify := func(key jose.JSONWebKey, want error, asked int32) {
		t.Helper()
		text := sign(t, jose.ES256, key, claims(map[string]any{"iat": at.Unix(), "exp": at.Unix() + 60}))
		if _, err := v.Verify(t.Context(), text); !errors.Is(err, want) || s.asked.Load() != asked {
			t.Errorf("after %s: %v, asked %d times", at.Sub(now), err, s.asked.Load())
		}
	}
	verify(old, nil, 1)
	for range 5 {
		verify(next, errUnknownKey, 1)
	}
	s.set.Keys = append(s.set.Keys, next.Public())
	at = at.Add(pause)
	verify(next, nil, 2)
	at = at.Add(fresh)
	verify(next, nil, 2)
	at = at.Add(time.Second)
	verify(next, nil, 3)
	s.down.Store(true)
	at = at.Add(emergency)
	verify(next, nil, 4)
	at = at.Add(pause)
	verify(next, errKeys, 5)
	s.down.Store(false)
	at = at.Add(pause)
	verify(next, nil, 6)
}

// Without issuer or audience, the library would not compare them.
func TestHDR_46_VerifierWantsIssuerAndAudience(t *testing.T) {
	t.Parallel()
	for _, given := range [][2]string{{"", "app"}, {"https://app.test", ""}, {"", ""}} {
		if _, err := NewVerifier("https://app.test/auth/jwks.json", given[0], given[1], http.DefaultClient, time.Now); !errors.Is(err, errNotSet) {
			t.Errorf("%q: %v", given, err)
		}
	}
}

// HDR-46: whoever sends a made-up kid and goes away would otherwise keep the keys from
// everybody until the pause is over.
func TestHDR_46_AbortedRequestDoesNotAbortTheFetch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key := newKey(t, "one")
	s.set.Keys = []jose.JSONWebKey{key.Public()}
	v := s.verifier(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := v.Verify(gone, sign(t, jose.ES256, newKey(t, "junk"), claims(nil))); !errors.Is(err, errUnknownKey) {
		t.Errorf("a made-up key: %v", err)
	}
	if _, err := v.Verify(t.Context(), sign(t, jose.ES256, key, claims(nil))); err != nil {
		t.Error(err)
	}
}

func TestHDR_46_SetWithoutKeysTakesNoneAway(t *testing.T) {
	t.Parallel()
	s, at := newSite(t), now
	key := newKey(t, "one")
	s.set.Keys = []jose.JSONWebKey{key.Public()}
	v := s.verifier(t)
	v.now = func() time.Time { return at }
	for range 2 {
		if _, err := v.Verify(t.Context(), sign(t, jose.ES256, key, claims(map[string]any{"exp": at.Unix() + 60}))); err != nil {
			t.Errorf("after %s: %v", at.Sub(now), err)
		}
		s.set.Keys, at = nil, at.Add(2*fresh)
	}
	if asked := s.asked.Load(); asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}
