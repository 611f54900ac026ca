package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// caddyPath is where `make build` puts the Caddy under test.
func caddyPath(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "caddy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(path); err != nil {
		t.Fatalf("the Caddy under test is missing; make it with `make build`: %v", err)
	}
	return path
}

func chromiumPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("Chromium is missing; install it with `sh e2e/install.sh`: %v", err)
	}
	return path
}

// fpmPath gives the newest of Debian's php-fpm, which have their version in the
// name.
func fpmPath(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/sbin/php-fpm*")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("php-fpm is missing; install it with `sh e2e/install.sh`")
	}
	return slices.Max(found)
}

func phpPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("php")
	if err != nil {
		t.Fatalf("PHP is missing; install it with `sh e2e/install.sh`: %v", err)
	}
	return path
}

// pythonPath gives Debian's Python, which alone finds Debian's packages.
func pythonPath(t *testing.T) string {
	t.Helper()
	const path = "/usr/bin/python3"
	if output, err := exec.CommandContext(t.Context(), path, "-c", "import jwt, cryptography").CombinedOutput(); err != nil {
		t.Fatalf("Python, PyJWT or cryptography is missing; install them with `sh e2e/install.sh`: %v\n%s", err, output)
	}
	return path
}

// process is a program that runs until the test ends it.
type process struct {
	ended chan struct{} // closed when it is over
	err   error         // how it ended
	stop  context.CancelFunc
}

// start runs the command. It is asked to end by SIGTERM when the test does, and
// killed if it does not.
func start(t *testing.T, name string, args []string, prepare func(*exec.Cmd)) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // that of the test is over before its cleanup
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	prepare(cmd)
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatalf("starting %s: %v", name, err)
	}
	p := &process{ended: make(chan struct{}), stop: cancel}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() { p.end() })
	return p
}

// end asks the program to end, and waits for it.
func (p *process) end() {
	p.stop()
	<-p.ended
}

// during gives a context that is over when the program is.
func (p *process) during(limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("no answer within %s", limit))
	go func() {
		select {
		case <-p.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// outputFile takes what a program writes.
func outputFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
