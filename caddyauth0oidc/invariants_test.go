package caddyauth0oidc

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// hostile are requests that no browser of a user makes, from the whole
// catalogue: what they have in common is checked by the invariants below.
var hostile = []struct {
	method, path string
	header       map[string]string
}{
	{"GET", "/", nil},
	{"GET", "/x", map[string]string{"X-Auth0-User-Id": "evil", "Cookie": "__Host-auth0_session=evil; auth0_session=evil"}},
	{"GET", "/x", map[string]string{"X-Forwarded-Uri": "/public", "X-Original-Url": "/public", "X-Rewrite-Url": "/public"}},
	{"GET", "/x", map[string]string{"X-Http-Method-Override": "POST", "X-Middleware-Subrequest": "1", "X-Auth0-Bypass": "1"}},
	{"GET", "/x?x=/status", map[string]string{"User-Agent": "GoogleHC/1.0"}},
	{"GET", "/x%23/public", nil},
	{"GET", "/public/../x", nil},
	{"GET", "/x;a.css", nil},
	{"TRACE", "/x", nil},
	{"CONNECT", "/x", nil},
	{"POST", "/", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
	{"GET", "/auth/callback", nil},
	{"GET", "/auth/callback?code=SECRETCODE&state=SECRETSTATE", map[string]string{"Accept": "text/html"}},
	{"GET", "/auth/callback?error=%3Cscript%3E&error_description=%3Cscript%3E&state=x", map[string]string{"Accept": "text/html"}},
	{"POST", "/auth/callback", map[string]string{"Content-Type": "garbage"}},
	{"GET", "/auth/login?return_to=//evil.test&connection=evil", nil},
	{"GET", "/auth/login?return_to=%00&return_to=x", nil},
	{"GET", "/auth/logout?return_to=https://evil.test", nil},
	{"POST", "/auth/logout", map[string]string{"Origin": "https://evil.test"}},
	{"GET", "/auth/profile", map[string]string{"Authorization": "Bearer evil"}},
	{"GET", "/auth/x", nil},
	{"GET", "/x", map[string]string{"Cookie": strings.Repeat("a=b; ", 5000)}},
	{"GET", "/x", map[string]string{"Cookie": ";"}},
	{"GET", "/x", map[string]string{"Cookie": "; ;=; =x; __Host-auth0_session"}},
	{"GET", "/x", map[string]string{"Cookie": "__Host-auth0_session=a.99999999.b; __Host-auth0_session.1=x"}},
	{"GET", "/x", map[string]string{"Cookie": "__Host-auth0_txn_0000000000000000000000AA=x"}},
}

// INV-01, INV-02, INV-05, INV-06, INV-07, INV-08: whatever comes without a
// session, the application is not reached, nothing is stored by caches, no
// redirect leaves, and nothing is a 500.
func TestINV_01_02_05_06_07_08_HostileRequestsWithoutASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, request := range hostile {
		response, body := w.send(w.browser(), request.method, request.path, request.header)
		name := request.method + " " + request.path
		if reached := w.app.take(); len(reached) != 0 {
			t.Errorf("INV-01, INV-07: %s reached the application", name)
		}
		if response.StatusCode >= 500 || response.StatusCode < 300 && request.path != "/auth/logout?return_to=https://evil.test" {
			t.Errorf("INV-07: %s gives %d", name, response.StatusCode)
		}
		if !strings.Contains(response.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("INV-05: %s: Cache-Control %q", name, response.Header.Get("Cache-Control"))
		}
		if location := response.Header.Get("Location"); location != "" && !strings.HasPrefix(location, w.pair.Master.Issuer()) {
			t.Errorf("INV-06: %s redirects to %q", name, location)
		}
		if strings.Contains(body, "application at") || strings.Contains(body, "<script>") {
			t.Errorf("INV-08: %s answers %q", name, body)
		}
	}
}

// INV-03 and INV-04 over a whole life of a session: no secret of it stands in
// any log at any level, on a page, or in what the application gets. The state
// and the nonce are in the redirect to the tenant, which is logged as a header.
func TestINV_04_NoSecretIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal("servers {\nlog_credentials\n}"))
	var secrets []string
	w.pair.Master.TamperTokenResponse = func(body map[string]any) {
		for _, name := range []string{"access_token", "id_token"} {
			secrets = append(secrets, body[name].(string))
		}
	}
	w.pair.Master.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/oauth/token" {
			form, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			r.Body = io.NopCloser(strings.NewReader(string(form)))
			values, _ := url.ParseQuery(string(form))
			secrets = append(secrets, values.Get("code"), values.Get("code_verifier"), values.Get("client_secret"))
		}
		return false
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.send(b, "GET", "/auth/callback?code=SECRETCODE&state=SECRETSTATE", map[string]string{"Accept": "text/html"})
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.TamperIDToken = func(_, claims map[string]any) { claims["nonce"] = "x" }
	})
	w.signIn(w.browser(), "/home", w.pair.User)
	late := w.browser()
	callback := w.callbackOf(late, "/home", w.pair.User)
	u, _ := url.Parse(callback)
	secrets = append(secrets, u.Query().Get("code"))
	w.pair.Master.Down(true)
	if page := w.step(late, callback); page.Status != http.StatusServiceUnavailable {
		t.Errorf("FAULT-02: a callback while the tenant is down gives %d", page.Status)
	}
	logs := w.logs()
	secrets = append(secrets, "SECRETCODE", "SECRETSTATE", w.pair.App.ClientSecret)
	if len(secrets) < 10 {
		t.Fatalf("the test saw only %d secrets", len(secrets))
	}
	for _, secret := range secrets {
		if secret == "" || strings.Contains(logs, secret) {
			t.Errorf("INV-04: %.20q is in the log", secret)
		}
	}
	for line := range strings.Lines(logs) { // reverse_proxy logs the headers it sends, when it debugs
		if strings.Contains(line, "http.handlers.auth0_oidc") && strings.Contains(line, "user-in-child") {
			t.Errorf("a claim is in our log: %s", line)
		}
	}
	for _, line := range []string{`"msg":"signed in"`, codeInvalidToken, codeBadState, codeTenantUnavailable} {
		if !strings.Contains(logs, line) {
			t.Errorf("the log has no line with %s", line)
		}
	}
}

// INV-09: two users at the same time are never mixed up.
func TestINV_09_CONC_06_UsersAreNeverMixedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, r.Header.Get("X-Auth0-User-Id")) }
	users := []auth0sim.User{w.pair.User, w.pair.Accented}
	var wait sync.WaitGroup
	for i := range 8 {
		user := users[i%2]
		b := w.browser()
		w.signIn(b, "/home", user)
		wait.Go(func() {
			for range 25 {
				_, body := w.send(b, "GET", "/x", nil)
				if body != w.pair.MasterUserID(user) {
					t.Errorf("%s was answered for %q", user.ID, body)
				}
			}
		})
	}
	wait.Wait()
}

// INV-10: requests leave no goroutine behind, and what they can make us
// remember is bounded.
func TestINV_10_NothingIsLeftBehind(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	runtime.GC()
	before := runtime.NumGoroutine()
	for range 50 {
		for _, request := range hostile[:6] {
			w.send(w.browser(), request.method, request.path, request.header)
		}
		w.send(b, "GET", "/x", nil)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for range 1000 {
		if runtime.NumGoroutine() <= before+8 { // idle connections to the application
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

func TestINV_10_RememberedTransactionsAreBounded(t *testing.T) {
	t.Parallel()
	var s remembered
	now := time.Now()
	for i := range 3 * maxRemembered {
		if !s.add(fmt.Sprint(i), now, time.Minute) {
			t.Fatal("a new transaction counts as redeemed")
		}
	}
	if n := len(s.current) + len(s.previous); n > 2*maxRemembered {
		t.Errorf("%d are remembered", n)
	}
	if s.add(fmt.Sprint(3*maxRemembered-1), now, time.Minute) {
		t.Error("one that was redeemed just now can be redeemed again")
	}
	if !s.add("later", now.Add(time.Hour), time.Minute) || !s.add("much later", now.Add(2*time.Hour), time.Minute) || len(s.current)+len(s.previous) > 2 {
		t.Error("old ones are not forgotten")
	}
}

// INV-12: a client cannot tell why its cookie is no session.
func TestINV_12_ASVS_28_AllBadCookiesAreAnsweredAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	genuine := sessionCookie(w, b)
	var first string
	for _, value := range []string{"x", genuine[:len(genuine)-4], "AAAA" + genuine[4:], genuine[:20] + "AAAA" + genuine[24:], strings.Repeat("A", 900)} {
		r, _ := http.NewRequest("GET", w.base+"/x", nil)
		r.Header.Set("Cookie", "__Host-auth0_session="+value)
		response, err := w.network.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		response.Header.Del("Date")
		answer := fmt.Sprint(response.StatusCode, response.Header, string(body))
		if first == "" {
			first = answer
		}
		if answer != first {
			t.Errorf("one is answered\n%s\nand another\n%s", first, answer)
		}
	}
}

// LSN-05, CVE-CS-06, CVE-CS-07, CVE-GW-04, CVE-GW-05: nobody but a trusted proxy says
// under which address the site is reached.
func TestLSN_05_ForwardedHeadersCountFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	forged := map[string]string{
		"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.test", "X-Forwarded-Port": "8443", "X-Forwarded-Prefix": "/x",
		"Forwarded": "host=evil.test;proto=http", "Accept": "text/html",
	}
	redirectURI := func(w *world, header map[string]string) string {
		response, _ := w.send(w.browser(), "GET", "/x", header)
		u, _ := url.Parse(response.Header.Get("Location"))
		return u.Query().Get("redirect_uri")
	}
	if got := redirectURI(newWorld(t), forged); got != "https://app.example.test/auth/callback" {
		t.Errorf("from anybody: %s", got)
	}
	behind := newWorld(t, atBase("http://app.example.test"), withGlobal("servers {\ntrusted_proxies static 192.0.2.0/24\n}"))
	if got := redirectURI(behind, map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "public.example.test", "Accept": "text/html"}); got != "https://public.example.test/auth/callback" {
		t.Errorf("from a trusted proxy: %s", got)
	}
	if got := redirectURI(behind, map[string]string{"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "public.example.test, inner", "Accept": "text/html"}); got != "https://public.example.test/auth/callback" {
		t.Errorf("through two proxies: %s", got)
	}
	for _, proto := range []string{"evil", "http, https", ""} {
		if got := redirectURI(behind, map[string]string{"X-Forwarded-Proto": proto, "Accept": "text/html"}); got != "http://app.example.test/auth/callback" {
			t.Errorf("CVE-CS-07: X-Forwarded-Proto %q: %s", proto, got)
		}
	}
	configured := newWorld(t, withSettings("base_url https://app.example.test https://other.example.test"))
	if got := redirectURI(configured, forged); got != "https://app.example.test/auth/callback" {
		t.Errorf("with base_url: %s", got)
	}
}

// CVE-SDK-14: an answer that is streamed carries the renewed cookie before its
// first byte, and an upgraded connection is left alone.
func TestCVE_SDK_14_StreamedAnswersCarryTheRenewedCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Link", "</style.css>; rel=preload")
		rw.WriteHeader(http.StatusEarlyHints)
		rw.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(rw, "data: 1\n\n")
		_ = http.NewResponseController(rw).Flush()
		_, _ = io.WriteString(rw, "data: 2\n\n")
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(3 * time.Hour)
	cookies := cookieHeader(w, b)
	server := httptest.NewUnstartedServer(w.server)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com"
	for _, http2 := range []bool{false, true} {
		if !http2 {
			client.Transport.(*http.Transport).TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		} else {
			client = server.Client()
		}
		r, _ := http.NewRequest("GET", server.URL+"/stream", nil)
		r.Host = "app.example.test"
		r.Header.Set("Cookie", cookies)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		response.Body.Close()
		if err != nil || string(body) != "data: 1\n\ndata: 2\n\n" {
			t.Errorf("%q, %v", body, err)
		}
		if got := response.Header.Values("Set-Cookie"); len(got) != 1 || !strings.HasPrefix(got[0], "__Host-auth0_session=") {
			t.Errorf("%s: Set-Cookie %q", response.Proto, got)
		}
	}
}
