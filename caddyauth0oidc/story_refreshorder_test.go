package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// CONC-11, CVE-MAO-34: which tokens are the newest does not hang on when they end. That the
// tenant now issues ones of a shorter life, or that a second has not passed, brings no
// refresh token back that was used.
func TestCONC_11_NewerTokensThatEndBeforeTheOlderOnes(t *testing.T) {
	t.Parallel()
	for name, life := range map[string]time.Duration{"sooner": time.Minute, "at the same time": 3*time.Minute + 30*time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := strings.Replace(refreshOn, "on", "on {\nbefore 4m\n}", 1)
			w, b := signedInToRefresh(t, withSettings(settings))
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.AccessTokenLifetime = life })
			w.clock.advance(90 * time.Second)
			old := cookieHeader(w, b)
			if statuses := w.together(1, old); statuses[http.StatusOK] != 1 { // whose answer is lost
				t.Fatal(statuses)
			}
			want := w.app.take()[0].header.Get("Authorization")
			if got := w.bearer(b); got != want {
				t.Error("the old cookie does not get the newer token")
			}
			w.clock.advance(time.Second)
			second := w.instance(settings)
			second.serves()
			if statuses := second.together(5, old); statuses[http.StatusOK] != 5 {
				t.Error(statuses)
			}
			if got := w.app.take()[0].header.Get("Authorization"); !w.isGood(got) {
				t.Error("the token is not good")
			}
			w.wantNoReuse()
		})
	}
}
