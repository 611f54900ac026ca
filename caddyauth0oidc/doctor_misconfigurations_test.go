package caddyauth0oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
)

// expiredTLS is the TLS of a server whose certificate ended yesterday.
func expiredTLS(t *testing.T, ca *authority) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der := ca.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"master.localhost"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
	}, key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func certifiedFor(names ...string) func(*testing.T, *authority) *tls.Config {
	return func(_ *testing.T, ca *authority) *tls.Config { return ca.server(names...) }
}

// unreachable is a network in which every request fails.
func unreachable(err error) func(*doctorWorld) {
	return func(w *doctorWorld) { w.dial = func(*http.Request) error { return &net.OpError{Op: "dial", Err: err} } }
}

// discovered answers the request for the discovery document in another way.
func discovered(status int, kind, body string) func(*doctorWorld) {
	return func(w *doctorWorld) {
		w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Path, "/.well-known/openid") {
				return false
			}
			rw.Header().Set("Content-Type", kind)
			rw.Header().Set("Location", "https://login.example.com/")
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
			return true
		}
	}
}

func published(member string, value any) func(*doctorWorld) {
	return func(w *doctorWorld) {
		w.pair.Master.TamperDiscovery = func(document map[string]any) { document[member] = value }
	}
}

func written(settings string) func(*doctorWorld) {
	return func(w *doctorWorld) { w.settings = settings }
}

func one(code string, severity doctor.Severity) map[string]doctor.Severity {
	return map[string]doctor.Severity{code: severity}
}

func TestDoctorNamesWhatIsWrongWithTheWayToTheTenant(t *testing.T) {
	t.Parallel()
	runMisconfigurations(t, []misconfiguration{
		{name: "the domain does not resolve", seed: unreachable(&net.DNSError{Name: "master.localhost", IsNotFound: true}), want: one("dns_unknown", doctor.Failure), remedy: "domain"},
		{name: "the connection is refused", seed: unreachable(syscall.ECONNREFUSED), want: one("tenant_unreachable", doctor.Failure), remedy: "http { proxy }"},
		{name: "nobody answers", seed: unreachable(os.ErrDeadlineExceeded), want: one("tenant_timeout", doctor.Failure), remedy: "http { timeout }"},
		{
			name: "the authority is not trusted", secure: certifiedFor("master.localhost"),
			seed: written(""), want: one("tls_untrusted", doctor.Failure), remedy: "trust_pool",
		},
		{name: "the certificate has expired", secure: expiredTLS, seed: func(*doctorWorld) {}, want: one("tls_expired", doctor.Failure), remedy: "clock"},
		{name: "the certificate is for another name", secure: certifiedFor("other.localhost"), seed: func(*doctorWorld) {}, want: one("tls_other_host", doctor.Failure), remedy: "domain"},
		{
			name: "the tenant speaks plain http", seed: func(w *doctorWorld) { w.domain = "https://master.localhost:" + w.port },
			want: one("tls_failed", doctor.Failure), remedy: "domain",
		},
		{name: "the proxy is away", seed: func(w *doctorWorld) {
			w.dial = func(*http.Request) error { return &net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED} }
		}, want: one("proxy_failed", doctor.Failure), remedy: "http { proxy }"},
	})
}

func TestDoctorNamesWhatIsWrongWithDiscovery(t *testing.T) {
	t.Parallel()
	runMisconfigurations(t, []misconfiguration{
		{name: "there is none", seed: discovered(404, "text/plain", "Not found"), want: one("discovery_missing", doctor.Failure), remedy: "region"},
		{name: "it is an HTML page", seed: discovered(200, "text/html", "<html>"), want: one("discovery_unreadable", doctor.Failure), remedy: "domain"},
		{name: "it is other JSON", seed: discovered(200, "application/json", "{}"), want: one("discovery_unreadable", doctor.Failure), remedy: "domain"},
		{name: "the tenant is in trouble", seed: discovered(503, "text/html", ""), want: one("discovery_failed", doctor.Failure), remedy: "status.auth0.com"},
		{name: "the tenant limits requests", seed: discovered(429, "text/html", ""), want: one("tenant_throttled", doctor.Failure), remedy: "Wait"},
		{name: "it has moved", seed: discovered(301, "text/html", ""), want: one("discovery_redirected", doctor.Failure), remedy: "login.example.com"},
		{name: "the issuer has no slash at its end", seed: func(w *doctorWorld) {
			published("issuer", w.domain)(w)
		}, want: one("issuer_slash", doctor.Failure), remedy: "issuer http://master.localhost"},
		{name: "the configured issuer has no slash at its end", seed: func(w *doctorWorld) {
			w.replace = []string{"domain DOMAIN", "issuer " + w.domain}
		}, want: one("issuer_slash", doctor.Failure), remedy: "issuer http://master.localhost"},
		{name: "the custom domain leads to the canonical one", seed: published("issuer", "https://acme.eu.auth0.com/"), want: one("issuer_custom_domain", doctor.Failure), remedy: "domain acme.eu.auth0.com"},
		{name: "another tenant answers", seed: published("issuer", "https://login.example.com/"), want: one("issuer_other", doctor.Failure), remedy: "domain login.example.com"},
		{name: "it has no keys", seed: published("jwks_uri", ""), want: one("endpoints_missing", doctor.Failure), remedy: "domain"},
		{name: "it does not offer S256", seed: published("code_challenge_methods_supported", []string{"plain"}), want: one("pkce_missing", doctor.Failure), remedy: "domain"},
		{name: "ID tokens are signed with HS256 only", seed: published("id_token_signing_alg_values_supported", []string{"HS256"}), want: one("algorithm_unsupported", doctor.Failure), remedy: "RS256"},
		{name: "the key set is empty", seed: func(w *doctorWorld) {
			w.pair.Master.TamperKeys = func(set *jose.JSONWebKeySet) { set.Keys = []jose.JSONWebKey{} }
		}, want: one("keys_unusable", doctor.Failure), remedy: "RS256"},
		{name: "the key set has secrets only", seed: func(w *doctorWorld) {
			w.pair.Master.TamperKeys = func(set *jose.JSONWebKeySet) {
				set.Keys = []jose.JSONWebKey{{Key: []byte("secret"), KeyID: "1", Algorithm: "HS256"}}
			}
		}, want: one("keys_unusable", doctor.Failure), remedy: "RS256"},
		{name: "the keys are on another host", seed: published("jwks_uri", "http://none.localhost:1/jwks.json"), want: one("keys_failed", doctor.Failure), remedy: "none.localhost"},
		{name: "par is on and not offered", seed: written("par on"), want: one("par_missing", doctor.Failure), remedy: "par auto"},
		{name: "par is off and required", seed: func(w *doctorWorld) {
			w.settings = "par off"
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.AdvertisePAR, s.RequirePAR = true, true })
		}, want: one("par_required", doctor.Failure), remedy: "par auto"},
		{name: "an issuer without a logout endpoint", seed: func(w *doctorWorld) {
			w.replace = []string{"domain DOMAIN", "issuer " + w.domain + "/"}
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.AdvertiseEndSession = false })
		}, want: one("logout_missing", doctor.Warning), remedy: "strategy v2"},
		{name: "the clock is 10 minutes ahead", seed: func(w *doctorWorld) { w.clock.advance(10 * time.Minute) }, want: one("clock_off", doctor.Failure), remedy: "NTP"},
		{name: "the clock is 2 minutes behind", seed: func(w *doctorWorld) { w.clock.advance(-2 * time.Minute) }, want: one("clock_off", doctor.Warning), remedy: "NTP"},
	})
}

func at(address string, settings ...string) func(*doctorWorld) {
	return func(w *doctorWorld) { w.address, w.settings = address, strings.Join(settings, "\n") }
}

func TestDoctorNamesWhatIsWrongWithAddressesAndCookies(t *testing.T) {
	t.Parallel()
	runMisconfigurations(t, []misconfiguration{
		{name: "http behind a proxy of https", seed: at("http://app.example.test"), want: one("proxy_untrusted", doctor.Warning), remedy: "trusted_proxies"},
		{name: "a base URL of http for a site of https", seed: written("base_url http://app.example.test"), want: one("base_url_mixed", doctor.Failure), remedy: "base_url"},
		{name: "a base URL of http", seed: at("http://app.example.test", "base_url http://app.example.test"), want: one("base_url_plain", doctor.Warning), remedy: "https"},
		{name: "a base URL of another host", seed: written("base_url https://other.example.test"), want: one("base_url_foreign", doctor.Failure), remedy: "base_url"},
		{
			name: "a base URL of another host behind a proxy", seed: at("http://app.internal.test", "base_url https://app.example.test"),
			want: one("base_url_foreign", doctor.Warning), remedy: "base_url",
		},
		{
			name: "a base URL for one of two hosts", seed: at("https://app.example.test, https://www.example.test", "base_url https://app.example.test"),
			want: one("base_url_incomplete", doctor.Warning), remedy: "https://www.example.test",
		},
		{name: "any host without a base URL", seed: at("https://*.example.test"), want: one("base_url_needed", doctor.Warning), remedy: "base_url"},
		{name: "a cookie domain that the site is not in", seed: written("session {\ncookie {\ndomain example.com\n}\n}"), want: one("cookie_domain_foreign", doctor.Failure), remedy: "cookie { domain }"},
		{
			name: "a cookie domain that the base URL is not in", seed: written("base_url https://app.example.test\nsession {\ncookie {\ndomain example.com\n}\n}"),
			want: one("cookie_domain_foreign", doctor.Failure), remedy: "cookie { domain }",
		},
		{name: "same_site none without https", seed: func(w *doctorWorld) {
			at("http://app.example.test", "session {\ncookie {\nsame_site none\n}\n}")(w)
		}, want: map[string]doctor.Severity{"same_site_insecure": doctor.Failure, "proxy_untrusted": doctor.Warning}, remedy: "https"},
		{name: "a header limit below the cookies", seed: func(w *doctorWorld) {
			w.global = "servers {\nmax_header_size 4KB\n}"
		}, want: one("header_limit_small", doctor.Failure), remedy: "max_header_size"},
		{name: "a header limit for small cookies only", seed: func(w *doctorWorld) {
			w.global = "servers {\nmax_header_size 12KB\n}"
		}, want: one("header_limit_small", doctor.Warning), remedy: "max_header_size"},
		{name: "a header limit for small cookies only, with tokens", seed: func(w *doctorWorld) {
			w.global, w.settings = "servers {\nmax_header_size 12KB\n}", "refresh on"
		}, want: one("header_limit_small", doctor.Failure), remedy: "max_header_size"},
		{name: "two sites of a cookie domain with different secrets", seed: func(w *doctorWorld) {
			w.settings = "session {\ncookie {\ndomain example.test\n}\n}"
			w.more = "https://other.example.test {\nDIRECTIVE\n}\n"
			w.replace = []string{"https://app.example.test {\nauth0_oidc {", "https://app.example.test {\nauth0_oidc {\nsecret " + adaptSecret}
		}, want: one("secrets_differ", doctor.Failure), remedy: "secret"},
	})
}

func TestDoctorNamesWhatIsWrongWithTheConfiguration(t *testing.T) {
	t.Parallel()
	runMisconfigurations(t, []misconfiguration{
		{name: "a variable that is not set", seed: func(w *doctorWorld) {
			w.replace = []string{"client_secret CLIENT_SECRET", "client_secret {env.DOCTOR_TEST_NOT_SET}"}
		}, want: one("placeholder_unresolved", doctor.Failure), remedy: "--envfile"},
		{name: "an empty file of a secret", seed: func(w *doctorWorld) {
			if err := os.WriteFile(filepath.Join(w.folder, "secret"), nil, 0o600); err != nil {
				w.t.Fatal(err)
			}
			w.replace = []string{"client_secret CLIENT_SECRET", "client_secret {file.FOLDER/secret}"}
		}, want: one("placeholder_unresolved", doctor.Failure), remedy: "{file.*}"},
		{name: "no client id", seed: func(w *doctorWorld) { w.replace = []string{"client_id CLIENT_ID\n", ""} }, want: one("config_invalid", doctor.Failure), remedy: "docs/settings.md"},
		{name: "a short secret from a file", seed: func(w *doctorWorld) {
			if err := os.WriteFile(filepath.Join(w.folder, "secret"), []byte("too short"), 0o600); err != nil {
				w.t.Fatal(err)
			}
			w.settings = "secret {file.FOLDER/secret}"
		}, want: one("secret_short", doctor.Failure), remedy: "openssl rand"},
		{name: "a certificate that is not there", seed: func(w *doctorWorld) {
			w.replace = []string{"client_secret CLIENT_SECRET", "client_certificate FOLDER/none.pem FOLDER/none.key"}
		}, want: one("file_unreadable", doctor.Failure), remedy: "path"},
		{name: "a mistake in the Caddyfile", seed: written("no_such_setting"), want: one("config_invalid", doctor.Failure), remedy: "docs/settings.md"},
		{name: "no directive", seed: func(w *doctorWorld) { w.site = "respond ok" }, want: one("no_directive", doctor.Failure), remedy: "--config"},
		{name: "a directive behind the application", seed: func(w *doctorWorld) {
			w.site = "route {\nreverse_proxy 127.0.0.1:9\nDIRECTIVE\n}"
		}, want: one("directive_unreachable", doctor.Failure), remedy: "auth0_oidc before reverse_proxy"},
		{name: "everybody may pass", seed: written("unauthenticated pass"), want: one("open_to_everybody", doctor.Warning), remedy: "unauthenticated"},
	})
}
