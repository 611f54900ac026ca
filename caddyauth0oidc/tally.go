package caddyauth0oidc

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// The values of the labels. Nothing of a request is ever among them.
var (
	// otherOutcome stands for what no list has, so that nothing goes uncounted.
	otherOutcome = "other"

	callbackOutcomes    = []string{callbackSignedIn, callbackKnown, callbackAgain, callbackRefused}
	refreshOutcomes     = []string{refreshDone, refreshDelayed, refreshLost, refreshEnded}
	logoutKinds         = []string{logoutUser, logoutFrontchannel}
	backchannelOutcomes = []string{logoutTokenTaken, logoutTokenRefused, logoutTokenReplayed, logoutTokenDelayed, logoutTokenMalformed}
	// loginCodes are the codes with which a login fails, of all those of refuse.go.
	loginCodes = []string{
		codeBadRequest, codeSignedOut, codeStepUpFailed, codeLoginDenied, codeLoginFailed, codeTokenRefused, codeRequestRefused,
		codePARMismatch, codeInvalidToken, codeConnectionMismatch, codeOrgMismatch, codeManagementRefused, codeProfileTooLarge,
		codeLoop, codeTenantUnavailable, codeInternal,
	}
)

// The counters live as long as the process, and so through reloads.
var (
	loginsStartedMetric = counter("logins_started_total", "Logins that sent a browser to the tenant.")
	loginsMetric        = counter("logins_total", "Logins that ended with a session.")
	loginFailuresMetric = counter("login_failures_total", "Logins that could not begin, or came to nothing, by code.").by("code", loginCodes)
	callbacksMetric     = counter("callbacks_total", "Answers of the tenant that browsers brought, by what came of them.").by("outcome", callbackOutcomes)
	refusalsMetric      = counter("refusals_total", "Requests that were refused, by code.").by("code", refusalCodes)
	openedMetric        = counter("sessions_opened_total", "Requests that came with a session that was accepted.")
	rejectedMetric      = counter("sessions_rejected_total", "Requests that came with a session cookie that was not accepted, by reason.").by("reason", rejections)
	refreshesMetric     = counter("refreshes_total", "Refreshes of sessions, by what came of them.").by("outcome", refreshOutcomes)
	logoutsMetric       = counter("logouts_total", "Sessions that were signed out by their browser, by the way of it.").by("kind", logoutKinds)
	backchannelMetric   = counter("backchannel_logouts_total", "Requests to the route of back-channel logout, by what came of them.").by("outcome", backchannelOutcomes)

	loginDurationMetric = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caddy_auth0_oidc_login_duration_seconds",
		Help:    "Time from sending the browser to the tenant to the session that came of it.",
		Buckets: []float64{0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200},
	}, ofLedger)
)

// series is a counter of the process, for each tenant and client and, if it has a
// further label, for each of the values that this may have.
type series struct {
	*prometheus.CounterVec
	options prometheus.CounterOpts
	values  []string
}

func counter(name, help string) series {
	c := series{options: prometheus.CounterOpts{Name: "caddy_auth0_oidc_" + name, Help: help}}
	c.CounterVec = prometheus.NewCounterVec(c.options, ofLedger)
	return c
}

// by gives the counter with a further label.
func (c series) by(label string, values []string) series {
	c.values = append(slices.Clone(values), otherOutcome)
	c.CounterVec = prometheus.NewCounterVec(c.options, append(slices.Clone(ofLedger), label))
	return c
}

// outcomes are the counters of one metric by the value of its label.
type outcomes map[string]prometheus.Counter

func (c series) of(issuer, clientID string) outcomes {
	all := make(outcomes, len(c.values))
	for _, value := range c.values {
		all[value] = c.WithLabelValues(issuer, clientID, value)
	}
	return all
}

// count counts one of the value. It is the map's own lookup, which no other request
// waits for.
func (o outcomes) count(value string) {
	c, known := o[value]
	if !known {
		c = o[otherOutcome]
	}
	c.Inc()
}

// tally is what is series for a tenant and client. All of its series are there from the
// beginning, at 0, so that their increase can be seen from the first one on.
type tally struct {
	loginsStarted, logins, opened                  prometheus.Counter
	loginDuration                                  prometheus.Observer
	loginFailures, callbacks, refusals, rejections outcomes
	refreshes, logouts, backchannel                outcomes
}

func newTally(issuer, clientID string) *tally {
	return &tally{
		loginsStarted: loginsStartedMetric.WithLabelValues(issuer, clientID),
		logins:        loginsMetric.WithLabelValues(issuer, clientID),
		opened:        openedMetric.WithLabelValues(issuer, clientID),
		loginDuration: loginDurationMetric.WithLabelValues(issuer, clientID),
		loginFailures: loginFailuresMetric.of(issuer, clientID),
		callbacks:     callbacksMetric.of(issuer, clientID),
		refusals:      refusalsMetric.of(issuer, clientID),
		rejections:    rejectedMetric.of(issuer, clientID),
		refreshes:     refreshesMetric.of(issuer, clientID),
		logouts:       logoutsMetric.of(issuer, clientID),
		backchannel:   backchannelMetric.of(issuer, clientID),
	}
}
