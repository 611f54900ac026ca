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
