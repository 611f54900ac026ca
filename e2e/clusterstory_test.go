package e2e

import (
	"net/http"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"
)

const (
	storyWorkers  = 16
	storyLogins   = 2_000
	storyRequests = 100 // of each login
	storyUsers    = 256

	// storyFailures is how many requests may fail on the way because of the faults.
	storyFailures = 500
)

// Logins and requests through a balancer without stickiness, and everything fails
// once on the way: an instance is killed, Redis restarts, configurations change, a
// secret is replaced (CONC-22, CONC-23, CONC-25, CONC-26, FAULT-21, FAULT-27). Each answer
// has to be for the one who asked.
func TestClusterKeepsEverybodySignedInThroughFaults(t *testing.T) {
	c := newCluster(t, storyUsers)
	c.extra = revoking + c.refreshWithin(overlap)
	c.startAll(clusterSecrets[0])
	l := newLoad(c)
	var visits atomic.Int64
	began := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(storyWorkers, storyRequests, func() bool { return visits.Add(1) <= storyLogins })
	}()
	faults := []func(){
		func() { c.crash(0) }, c.restartRedis, c.reloadAll, c.rejectedReload,
		func() { c.roll(clusterSecrets[0], clusterSecrets[1]) },
		func() { c.crash(1) },
		func() { c.roll(clusterSecrets[1], clusterSecrets[0]) },
		func() { c.crash(2) }, c.reloadWithoutRedis, c.reloadAll,
	}
	for i, fault := range faults {
		if !reaches(ended, func() int { return int(l.logins.Load()) }, storyLogins*(i+1)/(len(faults)+2)) {
			break
		}
		fault()
	}
	<-ended
	took := time.Since(began)
	l.judge()
	t.Logf("in %s: %s", took.Round(time.Second), l.summary())
	if l.logins.Load() < storyLogins || l.requests.Load() < storyLogins*storyRequests {
		t.Error("there were too few logins or requests")
	}
	if l.failed.Load() > storyFailures {
		t.Errorf("%d requests failed on the way, want at most %d", l.failed.Load(), storyFailures)
	}
	c.assertOldSecretIsForgotten(l)
}

// reaches waits until there were so many, unless all has ended.
func reaches(ended <-chan struct{}, count func() int, many int) bool {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for count() < many {
		select {
		case <-ended:
			return false
		case <-ticker.C:
		}
	}
	return true
}

// crash kills an instance and starts it again.
func (c *cluster) crash(i int) {
	c.t.Helper()
	c.nodes[i].kill()
	c.nodes[i].start()
	c.nodes[i].await()
}

func (c *cluster) restartRedis() {
	c.t.Helper()
	c.redis.stop()
	c.redis.start()
}

// reloadAll loads the same configuration again, once by Caddy's own command.
func (c *cluster) reloadAll() {
	c.t.Helper()
	for _, n := range c.nodes[1:] {
		if err := n.load(readFile(c.t, n.folder+"/Caddyfile")); err != nil {
			c.t.Error(err)
		}
	}
	n := c.nodes[0]
	reload := exec.Command(clusterCaddyPath(c.t), "reload", "--force", "--config", "Caddyfile", "--address", "unix/"+n.adminSocket())
	reload.Dir, reload.Env = n.folder, n.environment()
	if out, err := reload.CombinedOutput(); err != nil {
		c.t.Errorf("caddy reload: %v\n%s", err, out)
	}
}

// rejectedReload leaves the instances as they are (CONC-23).
func (c *cluster) rejectedReload() {
	c.t.Helper()
	for _, n := range c.nodes {
		if err := n.load(c.configuration(n, "too-short")); err == nil {
			c.t.Errorf("instance %s took a secret that is too short", n.name)
		}
	}
}

// reloadWithoutRedis is refused as well, because the storage comes with the
// configuration.
func (c *cluster) reloadWithoutRedis() {
	c.t.Helper()
	c.redis.stop()
	if err := c.nodes[0].load(readFile(c.t, c.nodes[0].folder+"/Caddyfile")); err == nil {
		c.t.Error("a configuration was taken while its storage is gone")
	}
	c.redis.start()
}

// roll changes the secrets of one instance after the other. In between there are two
// versions of the configuration.
func (c *cluster) roll(secrets ...string) {
	c.t.Helper()
	for _, n := range c.nodes {
		n.write(c.configuration(n, secrets...))
		if err := n.load(c.configuration(n, secrets...)); err != nil {
			c.t.Error(err)
		}
	}
}

// assertOldSecretIsForgotten: CK-18, a session of a secret that is gone is none, and no
// error.
func (c *cluster) assertOldSecretIsForgotten(l *load) {
	c.t.Helper()
	c.roll(clusterSecrets[1])
	fresh := l.guest(configuredSite, c.users[0])
	if err := fresh.signIn("/fresh"); err != nil {
		c.t.Error(err)
	}
	c.roll("a-third-secret-of-thirty-two-bytes-or-more")
	for _, n := range c.nodes {
		if got, err := n.askAt(fresh, "/page"); err != nil || got.status != http.StatusUnauthorized {
			c.t.Errorf("instance %s answers %d to a session of a secret that is gone (%v)", n.name, got.status, err)
		}
	}
	if err := fresh.signIn("/again"); err != nil {
		c.t.Error(err)
	}
}
