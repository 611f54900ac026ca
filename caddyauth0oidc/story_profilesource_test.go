package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// banned is a rule about what only the Management API knows.
var banned = managed("metadata app_metadata.banned") + "deny app_metadata.banned true\n"

// besideSource protects /strict/ by one directive and the rest by another, of the ID token.
const besideSource = "@usual not path /strict/*\nauth0_oidc @usual\nauth0_oidc /strict/* {\nLINES\n}\nreverse_proxy UPSTREAM"

// ban marks the user, of whom the master has to know already.
func (w *world) ban() {
	w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) { u.AppMetadata = map[string]any{"banned": true} })
}

// A login by another directive of the site does not lead around a rule.
func TestSessionOfAnotherSourceIsNoneForADirectiveThatNamesOne(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]string{
		"beside": besideSource, "within": "auth0_oidc\nauth0_oidc /strict/* {\nLINES\n}\nreverse_proxy UPSTREAM",
	} {
		for kind, isBanned := range map[string]bool{"banned": true, "innocent": false} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(strings.Replace(site, "LINES", banned, 1)))
				b := w.browser()
				w.signIn(b, "/home", w.pair.User)
				if isBanned {
					w.ban()
				}
				w.app.take()
				response, body := w.send(b, "POST", "/strict/x", map[string]string{"Accept": "application/json"})
				if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeLoginRequired) || !strings.Contains(body, "profile=management") {
					t.Errorf("%d %s", response.StatusCode, body)
				}
				page := w.open(b, "/strict/x")
				if n := len(w.logins(page)); n != 1 {
					t.Errorf("%d logins, want 1", n)
				}
				if want := map[bool]int{true: http.StatusForbidden, false: http.StatusOK}[isBanned]; page.Status != want || page.URL.Path != "/strict/x" {
					t.Fatalf("%d %s, want %d", page.Status, page.URL, want)
				}
				if n := len(w.app.take()); (n == 0) != isBanned {
					t.Errorf("the application got %d requests", n)
				}
				w.wantPage(w.open(b, "/home"), "/home", 0) // its session does for the ID token's directive
				if page = w.open(b, "/strict/x"); len(w.logins(page)) != 0 {
					t.Error("the directive's own session is not enough for it")
				}
			})
		}
	}
}

// A session from before the source was named is no session any more; with a fallback it
// goes on.
func TestReloadThatNamesASourceEndsOlderSessions(t *testing.T) {
	t.Parallel()
	secret := "\nsecret \"" + oldSecret + "\"\n"
	for name, test := range map[string]struct {
		before, after string
		logins        int
	}{
		"management":            {"", managed(""), 1},
		"userinfo":              {"", "profile userinfo", 1},
		"management, fallback":  {"", managedOrNot(""), 0},
		"userinfo, fallback":    {"", "profile userinfo {\nfallback id_token\n}", 0},
		"one for the other":     {"profile userinfo", managed(""), 1},
		"the other for the one": {managed(""), "profile userinfo", 1},
		"back":                  {managed(""), "", 0},
		"back from userinfo":    {"profile userinfo", "profile id_token", 0},
		"the same":              {managed(""), managed("metadata app_metadata.plan"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := managedWorld(t, readUsers, withSettings(test.before+secret))
			b := w.browser()
			w.signIn(b, "/x", w.pair.User)
			w.load(worldSetup{base: w.base, settings: test.after + secret})
			want := map[int]int{0: http.StatusOK, 1: http.StatusUnauthorized}[test.logins]
			for _, path := range []string{"/x", "/auth/profile"} {
				if response, body := w.send(b, "GET", path, map[string]string{"Accept": "application/json"}); response.StatusCode != want {
					t.Errorf("%s: %d %s", path, response.StatusCode, body)
				}
			}
			w.wantPage(w.open(b, "/x"), "/x", test.logins)
			w.wantPage(w.open(b, "/x"), "/x", 0)
		})
	}
}

// A login that went on without the source is of the ID token: enough where the fallback
// stands, and nowhere else.
func TestSessionOfAFallbackIsOfTheIDToken(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(
		"auth0_oidc /lenient/* {\n"+managedOrNot("")+"}\nauth0_oidc /strict/* {\n"+managed("")+"}\nreverse_proxy UPSTREAM"))
	w.pair.Master.LimitRequests("/api/v2/", 0, 0)
	b := w.browser()
	if page := w.signIn(b, "/lenient/x", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	w.wantPage(w.open(b, "/lenient/y"), "/lenient/y", 0)
	if response, body := w.send(b, "POST", "/strict/x", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if page := w.open(b, "/strict/x"); page.Status != http.StatusServiceUnavailable || len(w.logins(page)) != 1 {
		t.Errorf("%d after %d logins", page.Status, len(w.logins(page)))
	}
	w.wantPage(w.open(b, "/lenient/z"), "/lenient/z", 0)
}

const besideUserinfo = "auth0_oidc /userinfo/* {\nprofile userinfo\n}\nauth0_oidc /managed/* {\nMANAGED\n}\n" +
	"@rest not path /userinfo/* /managed/*\nauth0_oidc @rest\nreverse_proxy UPSTREAM"

// Whoever wants userinfo wants userinfo; the renewed session keeps its source.
func TestDirectivesWithUserinfoAndManagementSignInAnew(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(strings.Replace(besideUserinfo, "MANAGED", managed(""), 1)))
	b := w.browser()
	w.signIn(b, "/managed/x", w.pair.User)
	for _, step := range []struct {
		path   string
		logins int
	}{{"/managed/x", 0}, {"/x", 0}, {"/userinfo/x", 1}, {"/userinfo/y", 0}, {"/x", 0}, {"/managed/x", 1}, {"/managed/y", 0}} {
		w.wantPage(w.open(b, step.path), step.path, step.logins)
		w.clock.advance(3 * time.Hour)
	}
	w.wantPage(w.open(b, "/managed/x"), "/managed/x", 0)
}

// Login links choose among what is configured, by the source too.
func TestLoginLinksBeginTheLoginOfTheirSource(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(strings.Replace(besideUserinfo, "MANAGED", managed("")+"audience of-managed", 1)))
	for path, profile := range map[string]string{"/userinfo/x": "userinfo", "/managed/x": "management", "/x": ""} {
		response, _ := w.send(w.browser(), "POST", path, nil)
		_, link, _ := strings.Cut(response.Header.Get("WWW-Authenticate"), `login_url="`)
		link, _, _ = strings.Cut(link, `"`)
		u, err := url.Parse(link)
		if err != nil || u.Query().Get("profile") != profile || u.Query().Has("profile") != (profile != "") {
			t.Errorf("%s: %s, %v", path, link, err)
		}
		began, _ := url.Parse(w.step(w.browser(), link).Location())
		if got := began.Query().Get("audience") != ""; got != (profile == "management") {
			t.Errorf("%s: the login asks for %v", path, began.Query())
		}
	}
	for _, query := range []string{"?profile=evil", "?profile=id_token"} {
		if page := w.step(w.browser(), w.base+"/auth/login"+query); page.Status != http.StatusFound {
			t.Errorf("%s: %d", query, page.Status)
		}
	}
}

// Written by hand, a link names the organization alone.
func TestLoginLinksWithoutASourceFindADirectiveThatHasOne(t *testing.T) {
	t.Parallel()
	w := orgWorld(t, withGlobal(globalTenant), withSite("auth0_oidc /a/*\nauth0_oidc /b/* {\norganization acme\nprofile userinfo\n}\nreverse_proxy UPSTREAM"))
	u, err := url.Parse(w.step(w.browser(), w.base+"/auth/login?organization=acme").Location())
	if err != nil || u.Query().Get("organization") != "acme" {
		t.Errorf("%v %v", u, err)
	}
}

// Where everybody may pass, a session without the claims is nobody's.
func TestSessionOfAnotherSourceIsNobodyWhereAllPass(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(strings.Replace(besideSource, "LINES", banned+"unauthenticated pass", 1)))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.wantPage(w.open(b, "/strict/x"), "/strict/x", 0)
	assertSeen(t, w.seen(), map[string]string{"X-Auth0-User-Id": "", "X-Auth0-Email": ""})
}

// Directives of one page that want different sources end on a page, and so does a browser
// that keeps the old session.
func TestFAULT_25_SourceLoopEndsOnAPage(t *testing.T) {
	t.Parallel()
	t.Run("directives that contradict each other", func(t *testing.T) {
		t.Parallel()
		w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(
			"auth0_oidc {\nprofile userinfo\n}\nauth0_oidc /managed/* {\n"+managed("")+"}\nreverse_proxy UPSTREAM"))
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		w.wantLoop(w.open(b, "/managed/x"))
	})
	t.Run("the new session's cookie is refused", func(t *testing.T) {
		t.Parallel()
		w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(strings.Replace(besideSource, "LINES", banned, 1)))
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		b.gate.next = cookieDropper{w.network, "auth0_session"}
		w.wantLoop(w.open(b, "/strict/x"))
		w.wantPage(w.open(b, "/home"), "/home", 0)
	})
}
