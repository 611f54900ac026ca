package caddyauth0oidc

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// Every Caddyfile that the documentation shows can be loaded.
func TestCaddyfilesOfTheDocumentationAdapt(t *testing.T) {
	for name, value := range map[string]string{
		envDomain: "acme.eu.auth0.com", envClientID: "legacy", envClientSecret: "secret", envConnection: "acme-child",
	} {
		t.Setenv(name, value)
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^ *```caddyfile\n(.*?)^ *```$")
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := block.FindAllSubmatch(text, -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no Caddyfile", page)
		}
		for _, b := range blocks {
			if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(b[1], nil); err != nil {
				t.Errorf("%s: %v\n%s", page, err, b[1])
			}
		}
	}
}
