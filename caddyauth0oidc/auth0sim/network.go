// Package auth0sim answers as Auth0 tenants do, inside one process: a master and a child tenant, federated with each
// other, reachable through an in-process transport or a real listener, and as strict as the real service.
//
// A [Network] holds the tenants and the application under test and is the transport of everybody in it. A [Pair] is the
// usual set-up, a master whose connection signs users in at a child. A [Browser] walks through the logins.
package auth0sim

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Network is a set of tenants and other hosts that reach each other without sockets.
type Network struct {
	// Now is the clock of every tenant; the default is time.Now.
	Now func() time.Time
	// Rand is where identifiers, codes and tokens come from; the default is crypto/rand.
	Rand io.Reader
	// Keys makes the signing keys. Networks may share one, because making RSA keys takes long; a Network hands no key
	// to two tenants.
	Keys *KeyPool
	// Outside, if not nil, carries requests to hosts that are not part of the network, such as a real listener.
	Outside http.RoundTripper

	mu       sync.Mutex
	randMu   sync.Mutex
	tenants  map[string]*Tenant
	handlers map[string]http.Handler
	keysUsed map[string]int
}

// NewNetwork returns an empty network with the real clock and real randomness.
func NewNetwork() *Network {
	return &Network{
		Now: time.Now, Rand: rand.Reader, Keys: NewKeyPool(),
		tenants: map[string]*Tenant{}, handlers: map[string]http.Handler{}, keysUsed: map[string]int{},
	}
}

// Tenant returns the tenant of that domain and creates it when there is none. "acme.auth0.test" is an https tenant,
// "http://acme.localhost:9000" an http one. "https://idp.test:8443/acme" lies below a path, as no real tenant does: that is
// its issuer to the byte, and several such tenants may share a host.
func (n *Network) Tenant(domain string) *Tenant {
	at := addressOf(domain)
	n.mu.Lock()
	defer n.mu.Unlock()
	t, ok := n.tenants[at.host+at.path]
	if !ok {
		t = newTenant(n, at)
		n.tenants[at.host+at.path] = t
	}
	return t
}

// Handle adds any other host, such as the application under test, so that one transport serves a whole browser.
func (n *Network) Handle(host string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[canonicalHost(host)] = h
}

// ServeHTTP answers requests of a real listener by their Host header.
func (n *Network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, t := n.lookup(r.Host, r.URL.Path)
	switch {
	case t != nil && t.isDown():
		panic(http.ErrAbortHandler)
	case h == nil:
		http.Error(w, "no such host in this simulated network", http.StatusMisdirectedRequest)
	default:
		h.ServeHTTP(w, r)
	}
}

// RoundTrip delivers a request to the host of its URL. An unknown host fails as its DNS lookup would, a tenant that is
// down as a refused connection. The handler sees none of the values of the client's context, as across a real network.
func (n *Network) RoundTrip(req *http.Request) (*http.Response, error) {
	h, t := n.lookup(req.URL.Host, req.URL.Path)
	if h == nil && n.Outside != nil {
		return n.Outside.RoundTrip(req)
	}
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }() // as http.RoundTripper demands, after errors too
	}
	if h == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
			Err: "no such host", Name: req.URL.Hostname(), IsNotFound: true,
		}}
	}
	if t != nil && (t.isDown() || t.scheme != req.URL.Scheme) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(req.Context(), cancel)
	answer := newAnswer()
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- serve(h, answer, asServerSees(ctx, req))
	}()
	select {
	case err := <-done:
		stop()
		if err != nil {
			return nil, err
		}
		return answer.response(req), nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// lookup finds who answers for an address: a tenant below whose path it lies, a tenant or another handler of the whole
// host, or, on the host of nothing but tenants with paths, nobody with 404.
func (n *Network) lookup(host, path string) (http.Handler, *Tenant) {
	host = canonicalHost(host)
	n.mu.Lock()
	defer n.mu.Unlock()
	var others http.Handler
	var found *Tenant
	for _, t := range n.tenants {
		switch {
		case t.host != host:
		case !t.has(path):
			others = http.NotFoundHandler()
		case found == nil || len(t.path) > len(found.path):
			found = t
		}
	}
	if h := n.handlers[host]; h != nil {
		others = h
	}
	if found != nil {
		return found, found
	}
	return others, nil
}

// token returns n random bytes in base64url, the alphabet of Auth0's codes and session ids.
func (n *Network) token(size int) string {
	return base64.RawURLEncoding.EncodeToString(n.bytes(size))
}

func (n *Network) bytes(size int) []byte {
	n.randMu.Lock()
	defer n.randMu.Unlock()
	b := make([]byte, size)
	if _, err := io.ReadFull(n.Rand, b); err != nil {
		panic("auth0sim: reading randomness: " + err.Error())
	}
	return b
}

func (n *Network) nextSigner(family string) signer {
	n.mu.Lock()
	i := n.keysUsed[family]
	n.keysUsed[family]++
	n.mu.Unlock()
	return n.Keys.signer(family, i)
}

func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("serving %s %s: the handler panicked: %v", r.Method, r.URL.Path, p)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// asServerSees turns a client's request into what net/http hands to a handler.
func asServerSees(ctx context.Context, req *http.Request) *http.Request {
	r := req.Clone(ctx)
	r.RequestURI = req.URL.RequestURI()
	r.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	r.Host = req.Host
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	r.RemoteAddr = "192.0.2.1:49152"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if req.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{
			Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: req.URL.Hostname(),
		}
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	return r
}

func canonicalHost(host string) string {
	host = strings.ToLower(host)
	for _, port := range []string{":443", ":80"} {
		host = strings.TrimSuffix(host, port)
	}
	return host
}
