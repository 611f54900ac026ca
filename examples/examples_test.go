package examples_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/caddyserver/certmagic"

	_ "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc"
)

const reference = "../Caddyfile.example"

func init() { caddy.RegisterModule(redisStorage{}) }

// redisStorage stands for that of caddy-storage-redis, which is no dependency of this
// module. The end-to-end tests run the example with the real one.
type redisStorage struct{}

func (redisStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.redis", New: func() caddy.Module { return new(redisStorage) }}
}

func (*redisStorage) CertMagicStorage() (certmagic.Storage, error) { return nil, nil }

func (*redisStorage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		for d.NextBlock(0) {
			d.RemainingArgs()
		}
	}
	return nil
}

// environment is what the Caddyfiles ask for. Auth0's names are cleared first,
// so that nothing of this machine takes the place of a missing setting.
var environment = map[string]string{
	"AUTH0_CLIENT_ID":        "client-of-the-test",
	"AUTH0_CLIENT_SECRET":    "client secret of the test",
	"AUTH0_SECRET":           "a-test-secret-of-32-bytes-or-more",
	"AUTH0_OLD_SECRET":       "an-older-test-secret-of-32-bytes-or-more",
	"M2M_CLIENT_ID":          "machine-of-the-test",
	"M2M_CLIENT_SECRET":      "machine secret of the test",
	"CHILD_CLIENT_ID":        "client-in-the-child",
	"PARTNERS_CLIENT_ID":     "client-of-the-partners",
	"PARTNERS_CLIENT_SECRET": "client secret of the partners",
	"CREDENTIALS_DIRECTORY":  "systemd/testdata",
}

func setEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AUTH0_DOMAIN", "AUTH0_CONNECTION", "APP_BASE_URL"} {
		t.Setenv(name, "")
	}
	for name, value := range environment {
		t.Setenv(name, value)
	}
}

// load adapts a Caddyfile and provisions what comes of it, as `caddy validate`
// does, with a storage of the test and without log.
func load(t *testing.T, name, text string) {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": name})
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range warnings {
		t.Errorf("adapting: %s", warning)
	}
	if !strings.Contains(string(config), `"handler":"auth0_oidc"`) {
		t.Error("the directive auth0_oidc is not used")
	}
	key, certified := writeKey(t)
	config = bytes.ReplaceAll(config, []byte(keyPath), []byte(key))
	config = bytes.ReplaceAll(config, []byte(certificatePath), []byte(certified))
	own, err := filepath.Abs(filepath.Join("pages", "templates"))
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.ReplaceAll(config, []byte("/etc/caddy/pages"), []byte(own))
	config = bytes.ReplaceAll(config, []byte(secretFile), []byte("{env.AUTH0_CLIENT_SECRET}"))
	var c caddy.Config
	config = bytes.ReplaceAll(config, []byte("/etc/ssl/own-ca.pem"), []byte(certificate(t)))
	if err := caddy.StrictUnmarshalJSON(config, &c); err != nil {
		t.Fatal(err)
	}
	c.Admin = &caddy.AdminConfig{Disabled: true}
	c.StorageRaw = caddyconfig.JSONModuleObject(map[string]string{"root": t.TempDir()}, "module", "file_system", nil)
	quiet := &caddy.CustomLog{BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}}
	c.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": quiet}}
	if err := caddy.Validate(&c); err != nil {
		t.Error(err)
	}
}

// secretFile is where containers have the secret.
const secretFile = "{file./run/secrets/auth0_client_secret}"

// keyPath and certificatePath are where the examples have the private key of the
// application, and a certificate of it.
const (
	keyPath         = "/etc/caddy/auth0-client-key.pem"
	certificatePath = "/etc/caddy/auth0-client.pem"
)

// writeKey makes a key as the example's openssl command does, and a certificate of it,
// and gives their paths.
func writeKey(t *testing.T) (keyFile, certificateFile string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	content, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "PRIVATE KEY", content), writePEM(t, "CERTIFICATE", certificate)
}

func writePEM(t *testing.T, kind string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate gives a file with the certificate of an authority.
func certificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return writePEM(t, "CERTIFICATE", server.Certificate().Raw)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// These tests set the environment and cannot be parallel.
func TestEveryExampleLoads(t *testing.T) {
	setEnvironment(t)
	paths := []string{reference}
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "Caddyfile" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 4 {
		t.Fatalf("only %q were found", paths)
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) { load(t, path, read(t, path)) })
	}
}

// A # without a space behind it switches a setting off.
var off = regexp.MustCompile(`(?m)^(\t*)#([^ #\n])`)

// edit makes one variant of the reference, in which settings exclude each other.
type edit struct{ find, put string }

var variants = map[string][]edit{
	"with a secret":      {{`(?m)^\t\tdomain acme.*\n`, ""}, without("client_assertion"), without("client_certificate"), without("allow acme")},
	"with a key":         {without("issuer"), withoutSecret, without("client_auth"), without("client_certificate"), without("allow acme")},
	"with a certificate": {without("issuer"), withoutSecret, without("client_auth"), without("client_assertion"), without("allow acme")},
	"with a connection for each customer": {
		without("issuer"), without("client_assertion"), without("client_certificate"), without("(label|email_domain|backchannel_logout)"),
		{`connection acme-child \{`, "connection {http.request.host.labels.2} {"},
		{`user_id_as auth0-oidc acme`, "user_id_as auth0-oidc"}, // each under its own name
	},
}

var withoutSecret = edit{`(?m)^\t+client_secret \{env\.AUTH0.*\n`, ""}

// without leaves out the lines that begin so.
func without(line string) edit { return edit{`(?m)^\t+` + line + `[ a-z].*\n`, ""} }

func (e edit) apply(t *testing.T, text string) string {
	t.Helper()
	find := regexp.MustCompile(e.find)
	if !find.MatchString(text) {
		t.Fatalf("the reference has nothing like %s", e.find)
	}
	return find.ReplaceAllLiteralString(text, e.put)
}

func TestReferenceLoadsWithEverySettingSwitchedOn(t *testing.T) {
	setEnvironment(t)
	text := off.ReplaceAllString(read(t, reference), "$1$2")
	if !strings.Contains(text, "\tsame_site lax") || !strings.Contains(text, "\tallow acme globex") {
		t.Fatalf("the settings are still off in\n%s", text)
	}
	for name, edits := range variants {
		t.Run(name, func(t *testing.T) {
			variant := text
			for _, e := range edits {
				variant = e.apply(t, variant)
			}
			load(t, reference, string(caddyfile.Format([]byte(variant))))
		})
	}
}

func TestEveryExampleIsExplained(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("*/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		explained := filepath.Join(filepath.Dir(folder), "README.md")
		if !strings.HasPrefix(read(t, explained), "# ") {
			t.Errorf("%s does not begin with a title", explained)
		}
	}
}
