package tenant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// dialling is a transport as it is in use, but for where its connections come from.
func dialling(e Egress, dial dialFunc) *http.Transport {
	transport := NewTransport(e)
	transport.DialContext = dial
	return transport
}

// overPipe is a network whose other side does with each connection what serve says.
func overPipe(t *testing.T, serve func(net.Conn)) dialFunc {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = theirs.Close() })
		go serve(theirs)
		return ours, nil
	}
}

// afterRequest reads a request before it answers.
func afterRequest(answer func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Read(make([]byte, 4096)); err == nil {
			answer(c)
		}
	}
}

// Whatever a slow tenant does, it is given up after the timeout, from the connection to the last byte.
func TestFAULT_03_EachWayToBeSlowEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
	for name, tt := range map[string]struct {
		issuer string
		serve  func(net.Conn)
		most   time.Duration
	}{
		"no headers": {"http://localhost/", afterRequest(func(net.Conn) {}), defaultTimeout},
		"a byte a second": {"http://localhost/", afterRequest(func(c net.Conn) {
			for _, b := range []byte(head) {
				time.Sleep(time.Second)
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		}), defaultTimeout},
		"a body of a byte a second": {"http://localhost/", afterRequest(func(c net.Conn) {
			_, err := io.WriteString(c, head)
			for err == nil {
				time.Sleep(time.Second)
				_, err = io.WriteString(c, " ")
			}
		}), defaultTimeout},
		"stall within the body":      {"http://localhost/", afterRequest(func(c net.Conn) { _, _ = io.WriteString(c, head+`{"issuer"`) }), defaultTimeout},
		"stall in the TLS handshake": {testIssuer, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, defaultTimeout * 4 / 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			transport := dialling(Egress{Proxy: direct}, overPipe(t, tt.serve))
			tn := must(New(Config{Issuer: tt.issuer, Transport: transport, Random: zeroes{}}))
			start := time.Now()
			_, err := tn.Metadata(t.Context())
			if wantUnavailable(t, err); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != tt.most {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			tn.Close()
			time.Sleep(time.Minute) // what slept on the other side has ended
		})
	}
}

func direct(*http.Request) (*url.URL, error) { return nil, nil }

// Names that do not resolve, do not in time, or do now and then.
func TestFAULT_16_NamesThatDoNotResolve(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"NXDOMAIN": &net.DNSError{Err: "no such host", Name: "acme.eu.auth0.com", IsNotFound: true},
		"SERVFAIL": &net.DNSError{Err: "server misbehaving", Name: "acme.eu.auth0.com", IsTemporary: true},
		"timeout":  &net.DNSError{Err: "i/o timeout", Name: "acme.eu.auth0.com", IsTimeout: true},
	} {
		c, dialled := newClock(), 0
		transport := dialling(Egress{Proxy: direct}, func(context.Context, string, string) (net.Conn, error) {
			dialled++
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: failure}
		})
		tn := newTestTenant(t, transport, c.Now)
		for range 5 { // within the back-off
			_, err := tn.Metadata(t.Context())
			wantUnavailable(t, err)
			var dns *net.DNSError
			if !errors.As(err, &dns) {
				t.Errorf("%s: the log does not say why: %v", name, err)
			}
		}
		if dialled != 1 {
			t.Errorf("%s: %d lookups", name, dialled)
		}
	}
}

// A resolver that flaps costs nobody a login once there was an answer, or one is kept.
func TestFAULT_16_AResolverThatFlaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, m := newAuthority(), newShelves()
		var asked atomic.Int64
		flapping := roundTrip(func(r *http.Request) (*http.Response, error) {
			if asked.Add(1)%2 == 1 {
				return a.RoundTrip(r)
			}
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
		})
		for process := range 6 {
			tn, _ := remembering(t, flapping, nil, m)
			verify := verifying(t, tn)
			for range 10 {
				err := verify(rsaOne(), "one")
				if process > 1 && err != nil {
					t.Errorf("process %d: %v", process, err)
				}
				time.Sleep(metadataFresh)
			}
			tn.Close()
		}
	})
}

// tlsServer answers discovery over TLS of that configuration.
func tlsServer(t *testing.T, configure func(*tls.Config)) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{}
	configure(server.TLS)
	server.StartTLS()
	t.Cleanup(server.Close)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		issuer := server.URL + "/"
		_, _ = io.WriteString(w, toJSON(discovery(object{
			"issuer": issuer, "authorization_endpoint": issuer + "a", "token_endpoint": issuer + "t", "jwks_uri": issuer + "k",
		})))
	})
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, roots
}

func TestFAULT_17_OldAndPickyServers(t *testing.T) {
	t.Parallel()
	old, roots := tlsServer(t, func(c *tls.Config) { c.MaxVersion, c.MinVersion = tls.VersionTLS11, tls.VersionTLS10 })
	tn := must(New(Config{Issuer: old.URL + "/", Egress: Egress{Roots: roots}}))
	_, err := tn.Metadata(t.Context())
	wantUnavailable(t, err)
	if !errors.Is(err, errTLS) && !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1 only: %v", err)
	}
	var named string
	picky, roots := tlsServer(t, func(c *tls.Config) {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			named = hello.ServerName
			return nil, nil
		}
	})
	issuer := "https://acme.eu.auth0.com/"
	transport := NewTransport(Egress{Roots: roots, Proxy: direct})
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, picky.Listener.Addr().String())
	}
	tn = must(New(Config{Issuer: issuer, Transport: transport}))
	if _, err = tn.Metadata(t.Context()); named != "acme.eu.auth0.com" || !errors.Is(err, errOtherHost) {
		t.Errorf("the server was asked for %q: %v", named, err)
	}
}

// refusingSOCKS gives the address of a proxy that speaks SOCKS and connects nobody (RFC 1928 sections 3 and 6).
func refusingSOCKS(t *testing.T) string {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 64))
		_, _ = conn.Write([]byte{5, 0})
		_, _ = conn.Read(make([]byte, 512))
		_, _ = conn.Write([]byte{5, 2, 0, 1, 0, 0, 0, 0, 0, 0}) // not allowed by the rules
		_, _ = io.Copy(io.Discard, conn)
	}()
	return listener.Addr().String()
}

// What is in front of the tenant fails, and never speaks in its place.
func TestFAULT_18_ProxiesThatFail(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	connecting := func(answer, inside string) *httptest.Server {
		return loopbackServer(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, answer)
			_, _ = conn.Read(make([]byte, 4096)) // the beginning of the TLS handshake, or the end
			_, _ = io.WriteString(conn, inside)
			_, _ = io.Copy(io.Discard, conn) // until the client gives up
		})
	}
	const page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>sekret</html>"
	isProxy := func(err error) bool { return outcomeOfError(err) == OutcomeProxy }
	for name, tt := range map[string]struct {
		proxy string
		holds func(error) bool
	}{
		"down": {closed.URL, isProxy},
		"asks for credentials": {
			connecting("HTTP/1.1 407 sekret\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "").URL,
			func(err error) bool { var p *ProxyError; return errors.As(err, &p) && p.Status == 407 && isProxy(err) },
		},
		"a page in place of TLS": {connecting("HTTP/1.1 200 OK\r\n\r\n", page).URL, func(err error) bool { return errors.Is(err, errTLS) }},
		"no HTTP":                {connecting("sekret\r\n\r\n", "").URL, func(error) bool { return true }},
		"down, of SOCKS":         {"socks5" + strings.TrimPrefix(closed.URL, "http"), isProxy},
		"SOCKS that refuses":     {"socks5://" + refusingSOCKS(t), isProxy},
	} {
		u := must(url.Parse(tt.proxy))
		tn := must(New(Config{Issuer: testIssuer, Egress: Egress{Proxy: http.ProxyURL(u)}}))
		_, err := tn.Metadata(t.Context())
		if wantUnavailable(t, err); !tt.holds(err) || strings.Contains(err.Error(), "sekret") {
			t.Errorf("%s: %v", name, err)
		}
		tn.Close()
	}
}
