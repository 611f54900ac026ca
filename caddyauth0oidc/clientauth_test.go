package caddyauth0oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func newTestKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// keyTime is when test keys are written, so that tests say when one is newer: the clock of a file system may be coarse.
var keyTime = time.Unix(1_700_000_000, 0)

// writeKey writes a private key, as openssl does.
func writeKey(t *testing.T, path string, key any) {
	t.Helper()
	writeKeyAt(t, path, key, keyTime)
}

func writeKeyAt(t *testing.T, path string, key any, at time.Time) {
	t.Helper()
	content, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeDated(t, path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: content}), at)
}

func writeDated(t *testing.T, path string, content []byte, at time.Time) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chtimes(path, at, at)); err != nil {
		t.Fatal(err)
	}
}

// loadWith loads a configuration with one handler of the smallest use, without a secret, and more settings in JSON.
func loadWith(t *testing.T, settings map[string]any) error {
	t.Helper()
	handler := map[string]any{
		"handler": "auth0_oidc", "domain": "acme.eu.auth0.com", "client_id": "legacy", "connections": []any{map[string]any{"name": "acme-child"}},
		"secrets": []string{adaptSecret},
	}
	for name, value := range settings {
		handler[name] = value
	}
	config, err := json.Marshal(map[string]any{"apps": map[string]any{"http": map[string]any{"servers": map[string]any{"srv0": map[string]any{
		"listen": []string{":8080"}, "routes": []any{map[string]any{"handle": []any{handler}}},
	}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(adaptConfig(t, string(config)))
}

// wantLoading loads such a configuration and wants the error to say what is given, or none, and never to show a key.
func wantLoading(t *testing.T, settings map[string]any, want string) {
	t.Helper()
	err := loadWith(t, settings)
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%v, want %q", err, want)
	}
	if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
		t.Error("INV-04: the key is in the error")
	}
}

func TestHowTheModuleAuthenticatesIsJudgedWhenItIsLoaded(t *testing.T) {
	adaptNoEnvironment(t)
	t.Setenv(envClientSecret, "from the environment")
	folder := t.TempDir()
	good, small := filepath.Join(folder, "good.pem"), filepath.Join(folder, "small.pem")
	writeKey(t, good, adaptKey())
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	writeKey(t, small, weak)
	t.Setenv("TEST_KEY_FILE", good)
	assertion := func(members ...string) map[string]any {
		a := map[string]any{}
		for i := 0; i < len(members); i += 2 {
			a[members[i]] = members[i+1]
		}
		return map[string]any{"client_assertion": a}
	}
	with := func(settings map[string]any, name string, value any) map[string]any {
		settings[name] = value
		return settings
	}
	for name, tt := range map[string]struct {
		settings map[string]any
		want     string // in the error; empty for none
	}{
		"the secret of the environment":           {nil, ""},
		"the environment's with the next one":     {map[string]any{"next_client_secret": "next"}, ""},
		"the same secret twice":                   {map[string]any{"client_secret": "a", "next_client_secret": "a"}, ""},
		"a blank secret":                          {map[string]any{"client_secret": "  "}, "client_secret: the value is empty"},
		"an unknown method":                       {map[string]any{"client_auth": "none"}, "client_auth: 'none' is not possible here"},
		"a key beside the environment's secret":   {assertion("key_file", good), ""},
		"a key by a placeholder":                  {assertion("key_file", "{env.TEST_KEY_FILE}"), ""},
		"a key with algorithm and id":             {assertion("key_file", good, "algorithm", "ES256", "key_id", "k"), ""},
		"no file":                                 {assertion(), "client_assertion: the path of the key is empty"},
		"a file that is missing":                  {assertion("key_file", filepath.Join(folder, "missing")), "client_assertion: reading the key"},
		"a key that is too small":                 {assertion("key_file", small), "client_assertion: the RSA key has 1024 bits"},
		"an algorithm of another key":             {assertion("key_file", good, "algorithm", "RS256"), "does not fit the algorithm RS256"},
		"an unknown algorithm":                    {assertion("key_file", good, "algorithm", "none"), "client_assertion: 'none' is not possible"},
		"a key id with a line end":                {assertion("key_file", good, "key_id", "a\nb"), "control characters"},
		"INV-04 the key in place of its path":     {assertion("key_file", "{file."+good+"}"), "write the path, not the key itself"},
		"a key beside a secret":                   {with(assertion("key_file", good), "client_secret", "a"), "keep one of the two"},
		"a key beside the next secret":            {with(assertion("key_file", good), "next_client_secret", "a"), "keep one of the two"},
		"a key beside the method of a secret":     {with(assertion("key_file", good), "client_auth", "post"), "leave it out"},
		"an id of the key that is not to be had":  {assertion("key_file", good, "key_id", "{env.TEST_NO_SUCH_NAME}"), "resolving client_assertion key id"},
		"a file name that is not to be had":       {assertion("key_file", "{env.TEST_NO_SUCH_NAME}"), "resolving client_assertion"},
		"an assertion that the tenant would cut":  {assertion("key_file", good, "key_id", strings.Repeat("k", 1500)), "Auth0 takes 2048"},
		"next_client_secret not to be had at all": {map[string]any{"next_client_secret": "{env.TEST_NO_SUCH_NAME}"}, "resolving next_client_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			wantLoading(t, tt.settings, tt.want)
		})
	}
	t.Setenv(envClientSecret, "")
	if err := loadWith(t, map[string]any{"next_client_secret": "next"}); err == nil || !strings.Contains(err.Error(), "client_secret") {
		t.Errorf("the next secret alone: %v", err)
	}
}
