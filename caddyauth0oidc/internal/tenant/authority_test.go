package tenant

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testIssuer   = "https://acme.eu.auth0.com/"
	testClient   = "app1"
	testNonce    = "nonce-of-this-login"
	testVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/.well-known/jwks.json"
	tokenPath     = "/oauth/token"
)

var testApp = Application{ClientID: testClient, ClientSecret: "the-client-secret"}

var (
	rsaOne = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	rsaTwo = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecOne  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// authority plays the tenant: a RoundTripper with one handler per path.
type authority struct {
	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	requests []recorded
}

type recorded struct {
	path string
	form url.Values
	auth string
}

func newAuthority() *authority {
	a := &authority{handlers: map[string]http.HandlerFunc{}}
	a.serve(discoveryPath, discovery(nil))
	a.serve(jwksPath, jwks(rsaJWK("one", &rsaOne().PublicKey)))
	return a
}

func (a *authority) serve(path string, body any) {
	a.handle(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, toJSON(body))
	})
}

func (a *authority) fail(path string, status int, header ...string) {
	a.handle(path, func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	})
}

func (a *authority) handle(path string, h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handlers[path] = h
}

func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	seen := recorded{path: r.URL.Path, auth: r.Header.Get("Authorization")}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		seen.form, _ = url.ParseQuery(string(body))
	}
	a.mu.Lock()
	a.requests = append(a.requests, seen)
	h := a.handlers[r.URL.Path]
	a.mu.Unlock()
	if h == nil {
		return nil, fmt.Errorf("nothing is served at %s", r.URL)
	}
	w := httptest.NewRecorder()
	h(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, r.Context().Err()
}

func (a *authority) hits(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, r := range a.requests {
		if r.path == path {
			n++
		}
	}
	return n
}

func toJSON(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(must(json.Marshal(v)))
}

type object = map[string]any

// with returns a copy of an object with changes; a nil value removes a member.
func (o claims) with(changes object) object {
	all := object{}
	for name, value := range o {
		all[name] = value
	}
	for name, value := range changes {
		if value == nil {
			delete(all, name)
			continue
		}
		all[name] = value
	}
	return all
}

func discovery(changes object) object {
	return claims{
		"issuer":                                testIssuer,
		"authorization_endpoint":                testIssuer + "authorize",
		"token_endpoint":                        testIssuer + "oauth/token",
		"jwks_uri":                              testIssuer + ".well-known/jwks.json",
		"userinfo_endpoint":                     testIssuer + "userinfo",
		"revocation_endpoint":                   testIssuer + "oauth/revoke",
		"end_session_endpoint":                  testIssuer + "oidc/logout",
		"code_challenge_methods_supported":      []string{"S256", "plain"},
		"id_token_signing_alg_values_supported": []string{"HS256", "RS256", "PS256"},
	}.with(changes)
}

func jwks(keys ...object) object { return object{"keys": keys} }

func rsaJWK(kid string, key *rsa.PublicKey) object {
	return object{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()),
	}
}

func ecJWK(kid string, key *ecdsa.PublicKey) object {
	point := must(key.Bytes())[1:]
	return object{"kty": "EC", "crv": key.Curve.Params().Name, "kid": kid, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:])}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// mint signs a token; header and payload are JSON text or something to marshal.
func mint(key any, header, payload any) string {
	h := toJSON(header)
	input := b64([]byte(h)) + "." + b64([]byte(toJSON(payload)))
	sum := sha256.Sum256([]byte(input))
	var signature []byte
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if strings.Contains(h, "PS256") {
			signature = must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		} else {
			signature = must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]))
		}
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		signature = append(r.FillBytes(make([]byte, 32)), must(s, err).FillBytes(make([]byte, 32))...)
	}
	return input + "." + b64(signature)
}

var rs256 = object{"alg": "RS256", "typ": "JWT", "kid": "one"}

// idToken returns the claims of a good ID token with changes.
func idToken(now time.Time, changes object) object {
	return claims{
		"iss": testIssuer, "sub": "auth0-oidc|acme-child|auth0|563b", "aud": testClient, "nonce": testNonce, "sid": "sid-1",
		"iat": now.Unix(), "exp": now.Add(10 * time.Hour).Unix(), "email": "jane@example.com", "email_verified": true,
	}.with(changes)
}

// clock is a clock that only the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_780_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// zeroes leave the random part of waits out.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func newTestTenant(t *testing.T, rt http.RoundTripper, now func() time.Time) *Tenant {
	t.Helper()
	tenant, err := New(Config{Issuer: testIssuer, Transport: rt, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	tenant.metadata.random, tenant.keys.recall.random = zeroes{}, zeroes{}
	return tenant
}

func wantInvalid(t *testing.T, err error, reason string) {
	t.Helper()
	var got *InvalidTokenError
	if !errors.As(err, &got) || got.Reason != reason {
		t.Errorf("error %v, want an InvalidTokenError because of %s", err, reason)
	}
}

func wantUnavailable(t *testing.T, err error) *UnavailableError {
	t.Helper()
	var got *UnavailableError
	if !errors.As(err, &got) {
		t.Fatalf("error %v, want an UnavailableError", err)
	}
	if got.RetryAfter < minRetryAfter || got.RetryAfter > maxRetryAfter {
		t.Errorf("retry after %v, want 1 s to 60 s", got.RetryAfter)
	}
	return got
}

// roundTrip is a RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hangingAt never answers requests for the path.
func hangingAt(next http.RoundTripper, path string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != path {
			return next.RoundTrip(r)
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
}

// endless is a body that never ends, and counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, bytes.Repeat([]byte{' '}, len(p))), nil
}

func (e *endless) Close() error { return nil }
