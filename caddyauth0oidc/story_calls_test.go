package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// measured gives the metrics of the issuers of this world, by name and by labels that are
// not the configuration's. Of a histogram it is the number of values.
func (w *world) measured() map[string]float64 {
	w.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for _, one := range metricsOfProcess {
		registry.MustRegister(one)
	}
	families, err := registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, one := range family.GetMetric() {
			key, labels := family.GetName(), make(map[string]string)
			for _, label := range one.GetLabel() {
				labels[label.GetName()] = label.GetValue()
				if name := label.GetName(); name == "endpoint" || name == "outcome" {
					key += " " + label.GetValue()
				}
			}
			switch labels["issuer"] {
			case w.pair.Child.Issuer():
				key += " of the child"
			case w.pair.Master.Issuer():
			default:
				continue
			}
			got[strings.TrimPrefix(key, "caddy_auth0_oidc_")] = one.GetGauge().GetValue() + one.GetCounter().GetValue() + float64(one.GetHistogram().GetSampleCount())
		}
	}
	return got
}

func (w *world) wantMeasured(want map[string]float64) {
	w.t.Helper()
	got := w.measured()
	for name, value := range want {
		if found, ok := got[name]; !ok || found != value {
			w.t.Errorf("%s is %v, want %v", name, found, value)
		}
	}
}

// Calls are counted by what they are for, and the counters outlive the configuration.
func TestCallsToTheTenantsAreCountedThroughReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wantMeasured(map[string]float64{"tenant_requests_total token 2xx": 0, "tenant_requests_total par 429": 0})
	w.signIn(w.browser(), "/home", w.pair.User)
	first := map[string]float64{
		"tenant_requests_total discovery 2xx": 1, "tenant_requests_total keys 2xx": 1, "tenant_requests_total token 2xx": 1,
		"tenant_request_duration_seconds token": 1, "tenant_available": 1, "discovery_from_storage": 0, "keys_from_storage": 0,
		"discovery_fetched_timestamp_seconds": float64(w.clock.Now().UnixMilli()) / 1000,
		"keys_fetched_timestamp_seconds":      float64(w.clock.Now().UnixMilli()) / 1000,
	}
	w.wantMeasured(first)
	w.load(worldSetup{base: w.base, settings: "scopes openid email"})
	w.wantMeasured(first)
	w.restart(worldSetup{})
	w.wantMeasured(map[string]float64{"tenant_requests_total token 2xx": 1, "discovery_fetched_timestamp_seconds": 0})
	w.signIn(w.browser(), "/home", w.pair.User)
	w.wantMeasured(map[string]float64{"tenant_requests_total token 2xx": 2, "tenant_request_duration_seconds token": 2})
}

// Whatever address a tenant names, and however it fails, there are no more labels than
// those of the lists.
func TestINV_04_LabelsOfCallsAreOfTheLists(t *testing.T) {
	t.Parallel()
	w := childWorld(t, withChild("header", "refresh on\npar auto"))
	w.pair.Master.AdvertisePAR = true
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for _, status := range []int{302, 400, 401, 429, 500, 503} {
		w.answerPushes(status, "{}")
		w.clock.advance(10 * time.Minute)
		w.send(w.browser(), "GET", "/home", map[string]string{"Accept": "text/html"})
	}
	endpoints := []string{
		management.EndpointAPI, management.EndpointToken, string(tenant.EndpointDiscovery), string(tenant.EndpointKeys), string(tenant.EndpointToken),
		string(tenant.EndpointPAR), string(tenant.EndpointUserinfo), string(tenant.EndpointRevoke), "child_discovery", "child_keys",
	}
	outcomes := []string{"2xx", "3xx", "4xx", "429", "5xx", "timeout", "dns", "tls", "refused", "proxy", "cancelled", "unusable", "other"}
	seen := make(map[string]bool)
	for name, calls := range w.measured() {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(name, " of the child"), "tenant_requests_total ")
		endpoint, outcome, _ := strings.Cut(rest, " ")
		if seen[outcome] = seen[outcome] || calls > 0; ok && (!slices.Contains(endpoints, endpoint) || !slices.Contains(outcomes, outcome)) {
			t.Errorf("%s", name)
		}
	}
	for _, want := range []string{"2xx", "3xx", "4xx", "429", "5xx"} {
		if !seen[want] {
			t.Errorf("no call came to %s", want)
		}
	}
}

// standingOf gives this world's part of the status, and all of it.
func (w *world) standingOf() (told tenantStatus, all statusAnswer, text string) {
	w.t.Helper()
	status, text, header := askAdmin(w.t, adminServer(w.t), "GET", statusPath, "")
	if err := json.Unmarshal([]byte(text), &all); err != nil || status != http.StatusOK || header.Get("Content-Type") != "application/json" {
		w.t.Fatalf("%d %v", status, err)
	}
	for _, one := range all.Tenants {
		if one.Issuer == w.pair.Master.Issuer() && one.ClientID == w.pair.App.ClientID {
			told = one
		}
	}
	return told, all, text
}

// healthTells gives the state of this world's tenant in the health.
func (w *world) healthTells() (status int, state string) {
	w.t.Helper()
	status, answer, _ := askAdmin(w.t, adminServer(w.t), "GET", healthPath, "")
	var all healthAnswer
	if err := json.Unmarshal([]byte(answer), &all); err != nil {
		w.t.Fatal(err)
	}
	for _, one := range all.Tenants {
		if one.Issuer == w.pair.Master.Issuer() && one.ClientID == w.pair.App.ClientID {
			state = one.State
		}
	}
	return status, state
}

// The status goes with the tenant: unasked, unknown, available, away, and from the storage.
func TestStatusTellsHowItStandsWithTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wantState := func(want string) tenantStatus {
		t.Helper()
		told, _, _ := w.standingOf()
		if _, health := w.healthTells(); told.State != want || health != want {
			t.Errorf("the state is %q, in the health %q, want %q", told.State, health, want)
		}
		return told
	}
	if told := wantState(stateUnasked); told.Discovery.Fetched != nil || told.Discovery.LastError != nil || told.Directives != 1 || told.Revocation == nil {
		t.Errorf("%+v", told)
	}
	w.pair.Master.Down(true)
	w.wantOutage(w.open(w.browser(), "/home"))
	told := wantState(stateUnknown)
	if e := told.Discovery.LastError; e == nil || told.Discovery.Failures != 1 || told.Calls.LastError.Endpoint != "discovery" || told.Calls.LastError.Kind != e.Kind || e.Message == "" {
		t.Errorf("%+v", told)
	}
	w.wantMeasured(map[string]float64{"tenant_available": 0})
	w.pair.Master.Down(false)
	w.clock.advance(2 * time.Minute)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	told = wantState(stateAvailable)
	if *told.Discovery.Age != 0 || told.Keys.Count == 0 || !slices.Contains(told.Keys.Algorithms, "RS256") || told.Calls.LastSuccess == nil || told.Discovery.LastError == nil {
		t.Errorf("%+v", told)
	}
	if len(told.Secrets) != 1 || told.Secrets[0].Configured || told.Secrets[0].Count != 1 || *told.Secrets[0].Age < 120 {
		t.Errorf("secrets %+v", told.Secrets)
	}
	w.pair.Master.Down(true)
	w.restart(worldSetup{})
	w.step(w.browser(), w.base+"/home")
	for wantAway := false; !wantAway && t.Context().Err() == nil; { // the call is given up behind the page's back
		told, _, _ := w.standingOf()
		wantAway = told.Discovery.Failures > 0
	}
	if told := wantState(stateAway); !told.Discovery.FromStorage {
		t.Errorf("%+v", told.Discovery)
	}
	w.wantMeasured(map[string]float64{"tenant_available": 0, "discovery_from_storage": 1})
}

// Without keys, or with none but those of the day before yesterday, no login ends, whatever
// else is known: the status does not say that what is known serves.
func TestStatusTellsOfKeysThatCannotServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wantNoKeys := func(when string) {
		t.Helper()
		b := w.browser()
		w.wantOutage(w.open(b, strings.TrimPrefix(w.callbackOf(b, "/home", w.pair.User), w.base)))
		if told, _, _ := w.standingOf(); told.State != stateUnknown || told.Keys.Count != 0 || len(told.Keys.Algorithms) != 0 || told.Discovery.Fetched == nil {
			t.Errorf("%s: %q with %d keys", when, told.State, told.Keys.Count)
		}
	}
	away := func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }
	w.answerAll(keysRoute, away)
	wantNoKeys("never had")
	w.answerAsUsual()
	w.clock.advance(2 * time.Minute)
	w.signIn(w.browser(), "/home", w.pair.User)
	if told, _, _ := w.standingOf(); told.State != stateAvailable || told.Keys.Count == 0 {
		t.Errorf("known: %q with %d keys", told.State, told.Keys.Count)
	}
	w.answerAll(keysRoute, away)
	w.clock.advance(49 * time.Hour)
	wantNoKeys("too old")
}

// INV-04: the status has nothing secret in it, nor anything of a user.
func TestINV_04_StatusHasNoSecrets(t *testing.T) {
	t.Parallel()
	w := childWorld(t, withChild("header", "secret 0123456789abcdef0123456789abcdef"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	s := w.sessionIn(b)
	told, all, text := w.standingOf()
	if len(told.Secrets) != 1 || !told.Secrets[0].Configured || told.Secrets[0].Count != 1 || told.Secrets[0].Age != nil {
		t.Errorf("secrets %+v", told.Secrets)
	}
	if !slices.ContainsFunc(all.Children, func(c tenantStatus) bool { return c.Issuer == w.pair.Child.Issuer() && c.Keys.Count > 0 }) {
		t.Error("the child is missing")
	}
	if !slices.ContainsFunc(all.ManagementAPIs, func(m managementStatus) bool { return m.Issuer == w.pair.Master.Issuer() && m.Calls.LastSuccess != nil }) {
		t.Error("the Management API is missing")
	}
	for _, secret := range []string{w.pair.App.ClientSecret, "0123456789abcdef0123456789abcdef", s.Profile.UserID, s.SID, s.Profile.Email, "eyJ"} {
		if secret == "" || strings.Contains(text, secret) {
			t.Errorf("the status has %q", secret)
		}
	}
}

// All collectors can be registered beside each other, and again with the next configuration.
func TestMetricsFitBesideThoseOfTheProcess(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	for _, one := range metricsOfProcess {
		registry.MustRegister(one)
		if err := registry.Register(one); err == nil {
			t.Error("a collector can be registered twice")
		}
	}
}
