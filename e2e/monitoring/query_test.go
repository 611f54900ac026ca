package monitoring

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

var parsing = parser.NewParser(parser.Options{})

// speaks asks the expression 30 steps after the beginning.
func speaks(t *testing.T, expression, seen string, step time.Duration) bool {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 10_000, Timeout: time.Minute, LookbackDelta: step})
	defer engine.Close()
	query, err := engine.NewInstantQuery(t.Context(), remembered(t, seen, step), nil, expression, time.Unix(0, 0).Add(30*step))
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return len(vector) > 0
}

// remembered gives a storage with the series of the lines, in Prometheus' notation for
// tests, with a value a step.
func remembered(t *testing.T, lines string, step time.Duration) storage.Queryable {
	t.Helper()
	var all []storage.Series
	for line := range strings.Lines(lines) {
		of, values, err := parsing.ParseSeriesDesc(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var samples []chunks.Sample
		for i, value := range values {
			samples = append(samples, sample{int64(i) * step.Milliseconds(), value.Value})
		}
		all = append(all, storage.NewListSeries(of, samples))
	}
	return storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return memory(all), nil })
}

// sample is a value of a series at a time in milliseconds.
type sample struct {
	at    int64
	value float64
}

func (s sample) ST() int64                     { return 0 }
func (s sample) T() int64                      { return s.at }
func (s sample) F() float64                    { return s.value }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// memory is a storage.Querier over few series.
type memory []storage.Series

func (m memory) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &found{at: -1}
	for _, series := range m {
		fits := true
		for _, matcher := range matchers {
			fits = fits && matcher.Matches(series.Labels().Get(matcher.Name))
		}
		if fits {
			found.series = append(found.series, series)
		}
	}
	return found
}

func (memory) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (memory) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (memory) Close() error { return nil }

// found is a storage.SeriesSet.
type found struct {
	series []storage.Series
	at     int
}

func (f *found) Next() bool                        { f.at++; return f.at < len(f.series) }
func (f *found) At() storage.Series                { return f.series[f.at] }
func (f *found) Err() error                        { return nil }
func (f *found) Warnings() annotations.Annotations { return nil }
