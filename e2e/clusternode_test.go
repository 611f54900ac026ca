package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clusterCaddyPath is where `make e2e` puts the Caddy that has the storage.
func clusterCaddyPath(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "caddy-redis"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(path); err != nil {
		t.Fatalf("the Caddy with the Redis storage is missing; make it with `make e2e`: %v", err)
	}
	return path
}

// node is one of the instances. It listens on sockets of the file system, which
// refuse connections as soon as it is dead.
type node struct {
	c      *cluster
	name   string
	folder string
	cmd    *exec.Cmd
	run    *process
	killed bool
	direct *http.Transport // past the balancer
	admin  *http.Client
}

func newNode(c *cluster, name string) *node {
	n := &node{c: c, name: name, folder: c.subfolder(name)}
	n.direct = socketTransport(n.socket())
	n.admin = &http.Client{Transport: socketTransport(n.adminSocket()), Timeout: 30 * time.Second}
	c.t.Cleanup(n.direct.CloseIdleConnections)
	c.t.Cleanup(n.admin.CloseIdleConnections)
	return n
}

func socketTransport(path string) *http.Transport {
	var dialer net.Dialer
	return &http.Transport{
		ResponseHeaderTimeout: 30 * time.Second,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
	}
}

func (n *node) socket() string      { return filepath.Join(n.folder, "site") }
func (n *node) adminSocket() string { return filepath.Join(n.folder, "admin") }

// options are the global ones that keep an instance to its sockets.
func (n *node) options() string {
	return fmt.Sprintf("{\n\tadmin unix/%s\n\tdefault_bind unix/%s\n\tgrace_period 2s\n\tpersist_config off\n", n.adminSocket(), n.socket())
}

func (n *node) write(configuration string) {
	n.c.t.Helper()
	if err := os.WriteFile(filepath.Join(n.folder, "Caddyfile"), []byte(configuration), 0o600); err != nil {
		n.c.t.Fatal(err)
	}
}

func (n *node) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + n.folder, "XDG_DATA_HOME=" + n.folder, "XDG_CONFIG_HOME=" + n.folder,
		"REDIS_PASSWORD=" + n.c.redis.password, "REDIS_ENCRYPTION_KEY=" + encryptionKey,
		"AUTH0_CLIENT_ID=" + n.c.pair.App.ClientID, "AUTH0_CLIENT_SECRET=" + n.c.pair.App.ClientSecret,
	}
}

// start runs the instance with the configuration that was written last.
func (n *node) start() {
	n.c.t.Helper()
	log := outputFile(n.c.t, filepath.Join(n.folder, "caddy.log"))
	n.killed = false
	n.c.t.Cleanup(n.judge)
	n.run = start(n.c.t, clusterCaddyPath(n.c.t), []string{"run", "--config", "Caddyfile"}, func(cmd *exec.Cmd) {
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = n.folder, log, log, n.environment()
		n.cmd = cmd
	})
}

// kill ends the instance as a crash does: nothing is cleaned up.
func (n *node) kill() {
	n.c.t.Helper()
	n.killed = true
	if err := n.cmd.Process.Kill(); err != nil {
		n.c.t.Fatal(err)
	}
	<-n.run.ended
}

// await waits for the first answer.
func (n *node) await() {
	n.c.t.Helper()
	ctx, cancel := n.run.during(30 * time.Second)
	defer cancel()
	for {
		status, _, err := n.get(ctx, n.c.base(storedSite)+"/auth/profile")
		if err == nil && status == http.StatusUnauthorized {
			return
		}
		if !pause(ctx, 20*time.Millisecond) {
			n.c.t.Fatalf("instance %s does not answer: %d %v\n%s", n.name, status, err, n.log())
		}
	}
}

func (n *node) get(ctx context.Context, address string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := n.direct.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(content), err
}

// load gives the running instance a configuration, as `caddy reload` does.
func (n *node) load(configuration string) error {
	status, body, err := n.control(http.MethodPost, "/load", "text/caddyfile", configuration)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("instance %s answers %d: %s", n.name, status, body)
	}
	return err
}

// control asks the admin API.
func (n *node) control(method, path, contentType, body string) (status int, answer string, err error) {
	req, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Cache-Control", "must-revalidate") // a reload, even without a change
	resp, err := n.admin.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	return resp.StatusCode, string(content), err
}

func (n *node) log() string { return readFile(n.c.t, filepath.Join(n.folder, "caddy.log")) }

// judge looks at what the instance wrote once it has ended.
func (n *node) judge() {
	if err := n.run.err; !n.killed && !errors.Is(err, context.Canceled) { // which says that it ended well when asked to
		n.c.t.Errorf("instance %s ended with %v", n.name, err)
	}
	log := n.log()
	if strings.Contains(log, "panic") {
		n.c.t.Errorf("instance %s panicked", n.name)
	}
	for _, secret := range append([]string{n.c.pair.App.ClientSecret, n.c.redis.password, encryptionKey}, clusterSecrets...) {
		if strings.Contains(log, secret) {
			n.c.t.Errorf("a secret is in the log of instance %s", n.name)
		}
	}
	if n.c.t.Failed() {
		n.c.t.Logf("what instance %s says of refreshes and failures:\n%s", n.name, telling(log))
		n.c.t.Logf("the end of the log of instance %s:\n%s", n.name, log[max(0, len(log)-3000):])
	}
}

// telling are the lines of the module that tell of more than a login, as many as people read.
func telling(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "auth0_oidc") && !strings.Contains(line, `"signed in"`) && len(lines) < 200 {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// pause waits, and tells whether there is still time.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
