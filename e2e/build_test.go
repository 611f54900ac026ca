package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBuildHasTheModuleAndNotTheSimulator(t *testing.T) {
	t.Parallel()
	caddy := caddyPath(t)
	if modules := strings.Fields(run(t, caddy, "list-modules")); !slices.Contains(modules, "http.handlers.auth0_oidc") {
		t.Errorf("http.handlers.auth0_oidc is not among the %d words of list-modules", len(modules))
	}
	binary, err := os.ReadFile(caddy)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the binary has %.1f MB", float64(len(binary))/1e6)
	for name, want := range map[string]bool{"caddyauth0oidc/internal/session": true, "caddyauth0oidc/auth0sim": false} {
		if bytes.Contains(binary, []byte(name)) != want {
			t.Errorf("linked with %s: %t, want %t", name, !want, want)
		}
	}
}

func TestBuildIsOfTheCaddyInTheManifest(t *testing.T) {
	t.Parallel()
	var manifest struct {
		Version string `json:"caddy_version"`
	}
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join("..", "xcaddy.json"))), &manifest); err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(strings.TrimSpace(run(t, caddyPath(t), "version")), " ")
	if manifest.Version == "" || version != manifest.Version {
		t.Errorf("caddy version is %q, xcaddy.json says %q", version, manifest.Version)
	}
}

// run gives what the program writes, with a home of its own.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	home := t.TempDir()
	cmd.Env = []string{"HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CONFIG_HOME=" + home}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}
