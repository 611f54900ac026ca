package caddyauth0oidc

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const backchannelPath = "/auth/backchannel-logout"

// backchannelSite lets the child end sessions, too.
const backchannelSite = "connection acme-child {\nchild {\ndomain CHILD_TENANT\nclient_id CHILD_APPLICATION\nbackchannel_logout on\n}\n}\n"

// backchannelWorld is one whose tenants send their logout tokens to the site.
func backchannelWorld(t *testing.T, options ...worldOption) *world {
	t.Helper()
	w := newWorld(t, append([]worldOption{withSite(siteOf(backchannelSite))}, options...)...)
	for tenant, clientID := range map[*auth0sim.Tenant]string{
		w.pair.Master: w.pair.App.ClientID, w.pair.Child: w.pair.ChildApp.ClientID,
	} {
		tenant.UpdateApplication(clientID, func(a *auth0sim.Application) { a.BackchannelLogoutURL = w.base + backchannelPath })
	}
	return w
}

// tampered gives a logout token of the master for a session, with changes.
func (w *world) tampered(sub, sid string, change func(header, claims map[string]any)) string {
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.TamperLogoutToken = change })
	defer w.pair.Master.Configure(func(s *auth0sim.Settings) { s.TamperLogoutToken = nil })
	return w.pair.Master.LogoutToken(w.pair.App.ClientID, sub, sid)
}

// lacking takes claims out of a logout token.
func lacking(names ...string) func(header, claims map[string]any) {
	return func(_, claims map[string]any) {
		for _, name := range names {
			delete(claims, name)
		}
	}
}

// postLogout sends a form as a tenant does, or with other headers; an empty one is left out.
func (w *world) postLogout(path, body string, header map[string]string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.base+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range header {
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	response, err := w.network.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		w.t.Fatal(err)
	}
	return response, string(answer)
}

// sendLogout sends a token and gives the status, after a look at the rest of the answer.
func (w *world) sendLogout(token string) int {
	w.t.Helper()
	response, body := w.postLogout(backchannelPath, url.Values{"logout_token": {token}}.Encode(), nil)
	w.judgeLogoutAnswer(response, body)
	return response.StatusCode
}

func (w *world) judgeLogoutAnswer(response *http.Response, body string) {
	w.t.Helper()
	header := response.Header
	if header.Get("Cache-Control") != "no-store" || header["Set-Cookie"] != nil || header.Get("Location") != "" || header.Get("Access-Control-Allow-Origin") != "" {
		w.t.Errorf("BCL-18 BCL-20: %d %v", response.StatusCode, header)
	}
	switch status := response.StatusCode; {
	case status == http.StatusOK && body != "":
		w.t.Errorf("the answer has a body: %q", body)
	case status == http.StatusOK:
	case !strings.HasPrefix(body, `{"error":"`) || header.Get("Content-Type") != "application/json" || len(body) > 200:
		w.t.Errorf("BCL-18: %d %q", status, body)
	case (status == http.StatusServiceUnavailable) != (header.Get("Retry-After") != ""):
		w.t.Errorf("%d has Retry-After %q", status, header.Get("Retry-After"))
	}
}

// alive tells whether a request of the browser reaches the application as a user's.
func (w *world) alive(b *heldBrowser) bool {
	w.t.Helper()
	w.app.take()
	response, _ := w.send(b, "GET", "/x", map[string]string{"Accept": "application/json"})
	seen := len(w.app.take())
	if (response.StatusCode == http.StatusOK) != (seen == 1) || seen == 0 && response.StatusCode != http.StatusUnauthorized {
		w.t.Fatalf("%d after %d requests to the application", response.StatusCode, seen)
	}
	return seen == 1
}

// signedInBrowser is a browser of its own with a session; sid is that at the master.
func (w *world) signedInBrowser(user auth0sim.User) (b *heldBrowser, sid string) {
	w.t.Helper()
	known := w.pair.Master.Sessions()
	b = w.browser()
	w.signIn(b, "/home", user)
	for _, each := range w.pair.Master.Sessions() {
		if !strings.Contains(strings.Join(known, " "), each) {
			sid = each
		}
	}
	if sid == "" || !w.alive(b) {
		w.t.Fatal("the browser is not signed in")
	}
	return b, sid
}

// BCL-15, BCL-18: a session that ends at the master ends here, and no other one; the
// browser's next page is a new login.
func TestSessionThatEndsAtTheMasterEndsHere(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, b *heldBrowser, sid string){
		"by an administrator":     func(w *world, _ *heldBrowser, sid string) { w.pair.Master.RevokeSession(sid) },
		"by a logout elsewhere":   func(w *world, b *heldBrowser, _ string) { w.step(b, w.pair.Master.Issuer()+"v2/logout") },
		"by a logout, sent twice": func(w *world, b *heldBrowser, _ string) { w.step(b, w.pair.Master.Issuer()+"v2/logout") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := backchannelWorld(t)
			b, sid := w.signedInBrowser(w.pair.User)
			same, _ := w.signedInBrowser(w.pair.User)
			other, _ := w.signedInBrowser(w.pair.Accented)
			want := []string{"200"}
			if strings.Contains(name, "twice") {
				w.pair.Master.Configure(func(s *auth0sim.Settings) { s.RepeatLogoutTokens = 1 })
				want = append(want, "400") // BCL-12
			}
			end(w, b, sid)
			logs := w.pair.Master.Logs()
			for i, entry := range logs {
				if len(logs) != len(want) || entry.Details != want[i] {
					t.Fatalf("the tenant's log is %v", logs)
				}
			}
			if w.alive(b) || !w.alive(same) || !w.alive(other) {
				t.Error("the wrong sessions were ended")
			}
			if page := w.step(b, w.base+"/home"); !strings.HasPrefix(page.Location(), w.pair.Master.Issuer()+"authorize?") {
				t.Errorf("the next page leads to %d %s", page.Status, page.Location())
			}
			if page := w.signIn(w.browser(), "/home", w.pair.User); page.Status != http.StatusOK {
				t.Errorf("the next login ends at %d", page.Status)
			}
		})
	}
}

// A logout at the child ends the user's sessions here, those through other connections and
// of other users not. The master's own session is not ended by it.
func TestLogoutAtTheChildEndsTheUsersSessionsHere(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := backchannelWorld(t, withStrategy(strategy))
			b, _ := w.signedInBrowser(w.pair.User)
			second, _ := w.signedInBrowser(w.pair.User)
			other, _ := w.signedInBrowser(w.pair.Accented)
			w.clock.advance(2 * time.Second)
			w.step(b, w.pair.Child.Issuer()+"v2/logout")
			if logs := w.pair.Child.Logs(); len(logs) != 1 || logs[0].Details != "200" {
				t.Fatalf("the child's log is %v", logs)
			}
			if w.alive(b) || w.alive(second) || !w.alive(other) {
				t.Error("the wrong sessions were ended")
			}
			w.clock.advance(2 * time.Second)
			w.app.take()
			page := w.open(b, "/home") // through the master's session, which lives on
			if page.Status != http.StatusOK || len(w.app.take()) != 1 || len(page.Hops) < 3 || !w.alive(b) {
				t.Errorf("the next page is %d after %d requests", page.Status, len(page.Hops))
			}
		})
	}
}

// BCL-16, CONC-18: a logout that comes before the callback of its login is remembered.
func TestCONC_18_LogoutThatOvertakesTheCallbackHolds(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/home", w.pair.User)
	w.pair.Master.RevokeSession(w.pair.Master.Sessions()[0])
	if logs := w.pair.Master.Logs(); len(logs) != 0 { // the application has no part in the session yet, or it was told
		if logs[0].Details != "200" {
			t.Fatalf("the tenant's log is %v", logs)
		}
	} else {
		t.Fatal("no logout token was sent")
	}
	if page := w.step(b, callback); page.Status != http.StatusSeeOther && page.Status != http.StatusFound {
		t.Errorf("the callback is answered with %d", page.Status)
	}
	if w.alive(b) {
		t.Error("the session came to life")
	}
}

// The same endpoint, whatever the path's form, is there once, below the prefix, for
// everybody, and asks nobody to sign in.
func TestBCL_21_EndpointIsOnePathForEverybody(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	token := url.Values{"logout_token": {w.pair.Master.LogoutToken(w.pair.App.ClientID, "", "unknown")}}.Encode()
	for _, path := range []string{
		backchannelPath + "/x", backchannelPath + "%2f", backchannelPath + "/", "/AUTH/backchannel-logout", "/auth/Backchannel-Logout",
		"/auth/%62ackchannel-logout", backchannelPath + ";x", "/x" + backchannelPath, "/" + backchannelPath,
	} {
		if response, _ := w.postLogout(path, token, nil); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	b, _ := w.signedInBrowser(w.pair.User)
	good := w.tampered("", "unknown", lacking("sub"))
	response, body := w.postLogout(backchannelPath, url.Values{"logout_token": {good}}.Encode(), map[string]string{
		"Cookie": cookieHeader(w, b), "Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
	})
	if w.judgeLogoutAnswer(response, body); response.StatusCode != http.StatusOK || !w.alive(b) {
		t.Errorf("BCL-16 BCL-20: %d", response.StatusCode)
	}
}
