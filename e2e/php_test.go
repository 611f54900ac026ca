package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// phpWorld is the README's Caddyfile for PHP, with Debian's php-fpm behind it.
// The directive takes the place of the bare one.
func phpWorld(t *testing.T, directive string) *world {
	t.Helper()
	socket := startFPM(t)
	folder := serverFolder(t, "php")
	return newWorld(t, "http", func(t *testing.T, w *world) string {
		return replaceOnce(t, phpSite(t, w, folder, socket), "auth0_oidc\n", directive+"\n")
	})
}

// fpmConfig is a pool of its own. As root, php-fpm wants to be told whom its
// workers belong to; for anybody else it ignores that.
const fpmConfig = `[global]
error_log = %[1]s/fpm.log
daemonize = no
[e2e]
listen = %[1]s/s
user = root
group = root
pm = static
pm.max_children = 2
`

// startFPM gives the socket on which php-fpm listens.
func startFPM(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "fpm") // short, because the path of a socket has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	config := filepath.Join(folder, "fpm.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, fpmConfig, folder), 0o600); err != nil {
		t.Fatal(err)
	}
	output := outputFile(t, filepath.Join(folder, "output"))
	fpm := start(t, fpmPath(t), []string{"-F", "-R", "-y", config}, func(cmd *exec.Cmd) {
		cmd.Dir, cmd.Stdout, cmd.Stderr = folder, output, output
	})
	socket := filepath.Join(folder, "s")
	err = fpm.await(20*time.Second, func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "unix", socket)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		return conn.Close()
	})
	if err != nil {
		t.Fatalf("php-fpm does not listen: %v\n%s", err, readFile(t, filepath.Join(folder, "output")))
	}
	return socket
}

// server asks PHP for its $_SERVER.
func (w *world) server(b *auth0sim.Browser, header http.Header) map[string]string {
	w.t.Helper()
	status, body := w.fetch(b, "/report.php/2026?quarter=3", header)
	answer, err := readReport(strings.NewReader(body))
	if err != nil || status != http.StatusOK {
		w.t.Fatalf("PHP answered %d %s: %v", status, body, err)
	}
	variables := make(map[string]string)
	for _, v := range answer.Variables {
		if v.Of == "$_SERVER" {
			variables[v.Name] = v.bytes(w.t)
		}
	}
	return variables
}

func TestPHPSeesTheUser(t *testing.T) {
	t.Parallel()
	w := phpWorld(t, "auth0_oidc")
	b := w.browser()
	page := w.signIn(b, deepLink, w.pair.Accented)
	if page.Status != http.StatusOK || page.URL.String() != w.base+deepLink {
		t.Fatalf("ended at %d %s", page.Status, page.URL)
	}
	u, id := w.pair.Accented, w.pair.MasterUserID(w.pair.Accented)
	saw := w.server(b, nil)
	for name, want := range map[string]string{
		"REMOTE_USER": id, "HTTP_X_AUTH0_USER_ID": id, "HTTP_X_AUTH0_NAME": u.Name, "HTTP_X_AUTH0_FAMILY_NAME": u.FamilyName,
		"HTTP_X_AUTH0_GIVEN_NAME": u.GivenName, "HTTP_X_AUTH0_EMAIL": u.Email, "HTTP_X_AUTH0_EMAIL_VERIFIED": "true",
		"HTTP_X_AUTH0_CONNECTION": "acme-child", "HTTP_X_AUTH0_CHILD_USER": u.ID, "QUERY_STRING": "quarter=3",
	} {
		if saw[name] != want {
			t.Errorf("$_SERVER[%s] is %q, want %q", name, saw[name], want)
		}
		t.Logf("$_SERVER[%s] = %s", name, saw[name])
	}
}

func TestPHPGetsNothingForged(t *testing.T) {
	t.Parallel()
	w := phpWorld(t, "auth0_oidc {\n\t\tunauthenticated pass\n\t}")
	signedIn := w.browser()
	w.signIn(signedIn, "/auth/login?return_to=/", w.pair.User)
	pending := w.browser()
	if _, err := pending.Step(w.base + "/auth/login"); err != nil {
		t.Fatal(err)
	}
	for _, visitor := range []struct {
		name    string
		browser *auth0sim.Browser
		user    string
	}{
		{"signed in", signedIn, w.pair.MasterUserID(w.pair.User)},
		{"signed out", w.browser(), ""},
		{"with a pending login", pending, ""},
	} {
		visitor.browser.SetCookie(w.base, &http.Cookie{Name: "theme", Value: "plain", Path: "/"})
		all := http.Header{}
		for _, alias := range aliases {
			all[alias.name] = []string{marker}
			t.Run(visitor.name+" "+alias.id, func(t *testing.T) {
				assertServer(t, w.server(visitor.browser, http.Header{alias.name: {marker}}), visitor.user)
			})
		}
		t.Run(visitor.name+" all at once", func(t *testing.T) { assertServer(t, w.server(visitor.browser, all), visitor.user) })
	}
}

// assertServer wants the user and the application's cookie, and neither what was
// forged nor a cookie of ours.
func assertServer(t *testing.T, saw map[string]string, user string) {
	t.Helper()
	for name, value := range saw {
		text := name + "=" + value
		if strings.Contains(text, marker) || strings.Contains(text, "auth0_session") || strings.Contains(text, "auth0_txn") {
			t.Errorf("$_SERVER has %s", text)
		}
		if user == "" && strings.HasPrefix(name, "HTTP_X_AUTH0_") {
			t.Errorf("$_SERVER has %s", text)
		}
	}
	remote, id, cookies := saw["REMOTE_USER"], saw["HTTP_X_AUTH0_USER_ID"], saw["HTTP_COOKIE"]
	if remote != user || id != user || cookies != "theme=plain" {
		t.Errorf("REMOTE_USER %q, user id %q, cookies %q; want the user %q", remote, id, cookies, user)
	}
}
