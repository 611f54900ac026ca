// Package stats answers what the figures of several runs have in common.
package stats

import (
	"cmp"
	"math"
	"slices"
)

// Spread is the middle of some figures and how far they lie apart. All three are
// NaN where there is no figure.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf ignores figures that are NaN: they were not to be had.
func SpreadOf(figures []float64) Spread {
	sorted := slices.DeleteFunc(slices.Clone(figures), math.IsNaN)
	if len(sorted) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(sorted)
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Spread{median, sorted[0], sorted[len(sorted)-1]}
}

// Ratio is a divided by b, or NaN where b is nothing.
func Ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

// Quantile gives the smallest of the sorted values that at least the share q of
// them, from 0 to 1, does not exceed. Of no values it is the zero value.
func Quantile[T cmp.Ordered](sorted []T, q float64) T {
	if len(sorted) == 0 {
		var zero T
		return zero
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
