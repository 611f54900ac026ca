package tenant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func loopbackServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func TestLocalhostNamesAreThisMachine(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][]string{
		"acme.localhost:9001":    {"127.0.0.1:9001", "[::1]:9001"},
		"LOCALHOST:80":           {"127.0.0.1:80", "[::1]:80"},
		"acme.eu.auth0.com:443":  {"acme.eu.auth0.com:443"},
		"localhost.evil.com:443": {"localhost.evil.com:443"},
		"127.0.0.1:1":            {"127.0.0.1:1"},
	} {
		var dialed []string
		refused := errors.New("refused")
		dial := dialLocalhost(func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = append(dialed, address)
			return nil, refused
		})
		if _, err := dial(t.Context(), "tcp", address); !errors.Is(err, refused) || !slices.Equal(dialed, want) {
			t.Errorf("%s dialed %v, %v", address, dialed, err)
		}
	}
}

func TestATenantOnLocalhostIsReached(t *testing.T) {
	t.Parallel()
	var issuer string
	server := loopbackServer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, toJSON(object{"issuer": issuer, "authorization_endpoint": issuer + "a", "token_endpoint": issuer + "t", "jwks_uri": issuer + "k"}))
	})
	issuer = strings.Replace(server.URL, "127.0.0.1", "acme.localhost", 1) + "/"
	tn, err := New(Config{Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tn.Metadata(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoProxyForLoopbackHosts(t *testing.T) {
	t.Parallel()
	proxied := exceptLoopback(func(*http.Request) (*url.URL, error) { return &url.URL{Host: "proxy.example"}, nil })
	for host, want := range map[string]bool{"acme.localhost": false, "localhost:1": false, "127.0.0.1": false, "[::1]:80": false, "acme.eu.auth0.com": true} {
		proxy, err := proxied(httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil))
		if (proxy != nil) != want || err != nil {
			t.Errorf("%s goes through %v, %v", host, proxy, err)
		}
	}
}

func TestFAULT_17_ASVS_24_CertificatesThatAreNotTrusted(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	trusting := func(change func(*tls.Config)) *http.Transport {
		transport := NewTransport(Egress{})
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
		change(transport.TLSClientConfig)
		return transport
	}
	for name, tt := range map[string]struct {
		transport *http.Transport
		want      error
	}{
		"self-signed": {NewTransport(Egress{}), errUntrusted},
		"wrong name":  {trusting(func(c *tls.Config) { c.ServerName = "other.example" }), errOtherHost},
		"expired":     {trusting(func(c *tls.Config) { c.Time = func() time.Time { return time.Now().AddDate(200, 0, 0) } }), errCertificate},
	} {
		tn, err := New(Config{Issuer: server.URL + "/", Transport: tt.transport})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tn.Metadata(t.Context())
		if wantUnavailable(t, err); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFAULT_09_BrokenAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		raw  string
		want error
	}{
		"content-length lies": {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", errInterruptedEOF},
		"chunked garbage":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsekret", nil},
		"no HTTP":             {"sekret sekret\r\n\r\n", errNoHTTP},
		"closed at once":      {"", nil},
		"huge header":         {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("sekret", 1<<16) + "\r\n\r\n", nil},
		"declared too large":  {"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", errTooLarge},
	} {
		server := loopbackServer(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, tt.raw)
			_ = conn.Close()
		})
		tn, err := New(Config{Issuer: server.URL + "/"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tn.Metadata(t.Context())
		if wantUnavailable(t, err); strings.Contains(err.Error(), "sekret") {
			t.Errorf("%s: CVE-LIB-26: %v", name, err)
		}
		if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFAULT_05_RetryAfter(t *testing.T) {
	t.Parallel()
	now := newClock().Now()
	for _, tt := range []struct {
		name, retryAfter, reset string
		want                    time.Duration
	}{
		{"zero", "0", "", time.Second},
		{"five", "5", "", 5 * time.Second},
		{"a day", "86400", "", time.Minute},
		{"negative", "-5", "", time.Second},
		{"beyond int64", "99999999999999999999", "", time.Second},
		{"int64", "9223372036854775807", "", time.Minute},
		{"date", now.Add(30 * time.Second).UTC().Format(http.TimeFormat), "", 30 * time.Second},
		{"date in the past", now.Add(-time.Hour).UTC().Format(http.TimeFormat), "", time.Second},
		{"date far away", "Fri, 31 Dec 9999 23:59:59 GMT", "", time.Minute},
		{"garbage", "soon", "", time.Second},
		{"none", "", "", time.Second},
		{"reset", "", fmt.Sprint(now.Add(9 * time.Second).Unix()), 9 * time.Second},
		{"reset in milliseconds", "", fmt.Sprint(now.UnixMilli()), time.Second},
		{"reset in the past", "", "1", time.Second},
		{"both", "3", fmt.Sprint(now.Add(9 * time.Second).Unix()), 3 * time.Second},
	} {
		h := http.Header{}
		h.Set("Retry-After", tt.retryAfter)
		h.Set("X-RateLimit-Reset", tt.reset)
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("5", "1780000000")
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", "-1")
	f.Fuzz(func(t *testing.T, retry, reset string) {
		h := http.Header{"Retry-After": {retry}, "X-Ratelimit-Reset": {reset}}
		if got := retryAfter(h, newClock().Now()); got < minRetryAfter || got > maxRetryAfter {
			t.Errorf("%v", got)
		}
	})
}

func TestCausesCarryNothingOfTheAnswer(t *testing.T) {
	t.Parallel()
	unresolved := &net.DNSError{Err: "i/o timeout", IsTimeout: true}
	for _, tt := range []struct{ err, want error }{
		{fmt.Errorf("x: %w", context.Canceled), context.Canceled},
		{&net.OpError{Op: "dial", Err: context.DeadlineExceeded}, context.DeadlineExceeded},
		{&net.OpError{Op: "dial", Err: unresolved}, unresolved},
		{tls.RecordHeaderError{Msg: "sekret"}, errTLS},
		{io.ErrUnexpectedEOF, errInterruptedEOF},
		{fmt.Errorf("malformed HTTP response %q", "sekret"), errNoHTTP},
	} {
		if got := causeOf(tt.err); !errors.Is(got, tt.want) || strings.Contains(got.Error(), "sekret") {
			t.Errorf("%v became %v", tt.err, got)
		}
	}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	if got := causeOf(refused); got.Error() != refused.Error() {
		t.Errorf("%v became %v", refused, got)
	}
}
