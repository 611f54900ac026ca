package caddyauth0oidc

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	dto "github.com/prometheus/client_model/go"
)

// registered gives the names of all metrics that there are after a login, as Caddy serves
// them, with those that belong to a histogram.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, family := range familiesOf(t) {
		names[family.GetName()] = true
		if family.GetType().String() == "HISTOGRAM" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[family.GetName()+suffix] = true
			}
		}
	}
	return names
}

// familiesOf gives what Caddy serves after a login with a profile of the Management API.
func familiesOf(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	w := childWorld(t, withChild("header", ""))
	w.signIn(w.browser(), "/home", w.pair.User)
	ctx := w.handler().keeping.ctx.(caddy.Context)
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

var metricName = regexp.MustCompile(`caddy_auth0_oidc_[a-z0-9_]*[a-z0-9]`)

// Alerts and dashboards that ask for a metric which is not there stay silent for ever.
func TestMonitoringAsksForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	known := registered(t)
	for _, file := range []string{"../examples/monitoring/alerts.yml", "../examples/monitoring/dashboard.json", "../docs/operations.md"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		found := metricName.FindAllString(string(text), -1)
		for _, name := range found {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
		if len(found) < 7 {
			t.Errorf("%s has %d metrics", file, len(found))
		}
	}
}

var (
	selector = regexp.MustCompile(`(caddy_auth0_oidc_[a-z0-9_]+)\{([^}]*)\}`)
	matching = regexp.MustCompile(`([a-z_]+)(?:=|!=|=~|!~)\\?"([^"\\]*)\\?"`)
)

// The same goes for a label that a metric does not have, and for a value that it never has.
func TestMonitoringAsksForLabelsThatThereAre(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, family := range familiesOf(t) {
		for _, one := range family.GetMetric() {
			for _, label := range one.GetLabel() {
				known[family.GetName()+" "+label.GetName()] = true
				known[family.GetName()+" "+label.GetName()+" "+label.GetValue()] = true
			}
		}
	}
	checked := 0
	for _, file := range []string{"../examples/monitoring/alerts.yml", "../examples/monitoring/dashboard.json"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range selector.FindAllStringSubmatch(string(text), -1) {
			metric := strings.TrimSuffix(asked[1], "_bucket")
			for _, label := range matching.FindAllStringSubmatch(asked[2], -1) {
				if !known[metric+" "+label[1]] {
					t.Errorf("%s: %s has no label %s", file, metric, label[1])
				}
				for _, value := range strings.Split(label[2], "|") {
					if checked++; value != "" && value[0] != '$' && !known[metric+" "+label[1]+" "+value] {
						t.Errorf("%s: %s never has the %s %s", file, metric, label[1], value)
					}
				}
			}
		}
	}
	if checked < 60 {
		t.Errorf("only %d values", checked)
	}
}

// What the module measures of its calls, and every member of status and health, is
// explained.
func TestOperationsPageExplainsEachMetricAndMember(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.FromSlash("../docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range registered(t) {
		base := strings.TrimPrefix(name, "caddy_auth0_oidc_")
		ours := strings.HasPrefix(base, "tenant_") || strings.HasPrefix(base, "discovery_") || strings.HasPrefix(base, "keys_")
		if ours && base != name && !strings.Contains(string(text), strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")) {
			t.Errorf("%s is not explained", name)
		}
	}
	pending, seen := []reflect.Type{reflect.TypeFor[statusAnswer](), reflect.TypeFor[healthAnswer]()}, make(map[reflect.Type]bool)
	for len(pending) > 0 {
		next := pending[0]
		pending = pending[1:]
		for next.Kind() == reflect.Slice || next.Kind() == reflect.Pointer {
			next = next.Elem()
		}
		if next.Kind() != reflect.Struct || seen[next] || next.PkgPath() == "time" {
			continue
		}
		seen[next] = true
		for i := range next.NumField() {
			field := next.Field(i)
			pending = append(pending, field.Type)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "" && !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("%s.%s: %s is not explained", next.Name(), field.Name, name)
			}
		}
	}
	if words := []string{stateUnasked, stateAvailable, stateAway, stateUnknown}; slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(string(text), "| `"+word+"` |") }) {
		t.Errorf("one of %q is not explained", words)
	}
}
