package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	clusterAPI     = "https://api.test"
	accessLifetime = 20 * time.Second

	// refreshBefore is longer than the lock of an instance lives that was killed during a
	// refresh: 5 seconds, and one until the next try to have it.
	refreshBefore = 10 * time.Second

	refreshGuests   = 60
	refreshWorkers  = 12
	refreshRequests = 20_000
)

// refreshing is the setting under test: without leeway, its default, a refresh token that is used twice
// ends all of its family.
var refreshing = fmt.Sprintf(`		audience %s
		refresh on {
			before %s
		}
		headers {
			Authorization "Bearer {http.auth.user.access_token}"
		}`, clusterAPI, refreshBefore)

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
// many lives of the access token. No refresh token is used twice, and nobody is signed out.
func TestClusterUsesEachRefreshTokenOnce(t *testing.T) {
	c := newCluster(t, refreshGuests)
	c.extra = refreshing
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	for range refreshGuests {
		l.arrive()
	}
	began := time.Now()
	var requests atomic.Int64
	l.together(refreshWorkers, func() bool {
		if v := l.anybody(); v != nil {
			l.request(v)
		}
		return requests.Add(1) < refreshRequests || time.Since(began) < 2*accessLifetime
	})
	l.judge()
	t.Logf("in %s: %s", time.Since(began).Round(time.Second), l.summary())
	if l.refreshes() < refreshGuests {
		t.Errorf("there were %d refreshes, want at least %d", l.refreshes(), refreshGuests)
	}
}
