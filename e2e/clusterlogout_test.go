package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// newLeavingCluster is one whose logouts go through the child.
func newLeavingCluster(t *testing.T, users int) *cluster {
	t.Helper()
	c := newCluster(t, users)
	c.extra = revoking + "\n\t\tlogout {\n\t\t\tchild\n\t\t}"
	c.child = fmt.Sprintf("{\n\t\t\tchild {\n\t\t\t\tdomain http://%s\n\t\t\t\tclient_id %s\n\t\t\t}\n\t\t}", c.pair.Child.Host(), c.pair.ChildApp.ClientID)
	c.pair.Child.UpdateApplication(c.pair.ChildApp.ClientID, func(a *auth0sim.Application) {
		a.AllowedLogoutURLs = append(a.AllowedLogoutURLs, c.base(configuredSite)+"/auth/logout")
	})
	c.startAll(clusterSecrets[0])
	return c
}

// A logout through the child comes back to whichever instance the balancer chooses, which
// knows the way on to the master, and no copy of the cookie is a session anywhere.
func TestClusterFinishesLogoutsOnOtherInstances(t *testing.T) {
	c := newLeavingCluster(t, 1)
	l := newLoad(c)
	for _, site := range []string{storedSite, configuredSite} {
		for range c.nodes { // each is where one begins
			e, err := l.begin(site, c.users[0])
			if err != nil {
				t.Fatal(err)
			}
			page, err := e.browser.Get(e.base + "/auth/logout")
			if err != nil {
				t.Fatal(err)
			}
			instances := c.assertLeft(e, page)
			if len(instances) != 3 || instances[0] == instances[1] {
				t.Errorf("the instances on the way were %v", instances)
			}
		}
	}
}

// assertLeft expects a logout to have ended everywhere, and gives the instances on its way.
func (c *cluster) assertLeft(e *ended, page *auth0sim.Page) (instances []string) {
	c.t.Helper()
	var way []string
	for _, hop := range page.Hops {
		way = append(way, hop.URL.Host+hop.URL.Path)
		if name := hop.Header.Get("X-Instance"); name != "" {
			instances = append(instances, name)
		}
	}
	site := strings.TrimPrefix(e.base, "http://")
	want := []string{
		site + "/auth/logout", c.pair.Child.Host() + "/v2/logout", site + "/auth/logout", c.pair.Master.Host() + "/oidc/logout", site + "/",
	}
	if strings.Join(way, " ") != strings.Join(want, " ") || !strings.Contains(page.Body, "You are signed out") {
		c.t.Errorf("the logout went %v to %s", way, ending(page))
	}
	if here, there := c.pair.Master.Sessions(), c.pair.Child.Sessions(); len(here)+len(there) != 0 {
		c.t.Errorf("sessions are left: %v at the master, %v at the child", here, there)
	}
	for _, n := range c.nodes {
		if took, err := n.refuses(e, revocationBound); err != nil {
			c.t.Errorf("instance %s after %s: %v", n.name, took, err)
		}
	}
	return instances
}

// The command at one instance ends all sessions of a user on all instances, whichever they
// began on and however they are sealed, and nobody else's; who signs in again stays.
func TestClusterEndsAllSessionsOfAUserByTheCommand(t *testing.T) {
	c := newCluster(t, 2)
	c.extra = revoking
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	var all []*ended
	for i := range 2 * len(c.nodes) {
		e, err := l.begin([]string{storedSite, configuredSite}[i%2], c.users[0])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	other := l.guest(storedSite, c.users[1])
	if err := other.signIn("/page"); err != nil {
		t.Fatal(err)
	}
	if err := revokeByCommand(c.nodes[1], all[0]); err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		for _, n := range c.nodes {
			if took, err := n.refuses(e, revocationBound); err != nil {
				t.Errorf("instance %s after %s: %v", n.name, took, err)
			}
		}
	}
	c.assertSignedIn(other)
	pause(t.Context(), time.Second) // because an ID token tells whole seconds of when it was made
	again := l.guest(storedSite, c.users[0])
	if err := again.signIn("/page"); err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), revocationBound)
	c.assertSignedIn(again)
	if status, _, err := c.nodes[1].control(http.MethodGet, "/auth0_oidc/health", "", ""); err != nil || status != http.StatusOK {
		t.Errorf("the health is %d (%v)", status, err)
	}
}
