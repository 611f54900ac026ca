package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/stats"
)

// Markdown writes the report as one table per measure.
func (r *Report) Markdown(to io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, %s, Caddy %s. %d pairs of %s, %d connections to each side.\n",
		r.Processor, r.Cores, r.Go, r.Caddy, r.Pairs, r.Slice, r.Connections)
	foreign := r.foreign()
	fmt.Fprintf(&b, "Processor time of other programs while both sides were loaded: median %s (%s to %s).\n",
		percent(foreign.Median), percent(foreign.Min), percent(foreign.Max))
	for _, m := range measures {
		r.table(&b, m)
	}
	r.memory(&b)
	_, err := io.WriteString(to, b.String())
	return err
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

func (r *Report) table(b *strings.Builder, m measure) {
	fmt.Fprintf(b, "\n### %s\n\n| variant | ÷ bare, median (min–max) | − bare, median | variant, median | bare, median |\n|---|---|---|---|---|\n", m.title)
	for _, result := range r.Results {
		all := m.compare(result.Pairs)
		if math.IsNaN(all.variant.Median) {
			continue
		}
		fmt.Fprintf(b, "| %s | **%s** (%s–%s) | %s | %s | %s |\n", result.About,
			number(all.ratio.Median, 2), number(all.ratio.Min, 2), number(all.ratio.Max, 2), signed(all.difference.Median, m.digits),
			number(all.variant.Median, m.digits), number(all.bare.Median, m.digits))
	}
}

// memory has one figure of each side, and so no spread.
func (r *Report) memory(b *strings.Builder) {
	b.WriteString("\n### Resident memory, MiB\n\n| variant | after requests | ÷ bare | variant | bare | variant, peak | bare, peak |\n|---|---|---|---|---|---|---|\n")
	for _, result := range r.Results {
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
