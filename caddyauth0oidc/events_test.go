package caddyauth0oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

func init() { caddy.RegisterModule(subscriber{}) }

// subscriber stands in for the module that runs commands, which the documentation shows:
// it expands its arguments in the same way, and gives them to the test that the first one
// names.
type subscriber struct {
	Args []string `json:"args,omitempty"`
}

func (subscriber) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.exec", New: func() caddy.Module { return new(subscriber) }}
}

func (s *subscriber) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	s.Args = d.RemainingArgs()
	return nil
}

// audits are those of the tests, by name.
var audits sync.Map

func (s *subscriber) Handle(ctx context.Context, e caddy.Event) error {
	found, ok := audits.Load(s.Args[0])
	if !ok {
		return nil
	}
	replacer := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	var line []string
	for _, arg := range s.Args[1:] {
		line = append(line, replacer.ReplaceAll(arg, ""))
	}
	return found.(*audit).take(e, strings.Join(line, " "))
}

// audit keeps what subscribers were told.
type audit struct {
	mu     sync.Mutex
	lines  []string
	events []caddy.Event
	answer func() error
}

func (a *audit) take(e caddy.Event, line string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines, a.events = append(a.lines, e.Name()+" "+line), append(a.events, e)
	if a.answer != nil {
		return a.answer()
	}
	return nil
}

// told gives the lines since the last call.
func (a *audit) told() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	lines := a.lines
	a.lines = nil
	return lines
}

// audited gives global options that subscribe to all events, and who hears of them once
// the world's events have begun.
func audited(t *testing.T, args string) (option string, a *audit) {
	a = new(audit)
	audits.Store(t.Name(), a)
	t.Cleanup(func() { audits.Delete(t.Name()) })
	return "events {\non * exec " + t.Name() + " " + args + "\n}", a
}

// beginEvents starts the app of the configuration, as Caddy does.
func (w *world) beginEvents() {
	w.t.Helper()
	if err := w.handler().announcer.app.Start(); err != nil {
		w.t.Fatal(err)
	}
}

func (a *audit) want(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := a.told(); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

const auditLine = "{event.data.user} {event.data.connection} {event.data.site} {event.data.client_ip} {event.data.code}{event.data.kind}{event.data.cause}"

// Who signed in, was kept out and signed out is told to whoever subscribes; a request that
// passes is nothing to tell of.
func TestEventsTellAnAuditWho(t *testing.T) {
	t.Parallel()
	global, a := audited(t, auditLine)
	w := newWorld(t, withGlobal(global), withSite("auth0_oidc {\nSETTINGS\n}\nauth0_oidc /closed* {\nSETTINGS\ndeny nickname\n}\nreverse_proxy UPSTREAM"))
	w.beginEvents()
	b, user := w.browser(), w.pair.MasterUserID(w.pair.User)
	w.signIn(b, "/home", w.pair.User)
	login := a.told()
	if len(login) != 1 || !strings.HasPrefix(login[0], "auth0_oidc.login "+user+" acme-child app.example.test ") {
		t.Fatalf("%q", login)
	}
	ip := strings.Fields(login[0])[4]
	who := " " + user + " acme-child app.example.test " + ip + " "
	w.send(b, "GET", "/x", nil)
	w.send(w.browser(), "GET", "/x", nil)
	w.send(b, "GET", "/auth/callback?error=access_denied&state=x", nil)
	a.want(t, "requests that pass, or are nobody's")
	for _, path := range []string{"/closed", "/closed/image", "/closed"} {
		w.send(b, "GET", path, nil)
	}
	a.want(t, "a rule", "auth0_oidc.denied"+who+codeForbidden)
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	a.want(t, "a logout", "auth0_oidc.logout"+who+logoutUser)
	late := w.browser()
	callback, _ := url.Parse(w.callbackOf(late, "/home", w.pair.User))
	w.step(late, w.base+"/auth/callback?error=access_denied&state="+url.QueryEscape(callback.Query().Get("state")))
	a.want(t, "a login that fails", "auth0_oidc.login_failed  acme-child app.example.test "+ip+" "+codeLoginDenied)
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = "oidc|elsewhere|x" }
	})
	w.signIn(w.browser(), "/home", w.pair.User)
	a.want(t, "another connection", "auth0_oidc.login_failed oidc|elsewhere|x other app.example.test "+ip+" "+codeConnectionMismatch)
}

// Somebody who is kept out for hours is told of for hours, and not at every request.
func TestEventsOfDenialsGoOn(t *testing.T) {
	t.Parallel()
	global, a := audited(t, "")
	w := newWorld(t, withGlobal(global), withSettings("deny nickname"))
	w.signIn(w.browser(), "/home", w.pair.User)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.beginEvents()
	for _, pause := range []time.Duration{time.Minute, 20 * time.Second, time.Minute, time.Hour, 2 * time.Hour} {
		w.clock.advance(w.clock.Now().Truncate(time.Minute).Add(pause).Sub(w.clock.Now()))
		w.send(b, "GET", "/x", nil)
		w.send(b, "GET", "/y", nil)
	}
	a.want(t, "four minutes", eventDenied+" ", eventDenied+" ", eventDenied+" ", eventDenied+" ")
}

// DOS-15: strangers cannot have any number of events, and the metrics have what those leave out.
func TestDOS_15_EventsOfStrangersAreBounded(t *testing.T) {
	t.Parallel()
	global, a := audited(t, "")
	w := newWorld(t, withGlobal(global))
	w.beginEvents()
	fail := func(times int) {
		for range times {
			b := w.browser()
			response, _ := w.send(b, "GET", "/x", map[string]string{"Accept": "text/html"})
			u, _ := url.Parse(response.Header.Get("Location"))
			w.send(b, "GET", "/auth/callback?error=access_denied&state="+url.QueryEscape(u.Query().Get("state")), nil)
		}
	}
	fail(maxFailures + 5)
	if n, counted := len(a.told()), w.metrics()["login_failures_total login_denied"]; n != maxFailures || counted != maxFailures+5 {
		t.Errorf("%d events, %v are counted", n, counted)
	}
	w.clock.advance(time.Minute)
	fail(1)
	a.want(t, "a minute later", eventLoginFailed+" ")
}

// DOS-15: who signs out without a session fills no log at the usual level.
func TestDOS_15_SigningOutOfNothingIsNoLineOfInterest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(w.browser(), "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	seen := false
	for line := range strings.Lines(w.logs()) {
		if strings.Contains(line, `"signed out"`) {
			seen = true
			if !strings.Contains(line, `"level":"debug"`) {
				t.Errorf("%s", line)
			}
		}
	}
	if !seen {
		t.Error("there is no line")
	}
}

// Sessions that were ended from elsewhere, and refreshed ones, are events with the same
// members.
func TestEventsOfSessionsWithoutABrowser(t *testing.T) {
	t.Parallel()
	global, a := audited(t, auditLine)
	w, b := signedInToRefresh(t, withGlobal(global))
	w.beginEvents()
	user := w.pair.MasterUserID(w.pair.User)
	w.due()
	w.send(b, "GET", "/x", nil)
	w.handler().leading.wait()
	a.want(t, "a refresh", "auth0_oidc.refreshed "+user+" acme-child   ")
	order := revokeOrder{Sub: user, Issuer: w.pair.Master.Issuer(), ClientID: w.pair.App.ClientID}
	if took, failed := order.carryOut(t.Context()); took != 1 || failed != 0 {
		t.Fatalf("%d took the order, %d failed", took, failed)
	}
	a.want(t, "an order", "auth0_oidc.revoked "+user+" acme-child   admin")
	token := w.pair.Master.LogoutToken(w.pair.App.ClientID, user, "a-session")
	w.postLogout("/auth/backchannel-logout", url.Values{"logout_token": {token}}.Encode(), nil)
	a.want(t, "a logout token", "auth0_oidc.revoked "+user+" acme-child   backchannel")
	for _, e := range a.events {
		w.wantMembers(e)
	}
}

// wantMembers compares the data of an event with the documentation.
func (w *world) wantMembers(e caddy.Event) {
	w.t.Helper()
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		w.t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(e.Name()) + "` \\|.*$").FindString(string(page))
	for member := range maps.Keys(e.Data) {
		common := slices.Contains([]string{"issuer", "client_id", "user", "sid", "connection", "site", "client_ip"}, member)
		if !strings.Contains(row, "`"+member+"`") && !common || !strings.Contains(string(page), "`"+member+"`") {
			w.t.Errorf("%s has %s, which is not documented", e.Name(), member)
		}
	}
}

// The documentation has every event.
func TestEventsAreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(auth0_oidc\\.[a-z_]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	if want := []string{eventDenied, eventLogin, eventLoginFailed, eventLogout, eventRefreshed, eventRevoked}; !slices.Equal(documented, want) {
		t.Errorf("%q, want %q", documented, want)
	}
}

// A subscriber that fails, aborts or panics changes nothing of what was decided.
func TestSubscribersDecideNothing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func() error{
		"fails":  func() error { return errors.New("no") },
		"aborts": func() error { return fmt.Errorf("stop: %w", caddy.ErrEventAborted) },
		"panics": func() error { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			global, a := audited(t, auditLine)
			a.answer = answer
			w := newWorld(t, withGlobal(global))
			w.beginEvents()
			b := w.browser()
			if w.signIn(b, "/home", w.pair.User); !w.isSignedIn(b) {
				t.Error("nobody is signed in")
			}
			if w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"}); w.isSignedIn(b) {
				t.Error("nobody was signed out")
			}
			if told := a.told(); len(told) < 2 {
				t.Errorf("%q", told)
			}
			w.wantNoClaims()
		})
	}
}

// wantNoClaims looks for the user in what Caddy has logged of events.
func (w *world) wantNoClaims() {
	w.t.Helper()
	user, seen := w.pair.MasterUserID(w.pair.User), 0
	quoted, _ := json.Marshal(user)
	for line := range strings.Lines(w.logs()) {
		if !strings.Contains(line, `"logger":"events"`) {
			continue
		}
		seen++
		if strings.Contains(line, user) || strings.Contains(line, strings.Trim(string(quoted), `"`)) || strings.Contains(line, "user-in-child") {
			w.t.Errorf("INV-04: the user is in the log: %s", line)
		}
	}
	if seen == 0 {
		w.t.Error("no event is in the log")
	}
}

// INV-04: over a whole story Caddy's log of events, which has their data at the level debug,
// shows nobody's id and no secret, whether somebody subscribes or not.
func TestINV_04_EventsAreLoggedWithoutClaimsAndSecrets(t *testing.T) {
	t.Parallel()
	subscribed, _ := audited(t, auditLine)
	for name, global := range map[string]string{"nobody subscribes": "", "somebody does": subscribed} {
		t.Run(name, func(t *testing.T) {
			w, b := signedInToRefresh(t, withGlobal(global))
			w.beginEvents()
			secrets := []string{w.sidOf(b), w.pair.App.ClientSecret, w.tokensOf(b).Access, w.tokensOf(b).Refresh}
			for pair := range strings.SplitSeq(cookieHeader(w, b), "; ") {
				_, value, _ := strings.Cut(pair, "=")
				secrets = append(secrets, value)
			}
			w.due()
			w.send(b, "GET", "/x", nil)
			w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
			late := w.browser()
			callback, _ := url.Parse(w.callbackOf(late, "/home", w.pair.User))
			w.step(late, callback.String())
			secrets = append(secrets, callback.Query().Get("code"))
			w.wantNoClaims()
			for line := range strings.Lines(w.logs()) {
				for _, secret := range secrets {
					ours := strings.Contains(line, `"logger":"events"`) || strings.Contains(line, "http.handlers.auth0_oidc")
					if ours && (secret == "" || strings.Contains(line, secret)) {
						t.Errorf("a secret is in the log: %s", line)
					}
				}
			}
		})
	}
}

// What is hidden is hidden in JSON alone.
func TestINV_04_ClaimValuesHideInJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(map[string]any{"user": claimValue("auth0|x"), "sid": claimValue("")})
	if err != nil || string(got) != `{"sid":"","user":"hidden"}` || caddy.ToString(claimValue("auth0|x")) != "auth0|x" {
		t.Errorf("%s, %v", got, err)
	}
}
