package tenant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// What was being done when the tenant was not available; the first words of the error texts.
const (
	discovering    = "discovering the tenant"
	fetchingKeys   = "fetching the signing keys of the tenant"
	exchanging     = "exchanging the code"
	pushing        = "pushing the authorization request"
	askingUserinfo = "asking for the userinfo"
	refreshing     = "refreshing the tokens"
	revoking       = "revoking the refresh token"
)

var (
	errMalformed      = errors.New("the answer is not the JSON document that was asked for")
	errForeignIssuer  = errors.New("the discovery document is of another issuer: compare it with the configured domain or issuer, to the byte and with the slash at its end")
	errEndpoint       = errors.New("the discovery document lacks an endpoint or has one that is not an https URL")
	errAlias          = errors.New("mtls_endpoint_aliases of the discovery document has an endpoint that is not an https URL")
	errNoS256         = errors.New("the discovery document does not offer S256, the code challenge that every login uses")
	errNoKeys         = errors.New("the key set has no key that can be used")
	errRedirect       = errors.New("the answer is a redirect, which is not followed")
	errTooLarge       = errors.New("the answer is too large")
	errNoHTTP         = errors.New("there was no usable HTTP answer")
	errPushed         = errors.New("the answer is not a reference to the request")
	errRandom         = errors.New("no random bytes were to be had")
	errSigning        = errors.New("the client assertion could not be signed")
	errNoUserinfo     = errors.New("the tenant has no userinfo endpoint")
	errNoRevocation   = errors.New("the tenant has no revocation endpoint")
	errThrottled      = errors.New("the tenant asked to wait")
	errPanic          = errors.New("the answer could not be handled")
	errUntrusted      = errors.New("the certificate is not signed by a trusted authority")
	errOtherHost      = errors.New("the certificate is for another host")
	errCertificate    = errors.New("the certificate has expired or is not valid for this use")
	errTLS            = errors.New("the other side does not speak TLS as it should")
	errInterruptedEOF = errors.New("the connection was closed too early")
)

// UnavailableError says that the tenant could not be asked, or had no usable answer. Trying again later may help.
type UnavailableError struct {
	// Doing is what was being attempted.
	Doing string
	// RetryAfter is how long to wait, between 1 and 60 seconds; until then, further calls fail without asking the tenant.
	RetryAfter time.Duration
	// Status is the HTTP status of the answer, 0 when there was none.
	Status int
	// Unsent says that the tenant has certainly not acted on a call: there was no connection to send it on, or the tenant was too
	// busy to look at it. Without it nobody knows, so that what is good for one use may be spent.
	Unsent bool
	// Err is the cause. It never carries anything that came over the network.
	Err error
}

// Error tells what was attempted and why it came to nothing.
func (e *UnavailableError) Error() string {
	switch {
	case e.Err != nil && e.Status != 0:
		return fmt.Sprintf("%s: %v (status %d)", e.Doing, e.Err, e.Status)
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", e.Doing, e.Err)
	}
	return fmt.Sprintf("%s: the tenant answered with status %d", e.Doing, e.Status)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// RefusedError says that the tenant refused what it was asked for: the code, the verifier, a pushed request or the client.
type RefusedError struct {
	// Doing is what was being attempted.
	Doing string
	// Code is the OAuth error code, such as invalid_grant; "unrecognized" when there was none of letters and underscores.
	Code string
	// Status is the HTTP status of the answer.
	Status int
}

// Error names the error code and the status, never the description, which anybody may have written.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: refused with %s (status %d)", e.Doing, e.Code, e.Status)
}

// ProxyError says that the proxy to the tenant refused to connect to it.
type ProxyError struct {
	// Status is the HTTP status of its answer.
	Status int
}

// Error names the status alone.
func (e *ProxyError) Error() string {
	return fmt.Sprintf("the proxy answered with status %d", e.Status)
}

// InvalidTokenError says that a token, or the answer that should have carried it, must not be believed.
type InvalidTokenError struct {
	// Reason is a stable code: access_token, algorithm, at_hash, audience, auth_time, azp, bound, content_type, duplicate_claim,
	// events, expired, id_token, issued_at, issuer, malformed, nonce, not_before, permissions, revoked, scope, session_expiry, sid,
	// signature, subject, token_id or token_type.
	Reason string
}

// Error names the reason.
func (e *InvalidTokenError) Error() string {
	return "verifying the tokens: not acceptable because of " + e.Reason
}

func invalid(reason string) error { return &InvalidTokenError{Reason: reason} }

// refusalCode lets an error code through only if it cannot be anything but a word of the protocol.
func refusalCode(code string) string {
	if code == "" || len(code) > 40 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "unrecognized"
	}
	return code
}

// causeOf replaces the error of a transport by one that cannot carry bytes of the answer, as those of net/http may.
func causeOf(err error) error {
	var (
		timeout   net.Error
		op        *net.OpError
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		verifying *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		proxy     *ProxyError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &dns): // also a resolver that says nothing: the tenant was not even asked
		return dns
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return context.DeadlineExceeded
	case errors.As(err, &authority):
		return errUntrusted
	case errors.As(err, &hostname):
		return errOtherHost
	case errors.As(err, &verifying):
		return errCertificate
	case errors.As(err, &record), errors.As(err, &alert):
		return errTLS
	case errors.As(err, &proxy):
		return proxy
	case errors.As(err, &op):
		return op
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errInterruptedEOF
	case errors.Is(err, errTooLarge):
		return errTooLarge
	}
	return errNoHTTP
}
