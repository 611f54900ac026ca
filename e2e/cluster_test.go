package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// The example's host, and one more on the same instances whose secret is configured.
const (
	storedSite     = "app.localhost"
	configuredSite = "team.localhost"
)

// clusterSecrets are what a configured secret is replaced by, one after the other.
var clusterSecrets = []string{"the-first-secret-of-thirty-two-bytes", "the-second-secret-of-thirty-two-bytes"}

// encryptionKey is what the values in Redis are encrypted with.
const encryptionKey = "an-encryption-key-of-32-bytes-ok"

// cluster is Caddys on one Redis behind a balancer that sends each request to
// another one, both tenants, and an application, all on loopback. What these tests
// use of the machine they use up, so that none is parallel.
type cluster struct {
	t        *testing.T
	network  *auth0sim.Network
	pair     *auth0sim.Pair
	users    []auth0sim.User // of the child
	app      *identityApplication
	upstream string // address of the application
	redis    *redisServer
	nodes    []*node
	port     string // of the balancer
	folder   string // short, because the names of sockets have to be
	extra    string // settings of both directives
	child    string // settings of their connection
}

// newCluster starts everything but the instances.
func newCluster(t *testing.T, users int) *cluster {
	t.Helper()
	folder, err := os.MkdirTemp("", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	c := &cluster{t: t, app: new(identityApplication), folder: folder}
	upstream := httptest.NewServer(c.app)
	t.Cleanup(upstream.Close)
	c.upstream = upstream.Listener.Addr().String()
	c.redis = newRedis(t, c.subfolder("redis"))
	for _, name := range []string{"a", "b", "c"} {
		c.nodes = append(c.nodes, newNode(c, name))
	}
	c.port = startBalancer(t, c.subfolder("balancer"), c.nodes)
	c.startTenants(users)
	return c
}

func (c *cluster) subfolder(name string) string {
	c.t.Helper()
	folder := filepath.Join(c.folder, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		c.t.Fatal(err)
	}
	return folder
}

// startTenants reach the instances over a listener, and browsers without one.
func (c *cluster) startTenants(users int) {
	c.t.Helper()
	c.network = auth0sim.NewNetwork()
	c.network.Keys = sharedKeys
	tenants := httptest.NewServer(c.network)
	c.t.Cleanup(tenants.Close)
	_, port, err := net.SplitHostPort(tenants.Listener.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	c.pair = auth0sim.NewPair(c.network, c.base(storedSite), auth0sim.WithDomains("http://master.localhost:"+port, "http://child.localhost:"+port))
	c.pair.Master.UpdateApplication(c.pair.App.ClientID, func(a *auth0sim.Application) {
		a.Callbacks = append(a.Callbacks, c.base(configuredSite)+"/auth/callback")
		a.AllowedLogoutURLs = append(a.AllowedLogoutURLs, c.base(configuredSite)+"/")
		a.Rotation = true
	})
	c.pair.Master.AddAPI(auth0sim.API{Identifier: clusterAPI, AllowOfflineAccess: true})
	c.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.AccessTokenLifetime = accessLifetime
		s.TamperIDToken = func(_, claims map[string]any) { claims["nickname"] = claims["sid"] } // so that a test can name the session
	})
	for i := range users {
		c.users = append(c.users, c.pair.Child.AddUser(auth0sim.User{
			Email: fmt.Sprintf("user-%d@mail.com", i), Password: auth0sim.PairPassword,
		}))
	}
}

// base is a site as browsers see it.
func (c *cluster) base(site string) string { return "http://" + site + ":" + c.port }

// configuration is that of an instance: the example's Caddyfile with the addresses of
// this machine, and a second site with the secrets.
func (c *cluster) configuration(n *node, secrets ...string) string {
	c.t.Helper()
	text := readFile(c.t, filepath.Join("..", "examples", "several-instances", "Caddyfile"))
	host, port, err := net.SplitHostPort(c.redis.address)
	if err != nil {
		c.t.Fatal(err)
	}
	text = replaceOnce(c.t, text, "redis.internal", host)
	text = replaceOnce(c.t, text, "6379", port)
	text = replaceOnce(c.t, text, "acme.eu.auth0.com", "http://"+c.pair.Master.Host())
	text = replaceOnce(c.t, text, "legacy:8080", c.upstream)
	text = replaceOnce(c.t, text, "connection acme-child", "connection acme-child "+c.child)
	text = replaceOnce(c.t, text, "base_url https://app.example.com", "base_url "+c.base(storedSite)+"\n"+c.extra)
	text = replaceOnce(c.t, text, "app.example.com {", c.base(storedSite)+" {\n\theader X-Instance "+n.name)
	global, site, _ := strings.Cut(text, "\n}\n")
	second := strings.ReplaceAll(site, storedSite, configuredSite)
	second = replaceOnce(c.t, second, "base_url", "secret "+strings.Join(secrets, " ")+"\n\t\tbase_url")
	return n.options() + strings.TrimPrefix(global, "{\n") + "\n}\n" + site + second
}

// startAll starts the instances with the secrets, all at once.
func (c *cluster) startAll(secrets ...string) {
	c.t.Helper()
	for _, n := range c.nodes {
		n.write(c.configuration(n, secrets...))
		n.start()
	}
	for _, n := range c.nodes {
		n.await()
	}
	c.awaitBalance()
}

// awaitBalance waits until the balancer has found all instances.
func (c *cluster) awaitBalance() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	v := newLoad(c).guest(storedSite, auth0sim.User{})
	for row := ""; ; {
		got, err := v.ask("/page", nil)
		if err != nil {
			c.t.Fatal(err)
		}
		if row += got.instance; len(row) > len(c.nodes) {
			row = row[len(row)-len(c.nodes):]
		}
		if !slices.ContainsFunc(c.nodes, func(n *node) bool { return !strings.Contains(row, n.name) }) {
			return
		}
		if !pause(ctx, tryAgain) {
			c.t.Fatalf("the balancer sends requests to %q only", row)
		}
	}
}

// identityApplication answers with the identity that it was told, and nothing else.
type identityApplication struct {
	requests  atomic.Int64
	intruders atomic.Int64 // requests that nobody signed in to send
	strange   atomic.Int64 // access tokens of another user, or whose time was over
	tokens    sync.Map     // access tokens that came
}

// nobody is where requests go that must not arrive.
const nobody = "/nobody"

func (a *identityApplication) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests.Add(1)
	if r.URL.Path == nobody {
		a.intruders.Add(1)
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		a.tokens.Store(token, true)
		if !isFor(token, r.Header.Get("X-Auth0-User-Id")) {
			a.strange.Add(1)
		}
	}
	_, _ = fmt.Fprint(w, strings.Join(r.Header.Values("X-Auth0-User-Id"), ","))
}
