package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The bill of materials names every module that Go says is in the binary, in its version.
func TestBillOfMaterialsIsThatOfTheBuild(t *testing.T) {
	t.Parallel()
	var bill struct {
		Format     string `json:"bomFormat"`
		Components []struct{ Name, Version string }
	}
	// `make sbom` writes it.
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join("..", "caddy.cdx.json"))), &bill); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]string)
	for _, c := range bill.Components {
		listed[c.Name] = c.Version
	}
	const plugin = "github.com/caddyauth0/caddy-auth0-oidc" // from the checkout, which Go calls by its folder
	modules := 0
	for line := range strings.Lines(run(t, program, "version", "-m", caddyPath(t))) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "dep" {
			continue
		}
		modules++
		if version, found := listed[fields[1]]; !found && fields[1] != plugin || found && version != fields[2] {
			t.Errorf("%s %s is listed: %t, as %q", fields[1], fields[2], found, version)
		}
	}
	if bill.Format != "CycloneDX" || modules < 50 || listed["std"] == "" || listed["../"+plugin] == "" {
		t.Errorf("%s of %d modules, std %q, the plugin %q", bill.Format, modules, listed["std"], listed["../"+plugin])
	}
}
