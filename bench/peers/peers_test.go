package peers

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Programs that no package of Debian has are proven where they are given:
//
//	go test ./peers -oauth2-proxy /usr/local/bin/oauth2-proxy
var (
	oauth2Proxy   = flag.String("oauth2-proxy", "", "path of oauth2-proxy")
	caddySecurity = flag.String("caddy-security", "", "path of a Caddy with caddy-security")
)

// newOptions starts the tenants and an application.
func newOptions(t *testing.T) Options {
	t.Helper()
	tenants, err := StartTenants()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tenants.Close(); err != nil {
			t.Error(err)
		}
	})
	witness := &Witness{Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the application")
	})}
	upstream := httptest.NewServer(witness)
	t.Cleanup(upstream.Close)
	folder := t.TempDir()
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = log.Close()
		if content, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("log of the programs:\n%s", content)
		}
	})
	return Options{
		Upstream: upstream.URL, Witness: witness, Tenants: tenants, Folder: folder, Log: log,
		OAuth2ProxyBinary: *oauth2Proxy, CaddySecurityBinary: *caddySecurity,
	}
}

func TestApacheRunsBareAndWithBothKindsOfSessions(t *testing.T) {
	t.Parallel()
	bare, oidc, err := Apache(t.Context(), newOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if bare.Cookie != "" || bare.SignIn != nil || len(oidc) != 2 {
		t.Errorf("the bare proxy has sessions, or %d others are there", len(oidc))
	}
	for _, peer := range append([]*Peer{bare}, oidc...) {
		checkPeer(t, peer)
		if n := len(peer.PIDs()); n < 5 {
			t.Errorf("%s has %d processes, and should have a parent and 4 children", peer.Name, n)
		}
		checkStop(t, peer)
	}
}

func TestGivenProgramsRun(t *testing.T) {
	t.Parallel()
	o := newOptions(t)
	for path, start := range map[*string]func() ([]*Peer, error){
		oauth2Proxy:   func() ([]*Peer, error) { return OAuth2Proxy(t.Context(), o) },
		caddySecurity: func() ([]*Peer, error) { return CaddySecurity(t.Context(), o) },
	} {
		started, err := start()
		if *path == "" {
			if !errors.Is(err, errNoPath) {
				t.Errorf("without a path: %v", err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
		}
		for _, peer := range started {
			checkPeer(t, peer)
			checkStop(t, peer)
		}
	}
}

// checkPeer loads a peer a little, with its own session and a new one.
func checkPeer(t *testing.T, peer *Peer) {
	t.Helper()
	cookies := []string{peer.Cookie}
	if peer.SignIn != nil {
		other, err := peer.SignIn(t.Context())
		if err != nil || other == peer.Cookie || peer.Cookie == "" {
			t.Errorf("%s: signing in again gives no other session: %v", peer.Name, err)
		}
		cookies = append(cookies, other)
	}
	t.Logf("%s: %d bytes of cookies, %d processes", peer.Name, len(peer.Cookie), len(peer.PIDs()))
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	for i := range 20 {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, peer.URL+"some/page", nil)
		if cookie := cookies[i%len(cookies)]; cookie != "" {
			req.Header.Set("Cookie", cookie)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || string(body) != "the application" {
			t.Fatalf("%s: request %d is answered with %d and %d bytes: %v", peer.Name, i, resp.StatusCode, len(body), err)
		}
	}
}

func checkStop(t *testing.T, peer *Peer) {
	t.Helper()
	for range 2 {
		if err := peer.Stop(); err != nil {
			t.Errorf("%s: %v", peer.Name, err)
		}
	}
	if left := peer.PIDs(); len(left) != 0 {
		t.Errorf("%s: %d processes are left", peer.Name, len(left))
	}
}

func TestMissingApacheTellsTheRemedy(t *testing.T) {
	t.Parallel()
	_, _, err := Apache(t.Context(), Options{ApacheBinary: filepath.Join(t.TempDir(), "apache2")})
	if err == nil || !strings.Contains(err.Error(), "sh bench/install.sh") {
		t.Errorf("the error is: %v", err)
	}
}

// A configuration that is refused must not leave anything behind, and the reason
// is in the log.
func TestProgramThatEndsAtOnceIsAnError(t *testing.T) {
	t.Parallel()
	o := newOptions(t)
	_, err := o.startAll(t.Context(), []program{{
		name: "shell", path: "/bin/sh",
		arguments: func(place) ([]string, error) { return []string{"-c", "echo reason >&2; exit 3"}, nil },
	}})
	if !errors.Is(err, errEndedEarly) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the error is: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(o.Folder, "log")); err != nil || string(text) != "reason\n" {
		t.Errorf("the log is %q: %v", text, err)
	}
}

func TestFamilyHasChildrenOfChildren(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `sh -c "cat; :"; :`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	// All three run when the last of them answers, and end when it reads the end.
	if _, err := io.WriteString(in, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if all := p.family(); len(all) != 3 {
		t.Errorf("%d processes are found", len(all))
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	<-p.ended
	if all := p.family(); len(all) != 0 {
		t.Errorf("%d processes are found after the end", len(all))
	}
}

func TestProgramThatIsEndedBeforeItListensIsAnError(t *testing.T) {
	t.Parallel()
	address, release, err := reserveAddress() // nobody listens there
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := startProcess(ctx, exec.Command("/bin/sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	if attributes := p.cmd.SysProcAttr; attributes.Pdeathsig != syscall.SIGTERM {
		t.Errorf("it would outlive this program: %+v", attributes)
	}
	cancel()
	<-p.ended
	if err := p.awaitListener(t.Context(), address); !errors.Is(err, errStopped) {
		t.Errorf("the error is: %v", err)
	}
	if err := p.awaitListener(ctx, address); err == nil {
		t.Error("with the context that is over there is no error")
	}
}
