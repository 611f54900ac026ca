package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
)

// besideAdmin protects /admin/ by one directive and the rest by another.
const besideAdmin = "@usual not path /admin/*\nauth0_oidc @usual\nauth0_oidc /admin/* {\nLINES\n}\nreverse_proxy UPSTREAM"

func stepUpWorld(t *testing.T, site, lines string) *world {
	t.Helper()
	w := newWorld(t, withGlobal(globalTenant), withSite(strings.ReplaceAll(site, "LINES", lines)))
	w.pair.Master.MFAOnACRValues = true
	return w
}

// logins gives the queries of the logins that a page came through.
func (w *world) logins(page *auth0sim.Page) []url.Values {
	w.t.Helper()
	var found []url.Values
	for _, hop := range page.Hops {
		if location := hop.Header.Get("Location"); strings.HasPrefix(location, w.pair.Master.Issuer()+"authorize?") {
			u, err := url.Parse(location)
			if err != nil {
				w.t.Fatal(err)
			}
			found = append(found, u.Query())
		}
	}
	return found
}

// wantPage tells whether a page of the application was reached by so many logins.
func (w *world) wantPage(page *auth0sim.Page, path string, logins int) {
	w.t.Helper()
	if page.Status != http.StatusOK || page.URL.String() != w.base+path {
		w.t.Fatalf("not at %s but at %s: %d\n%s", path, page.URL, page.Status, page.Body)
	}
	if n := len(w.logins(page)); n != logins {
		w.t.Errorf("%s took %d logins, want %d", path, n, logins)
	}
}

// OIDC-15: a page that wants more asks for it once, and the rest goes on with the
// same session, however the directives stand to each other.
func TestOIDC_15_StepUpLeadsBackToThePage(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]string{
		"beside the rest": besideAdmin,
		"before the rest": "@usual not path /admin/*\nauth0_oidc /admin/* {\nLINES\n}\nauth0_oidc @usual\nreverse_proxy UPSTREAM",
		"within the rest": "auth0_oidc\nauth0_oidc /admin/* {\nLINES\n}\nreverse_proxy UPSTREAM",
		"around the rest": "auth0_oidc /admin/* {\nLINES\n}\nauth0_oidc\nreverse_proxy UPSTREAM",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := stepUpWorld(t, site, "acr_values mfa")
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			before := sessionCookie(w, b)
			page := w.open(b, "/admin/x?y=1")
			w.wantPage(page, "/admin/x?y=1", 1)
			if asked := w.logins(page)[0]; asked.Get("acr_values") != policy.MultiFactor || asked.Has("max_age") || asked.Has("prompt") {
				t.Errorf("the login asks for %v", asked)
			}
			if sessionCookie(w, b) == before {
				t.Error("the session is the same")
			}
			for _, path := range []string{"/home", "/admin/z", "/home"} {
				w.wantPage(w.open(b, path), path, 0)
			}
			w.clock.advance(3 * time.Hour)
			w.wantPage(w.open(b, "/home"), "/home", 0) // and renews the session
			w.wantPage(w.open(b, "/admin/x"), "/admin/x", 0)
		})
	}
}

// A first login may be the strong one.
func TestOIDC_15_FirstLoginAtAPageThatWantsMore(t *testing.T) {
	t.Parallel()
	w := stepUpWorld(t, besideAdmin, "acr_values urn:example:gold mfa")
	b := w.browser()
	page := w.signIn(b, "/admin/x", w.pair.User)
	if page.Status != http.StatusOK || page.URL.Path != "/admin/x" {
		t.Fatalf("%d %s", page.Status, page.URL)
	}
	w.wantPage(w.open(b, "/home"), "/home", 0)
}

// OIDC-15: where Auth0 does not confirm a second factor, a page says so, and nothing
// else happens.
func TestOIDC_15_StepUpThatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]string{"not done": "acr_values mfa", "of another kind": "acr_values urn:example:gold"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := stepUpWorld(t, besideAdmin, lines)
			w.pair.Master.MFAOnACRValues = name != "not done"
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			before := sessionCookie(w, b)
			for range 4 {
				page := w.open(b, "/admin/x")
				if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "<code>"+codeStepUpFailed+"</code> <code>acr</code>") || len(w.logins(page)) != 1 {
					t.Fatalf("%d after %d logins\n%s", page.Status, len(w.logins(page)), page.Body)
				}
				for _, link := range []string{`href="/admin/x">Try again`, `href="/">Go to the start page`} {
					if !strings.Contains(page.Body, link) {
						t.Errorf("the page has no %s", link)
					}
				}
			}
			if sessionCookie(w, b) != before {
				t.Error("the session changed")
			}
			w.wantPage(w.open(b, "/home"), "/home", 0)
			w.pair.Master.MFAOnACRValues = true
			if name == "not done" {
				w.wantPage(w.open(b, "/admin/x"), "/admin/x", 1)
			}
		})
	}
}

// Requests that are no navigations are told what is missing, and where to get it.
func TestOIDC_15_StepUpOfOtherRequests(t *testing.T) {
	t.Parallel()
	const lines = "acr_values mfa\nmax_age 5m"
	w := stepUpWorld(t, strings.Replace(besideAdmin, "UPSTREAM", "UPSTREAM\nauth0_oidc /other/* {\nmax_age 5m\n}", 1), lines)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	var loginURL string
	for name, request := range map[string]struct {
		method string
		header map[string]string
	}{
		"POST":       {"POST", map[string]string{"Accept": "application/json"}},
		"fetch":      {"GET", map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}},
		"WebSocket":  {"GET", map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Fetch-Mode": "websocket"}},
		"prefetch":   {"GET", map[string]string{"Sec-Purpose": "prefetch", "Sec-Fetch-Mode": "cors"}},
		"old script": {"GET", map[string]string{"X-Requested-With": "XMLHttpRequest"}},
	} {
		response, body := w.send(b, request.method, "/admin/x", request.header)
		var got problem
		if err := json.Unmarshal([]byte(body), &got); err != nil || response.StatusCode != http.StatusUnauthorized || got.Code != codeStepUpRequired {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
		loginURL = got.LoginURL
		want := `Auth0-OIDC login_url="` + loginURL + `", error="insufficient_user_authentication", error_description="A new sign-in is needed", acr_values="` + policy.MultiFactor + `", max_age="300"`
		if challenge := response.Header.Get("WWW-Authenticate"); challenge != want {
			t.Errorf("%s: %s", name, challenge)
		}
	}
	if seen := w.app.take(); len(seen) > 0 {
		t.Errorf("the application saw %+v", seen)
	}
	page, err := b.Get(loginURL + "&return_to=/admin/x")
	if err != nil {
		t.Fatal(err)
	}
	w.wantPage(page, "/admin/x", 1)
	if response, _ := w.send(b, "POST", "/admin/x", nil); response.StatusCode != http.StatusOK {
		t.Errorf("the POST after it: %d", response.StatusCode)
	}
}

// A login link names what the directive asks for, so that no other one begins the
// login, and chooses only among what is configured.
func TestLoginLinksBeginTheLoginOfTheirDirective(t *testing.T) {
	t.Parallel()
	w := stepUpWorld(t, besideAdmin, "acr_values mfa\nprompt login\nmax_age 5m")
	mfa := url.QueryEscape(policy.MultiFactor)
	for query, want := range map[string]string{
		"": "",
		"?connection=acme-child&acr_values=" + mfa + "&max_age=300&prompt=login": policy.MultiFactor,
		"?acr_values=" + mfa: "", "?acr_values=urn:example:none": "", "?max_age=300": "", "?prompt=consent": "",
	} {
		page := w.step(w.browser(), w.base+"/auth/login"+query)
		u, err := url.Parse(page.Location())
		if err != nil || page.Status != http.StatusFound {
			t.Fatalf("%s: %d %v", query, page.Status, err)
		}
		if got := u.Query(); got.Get("acr_values") != want || got.Has("prompt") != (want != "") || got.Has("max_age") != (want != "") {
			t.Errorf("%s: the login asks for %v", query, got)
		}
	}
}

// A session that is not enough gives no identity where everybody may pass.
func TestOIDC_15_WeakSessionIsNobodyWhereAllPass(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]string{"beside": besideAdmin, "within": "auth0_oidc\nauth0_oidc /admin/* {\nLINES\n}\nreverse_proxy UPSTREAM"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := stepUpWorld(t, site, "acr_values mfa\nunauthenticated pass")
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			w.app.take()
			w.wantPage(w.open(b, "/admin/x"), "/admin/x", 0)
			if seen := w.app.take()[0].header; seen.Get("X-Auth0-User-Id") != "" {
				t.Errorf("the application saw %v", seen)
			}
		})
	}
}

// OIDC-16: a page may want a sign-in of the last minutes.
func TestOIDC_16_MaxAgeOfAPath(t *testing.T) {
	t.Parallel()
	w := stepUpWorld(t, besideAdmin, "max_age 5m")
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	page := w.open(b, "/admin/x") // the session does not say how old it is
	w.wantPage(page, "/admin/x", 1)
	if got := w.logins(page)[0].Get("max_age"); got != "240" {
		t.Errorf("max_age=%s", got)
	}
	w.clock.advance(4 * time.Minute)
	w.wantPage(w.open(b, "/admin/x"), "/admin/x", 0)
	w.clock.advance(2 * time.Minute)
	response, body := w.send(b, "POST", "/admin/x", map[string]string{"Accept": "application/json"})
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeStepUpRequired) || !strings.HasSuffix(response.Header.Get("WWW-Authenticate"), `needed", max_age="300"`) {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	w.wantPage(w.open(b, "/home"), "/home", 0)
	w.wantPage(w.open(b, "/admin/x"), "/admin/x", 1)
	w.wantPage(w.open(b, "/admin/x"), "/admin/x", 0)
}

// OIDC-16: with prompt login every login of the directive asks for the credentials,
// and a session that is there is enough.
func TestOIDC_16_PromptIsOfTheDirectivesLogins(t *testing.T) {
	t.Parallel()
	w := stepUpWorld(t, besideAdmin, "prompt login")
	b := w.browser()
	page := w.signIn(b, "/admin/x", w.pair.User)
	if page.Status != http.StatusOK || page.URL.Path != "/admin/x" {
		t.Fatalf("%d %s\n%s", page.Status, page.URL, page.Body)
	}
	other := w.browser()
	w.signIn(other, "/home", w.pair.User)
	w.wantPage(w.open(other, "/admin/x"), "/admin/x", 0)
	u, _ := url.Parse(w.step(w.browser(), w.base+"/admin/x").Location())
	if got := u.Query().Get("prompt"); got != "login" {
		t.Errorf("prompt=%s", got)
	}
}
