package caddyauth0oidc

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// recipe is the site of a page's section, in front of the world's application.
func recipe(t *testing.T, page, heading string, replacements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n")
	site := regexp.MustCompile("(?s)```caddyfile\napp\\.example\\.com \\{\n(.*?)\n\\}\n").FindStringSubmatch(section)
	if site == nil {
		t.Fatalf("%s has no site below %q", page, heading)
	}
	replacements = append(replacements, "\tauth0_oidc\n", "\tauth0_oidc {\nSETTINGS\n}\n", "legacy:8080", "UPSTREAM", "api:8080", "UPSTREAM")
	return strings.NewReplacer(replacements...).Replace(site[1])
}

func TestRecipeOfMaintenanceLetsAdministratorsPass(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	w := newWorld(t, withSite(recipe(t, "recipes.md", "Maintenance", "/srv/state", state, "https://acme.com/roles", rolesClaim)))
	admin := w.signInWith(map[string]any{rolesClaim: []string{"admin"}})
	staff := w.signInWith(map[string]any{rolesClaim: []string{"staff"}})
	if response, _ := w.send(staff, "GET", "/reports", nil); response.StatusCode != 200 {
		t.Errorf("before: %d", response.StatusCode)
	}
	if err := os.WriteFile(filepath.Join(state, "maintenance.html"), []byte("Back soon."), 0o600); err != nil {
		t.Fatal(err)
	}
	response, body := w.send(staff, "GET", "/reports", nil)
	if response.StatusCode != 503 || response.Header.Get("Retry-After") != "600" || body != "Back soon." {
		t.Errorf("staff get %d %q %q", response.StatusCode, response.Header, body)
	}
	if response, _ := w.send(admin, "GET", "/reports", nil); response.StatusCode != 200 {
		t.Errorf("administrators get %d", response.StatusCode)
	}
	if response, _ := w.send(staff, "GET", "/auth/profile", nil); response.StatusCode != 200 {
		t.Errorf("the module's own routes answer %d", response.StatusCode)
	}
}

func TestRecipeOfOldAddressesNeedsNoLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(recipe(t, "migrating.md", "Old addresses")))
	for path, want := range map[string]string{"/oauth2/sign_out?rd=https%3A%2F%2Fevil.test%2F": "/auth/logout", "/oauth2/start": "/auth/login"} {
		response, _ := w.send(w.browser(), "GET", path, map[string]string{"Accept": "text/html"})
		if got := response.Header.Get("Location"); response.StatusCode != 302 || got != want {
			t.Errorf("%s: %d to %q, want %q", path, response.StatusCode, got, want)
		}
	}
}

func TestRecipeOfHealthChecksProtectsTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(recipe(t, "recipes.md", "Health checks without a login", "auth0_oidc @protected\n", "auth0_oidc @protected {\nSETTINGS\n}\n")))
	for path, want := range map[string]int{"/health": 200, "/reports": 401, "/health/x": 401, "/health?x=/reports": 200} {
		if response, _ := w.send(w.browser(), "GET", path, nil); response.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
		}
	}
}
