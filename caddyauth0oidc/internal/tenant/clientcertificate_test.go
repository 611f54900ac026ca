package tenant

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// selfSigned makes a certificate in PEM, of a name.
func selfSigned(name string, key crypto.Signer) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: newClock().Now().Add(-time.Hour), NotAfter: newClock().Now().Add(time.Hour),
	}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))
}

// certificateFiles are the two files of a certificate.
type certificateFiles struct{ certificate, key *keyFile }

func newCertificateFiles(t *testing.T, certificate, key []byte) certificateFiles {
	return certificateFiles{newKeyFile(t, certificate), newKeyFile(t, key)}
}

func (f certificateFiles) load(e Egress, now func() time.Time, told *warnings) (*ClientCertificate, error) {
	return NewClientCertificate(CertificateConfig{File: f.certificate.path, KeyFile: f.key.path, Egress: e, Now: now, Warn: told.add})
}

// asking is a tenant on loopback that asks for a certificate at every connection and keeps the names of those presented.
type asking struct {
	*httptest.Server
	answers *authority
	config  *tls.Config

	mu    sync.Mutex
	shown []string // by request, "-" for none
	from  []string
}

func newAsking(t *testing.T) *asking {
	s := &asking{answers: newAuthority(), config: &tls.Config{ClientAuth: tls.RequestClientCert}}
	s.Server = httptest.NewUnstartedServer(s)
	s.TLS, s.Config.ErrorLog = s.config, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	s.answers.serve(discoveryPath, claims(discovery(nil)).with(object{
		"issuer": s.URL + "/", "token_endpoint": s.URL + tokenPath, "jwks_uri": s.URL + jwksPath,
		"mtls_endpoint_aliases": object{"token_endpoint": s.URL + "/alias"},
	}))
	s.answers.serve(tokenPath, tokenAnswer(nil))
	s.answers.serve("/alias", tokenAnswer(nil))
	return s
}

func (s *asking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := "-"
	if len(r.TLS.PeerCertificates) > 0 {
		name = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	s.mu.Lock()
	s.shown, s.from = append(s.shown, r.URL.Path+" "+name), append(s.from, r.RemoteAddr)
	s.mu.Unlock()
	response, err := s.answers.RoundTrip(r)
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.Copy(w, response.Body)
}

func (s *asking) take() (shown, from []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown, from = s.shown, s.from
	s.shown, s.from = nil, nil
	return shown, from
}

func (s *asking) egress() Egress {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return Egress{Roots: roots}
}

func TestACertificateIsPresentedAtTheTokenEndpointAlone(t *testing.T) {
	t.Parallel()
	s, told := newAsking(t), &warnings{}
	// A server may name authorities, and a self-signed certificate is from none of them.
	s.config.ClientCAs = x509.NewCertPool()
	s.config.ClientCAs.AddCert(s.Certificate())
	c := must(newCertificateFiles(t, selfSigned("one", ecOne()), pkcs8(ecOne())).load(s.egress(), newClock().Now, told))
	tn := must(New(Config{Issuer: s.URL + "/", Egress: s.egress()}))
	app := Application{ClientID: testClient, ClientSecret: "unused", NextClientSecret: "unused too", Method: AuthBasic, Certificate: c}
	for range 2 {
		if err := exchangeAs(t, tn, app); err != nil {
			t.Fatal(err)
		}
	}
	sent := s.answers.last()
	if sent.auth != "" || sent.form.Has("client_secret") || sent.form.Get("client_id") != testClient {
		t.Errorf("sent %v, %q", sent.form, sent.auth)
	}
	shown, from := s.take()
	if !slices.Equal(shown, []string{discoveryPath + " -", "/alias one", "/alias one"}) || from[0] == from[1] || from[1] != from[2] {
		t.Errorf("%v from %v", shown, from)
	}
	secret := Application{ClientID: testClient, ClientSecret: "a"}
	if err := exchangeAs(t, tn, secret); err != nil {
		t.Fatal(err)
	}
	if shown, again := s.take(); !slices.Equal(shown, []string{tokenPath + " -"}) || again[0] == from[1] {
		t.Errorf("RP-CMP-09: %v from %v", shown, again)
	}
	c.Close()
	if err := exchangeAs(t, tn, app); err != nil {
		t.Fatal(err)
	}
	if _, again := s.take(); again[0] == from[1] {
		t.Error("the connection outlived its configuration")
	}
	if complaints := told.take(); len(complaints) != 0 {
		t.Errorf("warned %q", complaints)
	}
}

func TestACertificateIsNotPresentedToStrangers(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	c := must(newCertificateFiles(t, selfSigned("one", ecOne()), pkcs8(ecOne())).load(Egress{}, newClock().Now, &warnings{}))
	tn := must(New(Config{Issuer: s.URL + "/", Egress: s.egress()}))
	err := exchangeAs(t, tn, Application{ClientID: testClient, Certificate: c})
	if wantUnavailable(t, err); !errors.Is(err, errUntrusted) {
		t.Errorf("FAULT-17: %v", err)
	}
	if shown, _ := s.take(); !slices.Equal(shown, []string{discoveryPath + " -"}) {
		t.Errorf("asked %v", shown)
	}
}

func TestTheConnectionsWithACertificateHaveTheTimeout(t *testing.T) {
	t.Parallel()
	s, over := newAsking(t), make(chan struct{})
	s.answers.handle("/alias", func(http.ResponseWriter, *http.Request) { <-over })
	defer close(over)
	e := s.egress()
	e.Timeout = 200 * time.Millisecond
	c := must(newCertificateFiles(t, selfSigned("one", ecOne()), pkcs8(ecOne())).load(e, newClock().Now, &warnings{}))
	before := time.Now()
	err := exchangeAs(t, must(New(Config{Issuer: s.URL + "/", Egress: e})), Application{ClientID: testClient, Certificate: c})
	if wantUnavailable(t, err); time.Since(before) > 3*time.Second {
		t.Errorf("%v after %v", err, time.Since(before))
	}
}

// tunnel is a proxy that leads to one address, whatever it is asked for.
func tunnel(to string, seen func(*http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		seen(r)
		there, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer there.Close()
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		go func() {
			_, _ = io.Copy(there, buffered)
			_ = there.Close()
		}()
		_, _ = io.Copy(here, there)
	}
}

func TestAProxyOnTheWaySeesNoCertificate(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		s, certificates, asked := newAsking(t), 0, ""
		var mu sync.Mutex
		proxy := httptest.NewUnstartedServer(tunnel(s.Listener.Addr().String(), func(r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if asked = r.Host; r.TLS != nil {
				certificates += len(r.TLS.PeerCertificates)
			}
		}))
		proxy.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		if scheme == "https" {
			proxy.StartTLS()
		} else {
			proxy.Start()
		}
		t.Cleanup(proxy.Close)
		e := s.egress()
		if scheme == "https" {
			e.Roots.AddCert(proxy.Certificate())
		}
		e.Proxy = http.ProxyURL(must(url.Parse(proxy.URL)))
		c := must(newCertificateFiles(t, selfSigned("one", ecOne()), pkcs8(ecOne())).load(e, newClock().Now, &warnings{}))
		s.answers.serve(discoveryPath, claims(discovery(nil)).with(object{
			"issuer": s.URL + "/", "mtls_endpoint_aliases": object{"token_endpoint": "https://mtls.example.com/alias"},
		}))
		tn := must(New(Config{Issuer: s.URL + "/", Egress: e}))
		if err := exchangeAs(t, tn, Application{ClientID: testClient, Certificate: c}); err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		shown, _ := s.take()
		mu.Lock()
		if !slices.Equal(shown, []string{discoveryPath + " -", "/alias one"}) || asked != "mtls.example.com:443" || certificates != 0 {
			t.Errorf("%s: %v; the proxy was asked for %s with %d certificates", scheme, shown, asked, certificates)
		}
		mu.Unlock()
	}
}

func TestACertificateIsReplacedWithoutARestart(t *testing.T) {
	t.Parallel()
	s, told, clock := newAsking(t), &warnings{}, newClock()
	files := newCertificateFiles(t, selfSigned("one", ecOne()), pkcs8(ecOne()))
	c := must(files.load(s.egress(), clock.Now, told))
	tn := must(New(Config{Issuer: s.URL + "/", Egress: s.egress()}))
	shows := func(want string, complaints int) {
		t.Helper()
		for range 2 {
			if err := exchangeAs(t, tn, Application{ClientID: testClient, Certificate: c}); err != nil {
				t.Fatal(err)
			}
		}
		if shown, _ := s.take(); !slices.Equal(shown[len(shown)-2:], []string{"/alias " + want, "/alias " + want}) {
			t.Errorf("presented %v, want %s", shown, want)
		}
		if got := told.take(); len(got) != complaints || strings.Contains(fmt.Sprint(got), "sekret") {
			t.Errorf("warned %q, want %d", got, complaints)
		}
	}
	shows("one", 0)
	files.certificate.write(selfSigned("two", rsaTwo()))
	shows("one", 1) // the key is another one still
	files.key.write(pkcs8(rsaTwo()))
	shows("two", 0)
	files.key.write([]byte("sekret"))
	shows("two", 1)
	if err := os.Remove(files.certificate.path); err != nil {
		t.Fatal(err)
	}
	shows("two", 1)
	files.key.write(pkcs8(ecLarge()))
	files.certificate.write(append(selfSigned("three", ecLarge()), selfSigned("its authority", ecOne())...))
	shows("three", 0)
	clock.advance(2 * time.Hour)
	shows("three", 1)
	clock.advance(-4 * time.Hour)
	shows("three", 1)
	if _, err := files.load(s.egress(), clock.Now, told); err != nil || len(told.take()) != 1 {
		t.Errorf("loaded before it is valid: %v, or without a warning", err)
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	good := selfSigned("one", ecOne())
	sekret := []byte("sekret")
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for name, tt := range map[string]struct {
		certificate, key []byte
		want             string
	}{
		"empty":             {nil, pkcs8(ecOne()), "no certificate"},
		"no PEM":            {sekret, pkcs8(ecOne()), "no certificate"},
		"the key":           {pkcs8(ecOne()), pkcs8(ecOne()), "no certificate"},
		"damaged":           {block("CERTIFICATE", sekret), pkcs8(ecOne()), "damaged"},
		"a damaged one too": {append(slices.Clone(good), block("CERTIFICATE", sekret)...), pkcs8(ecOne()), "damaged"},
		"too large":         {make([]byte, maxKeyFile+1), pkcs8(ecOne()), "too large for a certificate"},
		"no key":            {good, good, "no private key"},
		"an encrypted key":  {good, block("ENCRYPTED PRIVATE KEY", sekret), "encrypted"},
		"another key":       {good, pkcs8(ecLarge()), "not that of the certificate"},
		"of another kind":   {good, pkcs8(rsaOne()), "not that of the certificate"},
		"1024 bits":         {selfSigned("small", rsaSmall()), pkcs8(rsaSmall()), "1024 bits"},
		"Ed25519":           {selfSigned("ed", ed), pkcs8(ed), "RSA, P-256 or P-384"},
		"authority first":   {append(selfSigned("its authority", ecLarge()), good...), pkcs8(ecOne()), "has to be the first one"},
	} {
		c, err := newCertificateFiles(t, tt.certificate, tt.key).load(Egress{}, newClock().Now, &warnings{})
		if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sekret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestINV_04_ACertificatesKeyShowsItselfToNobody(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"the certificate": string(selfSigned("one", ecOne())), "empty": " ", "missing": filepath.Join(t.TempDir(), "x.pem")} {
		_, err := NewClientCertificate(CertificateConfig{File: path, KeyFile: path})
		if err == nil || name != "missing" && CheckCertificateFile(path) == nil || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := must(newCertificateFiles(t, selfSigned("one", ecOne()), pkcs8(ecOne())).load(Egress{}, nil, &warnings{}))
	shown := must(json.Marshal(Application{Certificate: c}))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		shown = fmt.Appendf(shown, verb, c)
	}
	if bytes.Contains(shown, fmt.Append(nil, secretNumber(ecOne()))) || !bytes.Contains(shown, []byte(redacted)) {
		t.Errorf("shown: %s", shown)
	}
}

// An alias may be all that a tenant offers; without a certificate there is none.
func TestRP_CMP_09_AliasOfPushedRequests(t *testing.T) {
	t.Parallel()
	md := &Metadata{TokenEndpoint: "https://a/t", MTLSAliases: Aliases{PushedAuthorizationEndpoint: "https://m/p"}}
	for _, tt := range []struct {
		app  Application
		want string
	}{{Application{Certificate: new(ClientCertificate)}, "https://m/p"}, {Application{}, ""}} {
		at, err := md.endpointsOf(tt.app, exchanging)
		if at != (endpoints{token: "https://a/t", pushed: tt.want}) || err != nil {
			t.Errorf("%+v, %v", at, err)
		}
		if endpoint, err := (AuthorizeRequest{}).pushesTo(md, tt.app); endpoint != tt.want || err != nil {
			t.Errorf("pushed to %q, %v", endpoint, err)
		}
	}
}

// Aliases that cannot be used are nothing to those without a certificate, and the others are told before anything is sent.
func TestRP_CMP_09_UnusableAliasesHurtCertificatesAlone(t *testing.T) {
	t.Parallel()
	c := must(newCertificateFiles(t, selfSigned("one", ecOne()), pkcs8(ecOne())).load(Egress{}, newClock().Now, &warnings{}))
	for name, tt := range map[string]struct {
		member any
		want   error
	}{
		"http":         {object{"token_endpoint": "http://acme.eu.auth0.com/oauth/token"}, errAlias},
		"relative":     {object{"pushed_authorization_request_endpoint": "/oauth/par"}, errAlias},
		"no object":    {"https://mtls.example/", errMalformed},
		"a list":       {[]string{}, errMalformed},
		"wrong types":  {object{"token_endpoint": 1}, errMalformed},
		"another case": {object{"Token_Endpoint": "/x"}, nil},
		"none":         {nil, nil},
	} {
		a := newAuthority()
		a.serve(discoveryPath, discovery(object{"mtls_endpoint_aliases": tt.member}))
		a.serve(tokenPath, tokenAnswer(nil))
		tn := newTestTenant(t, a, newClock().Now)
		if _, err := tn.AuthorizeURL(t.Context(), testApp, loginRequest()); err != nil {
			t.Errorf("%s: a login with a secret: %v", name, err)
		}
		if err := exchangeAs(t, tn, testApp); err != nil || a.hits(tokenPath) != 1 {
			t.Errorf("%s: a code with a secret: %v", name, err)
		}
		app := Application{ClientID: testClient, Certificate: c}
		_, err := tn.AuthorizeURL(t.Context(), app, loginRequest())
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: a login with a certificate: %v", name, err)
		}
		if tt.want == nil {
			continue
		}
		wantUnavailable(t, err)
		err = exchangeAs(t, tn, app)
		if wantUnavailable(t, err); !errors.Is(err, tt.want) || a.hits(tokenPath) != 1 {
			t.Errorf("%s: a code with a certificate: %v", name, err)
		}
	}
}

func FuzzCertificates(f *testing.F) {
	f.Add(selfSigned("one", ecOne()))
	f.Add(block("CERTIFICATE", []byte("x")))
	f.Fuzz(func(t *testing.T, text []byte) {
		pair, err := parseCertificates(text)
		if (pair == nil) == (err == nil) || pair != nil && len(pair.Certificate) == 0 {
			t.Errorf("certificate %v, error %v", pair != nil, err)
		}
	})
}
