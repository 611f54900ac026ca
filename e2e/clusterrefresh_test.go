package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const (
	clusterAPI     = "https://api.test"
	accessLifetime = 20 * time.Second

	// refreshBefore is longer than the lock of an instance lives that was killed during a
	// refresh: 5 seconds, and one until the next try to have it.
	refreshBefore = 10 * time.Second

	// overlap is the Rotation Overlap Period where an instance may be killed during a refresh
	// and nobody may be signed out by it: for as long, another one may try again.
	overlap = 30 * time.Second

	refreshGuests   = 60
	refreshWorkers  = 12
	refreshRequests = 20_000
)

// refreshWithin is the setting under test. Outside of the leeway, which is 0 by default, a
// refresh token that is used twice ends all of its family.
func (c *cluster) refreshWithin(leeway time.Duration) string {
	c.pair.Master.UpdateApplication(c.pair.App.ClientID, func(a *auth0sim.Application) { a.Leeway = leeway })
	line := ""
	if leeway != 0 {
		line = fmt.Sprintf("leeway %s", leeway)
	}
	return fmt.Sprintf(`
		audience %s
		refresh on {
			before %s
			%s
		}
		headers {
			Authorization "Bearer {http.auth.user.access_token}"
		}`, clusterAPI, refreshBefore, line)
}

// isFor tells whether the access token is the user's and still good.
func isFor(token, id string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var claims struct {
		Subject string `json:"sub"`
		Expiry  int64  `json:"exp"`
	}
	return json.Unmarshal(payload, &claims) == nil && claims.Subject == id && time.Now().Unix() <= claims.Expiry
}

// refreshes is how often the master gave tokens that were not for a login.
func (l *load) refreshes() int {
	return l.c.pair.Master.Calls("/oauth/token") - int(l.logins.Load())
}

// CONC-10, CONC-11: few sessions, many requests of each at a time, at all instances, over
// several lives of the access token, and without leeway. No refresh token is used twice,
// also if an instance is killed during refreshes: only their sessions end then.
func TestClusterUsesEachRefreshTokenOnce(t *testing.T) {
	c := newCluster(t, refreshGuests)
	c.extra = c.refreshWithin(0)
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	l.mayLose = true
	for range refreshGuests {
		l.arrive()
	}
	began := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.together(refreshWorkers, func() bool {
			if v := l.anybody(); v != nil {
				l.request(v)
			}
			return l.requests.Load() < refreshRequests || time.Since(began) < 2*accessLifetime
		})
	}()
	for i := range c.nodes { // in the middle of a round
		if reaches(ended, l.refreshes, refreshGuests*i+refreshGuests/3) {
			c.crash(i)
		}
	}
	<-ended
	l.judge()
	t.Logf("in %s: %s", time.Since(began).Round(time.Second), l.summary())
	if l.refreshes() < refreshGuests {
		t.Errorf("there were %d refreshes, want at least %d", l.refreshes(), refreshGuests)
	}
	if most := int64(len(c.nodes) * refreshWorkers); l.lost.Load() > most {
		t.Errorf("%d sessions were lost, want at most %d", l.lost.Load(), most)
	}
}
