package tenant

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// Outcome is what a call to a tenant came to, in one word.
type Outcome string

// All outcomes that there are.
const (
	OutcomeOK          Outcome = "2xx"
	OutcomeRedirect    Outcome = "3xx" // which is not followed
	OutcomeRefused     Outcome = "4xx" // but 429
	OutcomeThrottled   Outcome = "429"
	OutcomeServerError Outcome = "5xx"
	OutcomeTimeout     Outcome = "timeout"
	OutcomeDNS         Outcome = "dns"
	OutcomeTLS         Outcome = "tls"
	OutcomeUnconnected Outcome = "refused"   // no connection could be made
	OutcomeProxy       Outcome = "proxy"     // the proxy could not be reached, or would not connect
	OutcomeCancelled   Outcome = "cancelled" // whoever asked has gone
	OutcomeUnusable    Outcome = "unusable"  // the answer is not what was asked for
	OutcomeOther       Outcome = "other"
)

// Outcomes are all of them.
var Outcomes = []Outcome{
	OutcomeOK, OutcomeRedirect, OutcomeRefused, OutcomeThrottled, OutcomeServerError, OutcomeTimeout, OutcomeDNS, OutcomeTLS, OutcomeUnconnected,
	OutcomeProxy, OutcomeCancelled, OutcomeUnusable, OutcomeOther,
}

// OutcomeOf judges a call by the status of its answer, or by the error if there is none.
func OutcomeOf(status int, err error) Outcome {
	switch {
	case status == 0:
		return outcomeOfError(err)
	case status == http.StatusTooManyRequests:
		return OutcomeThrottled
	case status >= 500:
		return OutcomeServerError
	case status >= 400:
		return OutcomeRefused
	case status >= 300:
		return OutcomeRedirect
	case status >= 200:
		return OutcomeOK
	}
	return OutcomeOther
}

// outcomeOfError takes the error of a transport, or what causeOf has made of it.
func outcomeOfError(err error) Outcome {
	var (
		earlier *UnavailableError
		dns     *net.DNSError
		op      *net.OpError
		proxy   *ProxyError
		timeout net.Error
	)
	switch {
	case err == nil:
		return OutcomeOther
	case errors.As(err, &earlier):
		return earlier.Outcome()
	case errors.Is(err, context.Canceled):
		return OutcomeCancelled
	case isTLS(err), isTLS(causeOf(err)):
		return OutcomeTLS
	case errors.As(err, &dns):
		return OutcomeDNS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return OutcomeTimeout
	case errors.As(err, &proxy), errors.As(err, &op) && isOfProxy(op):
		return OutcomeProxy
	case errors.Is(err, errTooLarge):
		return OutcomeUnusable
	case errors.As(err, &op) && op.Op == "dial":
		return OutcomeUnconnected
	}
	return OutcomeOther
}

// isOfProxy tells whether net/http failed to reach a proxy, or was refused by one that speaks SOCKS.
func isOfProxy(op *net.OpError) bool { return op.Op == "proxyconnect" || op.Op == "socks connect" }

func isTLS(err error) bool {
	switch err {
	case errUntrusted, errOtherHost, errCertificate, errTLS:
		return true
	}
	return false
}

// Outcome gives the error in one word.
func (e *UnavailableError) Outcome() Outcome {
	if e.Err != nil && e.Status >= 200 && e.Status < 300 {
		return OutcomeUnusable
	}
	return OutcomeOf(e.Status, e.Err)
}
