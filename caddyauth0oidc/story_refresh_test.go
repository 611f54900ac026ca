package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const refreshOn = "refresh on\nheaders {\nAuthorization \"Bearer {http.auth.user.access_token}\"\n}"

// accessLife is how long the access tokens of these stories live.
const accessLife = 5 * time.Minute

// newRefreshWorld has a master that rotates refresh tokens without any overlap.
func newRefreshWorld(t *testing.T, options ...worldOption) *world {
	t.Helper()
	w := newWorld(t, append([]worldOption{withSettings(refreshOn)}, options...)...)
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.AccessTokenLifetime = accessLife })
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.Rotation = true })
	return w
}

// signedInToRefresh has a signed-in browser, too.
func signedInToRefresh(t *testing.T, options ...worldOption) (*world, *heldBrowser) {
	t.Helper()
	w := newRefreshWorld(t, options...)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	return w, b
}

// due moves the clock to where the access token is about to end.
func (w *world) due() { w.clock.advance(accessLife - 30*time.Second) }

// exchanges counts the calls of the token endpoint from now on.
func (w *world) exchanges() func() int {
	before := w.pair.Master.Calls("/oauth/token")
	return func() int { return w.pair.Master.Calls("/oauth/token") - before }
}

// bearer gives the token with which a request came to the application.
func (w *world) bearer(b *heldBrowser) string {
	w.t.Helper()
	response, body := w.send(b, "GET", "/x", nil)
	all := w.app.take()
	if response.StatusCode != http.StatusOK || len(all) != 1 {
		w.t.Fatalf("%d, %d requests\n%s", response.StatusCode, len(all), body)
	}
	return all[0].header.Get("Authorization")
}

// isGood tells whether the master still takes the token of the line.
func (w *world) isGood(bearer string) bool {
	w.t.Helper()
	r, err := http.NewRequest("GET", w.pair.Master.Issuer()+"userinfo", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", bearer)
	response, err := w.network.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode == http.StatusOK
}

// wantNoReuse fails if the master has seen a refresh token twice.
func (w *world) wantNoReuse() {
	w.t.Helper()
	for _, entry := range w.pair.Master.Logs() {
		if entry.Type == "ferrt" {
			w.t.Error("the master has seen a refresh token twice")
		}
	}
}

// instance gives a further server with the same configuration and storage, and with
// nothing else in common that refreshes use.
func (w *world) instance(settings string) *world {
	w.t.Helper()
	other := *w
	other.load(worldSetup{base: w.base, settings: settings})
	w.serves()
	return &other
}

// serves makes the browser's requests go to this instance.
func (w *world) serves() {
	u, _ := url.Parse(w.base)
	w.network.Handle(u.Host, w.server)
}

// together sends so many requests at once with these cookies, and counts the statuses.
func (w *world) together(n int, cookies string) map[int]int {
	w.t.Helper()
	var mu sync.Mutex
	statuses := make(map[int]int)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			r, _ := http.NewRequest("GET", w.base+"/x", nil)
			r.Header.Set("Cookie", cookies)
			response, err := w.network.RoundTrip(r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				w.t.Error(err)
				return
			}
			statuses[response.StatusCode]++
		})
	}
	all.Wait()
	return statuses
}

// RP-REF-01, RP-FAPI-23: the application always gets a token that is good.
func TestRP_REF_01_ApplicationGetsFreshAccessTokens(t *testing.T) {
	t.Parallel()
	for name, rotation := range map[string]bool{"rotating": true, "not rotating": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t)
			w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.Rotation = rotation })
			seen := make(map[string]bool)
			calls := w.exchanges()
			for range 5 {
				got := w.bearer(b)
				if !strings.HasPrefix(got, "Bearer ") || !w.isGood(got) || seen[got] {
					t.Fatalf("%q, seen %v", got, seen[got])
				}
				seen[got] = true
				if again := w.bearer(b); again != got {
					t.Error("another token for the next request")
				}
				w.due()
			}
			if calls() != 4 {
				t.Errorf("%d refreshes", calls())
			}
			w.wantNoReuse()
		})
	}
}

// CONC-10: many requests at once make one refresh, and all of them go on.
func TestCONC_10_ManyRequestsRefreshOnce(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.due()
	calls := w.exchanges()
	statuses := w.together(100, cookieHeader(w, b))
	if statuses[http.StatusOK] != 100 || calls() != 1 {
		t.Errorf("%v, %d refreshes", statuses, calls())
	}
	tokens := make(map[string]int)
	for _, one := range w.app.take() {
		tokens[one.header.Get("Authorization")]++
	}
	if len(tokens) != 1 {
		t.Errorf("%d tokens reached the application", len(tokens))
	}
	w.wantNoReuse()
}

// CONC-11, CVE-MAO-34, LSN-10: instances on one storage use no refresh token twice.
func TestCONC_11_InstancesRefreshOnceTogether(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	second := w.instance(refreshOn)
	u, _ := url.Parse(w.base)
	var turn sync.Mutex
	n := 0
	w.network.Handle(u.Host, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		turn.Lock()
		n++
		to := [...]http.Handler{w.server, second.server}[n%2]
		turn.Unlock()
		to.ServeHTTP(rw, r)
	}))
	for range 3 {
		w.due()
		old := cookieHeader(w, b)
		calls := w.exchanges()
		if statuses := w.together(20, old); statuses[http.StatusOK] != 20 || calls() != 1 {
			t.Errorf("%v, %d refreshes", statuses, calls())
		}
		w.app.take()
		if got := w.bearer(b); !w.isGood(got) { // with the old cookies still, and the new ones from then on
			t.Error("the token is not good")
		}
		if cookieHeader(w, b) == old {
			t.Error("the browser has got no newer cookies")
		}
	}
	w.wantNoReuse()
}

// CONC-12, CONC-13, FAULT-27: an older cookie gets what the newer one has, after a
// restart as well.
func TestCONC_13_OlderCookieGetsTheNewerTokens(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(w *world) *world{
		"at once":         func(w *world) *world { return w },
		"after a restart": func(w *world) *world { return w.instance(refreshOn) },
		"seconds after the token's end": func(w *world) *world {
			w.clock.advance(40 * time.Second)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t)
			w.due()
			if statuses := w.together(1, cookieHeader(w, b)); statuses[http.StatusOK] != 1 { // whose answer is lost
				t.Fatal(statuses)
			}
			want := w.app.take()[0].header.Get("Authorization")
			calls := w.exchanges()
			later := after(w)
			later.serves()
			if got := later.bearer(b); got != want || calls() != 0 {
				t.Errorf("another token, or %d refreshes", calls())
			}
			w.clock.advance(accessLife)
			if got := later.bearer(b); !w.isGood(got) || calls() != 1 {
				t.Errorf("%d refreshes", calls())
			}
			w.wantNoReuse()
		})
	}
}

// CONC-15: refreshes move no absolute limit.
func TestCONC_15_RefreshesEndWithTheSession(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t, withSettings(refreshOn+"\nsession {\nidle 10m\nabsolute 20m\n}"))
	for range 4 {
		w.due()
		w.bearer(b)
	}
	w.due()
	if w.isSignedIn(b) {
		t.Error("the session has outlived its absolute limit")
	}
}
