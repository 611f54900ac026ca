package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/load"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/report"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/stats"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/process"
)

// side is a target with the load on it.
type side struct {
	target
	client *load.Client
	served int // requests so far
}

func newSide(ctx context.Context, t target, connections int, cookies []string) (*side, error) {
	client, err := load.Dial(ctx, t.address, connections, load.NewSource(t.address, loadPath, cookies))
	if err != nil {
		return nil, err
	}
	return &side{target: t, client: client}, nil
}

var errBad = errors.New("some answers were not 200")

// count takes a load into account, and does not let one pass in which the target
// refused something.
func (s *side) count(r load.Result, err error) (load.Result, error) {
	s.served += r.Requests
	if err == nil && r.Bad > 0 {
		err = fmt.Errorf("%w: %d of %d at %s", errBad, r.Bad, r.Bad+r.Requests, s.address)
	}
	if err == nil && r.Requests == 0 {
		err = fmt.Errorf("%w: none came from %s", errBad, s.address)
	}
	return r, err
}

// spent is what one side has used up.
type spent struct {
	pids []int
	cpu  time.Duration
	heap process.Heap
}

var errGone = errors.New("a process has ended while it was measured, and took the count of its time with it")

// since takes stock once more. Of processes that have begun meanwhile everything
// counts.
func (s *side) since(ctx context.Context, before spent) (spent, error) {
	now, err := s.spent(ctx)
	if err != nil {
		return spent{}, err
	}
	for _, pid := range before.pids {
		if !slices.Contains(now.pids, pid) {
			return spent{}, fmt.Errorf("%w: %d of %s", errGone, pid, s.address)
		}
	}
	return now, nil
}

func (s *side) spent(ctx context.Context) (spent, error) {
	var now spent
	var err error
	if s.heap != nil {
		if now.heap, err = s.heap(ctx); err != nil {
			return spent{}, err
		}
	}
	now.pids = s.pids()
	now.cpu, err = process.CPU(now.pids)
	return now, err
}

// match is a variant and a bare proxy of its own, so that both have the same past.
type match struct {
	variant, bare *side
	upstream      target
	slice         time.Duration
	added         bool // bare gets the application's cookie alone
}

// refresh lets the load send the cookie of a user who has just signed in, where it
// makes a difference. It costs the variant something, and so comes before what is
// measured.
func (m *match) refresh(ctx context.Context) error {
	if m.variant.signIn == nil {
		return nil
	}
	cookie, err := m.variant.signIn(ctx)
	if err != nil {
		return err
	}
	toVariant, toBare := sent([]string{cookie}, m.added)
	m.variant.client.Use(toVariant)
	m.bare.client.Use(toBare)
	return nil
}

// warmUp lets both serve for one slice that does not count.
func (m *match) warmUp(ctx context.Context) error {
	if err := m.refresh(ctx); err != nil {
		return err
	}
	_, _, err := m.both(ctx)
	return err
}

// pair measures once: both together for what a request costs, so that whatever else
// the machine does meets both alike, and then each alone for how many there can be.
func (m *match) pair(ctx context.Context, turn int) (report.Pair, error) {
	if err := m.refresh(ctx); err != nil {
		return report.Pair{}, err
	}
	p, err := m.together(ctx)
	if err != nil {
		return p, err
	}
	order := []struct {
		side *side
		to   *report.Sample
	}{{m.variant, &p.Variant}, {m.bare, &p.Bare}}
	if turn%2 == 1 {
		order[0], order[1] = order[1], order[0]
	}
	for _, one := range order {
		if err := m.refresh(ctx); err != nil {
			return p, err
		}
		r, err := one.side.count(one.side.client.For(ctx, m.slice))
		if err != nil {
			return p, err
		}
		one.to.Rate = float64(r.Requests) / r.Elapsed.Seconds()
		one.to.P50 = milliseconds(stats.Quantile(r.Latencies, 0.5))
		one.to.P99 = milliseconds(stats.Quantile(r.Latencies, 0.99))
	}
	return p, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// together loads both sides at the same time.
func (m *match) together(ctx context.Context) (report.Pair, error) {
	var before, after [2]spent
	var err error
	sides := [2]*side{m.variant, m.bare}
	for i, s := range sides {
		if before[i], err = s.spent(ctx); err != nil {
			return report.Pair{}, err
		}
	}
	foreign, err := m.watch()
	if err != nil {
		return report.Pair{}, err
	}
	variant, bare, err := m.both(ctx)
	if err != nil {
		return report.Pair{}, err
	}
	var p report.Pair
	if p.Foreign, err = foreign(); err != nil {
		return report.Pair{}, err
	}
	for i, s := range sides {
		if after[i], err = s.since(ctx, before[i]); err != nil {
			return report.Pair{}, err
		}
	}
	p.Variant = perRequest(m.variant, before[0], after[0], variant.Requests)
	p.Bare = perRequest(m.bare, before[1], after[1], bare.Requests)
	return p, nil
}

func perRequest(s *side, before, after spent, requests int) report.Sample {
	n := float64(requests)
	sample := report.Sample{CPU: float64(after.cpu-before.cpu) / float64(time.Microsecond) / n}
	if s.heap != nil {
		sample.Heap = &report.PerHeap{
			Objects: float64(after.heap.Objects-before.heap.Objects) / n,
			Bytes:   float64(after.heap.Bytes-before.heap.Bytes) / n,
		}
	}
	return sample
}

func (m *match) both(ctx context.Context) (variant, bare load.Result, err error) {
	var errs [2]error
	var loads sync.WaitGroup
	loads.Go(func() { variant, errs[0] = m.variant.count(m.variant.client.For(ctx, m.slice)) })
	loads.Go(func() { bare, errs[1] = m.bare.count(m.bare.client.For(ctx, m.slice)) })
	loads.Wait()
	return variant, bare, errors.Join(errs[0], errs[1])
}

// watch gives a function that tells which share of all processors was used since
// by programs that have nothing to do with the comparison.
func (m *match) watch() (func() (float64, error), error) {
	begin := time.Now()
	busy, own, err := m.processors()
	return func() (float64, error) {
		laterBusy, laterOwn, err := m.processors()
		foreign := (laterBusy - busy) - (laterOwn - own)
		all := time.Since(begin) * time.Duration(runtime.NumCPU())
		return math.Max(0, stats.Ratio(float64(foreign), float64(all))), err
	}, err
}

func (m *match) processors() (busy, own time.Duration, err error) {
	pids := []int{pidOfThis}
	for _, pid := range [][]int{m.variant.pids(), m.bare.pids(), m.upstream.pids()} {
		pids = append(pids, pid...)
	}
	if own, err = process.CPU(pids); err != nil {
		return 0, 0, err
	}
	busy, err = process.Busy()
	return busy, own, err
}

// level lets both sides serve on until they have served the same number, at least
// so many that every session was sent, and gives that number. Memory grows with
// the work done.
func (m *match) level(ctx context.Context, sessions int) (int, error) {
	if err := m.refresh(ctx); err != nil {
		return 0, err
	}
	want := max(m.variant.served, m.bare.served, sessions)
	for _, s := range []*side{m.variant, m.bare} {
		if s.served == want {
			continue
		}
		if _, err := s.count(s.client.Times(ctx, want-s.served, time.Now().Add(levelLimit))); err != nil {
			return 0, err
		}
		if s.served != want {
			return 0, fmt.Errorf("%s has served %d requests, not %d", s.address, s.served, want)
		}
	}
	return want, nil
}

// levelLimit is for variants that are several times as slow as a bare proxy.
const levelLimit = 5 * time.Minute
