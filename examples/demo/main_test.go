package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// A process has one Caddy, so the two ways to run the demo come one after the
// other.
func TestDemo(t *testing.T) {
	t.Parallel()
	t.Run("the story goes as it should", storyGoesAsItShould)
	t.Run("a person is told what to open, and everything ends with the context", personIsIntroduced)
}

func storyGoesAsItShould(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out, options{check: true}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, line := range []string{
		"1. A visitor who is not signed in opens /reports/2026?quarter=3",
		"the way: app/reports/2026, master/authorize, child/authorize, child/u/login",
		"the master is asked for connection: acme-child",
		"the master is asked for code_challenge_method: S256",
		"2. The visitor signs in at the child",
		"X-Auth0-User-Id: auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80",
		"X-Auth0-Child-User: auth0|563b9b6cf50bc24402a69b80",
		"cookies that the application saw: legacy_theme\n",
		"3. Scripts without a session",
		"fetch: type: application/problem+json",
		"4. Forged headers",
		"signed in, with all of them: headers lost: []",
		"signed in, with all of them: headers gained: []",
		"signed out, with X~Auth0!User+Id: status: 401",
		"5. Two more users",
		"X-Auth0-User-Id: auth0-oidc|acme-child|google-oauth2|103547991597142817347",
		"X-Auth0-Name: Zoë Łukasiewicz 日本",
		"6. Direct links",
		"return_to=https://evil.test/ ends at: http://app.localhost:",
		"7. /auth/profile",
		"user_id: auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80",
		"8. Signing out",
		"cookies that the plugin left: auth0_txn_signedout\n",
		"page: You are signed out",
		"sessions that ended at the master: 1",
		"9. A login through another connection",
		"the page: connection_mismatch",
		"Everything was as expected: 9 steps",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the story does not tell %q:\n%s", line, out.String())
		}
	}
}

func personIsIntroduced(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().(*net.TCPAddr).Port
	before := os.Getenv("AUTH0_CLIENT_SECRET")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &watched{stop: stop, at: "Ctrl-C"}
	if err := run(ctx, out, options{app: port, tenants: port}); err != nil {
		t.Fatal(err)
	}
	told := out.String()
	for _, part := range []string{
		"cannot be used; taking", "Open http://app.localhost:", "user-in-child@mail.com", "correct horse battery staple",
		"Continue with Google", "auth0_oidc {", "connection acme-child", "reverse_proxy 127.0.0.1:", "Ctrl-C", "Stopped.",
	} {
		if !strings.Contains(told, part) {
			t.Errorf("the introduction does not tell %q:\n%s", part, told)
		}
	}
	_, after, _ := strings.Cut(told, "Open http://")
	address, _, _ := strings.Cut(after, "/")
	conn, err := auth0sim.LoopbackTransport().DialContext(t.Context(), "tcp", address)
	if err == nil {
		_ = conn.Close()
		t.Errorf("%s still answers", address)
	}
	if got := os.Getenv("AUTH0_CLIENT_SECRET"); got != before {
		t.Error("the client secret stayed in the environment")
	}
}

// watched is an output that ends the demo when a text is written to it, so
// that the test waits for nothing else.
type watched struct {
	mu   sync.Mutex
	text strings.Builder
	stop context.CancelFunc
	at   string
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.Contains(string(p), w.at) {
		w.stop()
	}
	return w.text.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func TestCaddyfileIsFormattedAndNamesTheAddressesThatAreReplaced(t *testing.T) {
	t.Parallel()
	if formatted := string(caddyfile.Format([]byte(caddyfileText))); formatted != caddyfileText {
		t.Errorf("caddy fmt would write\n%s", formatted)
	}
	for _, address := range []string{appInFile, tenantsInFile, legacyInFile} {
		if strings.Count(caddyfileText, address) != 1 {
			t.Errorf("%s does not stand in the Caddyfile once", address)
		}
	}
}

func TestWhatIsNotAsExpectedEndsTheStoryWithAnAccountOfIt(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := tell(t.Context(), &story{out: &out}, []step{
		{"the sun rises", func(s *story) error {
			s.is("the sky", "dark", "light")
			s.contains("the song of the birds", "", "tweet")
			return nil
		}},
		{"nobody comes here", func(*story) error { t.Error("the story went on"); return nil }},
	})
	if !errors.Is(err, errUnexpected) {
		t.Fatalf("the story ended with %v", err)
	}
	for _, part := range []string{"step 1, the sun rises", "the sky: expected light, saw dark", "the song of the birds: expected tweet, saw nothing"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the account does not tell %q: %v", part, err)
		}
	}
	if !strings.Contains(out.String(), "NO   the sky: dark\n        expected: light") {
		t.Errorf("the story reads\n%s", out.String())
	}
}

func TestLegacyApplicationShowsAnythingThatLooksLikeAnIdentityAndEscapesIt(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/reports/2026?quarter=3", nil)
	r.Header = http.Header{
		"Accept": {"text/html"}, "X-Auth0-User-Id": {"auth0|1"}, "X-Auth0-Name": {"<b>Zoë</b>"}, "X_auth0_email": {"a@mail.com"},
		"X-Other": {"not shown"}, "Cookie": {"legacy_theme=plain"},
	}
	answer := httptest.NewRecorder()
	new(legacy).ServeHTTP(answer, r)
	page := answer.Body.String()
	for _, part := range []string{
		"Hello, &lt;b&gt;Zoë&lt;/b&gt;", "GET /reports/2026?quarter=3", "auth0|1", "X_auth0_email", "a@mail.com", "legacy_theme",
		`href="/auth/profile"`, `href="/auth/logout"`, `href="/reports/2026?quarter=3"`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q:\n%s", part, page)
		}
	}
	if strings.Contains(page, "not shown") || strings.Contains(page, "<b>") {
		t.Errorf("the page shows what it should not:\n%s", page)
	}
}
