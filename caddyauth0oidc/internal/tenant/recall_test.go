package tenant

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slow makes the authority take a while for each answer.
func slow(next http.RoundTripper, d time.Duration) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return next.RoundTrip(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	})
}

func TestManyCallersMakeOneRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, slow(a, time.Second), nil)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := tn.Metadata(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := a.hits(discoveryPath); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestACallerWhoGivesUpFailsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, slow(a, time.Second), nil)
		leader, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := tn.Metadata(leader)
			if wantUnavailable(t, err); !errors.Is(err, context.Canceled) {
				t.Errorf("the leader got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := tn.Metadata(t.Context()); err != nil {
				t.Errorf("the follower got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := a.hits(discoveryPath); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestFAULT_03_ATenantThatNeverAnswersEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tn := newTestTenant(t, slow(newAuthority(), time.Hour), nil)
		start := time.Now()
		_, err := tn.Metadata(t.Context())
		if wantUnavailable(t, err); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != defaultTimeout {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

func TestASVS_28_BackOffGrowsAndEnds(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.fail(discoveryPath, 500)
	tn := newTestTenant(t, a, c.Now)
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		_, err := tn.Metadata(t.Context())
		if got := wantUnavailable(t, err); got.RetryAfter != want*time.Second || a.hits(discoveryPath) != i+1 {
			t.Errorf("attempt %d: retry after %v, %d requests", i+1, got.RetryAfter, a.hits(discoveryPath))
		}
		c.advance(want*time.Second - time.Millisecond)
		_, err = tn.Metadata(t.Context())
		if wantUnavailable(t, err); a.hits(discoveryPath) != i+1 {
			t.Errorf("attempt %d: a request during the back-off", i+1)
		}
		c.advance(time.Millisecond)
	}
	a.serve(discoveryPath, discovery(nil))
	if _, err := tn.Metadata(t.Context()); err != nil {
		t.Errorf("the failure was kept: %v", err)
	}
}

func TestFAULT_05_RetryAfterHoldsBackTheNextRequest(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.fail(discoveryPath, 429, "Retry-After", "20")
	tn := newTestTenant(t, a, c.Now)
	for range 3 {
		_, err := tn.Metadata(t.Context())
		if got := wantUnavailable(t, err); got.RetryAfter != 20*time.Second {
			t.Errorf("retry after %v", got.RetryAfter)
		}
	}
	c.advance(20 * time.Second)
	_, _ = tn.Metadata(t.Context())
	if n := a.hits(discoveryPath); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestTheLastGoodAnswerServesDuringAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, slow(a, time.Second), nil)
		if _, err := tn.Metadata(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.fail(discoveryPath, 500)
		for range 100 {
			time.Sleep(metadataFresh)
			start := time.Now()
			if md, err := tn.Metadata(t.Context()); err != nil || md.TokenEndpoint != testIssuer+"oauth/token" || time.Since(start) != 0 {
				t.Fatalf("metadata %v, error %v after %v", md, err, time.Since(start))
			}
		}
		time.Sleep(metadataFresh)
		a.serve(discoveryPath, discovery(object{"token_endpoint": testIssuer + "new"}))
		_, _ = tn.Metadata(t.Context())
		time.Sleep(2 * time.Second)
		if md, err := tn.Metadata(t.Context()); err != nil || md.TokenEndpoint != testIssuer+"new" {
			t.Errorf("not refreshed in the background: %v, %v", md, err)
		}
	})
}

func TestAFreshAnswerIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, a, nil)
		for range 20 {
			if _, err := tn.Metadata(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(metadataFresh/20 - time.Millisecond)
		}
		synctest.Wait()
		if n := a.hits(discoveryPath); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestAClockThatWasSetBackDoesNotFreezeTheAnswer(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	if _, err := tn.Metadata(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 10)
	a.handle(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		w.WriteHeader(500)
	})
	c.advance(-365 * 24 * time.Hour)
	if _, err := tn.Metadata(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-asked
}

func TestABetterAnswerThanTheOneSeenIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	tn := newTestTenant(t, a, newClock().Now)
	_, seen, err := tn.metadata.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	always := func() bool { return true }
	if _, generation, err := tn.metadata.renew(t.Context(), seen-1, always); err != nil || generation != seen || a.hits(discoveryPath) != 1 {
		t.Errorf("generation %d, %v after %d requests", generation, err, a.hits(discoveryPath))
	}
	if _, generation, err := tn.metadata.renew(t.Context(), seen, always); err != nil || generation != seen+1 || a.hits(discoveryPath) != 2 {
		t.Errorf("generation %d, %v after %d requests", generation, err, a.hits(discoveryPath))
	}
}

func TestAClockThatWasSetBackDoesNotProlongABackOff(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.fail(discoveryPath, 500)
	tn := newTestTenant(t, a, c.Now)
	_, err := tn.Metadata(t.Context())
	wantUnavailable(t, err)
	c.advance(-365 * 24 * time.Hour)
	a.serve(discoveryPath, discovery(nil))
	a.fail(tokenPath, 429)
	_, err = exchange(t, tn)
	wantUnavailable(t, err)
	c.advance(-365 * 24 * time.Hour)
	a.serve(tokenPath, tokenAnswer(nil))
	if _, err := exchange(t, tn); err != nil {
		t.Error(err)
	}
}

func TestINV_07_ASVS_28_APanicIsAFailure(t *testing.T) {
	t.Parallel()
	tn := newTestTenant(t, roundTrip(func(*http.Request) (*http.Response, error) { panic("boom") }), newClock().Now)
	_, err := tn.Metadata(t.Context())
	if wantUnavailable(t, err); !errors.Is(err, errPanic) {
		t.Errorf("error %v", err)
	}
}

// A panic while it is decided what to do leaves no lock behind, and no request that nobody makes.
func TestFAULT_30_APanicOfACallerHoldsNothing(t *testing.T) {
	t.Parallel()
	const panicking = "injected"
	for name, ask := range map[string]func(*Tenant) (*Metadata, int, error){
		"get": func(tn *Tenant) (*Metadata, int, error) { return tn.metadata.get(t.Context()) },
		"renew": func(tn *Tenant) (*Metadata, int, error) {
			return tn.metadata.renew(t.Context(), 0, func() bool { return true })
		},
		"asks": func(tn *Tenant) (*Metadata, int, error) {
			return tn.metadata.renew(t.Context(), 0, func() bool { panic(panicking) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, panics := newClock(), name != "asks"
			tn := newTestTenant(t, newAuthority(), func() time.Time {
				if panics {
					panic(panicking)
				}
				return c.Now()
			})
			func() {
				defer func() {
					if recover() == nil {
						t.Error("there was no panic")
					}
				}()
				_, _, _ = ask(tn)
			}()
			panics = false
			if !tn.metadata.mu.TryLock() {
				t.Fatal("the lock is held")
			}
			tn.metadata.mu.Unlock()
			if _, err := tn.Metadata(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Callers wait for keys that are better than old ones, once, and not while the tenant is away.
func TestOldKeysServeOnlyWhenThereAreNoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, slow(a, time.Second), nil)
		raw := mint(rsaOne(), rs256, accessToken(time.Now(), nil))
		verify := func(want error, took time.Duration) {
			t.Helper()
			start := time.Now()
			_, err := tn.VerifyAccessToken(t.Context(), raw, testAPIs)
			if (err == nil) != (want == nil) || time.Since(start) != took {
				t.Errorf("%v after %v, want %v after %v", err, time.Since(start), want, took)
			}
		}
		verify(nil, 2*time.Second) // discovery and keys
		a.fail(jwksPath, 500)
		time.Sleep(keysOld)
		verify(nil, time.Second)
		for range 10 { // the outage goes on, and makes nobody wait
			time.Sleep(20 * time.Second)
			verify(nil, 0)
		}
		synctest.Wait()
		time.Sleep(keysOld) // nobody has asked for long
		given, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tn.VerifyAccessToken(given, raw, testAPIs); err != nil {
			t.Errorf("who gave up: %v", err)
		}
		time.Sleep(time.Minute)
		a.serve(jwksPath, jwks(rsaJWK("two", &rsaTwo().PublicKey)))
		time.Sleep(keysOld)
		verify(invalid("signature"), 2*time.Second) // and once more for the unknown key
	})
}
