package caddyauth0oidc

import (
	"context"
	"go/ast"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// gathered gives what a registry shows that knows the metrics of this module.
func gathered(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for range 2 { // as two handlers of a configuration do
		if err := registerMetrics(registry); err != nil {
			t.Fatal(err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// metrics gives the values of the world's tenant and client, by name and further label.
func (w *world) metrics() map[string]float64 {
	w.t.Helper()
	values := make(map[string]float64)
	for _, family := range gathered(w.t) {
		for _, one := range family.GetMetric() {
			name := strings.TrimPrefix(family.GetName(), "caddy_auth0_oidc_")
			ours := 0
			for _, label := range one.GetLabel() {
				switch value := label.GetValue(); label.GetName() {
				case "issuer", "client_id":
					if value == w.pair.Master.Issuer() || value == w.pair.App.ClientID {
						ours++
					}
				default:
					name += " " + value
				}
			}
			if ours == 2 {
				values[name] = one.GetGauge().GetValue() + one.GetCounter().GetValue() + float64(one.GetHistogram().GetSampleCount())
			}
		}
	}
	return values
}

// ofCalls tells whether a metric is about calls to Auth0, which have a page and stories of their own.
func ofCalls(name string) bool {
	name = strings.TrimPrefix(name, "caddy_auth0_oidc_")
	return strings.HasPrefix(name, "tenant_") || strings.HasPrefix(name, "discovery_") || strings.HasPrefix(name, "keys_")
}

// decisions are the metrics without those of calls.
func (w *world) decisions() map[string]float64 {
	values := w.metrics()
	maps.DeleteFunc(values, func(name string, _ float64) bool { return ofCalls(name) })
	return values
}

// counting runs a step and compares by how much the counters of events have grown; every
// other one has to stay as it is.
func (w *world) counting(what string, want map[string]float64, step func()) {
	w.t.Helper()
	before := w.decisions()
	step()
	for name, value := range w.decisions() {
		if grown := value - before[name]; grown != want[name] && !strings.HasPrefix(name, "revocation_") {
			w.t.Errorf("%s: %s has grown by %v, want %v", what, name, grown, want[name])
		}
	}
	for name := range want {
		if _, known := before[name]; !known {
			w.t.Errorf("%s: %s was not there at 0", what, name)
		}
	}
}

// Whoever closes the tab while the tenant is asked has not been refused anything: alerts on
// refusals would ring for it.
func TestClientsThatHaveGoneAreNoRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/home", w.pair.User)
	gone, leave := context.WithCancel(t.Context())
	w.answerAll(tokenRoute, func(http.ResponseWriter, *http.Request) {
		leave()
		<-gone.Done()
	})
	r := httptest.NewRequestWithContext(gone, "GET", callback, nil)
	for _, c := range b.Cookies(callback) {
		r.AddCookie(c)
	}
	w.counting("a callback without a client", map[string]float64{"callbacks_total refused": 1}, func() {
		w.server.ServeHTTP(httptest.NewRecorder(), asServed(r))
	})
	if n := w.pair.Master.Calls(tokenRoute); n != 1 {
		t.Errorf("the tenant was asked %d times", n)
	}
}

// Each decision is counted once, where it belongs, and goes on being so after a reload.
func TestMetricsFollowAWholeStory(t *testing.T) {
	t.Parallel()
	site := "auth0_oidc {\nSETTINGS\n}\nauth0_oidc /closed {\nSETTINGS\ndeny nickname\n}\nauth0_oidc /strong {\nSETTINGS\nmax_age 2m\n}\nreverse_proxy UPSTREAM"
	setup := worldSetup{base: "https://app.example.test", site: site}
	w := newWorld(t, withSite(site))
	b := w.browser()
	w.counting("a login", map[string]float64{
		"logins_started_total": 1, "logins_total": 1, "login_duration_seconds": 1, "callbacks_total signed_in": 1, "sessions_opened_total": 1,
	}, func() { w.signIn(b, "/home", w.pair.User) })
	w.counting("a request", map[string]float64{"sessions_opened_total": 1}, func() { w.send(b, "GET", "/x", nil) })
	w.counting("a request without a session", map[string]float64{"refusals_total login_required": 1}, func() { w.send(w.browser(), "GET", "/x", nil) })
	w.load(setup)
	w.counting("a rule, after a reload", map[string]float64{"sessions_opened_total": 2, "refusals_total forbidden": 1}, func() { w.send(b, "GET", "/closed", nil) })
	w.counting("a forged callback", map[string]float64{"refusals_total bad_state": 1, "callbacks_total refused": 1}, func() {
		w.send(b, "GET", "/auth/callback?code=x&state=y", nil)
	})
	w.counting("a forged cookie", map[string]float64{"refusals_total login_required": 1, "sessions_rejected_total incomplete": 1}, func() {
		w.statusWith("__Host-auth0_session=forged")
	})
	w.clock.advance(3 * time.Minute)
	w.counting("max_age", map[string]float64{"sessions_opened_total": 1, "sessions_rejected_total max_age": 1, "refusals_total step_up_required": 1}, func() { w.send(b, "GET", "/strong", nil) })
	old := cookieHeader(w, b)
	w.counting("a logout", map[string]float64{"logouts_total user": 1, "revocations_total logout": 1}, func() {
		w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	})
	w.counting("nothing to sign out of", nil, func() {
		w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	})
	w.counting("a copy", map[string]float64{"refusals_total login_required": 1, "sessions_rejected_total revoked": 1}, func() { w.statusWith(old) })
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = "auth0|stranger" }
	})
	w.counting("another connection", map[string]float64{
		"logins_started_total": 1, "callbacks_total refused": 1, "login_failures_total connection_mismatch": 1, "refusals_total connection_mismatch": 1,
	}, func() { w.signIn(w.browser(), "/home", w.pair.User) })
}

// Sessions that the tenant ends, or that a limit ends, are told apart.
func TestMetricsOfEndedSessions(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b, sid := w.signedInBrowser(w.pair.User)
	token := w.pair.Master.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), sid)
	w.counting("a logout token", map[string]float64{"backchannel_logouts_total accepted": 1, "revocations_total backchannel": 1}, func() { w.sendLogout(token) })
	w.counting("again", map[string]float64{"backchannel_logouts_total replayed": 1, "revocations_total backchannel": 1}, func() { w.sendLogout(token) })
	w.counting("forged", map[string]float64{"backchannel_logouts_total invalid_token": 1}, func() { w.sendLogout(token[:len(token)-9] + "AAAAAAAA") })
	w.counting("none", map[string]float64{"backchannel_logouts_total bad_request": 1}, func() { w.postLogout(backchannelPath, "x=y", nil) })
	w.counting("the cookie", map[string]float64{"refusals_total login_required": 1, "sessions_rejected_total revoked": 1}, func() { w.alive(b) })
	idle, _ := w.signedInBrowser(w.pair.User)
	cookies := cookieHeader(w, idle)
	w.clock.advance(25 * time.Hour)
	w.counting("idle", map[string]float64{"refusals_total login_required": 1, "sessions_rejected_total idle": 1}, func() { w.statusWith(cookies) })
}

// DOS-15: whatever strangers send, labels have the listed values and no others.
func TestDOS_15_LabelsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := len(w.decisions())
	b := w.browser()
	for i := range 8 {
		strange := "strange" + strconv.Itoa(i)
		u, _ := url.Parse(w.callbackOf(w.browser(), "/home", w.pair.User))
		state := url.QueryEscape(u.Query().Get("state"))
		for _, path := range []string{
			"/auth/callback?error=" + strange + "&state=" + state, "/auth/callback?code=x&state=" + strange, "/auth/login?connection=" + strange,
			"/auth/login?iss=" + strange, "/auth/logout?return_to=" + strange, "/" + strange, "/auth/backchannel-logout?" + strange,
		} {
			w.send(b, "GET", path, map[string]string{"Accept": "text/html", "Cookie": "__Host-auth0_session=" + strange, "User-Agent": strange})
		}
		w.postLogout("/auth/backchannel-logout", "logout_token="+strange, nil)
		late := w.browser()
		callback, _ := url.Parse(w.callbackOf(late, "/home", w.pair.User))
		w.step(late, w.base+"/auth/callback?error="+strange+"&state="+url.QueryEscape(callback.Query().Get("state")))
	}
	if after := len(w.decisions()); after != before || after > 120 {
		t.Errorf("%d series became %d", before, after)
	}
	listed := slices.Concat(refusalCodes, rejections, callbackOutcomes, refreshOutcomes, logoutKinds, backchannelOutcomes, causeNames[:], []string{otherOutcome})
	for _, family := range gathered(t) {
		for _, one := range family.GetMetric() {
			for _, label := range one.GetLabel() {
				if name := label.GetName(); name != "issuer" && name != "client_id" && !ofCalls(family.GetName()) && !slices.Contains(listed, label.GetValue()) {
					t.Errorf("%s has %s=%q", family.GetName(), name, label.GetValue())
				}
			}
		}
	}
	if w.metrics()["login_failures_total login_failed"] != 8 {
		t.Errorf("%v failed logins", w.metrics()["login_failures_total login_failed"])
	}
	for name, value := range w.metrics() {
		if strings.HasSuffix(name, " "+otherOutcome) && value != 0 {
			t.Errorf("%s is %v", name, value)
		}
	}
}

// A login that began on an instance whose clock is ahead takes no negative time: the sum of
// a histogram never falls.
func TestLoginsTakeNoNegativeTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, _ := http.NewRequest("GET", w.base+"/home", nil)
	w.handler().tellLogin(r, new(session.Session), -time.Second)
	for _, family := range gathered(t) {
		for _, one := range family.GetMetric() {
			if sum := one.GetHistogram().GetSampleSum(); sum < 0 {
				t.Errorf("the sum of %s is %v", family.GetName(), sum)
			}
		}
	}
}

// Prometheus finds nothing to say against names and units.
func TestMetricsAreNamedAsPrometheusWants(t *testing.T) {
	t.Parallel()
	newWorld(t)
	families := gathered(t)
	for _, family := range families { // of which each series of every other test is compared with all others
		family.Metric = family.GetMetric()[:1]
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// The documentation has every metric, with its type and the values of its labels, and no
// other one.
func TestMetricsAreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn(w.browser(), "/home", w.pair.User) // some are there only after the first call
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	errorPage, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `(caddy_auth0_oidc_[a-z_]+)` \\| (.*)$").FindAllStringSubmatch(string(page)+string(calls), -1) {
		rows[m[1]] = m[2]
	}
	for _, family := range gathered(t) {
		row, found := rows[family.GetName()]
		if kind := strings.ToLower(family.GetType().String()); !found || !strings.HasPrefix(row, kind+" |") {
			t.Errorf("%s, a %s, has the row %q", family.GetName(), kind, row)
		}
		delete(rows, family.GetName())
		for _, one := range family.GetMetric() {
			for _, label := range one.GetLabel() {
				if label.GetName() == "issuer" || label.GetName() == "client_id" {
					continue
				}
				shown := row
				switch family.GetName() {
				case "caddy_auth0_oidc_refusals_total":
					shown += string(errorPage)
				case "caddy_auth0_oidc_sessions_rejected_total":
					shown = string(page)
				case "caddy_auth0_oidc_tenant_requests_total", "caddy_auth0_oidc_tenant_request_duration_seconds":
					shown = string(calls)
				}
				if !strings.Contains(row, "`"+label.GetName()+"`") || !strings.Contains(shown, "`"+label.GetValue()+"`") {
					t.Errorf("%s: %s=%q is not documented", family.GetName(), label.GetName(), label.GetValue())
				}
			}
		}
	}
	for name := range rows {
		t.Errorf("%s is documented, and does not exist", name)
	}
}

// Every code and every reason is in its list, which the metrics begin with.
func TestEnumerationsAreComplete(t *testing.T) {
	t.Parallel()
	lists := map[string]struct {
		prefix string
		listed []string
		more   []string
	}{
		"refuse.go":    {"code", refusalCodes, nil},
		"rejection.go": {"session", rejections, []string{sessionAccepted, sessionAbsent}},
		"observe.go":   {"", slices.Concat(callbackOutcomes, refreshOutcomes, logoutKinds, backchannelOutcomes), nil},
	}
	for _, f := range conventionFiles(t) {
		list, found := lists[strings.TrimPrefix(f.name, "caddyauth0oidc/")]
		if !found {
			continue
		}
		for _, declaration := range f.tree.Decls {
			d, ok := declaration.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				continue
			}
			for _, spec := range d.Specs {
				s := spec.(*ast.ValueSpec)
				if len(s.Values) == 0 || !strings.HasPrefix(s.Names[0].Name, list.prefix) {
					continue
				}
				literal, ok := s.Values[0].(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					continue
				}
				if value, _ := strconv.Unquote(literal.Value); !slices.Contains(list.listed, value) && !slices.Contains(list.more, value) {
					t.Errorf("%s: %s is not in its list", f.name, s.Names[0].Name)
				}
			}
		}
	}
}

// The log lines of decisions are those of the documentation.
func TestLogLinesAreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, f := range conventionFiles(t) {
		if f.dir != "caddyauth0oidc" || f.test {
			continue
		}
		source.Write(f.text)
		for _, m := range regexp.MustCompile(`message: "([^"]+)"`).FindAllSubmatch(f.text, -1) {
			if !strings.Contains(string(page), "| `"+string(m[1])+"` |") {
				t.Errorf("%q is not in the documentation", m[1])
			}
		}
	}
	documented := regexp.MustCompile("(?m)^\\| (?:debug|info|warn|error) \\| `([^`]+)` \\|").FindAllStringSubmatch(string(page), -1)
	for _, m := range documented {
		if !strings.Contains(source.String(), `"`+m[1]+`"`) {
			t.Errorf("nothing logs %q", m[1])
		}
	}
	if len(documented) < 15 {
		t.Errorf("%d lines are documented", len(documented))
	}
}

// A request of a signed-in user is in no line of ours, whatever the level.
func TestRequestsThatPassAreNotLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	before := len(w.logs())
	if response, _ := w.send(b, "GET", "/x", nil); response.StatusCode != http.StatusOK {
		t.Fatalf("%d", response.StatusCode)
	}
	for line := range strings.Lines(w.logs()[before:]) {
		if strings.Contains(line, "auth0_oidc") {
			t.Errorf("%s", line)
		}
	}
}
