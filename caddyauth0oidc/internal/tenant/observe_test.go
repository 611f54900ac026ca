package tenant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What goes wrong gets the same word from the error of a transport and from what is kept of it.
func TestOutcomesAreWordsOfOneList(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for name, test := range map[string]struct {
		status int
		err    error
		want   Outcome
	}{
		"good":            {200, nil, OutcomeOK},
		"created":         {201, nil, OutcomeOK},
		"redirect":        {302, nil, OutcomeRedirect},
		"refusal":         {403, nil, OutcomeRefused},
		"rate limit":      {429, nil, OutcomeThrottled},
		"server error":    {503, nil, OutcomeServerError},
		"odd status":      {101, nil, OutcomeOther},
		"deadline":        {0, context.DeadlineExceeded, OutcomeTimeout},
		"dial timeout":    {0, dial(os.ErrDeadlineExceeded), OutcomeTimeout},
		"unknown host":    {0, dial(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}), OutcomeDNS},
		"silent resolver": {0, dial(&net.DNSError{Err: "i/o timeout", Name: "x", IsTimeout: true}), OutcomeDNS},
		"refused":         {0, dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), OutcomeUnconnected},
		"authority":       {0, fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), OutcomeTLS},
		"kept authority":  {0, errUntrusted, OutcomeTLS},
		"alert":           {0, &net.OpError{Op: "remote error", Err: tls.AlertError(40)}, OutcomeTLS},
		"proxy":           {0, &url.Error{Op: "Get", Err: &ProxyError{Status: 407}}, OutcomeProxy},
		"gone":            {0, fmt.Errorf("call: %w", context.Canceled), OutcomeCancelled},
		"too large":       {0, errTooLarge, OutcomeUnusable},
		"cut":             {0, io.ErrUnexpectedEOF, OutcomeOther},
		"reset":           {0, &net.OpError{Op: "read", Err: syscall.ECONNRESET}, OutcomeOther},
		"nothing":         {0, nil, OutcomeOther},
		"for metadata":    {0, &UnavailableError{Status: 502}, OutcomeServerError},
	} {
		if got := OutcomeOf(test.status, test.err); got != test.want {
			t.Errorf("%s: %s", name, got)
		}
		if test.status != 0 || errors.Is(test.err, io.ErrUnexpectedEOF) || test.err == nil {
			continue
		}
		if got := OutcomeOf(0, causeOf(test.err)); got != test.want && name != "kept authority" && name != "for metadata" {
			t.Errorf("%s, as it is kept: %s", name, got)
		}
	}
	if got := (&UnavailableError{Status: 200, Err: errMalformed}).Outcome(); got != OutcomeUnusable {
		t.Errorf("an answer that is nothing: %s", got)
	}
}

// observing remembers which endpoints were called, and by whom.
type observing struct{ calls chan string }

type whoKey struct{}

func (o observing) Watch(at Endpoint, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		who, _ := r.Context().Value(whoKey{}).(string)
		o.calls <- string(at) + " " + who
		return next.RoundTrip(r)
	})
}

func (o observing) Follow(ctx, from context.Context) context.Context {
	return context.WithValue(ctx, whoKey{}, from.Value(whoKey{}))
}

// by gives the context of a caller with a name.
func by(t *testing.T, who string) context.Context {
	return context.WithValue(t.Context(), whoKey{}, who)
}

// A call follows the first of those who wait for it, and nobody if none does.
func TestEachCallIsObservedAsWhatItIsForAndForWhomItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, o := newAuthority(), observing{make(chan string, 20)}
		a.serve(tokenPath, tokenAnswer(nil))
		tn := must(New(Config{Issuer: testIssuer, Transport: a, Random: zeroes{}, Observer: o}))
		seen := func(want ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			for len(o.calls) > 0 {
				got = append(got, <-o.calls)
			}
			slices.Sort(got) // what goes on behind callers' backs has no order
			if !slices.Equal(got, want) {
				t.Errorf("%q in place of %q", got, want)
			}
		}
		if _, err := tn.Exchange(by(t, "login"), testApp, "code", "verifier", "https://app.example/cb"); err != nil {
			t.Fatal(err)
		}
		seen("discovery login", "token login")
		time.Sleep(metadataFresh)
		_, _ = tn.Metadata(by(t, "reader"))
		seen("discovery ")
		_, _ = tn.keys.VerifySignature(by(t, "verifier"), mint(rsaOne(), object{"alg": "RS256", "kid": "one"}, object{}))
		seen("keys verifier")
		time.Sleep(keysOld)
		_, _ = tn.keys.VerifySignature(by(t, "late"), mint(rsaOne(), object{"alg": "RS256", "kid": "one"}, object{}))
		seen("discovery ", "keys late")
		tn.Close()
	})
}

// How things stand is told from what is known, without a call.
func TestStatusTellsTheAgeOfAnswersAndTheLastFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, a, nil)
		if s := tn.Status(); !s.Discovery.Fetched.IsZero() || s.Discovery.Failure != nil || s.KeyCount != 0 {
			t.Errorf("before anything was asked: %+v", s)
		}
		a.fail(discoveryPath, 503)
		_, _ = tn.Metadata(t.Context())
		failed := time.Now()
		if s := tn.Status().Discovery; s.Failures != 1 || !s.Failed.Equal(failed) || s.Failure.Outcome() != OutcomeServerError || !s.Next.After(failed) {
			t.Errorf("after a failure: %+v", s)
		}
		a.serve(discoveryPath, discovery(nil))
		time.Sleep(maxWait)
		_, _ = tn.keys.VerifySignature(t.Context(), mint(rsaOne(), object{"alg": "RS256", "kid": "one"}, object{}))
		s, now := tn.Status(), time.Now()
		if !s.Discovery.Fetched.Equal(now) || s.Discovery.Failures != 0 || !s.Discovery.Failed.Equal(failed) || s.Discovery.Kept {
			t.Errorf("after it went well: %+v", s.Discovery)
		}
		if !s.Keys.Fetched.Equal(now) || s.KeyCount != 1 || len(s.Algorithms) != 1 || !s.Keys.Next.After(now) {
			t.Errorf("the keys: %+v, %d, %q", s.Keys, s.KeyCount, s.Algorithms)
		}
		tn.throttledUntil.Store(now.Add(time.Minute).UnixNano())
		if s := tn.Status(); !s.Paused[EndpointToken].Equal(now.Add(time.Minute)) || len(s.Paused) != 1 {
			t.Errorf("paused: %v", s.Paused)
		}
	})
}
