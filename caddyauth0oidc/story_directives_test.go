package caddyauth0oidc

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const globalTenant = "auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\n}"

func (w *world) addPartners() {
	w.pair.Master.AddConnection(auth0sim.Connection{
		Name: "partners", Strategy: "auth0-oidc", Options: w.pair.Connection.Options, EnabledClients: []string{w.pair.App.ClientID},
	})
}

// Directives of one site share their routes although they have cookies, secrets
// and limits of their own: the one that began a login ends it.
func TestDirectivesWithCookiesAndSecretsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]string{
		"cookie name":   "session {\ncookie {\nname other_session\n}\n}",
		"cookie domain": "session {\ncookie {\ndomain example.test\n}\n}",
		"secret":        "secret \"" + newSecret + "\"",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withGlobal(globalTenant), withSite("auth0_oidc /a/*\nauth0_oidc /b/* {\n"+settings+"\n}\nreverse_proxy UPSTREAM"))
			b := w.browser()
			for _, path := range []string{"/a/x", "/b/x"} {
				page := w.open(b, path)
				if len(page.Forms) > 0 {
					page, _ = b.Login(page, w.pair.User.Email, auth0sim.PairPassword)
				}
				if page == nil || page.Status != http.StatusOK || page.URL.Path != path {
					t.Fatalf("%s: %+v", path, page)
				}
			}
		})
	}
}

// A late callback begins the login again with the connection that it had.
func TestLateCallbackKeepsItsConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite("auth0_oidc /a/*\nauth0_oidc /b/* {\nconnection partners\n}\nreverse_proxy UPSTREAM"))
	w.addPartners()
	callback := w.callbackOf(w.browser(), "/b/x", w.pair.User)
	u, _ := url.Parse(w.step(w.browser(), callback).Location())
	if got := u.Query().Get("connection"); got != "partners" {
		t.Errorf("connection=%s", got)
	}
}

// A connection of another site is none of this one, whatever they share.
func TestConnectionsOfOtherSitesAreUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite("auth0_oidc\nreverse_proxy UPSTREAM\n}\nhttps://other.example.test {\nauth0_oidc {\nconnection partners\n}\nreverse_proxy UPSTREAM"))
	if page := w.step(w.browser(), w.base+"/auth/login?connection=partners"); page.Status != http.StatusBadRequest {
		t.Errorf("%d %s", page.Status, page.Location())
	}
}

// What one directive said about the user, another one that does not accept the
// session takes back.
func TestRefusingDirectiveWithdrawsTheIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc
auth0_oidc /b/* {
connection partners
unauthenticated pass
headers {
prefix X-Partner-
}
}
header ?X-Who "[{http.auth.user.id}]"
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.signIn(b, "/a", w.pair.User)
	w.app.take()
	response, _ := w.send(b, "GET", "/b/x", nil)
	for name := range w.app.take()[0].header {
		if strings.HasPrefix(name, "X-Auth0-") || strings.HasPrefix(name, "X-Partner-") {
			t.Errorf("the application saw %s", name)
		}
	}
	if who := response.Header.Get("X-Who"); who != "[]" {
		t.Errorf("the placeholder is %q", who)
	}
}

// HDR-53: two directives renew the session once.
func TestHDR_53_OneRenewalForOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite("auth0_oidc\nauth0_oidc /a/*\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/a/x", w.pair.User)
	w.clock.advance(3 * time.Hour)
	response, _ := w.send(b, "GET", "/a/x", nil)
	if got := response.Header.Values("Set-Cookie"); len(got) != 1 {
		t.Errorf("%d cookies: %q", len(got), got)
	}
}

// A matcher that fails protects.
func TestASVS_28_FailingMatcherProtects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`@broken expression int({query.n}) > 5
auth0_oidc @broken {
SETTINGS
}
reverse_proxy UPSTREAM`))
	response, _ := w.send(w.browser(), "GET", "/x?n=notanumber", nil)
	if response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
		t.Errorf("status %d", response.StatusCode)
	}
	if response, _ = w.send(w.browser(), "GET", "/x?n=1", nil); response.StatusCode != http.StatusOK {
		t.Errorf("unprotected: %d", response.StatusCode)
	}
}

// HDR-20 by way of a placeholder: a line end in a claim locks nobody out.
func TestHDR_20_PlaceholdersAreHarmlessInHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nrequest_header X-Name {http.auth.user.name}\nreverse_proxy UPSTREAM"))
	w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims["name"] = "Zoe\r\nX-Evil: 1" }
	page := w.signIn(w.browser(), "/x", w.pair.User)
	if page.Status != http.StatusOK {
		t.Fatalf("the user is locked out: %d", page.Status)
	}
	if seen := w.app.take()[0].header; seen.Get("X-Evil") != "" || !strings.HasPrefix(seen.Get("X-Name"), "Zoe") {
		t.Errorf("the application saw %v", seen)
	}
}

// Two ids that a header would make one are not accepted in the first place.
func TestSubThatAHeaderWouldShortenIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = claims["sub"].(string) + " " }
	b := w.browser()
	if page := w.signIn(b, "/x", w.pair.User); page.Status != http.StatusBadRequest || sessionCookie(w, b) != "" {
		t.Errorf("%d %s", page.Status, page.Body)
	}
}

// A browser that sends no Sec-Fetch-Site signs out through the page that asks:
// the page's policy leaves it an Origin to send.
func TestLogoutWithoutFetchMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"), withGlobal("servers {\ntrusted_proxies static 192.0.2.0/24\n}"))
	b := w.browser()
	w.signIn(b, "/x", w.pair.User)
	response, _ := w.send(b, "GET", "/auth/logout", map[string]string{"Accept": "text/html"})
	if got := response.Header.Get("Referrer-Policy"); got != "same-origin" {
		t.Errorf("Referrer-Policy %q makes the form's Origin null", got)
	}
	response, _ = w.send(w.browser(), "POST", "/auth/logout", map[string]string{"Origin": "https://public.example.test", "X-Forwarded-Host": "public.example.test", "X-Forwarded-Proto": "https"})
	if response.StatusCode != http.StatusSeeOther {
		t.Errorf("behind a proxy: %d", response.StatusCode)
	}
	response, _ = w.send(b, "POST", "/auth/logout", map[string]string{"Origin": "null"})
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("from nowhere: %d", response.StatusCode)
	}
	response, _ = w.send(b, "POST", "/auth/logout", map[string]string{"Origin": w.base})
	if response.StatusCode != http.StatusSeeOther || sessionCookie(w, b) != "" {
		t.Errorf("from this site: %d", response.StatusCode)
	}
}

// The page after a logout is for the page, not for an image that comes first.
func TestSignedOutPageIsForNavigations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("unauthenticated redirect"))
	b := w.browser()
	w.signIn(b, "/x", w.pair.User)
	w.send(b, "GET", "/auth/logout", map[string]string{"Sec-Fetch-Site": "none", "Accept": "text/html"})
	if response, _ := w.send(b, "GET", "/logo.png", map[string]string{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}); response.StatusCode != http.StatusFound {
		t.Errorf("the image: %d", response.StatusCode)
	}
	if page := w.open(b, "/x"); page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, codeSignedOut) {
		t.Errorf("the page: %d", page.Status)
	}
}

// A logout ends the sessions of every directive that shares the route.
func TestLogoutEndsTheSessionsOfAllDirectives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc /a/*
auth0_oidc /b/* {
session {
cookie {
name other_session
}
}
}
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.signIn(b, "/b/x", w.pair.User)
	response, _ := w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	if u, _ := url.Parse(response.Header.Get("Location")); u.Query().Get("logout_hint") == "" {
		t.Errorf("the tenant is not told which session: %s", u)
	}
	if response, _ = w.send(b, "GET", "/b/x", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("/b after the logout: %d", response.StatusCode)
	}
	if page := w.open(b, "/b/x"); !strings.Contains(page.Body, codeSignedOut) {
		t.Errorf("/b says %d %s", page.Status, page.URL)
	}
}

// CONC-21: a login that was pending while its directive changed is ended by one
// with the same connection.
func TestPendingLoginSurvivesAChangeOfItsDirective(t *testing.T) {
	t.Parallel()
	setup := worldSetup{base: "https://app.example.test", global: globalTenant}
	site := "auth0_oidc /a/*\nauth0_oidc /b/* {\nconnection partners\nLINE\n}\nreverse_proxy UPSTREAM"
	setup.site = strings.Replace(site, "LINE", "", 1)
	w := newWorld(t, withGlobal(setup.global), withSite(setup.site))
	w.addPartners()
	b := w.browser()
	callback := w.callbackOf(b, "/b/x", w.pair.User)
	setup.site = strings.Replace(site, "LINE", "authorize_param ui_locales de", 1)
	w.load(setup)
	if page, err := b.Get(callback); err != nil || page.Status != http.StatusOK || page.URL.Path != "/b/x" {
		t.Errorf("%+v %v", page, err)
	}
}

// A rewrite in front of the directive does not lead around its matcher, whatever
// the matcher looks at, nor does a client that asks for what it is rewritten to.
func TestMatchersSeeTheRequestAsItCameAsWell(t *testing.T) {
	t.Parallel()
	for name, matcher := range map[string]string{
		"path": "path /admin/*", "path in an expression": "expression path('/admin/*')", "placeholder in an expression": "expression {path}.startsWith('/admin/')",
		"placeholder": "vars {path} /admin/x", "query": "query a=secret", "method": "method POST",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSite("@m "+matcher+"\nmethod GET\nrewrite * /public/index.php?q=1\nauth0_oidc @m {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
			if response, _ := w.send(w.browser(), "POST", "/admin/x?a=secret", nil); response.StatusCode != http.StatusUnauthorized {
				t.Errorf("protected: %d", response.StatusCode)
			}
			if response, _ := w.send(w.browser(), "GET", "/other", nil); response.StatusCode != http.StatusOK {
				t.Errorf("public: %d", response.StatusCode)
			}
			if seen := w.app.take(); len(seen) != 1 || seen[0].uri != "/public/index.php?q=1" {
				t.Errorf("the application got %+v", seen)
			}
		})
	}
	front := newWorld(t, withSite("rewrite /admin/* /index.php\nauth0_oidc /admin/* {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	if response, _ := front.send(front.browser(), "GET", "/admin/index.php", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("/admin/index.php: %d", response.StatusCode)
	}
	w := newWorld(t, withSite("handle_path /legacy/* {\n@p not path /health /legacy/health\nauth0_oidc @p {\nSETTINGS\n}\nreverse_proxy UPSTREAM\n}"))
	if response, _ := w.send(w.browser(), "GET", "/legacy/health", nil); response.StatusCode != http.StatusOK {
		t.Errorf("exempted below a stripped prefix: %d", response.StatusCode)
	}
	if response, _ := w.send(w.browser(), "GET", "/legacy/x", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("protected below a stripped prefix: %d", response.StatusCode)
	}
}

// The routes of a later directive are its own although an earlier one protects
// their paths.
func TestRoutesOfALaterDirective(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`@a not path /b/*
auth0_oidc @a
auth0_oidc /b/* {
prefix /authb
session {
cookie {
name other_session
}
}
}
reverse_proxy UPSTREAM`))
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) {
		a.Callbacks = append(a.Callbacks, w.base+"/authb/callback")
	})
	if page := w.signIn(w.browser(), "/b/x", w.pair.User); page.Status != http.StatusOK || page.URL.Path != "/b/x" {
		t.Errorf("%d %s", page.Status, page.URL)
	}
	w.send(w.browser(), "GET", "/authb/callback?code=SECRETCODE&state=x", nil)
	if strings.Contains(w.logs(), "SECRETCODE") {
		t.Error("INV-04: the code is in the log")
	}
}

// Two sessions in one browser may not add up to more than a request can carry.
func TestSessionsOfTwoDirectivesFitIntoOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite("auth0_oidc /a/*\nauth0_oidc /b/* {\nsession {\ncookie {\nname other_session\n}\n}\n}\nreverse_proxy UPSTREAM"))
	w.pair.Master.CustomClaims = map[string]any{"https://acme.test/roles": opaqueText(6000)}
	b := w.browser()
	if page := w.signIn(b, "/a/x", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("the first: %d %s", page.Status, page.Body)
	}
	if page := w.open(b, "/b/x"); page.Status != http.StatusBadGateway || !strings.Contains(page.Body, codeProfileTooLarge) {
		t.Errorf("the second: %d %s", page.Status, page.URL)
	}
	if n := len(cookieHeader(w, b)); n > 13<<10 {
		t.Errorf("the browser sends %d bytes of cookies", n)
	}
	w.clock.advance(3 * time.Hour)
	if response, _ := w.send(b, "GET", "/a/x", nil); response.StatusCode != http.StatusOK || len(response.Header.Values("Set-Cookie")) == 0 {
		t.Errorf("the first is not renewed: %d", response.StatusCode)
	}
}

// A web view sends X-Requested-With with its navigations.
func TestNavigationOfAWebView(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	response, _ := w.send(w.browser(), "GET", "/x", map[string]string{
		"X-Requested-With": "com.example.app", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html",
	})
	if response.StatusCode != http.StatusFound {
		t.Errorf("status %d", response.StatusCode)
	}
}

// A claim that a whole request's headers cannot carry is refused at the login,
// through a real server: its user would be locked out otherwise.
func TestLargestSessionPassesARealServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"))
	b := w.browser()
	size := 8000
	for ; size > 0; size -= 250 {
		w.pair.Master.Configure(func(s *auth0sim.Settings) {
			s.CustomClaims = map[string]any{"https://acme.test/roles": strings.Repeat("r", size)}
		})
		page := w.open(b, "/auth/login?return_to=/home")
		if len(page.Forms) > 0 {
			page, _ = b.Login(page, w.pair.User.Email, auth0sim.PairPassword)
		}
		if page != nil && page.Status == http.StatusOK {
			break
		}
	}
	if size < 4000 {
		t.Fatalf("the largest claim that fits has %d bytes", size)
	}
	server := httptest.NewUnstartedServer(w.server)
	server.Config.MaxHeaderBytes = w.server.MaxHeaderBytes
	server.Start()
	defer server.Close()
	cookies := cookieHeader(w, b) + "; theirs=" + strings.Repeat("x", 1000)
	status := raw(t, strings.TrimPrefix(server.URL, "http://"), "GET /x HTTP/1.1\nHost: app.example.test\nConnection: close\nCookie: "+cookies+"\n\n")
	if status != http.StatusOK {
		t.Errorf("%d bytes of cookies give %d", len(cookies), status)
	}
}

// CONC-22: a configuration may be replaced while requests of it are under way.
func TestCONC_22_ReloadsUnderRequests(t *testing.T) {
	t.Parallel()
	setup := worldSetup{base: "https://app.example.test", global: globalTenant}
	setup.site = "auth0_oidc /a/*\nauth0_oidc /b/* {\nconnection partners\n}\nreverse_proxy UPSTREAM"
	w := newWorld(t, withGlobal(setup.global), withSite(setup.site))
	w.addPartners()
	b := w.browser()
	w.signIn(b, "/b/x", w.pair.User)
	done := make(chan struct{})
	var wait sync.WaitGroup
	for _, path := range []string{"/auth/login?connection=partners", "/b/x", "/auth/profile", "/auth/callback?code=x&state=y", "/a/x"} {
		header := map[string]string{"Accept": "text/html", "Cookie": cookieHeader(w, b)}
		wait.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r, _ := http.NewRequest("GET", w.base+path, nil)
				for name, value := range header {
					r.Header.Set(name, value)
				}
				if response, err := w.network.RoundTrip(r); err != nil || response.StatusCode >= 500 {
					t.Errorf("%s: %+v %v", path, response, err)
					return
				}
			}
		})
	}
	for range 10 {
		w.serve(setup)
	}
	close(done)
	wait.Wait()
}
