package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/stats"
)

// Markdown writes the report as one table per measure, for each bare proxy that
// something was measured with.
func (r *Report) Markdown(to io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, %s, Caddy %s. %d pairs of %s, %d connections to each side.\n",
		r.Processor, r.Cores, r.Go, r.Caddy, r.Pairs, r.Slice, r.Connections)
	if len(r.Peers) > 0 {
		fmt.Fprintf(&b, "Beside it: %s.\n", strings.Join(r.Peers, ", "))
	}
	foreign := r.foreign()
	fmt.Fprintf(&b, "Processor time of other programs while both sides were loaded: median %s (%s to %s).\n",
		percent(foreign.Median), percent(foreign.Min), percent(foreign.Max))
	for _, bare := range r.bareProxies() {
		fmt.Fprintf(&b, "\n## Beside %s\n", bare)
		results := slices.DeleteFunc(slices.Clone(r.Results), func(one Result) bool { return one.Beside != bare })
		for _, m := range measures {
			table(&b, m, results)
		}
		memory(&b, results)
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// bareProxies are in the order in which the results have them.
func (r *Report) bareProxies() []string {
	var all []string
	for _, result := range r.Results {
		if !slices.Contains(all, result.Beside) {
			all = append(all, result.Beside)
		}
	}
	return all
}

func (r *Report) foreign() stats.Spread {
	var shares []float64
	for _, result := range r.Results {
		for _, p := range result.Pairs {
			shares = append(shares, p.Foreign)
		}
	}
	return stats.SpreadOf(shares)
}

// table leaves out what has no such figure, and itself if nothing has.
func table(b *strings.Builder, m measure, results []Result) {
	var rows strings.Builder
	for _, result := range results {
		all := m.compare(result.Pairs)
		if math.IsNaN(all.variant.Median) {
			continue
		}
		fmt.Fprintf(&rows, "| %s | **%s** (%s–%s) | %s | %s | %s |\n", result.About,
			number(all.ratio.Median, 2), number(all.ratio.Min, 2), number(all.ratio.Max, 2), signed(all.difference.Median, m.digits),
			number(all.variant.Median, m.digits), number(all.bare.Median, m.digits))
	}
	if rows.Len() == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n| variant | ÷ bare, median (min–max) | − bare, median | variant, median | bare, median |\n|---|---|---|---|---|\n%s", m.title, rows.String())
}

// memory has one figure of each side, and so no spread.
func memory(b *strings.Builder, results []Result) {
	b.WriteString("\n### Resident memory, MiB\n\n| variant | after requests | ÷ bare | variant | bare | variant, peak | bare, peak |\n|---|---|---|---|---|---|---|\n")
	for _, result := range results {
		variant, bare := result.Variant, result.Bare
		fmt.Fprintf(b, "| %s | %d | **%s** | %s | %s | %s | %s |\n", result.About, result.Requests,
			number(stats.Ratio(float64(variant.Resident), float64(bare.Resident)), 2),
			mebibytes(variant.Resident), mebibytes(bare.Resident), mebibytes(variant.Peak), mebibytes(bare.Peak))
	}
}

func number(f float64, digits int) string {
	if math.IsNaN(f) {
		return "–"
	}
	return strconv.FormatFloat(f, 'f', digits, 64)
}

func signed(f float64, digits int) string {
	text := number(f, digits)
	if f < 0 || math.IsNaN(f) {
		return text
	}
	return "+" + text
}

func percent(share float64) string { return number(100*share, 0) + " %" }

func mebibytes(n uint64) string { return number(float64(n)/(1<<20), 0) }
