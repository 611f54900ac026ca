package caddyauth0oidc

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// CONC-04: a user who changes the account in one tab is the other one in every tab from
// then on. Cookies of both never make a session.
func TestCONC_04_AnotherAccountInAnotherTab(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, r.Header.Get("X-Auth0-User-Id")) }
	w.pair.Master.CustomClaims = map[string]any{"https://acme.test/roles": opaqueText(6_000)}
	first, second := w.browser(), w.browser()
	w.signIn(first, "/home", w.pair.User)
	w.signIn(second, "/home", w.pair.Accented)
	one, other := sessionCookies(w, first), sessionCookies(w, second)
	if len(one) < 2 || len(other) != len(one) {
		t.Fatalf("%d and %d cookies, want chunks", len(one), len(other))
	}
	for i := range one {
		mixed := append(append([]string(nil), one[:i]...), other[i])
		mixed = append(mixed, one[i+1:]...)
		if status := w.statusWith(strings.Join(mixed, "; ")); status != http.StatusUnauthorized {
			t.Errorf("with chunk %d of the other user: %d", i, status)
		}
	}
	w.pair.Master.CustomClaims = nil
	dropTenantCookies(w, first)
	page := w.open(first, "/auth/login?return_to=/home")
	if _, err := first.Login(page, w.pair.Accented.Email, auth0sim.PairPassword); err != nil {
		t.Fatal(err)
	}
	if _, body := w.send(first, "GET", "/x", nil); body != w.pair.MasterUserID(w.pair.Accented) {
		t.Errorf("the old tab is %q", body)
	}
	if left := sessionCookies(w, first); len(left) != 1 {
		t.Errorf("%d cookies of the larger session are left", len(left)-1)
	}
}

func sessionCookies(w *world, b *heldBrowser) (pairs []string) {
	for _, c := range b.Cookies(w.base) {
		if strings.Contains(c.Name, "auth0_session") {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return pairs
}

// dropTenantCookies signs the browser out at both tenants, and nowhere else.
func dropTenantCookies(w *world, b *heldBrowser) {
	for _, tenant := range []*auth0sim.Tenant{w.pair.Master, w.pair.Child} {
		for _, c := range b.Cookies(tenant.Issuer()) {
			c.MaxAge = -1
			b.SetCookie(tenant.Issuer(), c)
		}
	}
}

// CONC-05: a thousand requests at the moment when the session ends are one pending login
// for each navigation, 401 for each script, and one discovery altogether.
func TestCONC_05_AThousandRequestsAtTheSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(21 * time.Hour)
	before, cookies := w.tenantCalls(), cookieHeader(w, b)
	var wait sync.WaitGroup
	for worker := range 50 {
		wait.Go(func() {
			for i := range 20 {
				accept, status, pending := "application/json", http.StatusUnauthorized, 0
				if (worker+i)%2 == 0 {
					accept, status, pending = "text/html", http.StatusFound, 1
				}
				r, _ := http.NewRequest("GET", w.base+"/x", nil)
				r.Header.Set("Accept", accept)
				r.Header.Set("Cookie", cookies)
				response, err := w.network.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				begun := 0
				for _, c := range response.Cookies() {
					if strings.Contains(c.Name, "_txn_") && c.MaxAge > 0 {
						begun++
					}
				}
				if response.StatusCode != status || begun != pending {
					t.Errorf("%s: %d with %d pending logins", accept, response.StatusCode, begun)
				}
			}
		})
	}
	wait.Wait()
	if n := w.tenantCalls() - before; n > 1 { // what was known is old
		t.Errorf("%d requests to the tenants", n)
	}
}

// CONC-06, CONC-07: two hundred streams of one connection with the cookies of different
// users, or of none, are each answered for their own, beside handlers that change headers
// and answers.
func TestCONC_06_CONC_07_StreamsOfOneConnectionAreKeptApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("encode gzip\nlog_append user {http.auth.user.id}\nintercept {\n@teapot status 418\nhandle_response @teapot {\nrespond tea\n}\n}\n"+
		"auth0_oidc {\nSETTINGS\n}\nrequest_header X-Edited {http.auth.user.id}\nheader >X-User {http.auth.user.id}\nreverse_proxy UPSTREAM"))
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprint(rw, r.Header.Get("X-Auth0-User-Id")+" "+r.Header.Get("X-Edited")+strings.Repeat(" ", 2000))
	}
	cookies := map[string]string{"": ""}
	for _, user := range []auth0sim.User{w.pair.User, w.pair.Accented} {
		b := w.browser()
		w.signIn(b, "/home", user)
		cookies[w.pair.MasterUserID(user)] = cookieHeader(w, b)
	}
	server := httptest.NewUnstartedServer(w.server)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	var wait sync.WaitGroup
	turns := make(chan struct{}, 32) // the application takes no more connections at once on a busy machine
	for i := range 67 {              // of three users each
		for user, cookie := range cookies {
			wait.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				r, _ := http.NewRequest("GET", fmt.Sprintf("%s/x?%d", server.URL, i), nil)
				r.Host = "app.example.test"
				r.Header.Set("Cookie", cookie)
				response, err := server.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if response.ProtoMajor != 2 || err != nil {
					t.Errorf("%s, %v", response.Proto, err)
				}
				if user == "" && response.StatusCode != http.StatusUnauthorized {
					t.Errorf("nobody got %d", response.StatusCode)
				}
				if user != "" && (strings.TrimSpace(string(body)) != user+" "+user || response.Header.Get("X-User") != user) {
					t.Errorf("%s was answered %.60q, %q", user, body, response.Header.Get("X-User"))
				}
			})
		}
	}
	wait.Wait()
}

const assertedToLegacy = "assertion {\naudience https://legacy.internal\n}"

// CONC-09: a keyring is replaced as a whole, under requests and logins.
func TestCONC_09_KeysAreReplacedUnderRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("session {\nidle 1920h\nabsolute 1920h\n}\n"+assertedToLegacy))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	cookies, days := cookieHeader(w, b), make(chan int)
	var wait sync.WaitGroup
	for path, want := range map[string]int{"/x": http.StatusOK, "/auth/profile": http.StatusOK, "/auth/jwks.json": http.StatusOK, "/auth/login": http.StatusFound} {
		wait.Go(func() {
			for day := range days {
				r, _ := http.NewRequest("GET", w.base+path, nil)
				r.Header.Set("Cookie", cookies)
				if response, err := w.network.RoundTrip(r); err != nil || response.StatusCode != want {
					t.Errorf("day %d, %s: %+v %v", day, path, response, err)
				}
			}
		})
	}
	before := w.handler().keys.Load()
	for day := range 75 {
		days <- day
		days <- day
		w.clock.advance(24 * time.Hour)
		w.handler().rotation.watcher.check(t.Context())
		w.handler().asserter.keys.watcher.check(t.Context())
	}
	close(days)
	wait.Wait()
	if w.handler().keys.Load() == before {
		t.Error("the keys were not replaced")
	}
}

// CONC-15: requests that only a script makes, one a minute, keep a session from being
// idle, and never move its absolute end.
func TestCONC_15_PollingNeverMovesTheAbsoluteEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("session {\nidle 10m\nabsolute 2h\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	minutes := 0
	for ; minutes < 200; minutes++ {
		response, _ := w.send(b, "GET", "/poll", map[string]string{"Accept": "application/json", "X-Requested-With": "XMLHttpRequest"})
		if response.StatusCode == http.StatusUnauthorized {
			break
		}
		w.clock.advance(time.Minute)
	}
	if minutes != 120 {
		t.Errorf("the session ended after %d minutes", minutes)
	}
}

// CONC-23: a configuration that is refused leaves the one that serves as it was: its
// sessions, logins under way, the rotation of its keys, what it knows of the tenant.
func TestCONC_23_RefusedConfigurationLeavesTheOldOneServing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(assertedToLegacy))
	b, late := w.browser(), w.browser()
	w.signIn(b, "/home", w.pair.User)
	callback := w.callbackOf(late, "/late", w.pair.User)
	h, calls := w.handler(), w.tenantCalls()
	for _, lines := range []string{"auth0_oidc {\nSETTINGS\n" + assertedToLegacy + "\n}\nauth0_oidc {\nSETTINGS\n" + assertedToLegacy + "\nsecret {file." + w.folder + "/none}\n}", "auth0_oidc {\nSETTINGS\n" + assertedToLegacy + "\n}\nbasic_auth {\nsomebody nohash\n}"} {
		if err := w.reject(lines); err == nil {
			t.Fatal("the configuration is accepted")
		}
	}
	if w.handler() != h || w.handler().shared != h.shared {
		t.Error("the handler is another one")
	}
	w.wantPage(w.open(b, "/x"), "/x", 0)
	page, err := late.Get(callback)
	if err != nil || page.Status != http.StatusOK || page.URL.Path != "/late" {
		t.Errorf("the login under way: %v %+v", err, page)
	}
	if n := w.tenantCalls() - calls; n != 1 {
		t.Errorf("%d requests to the tenants, want that for the tokens", n)
	}
	kid := h.keys.Load()
	for range 40 {
		w.clock.advance(24 * time.Hour)
		h.rotation.watcher.check(t.Context())
	}
	if h.keys.Load() == kid {
		t.Error("the secrets are not replaced any more")
	}
	if response, body := w.send(b, "GET", "/auth/jwks.json", nil); response.StatusCode != http.StatusOK || !strings.Contains(body, `"kid"`) {
		t.Errorf("jwks.json: %d %s", response.StatusCode, body)
	}
}

// reject loads a configuration of the same site that cannot be provisioned.
func (w *world) reject(site string) error {
	w.t.Helper()
	text := strings.NewReplacer("SETTINGS", "domain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child").Replace(site)
	text = strings.NewReplacer(
		"DOMAIN", strings.TrimSuffix(w.pair.Master.Issuer(), "/"), "CLIENT_ID", w.pair.App.ClientID, "CLIENT_SECRET", w.pair.App.ClientSecret,
	).Replace(text)
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(
		[]byte("{\nadmin off\nauto_https off\nstorage file_system {\nroot "+w.folder+"\n}\n}\n"+w.base+" {\n"+text+"\nrespond new\n}\n"), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	config := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON(adapted, config); err != nil {
		w.t.Fatal(err)
	}
	provisioning.Lock()
	defer provisioning.Unlock()
	_, err = caddy.ProvisionContext(config)
	return err
}

// CONC-27: a configuration that ends while a code is redeemed lets the login end, or
// refuses it as a whole: there is a session or none.
func TestCONC_27_ConfigurationEndsDuringTheExchange(t *testing.T) {
	t.Parallel()
	for name, clientGone := range map[string]bool{"the client waits": false, "the client is cut off": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			callback := w.callbackOf(b, "/page", w.pair.User)
			arrived, release := make(chan struct{}), make(chan struct{})
			intercept := func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/oauth/token" {
					close(arrived)
					<-release
				}
				return false
			}
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = intercept })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, "GET", callback, nil)
			r.Header.Set("Cookie", cookieHeader(w, b))
			answer := httptest.NewRecorder()
			ended := make(chan struct{})
			go func() { defer close(ended); w.server.ServeHTTP(answer, asServed(r)) }()
			<-arrived
			h := w.handler()
			if err := h.Cleanup(); err != nil {
				t.Error(err)
			}
			if clientGone {
				cancel()
				<-ended
			}
			close(release)
			<-ended
			signedIn := strings.Contains(strings.Join(answer.Header()["Set-Cookie"], "\n"), "auth0_session=")
			leads := answer.Code == http.StatusFound && answer.Header().Get("Location") == "/page"
			refused := answer.Code == http.StatusServiceUnavailable && answer.Header().Get("Retry-After") != ""
			if leads != signedIn || signedIn && clientGone || !signedIn && !refused && !clientGone {
				t.Errorf("%d %v", answer.Code, answer.Header())
			}
		})
	}
}

// asServed makes of a request what a server gets.
func asServed(r *http.Request) *http.Request {
	served := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), nil)
	served.Header = r.Header
	return served
}

// CONC-28: two directives of one host with different applications, of the same tenant,
// neither take each other's sessions nor end them where they have a cookie each.
func TestCONC_28_ApplicationsOfOneHostHaveSessionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, cookie := range map[string]string{"one cookie": "", "a cookie each": "session {\ncookie {\nname other_session\n}\n}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withGlobal(globalTenant), withSite("auth0_oidc /a/*\nauth0_oidc /b/* {\nclient_id other\nclient_secret other-secret\nprefix /other\n"+cookie+"\n}\nreverse_proxy UPSTREAM"))
			w.pair.Master.AddApplication(auth0sim.Application{ClientID: "other", ClientSecret: "other-secret", Callbacks: []string{w.base + "/other/callback"}})
			w.pair.Master.Enable("acme-child", "other")
			b := w.browser()
			w.signIn(b, "/a/x", w.pair.User)
			if response, _ := w.send(b, "GET", "/b/x", nil); response.StatusCode != http.StatusUnauthorized {
				t.Errorf("the other application takes the session: %d", response.StatusCode)
			}
			w.wantPage(w.open(b, "/b/x"), "/b/x", 1)
			want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[cookie != ""]
			if response, _ := w.send(b, "GET", "/a/x", nil); response.StatusCode != want {
				t.Errorf("the first session afterwards: %d, want %d", response.StatusCode, want)
			}
			for i := range 4 { // in turn, as users do
				path := []string{"/a/y", "/b/y"}[i%2]
				if page := w.open(b, path); page.Status != http.StatusOK || page.URL.Path != path {
					t.Errorf("%s: %d %s", path, page.Status, page.URL)
				}
			}
		})
	}
}
