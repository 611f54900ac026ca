package caddyauth0oidc

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// causeNames are the values of the label cause.
var causeNames = [causes]string{causeLogout: "logout", causeBackchannel: "backchannel", causeAdmin: "admin", causeRefresh: "refresh"}

// ledgerMetrics shows the ledgers of the process when somebody asks. Counters live as long
// as the ledger, and so through reloads.
type ledgerMetrics struct{}

// ofLedger are labels from the configuration: there are as many values as ledgers.
var ofLedger = []string{"issuer", "client_id"}

var (
	marksMetric = prometheus.NewDesc("caddy_auth0_oidc_revocation_marks",
		"Marks of ended sessions that this instance knows.", ofLedger, nil)
	waitingMetric = prometheus.NewDesc("caddy_auth0_oidc_revocation_marks_waiting",
		"Marks of ended sessions that the storage does not have yet.", ofLedger, nil)
	readMetric = prometheus.NewDesc("caddy_auth0_oidc_revocation_last_read_timestamp_seconds",
		"Unix time of the last good reading of the marks; 0 before there was one.", ofLedger, nil)
	failedMetric = prometheus.NewDesc("caddy_auth0_oidc_revocation_storage_errors_total",
		"Readings and writings of marks that failed.", ofLedger, nil)
	endedMetric = prometheus.NewDesc("caddy_auth0_oidc_revocations_total",
		"Times that this instance ended sessions before their time, by cause.", append(ofLedger[:2:2], "cause"), nil)
)

// metricsOfProcess are all metrics, which live as long as the process; each configuration has its own
// registry, which shows them.
var metricsOfProcess = []prometheus.Collector{
	ledgerMetrics{},
	loginsStartedMetric, loginsMetric, loginDurationMetric, loginFailuresMetric, callbacksMetric, refusalsMetric,
	openedMetric, rejectedMetric, refreshesMetric, logoutsMetric, backchannelMetric,
	callDuration, callsMetric, tenantMetrics{},
}

// registerMetrics makes the metrics of all handlers of a configuration known to it, once.
func registerMetrics(registry prometheus.Registerer) error {
	for _, one := range metricsOfProcess {
		err := registry.Register(one)
		if _, known := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !known {
			return fmt.Errorf("registering the metrics: %w", err)
		}
	}
	return nil
}

// prepareObserving gets what tells operators of decisions.
func (h *Handler) prepareObserving(ctx caddy.Context) (err error) {
	h.tally = newTally(h.issuer(), h.ClientID)
	if h.announcer, err = newAnnouncer(ctx); err != nil {
		return err
	}
	return registerMetrics(ctx.GetMetricsRegistry())
}

// Describe implements prometheus.Collector.
func (ledgerMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{marksMetric, waitingMetric, readMetric, failedMetric, endedMetric} {
		to <- one
	}
}

// Collect implements prometheus.Collector. During a reload to another storage there may be
// two ledgers of one tenant and client, of which the one with more members counts.
func (ledgerMetrics) Collect(to chan<- prometheus.Metric) {
	for _, l := range distinctLedgers() {
		status, read := l.Status(), 0.0
		if at := l.lastRead(); !at.IsZero() {
			read = float64(at.UnixMilli()) / 1000
		}
		to <- prometheus.MustNewConstMetric(marksMetric, prometheus.GaugeValue, float64(status.Marks), l.issuer, l.clientID)
		to <- prometheus.MustNewConstMetric(waitingMetric, prometheus.GaugeValue, float64(status.Waiting), l.issuer, l.clientID)
		to <- prometheus.MustNewConstMetric(readMetric, prometheus.GaugeValue, read, l.issuer, l.clientID)
		to <- prometheus.MustNewConstMetric(failedMetric, prometheus.CounterValue, float64(l.failed.Load()), l.issuer, l.clientID)
		for why := range causes {
			to <- prometheus.MustNewConstMetric(endedMetric, prometheus.CounterValue, float64(l.ended[why].Load()), l.issuer, l.clientID, causeNames[why])
		}
	}
}

// distinctLedgers gives one ledger for each tenant and client.
func distinctLedgers() map[[2]string]*ledger {
	found := make(map[[2]string]*ledger)
	for _, l := range allLedgers() {
		of := [2]string{l.issuer, l.clientID}
		if other := found[of]; other == nil || l.users() > other.users() {
			found[of] = l
		}
	}
	return found
}
