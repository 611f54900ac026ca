package caddyauth0oidc

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

// What no code can see to is told to the operator.
func TestHDR_41_HDR_45_HDR_47_ASVS_16_ReadmeTellsWhatIsLeftToTheOperator(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := strings.Join(strings.Fields(string(text)), " ")
	for id, sentence := range map[string]string{
		"HDR-41 Authorization":               "it passes as it came, and nothing of ours is put there",
		"HDR-45 connections that are shared": "`reverse_proxy` shares its connections between users",
		"HDR-47 direct access":               "Bind it to an address that only Caddy reaches",
		"ASVS-16 two lifetimes":              "The session here and the one at Auth0 end independently of each other",
		"ASVS-15 all sessions":               "To end all sessions, as after somebody read a secret, delete the file",
		"ASVS-13 copies of a cookie":         "A copy of a cookie that somebody took before the logout is no session any more",
	} {
		if !strings.Contains(readme, sentence) {
			t.Errorf("%s: the README does not say %q", id, sentence)
		}
	}
}
