package caddyauth0oidc

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// ofChild stands before the endpoints of child tenants.
const ofChild = "child_"

// callObserver measures the calls to one tenant: all that this module asks of Auth0
// passes here, whatever it is asked for.
type callObserver struct {
	*callRecord
	prefix string // of the endpoints
	now    func() time.Time
}

// newCallObserver gives the observer of the calls to an issuer as a client, which child
// tenants do without.
func newCallObserver(issuer, clientID string, now func() time.Time) *callObserver {
	o := &callObserver{callRecord: recordOf(issuer, clientID), now: now}
	if clientID == "" {
		o.prefix = ofChild
		o.begin(ofChild+string(tenant.EndpointDiscovery), ofChild+string(tenant.EndpointKeys))
		return o
	}
	o.begin(string(tenant.EndpointDiscovery), string(tenant.EndpointKeys), string(tenant.EndpointToken),
		string(tenant.EndpointPAR), string(tenant.EndpointUserinfo), string(tenant.EndpointRevoke))
	return o
}

// newManagementObserver gives that of the calls to a Management API.
func newManagementObserver(base, clientID string, now func() time.Time) *callObserver {
	o := &callObserver{callRecord: recordOf(base, clientID), now: now}
	o.begin(management.EndpointAPI, management.EndpointToken)
	return o
}

// Watch implements tenant.Observer.
func (o *callObserver) Watch(at tenant.Endpoint, next http.RoundTripper) http.RoundTripper {
	return o.watch(string(at), next)
}

// watch is Watch for the Management API, which has endpoints of its own.
func (o *callObserver) watch(endpoint string, next http.RoundTripper) http.RoundTripper {
	return &watchedCalls{observer: o, endpoint: o.prefix + endpoint, next: next}
}

// Follow implements tenant.Observer: the span goes along, and nothing else of a request.
func (o *callObserver) Follow(ctx, from context.Context) context.Context {
	return trace.ContextWithSpan(ctx, trace.SpanFromContext(from))
}

// watchedCalls is a RoundTripper that measures the calls to one endpoint.
type watchedCalls struct {
	observer *callObserver
	endpoint string
	next     http.RoundTripper
}

// RoundTrip does the request, and tells metrics, the trace and the status what came of it.
func (c *watchedCalls) RoundTrip(r *http.Request) (*http.Response, error) {
	began, span := time.Now(), beginCall(&r, c.endpoint) // how long it takes is no matter of the clock that sessions are judged by
	response, err := c.next.RoundTrip(r)
	status := 0
	if err == nil {
		status = response.StatusCode
	}
	outcome := tenant.OutcomeOf(status, err)
	span.end(status, outcome)
	o := c.observer
	callDuration.WithLabelValues(o.issuer, o.clientID, c.endpoint).Observe(time.Since(began).Seconds())
	callsMetric.WithLabelValues(o.issuer, o.clientID, c.endpoint, string(outcome)).Inc()
	o.note(callResult{endpoint: c.endpoint, outcome: outcome, at: o.now()})
	return response, err
}

// callRecord is what the last calls to an issuer as a client came to. It lives as long as
// the process, as the counters do: there are as many as the configurations have had tenants.
type callRecord struct {
	issuer, clientID string

	mu           sync.Mutex
	good, failed callResult // the last ones; zero for none
}

// callResult is what one call came to.
type callResult struct {
	endpoint string
	outcome  tenant.Outcome
	at       time.Time
}

// callRecords are by issuer and client.
var callRecords sync.Map

func recordOf(issuer, clientID string) *callRecord {
	record, _ := callRecords.LoadOrStore([2]string{issuer, clientID}, &callRecord{issuer: issuer, clientID: clientID})
	return record.(*callRecord)
}

// note remembers a call. One that nobody waited for any more says nothing of the tenant.
func (c *callRecord) note(got callResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch got.outcome {
	case tenant.OutcomeCancelled:
	case tenant.OutcomeOK:
		c.good = got
	default:
		c.failed = got
	}
}

// last gives the last good call and the last that failed.
func (c *callRecord) last() (good, failed callResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.good, c.failed
}

var _ tenant.Observer = (*callObserver)(nil)
