package caddyauth0oidc

import (
	"os"
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
	shown := 0
	block := regexp.MustCompile("(?ms)^ *```caddyfile\n(.*?)^ *```$")
	for _, page := range docPages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range block.FindAllSubmatch(text, -1) {
			shown++
			if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(b[1], nil); err != nil {
				t.Errorf("%s: %v\n%s", page, err, b[1])
			}
		}
	}
	if shown < 20 {
		t.Errorf("the documentation shows %d Caddyfiles", shown)
	}
}

// What no code can see to is told to the operator.
func TestHDR_41_HDR_45_HDR_47_ASVS_16_DocumentationTellsWhatIsLeftToTheOperator(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, page := range docPages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(strings.Join(strings.Fields(string(text)), " "))
	}
	for id, sentence := range map[string]string{
		"HDR-41 Authorization":               "it passes as it came, and nothing of ours is put there",
		"HDR-45 connections that are shared": "`reverse_proxy` shares its connections between users",
		"HDR-47 direct access":               "Bind it to an address that only Caddy reaches",
		"ASVS-16 two lifetimes":              "The session here and the one at Auth0 end independently of each other",
		"ASVS-15 all sessions":               "To end all sessions, as after somebody read a secret, delete the file",
		"ASVS-13 copies of a cookie":         "A copy of a cookie that somebody took before the logout is no session any more",
	} {
		if !strings.Contains(all.String(), sentence) {
			t.Errorf("%s: the documentation does not say %q", id, sentence)
		}
	}
}
