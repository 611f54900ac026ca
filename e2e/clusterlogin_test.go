package e2e

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// past sends the requests to the sites to one instance, and the others to the tenants.
type past struct {
	c  *cluster
	to *node
}

func (p *past) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, port, _ := strings.Cut(req.URL.Host, ":"); port == p.c.port {
		return p.to.direct.RoundTrip(req)
	}
	return p.c.network.RoundTrip(req)
}

// CONC-24: a login that begins on one instance ends on another, and its session holds
// on all of them, whether the secret is configured or made by whoever was first.
func TestClusterFinishesLoginsOnOtherInstances(t *testing.T) {
	c := newCluster(t, 1)
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	for _, site := range []string{storedSite, configuredSite} {
		for i, begins := range c.nodes {
			for _, ends := range []*node{c.nodes[(i+1)%len(c.nodes)], c.nodes[(i+2)%len(c.nodes)]} {
				v := l.guest(site, c.users[0])
				at := &past{c, begins}
				v.browser.Transport = at
				page, err := v.browser.Get(v.base + "/report?number=7")
				if err != nil {
					t.Fatal(err)
				}
				at.to = ends
				if page, err = v.browser.Login(page, v.user.Email, auth0sim.PairPassword); err != nil {
					t.Fatal(err)
				}
				if page.Status != http.StatusOK || page.URL.String() != v.base+"/report?number=7" || page.Body != v.id {
					t.Errorf("from instance %s to %s: %s", begins.name, ends.name, ending(page))
				}
				c.assertSignedIn(v)
			}
		}
	}
	for _, site := range []string{storedSite, configuredSite} {
		c.replayCallback(l, site)
	}
}

// assertSignedIn asks every instance.
func (c *cluster) assertSignedIn(v *guest) {
	c.t.Helper()
	for _, n := range c.nodes {
		if got, err := n.askAt(v, "/page"); err != nil || got.status != http.StatusOK || got.body != v.id {
			c.t.Errorf("instance %s: %d %.200q, want %q (%v)", n.name, got.status, got.body, v.id, err)
		}
	}
}

// replayCallback sends a callback that one instance has taken to another one, which
// cannot know that: it leads to where the user wanted to go, and nobody else in.
func (c *cluster) replayCallback(l *load, site string) {
	c.t.Helper()
	v := l.guest(site, c.users[0])
	at := &past{c, c.nodes[0]}
	v.browser.Transport = at
	page, err := v.browser.Get(v.base + "/report")
	if err != nil {
		c.t.Fatal(err)
	}
	if page, err = v.browser.Login(page, v.user.Email, auth0sim.PairPassword); err != nil {
		c.t.Fatal(err)
	}
	var callback *url.URL
	for _, hop := range page.Hops {
		if hop.URL.Path == "/auth/callback" {
			callback = hop.URL
		}
	}
	at.to = c.nodes[1]
	if page, err = v.browser.Get(callback.String()); err != nil || page.Status != http.StatusOK || page.Body != v.id {
		c.t.Errorf("the same callback at another instance: %s (%v)", ending(page), err)
	}
	stranger := l.guest(site, c.users[0])
	stranger.browser.Transport = at
	if page, err = stranger.browser.Get(callback.String()); err != nil || page.URL.Path != "/u/login" {
		c.t.Errorf("the same callback in another browser: %s (%v)", ending(page), err)
	}
}

// FAULT-01 and FAULT-02: while both tenants are gone, an instance that knew them and one
// that was killed and started keep everybody signed in.
func TestClusterKeepsSessionsThroughAnOutageOfTheTenants(t *testing.T) {
	c := newCluster(t, 2)
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	var all []*guest
	for _, site := range []string{storedSite, configuredSite} {
		v := l.guest(site, c.users[0])
		if err := v.signIn("/page"); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	c.pair.Master.Down(true)
	c.pair.Child.Down(true)
	c.crash(0)
	for _, v := range all {
		c.assertSignedIn(v)
	}
	c.pair.Master.Down(false)
	c.pair.Child.Down(false)
	for _, site := range []string{storedSite, configuredSite} {
		v := l.guest(site, c.users[1])
		if err := v.signIn("/page"); err != nil {
			t.Errorf("after the outage: %v", err)
		}
		c.assertSignedIn(v)
	}
}

// FAULT-02: an instance that starts while both tenants are gone, and one that has never
// asked them, know the way to the master from the storage. Such a login ends as soon as
// the tenants are back.
func TestClusterBeginsLoginsDuringAnOutageOfTheTenants(t *testing.T) {
	c := newCluster(t, 1)
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	first := l.guest(storedSite, c.users[0])
	first.browser.Transport = &past{c, c.nodes[0]}
	if err := first.signIn("/page"); err != nil {
		t.Fatal(err)
	}
	c.pair.Master.Down(true)
	c.pair.Child.Down(true)
	c.crash(1)
	type begun struct {
		*guest
		page *auth0sim.Page
		at   *past
	}
	var all []begun
	for _, site := range []string{storedSite, configuredSite} {
		for _, n := range c.nodes {
			v, at := l.guest(site, c.users[0]), &past{c, n}
			v.browser.Transport = at
			page, err := v.browser.Step(v.base + "/report?number=7")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(page.Location(), "http://"+c.pair.Master.Host()+"/authorize?") {
				t.Fatalf("%s at instance %s leads to %q: %s", site, n.name, page.Location(), ending(page))
			}
			all = append(all, begun{v, page, at})
		}
	}
	c.pair.Master.Down(false)
	c.pair.Child.Down(false)
	for i, v := range all {
		v.at.to = c.nodes[(i+1)%len(c.nodes)]
		if page, err := v.finish(v.page); err != nil || page.URL.String() != v.base+"/report?number=7" || page.Body != v.id {
			t.Errorf("after the outage: %s (%v)", ending(page), err)
			continue
		}
		c.assertSignedIn(v.guest)
	}
}

// tenantPatience is a little more than the longest time for which an instance does not ask
// a tenant again.
const tenantPatience = 50 * time.Second

// finish goes on with a login that has led to the master. While the instance does not ask
// a tenant again that did not answer, its page offers another try.
func (v *guest) finish(page *auth0sim.Page) (*auth0sim.Page, error) {
	page, err := page.Follow()
	if err == nil && page.URL.Path == "/u/login" {
		page, err = v.browser.Login(page, v.user.Email, auth0sim.PairPassword)
	}
	ctx, cancel := context.WithTimeout(context.Background(), tenantPatience)
	defer cancel()
	for err == nil && page.Status == http.StatusServiceUnavailable && pause(ctx, 10*tryAgain) {
		page, err = page.Click("/report?number=7")
	}
	return page, err
}
