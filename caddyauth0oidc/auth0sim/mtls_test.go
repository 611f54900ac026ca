package auth0sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func clientCertificate(t *testing.T, from time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "legacy"}, NotBefore: from, NotAfter: from.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestMTLSTakesRegisteredCertificatesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	registered, other := clientCertificate(t, w.clock.Now()), clientCertificate(t, w.clock.Now())
	late := clientCertificate(t, w.clock.Now().Add(-2*time.Hour))
	server := httptest.NewUnstartedServer(w.network)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	w.network.Handle("mtls.auth0.test", w.Master)
	w.App.TokenEndpointAuthMethod, w.App.Certificates = tlsClientAuth, []*x509.Certificate{registered.Leaf, late.Leaf}
	for name, tt := range map[string]struct {
		present       []tls.Certificate
		secret        string
		host, aliases string
		want          int
		code          string
	}{
		"none":                              {nil, "", w.Master.Host(), "", 401, "access_denied"},
		"another one":                       {[]tls.Certificate{other}, "", w.Master.Host(), "", 401, "invalid_client"},
		"one that has expired":              {[]tls.Certificate{late}, "", w.Master.Host(), "", 401, "invalid_client"},
		"with a secret":                     {[]tls.Certificate{registered}, w.App.ClientSecret, w.Master.Host(), "", 401, "access_denied"},
		"the right one":                     {[]tls.Certificate{registered}, "", w.Master.Host(), "", 200, ""},
		"the right one at the plain host":   {[]tls.Certificate{registered}, "", w.Master.Host(), "mtls.auth0.test", 401, "invalid_client"},
		"the right one at the host for it":  {[]tls.Certificate{registered}, "", "mtls.auth0.test", "mtls.auth0.test", 200, ""},
		"another one at the host for these": {[]tls.Certificate{other}, "", "mtls.auth0.test", "mtls.auth0.test", 401, "invalid_client"},
	} {
		w.Master.Configure(func(s *Settings) { s.MTLSHost = tt.aliases })
		form := w.codeForm(w.login(nil))
		if form.Del("client_secret"); tt.secret != "" {
			form.Set("client_secret", tt.secret)
		}
		r, err := http.NewRequest(http.MethodPost, server.URL+"/oauth/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		transport := server.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = tt.present
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answered := make([]byte, 4096)
		n, _ := response.Body.Read(answered)
		_ = response.Body.Close()
		transport.CloseIdleConnections()
		if response.StatusCode != tt.want || tt.code != "" && !strings.Contains(string(answered[:n]), `"`+tt.code+`"`) {
			t.Errorf("%s: %d %s", name, response.StatusCode, answered[:n])
		}
		w.browser = NewBrowser(w.network)
	}
}

func TestMTLSAliasesAreInDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Master.MTLSHost = "mtls.auth0.test"
	read := func() map[string]any {
		r, _ := http.NewRequest(http.MethodGet, w.Master.base()+"/.well-known/openid-configuration", nil)
		_, document := w.send(r)
		return document
	}
	aliases := read()["mtls_endpoint_aliases"].(map[string]any)
	if aliases["token_endpoint"] != "https://mtls.auth0.test/oauth/token" || aliases["pushed_authorization_request_endpoint"] != nil {
		t.Errorf("%v", aliases)
	}
	w.Master.Configure(func(s *Settings) { s.AdvertisePAR = true })
	if aliases = read()["mtls_endpoint_aliases"].(map[string]any); aliases["pushed_authorization_request_endpoint"] != "https://mtls.auth0.test/oauth/par" {
		t.Errorf("%v", aliases)
	}
}
