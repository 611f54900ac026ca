package report

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/process"
)

// Between the two pairs the machine has become twice as fast.
func twoPairs() []Pair {
	return []Pair{
		{
			Variant: Sample{CPU: 120, Heap: &PerHeap{110, 22000}, Rate: 8000, P50: 4, P99: 12},
			Bare:    Sample{CPU: 100, Heap: &PerHeap{100, 20000}, Rate: 10000, P50: 3, P99: 10},
			Foreign: 0.02,
		},
		{
			Variant: Sample{CPU: 70, Heap: &PerHeap{112, 22200}, Rate: 18000, P50: 2, P99: 6},
			Bare:    Sample{CPU: 50, Heap: &PerHeap{100, 20000}, Rate: 20000, P50: 1.5, P99: 5},
			Foreign: 0.10,
		},
	}
}

func TestRatioIsTakenInsideEachPair(t *testing.T) {
	t.Parallel()
	got := measures[0].compare(twoPairs())
	if got.ratio.Min != 1.2 || got.ratio.Max != 1.4 || number(got.ratio.Median, 2) != "1.30" {
		t.Errorf("ratio %+v", got.ratio)
	}
	if got.difference.Median != 20 || got.variant.Median != 95 || got.bare.Median != 75 {
		t.Errorf("got %+v", got)
	}
}

func TestReportHasATableForEachMeasure(t *testing.T) {
	t.Parallel()
	plain := twoPairs()
	for i := range plain {
		plain[i].Variant.Heap, plain[i].Bare.Heap = nil, nil
	}
	r := &Report{
		Processor: "Some CPU", Cores: 2, Go: "go1.26.8", Caddy: "v2.11.9", Peers: []string{"Apache 2", "oauth2-proxy 7"}, Pairs: 2, Slice: "2s", Connections: 32,
		Results: []Result{
			{Name: "a", About: "plugin", Beside: "bare Caddy", Pairs: twoPairs(), Requests: 7, Variant: process.Memory{Resident: 60 << 20, Peak: 66 << 20}, Bare: process.Memory{Resident: 50 << 20, Peak: 55 << 20}},
			{Name: "b", About: "not a Go program", Beside: "bare Caddy", Pairs: plain, Requests: 7},
			{Name: "c", About: "a module", Beside: "bare Apache", Pairs: plain, Requests: 7},
		},
	}
	var b strings.Builder
	if err := r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Some CPU, 2 cores, go1.26.8, Caddy v2.11.9. 2 pairs of 2s, 32 connections to each side.\nBeside it: Apache 2, oauth2-proxy 7.\n",
		"median 6 % (2 % to 10 %).\n",
		"\n## Beside bare Caddy\n\n### CPU per request, µs\n\n| variant |",
		"\n## Beside bare Apache\n\n### CPU per request, µs\n\n| variant |",
		"| plugin | **1.30** (1.20–1.40) | +20.0 | 95.0 | 75.0 |\n",
		"| plugin | **1.11** (1.10–1.12) | +11.0 | 111.0 | 100.0 |\n",
		"| plugin | **0.85** (0.80–0.90) | -2000 | 13000 | 15000 |\n",
		"| not a Go program | **1.30** (1.20–1.40) |",
		"| plugin | 7 | **1.20** | 60 | 50 | 66 | 55 |\n",
		"| not a Go program | 7 | **–** | 0 | 0 | 0 | 0 |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := strings.Count(b.String(), "| not a Go program |"); n != 5 || strings.Contains(b.String(), "NaN") {
		t.Errorf("the one without a heap has %d rows:\n%s", n, b.String())
	}
	_, apache, _ := strings.Cut(b.String(), "## Beside bare Apache")
	if strings.Contains(apache, "Heap") || strings.Count(apache, "| a module |") != 5 || strings.Contains(apache, "| plugin |") {
		t.Errorf("beside bare Apache:\n%s", apache)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
