package caddyauth0oidc

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// mtlsWorld is a world whose tenants ask for a certificate at every connection, and take notes.
type mtlsWorld struct {
	*world
	pem, key string // the files of client_certificate
	settings string // the whole block

	mu   sync.Mutex
	seen []presented
}

// presented is a request to the master, with the certificate of its connection.
type presented struct {
	host, path, from string
	form             url.Values
	certificate      *x509.Certificate
}

const mtlsName = "mtls.master.localhost"

func newMTLSWorld(t *testing.T, more string, options ...worldOption) *mtlsWorld {
	t.Helper()
	own, folder := newAuthority(t), t.TempDir()
	w := &mtlsWorld{pem: filepath.Join(folder, "client.pem"), key: filepath.Join(folder, "key.pem")}
	key := newTestKey()
	certificate := newCertificate(key, time.Now().Add(time.Hour))
	writeKey(t, w.key, key)
	writeCertificate(t, w.pem, certificate, keyTime)
	w.settings = "domain DOMAIN\nclient_id CLIENT_ID\nconnection acme-child\nclient_certificate " + w.pem + " " + w.key +
		"\nhttp {\ntrust_pool file " + own.file + "\n}\n" + more
	asking := own.server("master.localhost", mtlsName)
	asking.ClientAuth = tls.RequestClientCert
	at := func(s *worldSetup) { s.tls, s.site = asking, "auth0_oidc {\n"+w.settings+"\n}\nreverse_proxy UPSTREAM" }
	w.world = newWorld(t, append([]worldOption{at}, options...)...)
	w.registers(certificate)
	w.pair.Master.Intercept = w.note
	return w
}

func (w *mtlsWorld) registers(certificates ...*x509.Certificate) {
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) {
		a.TokenEndpointAuthMethod, a.Certificates = "tls_client_auth", certificates
	})
}

// hasAliases gives the master endpoints for those with a certificate.
func (w *mtlsWorld) hasAliases() string {
	_, port, _ := strings.Cut(w.pair.Master.Host(), ":")
	host := mtlsName + ":" + port
	w.network.Handle(host, w.pair.Master)
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.MTLSHost, s.AdvertisePAR = host, true })
	return host
}

func (w *mtlsWorld) note(_ http.ResponseWriter, r *http.Request) bool {
	if r.RemoteAddr == "192.0.2.1:49152" { // the browser, without sockets
		return false
	}
	p := presented{host: r.Host, path: r.URL.Path, from: r.RemoteAddr}
	raw, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Body = io.NopCloser(bytes.NewReader(raw))
	p.form, _ = url.ParseQuery(string(raw))
	if len(r.TLS.PeerCertificates) > 0 {
		p.certificate = r.TLS.PeerCertificates[0]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, p)
	return false
}

func (w *mtlsWorld) take() []presented {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.seen
	w.seen = nil
	return all
}

// The certificate is shown at the endpoints that need it, over connections that carry nothing else.
func TestLoginWithACertificate(t *testing.T) {
	t.Parallel()
	w := newMTLSWorld(t, "profile userinfo")
	w.pair.Master.AdvertisePAR = true
	if !w.signedInTwice() {
		t.Fatal("not signed in\n" + w.logs())
	}
	with, without, paths := map[string]bool{}, map[string]bool{}, map[string]int{}
	for _, p := range w.take() {
		paths[p.path]++
		needs := p.path == "/oauth/token" || p.path == "/oauth/par"
		if needs != (p.certificate != nil) || p.host != w.pair.Master.Host() {
			t.Errorf("%s at %s: a certificate: %v", p.path, p.host, p.certificate != nil)
		}
		if !needs {
			without[p.from] = true
			continue
		}
		with[p.from] = true
		if p.form.Get("client_id") != w.pair.App.ClientID || p.form.Has("client_secret") || p.form.Has("client_assertion") {
			t.Errorf("%s was sent %v", p.path, p.form)
		}
	}
	for from := range with {
		if without[from] {
			t.Errorf("the connection %s has a certificate and carried other requests", from)
		}
	}
	if paths["/oauth/token"] != 2 || paths["/oauth/par"] != 2 || paths["/userinfo"] != 2 || paths["/.well-known/jwks.json"] != 1 {
		t.Errorf("asked for %v", paths)
	}
}

func TestACertificateIsReplacedWithoutARestart(t *testing.T) {
	t.Parallel()
	w := newMTLSWorld(t, "")
	second := newTestKey()
	certificate := newCertificate(second, time.Now().Add(time.Hour))
	if !w.signedIn() {
		t.Fatal("not signed in")
	}
	writeCertificate(t, w.pem, certificate, keyTime.Add(time.Minute)) // the key is still the first one
	if !w.signedInTwice() {
		t.Error("a pair that does not fit ended the last good one")
	}
	if n := strings.Count(w.logs(), "the files of client_certificate have changed and cannot be used"); n != 1 {
		t.Errorf("the log says so %d times", n)
	}
	w.take()
	writeKeyAt(t, w.key, second, keyTime.Add(time.Minute))
	w.registers(certificate)
	if !w.signedIn() {
		t.Error("not signed in with the second certificate")
	}
	for _, p := range w.take() {
		if p.path == "/oauth/token" && !certificate.Equal(p.certificate) {
			t.Error("the first certificate was presented again")
		}
	}
	for _, secret := range []string{"BEGIN", base64.StdEncoding.EncodeToString(certificate.Raw)[:40]} {
		if strings.Contains(w.logs(), secret) {
			t.Error("INV-04: content of the files is in the log")
		}
	}
}

func TestACertificateThatHasExpiredIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newMTLSWorld(t, "")
	if !w.signedIn() || strings.Contains(w.logs(), "client_certificate") {
		t.Fatal("not signed in, or a warning\n" + w.logs())
	}
	w.clock.advance(2 * time.Hour)
	for range 2 {
		page := w.signIn(w.browser(), "/page", w.pair.User)
		if page.Status != http.StatusBadGateway || !strings.Contains(page.Body, codeTokenRefused) {
			t.Errorf("%d %s", page.Status, page.Body)
		}
	}
	if n := strings.Count(w.logs(), "the certificate of client_certificate expired at"); n != 1 {
		t.Errorf("the log says so %d times", n)
	}
}

func TestACertificateThatTheTenantDoesNotKnowIsRefusedOnce(t *testing.T) {
	t.Parallel()
	w := newMTLSWorld(t, "")
	w.registers(newCertificate(newTestKey(), time.Now().Add(time.Hour)))
	page := w.signIn(w.browser(), "/page", w.pair.User)
	if page.Status != http.StatusBadGateway || !strings.Contains(page.Body, codeTokenRefused) || w.pair.Master.Calls("/oauth/token") != 1 {
		t.Errorf("%d after %d requests: %s", page.Status, w.pair.Master.Calls("/oauth/token"), page.Body)
	}
}

// Handlers of one tenant and client share what is known of it, but no connections with certificates.
func TestCertificatesOfSeveralSitesAreNotMixed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	otherKey := newTestKey()
	other := newCertificate(otherKey, time.Now().Add(time.Hour))
	writeKey(t, filepath.Join(folder, "key.pem"), otherKey)
	writeCertificate(t, filepath.Join(folder, "client.pem"), other, keyTime)
	w := newMTLSWorld(t, "", func(s *worldSetup) {
		first := s.site
		second := strings.Replace(first, "client_certificate ", "client_certificate "+folder+"/client.pem "+folder+"/key.pem #", 1)
		s.site = first + "\n}\nhttps://b.example.test {\n" + second
	})
	own := w.pair.Master
	first := slices.Clone(w.registered())[0]
	w.registers(first, other)
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) {
		a.Callbacks = append(a.Callbacks, "https://b.example.test/auth/callback")
	})
	w.network.Handle("b.example.test", w.server)
	for range 2 {
		for base, want := range map[string]*x509.Certificate{"https://app.example.test": first, "https://b.example.test": other} {
			w.base = base
			w.take()
			if !w.signedIn() {
				t.Fatalf("not signed in at %s\n%s", base, w.logs())
			}
			for _, p := range w.take() {
				if p.path == "/oauth/token" && !want.Equal(p.certificate) {
					t.Errorf("%s presented the certificate of another site", base)
				}
			}
		}
	}
	if n := own.Calls("/.well-known/jwks.json"); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

func (w *mtlsWorld) registered() (all []*x509.Certificate) {
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { all = a.Certificates })
	return all
}
