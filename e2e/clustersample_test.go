package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// sample is what the instances and Redis take up at a time.
type sample struct {
	at     time.Duration
	values []int // as in quantities
}

// quantity is what is measured, and by how much it may grow.
type quantity struct {
	name  string
	share float64
	least int
}

// quantities are those of an instance, once for each, and those of Redis.
// Until it has lived as long as it may, a session may leave a value in Redis.
func (c *cluster) quantities(sessions int) (all []quantity) {
	for _, n := range c.nodes {
		for _, q := range []quantity{
			{"goroutines", 0.15, 30}, {"descriptors", 0.15, 30}, {"resident kB", 0.15, 16_000}, {"heap kB", 0.2, 6_000},
		} {
			q.name = n.name + " " + q.name
			all = append(all, q)
		}
	}
	return append(all, quantity{"redis keys", 0.2, 30 + sessions}, quantity{"redis kB", 0.2, 1_000 + 6*sessions})
}

// sample measures now. The heap is what is left of it after a collection.
func (c *cluster) sample(at time.Duration) sample {
	c.t.Helper()
	s := sample{at: at}
	for _, n := range c.nodes {
		heap := n.number("/debug/pprof/heap?gc=1&debug=1", inuse) / 1000
		s.values = append(s.values, n.number("/debug/pprof/goroutine?debug=1", goroutines), n.descriptors(), n.resident(), heap)
	}
	keys, memory, err := c.redis.size()
	if err != nil {
		c.t.Fatal(err)
	}
	s.values = append(s.values, keys, memory/1000)
	return s
}

var (
	goroutines = regexp.MustCompile(`^goroutine profile: total (\d+)`)
	inuse      = regexp.MustCompile(`(?m)^# HeapInuse = (\d+)`)
	rss        = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB`)
)

func (n *node) number(path string, pattern *regexp.Regexp) int {
	n.c.t.Helper()
	status, body, err := n.control(http.MethodGet, path, "", "")
	if err != nil || status != http.StatusOK {
		n.c.t.Fatalf("instance %s, %s: %d %v", n.name, path, status, err)
	}
	return n.find(body, pattern)
}

func (n *node) find(text string, pattern *regexp.Regexp) int {
	n.c.t.Helper()
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		n.c.t.Fatalf("instance %s says no %s", n.name, pattern)
	}
	number, err := strconv.Atoi(m[1])
	if err != nil {
		n.c.t.Fatal(err)
	}
	return number
}

func (n *node) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), name)
}

func (n *node) descriptors() int {
	n.c.t.Helper()
	open, err := os.ReadDir(n.proc("fd"))
	if err != nil {
		n.c.t.Fatal(err)
	}
	return len(open)
}

func (n *node) resident() int { return n.find(readFile(n.c.t, n.proc("status")), rss) }

// table shows the samples to people.
func (c *cluster) table(samples []sample) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(w, "at\t")
	for _, q := range c.quantities(0) {
		_, _ = fmt.Fprint(w, q.name, "\t")
	}
	for _, s := range samples {
		_, _ = fmt.Fprint(w, "\n", s.at.Round(time.Second), "\t")
		for _, value := range s.values {
			_, _ = fmt.Fprint(w, value, "\t")
		}
	}
	_ = w.Flush()
	return text.String()
}

// grown names what the median of the last third shows to be above that of the second
// one by more than it may, while so many sessions began.
func (c *cluster) grown(samples []sample, sessions int) (complaints []string) {
	third := len(samples) / 3
	if third < 2 {
		return []string{fmt.Sprintf("there are only %d samples", len(samples))}
	}
	for i, q := range c.quantities(sessions) {
		before, after := median(samples[third:2*third], i), median(samples[2*third:], i)
		if after-before > max(q.least, int(q.share*float64(before))) {
			complaints = append(complaints, fmt.Sprintf("%s grew from %d to %d", q.name, before, after))
		}
	}
	return complaints
}

func median(samples []sample, i int) int {
	var values []int
	for _, s := range samples {
		values = append(values, s.values[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}
