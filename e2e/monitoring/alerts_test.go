// Package monitoring reads examples/monitoring as Prometheus and Grafana do.
package monitoring

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

var folder = filepath.Join("..", "..", "examples", "monitoring")

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// alerts gives the rules of the example, as Prometheus reads them.
func alerts(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.Parse(read(t, filepath.Join(folder, "alerts.yml")), false, model.UTF8Validation, parsing, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var all []rulefmt.Rule
	for _, group := range groups.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 15 {
		t.Fatalf("only %d rules", len(all))
	}
	return all
}

// Whoever is woken up is told what to do.
func TestEachAlertHasASummaryASeverityAndARunbook(t *testing.T) {
	t.Parallel()
	docs := string(read(t, filepath.Join("..", "..", "docs", "operations.md")))
	for _, rule := range alerts(t) {
		if rule.Annotations["summary"] == "" || !regexp.MustCompile(`^(warning|critical)$`).MatchString(rule.Labels["severity"]) {
			t.Errorf("%s: summary %q, severity %q", rule.Alert, rule.Annotations["summary"], rule.Labels["severity"])
		}
		_, anchor, _ := strings.Cut(rule.Annotations["runbook_url"], "/docs/operations.md#")
		if anchor != strings.ToLower(rule.Alert) || !strings.Contains(docs, "\n### "+rule.Alert+"\n\n") {
			t.Errorf("%s: the runbook %s is not there", rule.Alert, rule.Annotations["runbook_url"])
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (Auth0\w+)$`).FindAllStringSubmatch(docs, -1) {
		found := false
		for _, rule := range alerts(t) {
			found = found || rule.Alert == heading[1]
		}
		if !found {
			t.Errorf("there is no alert %s", heading[1])
		}
	}
}

// The configuration of Prometheus finds the alerts, and asks where Caddy answers.
func TestPrometheusReadsTheAlertsAndAsksCaddy(t *testing.T) {
	t.Parallel()
	var config struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			MetricsPath   string `yaml:"metrics_path"`
			StaticConfigs []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(read(t, filepath.Join(folder, "prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	for _, file := range config.RuleFiles {
		read(t, filepath.Join(folder, file))
	}
	target := config.ScrapeConfigs[0].StaticConfigs[0].Targets[0]
	host, port, _ := strings.Cut(target, ":")
	site := string(read(t, filepath.Join(folder, "Caddyfile")))
	for _, line := range []string{"http://:" + port + " {", "bind " + host, "metrics " + config.ScrapeConfigs[0].MetricsPath} {
		if len(config.RuleFiles) == 0 || !strings.Contains(site, line) {
			t.Errorf("the Caddyfile has no line %q", line)
		}
	}
}

// story is what Prometheus has seen, a value a step, for an alert and for none.
type story struct {
	step        time.Duration // a minute, if it is not written
	bad, silent string
}

const of = `instance="a", issuer="https://acme/", client_id="x"`

func counter(name, more, values string) string {
	return "\tcaddy_auth0_oidc_" + name + "{" + of + more + "} " + values + "\n"
}

var stories = map[string]story{
	"Auth0LoginsFail": {
		bad:    counter("login_failures_total", `, code="token_refused"`, "0+1x30") + counter("callbacks_total", `, outcome="refused"`, "0+2x30"),
		silent: counter("login_failures_total", `, code="login_denied"`, "0+1x30") + counter("login_failures_total", `, code="token_refused"`, "0+1x30") + counter("callbacks_total", `, outcome="signed_in"`, "0+9x30"),
	},
	"Auth0NobodyFinishesLogin": {
		bad:    counter("logins_started_total", "", "0+1x30") + counter("callbacks_total", `, outcome="signed_in"`, "0x30"),
		silent: counter("logins_started_total", "", "0+1x30") + counter("callbacks_total", `, outcome="signed_in"`, "0+1x30"),
	},
	"Auth0Unavailable": {
		bad:    counter("tenant_available", "", "0x30") + counter("tenant_requests_total", `, endpoint="discovery", outcome="dns"`, "0+1x30"),
		silent: counter("tenant_available", "", "0x30") + counter("tenant_requests_total", `, endpoint="discovery", outcome="dns"`, "0x10 1x20"), // and nobody came since
	},
	"Auth0NoDiscovery": {
		bad:    counter("tenant_available", "", "0x30") + counter("discovery_fetched_timestamp_seconds", "", "0x30"),
		silent: counter("discovery_fetched_timestamp_seconds", "", "0x30"), // nobody has asked yet
	},
	"Auth0KeysOld": {
		step:   30 * time.Minute,
		bad:    counter("keys_fetched_timestamp_seconds", "", "60x30") + counter("tenant_requests_total", `, endpoint="keys", outcome="5xx"`, "0+9x30"),
		silent: counter("tenant_available", "", "0x30") + counter("keys_fetched_timestamp_seconds", "", "60x30") + counter("tenant_requests_total", `, endpoint="discovery", outcome="5xx"`, "0+9x30"), // a quiet site
	},
	"Auth0TokenRequestsFail": {
		bad:    counter("tenant_requests_total", `, endpoint="token", outcome="4xx"`, "0+1x30") + counter("tenant_requests_total", `, endpoint="token", outcome="2xx"`, "0+1x30"),
		silent: counter("tenant_requests_total", `, endpoint="token", outcome="cancelled"`, "0+5x30") + counter("tenant_requests_total", `, endpoint="token", outcome="2xx"`, "0+1x30"),
	},
	"Auth0ManagementRequestsFail": {
		bad:    counter("tenant_requests_total", `, endpoint="management", outcome="4xx"`, "0+1x30"),
		silent: counter("tenant_requests_total", `, endpoint="management", outcome="2xx"`, "0+9x30"),
	},
	"Auth0RateLimited": {
		bad:    counter("tenant_requests_total", `, endpoint="par", outcome="429"`, "0+1x30"),
		silent: counter("tenant_requests_total", `, endpoint="par", outcome="429"`, "7x30"),
	},
	"Auth0Slow": {
		bad: counter("tenant_request_duration_seconds_bucket", `, endpoint="token", le="1"`, "0+1x30") + counter("tenant_request_duration_seconds_bucket", `, endpoint="token", le="5"`, "0+9x30") +
			counter("tenant_request_duration_seconds_bucket", `, endpoint="token", le="+Inf"`, "0+9x30"),
		silent: counter("tenant_request_duration_seconds_bucket", `, endpoint="token", le="1"`, "0+9x30") + counter("tenant_request_duration_seconds_bucket", `, endpoint="token", le="+Inf"`, "0+9x30"),
	},
	"Auth0RefusedWith503": {
		bad:    counter("refusals_total", `, code="tenant_unavailable"`, "0+1x30"),
		silent: counter("refusals_total", `, code="login_required"`, "0+9x30"),
	},
	"Auth0LoginLoops": {
		bad:    counter("login_failures_total", `, code="login_loop"`, "0+1x30"),
		silent: counter("login_failures_total", `, code="login_denied"`, "0+9x30"),
	},
	"Auth0RefreshesFail": {
		bad:    counter("refreshes_total", `, outcome="delayed"`, "0+1x30") + counter("refreshes_total", `, outcome="refreshed"`, "0+1x30"),
		silent: counter("refreshes_total", `, outcome="delayed"`, "0+1x30") + counter("refreshes_total", `, outcome="refreshed"`, "0+9x30"),
	},
	"Auth0RefreshTokensRefused": {
		bad:    counter("refreshes_total", `, outcome="ended"`, "0+1x30"),
		silent: counter("refreshes_total", `, outcome="ended"`, "0x28 1x2"),
	},
	"Auth0RevocationNotRead": {
		bad:    counter("revocation_last_read_timestamp_seconds", "", "0x30"),
		silent: counter("revocation_last_read_timestamp_seconds", "", "0+60x30"),
	},
	"Auth0MarksWait": {bad: counter("revocation_marks_waiting", "", "2x30"), silent: counter("revocation_marks_waiting", "", "0x30")},
	"Auth0CookiesUnknown": {
		bad:    counter("sessions_rejected_total", `, reason="unknown_key"`, "0+9x30"),
		silent: counter("sessions_rejected_total", `, reason="idle"`, "0+9x30"),
	},
	"Auth0CookiesForged": {
		bad:    counter("sessions_rejected_total", `, reason="altered"`, "0+9x30"),
		silent: counter("sessions_rejected_total", `, reason="absolute"`, "0+9x30"),
	},
	"Auth0BackchannelLogoutsFail": {
		bad:    counter("backchannel_logouts_total", `, outcome="unavailable"`, "0+1x30"),
		silent: counter("backchannel_logouts_total", `, outcome="accepted"`, "0+9x30"),
	},
}

// Each alert speaks of what it is for, and is silent when there is nothing of it, nor
// anything at all.
func TestEachAlertSpeaksWhenItShould(t *testing.T) {
	t.Parallel()
	told := alerts(t)
	for _, rule := range told {
		s, known := stories[rule.Alert]
		if !known {
			t.Errorf("%s has no story", rule.Alert)
			continue
		}
		if s.step == 0 {
			s.step = time.Minute
		}
		for what, want := range map[string]bool{s.bad: true, s.silent: false, "": false} {
			if got := speaks(t, rule.Expr, what, s.step); got != want {
				t.Errorf("%s speaks: %t, with\n%s", rule.Alert, got, what)
			}
		}
	}
	if len(told) != len(stories) {
		t.Errorf("%d alerts, %d stories", len(told), len(stories))
	}
}
