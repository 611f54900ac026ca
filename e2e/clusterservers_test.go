package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// redisServer is Debian's, on a socket of the file system. The instances reach it
// through a relay whose port is the same for as long as the test lasts, also while
// Redis is not there.
type redisServer struct {
	t        *testing.T
	folder   string
	address  string // of the relay
	password string
	run      *process
}

func newRedis(t *testing.T, folder string) *redisServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	r := &redisServer{t: t, folder: folder, address: l.Addr().String(), password: rand.Text()}
	// Debian's redis-server is this link; its package would start a service as well.
	if err := os.Symlink(programPath(t, "redis-check-rdb"), filepath.Join(folder, "redis-server")); err != nil {
		t.Fatal(err)
	}
	go r.relay(l)
	r.start()
	return r
}

func (r *redisServer) socket() string { return filepath.Join(r.folder, "socket") }

// start runs Redis with what it kept in its folder.
func (r *redisServer) start() {
	r.t.Helper()
	log := outputFile(r.t, filepath.Join(r.folder, "redis.log"))
	r.run = start(r.t, filepath.Join(r.folder, "redis-server"), []string{
		"--port", "0", "--unixsocket", r.socket(), "--dir", r.folder, "--appendonly", "yes", "--save", "", "--requirepass", r.password,
	}, func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = log, log })
	ctx, cancel := r.run.during(30 * time.Second)
	defer cancel()
	for {
		if out, err := r.ask("PING"); err == nil && out == "PONG" {
			return
		}
		if !pause(ctx, 20*time.Millisecond) {
			r.t.Fatalf("Redis does not answer\n%s", readFile(r.t, filepath.Join(r.folder, "redis.log")))
		}
	}
}

// stop ends Redis as its service does, by SIGTERM.
func (r *redisServer) stop() { r.run.end() }

func (r *redisServer) ask(command ...string) (string, error) {
	cmd := exec.Command("redis-cli", append([]string{"-s", r.socket()}, command...)...)
	cmd.Env = []string{"REDISCLI_AUTH=" + r.password}
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// size gives the number of keys and the bytes in use.
func (r *redisServer) size() (keys, memory int, err error) {
	count, err := r.ask("DBSIZE")
	if err != nil {
		return 0, 0, err
	}
	info, err := r.ask("INFO", "memory")
	if err != nil {
		return 0, 0, err
	}
	_, after, _ := strings.Cut(info, "used_memory:")
	used, _, _ := strings.Cut(after, "\r\n")
	keys, err = strconv.Atoi(count)
	memory, wrong := strconv.Atoi(used)
	return keys, memory, errors.Join(err, wrong)
}

func (r *redisServer) relay(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go r.pass(conn)
	}
}

func (r *redisServer) pass(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	server, err := net.Dial("unix", r.socket())
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, conn)
		_ = server.Close()
	}()
	_, _ = io.Copy(conn, server)
}

func programPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// Not on the PATH of ordinary users.
		if path, err = exec.LookPath(filepath.Join("/usr/sbin", name)); err != nil {
			t.Fatalf("%s is missing; install it with `sh e2e/install.sh`: %v", name, err)
		}
	}
	return path
}

// balancing knows no stickiness, and tries another instance only if there is no
// connection to the first.
const balancing = `global
	maxconn 4000
defaults
	mode http
	timeout connect 2s
	timeout client 60s
	timeout server 60s
	retries 2
	option redispatch 1
frontend site
	bind fd@3
	default_backend instances
backend instances
	balance roundrobin
	option httpchk
	http-check send meth GET uri / hdr Host health
	default-server check inter 200ms fall 1 rise 1
`

// startBalancer runs haproxy in front of the instances and gives its port.
func startBalancer(t *testing.T, folder string, nodes []*node) (port string) {
	t.Helper()
	at, socket := openSocket(t)
	defer func() { _ = socket.Close() }()
	config := balancing
	for _, n := range nodes {
		config += fmt.Sprintf("\tserver %s unix@%s\n", n.name, n.socket())
	}
	path := filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log := outputFile(t, filepath.Join(folder, "haproxy.log"))
	run := start(t, programPath(t, "haproxy"), []string{"-db", "-f", path}, func(cmd *exec.Cmd) {
		cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{socket}
	})
	port = strconv.Itoa(at.Port)
	awaitBalancer(t, run, port, log.Name())
	return port
}

// awaitBalancer waits for an answer, which is its own while no instance is there.
func awaitBalancer(t *testing.T, run *process, port, log string) {
	t.Helper()
	ctx, cancel := run.during(30 * time.Second)
	defer cancel()
	transport := loopbackTransport()
	defer transport.CloseIdleConnections()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		if !pause(ctx, 20*time.Millisecond) {
			t.Fatalf("haproxy does not answer: %v, %v\n%s", err, context.Cause(ctx), readFile(t, log))
		}
	}
}
