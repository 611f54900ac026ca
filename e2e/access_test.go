package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// A rule keeps an account out. Another one comes in, and who gives up is signed out.
func keptOutStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", func(t *testing.T, w *world) string {
		w.pair.Connection.Options["upstream_params"] = map[string]any{"prompt": map[string]any{"alias": "prompt"}}
		return replaceOnce(t, proxySite(t, w), "\tauth0_oidc {", "\tauth0_oidc {\n\t\trequire name Zo*")
	})
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	b.assertAt(b.signIn(w.pair.User), http.StatusForbidden, w.base+deepLink)
	b.assertPage("forbidden", "forbidden")
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
	if where := b.click("main p a"); !strings.HasPrefix(where.url, w.pair.Child.Issuer()) {
		t.Fatalf("another account leads to %d %s", where.status, where.url)
	}
	b.assertAt(b.signIn(w.pair.Accented), http.StatusOK, w.base+deepLink)

	given := newVisitor(t, browser)
	given.open(w.base + deepLink)
	given.signIn(w.pair.User)
	given.click("main form button")
	if text := given.text(); !strings.Contains(text, "You are signed out") {
		t.Errorf("after signing out:\n%s", text)
	}
}

// A page wants a second factor: where Auth0 asks for one the way leads there, and where
// it does not, a page says so and the session stays.
func stepUpStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", func(t *testing.T, w *world) string {
		site := proxySite(t, w)
		from, to := strings.Index(site, "\tauth0_oidc {"), strings.Index(site, "\treverse_proxy")
		strong := strings.Replace(site[from:to], "auth0_oidc {", "auth0_oidc /admin/* {\n\t\tacr_values mfa", 1)
		usual := strings.Replace(site[from:to], "auth0_oidc {", "auth0_oidc @usual {", 1)
		return site[:from] + "\t@usual not path /admin/*\n" + usual + strong + site[to:]
	})
	b := newVisitor(t, browser)
	b.open(w.base + "/page")
	b.assertAt(b.signIn(w.pair.User), http.StatusOK, w.base+"/page")
	if where := b.open(w.base + "/admin/x"); where.status != http.StatusForbidden {
		t.Errorf("without a second factor: %d %s", where.status, where.url)
	}
	b.assertPage("step-up-failed", "step_up_failed")
	b.assertAt(b.open(w.base+"/page"), http.StatusOK, w.base+"/page")
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.MFAOnACRValues = true })
	b.assertAt(b.open(w.base+"/admin/x?y=1"), http.StatusOK, w.base+"/admin/x?y=1")
	b.assertAt(b.open(w.base+"/page"), http.StatusOK, w.base+"/page")
}
