package e2e

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var caddyfileBlock = regexp.MustCompile("(?s)```caddyfile\n(.*?)```")

// readmeCaddyfile gives the first Caddyfile of README.md that has all the words,
// so that what is tested is what users copy.
func readmeCaddyfile(t *testing.T, words ...string) string {
	t.Helper()
	for _, m := range caddyfileBlock.FindAllStringSubmatch(readFile(t, filepath.Join("..", "README.md")), -1) {
		found := true
		for _, word := range words {
			found = found && strings.Contains(m[1], word)
		}
		if found {
			return m[1]
		}
	}
	t.Fatalf("README.md has no Caddyfile with %q", words)
	return ""
}

// proxySite is the README's shortest use, in front of an application.
func proxySite(t *testing.T, w *world) string {
	t.Helper()
	w.environment = []string{"AUTH0_CLIENT_ID=" + w.pair.App.ClientID}
	site := readmeCaddyfile(t, "domain ", "client_id ", "client_secret ", "connection ", "reverse_proxy ")
	site = replaceOnce(t, site, "app.example.com", w.base)
	site = replaceOnce(t, site, "acme.eu.auth0.com", "http://"+w.pair.Master.Host())
	site = replaceOnce(t, site, "/run/secrets/auth0_client_secret", filepath.Join(w.folder, "auth0_client_secret"))
	return replaceOnce(t, site, "legacy:8080", w.upstream)
}

// phpSite is the README's use in front of PHP, configured by the environment.
func phpSite(t *testing.T, w *world, folder, socket string) string {
	t.Helper()
	w.environment = []string{
		"AUTH0_DOMAIN=http://" + w.pair.Master.Host(), "AUTH0_CLIENT_ID=" + w.pair.App.ClientID,
		"AUTH0_CLIENT_SECRET=" + w.pair.App.ClientSecret, "AUTH0_CONNECTION=" + w.pair.Connection.Name,
	}
	site := readmeCaddyfile(t, "php_fastcgi ")
	site = replaceOnce(t, site, "intranet.example.com", w.base)
	site = replaceOnce(t, site, "/srv/intranet/public", folder)
	return replaceOnce(t, site, "/run/php/php-fpm.sock", socket)
}

// replaceOnce fails when the README does not say what it is expected to say.
func replaceOnce(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("%q stands %d times in the Caddyfile, want once:\n%s", old, n, text)
	}
	return strings.Replace(text, old, replacement, 1)
}
