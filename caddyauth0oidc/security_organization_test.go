package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// OIDC-24: the claims decide, whatever the address of the login said.
func TestOIDC_24_LoginToAnotherOrganizationIsRefused(t *testing.T) {
	t.Parallel()
	edit := func(change func(q url.Values)) func(w *world, b *heldBrowser) *auth0sim.Page {
		return func(w *world, b *heldBrowser) *auth0sim.Page {
			u, err := url.Parse(w.step(b, w.base+"/x").Location())
			if err != nil {
				w.t.Fatal(err)
			}
			q := u.Query()
			change(q)
			u.RawQuery = q.Encode()
			page, err := b.Get(u.String())
			if err != nil {
				w.t.Fatal(err)
			}
			if page, err = b.Login(page, w.pair.User.Email, auth0sim.PairPassword); err != nil {
				w.t.Fatal(err)
			}
			return page
		}
	}
	tamper := func(changes map[string]any) func(w *world, b *heldBrowser) *auth0sim.Page {
		return func(w *world, b *heldBrowser) *auth0sim.Page {
			w.pair.Master.TamperIDToken = func(_, claims map[string]any) {
				for name, value := range changes {
					claims[name] = value
					if value == nil {
						delete(claims, name)
					}
				}
			}
			return w.signIn(b, "/x", w.pair.User)
		}
	}
	for name, test := range map[string]struct {
		organization string
		signIn       func(w *world, b *heldBrowser) *auth0sim.Page
	}{
		"parameter taken out":                {acmeOrg, edit(func(q url.Values) { q.Del("organization") })},
		"parameter taken out, by name":       {"acme", edit(func(q url.Values) { q.Del("organization") })},
		"another one":                        {acmeOrg, edit(func(q url.Values) { q.Set("organization", globexOrg) })},
		"another one, by name":               {"acme", edit(func(q url.Values) { q.Set("organization", "globex") })},
		"no claim":                           {acmeOrg, tamper(map[string]any{"org_id": nil})},
		"no claim, by name":                  {"acme", tamper(map[string]any{"org_name": nil})},
		"another id under the same name":     {acmeOrg, tamper(map[string]any{"org_id": "org_evil1"})},
		"another name under the same id":     {"acme", tamper(map[string]any{"org_name": "evil"})},
		"id in another case":                 {acmeOrg, tamper(map[string]any{"org_id": "org_ACME1"})},
		"id in a list":                       {acmeOrg, tamper(map[string]any{"org_id": []string{acmeOrg}})},
		"empty id":                           {acmeOrg, tamper(map[string]any{"org_id": ""})},
		"id of a custom claim":               {acmeOrg, tamper(map[string]any{"org_id": nil, "https://acme.test/org_id": acmeOrg})},
		"name that only looks alike":         {"acme", tamper(map[string]any{"org_name": "\u0430cme"})},
		"name with a space":                  {"acme", tamper(map[string]any{"org_name": "acme "})},
		"id where a name is asked for":       {"acme", tamper(map[string]any{"org_name": nil, "org_id": "acme"})},
		"name where an id is asked for":      {acmeOrg, tamper(map[string]any{"org_id": nil, "org_name": acmeOrg})},
		"organization of the app's metadata": {acmeOrg, tamper(map[string]any{"org_id": nil, "app_metadata": map[string]any{"org_id": acmeOrg}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := orgWorld(t, withSettings("organization "+test.organization))
			b := w.browser()
			page := test.signIn(w, b)
			if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "<code>"+codeOrgMismatch+"</code>") {
				t.Fatalf("%d %s\n%s", page.Status, page.URL, page.Body)
			}
			for _, link := range []string{`href="/auth/logout">Sign out and use another account`, `href="/x">Try again`} {
				if !strings.Contains(page.Body, link) {
					t.Errorf("the page has no %s", link)
				}
			}
			assertSafePage(t, page)
			if sessionCookie(w, b) != "" || len(w.app.take()) != 0 {
				t.Error("there is a session, or the application was reached")
			}
			if logs := w.logs(); strings.Contains(logs, "org_evil1") || !strings.Contains(logs, codeOrgMismatch) {
				t.Error("the log names a claim, or not the refusal")
			}
		})
	}
}

// A token with a claim that some reader takes for org_id is none at all.
func TestOIDC_24_OrganizationInAnotherSpelling(t *testing.T) {
	t.Parallel()
	for _, claim := range []string{"Org_Id", "ORG_ID", "org_Name"} {
		w := orgWorld(t, withSettings("organization "+acmeOrg))
		w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims[claim] = acmeOrg }
		if page := w.signIn(w.browser(), "/x", w.pair.User); page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeInvalidToken) {
			t.Errorf("%s: %d %s", claim, page.Status, page.Body)
		}
	}
}

// A session from before the setting is no session any more, nor is one of an
// organization that was another one's setting.
func TestOIDC_24_TodaysOrganizationJudgesOldSessions(t *testing.T) {
	t.Parallel()
	secret := "\nsecret \"" + oldSecret + `"`
	for before, organization := range map[string]string{"": "", "organization globex": globexOrg} {
		w := orgWorld(t, withSettings(before+secret))
		b := w.browser()
		w.signIn(b, "/x", w.pair.User)
		if got := w.app.take()[0].header.Get("X-Auth0-Org-Id"); got != organization {
			t.Fatalf("the session is of %q", got)
		}
		w.load(worldSetup{base: w.base, settings: "organization acme" + secret})
		if response, body := w.send(b, "GET", "/x", map[string]string{"Accept": "application/json"}); response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeLoginRequired) {
			t.Errorf("%q: %d %s", before, response.StatusCode, body)
		}
		if response, body := w.send(b, "GET", "/auth/profile", nil); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%q: the profile is %s", before, body)
		}
		w.app.take()
		w.wantPage(w.open(b, "/x"), "/x", 1)
		if got := w.app.take()[0].header.Get("X-Auth0-Org-Id"); got != acmeOrg {
			t.Errorf("the new session is of %q", got)
		}
	}
}

// Where everybody may pass, somebody of another organization is nobody.
func TestOIDC_24_AnotherOrganizationIsNobodyWhereAllPass(t *testing.T) {
	t.Parallel()
	w := orgWorld(t, withGlobal(globalTenant), withSite("auth0_oidc {\norganization acme\n}\nauth0_oidc /globex/* {\norganization globex\nunauthenticated pass\n}\nheader ?X-Who \"[{http.auth.user.id}]\"\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	response, _ := w.send(b, "GET", "/globex/x", nil)
	for name := range w.app.take()[0].header {
		if strings.HasPrefix(name, "X-Auth0-") {
			t.Errorf("the application saw %s", name)
		}
	}
	if who := response.Header.Get("X-Who"); who != "[]" {
		t.Errorf("the placeholder is %q", who)
	}
}

// Directives of one page that want different organizations end on a page, and so does a
// browser that keeps the old session.
func TestFAULT_25_OrganizationLoopEndsOnAPage(t *testing.T) {
	t.Parallel()
	t.Run("directives that contradict each other", func(t *testing.T) {
		t.Parallel()
		w := orgWorld(t, withGlobal(globalTenant), withSite("auth0_oidc {\norganization acme\n}\nauth0_oidc /globex/* {\norganization globex\n}\nreverse_proxy UPSTREAM"))
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		w.wantLoop(w.open(b, "/globex/x"))
	})
	t.Run("the new session's cookie is refused", func(t *testing.T) {
		t.Parallel()
		w := twoOrgWorld(t)
		b := w.browser()
		w.signIn(b, "/acme/x", w.pair.User)
		b.gate.next = cookieDropper{w.network, "auth0_session"}
		w.wantLoop(w.open(b, "/globex/x"))
		w.wantPage(w.open(b, "/acme/x"), "/acme/x", 0)
	})
}

// Access tokens of users are judged as sessions are; a machine has to be of the
// organization only if its token is of one.
func TestOIDC_24_AccessTokensOfAnotherOrganization(t *testing.T) {
	t.Parallel()
	machine := map[string]any{"sub": "robot@clients", "azp": "robot", "gty": "client-credentials"}
	with := func(claims map[string]any, more ...any) map[string]any {
		all := map[string]any{}
		for name, value := range claims {
			all[name] = value
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i].(string)] = more[i+1]
		}
		return all
	}
	for _, test := range []struct {
		name, organization string
		claims             map[string]any
		passes             bool
	}{
		{"user of it", acmeOrg, with(nil, "org_id", acmeOrg), true},
		{"user of it, by name", "acme", with(nil, "org_id", acmeOrg, "org_name", "Acme"), true},
		{"user of none", acmeOrg, nil, false},
		{"user of none, by name", "acme", with(nil, "org_id", acmeOrg), false},
		{"user of another one", acmeOrg, with(nil, "org_id", globexOrg, "org_name", "acme"), false},
		{"user of another one, by name", "acme", with(nil, "org_id", acmeOrg, "org_name", "globex"), false},
		{"machine of none", acmeOrg, machine, true},
		{"machine of it", acmeOrg, with(machine, "org_id", acmeOrg), true},
		{"machine of another one", acmeOrg, with(machine, "org_id", globexOrg), false},
		{"machine of another one, by name", "acme", with(machine, "org_id", globexOrg, "org_name", "globex"), false},
		{"user who looks like a machine of none", acmeOrg, with(nil, "gty", "client-credentials"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newAPIWorld(t, withSettings(bearerSetting+"\norganization "+test.organization))
			for range 2 { // verified, and remembered
				response, body := w.call("/x", w.signed(test.claims))
				if test.passes {
					if response.StatusCode != http.StatusOK {
						t.Errorf("%d %s", response.StatusCode, body)
					}
					w.app.take()
					continue
				}
				assertRefused(t, w, response, body, http.StatusForbidden, codeOrgMismatch, "")
			}
		})
	}
}

// Error routes learn of it as of every refusal.
func TestOrganizationMismatchInErrorRoutes(t *testing.T) {
	t.Parallel()
	w := orgWorld(t, withSite("auth0_oidc {\nSETTINGS\norganization acme\n}\nreverse_proxy UPSTREAM\nhandle_errors {\nrespond \"{err.status_code} {http.auth.auth0_oidc.error}\"\n}"))
	w.pair.Master.TamperIDToken = func(_, claims map[string]any) { delete(claims, "org_name") }
	if page := w.signIn(w.browser(), "/x", w.pair.User); page.Body != "403 "+codeOrgMismatch {
		t.Errorf("%d %s", page.Status, page.Body)
	}
}
