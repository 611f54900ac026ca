package caddyauth0oidc

import (
	"strconv"
	"testing"
)

// However many states there are, sweeps come to each of them.
func TestSweepsComeToEveryState(t *testing.T) {
	t.Parallel()
	f, names, seen := new(refresher), make([]string, 2*maxSwept+1), make(map[string]bool)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	for range 3 {
		next := f.nextSwept(names)
		if len(next) != maxSwept {
			t.Fatalf("%d at a time", len(next))
		}
		for _, name := range next {
			seen[name] = true
		}
	}
	if len(seen) != len(names) || len(f.nextSwept(names[:5])) != 5 {
		t.Errorf("%d of %d", len(seen), len(names))
	}
}
