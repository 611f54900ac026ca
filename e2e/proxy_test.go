package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// deepLink is where users want to go.
const deepLink = "/reports/2026?quarter=3&region=%C3%B6st"

// marker is what forged headers say.
const marker = "forged-marker"

// aliases are names that some server takes for one of ours, and the attack that
// each of them is.
var aliases = []struct{ id, name string }{
	{"HDR-01", "X-Auth0-User-Id"},
	{"HDR-06", "x_auth0_anything"},
	{"CVE-OP-09", "X_Auth0_User_Id"},
	{"CVE-OP-09 mixed", "X-Auth0_Email"},
	{"CVE-CAD-01", "x-auth0-role"},
	{"CVE-CAD-03", "X.Auth0.User.Id"},
	{"CVE-CAD-04", "X~Auth0!User+Id"},
}

// The README's first Caddyfile, from the first request to the logout.
func TestProxyStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "http", proxySite)
	b := w.browser()
	b.SetCookie(w.base, &http.Cookie{Name: "theme", Value: "plain", Path: "/"})
	page, err := b.Get(w.base + deepLink)
	if err != nil {
		t.Fatal(err)
	}
	assertWay(t, page, "app/reports/2026", "master/authorize", "child/authorize", "child/u/login")
	if len(w.app.take()) != 0 {
		t.Error("the application was reached before the login")
	}
	if page, err = b.Login(page, w.pair.User.Email, auth0sim.PairPassword); err != nil {
		t.Fatal(err)
	}
	assertWay(t, page, "child/u/login", "child/authorize/resume", "master/login/callback", "master/authorize/resume",
		"app/auth/callback", "app/reports/2026")
	if page.Status != http.StatusOK || page.URL.String() != w.base+deepLink {
		t.Errorf("ended at %d %s, want 200 %s", page.Status, page.URL, w.base+deepLink)
	}
	requests := w.app.take()
	if len(requests) != 1 || requests[0].uri != deepLink {
		t.Fatalf("the application saw %+v", requests)
	}
	assertIdentity(t, w, requests[0])
	if out, err := page.Click("/auth/logout"); err != nil {
		t.Fatal(err)
	} else {
		assertSignedOut(t, w, b, out)
	}
}

func assertWay(t *testing.T, page *auth0sim.Page, want ...string) {
	t.Helper()
	var saw []string
	for _, h := range page.Hops {
		name, _, _ := strings.Cut(h.URL.Hostname(), ".")
		saw = append(saw, name+h.URL.Path)
	}
	t.Logf("the way: %s", strings.Join(saw, ", "))
	if strings.Join(saw, " ") != strings.Join(want, " ") {
		t.Errorf("the way was %q, want %q", saw, want)
	}
}

// assertIdentity wants the pair's first user, and nothing else of ours.
func assertIdentity(t *testing.T, w *world, r received) {
	t.Helper()
	u := w.pair.User
	want := map[string]string{
		"X-Auth0-User-Id": w.pair.MasterUserID(u), "X-Auth0-Email": u.Email, "X-Auth0-Email-Verified": "false",
		"X-Auth0-Strategy": "auth0-oidc", "X-Auth0-Connection": "acme-child", "X-Auth0-Child-User": u.ID,
		"X-Auth0-Child-Connection": "auth0", "X-Auth0-Child-User-Id": strings.TrimPrefix(u.ID, "auth0|"),
		"X-Auth0-Client-Id": w.pair.App.ClientID,
	}
	for name, value := range want {
		if got := r.header.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if got := r.header.Get("Cookie"); got != "theme=plain" {
		t.Errorf("the application got the cookies %q", got)
	}
	assertNotForged(t, r)
}

func assertNotForged(t *testing.T, r received) {
	t.Helper()
	for name, values := range r.header {
		if strings.Contains(strings.Join(values, " "), marker) {
			t.Errorf("%s reached the application as %q", name, values)
		}
	}
}

func assertSignedOut(t *testing.T, w *world, b *auth0sim.Browser, page *auth0sim.Page) {
	t.Helper()
	assertWay(t, page, "app/auth/logout", "master/oidc/logout", "app/")
	if page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, "You are signed out") {
		t.Errorf("after the logout: %d\n%s", page.Status, page.Body)
	}
	for _, c := range b.Cookies(w.base) {
		if c.Name == "auth0_session" {
			t.Error("the session is still there")
		}
	}
	if left := w.pair.Master.Sessions(); len(left) != 0 {
		t.Errorf("the master still has the sessions %q", left)
	}
	if len(w.app.take()) != 0 {
		t.Error("the application was reached after the logout")
	}
}

func TestProxyGetsNoForgedHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "http", proxySite)
	b := w.browser()
	b.SetCookie(w.base, &http.Cookie{Name: "theme", Value: "plain", Path: "/"})
	w.signIn(b, "/", w.pair.User)
	w.app.take()
	for _, alias := range aliases {
		t.Run(alias.id, func(t *testing.T) {
			for _, connection := range []string{"keep-alive", "X-Auth0-User-Id, x-auth0-email"} { // HDR-10
				header := http.Header{alias.name: {marker}, "Connection": {connection}}
				if status, _ := w.fetch(b, deepLink, header); status != http.StatusOK {
					t.Errorf("signed in: status %d", status)
				}
				requests := w.app.take()
				if len(requests) != 1 {
					t.Fatalf("signed in: %d requests", len(requests))
				}
				assertIdentity(t, w, requests[0])
				if status, _ := w.fetch(w.browser(), deepLink, header); status != http.StatusUnauthorized || len(w.app.take()) != 0 {
					t.Errorf("signed out: status %d", status)
				}
			}
		})
	}
}

// The secret is in Caddy's storage, and nobody asks the tenant who is signed in.
func TestSessionsOutliveARestartAndAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "http", proxySite)
	b := w.browser()
	w.signIn(b, "/", w.pair.User)
	w.pair.Master.Down(true)
	w.caddy.end()
	w.startCaddy()
	w.app.take()
	if status, body := w.fetch(b, deepLink, nil); status != http.StatusOK {
		t.Errorf("with a session: %d %s", status, body)
	}
	if requests := w.app.take(); len(requests) != 1 || requests[0].header.Get("X-Auth0-User-Id") != w.pair.MasterUserID(w.pair.User) {
		t.Errorf("the application saw %+v", requests)
	}
	page, err := w.browser().Step(w.base + deepLink)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(page.Location(), strings.TrimSuffix(w.pair.Master.Issuer(), "/")+"/authorize?") { // which the storage knows
		t.Errorf("without a session: %d, to %q", page.Status, page.Location())
	}
	status, body := w.fetch(b, "/auth/profile", nil)
	var profile struct {
		Profile map[string]any `json:"profile"`
	}
	if err := json.Unmarshal([]byte(body), &profile); err != nil || profile.Profile["email"] != w.pair.User.Email {
		t.Errorf("/auth/profile: %d %s (%v)", status, body, err)
	}
}

// fetch asks as a script of the site does, with the headers as they are written.
func (w *world) fetch(b *auth0sim.Browser, path string, header http.Header) (status int, body string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.base+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header = http.Header{
		"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"},
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := b.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}
