package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shelves is a Memory of this process, which can fail.
type shelves struct {
	mu     sync.Mutex
	files  map[string][]byte
	writes int
	load   func(ctx context.Context) error // in place of Load, if it gives an error
	store  func(ctx context.Context) error
}

func newShelves() *shelves { return &shelves{files: make(map[string][]byte)} }

func (s *shelves) Load(ctx context.Context, name string) ([]byte, error) {
	if s.load != nil {
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return content, nil
}

func (s *shelves) Store(ctx context.Context, name string, content []byte) error {
	if s.store != nil {
		if err := s.store(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name], s.writes = content, s.writes+1
	return nil
}

func (s *shelves) stored() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// put keeps an answer that came at that time.
func (s *shelves) put(name string, body any, fetched time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = must(json.Marshal(kept{Issuer: testIssuer, Fetched: fetched, Body: []byte(toJSON(body))}))
}

// complaints are what a tenant warned of.
type complaints struct {
	mu  sync.Mutex
	all []string
}

func (c *complaints) warn(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, err.Error())
}

func (c *complaints) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

// remembering is a process that begins now, on that Memory.
func remembering(t *testing.T, rt http.RoundTripper, now func() time.Time, m Memory) (*Tenant, *complaints) {
	t.Helper()
	said := new(complaints)
	tn, err := New(Config{Issuer: testIssuer, Transport: rt, Now: now, Memory: m, Warn: said.warn})
	if err != nil {
		t.Fatal(err)
	}
	tn.metadata.random, tn.keys.recall.random = zeroes{}, zeroes{}
	return tn, said
}

// down is a tenant that refuses every connection.
var down = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") })

func TestFAULT_01_ANewProcessKnowsWhatTheLastOneKnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newShelves()
		before, _ := remembering(t, newAuthority(), nil, m)
		if err := verifying(t, before)(rsaOne(), "one"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		before.Close()
		time.Sleep(time.Hour)
		tn, said := remembering(t, down, nil, m)
		for range 3 {
			start := time.Now()
			md, err := tn.Metadata(t.Context())
			if err != nil || md.TokenEndpoint != testIssuer+"oauth/token" || time.Since(start) != 0 {
				t.Fatalf("%v, %v after %v", md, err, time.Since(start))
			}
			if err := verifying(t, tn)(rsaOne(), "one"); err != nil || time.Since(start) != 0 {
				t.Fatalf("%v after %v", err, time.Since(start))
			}
		}
		if all := said.take(); len(all) != 0 {
			t.Errorf("warnings: %q", all)
		}
		// A key that came up meanwhile cannot be had: that is the tenant's failure, and not the token's.
		wantUnavailable(t, verifying(t, tn)(rsaTwo(), "two"))
	})
}

// The tenant is preferred where it answers soon, and asked on behind the back of who got what was kept.
func TestFAULT_03_FAULT_13_TheTenantIsPreferredToTheMemory(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{0, 900 * time.Millisecond, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			m, a := newShelves(), newAuthority()
			m.put("discovery.json", discovery(object{"token_endpoint": testIssuer + "old"}), time.Now())
			tn, _ := remembering(t, slow(a, takes), nil, m)
			defer tn.Close()
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					start, want := time.Now(), testIssuer+"oauth/token"
					if takes > patience {
						want = testIssuer + "old"
					}
					md, err := tn.Metadata(t.Context())
					if err != nil || md.TokenEndpoint != want || time.Since(start) != min(takes, patience) {
						t.Errorf("the tenant takes %v: %v, %v after %v", takes, md, err, time.Since(start))
					}
				})
			}
			wg.Wait()
			time.Sleep(takes)
			if md, err := tn.Metadata(t.Context()); err != nil || md.TokenEndpoint != testIssuer+"oauth/token" || a.hits(discoveryPath) != 1 {
				t.Errorf("the tenant takes %v: %v, %v after %d requests", takes, md, err, a.hits(discoveryPath))
			}
			synctest.Wait()
			if tn, _ := remembering(t, down, nil, m); must(tn.Metadata(t.Context())).TokenEndpoint != testIssuer+"oauth/token" {
				t.Error("what came late was not kept")
			}
		})
	}
}

// While what was kept serves, the tenant is asked again as often as the back-off lets it.
func TestFAULT_01_WhatWasKeptIsReplacedWhenTheTenantIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, a := newShelves(), newAuthority()
		m.put("discovery.json", discovery(object{"token_endpoint": testIssuer + "old"}), time.Now())
		a.fail(discoveryPath, 503)
		tn, _ := remembering(t, a, nil, m)
		for range 3600 {
			if _, err := tn.Metadata(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := a.hits(discoveryPath); n < 100 || n > 130 {
			t.Errorf("%d requests in an hour of outage", n)
		}
		a.serve(discoveryPath, discovery(nil))
		time.Sleep(maxBackOff)
		_, _ = tn.Metadata(t.Context())
		synctest.Wait()
		if md, err := tn.Metadata(t.Context()); err != nil || md.TokenEndpoint != testIssuer+"oauth/token" {
			t.Errorf("%v, %v", md, err)
		}
	})
}

func TestOIDC_20_KeysOfTheMemoryAreNotBelievedForEver(t *testing.T) {
	t.Parallel()
	c := newClock()
	keys := jwks(rsaJWK("one", &rsaOne().PublicKey))
	for age, believed := range map[time.Duration]bool{
		0: true, keysOld: true, keysLimit - time.Second: true, keysLimit: false, 30 * keysLimit: false,
		-keptAhead: true, -keptAhead - time.Second: false, -365 * keysLimit: false,
	} {
		m := newShelves()
		m.put("discovery.json", discovery(nil), c.Now().Add(-age))
		m.put("keys.json", keys, c.Now().Add(-age))
		tn, said := remembering(t, down, c.Now, m)
		if _, err := tn.Metadata(t.Context()); err != nil {
			t.Errorf("discovery has no limit, but %v from now: %v", -age, err)
		}
		err := verifying(t, tn)(rsaOne(), "one")
		if believed != (err == nil) {
			t.Errorf("fetched %v from now: %v", -age, err)
		}
		if warned := len(said.take()) > 0; warned != (age < -keptAhead) {
			t.Errorf("fetched %v from now: warned %v", -age, warned)
		}
	}
}

// The limit counts from the fetch through any number of restarts, and within the process.
func TestOIDC_20_ARestartDoesNotProlongTheLifeOfKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newShelves()
		m.put("discovery.json", discovery(nil), time.Now())
		m.put("keys.json", jwks(rsaJWK("one", &rsaOne().PublicKey)), time.Now())
		for range 3 {
			tn, _ := remembering(t, down, nil, m)
			if err := verifying(t, tn)(rsaOne(), "one"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(keysLimit/4 - time.Second)
			if err := verifying(t, tn)(rsaOne(), "one"); err != nil {
				t.Fatal(err)
			}
		}
		tn, _ := remembering(t, down, nil, m)
		time.Sleep(keysLimit/4 + 3*time.Second)
		wantUnavailable(t, verifying(t, tn)(rsaOne(), "one"))
	})
}

// What was kept is judged as what comes from the tenant, and what cannot be used is as good as nothing.
func TestFAULT_06_FAULT_21_SpoiltMemoryIsIgnored(t *testing.T) {
	t.Parallel()
	c := newClock()
	other := must(json.Marshal(kept{Issuer: "https://evil.example/", Fetched: c.Now(), Body: []byte(toJSON(discovery(nil)))}))
	inside := func(body any) []byte {
		m := newShelves()
		m.put("x", body, c.Now())
		return m.files["x"]
	}
	for name, content := range map[string][]byte{
		"empty":                 {},
		"no JSON":               []byte("\x00\x01"),
		"null":                  []byte("null"),
		"nothing in it":         []byte("{}"),
		"no date":               must(json.Marshal(kept{Issuer: testIssuer, Body: []byte(toJSON(discovery(nil)))})),
		"no body":               must(json.Marshal(kept{Issuer: testIssuer, Fetched: c.Now()})),
		"of another issuer":     other,
		"too large":             []byte(string(inside(discovery(nil))) + strings.Repeat(" ", maxKept)),
		"cut off":               inside(discovery(nil))[:100],
		"body of HTML":          inside("<html>"),
		"body of another":       inside(discovery(object{"issuer": "https://evil.example/"})),
		"body with plain http":  inside(discovery(object{"token_endpoint": "http://acme.eu.auth0.com/oauth/token"})),
		"body without endpoint": inside(discovery(object{"jwks_uri": nil})),
		"body too large":        inside(toJSON(discovery(nil)) + strings.Repeat(" ", maxBody)),
	} {
		m := newShelves()
		m.files["discovery.json"] = content
		tn, said := remembering(t, down, c.Now, m)
		_, err := tn.Metadata(t.Context())
		wantUnavailable(t, err)
		c.advance(maxBackOff)
		_, _ = tn.Metadata(t.Context())
		if all := said.take(); len(all) != 1 || !strings.HasPrefix(all[0], "recalling discovery.json: ") {
			t.Errorf("%s: warnings: %q", name, all)
		}
	}
}

func TestFAULT_21_FAULT_28_AMemoryThatFailsCostsNoLogin(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, fail := range map[string]func(context.Context) error{
		"fails":             func(context.Context) error { return errors.New("read-only") },
		"hangs":             hang,
		"panics":            func(context.Context) error { panic("boom") },
		"knows no deadline": func(context.Context) error { time.Sleep(time.Hour); return errors.New("late") },
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newShelves()
			m.load, m.store = fail, fail
			tn, said := remembering(t, newAuthority(), nil, m)
			for range 5 {
				start := time.Now()
				if err := verifying(t, tn)(rsaOne(), "one"); err != nil || time.Since(start) != 0 {
					t.Errorf("%s: %v after %v", name, err, time.Since(start))
				}
				time.Sleep(keysOld)
			}
			time.Sleep(2 * time.Hour)
			if all := said.take(); len(all) > 2 || len(all) == 0 {
				t.Errorf("%s: warnings: %q", name, all)
			}
			tn.Close()
			away, _ := remembering(t, down, nil, m)
			start := time.Now()
			if _, err := away.Metadata(t.Context()); wantUnavailable(t, err) == nil || time.Since(start) > memoryTimeout {
				t.Errorf("%s: gave up after %v", name, time.Since(start))
			}
			time.Sleep(2 * time.Hour)
		})
	}
}

// A failure is reported when it begins, and again only after it had ended.
func TestFailuresOfTheMemoryAreReportedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, broken := newShelves(), true
		m.store = func(context.Context) error {
			if broken {
				return errors.New("disk full")
			}
			return nil
		}
		tn, said := remembering(t, newAuthority(), nil, m)
		for i, want := range []int{1, 0, 0, 1} {
			broken = i != 2
			if _, err := tn.Metadata(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(keptFresh) // what is kept is old by then
			synctest.Wait()
			_, _ = tn.Metadata(t.Context())
			synctest.Wait()
			if all := said.take(); len(all) != want {
				t.Errorf("round %d: warnings %q", i, all)
			}
		}
	})
}

// Instances that fetch the same thing every ten minutes write it once an hour, and at once when it is another.
func TestTheMemoryIsWrittenOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, a := newShelves(), newAuthority()
		var instances []*Tenant
		for range 4 {
			tn, _ := remembering(t, a, nil, m)
			instances = append(instances, tn)
		}
		fetchAll := func() {
			for _, tn := range instances {
				_, _ = tn.Metadata(t.Context())
				synctest.Wait()
			}
		}
		for range 60 { // ten hours
			fetchAll()
			time.Sleep(metadataFresh)
		}
		if n := m.stored(); n < 9 || n > 11 {
			t.Errorf("written %d times", n)
		}
		before := m.stored()
		a.serve(discoveryPath, discovery(object{"token_endpoint": testIssuer + "new"}))
		fetchAll()
		if n := m.stored(); n != before+1 {
			t.Errorf("written %d times for one change", n-before)
		}
	})
}

func TestKeptAnswersAreReplacedByLaterOnes(t *testing.T) {
	t.Parallel()
	at := newClock().Now()
	for age, want := range map[time.Duration][2]bool{ // the same content, another one
		0: {false, true}, keptFresh - 1: {false, true}, keptFresh: {true, true}, 24 * time.Hour: {true, true},
		-time.Second: {false, false}, -keptAhead: {false, false}, -keptAhead - 1: {true, true},
	} {
		before := kept{Fetched: at.Add(-age), Body: []byte("a")}
		for i, body := range []string{"a", "b"} {
			if got := (kept{Fetched: at, Body: []byte(body)}).replaces(before); got != want[i] {
				t.Errorf("kept for %v, now %q: %v", age, body, got)
			}
		}
	}
}

// Instances that began to fail at the same moment come back at different ones, but not before they may.
func TestFAULT_05_InstancesDoNotMeet(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]int{"failure": 0, "throttled": 20, "for a day": 86400} {
		c := newClock()
		var waits []time.Duration
		for i := range 50 {
			a := newAuthority()
			a.fail(discoveryPath, 429, "Retry-After", fmt.Sprint(asked))
			tn, err := New(Config{Issuer: testIssuer, Transport: a, Now: c.Now, Random: rand.NewChaCha8([32]byte{byte(i)})})
			if err != nil {
				t.Fatal(err)
			}
			_, err = tn.Metadata(t.Context())
			wantUnavailable(t, err)
			waits = append(waits, tn.metadata.notBefore.Sub(c.Now()))
		}
		slices.Sort(waits)
		least := min(max(time.Duration(asked)*time.Second, minRetryAfter), maxRetryAfter)
		if waits[0] < least || waits[49] > least*3/2 || waits[40]-waits[10] < least/8 {
			t.Errorf("%s: waits from %v to %v", name, waits[0], waits[49])
		}
	}
}

// Nor do they ask for a fresh answer at the same moment.
func TestRenewalsDoNotMeet(t *testing.T) {
	t.Parallel()
	due := map[time.Duration]bool{}
	for i := range 20 {
		tn := must(New(Config{Issuer: testIssuer, Transport: newAuthority(), Random: rand.NewChaCha8([32]byte{byte(i)})}))
		_ = must(tn.Metadata(t.Context()))
		if due[tn.metadata.renewal] = true; tn.metadata.renewal > metadataFresh || tn.metadata.renewal < metadataFresh*9/10 {
			t.Errorf("asks again after %v", tn.metadata.renewal)
		}
	}
	if len(due) < 20 {
		t.Errorf("only %d different moments", len(due))
	}
}

func TestCloseEndsWhatGoesOnInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newShelves()
		m.load = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		tn, said := remembering(t, slow(newAuthority(), time.Hour), nil, m)
		given, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = tn.Metadata(given)
		synctest.Wait()
		start := time.Now()
		tn.Close()
		_, err := tn.Metadata(t.Context())
		if wantUnavailable(t, err); time.Since(start) != 0 || len(said.take()) != 0 {
			t.Errorf("ended after %v", time.Since(start))
		}
	})
}

func FuzzKept(f *testing.F) {
	f.Add(must(json.Marshal(kept{Issuer: testIssuer, Fetched: newClock().Now(), Body: []byte(toJSON(discovery(nil)))})))
	for _, seed := range []string{
		`{"issuer":"https://acme.eu.auth0.com/","fetched":"9999-12-31T23:59:59Z","body":"e30="}`, `{"body":null}`, `[]`, `{"fetched":1}`,
		`{"issuer":"https://acme.eu.auth0.com/","fetched":"-0001-01-01T00:00:00Z","body":"e30="}`, `{"issuer":"x","issuer":"y"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		k, err := decodeKept(content, testIssuer)
		if err != nil {
			return
		}
		if k.Issuer != testIssuer || k.Fetched.IsZero() || len(k.Body) == 0 || len(k.Body) > maxBody {
			t.Errorf("%v was taken", k)
		}
		_ = k.replaces(kept{Fetched: newClock().Now()})
	})
}
