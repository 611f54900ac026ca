package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// Nobody is shown with somebody's id but who has come through that connection: ids are
// judged before they are shown.
func TestUserIDThatLooksLikeAShownOneIsRefused(t *testing.T) {
	t.Parallel()
	for _, sub := range []string{
		"auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80", "auth0|auth0-oidc|acme-child|auth0|1", "oidc|partners|auth0|1",
		"oidc|partners|oidc|acme-child|auth0|1", "oidc|acme-child|", "oidc|acme-child", "OIDC|acme-child|x", "samlp|acme-child|x", "auth0|1",
		"auth0-oidc|oidc|acme-child|x", "oidc||acme-child|x",
	} {
		w := movedWorld(t, bearerSetting)
		w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = sub }
		b := w.browser()
		page := w.signIn(b, "/x", w.pair.User)
		if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeConnectionMismatch) || sessionCookie(w, b) != "" {
			t.Errorf("%s: %d %s", sub, page.Status, page.Body)
		}
		response, body := w.call("/x", w.signed(map[string]any{"sub": sub}))
		assertRefused(t, w, response, body, http.StatusForbidden, codeConnectionMismatch, "")
	}
}

// A session of the old connection is none any more: its user would be shown with the id
// of the user who has moved.
func TestOldSessionWithAShownUserIDIsNone(t *testing.T) {
	t.Parallel()
	secret := "secret \"" + oldSecret + `"`
	w := newWorld(t, withStrategy("oidc"), withSettings(secret))
	w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = "auth0-oidc|acme-child|auth0|victim" }
	b := w.browser()
	w.signIn(b, "/x", w.pair.User)
	w.load(worldSetup{base: w.base, site: "auth0_oidc {\n" + movedTenant + secret + "\n}\nreverse_proxy UPSTREAM"})
	w.app.take()
	response, body := w.send(b, "GET", "/x", map[string]string{"Accept": "application/json"})
	if response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if response, _ := w.send(b, "GET", "/auth/profile", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the profile: %d", response.StatusCode)
	}
}

// Whoever comes through another connection of the site keeps the whole of the own id,
// whatever the child puts into it.
func TestUserOfAnotherConnectionTakesNobodysShownID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withStrategy("oidc"), withSite("auth0_oidc /a/* {\n"+movedTenant+"}\nauth0_oidc /b/* {\n"+
		strings.Replace(movedTenant, "acme-child {\nstrategy oidc\nuser_id_as auth0-oidc\n", "partners {\n", 1)+"}\nreverse_proxy UPSTREAM"))
	w.pair.Master.AddConnection(auth0sim.Connection{
		Name: "partners", Strategy: "oidc", Options: w.pair.Connection.Options, EnabledClients: []string{w.pair.App.ClientID},
	})
	attacker := w.pair.User
	attacker.ID = "oidc|acme-child|" + w.pair.Accented.ID
	attacker.Email, attacker.Identities = "attacker@mail.com", nil
	w.pair.Child.AddUser(attacker)
	b := w.browser()
	page := w.signIn(b, "/b/x", attacker)
	if page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	if got := w.app.take()[0].header.Get("X-Auth0-User-Id"); got != "oidc|partners|oidc|acme-child|"+w.pair.Accented.ID {
		t.Errorf("the attacker is %s", got)
	}
	if response, _ := w.send(b, "GET", "/a/x", map[string]string{"Accept": "application/json"}); response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
		t.Errorf("the session lets the attacker in elsewhere: %d", response.StatusCode)
	}
}

// A placeholder that reads like an id, and odd ones, are shown as they are but for their
// beginning.
func TestShownUserIDKeepsWhatTheChildSays(t *testing.T) {
	t.Parallel()
	for _, child := range oddChildIDs {
		w := movedWorld(t, "")
		user := w.pair.User
		user.ID, user.Email, user.Identities = child, "odd@mail.com", nil
		w.pair.Child.AddUser(user)
		page := w.signIn(w.browser(), "/x", user)
		if page.Status != http.StatusOK {
			t.Fatalf("%q: %d %s", child, page.Status, page.Body)
		}
		if seen := w.app.take()[0].header; seen.Get("X-Auth0-User-Id") != "auth0-oidc|acme-child|"+child || seen.Get("X-Auth0-Child-User") != child {
			t.Errorf("%q: the application saw %v", child, seen)
		}
	}
}

// Without the setting a request makes nothing for it, and with it a profile and an id.
func TestShowingTheProfileAllocatesLittle(t *testing.T) {
	p := &profile.Profile{UserID: "oidc|acme-child|auth0|563b9b6cf50bc24402a69b80"}
	moved, err := newUserIDs([]Connection{{Name: "acme-child", Strategy: "oidc", UserIDAs: &UserIDAs{Strategy: "auth0-oidc"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		ids  policy.UserIDs
		most float64
	}{"without": {policy.UserIDs{}, 0}, "with": {moved, 2}} {
		h := &Handler{userIDs: test.ids}
		if n := testing.AllocsPerRun(100, func() { h.shown(p) }); n > test.most {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if p.UserID != "oidc|acme-child|auth0|563b9b6cf50bc24402a69b80" {
		t.Error("the profile itself was changed")
	}
}
