package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const (
	machineID     = "machine-to-machine"
	machineSecret = "the-secret-of-the-machine-to-machine-application"
)

// managed are settings with which the profile is the Management API's; more lines stand
// in the block.
func managed(more string) string {
	return "profile management\nmanagement {\nclient_id " + machineID + "\nclient_secret " + machineSecret + "\n" + more + "\n}\n"
}

// managedWorld is one whose application for the Management API has the scopes.
func managedWorld(t *testing.T, scopes []string, options ...worldOption) *world {
	t.Helper()
	w := newWorld(t, options...)
	w.addMachine(scopes...)
	return w
}

func (w *world) addMachine(scopes ...string) {
	w.pair.Master.AddApplication(auth0sim.Application{
		ClientID: machineID, ClientSecret: machineSecret, GrantTypes: []string{"client_credentials"},
		Grants: map[string][]string{w.pair.Master.ManagementAudience(): scopes},
	})
}

// seen gives the last request that reached the application.
func (w *world) seen() received {
	w.t.Helper()
	all := w.app.take()
	if len(all) == 0 {
		w.t.Fatal("the application got no request")
	}
	return all[len(all)-1]
}

// ownProfile is what /auth/profile shows.
func (w *world) ownProfile(b *heldBrowser) map[string]any {
	w.t.Helper()
	var answer struct{ Profile map[string]any }
	_, body := w.send(b, "GET", "/auth/profile", nil)
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		w.t.Fatalf("%v: %s", err, body)
	}
	return answer.Profile
}

var readUsers = []string{"read:users"}

// The seed's profile, field by field.
func TestNormalizedProfileOfTheManagementAPIReachesTheApplication(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := managedWorld(t, readUsers, withStrategy(strategy), withSettings(managed("metadata app_metadata.plan user_metadata.locale")+
				"headers {\nX-Last-Login \"{http.auth.user.last_login}\"\nX-Logins logins_count\nX-Plan app_metadata.plan\nX-Locale user_metadata.locale\n"+
				"X-Salary app_metadata.salary\nX-Username username\nX-Role \"https://acme.test/role\"\n}"))
			w.pair.Master.CustomClaims = map[string]any{"https://acme.test/role": "staff", "app_metadata": map[string]any{"plan": "of the ID token", "x": 1}}
			w.signIn(w.browser(), "/home", w.pair.User) // makes the user known to the master
			id := w.pair.MasterUserID(w.pair.User)
			w.pair.Master.UpdateUser(id, func(u *auth0sim.User) {
				u.AppMetadata = map[string]any{"plan": "gold", "salary": 1}
				u.UserMetadata = map[string]any{"locale": "de", "shoes": 43}
				u.Claims = map[string]any{"username": "uic", "sub": "evil", "org_id": "evil", "roles": []string{"evil"}}
			})
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			user, _ := w.pair.Master.User(id)
			assertSeen(t, w.seen(), map[string]string{
				"X-Auth0-User-Id": id, "X-Auth0-Email": "user-in-child@mail.com", "X-Auth0-Email-Verified": "false",
				"X-Auth0-Name": "user-in-child@mail.com", "X-Auth0-Nickname": "user-in-child", "X-Auth0-Picture": user.Picture,
				"X-Auth0-Client-Id": w.pair.App.ClientID, "X-Auth0-Connection": "acme-child", "X-Auth0-Org-Id": "",
				"X-Auth0-Created-At":  user.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z"),
				"X-Auth0-Updated-At":  user.UpdatedAt.UTC().Format("2006-01-02T15:04:05.000Z"),
				"X-Auth0-Identities":  `[{"connection":"acme-child","isSocial":` + map[string]string{"auth0-oidc": "true", "oidc": "false"}[strategy] + `,"provider":"` + strategy + `","user_id":"acme-child|auth0|563b9b6cf50bc24402a69b80"}]`,
				"X-Last-Login":        user.LastLogin.UTC().Format("2006-01-02T15:04:05.000Z"),
				"X-Logins":            "2",
				"X-Plan":              "gold",
				"X-Locale":            "de",
				"X-Salary":            "",
				"X-Username":          "uic",
				"X-Role":              "staff",
				"X-Auth0-Session-End": "",
			})
			p := w.ownProfile(b)
			if p["roles"] != nil || p["user_id"] != id || len(p["app_metadata"].(map[string]any)) != 1 {
				t.Errorf("the profile is %v", p)
			}
			if n := w.pair.Master.Calls("/api/v2/users/" + id); n != 2 {
				t.Errorf("two logins asked %d times", n)
			}
		})
	}
}

// One token serves the logins of all directives, and of the next configuration; requests
// and renewals of a session ask nothing.
func TestManagementAPIIsAskedOnceForEachLogin(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withSettings(managed("")))
	grants := 0
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/oauth/token" {
				_ = r.ParseForm()
				if r.Form.Get("grant_type") == "client_credentials" {
					grants++
				}
			}
			return false
		}
	})
	b := w.browser()
	for range 2 {
		w.signIn(b, "/home", w.pair.User)
		for range 5 {
			w.clock.advance(3 * time.Hour)
			w.open(b, "/home")
		}
		b = w.browser()
		w.load(worldSetup{base: w.base, settings: managed("") + "max_age 20h"}) // a reload
	}
	if n := w.pair.Master.Calls("/api/v2/users/" + w.pair.MasterUserID(w.pair.User)); n != 2 || grants != 1 {
		t.Errorf("two logins asked %d times, with %d tokens", n, grants)
	}
}

// faults are what may come in place of a profile.
var faults = map[string]struct {
	scopes     []string
	prepare    func(w *world)
	status     int
	code       string
	retryAfter string
	answered   bool // and so refused whatever the fallback
}{
	"rate limited": {
		scopes: readUsers, status: http.StatusServiceUnavailable, code: codeTenantUnavailable, retryAfter: "7",
		prepare: func(w *world) { w.pair.Master.LimitRequests("/api/v2/", 0, 7*time.Second) },
	},
	"broken": {
		scopes: readUsers, status: http.StatusServiceUnavailable, code: codeTenantUnavailable, retryAfter: "1",
		prepare: answering("/api/v2/", http.StatusBadGateway, "bad gateway"),
	},
	"cut off": {
		scopes: readUsers, status: http.StatusServiceUnavailable, code: codeTenantUnavailable, retryAfter: "1",
		prepare: func(w *world) {
			w.pair.Master.Configure(func(s *auth0sim.Settings) {
				s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
					if strings.HasPrefix(r.URL.Path, "/api/v2/") {
						panic(http.ErrAbortHandler)
					}
					return false
				}
			})
		},
	},
	"wrong secret": {
		scopes: readUsers, status: http.StatusBadGateway, code: codeManagementRefused,
		prepare: func(w *world) {
			w.pair.Master.UpdateApplication(machineID, func(a *auth0sim.Application) { a.ClientSecret = "another" })
		},
	},
	"no scope":      {scopes: []string{"read:clients"}, status: http.StatusBadGateway, code: codeManagementRefused},
	"no JSON":       {scopes: readUsers, status: http.StatusBadGateway, code: codeManagementRefused, answered: true, prepare: answering("/api/v2/", http.StatusOK, "<html>")},
	"somebody else": {scopes: readUsers, status: http.StatusBadGateway, code: codeManagementRefused, answered: true, prepare: answering("/api/v2/", http.StatusOK, `{"user_id":"auth0|other","email":"other@evil.test"}`)},
	"nobody":        {scopes: readUsers, status: http.StatusBadGateway, code: codeManagementRefused, answered: true, prepare: answering("/api/v2/", http.StatusOK, `{}`)},
	"a redirect":    {scopes: readUsers, status: http.StatusBadGateway, code: codeManagementRefused, answered: true, prepare: answering("/api/v2/", http.StatusFound, ``)},
	"deleted":       {scopes: readUsers, status: http.StatusBadGateway, code: codeManagementRefused, answered: true, prepare: answering("/api/v2/", http.StatusNotFound, `{"statusCode":404,"errorCode":"inexistent_user"}`)},
}

// answering lets the master answer requests below a path with something else.
func answering(path string, status int, body string) func(w *world) {
	return func(w *world) {
		w.pair.Master.Configure(func(s *auth0sim.Settings) {
			s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, path) {
					return false
				}
				rw.Header().Set("Content-Type", "application/json")
				rw.Header().Set("Location", "/elsewhere")
				rw.WriteHeader(status)
				_, _ = rw.Write([]byte(body))
				return true
			}
		})
	}
}

func TestFAULT_LoginStopsWithoutAProfileOfTheManagementAPI(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := managedWorld(t, fault.scopes, withSettings(managed("")))
			if fault.prepare != nil {
				fault.prepare(w)
			}
			b := w.browser()
			page := w.signIn(b, "/home", w.pair.User)
			if page.Status != fault.status || !strings.Contains(page.Body, fault.code) || page.Header.Get("Retry-After") != fault.retryAfter {
				t.Errorf("%d, Retry-After %q: %s", page.Status, page.Header.Get("Retry-After"), page.Body)
			}
			if len(w.app.take()) != 0 || strings.Contains(cookieHeader(w, b), "auth0_session") {
				t.Error("the user was let in")
			}
			assertSilent(t, w)
		})
	}
}

func TestFAULT_LoginGoesOnWithTheIDTokenWhereTheSettingSaysSo(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := strings.Replace(managed(""), "profile management", "profile management {\nfallback id_token\n}", 1)
			w := managedWorld(t, fault.scopes, withSettings(settings))
			if fault.prepare != nil {
				fault.prepare(w)
			}
			b := w.browser()
			page := w.signIn(b, "/home", w.pair.User)
			if fault.answered {
				if page.Status != fault.status || !strings.Contains(page.Body, fault.code) || len(w.app.take()) != 0 {
					t.Errorf("%d: %s", page.Status, page.Body)
				}
				return
			}
			if page.Status != http.StatusOK {
				t.Fatalf("%d: %s", page.Status, page.Body)
			}
			assertSeen(t, w.seen(), map[string]string{
				"X-Auth0-Email": "user-in-child@mail.com", "X-Auth0-Created-At": "", "X-Auth0-Identities": "",
			})
			if !strings.Contains(w.logs(), "the profile is what the ID token says") {
				t.Error("the log does not say so")
			}
			assertSilent(t, w)
		})
	}
}

// assertSilent looks for secrets and claims in the module's own log lines.
func assertSilent(t *testing.T, w *world) {
	t.Helper()
	for line := range strings.Lines(w.logs()) {
		if !strings.Contains(line, "http.handlers.auth0_oidc") {
			continue
		}
		for _, secret := range []string{machineSecret, machineID, "user-in-child", "563b9b6c", "evil", "eyJ"} {
			if strings.Contains(line, secret) {
				t.Errorf("INV-04: the log has %q: %s", secret, line)
			}
		}
	}
}

func TestRateLimitOfTheManagementAPIIsRememberedForItsTime(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withSettings(managed("")))
	w.pair.Master.LimitRequests("/api/v2/", 0, 7*time.Second)
	path := "/api/v2/users/" + w.pair.MasterUserID(w.pair.User)
	for i, want := range []string{"7", "5", "3"} {
		if page := w.signIn(w.browser(), "/home", w.pair.User); page.Header.Get("Retry-After") != want {
			t.Errorf("login %d: %d, Retry-After %q, want %s", i, page.Status, page.Header.Get("Retry-After"), want)
		}
		w.clock.advance(2 * time.Second)
	}
	if n := w.pair.Master.Calls(path); n != 1 {
		t.Errorf("asked %d times", n)
	}
	w.pair.Master.LimitRequests("/api/v2/", 100, time.Second)
	w.clock.advance(2 * time.Second)
	if page := w.signIn(w.browser(), "/home", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("after the time: %d", page.Status)
	}
}

// A user whom an administrator blocks while the login is under way.
func TestBlockedUserIsNotSignedIn(t *testing.T) {
	t.Parallel()
	for _, fallback := range []string{"profile management", "profile management {\nfallback id_token\n}"} {
		w := managedWorld(t, readUsers, withSettings(strings.Replace(managed(""), "profile management", fallback, 1)))
		b := w.browser()
		callback := w.callbackOf(b, "/home", w.pair.User)
		w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) { u.Blocked = true })
		page := w.step(b, callback)
		if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeLoginDenied) {
			t.Errorf("%s: %d %s", fallback, page.Status, page.Body)
		}
		if strings.Contains(cookieHeader(w, b), "auth0_session=") {
			t.Error("there is a session")
		}
	}
}

// siteOf is a site whose directive has its own lines about connections.
func siteOf(settings string) string {
	return "auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\n" + settings + "\n}\nreverse_proxy UPSTREAM"
}

// linkUser makes the child's user an identity of a user of the master's database.
func (w *world) linkUser() {
	primary := w.pair.Master.AddUser(auth0sim.User{ID: "auth0|primary", Email: "ann@master.test"})
	secondary := w.pair.Master.AddUser(auth0sim.User{ID: w.pair.MasterUserID(w.pair.User), Connection: "acme-child", Email: "user-in-child@mail.com"})
	w.pair.Master.LinkUsers(primary.ID, secondary.ID)
}

// A user of a database of the master has linked the account in the child.
func TestLinkedAccountIsLetInByItsIdentities(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings string
		status   int
	}{
		"management":        {managed("") + "connection acme-child", http.StatusOK},
		"the ID token":      {"connection acme-child", http.StatusForbidden},
		"the ID token, any": {"connection acme-child {\nstrategy any\n}", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := managedWorld(t, readUsers, withSite(siteOf(test.settings)))
			w.linkUser()
			b := w.browser()
			page := w.signIn(b, "/home", w.pair.User)
			if page.Status != test.status {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
			if test.status != http.StatusOK {
				return
			}
			assertSeen(t, w.seen(), map[string]string{"X-Auth0-User-Id": "auth0|primary"})
			for range 3 {
				if page := w.open(b, "/again"); page.Status != http.StatusOK {
					t.Errorf("a later request: %d", page.Status)
				}
			}
		})
	}
}

// With linked accounts the connection that was used last is the one that the user came by,
// and not that of the account whose user id both have.
func TestLastConnectionOfLinkedAccountsIsTheOneThatWasUsed(t *testing.T) {
	t.Parallel()
	for name, primary := range map[string]string{"of the other connection": "auth0-oidc|partners|auth0|ann", "of a database": "auth0|ann"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := managedWorld(t, readUsers, withSite(siteOf(managed("")+"connection acme-child\n"+besidePartners)))
			w.addPartners()
			w.pair.Master.AddUser(auth0sim.User{ID: primary, Email: "ann@master.test"})
			secondary := w.pair.Master.AddUser(auth0sim.User{ID: w.pair.MasterUserID(w.pair.User), Connection: "acme-child", Email: "user-in-child@mail.com"})
			w.pair.Master.LinkUsers(primary, secondary.ID)
			b := w.browser()
			if page := w.choose(b, w.open(b, "/x"), "acme-child"); page.Status != http.StatusOK {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
			assertSeen(t, w.seen(), map[string]string{"X-Auth0-User-Id": primary})
			w.clock.advance(80 * time.Hour)
			w.wantWays(w.open(b, "/x"), "acme-child (last)", "Partners & friends")
		})
	}
}

// The master's custom domain has no Management API.
func TestManagementAPIIsAskedAtTheCanonicalDomain(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withSettings(managed("domain DOMAIN")))
	if page := w.signIn(w.browser(), "/home", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	u, _ := url.Parse(w.pair.Child.Issuer())
	other := newWorld(t, withSettings(managed("domain http://"+u.Host)))
	other.addMachine("read:users")
	if page := other.signIn(other.browser(), "/home", other.pair.User); page.Status == http.StatusOK {
		t.Error("a domain of another tenant was not asked")
	}
}

// OIDC-15: a session of linked accounts that is too old for a directive is told so.
func TestOIDC_15_SessionOfLinkedAccountsThatIsTooOld(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withSite(siteOf(managed("")+"connection acme-child\nmax_age 5m")))
	w.linkUser()
	b := w.browser()
	if page := w.signIn(b, "/home", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	w.clock.advance(6 * time.Minute)
	response, body := w.send(b, "POST", "/home", map[string]string{"Accept": "application/json"})
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeStepUpRequired) || !strings.Contains(response.Header.Get("WWW-Authenticate"), `max_age="300"`) {
		t.Errorf("%d %q %s", response.StatusCode, response.Header.Get("WWW-Authenticate"), body)
	}
}
