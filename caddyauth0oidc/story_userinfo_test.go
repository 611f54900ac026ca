package caddyauth0oidc

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// withShortIDToken leaves the profile out of ID tokens, so that only /userinfo has it.
func withShortIDToken(s *auth0sim.Settings) {
	s.TamperIDToken = func(_, claims map[string]any) {
		for _, name := range []string{"name", "nickname", "given_name", "family_name", "picture", "updated_at", "email", "email_verified"} {
			delete(claims, name)
		}
	}
}

// The profile is asked for once at a login, and never for a request.
func TestProfileOfUserinfoReachesTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("profile userinfo\nheaders {\nX-Plan \"https://acme.test/plan\"\n}"))
	w.pair.Master.Configure(withShortIDToken)
	w.pair.Master.TamperUserInfo = func(body map[string]any) { body["https://acme.test/plan"] = "gold" }
	b := w.browser()
	if page := w.signIn(b, "/home", w.pair.Accented); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	w.open(b, "/other")
	requests := w.app.take()
	if len(requests) != 2 {
		t.Fatalf("the application got %d requests, want 2", len(requests))
	}
	for _, r := range requests {
		assertOnlyOurs(t, r, map[string]string{
			"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.Accented), "X-Auth0-Name": w.pair.Accented.Name,
			"X-Auth0-Email": "zoe@mail.com", "X-Auth0-Email-Verified": "true", "X-Auth0-Client-Id": w.pair.App.ClientID, "X-Plan": "gold",
		})
	}
	if n := w.pair.Master.Calls("/userinfo"); n != 1 {
		t.Errorf("%d userinfo requests", n)
	}
}

// Without the setting nothing is asked.
func TestUserinfoIsNotAskedByDefault(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{"", "profile id_token"} {
		w := newWorld(t, withSettings(settings))
		w.signIn(w.browser(), "/home", w.pair.User)
		if n := w.pair.Master.Calls("/userinfo"); n != 0 || len(w.app.take()) != 1 {
			t.Errorf("%q: %d userinfo requests", settings, n)
		}
	}
}

// Rules judge the merged profile, at the login and afterwards.
func TestRulesJudgeTheClaimsOfUserinfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("profile userinfo\nrequire https://acme.test/roles staff"))
	w.pair.Master.TamperUserInfo = func(body map[string]any) {
		if body["email"] == w.pair.Accented.Email {
			body["https://acme.test/roles"] = []string{"staff"}
		}
	}
	if page := w.signIn(w.browser(), "/home", w.pair.Accented); page.Status != http.StatusOK {
		t.Errorf("with the role: %d", page.Status)
	}
	if page := w.signIn(w.browser(), "/home", w.pair.User); page.Status != http.StatusForbidden {
		t.Errorf("without it: %d", page.Status)
	}
}

// outages are ways in which a userinfo endpoint cannot be asked.
var outages = map[string]func(w *world){
	"429": failingUserinfo(http.StatusTooManyRequests), "500": failingUserinfo(http.StatusInternalServerError),
	"503": failingUserinfo(http.StatusServiceUnavailable), "401": failingUserinfo(http.StatusUnauthorized), "403": failingUserinfo(http.StatusForbidden),
	"redirect": failingUserinfo(http.StatusTemporaryRedirect),
	"cut off": func(w *world) {
		w.pair.Master.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/userinfo" {
				panic(http.ErrAbortHandler)
			}
			return false
		}
	},
	"no endpoint": func(w *world) {
		w.pair.Master.Configure(func(s *auth0sim.Settings) {
			s.TamperDiscovery = func(doc map[string]any) { delete(doc, "userinfo_endpoint") }
		})
	},
}

func failingUserinfo(status int) func(w *world) {
	return func(w *world) {
		w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/userinfo" {
				return false
			}
			rw.Header().Set("Retry-After", "17")
			rw.Header().Set("Location", "/elsewhere")
			rw.WriteHeader(status)
			return true
		}
	}
}

// A login does not go on without what it was configured to know.
func TestFAULT_04_FAULT_05_LoginStopsWhenUserinfoCannotBeAsked(t *testing.T) {
	t.Parallel()
	for name, fail := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings("profile userinfo"))
			fail(w)
			b := w.browser()
			page := w.signIn(b, "/home", w.pair.User)
			wait, err := strconv.Atoi(page.Header.Get("Retry-After"))
			if page.Status != http.StatusServiceUnavailable || err != nil || wait < 1 || !strings.Contains(page.Body, codeTenantUnavailable) {
				t.Errorf("%d, Retry-After %q\n%s", page.Status, page.Header.Get("Retry-After"), page.Body)
			}
			if (name == "429" || name == "503") && wait != 17 {
				t.Errorf("Retry-After is %d", wait)
			}
			if sessionCookie(w, b) != "" || len(w.app.take()) != 0 {
				t.Error("somebody is signed in")
			}
			most := 1
			if name == "cut off" { // net/http tries a connection that it kept once more
				most = 2
			}
			if w.pair.Master.Calls("/userinfo") > most || w.pair.Master.Calls("/elsewhere") != 0 {
				t.Errorf("%d userinfo requests, %d elsewhere", w.pair.Master.Calls("/userinfo"), w.pair.Master.Calls("/elsewhere"))
			}
		})
	}
}

// With the fallback it goes on, and the log says so without a word about the user.
func TestFAULT_04_FAULT_05_FallbackToTheIDToken(t *testing.T) {
	t.Parallel()
	for name, fail := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings("profile userinfo {\nfallback id_token\n}"))
			fail(w)
			page := w.signIn(w.browser(), "/home", w.pair.User)
			requests := w.app.take()
			if page.Status != http.StatusOK || len(requests) != 1 {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
			assertOnlyOurs(t, requests[0], map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User), "X-Auth0-Email": w.pair.User.Email})
			lines := slices.DeleteFunc(strings.Split(w.logs(), "\n"), func(line string) bool {
				return !strings.Contains(line, `"level":"warn"`) || !strings.Contains(line, "userinfo cannot be asked")
			})
			if len(lines) != 1 || strings.Contains(lines[0], w.pair.User.Email) {
				t.Errorf("the log says %q", lines)
			}
		})
	}
}

// Auth0 limits /userinfo by user: who meets the limit keeps nobody else out, and gets
// in by the next login.
func TestUserinfoLimitOfOneUserKeepsNobodyElseOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("profile userinfo"))
	w.pair.Master.LimitRequests("/userinfo", 0, time.Minute)
	first := w.browser()
	if page := w.signIn(first, "/home", w.pair.User); page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") != "60" {
		t.Fatalf("%d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = nil })
	if page := w.signIn(w.browser(), "/home", w.pair.Accented); page.Status != http.StatusOK {
		t.Errorf("another user gets %d", page.Status)
	}
	if page := w.open(first, "/home"); page.Status != http.StatusOK {
		t.Errorf("the next login gives %d", page.Status)
	}
}
