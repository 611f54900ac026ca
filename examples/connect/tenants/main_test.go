package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// told hands over what is written first.
type told chan string

func (c told) Write(p []byte) (int, error) {
	c <- string(p)
	return len(p), nil
}

func TestTenantsAreEmptyAndTellTheEnvironment(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "connect.env")
	ctx, stop := context.WithCancel(t.Context())
	lines, done := make(told, 1), make(chan error, 1)
	go func() { done <- run(ctx, lines, options{env: file, app: "app.localhost:8080"}) }()
	select {
	case <-lines:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("the tenants do not answer")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		env[name] = strings.Trim(value, "'")
	}
	for _, name := range []string{
		"AUTH0_MANAGEMENT_CLIENT_ID", "AUTH0_MANAGEMENT_CLIENT_SECRET", "AUTH0_CHILD_MANAGEMENT_CLIENT_ID",
		"AUTH0_CHILD_MANAGEMENT_CLIENT_SECRET", "MASTER", "CHILD", "TENANTS_PID",
	} {
		if env[name] == "" {
			t.Errorf("%s is not told", name)
		}
	}
	transport := auth0sim.LoopbackTransport()
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get(env["MASTER"] + "/.well-known/openid-configuration")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", response, err)
	}
	_ = response.Body.Close()
	if err := run(ctx, io.Discard, options{login: env["MASTER"] + "/"}); err == nil || !strings.Contains(err.Error(), "no form to sign in with") {
		t.Errorf("a login at no site: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
