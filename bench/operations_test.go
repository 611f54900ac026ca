package bench

import (
	"slices"
	"strings"
	"testing"
)

// operation is a part of what a request costs. Its benchmark is for reading, its
// allocations are guarded.
type operation struct {
	name string
	// prepare gives what is measured, with everything made that it does not make.
	prepare func(tb testing.TB) func()
	// floor, if it is set, is what the operation contains and is not meant. The
	// guard and the metrics beginning with net- leave it out.
	floor string
}

func operations() []operation {
	return slices.Concat(codecOperations(), cookieOperations(), headerOperations(), handlerOperations())
}

// BenchmarkOperation runs every operation. A floor runs before what needs it:
// where -bench leaves it out, the net metrics are left out, too.
func BenchmarkOperation(b *testing.B) {
	floors := make(map[string]float64)
	for _, o := range operations() {
		b.Run(strings.ReplaceAll(o.name, " ", "-"), func(b *testing.B) {
			run := o.prepare(b)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			floors[o.name] = each
			if floor, ok := floors[o.floor]; ok {
				b.ReportMetric(each-floor, "net-ns/op")
			}
		})
	}
}
