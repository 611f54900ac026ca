package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// leavingChild is the five-line use with a child that can be logged out of.
func leavingChild(lines string) worldOption {
	return withSite(`auth0_oidc {
domain DOMAIN
client_id CLIENT_ID
client_secret CLIENT_SECRET
connection acme-child {
child {
domain CHILD_TENANT
client_id CHILD_APPLICATION
}
}
` + lines + `
}
reverse_proxy UPSTREAM`)
}

const chained = "logout {\nchild\n}"

func (w *world) signOutBy(page *auth0sim.Page) *auth0sim.Page {
	w.t.Helper()
	page, err := page.Click("/auth/logout")
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// After a full logout the child asks for credentials again; without `child` its session
// signs the user in unasked.
func TestFullLogoutEndsTheChildsSession(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		for settings, asks := range map[string]bool{
			"": false, chained: true, "logout {\nchild\nhint id_token\n}": true, "logout {\nchild\nhint none\nstrategy v2\n}": true,
			"logout {\nfederated\n}": strategy == "oidc", "logout {\nchild\nfederated\n}": true,
		} {
			t.Run(strategy+" "+strings.Trim(strings.TrimPrefix(settings, "logout "), "{}\n"), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, withStrategy(strategy), leavingChild(settings))
				w.pair.Child.AdvertiseEndSession = true
				b := w.browser()
				page := w.signOutBy(w.signIn(b, "/home", w.pair.User))
				if page.URL.Host != "app.example.test" || page.URL.Path != "/" || !strings.Contains(page.Body, codeSignedOut) {
					t.Fatalf("RIL-05: ended at %d %s\n%s", page.Status, page.URL, page.Body)
				}
				if sessionCookie(w, b) != "" || len(w.pair.Master.Sessions()) != 0 || (len(w.pair.Child.Sessions()) == 0) != asks {
					t.Errorf("here %q, master %v, child %v", sessionCookie(w, b), w.pair.Master.Sessions(), w.pair.Child.Sessions())
				}
				again := w.signInAgain(page)
				if asked := again.URL.Hostname() == "child.localhost" && len(again.Forms) != 0; asked != asks {
					t.Errorf("a new visit ends at %d %s", again.Status, again.URL)
				}
			})
		}
	}
}

// RIL-02, CVE-MAO-04, INV-05, INV-06: the chain has three addresses, none of which a request says.
func TestINV_06_ChainOfALogoutLeadsToTheTenantsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, leavingChild("logout {\nchild\nhint id_token\nreturn_to /bye\n}"))
	w.pair.Master.AdvertiseEndSession = true
	w.pair.App.AllowedLogoutURLs = append(w.pair.App.AllowedLogoutURLs, w.base+"/bye")
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	first := w.step(b, w.base+"/auth/logout?return_to=https://evil.test&returnTo=//evil.test")
	child, _ := url.Parse(first.Location())
	back := child.Query().Get("returnTo")
	if !strings.HasPrefix(first.Location(), w.pair.Child.Issuer()+"v2/logout?") || child.Query().Get("client_id") != w.pair.ChildApp.ClientID ||
		!strings.HasPrefix(back, w.base+"/auth/logout?continue=") || strings.Contains(first.Location(), "evil") {
		t.Fatalf("the child's logout is %s", first.Location())
	}
	if cookies := cookieHeader(w, b); strings.Contains(cookies, "auth0_session=") || !strings.Contains(cookies, "auth0_session-t=") {
		t.Errorf("between the tenants the cookies are %s", cookies)
	}
	second := w.step(b, w.step(b, first.Location()).Location())
	master, _ := url.Parse(second.Location())
	q := master.Query()
	if !strings.HasPrefix(second.Location(), w.pair.Master.Issuer()+"oidc/logout?") || q.Get("post_logout_redirect_uri") != w.base+"/bye" ||
		q.Get("logout_hint") == "" || len(strings.Split(q.Get("id_token_hint"), ".")) != 3 || len(q.Get("state")) < 22 {
		t.Errorf("the master's logout is %s", second.Location())
	}
	for _, page := range []*auth0sim.Page{first, second} {
		if !strings.Contains(page.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("INV-05: %v", page.Header)
		}
	}
	if cookies := cookieHeader(w, b); strings.Contains(cookies, "auth0_session") {
		t.Errorf("OIDC-23: after the continuation the cookies are %s", cookies)
	}
	if strings.Contains(w.logs(), q.Get("id_token_hint")) {
		t.Error("OIDC-23: the ID token is in the log")
	}
	replayed := w.step(b, back)
	if u, _ := url.Parse(replayed.Location()); !strings.HasPrefix(u.String(), w.pair.Master.Issuer()+"oidc/logout?") || u.Query().Has("id_token_hint") {
		t.Errorf("replayed it leads to %s", replayed.Location())
	}
}

// INV-06, CVE-CS-10: what another site can do with a continuation is nothing.
func TestINV_06_ContinuationsDoNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, leavingChild(chained))
	w.pair.Master.AdvertiseEndSession = true
	attacker, victim := w.browser(), w.browser()
	w.signIn(attacker, "/home", w.pair.User)
	child, _ := url.Parse(w.step(attacker, w.base+"/auth/logout").Location())
	genuine := strings.TrimPrefix(child.Query().Get("returnTo"), w.base)
	w.signIn(victim, "/home", w.pair.Accented)
	cross := map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	state, _ := w.handler().keys.Load().SealState(session.State{ReturnTo: "//evil.test"})
	for path, toMaster := range map[string]bool{
		genuine: true, genuine + "&x=1": true, genuine[:len(genuine)-1]: false, genuine + "&continue=x": false,
		"/auth/logout?continue=": false, "/auth/logout?continue=https://evil.test": false, "/auth/logout?continue=" + state: false,
		"/auth/logout?continue=%zz": false, "/auth/logout?continue=" + strings.Repeat("A", 9000): false,
	} {
		response, _ := w.send(victim, "GET", path, cross)
		location := response.Header.Get("Location")
		if want := w.base + "/"; response.StatusCode != http.StatusFound || !toMaster && location != want || toMaster && !strings.HasPrefix(location, w.pair.Master.Issuer()+"oidc/logout?") {
			t.Errorf("%.80s: %d %s", path, response.StatusCode, location)
		}
		if len(response.Header["Set-Cookie"]) != 0 {
			t.Errorf("%.80s: sets %v", path, response.Header["Set-Cookie"])
		}
	}
	page, err := victim.Get(w.base + genuine) // the master asks, because the session is not the one named
	if err != nil || page.URL.Path != "/oidc/logout" || len(page.Forms) == 0 || !w.isSignedIn(victim) {
		t.Errorf("the victim ends at %v, %v", page, err)
	}
	w.clock.advance(session.ContinuationLifetime)
	if response, _ := w.send(victim, "GET", genuine, cross); response.Header.Get("Location") != w.base+"/" {
		t.Errorf("an old one leads to %s", response.Header.Get("Location"))
	}
}

// RIL-01, RIL-05, CVE-CS-18: whatever the browser still has and whichever tenant is up, the
// logout goes where it should.
func TestCVE_CS_18_FullLogoutFromEveryState(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(w *world, b *heldBrowser){
		"signed in":        func(*world, *heldBrowser) {},
		"expired":          func(w *world, _ *heldBrowser) { w.clock.advance(25 * time.Hour) },
		"cookies are gone": func(*world, *heldBrowser) {},
		"master is down":   func(w *world, _ *heldBrowser) { w.pair.Master.Down(true) },
		"both are down":    func(w *world, _ *heldBrowser) { w.pair.Master.Down(true); w.pair.Child.Down(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, leavingChild(chained))
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			prepare(w, b)
			if name == "cookies are gone" {
				b = w.browser()
			}
			response, _ := w.send(b, "GET", "/auth/logout", ownNavigation)
			child := response.Header.Get("Location")
			if response.StatusCode != http.StatusFound || !strings.HasPrefix(child, w.pair.Child.Issuer()+"v2/logout?") || sessionCookie(w, b) != "" {
				t.Fatalf("%d %s", response.StatusCode, child)
			}
			u, _ := url.Parse(child)
			response, _ = w.send(w.browser(), "GET", strings.TrimPrefix(u.Query().Get("returnTo"), w.base), nil)
			if master := response.Header.Get("Location"); !strings.HasPrefix(master, w.pair.Master.Issuer()) || !strings.Contains(master, "/logout?client_id=") {
				t.Errorf("without cookies the continuation leads to %s", master)
			}
		})
	}
}

// A session of a connection without a child skips that step, and so does one that nobody
// can tell the child of.
func TestLogoutSkipsAChildThatIsNotKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc {
connection acme-child
connection partners {
child {
domain partners.example.com
client_id x
}
}
`+chained+`
}
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.signIn(b, "/auth/login?connection=acme-child&return_to=/home", w.pair.User)
	response, _ := w.send(b, "GET", "/auth/logout", ownNavigation)
	if location := response.Header.Get("Location"); !strings.HasPrefix(location, w.pair.Master.Issuer()) {
		t.Errorf("the logout leads to %s", location)
	}
}

// Browsers hold the redirects that answer a form against form-action.
func TestPageOfALogoutAllowsTheChild(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{chained: "http://child.localhost:", "logout {\nfederated\n}": "https: http:", "": "master.localhost"} {
		w := newWorld(t, leavingChild(settings))
		response, body := w.send(w.browser(), "GET", "/auth/logout", map[string]string{"Accept": "text/html"})
		_, policy, _ := strings.Cut(response.Header.Get("Content-Security-Policy"), "form-action ")
		policy, _, _ = strings.Cut(policy, ";")
		if !strings.Contains(body, "Sign out?") || !strings.Contains(policy, want) || settings == "" && strings.Contains(policy, "child") {
			t.Errorf("%q: %s", settings, policy)
		}
	}
}

// Whom a rule keeps out gets to the child's logout by the button, too.
func TestKeptOutUserSignsOutOfTheChild(t *testing.T) {
	t.Parallel()
	w := newWorld(t, leavingChild(chained+"\n"+adminsOnly))
	page, err := w.signIn(w.browser(), "/home", w.pair.User).Press("Sign out")
	if err != nil || !strings.Contains(page.Body, codeSignedOut) || len(w.pair.Child.Sessions()) != 0 {
		t.Errorf("%v, %v, the child has %v", page, err, w.pair.Child.Sessions())
	}
}
