package caddyauth0oidc

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// movedTenant are the settings of a connection that was auth0-oidc before it was oidc.
const movedTenant = "domain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child {\nstrategy oidc\nuser_id_as auth0-oidc\n}\n"

// oddChildIDs are ids of users of a child, as its own identity providers make them.
var oddChildIDs = []string{
	"auth0|563b9b6cf50bc24402a69b80", "google-oauth2|103547991597142817347", "samlp|corp|ada@corp.test", "samlp|corp|a|b||c|",
	"ad|CORP\\Administrator", "oidc|acme-child|auth0|1", "auth0-oidc|acme-child|auth0|victim", "auth0-oidc|c2|auth0|5f", "waad|x/y+z==:~",
	"adfs|john doe's \"id\" 100%", "samlp|corp|zo\u00eb\u65e5\u672c", "apple|001.ab_c-d.1234", "auth0|{http.auth.user.email}", "custom|a,b;c<d>&e", "plain",
}

func movedWorld(t *testing.T, lines string) *world {
	t.Helper()
	return newWorld(t, withStrategy("oidc"), withSite("auth0_oidc {\n"+movedTenant+lines+"\n}\nheader ?X-Who {http.auth.user.id}\nreverse_proxy UPSTREAM"))
}

// keptID gives the user id that the browser's session holds.
func (w *world) keptID(b *heldBrowser) string {
	w.t.Helper()
	var s session.Session
	if h := w.handler(); !h.keys.Load().ReadSession(&s, []string{cookieHeader(w, b)}, h.secureCookies.Session.Name) {
		w.t.Fatal("there is no session")
	}
	return s.Profile.UserID
}

// An application that knew its users by the ids of the old strategy goes on to do so.
func TestMovedUserIsTheSameToTheApplication(t *testing.T) {
	t.Parallel()
	before := newWorld(t)
	before.signIn(before.browser(), "/x", before.pair.User)
	old := before.app.take()[0].header

	w := movedWorld(t, "headers {\nprofile\nRemote-User id\nX-Text \"<{http.auth.user.id}>\"\n}\nassertion {\naudience https://legacy.test\n}")
	b := w.browser()
	page := w.signIn(b, "/x", w.pair.User)
	seen := w.app.take()[0].header
	for _, name := range []string{"User-Id", "Strategy", "Connection", "Child-User", "Child-Connection", "Child-User-Id", "Email", "Name"} {
		if got, want := seen.Get("X-Auth0-"+name), old.Get("X-Auth0-"+name); got != want || want == "" {
			t.Errorf("%s was %q and is %q", name, want, got)
		}
	}
	id := "auth0-oidc|acme-child|" + w.pair.User.ID
	if seen.Get("Remote-User") != id || seen.Get("X-Text") != "<"+id+">" || page.Hops[len(page.Hops)-1].Header.Get("X-Who") != id {
		t.Errorf("the application saw %v", seen)
	}
	encoded, err := base64.RawURLEncoding.DecodeString(seen.Get("X-Auth0-Profile"))
	if err != nil || !strings.Contains(string(encoded), `"user_id":"`+id+`"`) || strings.Contains(string(encoded), `"oidc|`) {
		t.Errorf("%v %s", err, encoded)
	}
	set, _ := w.publishedAt("/auth/jwks.json")
	if claims, err := w.believe(set, seen.Get(assertionHeader), w.base, "https://legacy.test"); err != nil || claims.Subject != id {
		t.Errorf("the assertion is about %q: %v", claims.Subject, err)
	}
	_, body := w.send(b, "GET", "/auth/profile", nil)
	var told struct {
		Profile map[string]any `json:"profile"`
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil || told.Profile["user_id"] != id {
		t.Errorf("%v %s", err, body)
	}
	if !strings.Contains(w.logs(), `"user_id":"`+id+`"`) {
		t.Error("the access log has another user")
	}
}

// The session holds the real id, also after it was renewed.
func TestSessionKeepsTheRealUserID(t *testing.T) {
	t.Parallel()
	w := movedWorld(t, "assertion {\naudience https://legacy.test\n}")
	b := w.browser()
	w.signIn(b, "/x", w.pair.User)
	first, realID := sessionCookie(w, b), w.pair.MasterUserID(w.pair.User)
	if realID != "oidc|acme-child|"+w.pair.User.ID || w.keptID(b) != realID {
		t.Fatalf("the session is of %s", w.keptID(b))
	}
	for range 3 {
		w.clock.advance(3 * time.Hour)
		w.wantPage(w.open(b, "/x"), "/x", 0)
		if w.keptID(b) != realID {
			t.Fatalf("the session is of %s", w.keptID(b))
		}
	}
	if sessionCookie(w, b) == first {
		t.Error("the session was not renewed")
	}
	for _, r := range w.app.take() {
		if got := r.header.Get("X-Auth0-User-Id"); got != "auth0-oidc|acme-child|"+w.pair.User.ID {
			t.Errorf("the application saw %s", got)
		}
	}
	response, _ := w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	if location := response.Header.Get("Location"); !strings.HasPrefix(location, w.pair.Master.Issuer()+"oidc/logout") || !strings.Contains(location, "logout_hint=") {
		t.Errorf("the logout goes to %s", location)
	}
}

// Rules and the matcher ask about what the application sees.
func TestRulesAskAboutTheShownUserID(t *testing.T) {
	t.Parallel()
	for rule, in := range map[string]bool{
		"require sub auth0-oidc|acme-child|*": true, "require id oidc|*": false, "deny user_id oidc|*": true, "deny user_id auth0-oidc|*": false,
		"require strategy auth0-oidc": true, "require strategy oidc": false, "require connection acme-child": true, "require child_user auth0|*": true,
	} {
		w := movedWorld(t, rule)
		if page := w.signIn(w.browser(), "/x", w.pair.User); (page.Status == http.StatusOK) != in || !in && page.Status != http.StatusForbidden {
			t.Errorf("%s: %d", rule, page.Status)
		}
	}
	w := newWorld(t, withStrategy("oidc"), withSite("auth0_oidc {\n"+movedTenant+"}\n@old auth0_claim strategy auth0-oidc\nrespond @old \"old\"\nrespond \"new\""))
	if page := w.signIn(w.browser(), "/x", w.pair.User); page.Body != "old" {
		t.Errorf("the matcher says %s", page.Body)
	}
}

// A session from before the setting goes on, and is shown otherwise from then on.
func TestSettingShowsOldSessionsOtherwise(t *testing.T) {
	t.Parallel()
	secret := "secret \"" + oldSecret + `"`
	w := newWorld(t, withStrategy("oidc"), withSettings(secret))
	b := w.browser()
	w.signIn(b, "/x", w.pair.User)
	w.load(worldSetup{base: w.base, site: "auth0_oidc {\n" + strings.Replace(movedTenant, "auth0-oidc", "auth0-oidc acme-2015", 1) + secret + "\n}\nreverse_proxy UPSTREAM"})
	w.app.take()
	w.wantPage(w.open(b, "/x"), "/x", 0)
	if seen := w.app.take()[0].header; seen.Get("X-Auth0-User-Id") != "auth0-oidc|acme-2015|"+w.pair.User.ID || seen.Get("X-Auth0-Connection") != "acme-2015" {
		t.Errorf("the application saw %v", seen)
	}
}

// Access tokens of users are shown alike, and machines as they are.
func TestShownUserIDOfAccessTokens(t *testing.T) {
	t.Parallel()
	w := movedWorld(t, bearerSetting)
	for range 2 { // verified, and remembered
		for token, want := range map[string]string{
			w.signed(nil): "auth0-oidc|acme-child|" + w.pair.User.ID,
			w.signed(map[string]any{"sub": "robot@clients", "azp": "robot", "gty": "client-credentials"}): "robot@clients",
		} {
			response, body := w.call("/x", token)
			if response.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", response.StatusCode, body)
			}
			if got := w.app.take()[0].header.Get("X-Auth0-User-Id"); got != want {
				t.Errorf("the application saw %q, want %q", got, want)
			}
		}
	}
	ruled := movedWorld(t, bearerSetting+"\nrequire sub oidc|*")
	response, body := ruled.call("/x", ruled.signed(nil))
	assertRefused(t, ruled, response, body, http.StatusForbidden, codeForbidden, "")
}

// Directives of a site that show a user in two ways are told of, once.
func TestDirectivesThatShowUsersOtherwiseAreWarnedOf(t *testing.T) {
	t.Parallel()
	moved := "auth0_oidc /a/* {\n" + movedTenant + "}\n"
	for name, test := range map[string]struct {
		site string
		want int
	}{
		"one":            {moved, 0},
		"alike":          {moved + strings.Replace(moved, "/a/*", "/b/*", 1), 0},
		"as it is":       {moved + "auth0_oidc /b/*\n", 1},
		"the old one":    {moved + "auth0_oidc /b/* {\nconnection acme-child {\nstrategy auth0-oidc\n}\n}\n", 1},
		"everybody":      {"auth0_oidc /b/* {\nconnection other {\nstrategy any\n}\n}\n" + moved, 1},
		"another one":    {moved + "auth0_oidc /b/* {\nconnection other\n}\n", 0},
		"none is moved":  {"auth0_oidc /a/*\nauth0_oidc /b/* {\nconnection other {\nstrategy any\n}\n}\n", 0},
		"another tenant": {moved + "auth0_oidc /b/* {\ndomain other.eu.auth0.com\nprefix /other\nsession {\ncookie {\nname other\n}\n}\n}\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withStrategy("oidc"), withGlobal(globalTenant), withSite(test.site+"reverse_proxy UPSTREAM"))
			for _, path := range []string{"/", "/a/x", "/b/x", "/"} {
				w.send(w.browser(), "GET", path, nil)
			}
			if got := strings.Count(w.logs(), "show a user with different ids"); got != test.want {
				t.Errorf("%d warnings, want %d", got, test.want)
			}
		})
	}
}
