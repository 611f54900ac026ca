package e2e

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// The demonstration as a person sees it, who opens the address that it prints.
func demoStory(t *testing.T, browser context.Context) {
	demo, base := startDemo(t)
	b := newVisitor(t, browser)
	b.open(base + "/reports/2026?quarter=3")
	b.shoot("child-login")
	b.assertAt(b.signIn(auth0sim.User{Email: "zoe@mail.com"}), http.StatusOK, base+"/reports/2026?quarter=3")
	for look, m := range b.shoot("legacy") {
		if m.Overflow > 0 {
			t.Errorf("%s: the legacy application is %d pixels too wide", look, m.Overflow)
		}
	}
	if text := b.text(); !strings.Contains(text, "Hello, Zoë Łukasiewicz 日本") || !strings.Contains(text, "GET /reports/2026?quarter=3") {
		t.Errorf("the legacy application shows:\n%s", text)
	}
	b.assertSignedOut(b.move("signing out", chromedp.Click(`nav a[href="/auth/logout"]`, chromedp.ByQuery)), base)
	if text := b.text(); !strings.Contains(text, "You are signed out") {
		t.Errorf("after the logout:\n%s", text)
	}
	if demo.end(); !errors.Is(demo.err, context.Canceled) {
		t.Errorf("the demonstration ended with %v", demo.err)
	}
}

// startDemo gives the address that the demonstration tells people to open.
func startDemo(t *testing.T) (demo *process, base string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/demo")
	build.Dir = ".."
	began := time.Now()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the demonstration: %v\n%s", err, out)
	}
	t.Logf("built in %s", time.Since(began).Round(time.Millisecond))
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close() })
	demo = start(t, program, []string{"-app", "0", "-tenants", "0"}, func(cmd *exec.Cmd) {
		cmd.Stdout, cmd.Stderr = write, write
	})
	_ = write.Close() // the demonstration has its own now, so that reading ends when it does
	if err := read.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "Open "); ok {
			_ = read.SetReadDeadline(time.Time{})
			go func() { _, _ = io.Copy(io.Discard, read) }() // so that it never waits for a reader
			return demo, strings.TrimSuffix(address, "/")
		}
	}
	demo.end()
	t.Fatalf("the demonstration ended with %v before it told an address", demo.err)
	return nil, ""
}
