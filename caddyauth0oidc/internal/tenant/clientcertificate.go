package tenant

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// CertificateConfig names the certificate of an application, and says how the endpoints are reached at which it is presented.
type CertificateConfig struct {
	// File is the path of a PEM file with the certificate and, behind it, those that lead to its authority.
	File string
	// KeyFile is the path of a PEM file with its private key, which is not encrypted.
	KeyFile string
	// Egress is the way to the endpoints.
	Egress Egress
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Warn, unless nil, is told what needs an operator. Nothing in it is secret.
	Warn func(message string)
}

// ClientCertificate authenticates an application by mutual TLS (RFC 8705 section 2). It has connections of its own, which carry nothing
// but requests that need it, and reads its files again when they have changed. It is safe for concurrent use.
type ClientCertificate struct {
	config CertificateConfig

	mu      sync.Mutex
	current *presenter // of the last good pair
	read    pairState  // of the files that it is from
	refused *pairState // of the files that could not be used since then, or nil
	dated   string     // what was said of the dates of the current one
}

// pairState is by what changed files are known.
type pairState struct{ certificate, key fileState }

// Format hides the key from every verb.
func (c *ClientCertificate) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// NewClientCertificate reads the certificate and its key: an error says why they cannot be presented, and shows nothing of the files. A
// certificate outside its dates is a warning.
func NewClientCertificate(config CertificateConfig) (*ClientCertificate, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Warn == nil {
		config.Warn = func(string) {}
	}
	c := &ClientCertificate{config: config}
	if err := c.reload(c.look()); err != nil {
		return nil, err
	}
	c.warnOfDates()
	return c, nil
}

// Close lets idle connections go.
func (c *ClientCertificate) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.closeIdle()
}

// presenter gives the transport with the certificate of the files as they are now, or with the last good one.
func (c *ClientCertificate) presenter() *presenter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state := c.look(); state != c.read {
		if err := c.reload(state); err != nil && (c.refused == nil || *c.refused != state) { // one line for each change
			c.refused = &state
			c.config.Warn("the files of client_certificate have changed and cannot be used, so those before them go on: " + err.Error())
		}
	}
	c.warnOfDates()
	return c.current
}

func (c *ClientCertificate) look() pairState {
	return pairState{stateOf(c.config.File), stateOf(c.config.KeyFile)}
}

// reload reads the files, whose state was looked at before: those that are replaced meanwhile are read again next time. No connection
// outlives the certificate that it was opened with.
func (c *ClientCertificate) reload(state pairState) error {
	pair, err := readPair(c.config.File, c.config.KeyFile)
	if err != nil {
		return err
	}
	before := c.current
	c.current, c.read, c.refused, c.dated = newPresenter(pair, c.config.Egress), state, nil, ""
	if before != nil {
		before.closeIdle()
	}
	return nil
}

// warnOfDates says once what is wrong with the dates of the certificate. The tenant decides, by its own clock.
func (c *ClientCertificate) warnOfDates() {
	var problem string
	switch leaf, now := c.current.certificate, c.config.Now(); {
	case now.After(leaf.NotAfter):
		problem = "the certificate of client_certificate expired at " + leaf.NotAfter.UTC().Format(time.RFC3339) + "; replace it"
	case now.Before(leaf.NotBefore):
		problem = "the certificate of client_certificate is valid from " + leaf.NotBefore.UTC().Format(time.RFC3339) + " on; look at the clock of this server"
	}
	if problem != "" && problem != c.dated {
		c.config.Warn(problem)
	}
	c.dated = problem
}

func readPair(certificatePath, keyPath string) (*tls.Certificate, error) {
	text, err := certificatePEM.read(certificatePath)
	if err != nil {
		return nil, err
	}
	pair, err := parseCertificates(text)
	if err != nil {
		return nil, err
	}
	if text, err = keyPEM.read(keyPath); err != nil {
		return nil, err
	}
	key, err := parsePrivateKey(text)
	if err != nil {
		return nil, err
	}
	if _, err := algorithmsOf(key); err != nil {
		return nil, err
	}
	pair.PrivateKey = key
	switch public := pair.Leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if public.Equal(key.Public()) {
			return pair, nil
		}
	case *ecdsa.PublicKey:
		if public.Equal(key.Public()) {
			return pair, nil
		}
	}
	return nil, errors.New("the private key is not that of the certificate; the certificate of the application has to be the first one in its file")
}

// parseCertificates reads all certificates of a PEM file, the application's first.
func parseCertificates(text []byte) (*tls.Certificate, error) {
	pair := new(tls.Certificate)
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("a certificate of the file is damaged; write it in PEM")
		}
		if pair.Leaf == nil {
			pair.Leaf = parsed
		}
		pair.Certificate = append(pair.Certificate, block.Bytes)
	}
	if pair.Leaf == nil {
		return nil, errors.New("the file has no certificate; write it in PEM")
	}
	return pair, nil
}

// presenter is a RoundTripper that presents one certificate to whom a request is for, and never to a proxy on the way.
type presenter struct {
	certificate     *x509.Certificate
	direct, proxied *http.Transport
}

func newPresenter(pair *tls.Certificate, e Egress) *presenter {
	presenting := func() *http.Transport {
		t := NewTransport(e)
		// Not as Certificates: those are left out if the names of authorities that the other side sends are not theirs.
		t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
		return t
	}
	p := &presenter{certificate: pair.Leaf, direct: presenting(), proxied: presenting()}
	p.direct.Proxy = nil
	p.proxied.DialTLSContext = dialProxy(NewTransport(e)) // which is asked for the first connection alone
	return p
}

// dialProxy connects to a proxy by TLS as that transport would.
func dialProxy(t *http.Transport) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := t.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		config := t.TLSClientConfig.Clone()
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			_ = conn.Close()
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, t.TLSHandshakeTimeout)
		defer cancel()
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secured, nil
	}
}

// RoundTrip does the request, through the proxy if there is one for it.
func (p *presenter) RoundTrip(r *http.Request) (*http.Response, error) {
	if proxy, err := p.proxied.Proxy(r); proxy != nil || err != nil {
		return p.proxied.RoundTrip(r)
	}
	return p.direct.RoundTrip(r)
}

func (p *presenter) closeIdle() {
	p.direct.CloseIdleConnections()
	p.proxied.CloseIdleConnections()
}
