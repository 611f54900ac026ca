package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const assertionExample = "../examples/signed-assertion/"

// assertionSite is the example's Caddyfile.
func assertionSite(t *testing.T, w *world) string {
	t.Helper()
	w.environment = []string{"AUTH0_CLIENT_ID=" + w.pair.App.ClientID, "AUTH0_CLIENT_SECRET=" + w.pair.App.ClientSecret}
	site := readFile(t, assertionExample+"Caddyfile")
	site = replaceOnce(t, site, "app.example.com {", w.base+" {")
	site = replaceOnce(t, site, "https://app.example.com", w.base)
	site = replaceOnce(t, site, "acme.eu.auth0.com", "http://"+w.pair.Master.Host())
	return replaceOnce(t, site, "https://legacy.internal\n}", w.upstream+"\n}")
}

// verifier is one of the example's programs. It takes the address of the keys, issuer
// and audience, and PHP a file to keep the keys in.
type verifier struct{ command, more []string }

// verifiers are all of them, by language.
func verifiers(t *testing.T) map[string]verifier {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "verify")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-C", "..", "-o", binary, "./examples/signed-assertion/verify").CombinedOutput(); err != nil {
		t.Fatalf("building the example: %v\n%s", err, output)
	}
	return map[string]verifier{
		"Go":     {command: []string{binary}},
		"PHP":    {[]string{phpPath(t), assertionExample + "verify.php"}, []string{filepath.Join(t.TempDir(), "jwks")}},
		"Python": {command: []string{pythonPath(t), assertionExample + "verify.py"}},
	}
}

// verify gives the claims that the program writes, or why it refuses.
func verify(t *testing.T, program verifier, keys, issuer, audience, assertion string) (claims map[string]any, refusal string) {
	t.Helper()
	words := slices.Concat(program.command, []string{keys, issuer, audience}, program.more)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	var output, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(assertion+"\n"), &output, &complaint
	err := cmd.Run()
	if refused, ok := strings.CutPrefix(complaint.String(), "refused: "); ok && err != nil && output.Len() == 0 {
		return nil, refused
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", words, err, complaint.String())
	}
	if err := json.Unmarshal(output.Bytes(), &claims); err != nil {
		t.Fatalf("%s writes %q: %v", words, output.String(), err)
	}
	return claims, ""
}

// HDR-46: what Caddy signs, the examples believe, with the keys that it publishes, for
// the audience and at the site that it is for.
func TestHDR_46_ExamplesVerifyARealAssertion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "http", assertionSite)
	b := w.browser()
	w.signIn(b, deepLink, w.pair.Accented)
	w.app.take()
	if status, _ := w.fetch(b, deepLink, http.Header{"X-Auth0_assertion": {marker}}); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	seen := w.app.take()[0].header["X-Auth0-Assertion"]
	if len(seen) != 1 || seen[0] == marker {
		t.Fatalf("the application got the assertions %q", seen)
	}
	// The programs look up no names below localhost.
	_, set := w.fetch(w.browser(), "/auth/jwks.json", nil)
	keys := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { _, _ = out.Write([]byte(set)) }))
	t.Cleanup(keys.Close)
	for language, program := range verifiers(t) {
		claims, refusal := verify(t, program, keys.URL, w.base, "https://legacy.internal", seen[0])
		if claims["sub"] != w.pair.MasterUserID(w.pair.Accented) || claims["name"] != w.pair.Accented.Name || claims["email"] != w.pair.Accented.Email {
			t.Errorf("%s: %v, refused: %s", language, claims, refusal)
		}
		for what, tc := range map[string][3]string{
			"another issuer":   {"https://app.example.com", "https://legacy.internal", seen[0]},
			"another audience": {w.base, "https://other.internal", seen[0]},
			"changed":          {w.base, "https://legacy.internal", strings.Replace(seen[0], ".e", ".f", 1)},
			"a forged one":     {w.base, "https://legacy.internal", marker},
		} {
			if claims, refusal := verify(t, program, keys.URL, tc[0], tc[1], tc[2]); refusal == "" {
				t.Errorf("%s, %s: believed as %v", language, what, claims)
			} else {
				t.Logf("%s, %s: %s", language, what, strings.TrimSpace(refusal))
			}
		}
	}
}

// HDR-46, CVE-LIB-10: expired, misdated, incomplete and forged ones, whatever signs them.
func TestHDR_46_ExamplesRefuseBadAssertions(t *testing.T) {
	t.Parallel()
	key, forger := p256(t), p256(t)
	published, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	keys := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = out.Write(published)
	}))
	t.Cleanup(keys.Close)
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	unknown := forger
	unknown.KeyID = "unknown"
	type changes = map[string]any
	type assertion struct {
		text string
		good bool
	}
	// Made anew for each language: a busy machine takes its time.
	all := func() map[string]assertion {
		return map[string]assertion{
			"good":          {signed(t, jose.ES256, key, nil), true},
			"expired":       {signed(t, jose.ES256, key, changes{"exp": at(-40 * time.Second)}), false},
			"ended lately":  {signed(t, jose.ES256, key, changes{"exp": at(-5 * time.Second)}), true},
			"of the future": {signed(t, jose.ES256, key, changes{"iat": at(time.Minute)}), false},
			"not before":    {signed(t, jose.ES256, key, changes{"nbf": at(time.Minute)}), false},
			"no exp":        {signed(t, jose.ES256, key, changes{"exp": nil}), false},
			"no sub":        {signed(t, jose.ES256, key, changes{"sub": nil}), false},
			"no aud":        {signed(t, jose.ES256, key, changes{"aud": nil}), false},
			"forged":        {signed(t, jose.ES256, forger, nil), false},
			"unknown key":   {signed(t, jose.ES256, unknown, nil), false},
			"no kid":        {signed(t, jose.ES256, key.Key, nil), false},
			"HS256":         {signed(t, jose.HS256, jose.JSONWebKey{Key: published, KeyID: key.KeyID}, nil), false},
			"none":          {"eyJhbGciOiJub25lIiwia2lkIjoib25lIn0." + strings.Split(signed(t, jose.ES256, key, nil), ".")[1] + ".", false},
		}
	}
	for language, program := range verifiers(t) {
		asked.Store(0)
		cases := all()
		for what, tc := range cases {
			if claims, refusal := verify(t, program, keys.URL, "https://app.test", "app", tc.text); (refusal == "") != tc.good {
				t.Errorf("%s, %s: %v, refused: %s", language, what, claims, refusal)
			}
		}
		if n := int(asked.Load()); language == "PHP" && n > len(cases)/2 { // it keeps them, and asks no sooner than after ten seconds
			t.Errorf("PHP fetched the keys %d times for %d assertions", n, len(cases))
		}
	}
}

func p256(t *testing.T) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: "one"}
}

// signed is a good assertion but for the changes; nil leaves a claim out.
func signed(t *testing.T, algorithm jose.SignatureAlgorithm, key any, changes map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	claims := map[string]any{"iss": "https://app.test", "aud": "app", "sub": "auth0|1", "iat": now, "exp": now + 60}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
