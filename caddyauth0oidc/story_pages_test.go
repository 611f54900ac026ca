package caddyauth0oidc

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
)

// ownPages gives a line of the directive with a directory of these files.
func ownPages(t *testing.T, files map[string]string) worldOption {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return withSettings("pages " + folder + "\n")
}

func TestPagesSpeakTheLanguageOfTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for accepted, want := range map[string]struct{ lang, text string }{
		"": {"en", "This sign-in cannot be finished"}, "de-CH, en;q=0.5": {"de", "Diese Anmeldung kann nicht abgeschlossen werden"},
		"es": {"es", "Este inicio de sesión"}, "fr": {"fr", "Cette connexion"}, "ja": {"ja", "このサインインを完了できません"}, "xx, nl": {"en", "This sign-in"},
	} {
		response, body := w.send(w.browser(), "GET", "/auth/callback?code=x&state=y", map[string]string{"Accept": "text/html", "Accept-Language": accepted})
		if response.Header.Get("Content-Language") != want.lang || !strings.Contains(body, `<html lang="`+want.lang+`" dir="ltr">`) || !strings.Contains(body, want.text) {
			t.Errorf("%q: %s\n%s", accepted, response.Header.Get("Content-Language"), body)
		}
		if !strings.Contains(strings.Join(response.Header.Values("Vary"), ","), "Accept-Language") || !strings.Contains(body, codeBadState) {
			t.Errorf("%q: Vary %q", accepted, response.Header.Values("Vary"))
		}
	}
	response, body := w.send(w.browser(), "GET", "/auth/callback?code=x&state=y", map[string]string{"Accept": "application/json", "Accept-Language": "de"})
	if !strings.Contains(body, "was never begun here") || response.Header.Get("Content-Language") != "" {
		t.Errorf("what programs get: %v\n%s", response.Header, body)
	}
}

func TestOutagePageSaysWhenToTryAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pair.Master.Down(true)
	response, body := w.send(w.browser(), "GET", "/x", map[string]string{"Accept": "text/html"})
	after := response.Header.Get("Retry-After")
	told := "You can try again in " + after + " seconds."
	if after == "1" {
		told = "You can try again in one second."
	}
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, told) || !strings.Contains(body, ">Try again</a>") || strings.Contains(body, "http-equiv") {
		t.Errorf("%d after %q\n%s", response.StatusCode, after, body)
	}
}

// ASVS-02: a template of the operator's gets images and its own style allowed, and no more.
func TestASVS_02_OwnTemplatesStayWithinThePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownPages(t, map[string]string{
		"error.html": `<html lang="{{.Lang}}"><head>{{template "head" .}}<style>p{color:red}</style></head><body><p>Acme</p>{{template "content" .}}</body></html>`,
	}))
	accept := map[string]string{"Accept": "text/html"}
	response, body := w.send(w.browser(), "GET", "/auth/callback?code=x&state=y", accept)
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.Contains(body, "<p>Acme</p>") || !strings.Contains(policy, "img-src 'self' data:; ") || strings.Count(policy, "'sha256-") != 2 ||
		!strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "script-src") || strings.Contains(policy, "unsafe") {
		t.Errorf("%s\n%s", policy, body)
	}
	response, body = w.send(w.browser(), "GET", "/auth/logout", accept)
	if policy = response.Header.Get("Content-Security-Policy"); strings.Contains(body, "Acme") || strings.Contains(policy, "img-src") || strings.Count(policy, "'sha256-") != 1 {
		t.Errorf("a page of another kind: %s\n%s", policy, body)
	}
	if response, _ = w.send(w.browser(), "GET", "/error.html", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the template as a file: %d", response.StatusCode)
	}
}

func TestOwnTemplateThatFailsIsLoggedAndReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownPages(t, map[string]string{"error.html": `half{{if eq .Code "bad_state"}}{{index .Links 99}}{{end}}`}))
	response, body := w.send(w.browser(), "GET", "/auth/callback?code=x&state=y", map[string]string{"Accept": "text/html"})
	if response.StatusCode != http.StatusBadRequest || strings.HasPrefix(body, "half") || !strings.Contains(body, "This sign-in cannot be finished") {
		t.Errorf("%d\n%s", response.StatusCode, body)
	}
	if logs := w.logs(); !strings.Contains(logs, "the built-in one takes its place") || !strings.Contains(logs, "error.html:1") {
		t.Error("the log does not say so")
	}
}

// Every title of the language files is that of a code, or of one of these pages.
func TestEveryTextIsOfAPage(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("refuse.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range pages.English().Titles() {
		code := strings.TrimPrefix(base, tokenTexts)
		switch base {
		case "confirm_logout", "chooser", "send_form", "ask_form", "ask_form_after":
		default:
			if !strings.Contains(string(source), `= "`+code+`"`) {
				t.Errorf("'%s' is the title of no page", base)
			}
		}
	}
}
