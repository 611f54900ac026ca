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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a network with one server, at whatever address.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// lossy is a connection on which nothing arrives any more once it is lost, and nobody says so.
type lossy struct {
	net.Conn
	lost atomic.Bool
}

func (l *lossy) Write(b []byte) (int, error) {
	if l.lost.Load() {
		return len(b), nil
	}
	return l.Conn.Write(b)
}

// FAULT-03: a connection that a firewall has forgotten is given up, and not kept for all calls until the system gives it up.
func TestFAULT_03_ALostConnectionIsReplaced(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	certified.Close()
	synctest.Test(t, func(t *testing.T) {
		listener, protocol := make(pipes), ""
		server := &http.Server{
			Handler:   http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { protocol = r.Proto }),
			TLSConfig: &tls.Config{Certificates: certified.TLS.Certificates}, ErrorLog: log.New(io.Discard, "", 0),
		}
		go func() { _ = server.ServeTLS(listener, "", "") }()
		var dialed []*lossy
		transport := NewTransport(Egress{})
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AddCert(certified.Certificate())
		defer func() {
			transport.CloseIdleConnections()
			_ = server.Close()
		}()
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			listener <- far
			dialed = append(dialed, &lossy{Conn: near})
			return dialed[len(dialed)-1], nil
		}
		get := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), defaultTimeout)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com/", http.NoBody)
			if err != nil {
				return err
			}
			response, err := transport.RoundTrip(r)
			if err == nil {
				_ = response.Body.Close()
			}
			return err
		}
		if err := get(); err != nil || protocol != "HTTP/2.0" {
			t.Fatal(protocol, err)
		}
		dialed[0].lost.Store(true)
		if err := get(); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if err := get(); err != nil || len(dialed) != 2 {
			t.Errorf("%v after %d connections", err, len(dialed))
		}
	})
}
