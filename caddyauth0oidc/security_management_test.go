package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// managedOrNot are managed settings whose logins go on without the Management API.
func managedOrNot(more string) string {
	return strings.Replace(managed(more), "profile management", "profile management {\nfallback id_token\n}", 1)
}

// Users edit their user_metadata. What they write there must not lead around a rule about
// what they cannot edit.
func TestUserCannotBringAboutTheFallback(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(u *auth0sim.User){
		"nothing": func(*auth0sim.User) {},
		"deep metadata": func(u *auth0sim.User) {
			var deep any = "x"
			for range 40 {
				deep = map[string]any{"x": deep}
			}
			u.UserMetadata = map[string]any{"x": deep}
		},
	} {
		w := managedWorld(t, readUsers, withSettings(managedOrNot("metadata app_metadata.banned")+"deny app_metadata.banned true"))
		b := w.browser()
		callback := w.callbackOf(b, "/home", w.pair.User)
		w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) {
			u.AppMetadata = map[string]any{"banned": true}
			write(u)
		})
		w.step(b, callback)
		if page := w.open(b, "/home"); page.Status == http.StatusOK || len(w.app.take()) != 0 {
			t.Errorf("%s: the user was let in: %d %s", name, page.Status, page.Body)
		}
	}
}

// linkedTo makes the child's user an identity of somebody whose own id is of another
// connection, evil-corp, the ids of which somebody else makes.
func (w *world) linkedTo(id string) {
	w.pair.Master.AddConnection(auth0sim.Connection{Name: "evil-corp", Strategy: "auth0-oidc", Options: w.pair.Connection.Options})
	primary := w.pair.Master.AddUser(auth0sim.User{ID: id, Connection: "evil-corp", Email: "mallory@evil.test"})
	secondary := w.pair.Master.AddUser(auth0sim.User{ID: w.pair.MasterUserID(w.pair.User), Connection: "acme-child", Email: "user-in-child@mail.com"})
	w.pair.Master.LinkUsers(primary.ID, secondary.ID)
}

// An application with one connection may know its users by the child's id. Another
// child, whose tenant somebody else has, gives out the same ids.
func TestLinkedUserIsNotShownAsAUserOfTheChild(t *testing.T) {
	t.Parallel()
	const headers = "headers {\nRemote-User child_user\nX-Text <{http.auth.user.child_user_id}>\n}\n"
	for rule, status := range map[string]int{
		"": http.StatusOK, "require child_user auth0|victim": http.StatusForbidden, "deny connection evil-corp": http.StatusForbidden,
	} {
		w := managedWorld(t, readUsers, withSettings(managed("")+headers+rule))
		w.linkedTo("auth0-oidc|evil-corp|auth0|victim")
		page := w.signIn(w.browser(), "/home", w.pair.User)
		if page.Status != status {
			t.Fatalf("%q: %d %s", rule, page.Status, page.Body)
		}
		if status == http.StatusOK {
			assertSeen(t, w.seen(), map[string]string{
				"X-Auth0-User-Id": "auth0-oidc|evil-corp|auth0|victim", "X-Auth0-Strategy": "auth0-oidc", "X-Auth0-Connection": "evil-corp",
				"X-Auth0-Child-User": "", "X-Auth0-Child-Connection": "", "X-Auth0-Child-User-Id": "", "Remote-User": "", "X-Text": "<>",
			})
		}
	}
}

// With user_id_as, a linked account of the old connection would be shown as the user of
// the new one who is shown with its id, and so it is only if that is the same user.
func TestLinkedAccountTakesNobodysShownID(t *testing.T) {
	t.Parallel()
	for child, status := range map[string]int{"auth0|victim": http.StatusForbidden, "auth0|563b9b6cf50bc24402a69b80": http.StatusOK} {
		w := managedWorld(t, readUsers, withStrategy("oidc"), withSite("auth0_oidc {\n"+
			strings.Replace(movedTenant, "auth0-oidc", "auth0-oidc evil-corp", 1)+managed("")+"}\nreverse_proxy UPSTREAM"))
		w.linkedTo("auth0-oidc|evil-corp|" + child)
		if page := w.signIn(w.browser(), "/home", w.pair.User); page.Status != status {
			t.Errorf("%s: %d %s", child, page.Status, page.Body)
		} else if status == http.StatusOK {
			assertSeen(t, w.seen(), map[string]string{"X-Auth0-User-Id": "auth0-oidc|evil-corp|" + child, "X-Auth0-Child-User": child})
		}
	}
}

// Directives of one source accept each other's sessions. What one of them denies about
// metadata for which another one does not ask, that one's users do not have.
func TestDenyAboutMetadataForWhichAnotherDirectiveDoesNotAskIsWarnedOf(t *testing.T) {
	t.Parallel()
	site := func(denied, metadata, second string) string {
		return "auth0_oidc /a/* {\n" + managed("metadata "+metadata) + "deny " + denied + " true\n}\nauth0_oidc /b/* {\n" + second + "\n}\n"
	}
	const claim = "app_metadata.banned"
	for name, test := range map[string]struct {
		site string
		want int
	}{
		"none":             {site(claim, claim, managed("")), 1},
		"another part":     {site(claim, claim, managed("metadata app_metadata.plan app_metadata.banned.x")), 1},
		"asked by nobody":  {site(claim, "app_metadata.plan", ""), 1},
		"the same":         {site(claim, claim, managed("metadata app_metadata.banned")), 0},
		"all of it":        {site(claim, claim, managed("metadata app_metadata")), 0},
		"a session apart":  {site(claim, claim, managed("")+"session {\ncookie {\nname other_session\n}\n}"), 0},
		"no metadata":      {site("blocked", claim, managed("")), 0},
		"of the ID token":  {site(claim, claim, ""), 0},
		"of userinfo":      {site(claim, claim, "profile userinfo"), 0},
		"an Action's word": {"auth0_oidc /a/* {\ndeny " + claim + " true\n}\nauth0_oidc /b/* {\n" + managed("") + "}\n", 1},
	} {
		w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(test.site+"reverse_proxy UPSTREAM"))
		for _, path := range []string{"/", "/a/x", "/"} {
			w.send(w.browser(), "GET", path, nil)
		}
		if got := strings.Count(w.logs(), "of every directive of the site"); got != test.want {
			t.Errorf("%s: %d warnings, want %d", name, got, test.want)
		}
	}
}
