package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// D1: the verified id decides by strategy and connection, whatever strategy the tenant's
// connection has.
func TestD1_ConnectionIsEnforcedByStrategy(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		for configured, accepted := range map[string][]string{
			"auto": {"auth0-oidc", "oidc"}, "auth0-oidc": {"auth0-oidc"}, "oidc": {"oidc"}, "any": {"auth0-oidc", "oidc"},
		} {
			t.Run(strategy+" with "+configured, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, withStrategy(strategy), withSite("auth0_oidc {\n"+strings.Replace(movedTenant, "strategy oidc\nuser_id_as auth0-oidc", "strategy "+configured, 1)+bearerSetting+"\n}\nreverse_proxy UPSTREAM"))
				in := accepted[0] == strategy || len(accepted) == 2
				b := w.browser()
				page := w.signIn(b, "/x", w.pair.User)
				response, body := w.call("/x", w.signed(nil))
				if in && (page.Status != http.StatusOK || response.StatusCode != http.StatusOK) {
					t.Fatalf("%d and %d %s", page.Status, response.StatusCode, page.Body)
				}
				if in {
					for _, r := range w.app.take() {
						if got := r.header.Get("X-Auth0-User-Id"); got != strategy+"|acme-child|"+w.pair.User.ID || r.header.Get("X-Auth0-Strategy") != strategy {
							t.Errorf("the application saw %s", got)
						}
					}
					return
				}
				if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "<code>"+codeConnectionMismatch+"</code>") || sessionCookie(w, b) != "" {
					t.Errorf("%d %s", page.Status, page.Body)
				}
				assertRefused(t, w, response, body, http.StatusForbidden, codeConnectionMismatch, "")
			})
		}
	}
}

// D1: a database user of the master, and one of a connection whose name only begins
// alike, come in with the strategy any alone.
func TestD1_UsersOfOtherConnectionsComeInWithAnyAlone(t *testing.T) {
	t.Parallel()
	for _, sub := range []string{"auth0|1", "auth0-oidc|acme-child-evil|auth0|1", "auth0-oidc|acme|auth0|1", "samlp|acme-child|x", "google-oauth2|1"} {
		for _, configured := range []string{"auto", "auth0-oidc", "oidc", "any"} {
			w := newWorld(t, withSite("auth0_oidc {\n"+strings.Replace(movedTenant, "strategy oidc\nuser_id_as auth0-oidc", "strategy "+configured, 1)+"}\nreverse_proxy UPSTREAM"))
			w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = sub }
			page := w.signIn(w.browser(), "/x", w.pair.User)
			if in := configured == "any"; in != (page.Status == http.StatusOK) || !in && !strings.Contains(page.Body, codeConnectionMismatch) {
				t.Errorf("%s with %s: %d", sub, configured, page.Status)
			}
		}
	}
}

// The child's part of an id reaches the application to the byte, with further bars and
// odd characters, and is never taken for something else.
func TestHDR_28_OddChildIDsReachTheApplicationWhole(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		for _, child := range oddChildIDs {
			t.Run(strategy+" "+child, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, withStrategy(strategy))
				user := w.pair.User
				user.ID, user.Email, user.Identities = child, "odd@mail.com", nil
				w.pair.Child.AddUser(user)
				b := w.browser()
				if page := w.signIn(b, "/x", user); page.Status != http.StatusOK {
					t.Fatalf("%d %s", page.Status, page.Body)
				}
				w.wantPage(w.open(b, "/y"), "/y", 0)
				provider, rest, found := strings.Cut(child, "|")
				if !found {
					provider, rest = "", child
				}
				for _, r := range w.app.take() {
					assertSeen(t, r, map[string]string{
						"X-Auth0-User-Id": strategy + "|acme-child|" + child, "X-Auth0-Strategy": strategy, "X-Auth0-Connection": "acme-child",
						"X-Auth0-Child-User": child, "X-Auth0-Child-Connection": provider, "X-Auth0-Child-User-Id": rest,
					})
				}
			})
		}
	}
}

// A child whose users come from a child of its own: every hop adds its part in front.
func TestNestedFederation(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withStrategy(strategy))
			user := w.addGrandchild(strategy)
			b := w.browser()
			page := w.open(b, "/x")
			page, err := page.Submit(map[string]string{"action": "connection:c2"})
			if err != nil {
				t.Fatal(err)
			}
			if page, err = b.Login(page, user.Email, auth0sim.PairPassword); err != nil || page.Status != http.StatusOK || page.URL.Path != "/x" {
				t.Fatalf("%v %+v", err, page)
			}
			assertSeen(t, w.app.take()[0], map[string]string{
				"X-Auth0-User-Id":          strategy + "|acme-child|" + strategy + "|c2|" + user.ID,
				"X-Auth0-Connection":       "acme-child",
				"X-Auth0-Child-User":       strategy + "|c2|" + user.ID,
				"X-Auth0-Child-Connection": strategy,
				"X-Auth0-Child-User-Id":    "c2|" + user.ID,
			})
		})
	}
}

// addGrandchild gives the child a connection c2 to a tenant of its own, with one user.
func (w *world) addGrandchild(strategy string) auth0sim.User {
	child, _ := url.Parse(w.pair.Child.Issuer())
	pair := auth0sim.NewPair(w.network, w.base, auth0sim.WithStrategy(strategy), auth0sim.WithConnection("c2"),
		auth0sim.WithDomains("http://"+child.Host, "http://grandchild.localhost:"+child.Port()))
	w.pair.Child.Enable("c2", w.pair.ChildApp.ClientID)
	return pair.Child.AddUser(auth0sim.User{ID: "auth0|5f", Email: "user-in-grandchild@mail.com", Password: auth0sim.PairPassword})
}
