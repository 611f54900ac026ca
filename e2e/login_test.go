package e2e

import (
	"bytes"
	"image/png"
	"path/filepath"
	"strings"
	"testing"
)

// The script of the README: at most ten commands from two empty tenants to a login
// in Chromium.
func TestReadmeScriptEndsWithALoginInChromium(t *testing.T) {
	t.Parallel()
	caddyPath(t)
	chromiumPath(t)
	s := newConnectScript(t)
	lines := s.lines(t, filepath.Join("..", "README.md"))
	// These two were needed to come here.
	if len(lines) > 10 || lines[0] != "make build" || lines[1] != "sh e2e/install.sh chromium" {
		t.Fatalf("the script is %q", lines)
	}
	t.Cleanup(func() { s.kill(t, "TENANTS_PID=", "connect.env") })
	t.Cleanup(func() { s.kill(t, "", "caddy.pid") })
	told := s.run(t, strings.Join(lines[2:], "\n"))
	for _, part := range []string{
		"302 http://app.localhost:", "/u/login\n", "/login/callback\n", "/auth/callback\n", "/reports\n\nThe page says",
		"GET /reports\n", "X-Auth0-Email: user-in-child@mail.com\n",
	} {
		if !strings.Contains(told, part) {
			t.Errorf("the script does not tell %q:\n%s", part, told)
		}
	}
	picture, err := png.Decode(bytes.NewReader([]byte(readFile(t, s.file("login.png")))))
	if err != nil || picture.Bounds().Dx() != 1280 {
		t.Errorf("the picture: %v, %v", picture, err)
	}
}
