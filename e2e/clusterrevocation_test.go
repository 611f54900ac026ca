package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const (
	revocationPoll     = time.Second
	revocationBound    = revocationPoll + time.Second
	revocationTries    = 100
	revocationTogether = 10
)

// revoking is the setting under test.
var revoking = fmt.Sprintf("\t\trevocation {\n\t\t\tpoll %s\n\t\t}", revocationPoll)

// ended is a session that is to be ended, as somebody who copied its cookies has it.
type ended struct {
	*guest
	sid    string // at the master
	copied string
}

// begin signs a user in and finds out the session's id at the master.
func (l *load) begin(site string, user auth0sim.User) (*ended, error) {
	v := l.guest(site, user)
	if err := v.signIn("/page"); err != nil {
		return nil, err
	}
	return v.toEnd()
}

func (v *guest) toEnd() (*ended, error) {
	sid, err := v.sid()
	return &ended{v, sid, v.cookies()}, err
}

// sid asks for the session's id at the master, which is the user's nickname there.
func (v *guest) sid() (string, error) {
	got, err := v.ask("/auth/profile", nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		Profile struct {
			Nickname string `json:"nickname"`
		} `json:"profile"`
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || answer.Profile.Nickname == "" {
		return "", fmt.Errorf("the profile is %d %.200q (%v)", got.status, got.body, err)
	}
	return answer.Profile.Nickname, nil
}

// orders are the ways in which an instance learns that a session is over.
var orders = []struct {
	name string
	give func(*node, *ended) error
}{
	{"back-channel logout", func(n *node, e *ended) error {
		return n.sendLogoutToken(e.base, n.c.pair.Master.LogoutToken(n.c.pair.App.ClientID, e.id, e.sid))
	}},
	{"admin API, sub", func(n *node, e *ended) error { return n.revoke("sub", e.id) }},
	{"admin API, sid", func(n *node, e *ended) error { return n.revoke("sid", e.sid) }},
	{"logout", func(n *node, e *ended) error {
		e.browser.Transport = &past{n.c, n}
		page, err := e.browser.Get(e.base + "/auth/logout")
		if err == nil && !strings.Contains(page.Body, "You are signed out") {
			err = fmt.Errorf("the logout ended at %s", ending(page))
		}
		return err
	}},
	{"command", revokeByCommand},
}

// revokeByCommand ends all sessions of the user by the command on the instance's machine.
func revokeByCommand(n *node, e *ended) error {
	revoke := exec.Command(clusterCaddyPath(n.c.t), "auth0-oidc", "revoke", "--sub", e.id, "--address", "unix/"+n.adminSocket())
	revoke.Dir, revoke.Env = n.folder, n.environment()
	if out, err := revoke.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (n *node) revoke(what, value string) error {
	order, err := json.Marshal(map[string]string{what: value})
	if err != nil {
		return err
	}
	status, answer, err := n.control(http.MethodPost, "/auth0_oidc/revoke", "application/json", string(order))
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("instance %s answers %d: %s", n.name, status, answer)
	}
	return err
}

// logoutRefused is the answer to a logout token that was not taken.
type logoutRefused struct {
	status int
	answer string
}

func (r *logoutRefused) Error() string { return fmt.Sprintf("%d: %s", r.status, r.answer) }

// sendLogoutToken is what a tenant does when a session ends.
func (n *node) sendLogoutToken(base, token string) error {
	body := url.Values{"logout_token": {token}}.Encode()
	req, err := http.NewRequest(http.MethodPost, base+"/auth/backchannel-logout", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := whole(n.direct.RoundTrip(req))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &logoutRefused{resp.StatusCode, fmt.Sprint(resp.Header)}
	}
	return nil
}

// All ways in which sessions end are known to all other instances within the time between
// two readings, and at once to the one that was told.
func TestClusterEndsSessionsEverywhere(t *testing.T) {
	c := newCluster(t, revocationTries)
	c.extra = revoking
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	var all []*ended
	for i, user := range c.users {
		e, err := l.begin([]string{storedSite, configuredSite}[i%2], user)
		if err != nil {
			t.Fatal(err)
		}
		c.assertSignedIn(e.guest)
		all = append(all, e)
	}
	times := c.endAll(all)
	slices.Sort(times)
	if len(times) != revocationTries*(len(c.nodes)-1) {
		t.Fatalf("%d of %d were seen", len(times), revocationTries*(len(c.nodes)-1))
	}
	t.Logf("%d sessions were refused by %d other instances after %s at least, %s in the median, %s at most",
		revocationTries, len(c.nodes)-1, times[0], times[len(times)/2], times[len(times)-1])
	if last := times[len(times)-1]; last > revocationBound {
		t.Errorf("one was refused after %s, want at most %s", last, revocationBound)
	}
}

// endAll gives how long it took each other instance to refuse each session.
func (c *cluster) endAll(all []*ended) (times []time.Duration) {
	c.t.Helper()
	var mu sync.Mutex
	var pending sync.WaitGroup
	turns := make(chan struct{}, revocationTogether)
	for i, e := range all {
		pending.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			order, at := orders[i%len(orders)], c.nodes[i%len(c.nodes)]
			if err := order.give(at, e); err != nil {
				c.t.Errorf("%s at instance %s: %v", order.name, at.name, err)
				return
			}
			if took, err := at.refuses(e, 0); err != nil {
				c.t.Errorf("%s at instance %s, which still accepts it after %s: %v", order.name, at.name, took, err)
			}
			for _, other := range c.nodes {
				if other == at {
					continue
				}
				pending.Go(func() {
					took, err := other.refuses(e, 5*revocationBound)
					if err != nil {
						c.t.Errorf("%s at instance %s, seen by %s: %v", order.name, at.name, other.name, err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					times = append(times, took)
				})
			}
		})
	}
	pending.Wait()
	return times
}

// refuses waits until the instance refuses the session, and gives how long that took.
func (n *node) refuses(e *ended, patience time.Duration) (time.Duration, error) {
	began := time.Now()
	for {
		got, err := n.askWith(e.base+"/page", e.copied)
		took := time.Since(began)
		switch {
		case err != nil:
			return took, err
		case got.status == http.StatusUnauthorized:
			return took, nil
		case got.status != http.StatusOK || took > patience:
			return took, fmt.Errorf("it answers %d after %s", got.status, took)
		}
		pause(context.Background(), 20*time.Millisecond)
	}
}

// CONC-24: a login that begins on one instance and ends on another, whose session is ended
// by a logout token at the second one; the first one knows that it was used.
func TestClusterTakesALogoutTokenOnce(t *testing.T) {
	c := newCluster(t, 3)
	c.extra = revoking
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	for i, begins := range c.nodes {
		ends := c.nodes[(i+1)%len(c.nodes)]
		e, err := l.beginAcross(begins, ends, c.users[i])
		if err != nil {
			t.Fatal(err)
		}
		token := c.pair.Master.LogoutToken(c.pair.App.ClientID, e.id, e.sid)
		if err := ends.sendLogoutToken(e.base, token); err != nil {
			t.Error(err)
		}
		for _, n := range []*node{begins, ends, c.nodes[(i+2)%len(c.nodes)]} {
			if err, ok := n.sendLogoutToken(e.base, token).(*logoutRefused); !ok || err.status != http.StatusBadRequest {
				t.Errorf("the same token at instance %s: %v", n.name, err)
			}
			if took, err := n.refuses(e, revocationBound); err != nil {
				t.Errorf("instance %s after %s: %v", n.name, took, err)
			}
		}
	}
}

func (l *load) beginAcross(begins, ends *node, user auth0sim.User) (*ended, error) {
	v := l.guest(configuredSite, user)
	at := &past{l.c, begins}
	v.browser.Transport = at
	page, err := v.browser.Get(v.base + "/page")
	if err != nil {
		return nil, err
	}
	at.to = ends
	if page, err = v.browser.Login(page, user.Email, auth0sim.PairPassword); err != nil || page.Body != v.id {
		return nil, fmt.Errorf("the login ended at %s: %w", ending(page), err)
	}
	v.browser.Transport = v.way
	return v.toEnd()
}

// FAULT-21: what was ended stays so while Redis is away, when it is back, and on
// instances that were killed; and nobody else is signed out.
func TestClusterRemembersEndedSessionsThroughRestarts(t *testing.T) {
	c := newCluster(t, 2)
	c.extra = revoking
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	gone, err := l.begin(storedSite, c.users[0])
	if err != nil {
		t.Fatal(err)
	}
	stays, err := l.begin(configuredSite, c.users[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := c.nodes[0].revoke("sub", gone.id); err != nil {
		t.Fatal(err)
	}
	judge := func(when string) {
		t.Helper()
		for _, n := range c.nodes {
			if took, err := n.refuses(gone, revocationBound); err != nil {
				t.Errorf("%s, instance %s after %s: %v", when, n.name, took, err)
			}
		}
		c.assertSignedIn(stays.guest)
	}
	judge("at first")
	c.redis.stop()
	pause(t.Context(), 3*revocationPoll)
	judge("without Redis")
	c.redis.start()
	judge("with Redis")
	pause(t.Context(), 2*revocationPoll)
	judge("after another reading")
	for i := range c.nodes {
		c.crash(i)
	}
	judge("after all were killed")
	c.reloadAll()
	judge("after a reload")
	if err := c.nodes[1].revoke("sid", stays.sid); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		if took, err := n.refuses(stays, revocationBound); err != nil {
			t.Errorf("one more, instance %s after %s: %v", n.name, took, err)
		}
	}
}
