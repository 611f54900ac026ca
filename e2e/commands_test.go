package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// examined is what doctor says with --json.
type examined struct {
	Outcome  string `json:"outcome"`
	ExitCode int    `json:"exit_code"`
	Findings []struct{ Code, Severity, Remedy string }
}

// errorCodes are those of the findings that keep users from signing in.
func (e examined) errorCodes() (codes []string) {
	for _, f := range e.Findings {
		if f.Severity == "error" && f.Remedy != "" {
			codes = append(codes, f.Code)
		}
	}
	return codes
}

// doctor has the built Caddy examine the script's site with access to both tenants.
func (s *connectScript) doctor(t *testing.T) (e examined) {
	t.Helper()
	line := ". ./connect.env && exec " + caddyPath(t) + " auth0-oidc doctor --json --config Caddyfile --envfile site.env"
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", line)
	cmd.Dir, cmd.Env = s.folder, append(os.Environ(), "XDG_DATA_HOME="+s.file("data"), "XDG_CONFIG_HOME="+s.file("config"))
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &e); err != nil || code != e.ExitCode {
		t.Fatalf("doctor ends with %d, %v:\n%s%s", code, err, out, told.String())
	}
	return e
}

// What connect has set up is healthy; a secret that is not the application's is named.
func TestCommandsSetUpAndExamineASite(t *testing.T) {
	t.Parallel()
	caddyPath(t)
	s := newConnectScript(t)
	lines := s.lines(t, filepath.Join("..", "examples", "connect", "README.md"))
	t.Cleanup(func() { s.kill(t, "TENANTS_PID=", "connect.env") })
	s.run(t, strings.Join(lines[1:3], "\n"))
	if e := s.doctor(t); e.Outcome != "healthy" || e.ExitCode != 0 || len(e.Findings) == 0 {
		t.Errorf("after connect: %+v", e)
	}
	site := readFile(t, s.file("site.env"))
	broken := strings.Replace(site, "AUTH0_CLIENT_SECRET=", "AUTH0_CLIENT_SECRET=not-", 1)
	if err := os.WriteFile(s.file("site.env"), []byte(broken), 0o600); err != nil || broken == site {
		t.Fatalf("breaking the secret: %v", err)
	}
	if e := s.doctor(t); e.Outcome != "errors" || e.ExitCode != 4 || !slices.Equal(e.errorCodes(), []string{"client_secret_wrong"}) {
		t.Errorf("with another secret: %+v", e)
	}
}
