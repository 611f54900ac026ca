package caddyauth0oidc

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// newCertificate makes a self-signed certificate for a client.
func newCertificate(key *ecdsa.PrivateKey, expires time.Time) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "legacy"}, NotAfter: expires,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return certificate
}

var adaptCertificate = sync.OnceValue(func() *x509.Certificate { return newCertificate(adaptKey(), time.Now().Add(time.Hour)) })

func writeCertificate(t *testing.T, path string, certificate *x509.Certificate, at time.Time) {
	t.Helper()
	writeDated(t, path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), at)
}

func TestTheCertificateOfTheModuleIsJudgedWhenItIsLoaded(t *testing.T) {
	adaptNoEnvironment(t)
	t.Setenv(envClientSecret, "from the environment")
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	writeKey(t, in("key"), adaptKey())
	writeKey(t, in("other key"), newTestKey())
	writeCertificate(t, in("certificate"), adaptCertificate(), keyTime)
	writeCertificate(t, in("expired"), newCertificate(adaptKey(), time.Now().Add(-time.Hour)), keyTime)
	t.Setenv("TEST_CERTIFICATE_FILE", in("certificate"))
	files := func(certificate, key string) map[string]any {
		return map[string]any{"client_certificate": map[string]any{"certificate_file": certificate, "key_file": key}}
	}
	with := func(name string, value any) map[string]any {
		settings := files(in("certificate"), in("key"))
		settings[name] = value
		return settings
	}
	for name, tt := range map[string]struct {
		settings map[string]any
		want     string // in the error; empty for none
	}{
		"beside the environment's secret":      {files(in("certificate"), in("key")), ""},
		"by a placeholder":                     {files("{env.TEST_CERTIFICATE_FILE}", in("key")), ""},
		"one that has expired is warned about": {files(in("expired"), in("key")), ""},
		"no files":                             {files("", ""), "client_certificate: the path of the certificate is empty"},
		"no key":                               {files(in("certificate"), ""), "client_certificate: the path of the key is empty"},
		"a certificate that is missing":        {files(in("missing"), in("key")), "client_certificate: reading the certificate"},
		"a key that is missing":                {files(in("certificate"), in("missing")), "client_certificate: reading the key"},
		"the files in the wrong order":         {files(in("key"), in("certificate")), "the file has no certificate"},
		"another key":                          {files(in("certificate"), in("other key")), "not that of the certificate"},
		"INV-04 the key in place of its path":  {files(in("certificate"), "{file."+in("key")+"}"), "write the path, not the key itself"},
		"a placeholder that is not to be had":  {files("{env.TEST_NO_SUCH_NAME}", in("key")), "resolving client_certificate"},
		"a key by one that is not to be had":   {files(in("certificate"), "{env.TEST_NO_SUCH_NAME}"), "resolving client_certificate key"},
		"beside a secret":                      {with("client_secret", "a"), "client_certificate: it takes the place of 'client_secret'"},
		"beside the next secret":               {with("next_client_secret", "a"), "client_certificate: it takes the place of 'client_secret'"},
		"beside the method of a secret":        {with("client_auth", "post"), "client_certificate: 'client_auth' says how"},
		"beside a key":                         {with("client_assertion", map[string]any{"key_file": in("key")}), "client_certificate: it takes the place of 'client_assertion'"},
	} {
		t.Run(name, func(t *testing.T) {
			wantLoading(t, tt.settings, tt.want)
		})
	}
}
