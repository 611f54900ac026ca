package tenant

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

var (
	rsaSmall = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ecLarge  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	ecHuge   = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
)

func pkcs8(key any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

func block(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

// keyFile is a file with a key, and a time of change that the test moves.
type keyFile struct {
	t    *testing.T
	path string
	at   time.Time
}

func newKeyFile(t *testing.T, content []byte) *keyFile {
	f := &keyFile{t: t, path: filepath.Join(t.TempDir(), "key.pem"), at: time.Unix(1_700_000_000, 0)}
	f.write(content)
	return f
}

func (f *keyFile) write(content []byte) {
	f.t.Helper()
	f.at = f.at.Add(time.Second)
	if err := errors.Join(os.WriteFile(f.path, content, 0o600), os.Chtimes(f.path, f.at, f.at)); err != nil {
		f.t.Fatal(err)
	}
}

func loadKey(path, algorithm, kid string) (*AssertionKey, error) {
	return NewAssertionKey(KeyConfig{File: path, Algorithm: algorithm, KeyID: kid}, testIssuer, testClient, newClock().Now())
}

// sentAssertion exchanges a code and gives the assertion that was sent, parsed.
func sentAssertion(t *testing.T, a *authority, tn *Tenant, app Application) (*jwt.JSONWebToken, string) {
	t.Helper()
	if err := exchangeAs(t, tn, app); err != nil {
		t.Fatal(err)
	}
	raw := a.last().form.Get("client_assertion")
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.PS256, jose.ES256, jose.ES384})
	if err != nil {
		t.Fatal(err)
	}
	return parsed, raw
}

func TestRP_BAS_15_RP_FAPI_25_Assertions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, algorithm, kid, want string
		file                       []byte
		public                     any
	}{
		{"RSA", "", "", "RS256", pkcs8(rsaOne()), &rsaOne().PublicKey},
		{"RSA, PKCS #1", "RS256", "k-1", "RS256", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaOne())), &rsaOne().PublicKey},
		{"RSA, RS384", "RS384", "", "RS384", pkcs8(rsaOne()), &rsaOne().PublicKey},
		{"RSA, PS256", "PS256", "", "PS256", pkcs8(rsaOne()), &rsaOne().PublicKey},
		{"P-256", "", "", "ES256", pkcs8(ecOne()), &ecOne().PublicKey},
		{"P-256, SEC 1", "ES256", "", "ES256", append(block("EC PARAMETERS", []byte{6, 8}), block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecOne())))...), &ecOne().PublicKey},
		{"P-384", "", "", "ES384", pkcs8(ecLarge()), &ecLarge().PublicKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, err := loadKey(newKeyFile(t, tt.file).path, tt.algorithm, tt.kid)
			if err != nil {
				t.Fatal(err)
			}
			c, a := newClock(), newAuthority()
			a.serve(tokenPath, tokenAnswer(nil))
			tn := newTestTenant(t, a, c.Now)
			app := Application{ClientID: testClient, Key: key, ClientSecret: "unused", Method: AuthBasic}
			parsed, raw := sentAssertion(t, a, tn, app)
			if h := parsed.Headers[0]; h.Algorithm != tt.want || h.KeyID != tt.kid || len(raw) > maxAssertion {
				t.Errorf("header %+v, %d bytes", h, len(raw))
			}
			var got map[string]any
			if err := parsed.Claims(tt.public, &got); err != nil {
				t.Fatal(err)
			}
			now := float64(c.Now().Unix())
			id, _ := got["jti"].(string)
			if got["iss"] != testClient || got["sub"] != testClient || got["aud"] != testIssuer || got["iat"] != now || got["exp"] != now+60 || len(id) != 22 || len(got) != 6 {
				t.Errorf("claims %v", got)
			}
			sent := a.last()
			if sent.form.Has("client_secret") || sent.auth != "" || sent.form.Get("client_id") != testClient ||
				sent.form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Errorf("sent %v, %q", sent.form, sent.auth)
			}
			again, _ := sentAssertion(t, a, tn, app)
			var other map[string]any
			if err := again.Claims(tt.public, &other); err != nil || other["jti"] == id {
				t.Errorf("the same jti again: %v, %v", other["jti"], err)
			}
		})
	}
}

func TestARefusedAssertionIsNotSentAgain(t *testing.T) {
	t.Parallel()
	a := newPushAuthority()
	for _, path := range []string{tokenPath, parPath} {
		a.handle(path, func(w http.ResponseWriter, _ *http.Request) { answering(401, object{"error": "invalid_client"})(w) })
	}
	app := Application{ClientID: testClient, Key: must(loadKey(newKeyFile(t, pkcs8(ecOne())).path, "", "")), ClientSecret: "a", NextClientSecret: "b"}
	tn := newTestTenant(t, a, newClock().Now)
	_ = exchangeAs(t, tn, app)
	_, _ = pushedURL(t, tn, app, loginRequest())
	if a.hits(tokenPath) != 1 || a.hits(parPath) != 1 {
		t.Errorf("RP-FAPI-25: %d and %d requests", a.hits(tokenPath), a.hits(parPath))
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	ed := must2(ed25519.GenerateKey(rand.Reader))
	sekret := []byte("sekret")
	for name, tt := range map[string]struct {
		algorithm string
		file      []byte
		want      string
	}{
		"empty":                {"", nil, "no private key"},
		"no PEM":               {"", sekret, "no private key"},
		"a public key":         {"", block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&rsaOne().PublicKey))), "no private key"},
		"a certificate":        {"", block("CERTIFICATE", sekret), "no private key"},
		"encrypted":            {"", block("ENCRYPTED PRIVATE KEY", sekret), "encrypted"},
		"encrypted by OpenSSL": {"", []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nc2VrcmV0\n-----END RSA PRIVATE KEY-----\n"), "encrypted"},
		"damaged":              {"", block("PRIVATE KEY", sekret), "damaged"},
		"damaged PKCS #1":      {"", block("RSA PRIVATE KEY", sekret), "damaged"},
		"damaged SEC 1":        {"", block("EC PRIVATE KEY", sekret), "damaged"},
		"two keys":             {"", append(pkcs8(rsaOne()), pkcs8(ecOne())...), "more than one"},
		"Ed25519":              {"", pkcs8(ed), "RSA, P-256 or P-384"},
		"P-521":                {"", pkcs8(ecHuge()), "RSA, P-256 or P-384"},
		"1024 bits":            {"", pkcs8(rsaSmall()), "1024 bits"},
		"ES256 with RSA":       {"ES256", pkcs8(rsaOne()), "does not fit"},
		"RS256 with P-256":     {"RS256", pkcs8(ecOne()), "does not fit"},
		"ES384 with P-256":     {"ES384", pkcs8(ecOne()), "does not fit"},
		"HS256":                {"HS256", pkcs8(rsaOne()), "does not fit"},
		"too large":            {"", make([]byte, maxKeyFile+1), "too large"},
	} {
		key, err := loadKey(newKeyFile(t, tt.file).path, tt.algorithm, "")
		if err == nil || key != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sekret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := strings.Repeat("k", 1800)
	if _, err := loadKey(newKeyFile(t, pkcs8(ecOne())).path, "", long); err == nil || !strings.Contains(err.Error(), "2048") {
		t.Errorf("too long an assertion: %v", err)
	}
}

// The trial at load is as long as what is sent later: what fits then fits at every login.
func TestAKeyThatLoadsSignsAnAssertionThatFits(t *testing.T) {
	t.Parallel()
	file, loaded := newKeyFile(t, pkcs8(ecOne())), 0
	for size := 1200; size < 1400; size++ {
		key, err := loadKey(file.path, "", strings.Repeat("k", size))
		if err != nil {
			continue
		}
		loaded++
		if _, err := key.assert(Application{}, newClock().Now(), rand.Reader); err != nil {
			t.Errorf("a key id of %d bytes: %v", size, err)
		}
	}
	if loaded == 0 || loaded == 200 {
		t.Errorf("%d of 200 keys load, so the limit is not among them", loaded)
	}
}

func must2[A, B any](_ A, b B, err error) B { return must(b, err) }

// A placeholder for the file's content in place of its path must not carry the key into an error.
func TestINV_04_APathThatIsTheKeyItselfIsNotShown(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"the key": string(pkcs8(ecOne())), "on one line": strings.ReplaceAll(string(pkcs8(ecOne())), "\n", " "), "empty": " ", "long": strings.Repeat("x", 2000),
	} {
		_, err := loadKey(path, "", "")
		if err == nil || CheckKeyFile(path) == nil || len(path) > 1 && strings.Contains(err.Error(), path[len(path)/2:]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Join(folder, "missing.pem")} {
		if _, err := loadKey(path, "", ""); err == nil || !strings.Contains(err.Error(), folder) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestRP_FAPI_25_AKeyIsReplacedWithoutARestart(t *testing.T) {
	t.Parallel()
	file, told, a := newKeyFile(t, pkcs8(rsaOne())), &warnings{}, newAuthority()
	a.serve(tokenPath, tokenAnswer(nil))
	tn := newTestTenant(t, a, newClock().Now)
	app := Application{ClientID: testClient, Key: must(loadKey(file.path, "", "")), Warn: told.add}
	signedBy := func(public any) {
		t.Helper()
		parsed, _ := sentAssertion(t, a, tn, app)
		if err := parsed.Claims(public, &map[string]any{}); err != nil {
			t.Errorf("signed by another key: %v", err)
		}
	}
	complains := func(want int) {
		t.Helper()
		if got := told.take(); len(got) != want || strings.Contains(fmt.Sprint(got), "sekret") {
			t.Errorf("warned %q, want %d", got, want)
		}
	}
	signedBy(&rsaOne().PublicKey)
	file.write(pkcs8(rsaTwo()))
	signedBy(&rsaTwo().PublicKey)
	complains(0)
	file.write([]byte("sekret"))
	signedBy(&rsaTwo().PublicKey)
	signedBy(&rsaTwo().PublicKey)
	complains(1)
	file.write(pkcs8(rsaSmall()))
	signedBy(&rsaTwo().PublicKey)
	complains(1)
	if err := os.Remove(file.path); err != nil {
		t.Fatal(err)
	}
	signedBy(&rsaTwo().PublicKey)
	signedBy(&rsaTwo().PublicKey)
	complains(1)
	file.write(pkcs8(ecOne()))
	signedBy(&ecOne().PublicKey)
	complains(0)
}

func TestINV_04_AKeyShowsItselfToNobody(t *testing.T) {
	t.Parallel()
	key := must(loadKey(newKeyFile(t, pkcs8(ecOne())).path, "", ""))
	shown := must(json.Marshal(Application{Key: key}))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		shown = fmt.Appendf(shown, verb, key)
	}
	if d := fmt.Sprint(secretNumber(ecOne())); strings.Contains(string(shown), d) || !strings.Contains(string(shown), redacted) {
		t.Errorf("shown: %s", shown)
	}
}

// secretNumber is what tells of the key if it is shown.
func secretNumber(key *ecdsa.PrivateKey) *big.Int { return new(big.Int).SetBytes(must(key.Bytes())) }

type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, errors.New("sekret") }

func TestWithoutRandomnessThereIsNoAssertion(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	tn := must(New(Config{Issuer: testIssuer, Transport: a, Random: noRandom{}}))
	err := exchangeAs(t, tn, Application{ClientID: testClient, Key: must(loadKey(newKeyFile(t, pkcs8(ecOne())).path, "", ""))})
	if wantUnavailable(t, err); a.hits(tokenPath) != 0 || strings.Contains(err.Error(), "sekret") {
		t.Errorf("%v after %d requests", err, a.hits(tokenPath))
	}
}

func FuzzPrivateKey(f *testing.F) {
	f.Add(pkcs8(rsaOne()))
	f.Add(pkcs8(ecOne()))
	f.Add(block("EC PRIVATE KEY", []byte("x")))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parsePrivateKey(text)
		if (key == nil) == (err == nil) {
			t.Errorf("key %v, error %v", key != nil, err)
		}
	})
}
