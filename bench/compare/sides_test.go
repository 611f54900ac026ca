package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash/maphash"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/report"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/process"
)

// counter is a fake side: it counts what it is sent, and its heap grows by so many
// objects of 64 bytes with each request.
type counter struct {
	objects uint64
	work    func() // for each request; nil: nothing

	mu       sync.Mutex
	seed     maphash.Seed
	requests uint64
	cookies  map[uint64]int // how often, by hash
	last     time.Time
}

func (c *counter) listen(t *testing.T) target {
	t.Helper()
	c.seed, c.cookies = maphash.MakeSeed(), make(map[uint64]int)
	l, err := net.Listen("tcp", local(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	heap := func(context.Context) (process.Heap, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return process.Heap{Objects: c.objects * c.requests, Bytes: 64 * c.objects * c.requests}, nil
	}
	return target{address: l.Addr().String(), pids: func() []int { return []int{os.Getpid()} }, heap: heap}
}

func (c *counter) serve(conn net.Conn) {
	defer conn.Close()
	page, reader := answer(""), bufio.NewReaderSize(conn, 64<<10)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if cookie, ok := bytes.CutPrefix(line, []byte("Cookie: ")); ok {
			c.count(bytes.TrimSpace(cookie))
		}
		if len(line) > 2 {
			continue
		}
		if c.work != nil {
			c.work()
		}
		if _, err := conn.Write(page); err != nil {
			return
		}
	}
}

func (c *counter) count(cookie []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.cookies[maphash.Bytes(c.seed, cookie)]++
	c.last = time.Now()
}

// seen is how many different cookies came, and when the last request did.
func (c *counter) seen() (cookies int, last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.cookies), c.last
}

// times is how often a cookie came.
func (c *counter) times(cookie string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cookies[maphash.String(c.seed, cookie)]
}

func TestFiguresAreThoseOfTheSideUnderWhichTheyStand(t *testing.T) {
	t.Parallel()
	large := make([]byte, 8<<20)
	slow := &counter{objects: 50, work: func() { sha256.Sum256(large) }}
	fast := &counter{objects: 10}
	m := &match{upstream: target{pids: func() []int { return nil }}, slice: 30 * time.Millisecond}
	for to, c := range map[**side]*counter{&m.variant: slow, &m.bare: fast} {
		s, err := newSide(t.Context(), c.listen(t), 2, []string{"a=1"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.client.Close)
		*to = s
	}
	for turn := range 2 {
		p, err := m.pair(t.Context(), turn)
		if err != nil {
			t.Fatal(err)
		}
		if *p.Variant.Heap != (report.PerHeap{Objects: 50, Bytes: 3200}) || *p.Bare.Heap != (report.PerHeap{Objects: 10, Bytes: 640}) {
			t.Errorf("heap %+v, bare %+v", *p.Variant.Heap, *p.Bare.Heap)
		}
		if p.Variant.P50 <= p.Bare.P50 || p.Variant.Rate >= p.Bare.Rate {
			t.Errorf("the slow side seems to be the fast one: %+v, bare %+v", p.Variant, p.Bare)
		}
		_, slowest := slow.seen()
		_, fastest := fast.seen()
		if variantFirst := slowest.Before(fastest); variantFirst != (turn == 0) {
			t.Errorf("pair %d: the variant was the first alone: %t", turn, variantFirst)
		}
	}
}

func TestFiguresAreThoseOfOneRequest(t *testing.T) {
	t.Parallel()
	before := spent{cpu: time.Second, heap: process.Heap{Objects: 1000, Bytes: 50_000}}
	after := spent{cpu: 3 * time.Second, heap: process.Heap{Objects: 9000, Bytes: 90_000}}
	s := &side{target: target{heap: func(context.Context) (process.Heap, error) { return process.Heap{}, nil }}}
	got := perRequest(s, before, after, 4000)
	if got.CPU != 500 || *got.Heap != (report.PerHeap{Objects: 2, Bytes: 10}) {
		t.Errorf("got %+v, %+v", got, *got.Heap)
	}
	if got := perRequest(new(side), before, after, 4000); got.CPU != 500 || got.Heap != nil {
		t.Errorf("without a heap: got %+v", got)
	}
}

// What stands in the rows' names and texts is what the sides are sent.
func TestEveryVariantSendsTheCookiesThatItsTextSpeaksOf(t *testing.T) {
	t.Parallel()
	large := []string{"headers-4-100k", "headers-12-100k"}
	added := []string{"headers-4-added", "headers-12-added", "tokens-added", "preset-added"}
	found := make(map[string]int) // how often a name ends in what it ends in
	mint, err := bench.NewMint(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range slices.Concat(usual(), tuning()) {
		sessions, text := 1, ", one session"
		if slices.Contains(large, v.name) {
			sessions, text = 100_000, ", 100000 sessions"
			found["large"]++
		}
		alone, besides := slices.Contains(added, v.name), "bare Caddy with the same cookies"
		if alone {
			besides = "bare Caddy with the application's cookie alone"
			found["added"]++
		}
		result := v.result(2)
		if v.sessions != sessions || v.added != alone || !strings.HasSuffix(result.About, text) || result.Beside != besides {
			t.Errorf("%s: %d sessions, %+v", v.name, v.sessions, result)
		}
		v.sessions = min(v.sessions, 1000) // as many show what 100000 would
		own, err := v.cookies(mint, v.sessions)
		if err != nil {
			t.Fatal(err)
		}
		if parts := 1 + strings.Count(own[0], "; "); parts != 1 && !strings.HasPrefix(v.name, "tokens") {
			t.Errorf("%s: %d cookies in one header", v.name, parts)
		}
		checkSent(t, &v, own)
	}
	if !maps.Equal(found, map[string]int{"large": len(large), "added": len(added)}) {
		t.Errorf("found %v", found)
	}
}

// checkSent loads two fake sides as those of the variant.
func checkSent(t *testing.T, v *variant, own []string) {
	t.Helper()
	variant, bare, result := new(counter), new(counter), v.result(16)
	l, o := &lab{upstream: target{pids: func() []int { return nil }}}, options{pairs: 1, slice: 20 * time.Millisecond}
	if err := l.load(t.Context(), o, variant.listen(t), bare.listen(t), own, &result); err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	cookies, _ := variant.seen()
	if last := own[len(own)-1] + "; " + bench.ApplicationCookie; cookies != v.sessions || variant.times(last) == 0 {
		t.Errorf("%s: it was sent %d different cookies", v.name, cookies)
	}
	want, first := v.sessions, own[0]+"; "+bench.ApplicationCookie
	if v.added {
		want, first = 1, bench.ApplicationCookie
	}
	if cookies, _ := bare.seen(); cookies != want || bare.times(first) == 0 {
		t.Errorf("%s: bare was sent %d different cookies", v.name, cookies)
	}
	if err := l.load(t.Context(), o, variant.listen(t), bare.listen(t), append(own, "a=1"), &result); !errors.Is(err, errSessions) {
		t.Errorf("%s: with one session too many: %v", v.name, err)
	}
}
