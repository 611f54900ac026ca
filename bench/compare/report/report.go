// Package report answers what a comparison has found, as tables and as JSON.
package report

import (
	"math"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/stats"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/process"
)

// Sample is what one side took in one pair.
type Sample struct {
	CPU  float64  `json:"cpu_us"`         // microseconds of processor time per request
	Heap *PerHeap `json:"heap,omitempty"` // nil of a program that is not a Go program
	Rate float64  `json:"requests_per_s"` // alone, at full load
	P50  float64  `json:"latency_p50_ms"` // alone, at full load
	P99  float64  `json:"latency_p99_ms"` // alone, at full load
}

// PerHeap is what a request takes from the heap of the proxy.
type PerHeap struct {
	Objects float64 `json:"objects"`
	Bytes   float64 `json:"bytes"`
}

// Pair is a variant and the bare proxy, measured together.
type Pair struct {
	Variant Sample  `json:"variant"`
	Bare    Sample  `json:"bare"`
	Foreign float64 `json:"foreign_cpu_share"` // of all processors, used by neither side nor by the load
}

// Result is all that was measured of a variant.
type Result struct {
	Name        string         `json:"name"`
	About       string         `json:"about"`
	Beside      string         `json:"beside"` // the bare proxy that it was measured with, and its cookies
	Added       bool           `json:"added"`  // these are the application's own alone
	Sessions    int            `json:"sessions"`
	Connections int            `json:"connections"`
	Requests    int            `json:"requests"` // that each side has answered in the end
	Pairs       []Pair         `json:"pairs"`
	Variant     process.Memory `json:"variant_memory"`
	Bare        process.Memory `json:"bare_memory"`
}

// Report is a whole comparison.
type Report struct {
	Processor   string   `json:"processor"`
	Cores       int      `json:"cores"`
	Go          string   `json:"go"`
	Caddy       string   `json:"caddy"`
	Peers       []string `json:"peers,omitempty"` // programs and modules with their versions
	Pairs       int      `json:"pairs"`
	Slice       string   `json:"slice"`
	Connections int      `json:"connections"`
	Results     []Result `json:"results"`
}

// measure is one of the things that are compared.
type measure struct {
	title  string
	digits int // behind the point
	of     func(Sample) float64
}

var measures = []measure{
	{"CPU per request, µs", 1, func(s Sample) float64 { return s.CPU }},
	{"Heap objects per request", 1, func(s Sample) float64 { return s.Heap.objects() }},
	{"Heap bytes per request", 0, func(s Sample) float64 { return s.Heap.bytes() }},
	{"Requests per second", 0, func(s Sample) float64 { return s.Rate }},
	{"Latency p50, ms", 2, func(s Sample) float64 { return s.P50 }},
	{"Latency p99, ms", 2, func(s Sample) float64 { return s.P99 }},
}

func (h *PerHeap) objects() float64 {
	if h == nil {
		return math.NaN()
	}
	return h.Objects
}

func (h *PerHeap) bytes() float64 {
	if h == nil {
		return math.NaN()
	}
	return h.Bytes
}

// row is a measure of a variant over all pairs.
type row struct{ ratio, difference, variant, bare stats.Spread }

// compare takes ratio and difference inside each pair: the machine is not as fast
// in one pair as in the next.
func (m measure) compare(pairs []Pair) row {
	var ratios, differences, variants, bares []float64
	for _, p := range pairs {
		variant, bare := m.of(p.Variant), m.of(p.Bare)
		ratios = append(ratios, stats.Ratio(variant, bare))
		differences = append(differences, variant-bare)
		variants, bares = append(variants, variant), append(bares, bare)
	}
	return row{stats.SpreadOf(ratios), stats.SpreadOf(differences), stats.SpreadOf(variants), stats.SpreadOf(bares)}
}
