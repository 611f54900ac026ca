package caddyauth0oidc

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// adminServer answers the module's part of the admin API as Caddy does.
func adminServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for _, route := range (adminAPI{}).Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			err := route.Handler.ServeHTTP(w, r)
			if refused, ok := errors.AsType[caddy.APIError](err); ok {
				w.WriteHeader(refused.HTTPStatus)
				_ = json.NewEncoder(w).Encode(map[string]string{"error": refused.Err.Error()})
			} else if err != nil {
				t.Errorf("an error that Caddy answers with 500: %v", err)
			}
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func askAdmin(t *testing.T, server *httptest.Server, method, path, body string) (status int, answer string, header http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

// orderOf is the JSON of an order to this world's directives.
func (w *world) orderOf(sub, sid string) string {
	order, err := json.Marshal(revokeOrder{Sub: sub, SID: sid, Issuer: w.pair.Master.Issuer(), ClientID: w.pair.App.ClientID})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(order)
}

// An operator ends all sessions of a user, or those of one session of the tenant; others go
// on, and a later login counts.
func TestAdminEndsSessionsOfAUserOrOfASessionAtTheTenant(t *testing.T) {
	t.Parallel()
	server := adminServer(t)
	for name, test := range map[string]struct {
		order func(w *world, sub, sid string) string
		ends  bool
	}{
		"user":                    {func(w *world, sub, _ string) string { return w.orderOf(sub, "") }, true},
		"session":                 {func(w *world, _, sid string) string { return w.orderOf("", sid) }, true},
		"session of the user":     {func(w *world, sub, sid string) string { return w.orderOf(sub, sid) }, true},
		"another user":            {func(w *world, _, _ string) string { return w.orderOf("auth0|other", "") }, false},
		"session of another user": {func(w *world, _, sid string) string { return w.orderOf("auth0|other", sid) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			s := w.sessionIn(b)
			status, answer, header := askAdmin(t, server, "POST", revokePath, test.order(w, s.Profile.UserID, s.SID))
			if status != http.StatusOK || strings.TrimSpace(answer) != `{"ledgers":1}` || header.Get("Content-Type") != "application/json" {
				t.Fatalf("%d %s", status, answer)
			}
			if w.isSignedIn(b) == test.ends {
				t.Errorf("signed in: %t", !test.ends)
			}
			for line := range strings.Lines(w.logs()) { // INV-04
				if strings.Contains(line, `"logger":"http.handlers.auth0_oidc"`) && (strings.Contains(line, s.SID) || strings.Contains(line, s.Profile.UserID)) {
					t.Errorf("INV-04: %s", line)
				}
			}
			for _, sid := range w.pair.Master.Sessions() {
				w.pair.Master.RevokeSession(sid)
			}
			w.clock.advance(time.Second)
			w.open(b, "/auth/login")
			if !w.isSignedIn(b) {
				t.Error("a later login is not accepted")
			}
		})
	}
}

// The access tokens of a user whose sessions were all ended are refused, later ones are not.
func TestAdminEndsAccessTokensOfAUser(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	token, clientID := w.machineToken(reportsAPI, "read:reports")
	call := func(token string) int {
		response, _ := w.send(w.browser(), "GET", "/x", map[string]string{"Authorization": "Bearer " + token})
		return response.StatusCode
	}
	if status := call(token); status != http.StatusOK {
		t.Fatalf("before: %d", status)
	}
	if status, answer, _ := askAdmin(t, adminServer(t), "POST", revokePath, w.orderOf(clientID+"@clients", "")); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if status := call(token); status != http.StatusUnauthorized {
		t.Errorf("after: %d", status)
	}
	if until := w.handler().userMarksUntil(); until.Sub(w.clock.Now()) < longestToken {
		t.Error("the mark goes before the longest token")
	}
	w.clock.advance(time.Second)
	var secret string
	w.pair.Master.UpdateApplication(clientID, func(a *auth0sim.Application) { secret = a.ClientSecret })
	later := w.tokenOf(url.Values{
		"grant_type": {"client_credentials"}, "audience": {reportsAPI}, "client_id": {clientID}, "client_secret": {secret},
	})
	if status := call(later); status != http.StatusOK {
		t.Errorf("a later token: %d", status)
	}
}

// The storage's failure is said, and the order holds here all the same.
func TestFAULT_21_AdminSaysThatTheStorageIsAway(t *testing.T) {
	t.Parallel()
	w, shared, server := newWorld(t), new(sharedMarks), adminServer(t)
	shareMarks(w.handler(), shared)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	shared.setAway(true)
	sub := w.sessionIn(b).Profile.UserID
	status, answer, _ := askAdmin(t, server, "POST", revokePath, w.orderOf(sub, ""))
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, "holds on this instance") || strings.Contains(answer, sub) {
		t.Errorf("%d %s", status, answer)
	}
	if w.isSignedIn(b) {
		t.Error("the order does not hold here")
	}
}

// What is no order is refused with a reason that holds nothing of it.
func TestAdminRefusesWhatIsNoOrder(t *testing.T) {
	t.Parallel()
	server := adminServer(t)
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"nothing":          {"POST", revokePath, "", 400, "not one JSON object"},
		"no JSON":          {"POST", revokePath, "sub=x", 400, "not one JSON object"},
		"null":             {"POST", revokePath, "null", 400, "not one JSON object"},
		"list":             {"POST", revokePath, `[{"sub":"x"}]`, 400, "not one JSON object"},
		"two":              {"POST", revokePath, `{"sub":"x"}{"sub":"y"}`, 400, "not one JSON object"},
		"number":           {"POST", revokePath, `{"sub":17}`, 400, "not one JSON object"},
		"no UTF-8":         {"POST", revokePath, "{\"sub\":\"\xff\"}", 400, "not one JSON object"},
		"empty":            {"POST", revokePath, `{}`, 400, "are missing"},
		"issuer alone":     {"POST", revokePath, `{"issuer":"https://x/"}`, 400, "are missing"},
		"empty sub":        {"POST", revokePath, `{"sub":""}`, 400, "'sub' is empty"},
		"null sub":         {"POST", revokePath, `{"sub":null}`, 400, "'sub' is empty"},
		"other case":       {"POST", revokePath, `{"SUB":"private-value"}`, 400, "no other members"},
		"unknown":          {"POST", revokePath, `{"sub":"private-value","all":"yes"}`, 400, "no other members"},
		"long sub":         {"POST", revokePath, `{"sub":"` + strings.Repeat("x", 1025) + `"}`, 400, "at most 1024"},
		"long sid":         {"POST", revokePath, `{"sid":"` + strings.Repeat("x", 256) + `"}`, 400, "at most 255"},
		"long body":        {"POST", revokePath, `{"sub":"x"` + strings.Repeat(" ", maxOrder) + `}`, 400, "at most"},
		"no such issuer":   {"POST", revokePath, `{"sub":"x","issuer":"https://other.example.test/"}`, 404, "no auth0_oidc directive"},
		"GET of an order":  {"GET", revokePath, "", 405, "not allowed"},
		"POST of a health": {"POST", healthPath, "{}", 405, "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, answer, header := askAdmin(t, server, test.method, test.path, test.body)
			if status != test.status || !strings.Contains(answer, test.says) || strings.Contains(answer, "private-value") {
				t.Errorf("%d %s", status, answer)
			}
			if status == http.StatusMethodNotAllowed && header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func FuzzParseOrder(f *testing.F) {
	for _, seed := range []string{`{"sub":"x"}`, `{"sid":"x","sub":"y"}`, `{}`, `null`, `{"SUB":"x"}`, "{\"sub\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := parseOrder(body)
		if err == nil && (o.Sub == "" && o.SID == "" || len(o.Sub) > maxOrderSub || len(o.SID) > maxOrderSID) {
			t.Errorf("%q is taken for %+v", body, o)
		}
	})
}

// healthOf gives this world's part of the health.
func (w *world) healthOf(server *httptest.Server) (status int, told ledgerHealth) {
	w.t.Helper()
	status, answer, _ := askAdmin(w.t, server, "GET", healthPath, "")
	var all healthAnswer
	if err := json.Unmarshal([]byte(answer), &all); err != nil {
		w.t.Fatal(err)
	}
	for _, one := range all.Ledgers {
		if one.Issuer == w.pair.Master.Issuer() && one.ClientID == w.pair.App.ClientID {
			told = one
		}
	}
	return status, told
}

// FAULT-21: the health is bad once the last good reading is older than a minute, or than
// max_stale, and good again afterwards.
func TestFAULT_21_HealthTellsHowOldTheMarksAre(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings string
		limit    time.Duration
	}{
		"by default":       {"", time.Minute},
		"with max_stale":   {"revocation {\nmax_stale 5m\n}", 5 * time.Minute},
		"with a long poll": {"revocation {\npoll 10m\n}", 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, shared, server := newWorld(t, withSettings(test.settings)), new(sharedMarks), adminServer(t)
			l := shareMarks(w.handler(), shared)
			w.clock.advance(time.Second)
			l.pollNow(t)
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			shared.setAway(true)
			w.send(b, "POST", "/auth/logout", nil)
			w.clock.advance(test.limit)
			l.pollNow(t)
			if _, told := w.healthOf(server); told.Stale || told.Marks != 1 || told.Waiting != 1 || *told.Age != test.limit.Seconds() {
				t.Errorf("at the limit: %+v", told)
			}
			w.clock.advance(time.Second)
			if status, told := w.healthOf(server); status != http.StatusServiceUnavailable || !told.Stale {
				t.Errorf("after the limit: %d %+v", status, told)
			}
			shared.setAway(false)
			l.pollNow(t)
			if _, told := w.healthOf(server); told.Stale || told.Waiting != 0 || *told.Age != 0 {
				t.Errorf("afterwards: %+v", told)
			}
			l.read.Store(0)
			if _, told := w.healthOf(server); !told.Stale || told.Age != nil || told.Read != nil {
				t.Errorf("before the first reading: %+v", told)
			}
		})
	}
}

// The metrics tell of marks, readings, failures and ends, by configuration and cause only.
func TestINV_04_MetricsCountWhatWasEnded(t *testing.T) {
	t.Parallel()
	w, shared := newWorld(t), new(sharedMarks)
	l := shareMarks(w.handler(), shared)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.send(b, "POST", "/auth/logout", nil)
	shared.setAway(true)
	l.pollNow(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(ledgerMetrics{})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, one := range family.GetMetric() {
			labels := make(map[string]string)
			for _, label := range one.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["issuer"] == w.pair.Master.Issuer() && labels["client_id"] == w.pair.App.ClientID {
				got[family.GetName()+" "+labels["cause"]] = one.GetGauge().GetValue() + one.GetCounter().GetValue()
			}
			for name := range labels {
				if name != "issuer" && name != "client_id" && name != "cause" {
					t.Errorf("label %s", name)
				}
			}
		}
	}
	for name, want := range map[string]float64{
		"caddy_auth0_oidc_revocation_marks ": 1, "caddy_auth0_oidc_revocation_marks_waiting ": 0,
		"caddy_auth0_oidc_revocation_storage_errors_total ": 1, "caddy_auth0_oidc_revocations_total logout": 1,
		"caddy_auth0_oidc_revocations_total admin": 0, "caddy_auth0_oidc_revocations_total backchannel": 0,
		"caddy_auth0_oidc_revocation_last_read_timestamp_seconds ": float64(l.lastRead().UnixMilli()) / 1000,
	} {
		if value, found := got[name]; !found || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
}
