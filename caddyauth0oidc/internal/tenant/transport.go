package tenant

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxBody limits an answer, counted after decompression.
	maxBody = 1 << 20

	// pingAfter and pingTimeout end a connection of HTTP/2 that was lost without a word. A call that fails on it does not, and the system
	// takes a quarter of an hour, through which every login would be sent there.
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second

	minRetryAfter = time.Second
	maxRetryAfter = time.Minute
)

// Egress is the way to a tenant. The zero value is the usual one.
type Egress struct {
	// Timeout limits each call to the tenant, from the connection to the last byte. The default is 5 seconds.
	Timeout time.Duration
	// Roots are the certificate authorities that are trusted; nil means those of the system.
	Roots *x509.CertPool
	// Proxy finds the proxy of a request to a host that is not a loopback one; nil means that of the environment.
	Proxy func(*http.Request) (*url.URL, error)
}

// NewTransport returns the transport that a Tenant uses when it is given none. Names below localhost are this machine,
// whatever a resolver or a proxy says (RFC 6761 section 6.3), because they are the only names that may be asked over plain http.
func NewTransport(e Egress) *http.Transport {
	if e.Timeout <= 0 {
		e.Timeout = defaultTimeout
	}
	if e.Proxy == nil {
		e.Proxy = http.ProxyFromEnvironment
	}
	connecting := e.Timeout * 4 / 5 // so that the error is the connection's own
	dialer := &net.Dialer{Timeout: connecting, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  exceptLoopback(e.Proxy),
		OnProxyConnectResponse: checkProxyAnswer,
		DialContext:            dialLocalhost(dialer.DialContext),
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxIdleConns:           20,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    connecting,
		MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.Roots},
	}
}

// checkProxyAnswer refuses with the status alone; the library would take the proxy's own words for an error.
func checkProxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &ProxyError{Status: answer.StatusCode}
	}
	return nil
}

func exceptLoopback(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if isLoopback(r.URL.Hostname()) {
			return nil, nil
		}
		return proxy(r)
	}
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func dialLocalhost(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil || !isLocalhostName(host) {
			return dial(ctx, network, address)
		}
		if conn, err := dial(ctx, network, net.JoinHostPort("127.0.0.1", port)); err == nil {
			return conn, nil
		}
		return dial(ctx, network, net.JoinHostPort("::1", port))
	}
}

// answer is what came back from one call. Libraries echo bodies in their errors and forget statuses, so both are taken from here.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	failure error
}

// client returns a client for one call, which follows no redirect, and where to find the answer after it.
func (t *Tenant) client(at Endpoint) (*http.Client, *answer) { return t.clientOver(at, t.transport) }

// clientOf does so for a call with which an application authenticates.
func (t *Tenant) clientOf(at Endpoint, app Application) (*http.Client, *answer) {
	if app.Certificate == nil {
		return t.client(at)
	}
	return t.clientOver(at, app.Certificate.presenter())
}

func (t *Tenant) clientOver(at Endpoint, transport http.RoundTripper) (*http.Client, *answer) {
	a := &answer{}
	return &http.Client{
		Transport:     t.watched(at, &reader{next: transport, answer: a}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, a
}

// reader is a RoundTripper that reads the whole answer within its limits before anybody else sees it.
type reader struct {
	next   http.RoundTripper
	answer *answer
}

// RoundTrip does the request and keeps the answer.
func (rd *reader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "application/json")
	resp, err := rd.next.RoundTrip(r)
	if err != nil {
		rd.answer.failure = causeOf(err)
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readAll(resp)
	if err != nil {
		rd.answer.failure = causeOf(err)
		return nil, err
	}
	rd.answer.status, rd.answer.header, rd.answer.body = resp.StatusCode, resp.Header, body
	read := *resp
	read.Body = io.NopCloser(bytes.NewReader(body))
	return &read, nil
}

func readAll(resp *http.Response) ([]byte, error) {
	if resp.ContentLength > maxBody {
		return nil, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	return body, err
}

// unavailable describes an answer that is of no use; cause says why when the answer itself does not.
func (t *Tenant) unavailable(doing string, a *answer, cause error) *UnavailableError {
	e := &UnavailableError{Doing: doing, RetryAfter: minRetryAfter, Status: a.status, Err: cause}
	switch {
	case a.failure != nil:
		e.Err = a.failure
	case a.status >= 300 && a.status < 400:
		e.Err = errRedirect
	case a.status != 0 && a.status != http.StatusOK:
		e.Err = nil
	}
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		e.RetryAfter = retryAfter(a.header, t.now())
	}
	return e
}

// retryAfter reads when to come back: Retry-After (RFC 9110 section 10.2.3), or Auth0's x-ratelimit-reset in Unix seconds
// (Auth0 docs, "Rate Limit Headers"). Nonsense counts as the shortest wait.
func retryAfter(h http.Header, now time.Time) time.Duration {
	wait := minRetryAfter
	if seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 64); err == nil {
		wait = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	} else if date, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		wait = date.Sub(now)
	} else if reset, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil && reset > 0 && reset < maxTime {
		wait = time.Unix(reset, 0).Sub(now)
	}
	return min(max(wait, minRetryAfter), maxRetryAfter)
}
