package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var soakFor = flag.Duration("soak", 20*time.Second, "how long TestSoak lasts")

const (
	soakWorkers  = 4
	soakRequests = 40 // of each login
	soakUsers    = 64
	soakGuests   = 100 // of whom some leave when there are more

	// In a long soak; a short one has as many samples in less time.
	soakSampleEvery = 10 * time.Second
	soakReloadEvery = 20 * time.Second
	soakSamples     = 12
)

// Mixed traffic for a long time, by `make soak`. What the instances and Redis take up
// must have stopped to grow: the last third is compared with the one before.
func TestSoak(t *testing.T) {
	c := newCluster(t, soakUsers)
	c.extra = revoking + c.refreshWithin(overlap)
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	began := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(soakWorkers, soakRequests, func() bool {
			l.leave()
			return time.Since(began) < *soakFor
		})
	}()
	every := min(soakSampleEvery, *soakFor/soakSamples)
	samples := c.observe(ended, every, max(1, int(soakReloadEvery/soakSampleEvery)))
	l.judge()
	t.Logf("in %s: %s", time.Since(began).Round(time.Second), l.summary())
	t.Log("\n" + c.table(samples))
	for _, complaint := range c.grown(samples, int(l.logins.Load())/3) {
		t.Error(complaint)
	}
}

// leave signs somebody out, in one of the ways in which sessions end.
func (l *load) leave() {
	v := l.remove()
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gone = true
	end := endings[rand.IntN(len(endings))]
	if err := end(l, v); err != nil {
		l.complain("signing %s out: %v", v.id, err)
	}
}

// endings are the ways in which sessions end.
var endings = []func(*load, *guest) error{logOut, endByMaster}

// endByMaster is a back-channel logout, at whichever instance the balancer chooses. Others
// know within the time between two readings.
func endByMaster(l *load, v *guest) error {
	sid, err := v.sid()
	if err != nil {
		return err
	}
	token := l.c.pair.Master.LogoutToken(l.c.pair.App.ClientID, v.id, sid)
	if err := l.c.nodes[rand.IntN(len(l.c.nodes))].sendLogoutToken(v.base, token); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), revocationBound)
	defer cancel()
	for _, n := range l.c.nodes {
		for {
			got, err := n.askAt(v, "/page")
			if err == nil && got.status == http.StatusUnauthorized {
				break
			}
			if !pause(ctx, 50*time.Millisecond) {
				return fmt.Errorf("instance %s still answers %d (%v)", n.name, got.status, err)
			}
		}
	}
	return nil
}

// logOut is the browser's own way.
func logOut(l *load, v *guest) error {
	page, err := v.browser.Get(v.base + "/auth/logout")
	if err != nil {
		return err
	}
	if page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, "You are signed out") {
		return fmt.Errorf("it ended at %s", ending(page))
	}
	got, err := v.ask(nobody, nil)
	if err == nil && got.status != http.StatusUnauthorized {
		err = fmt.Errorf("a request afterwards: %d", got.status)
	}
	return err
}

// remove takes somebody from those who are signed in.
func (l *load) remove() *guest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.guests) < soakGuests {
		return nil
	}
	i := rand.IntN(len(l.guests))
	v := l.guests[i]
	l.guests = slices.Delete(l.guests, i, i+1)
	return v
}

// observe takes samples until the load has ended, and reloads one instance after the
// other in between.
func (c *cluster) observe(ended <-chan struct{}, every time.Duration, reloadAfter int) []sample {
	c.t.Helper()
	began := time.Now()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var samples []sample
	for i := 1; ; i++ {
		select {
		case <-ended:
			return samples
		case <-ticker.C:
		}
		samples = append(samples, c.sample(time.Since(began)))
		if i%reloadAfter == 0 {
			n := c.nodes[i/reloadAfter%len(c.nodes)]
			if err := n.load(c.configuration(n, clusterSecrets[0])); err != nil {
				c.t.Error(err)
			}
		}
	}
}
