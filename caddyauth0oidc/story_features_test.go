package caddyauth0oidc

import (
	"net/http"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// Whoever was invited chooses a connection on the way, and the ticket is not lost.
func TestInvitedUserChoosesAConnection(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{modeQuery, modeFormPost} {
		w := orgWorld(t, withSettings(besidePartners+"\norganization acme\nresponse_mode "+mode))
		w.addPartners()
		link := w.pair.Master.Organizations[0].InvitationURL("/auth/login", "ticket-1")
		b := w.browser()
		page := w.open(b, link)
		w.wantWays(page, "acme-child", "Partners & friends")
		page, err := page.Submit(map[string]string{"email": "ann@partners.example"})
		if err != nil {
			t.Fatal(err)
		}
		logins := w.logins(page)
		if len(logins) != 1 || logins[0].Get("invitation") != "ticket-1" || logins[0].Get("organization") != "acme" || logins[0].Get("login_hint") != "ann@partners.example" {
			t.Fatalf("%s: the login asks for %v", mode, logins)
		}
		if page = w.finishLogin(b, page); page.Status != http.StatusOK || page.URL.String() != w.base+"/" {
			t.Fatalf("%s: ended at %d %s\n%s", mode, page.Status, page.URL, page.Body)
		}
		if seen := w.seen().header; seen.Get("X-Auth0-Org-Id") != acmeOrg || seen.Get("X-Auth0-Connection") != "partners" {
			t.Errorf("%s: the application saw %v", mode, seen)
		}
	}
}

// movedAndManaged shows the users of the new connection as those of the old one, by the
// whole profile.
func movedAndManaged(t *testing.T, lines string) *world {
	t.Helper()
	return managedWorld(t, readUsers, withStrategy("oidc"), withSite(siteOf("connection acme-child {\nstrategy oidc\nuser_id_as auth0-oidc\n}\n"+
		managed("metadata app_metadata.plan")+"assertion {\naudience legacy\nclaims app_metadata.plan connection\n}\n"+lines)))
}

// A user who moved, and whose profile is the Management API's, is the old one to rules,
// headers and the assertion alike.
func TestMovedUserOfTheManagementAPI(t *testing.T) {
	t.Parallel()
	w := movedAndManaged(t, "require user_id auth0-oidc|acme-child|*\nrequire app_metadata.plan gold")
	b := w.browser()
	if page := w.signIn(b, "/x", w.pair.User); page.Status != http.StatusForbidden {
		t.Fatalf("without a plan: %d", page.Status)
	}
	w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) { u.AppMetadata = map[string]any{"plan": "gold"} })
	w.wantPage(w.signIn(w.browser(), "/x", w.pair.User), "/x", 0)
	seen, shown := w.seen().header, "auth0-oidc|acme-child|"+w.pair.User.ID
	set, _ := w.publishedAt("/auth/jwks.json")
	claims, err := w.believe(set, seen.Get(assertionHeader), w.base, "legacy")
	if err != nil || claims.Subject != shown || seen.Get("X-Auth0-User-Id") != shown || seen.Get("X-Auth0-Strategy") != "auth0-oidc" {
		t.Errorf("%v: asserted %q, and the application saw %v", err, claims.Subject, seen)
	}
}

// Nobody but the user who moved has the old id: no linked account either, unless it is
// that user's own.
func TestLinkedAccountHasNobodysShownID(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		primary string
		status  int
	}{
		"of the master":           {"auth0|primary", http.StatusOK},
		"another one's old id":    {"auth0-oidc|acme-child|auth0|another", http.StatusForbidden},
		"the same user's old id":  {"auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80", http.StatusOK},
		"of an unrelated service": {"samlp|acme-child|auth0|another", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := movedAndManaged(t, "")
			primary := w.pair.Master.AddUser(auth0sim.User{ID: test.primary, Email: "ann@master.test"})
			secondary := w.pair.Master.AddUser(auth0sim.User{ID: w.pair.MasterUserID(w.pair.User), Connection: "acme-child", Email: "user-in-child@mail.com"})
			w.pair.Master.LinkUsers(primary.ID, secondary.ID)
			page := w.signIn(w.browser(), "/x", w.pair.User)
			if page.Status != test.status {
				t.Fatalf("%d, want %d\n%s", page.Status, test.status, page.Body)
			}
			if seen := w.app.take(); test.status == http.StatusOK && (len(seen) != 1 || seen[0].header.Get("X-Auth0-User-Id") != test.primary) {
				t.Errorf("the application saw %+v", seen)
			}
		})
	}
}
