package stats

import (
	"math"
	"testing"
)

func TestSpreadIsMedianAndExtremes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		figures []float64
		want    Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{3, 1, 2}, Spread{2, 1, 3}},
		{[]float64{4, 1, 2, 10}, Spread{3, 1, 10}},
		{[]float64{math.NaN(), 5, math.NaN(), 7}, Spread{6, 5, 7}},
	} {
		before := test.figures[0]
		if got := SpreadOf(test.figures); got != test.want {
			t.Errorf("%v: got %v, want %v", test.figures, got, test.want)
		}
		if test.figures[0] != before && !math.IsNaN(before) {
			t.Errorf("the figures were reordered: %v", test.figures)
		}
	}
}

func TestWithoutFiguresThereIsNoSpreadAndNoRatio(t *testing.T) {
	t.Parallel()
	s := SpreadOf([]float64{math.NaN()})
	if !math.IsNaN(s.Median) || !math.IsNaN(s.Min) || !math.IsNaN(s.Max) || !math.IsNaN(Ratio(1, 0)) {
		t.Errorf("got %v and %v", s, Ratio(1, 0))
	}
	if got := Ratio(3, 2); got != 1.5 {
		t.Errorf("3 to 2: got %v", got)
	}
}

func TestQuantileIsOneOfTheValues(t *testing.T) {
	t.Parallel()
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for _, test := range []struct {
		sorted []int
		q      float64
		want   int
	}{
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
		{[]int{1, 2, 3}, 0.5, 2}, {[]int{7}, 0.99, 7}, {nil, 0.5, 0},
	} {
		if got := Quantile(test.sorted, test.q); got != test.want {
			t.Errorf("%v of %d values: got %d, want %d", test.q, len(test.sorted), got, test.want)
		}
	}
}
