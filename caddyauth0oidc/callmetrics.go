package caddyauth0oidc

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Every call is measured by these, for the life of the process. The endpoints and outcomes
// are lists in the code, the issuers and clients those of configurations.
var (
	callDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caddy_auth0_oidc_tenant_request_duration_seconds",
		Help:    "How long calls to Auth0 take, to the last byte of the answer.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, append(ofLedger[:2:2], "endpoint"))

	callsMetric = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_auth0_oidc_tenant_requests_total",
		Help: "Calls to Auth0, by what they are for and what came of them.",
	}, append(ofLedger[:2:2], "endpoint", "outcome"))
)

// begin has the counters of an endpoint there at 0 before the first call, so that an alert
// sees the increase to the first failure.
func (o *callObserver) begin(endpoints ...string) {
	for _, endpoint := range endpoints {
		for _, outcome := range tenant.Outcomes {
			callsMetric.WithLabelValues(o.issuer, o.clientID, endpoint, string(outcome))
		}
	}
}

// tenantMetrics shows how it stands with the tenants of the process when somebody asks.
type tenantMetrics struct{}

var (
	availableMetric = prometheus.NewDesc("caddy_auth0_oidc_tenant_available",
		"Whether discovery and keys could be had when they were asked for last; absent before.", ofLedger, nil)
	discoveryMetric = prometheus.NewDesc("caddy_auth0_oidc_discovery_fetched_timestamp_seconds",
		"Unix time at which the discovery document in use came from the tenant; 0 before there is one.", ofLedger, nil)
	discoveryKeptMetric = prometheus.NewDesc("caddy_auth0_oidc_discovery_from_storage",
		"Whether the discovery document in use comes from Caddy's storage.", ofLedger, nil)
	keysMetric = prometheus.NewDesc("caddy_auth0_oidc_keys_fetched_timestamp_seconds",
		"Unix time at which the signing keys in use came from the tenant; 0 before there are some.", ofLedger, nil)
	keysKeptMetric = prometheus.NewDesc("caddy_auth0_oidc_keys_from_storage",
		"Whether the signing keys in use come from Caddy's storage.", ofLedger, nil)
)

// Describe implements prometheus.Collector.
func (tenantMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{availableMetric, discoveryMetric, discoveryKeptMetric, keysMetric, keysKeptMetric} {
		to <- one
	}
}

// Collect implements prometheus.Collector.
func (tenantMetrics) Collect(to chan<- prometheus.Metric) {
	for of, s := range worstTenants() {
		gauge := func(kind *prometheus.Desc, value float64) {
			to <- prometheus.MustNewConstMetric(kind, prometheus.GaugeValue, value, of[0], of[1])
		}
		if isAsked(s) {
			gauge(availableMetric, oneIf(!isAway(s)))
		}
		gauge(discoveryMetric, unixOf(s.Discovery))
		gauge(discoveryKeptMetric, oneIf(s.Discovery.Kept))
		gauge(keysMetric, unixOf(s.Keys))
		gauge(keysKeptMetric, oneIf(s.Keys.Kept))
	}
}

func oneIf(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

func unixOf(s tenant.AnswerStatus) float64 {
	if s.Fetched.IsZero() {
		return 0
	}
	return float64(s.Fetched.UnixMilli()) / 1000
}

// worstTenants gives one status for each issuer and client. Directives may reach the same
// tenant by several ways, and a reload to another way has both for a while: the one counts
// that is worst off, of those that were asked.
func worstTenants() map[[2]string]tenant.Status {
	found := make(map[[2]string]tenant.Status)
	for _, t := range allTenants() {
		of := [2]string{t.issuer, t.clientID}
		status := t.tenant.Status()
		if other, ok := found[of]; !ok || isWorse(status, other) {
			found[of] = status
		}
	}
	return found
}

func isWorse(a, b tenant.Status) bool {
	switch {
	case isAsked(a) != isAsked(b):
		return isAsked(a)
	case isAway(a) != isAway(b):
		return isAway(a)
	}
	return a.Discovery.Fetched.Before(b.Discovery.Fetched)
}
