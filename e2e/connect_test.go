package e2e

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The script of examples/connect, as its README has it: from two empty tenants
// to a login, and nothing to do the second time.
func TestConnectScriptEndsWithALogin(t *testing.T) {
	t.Parallel()
	caddyPath(t)
	s := newConnectScript(t)
	lines := s.lines(t, filepath.Join("..", "examples", "connect", "README.md"))
	if len(lines) > 6 || lines[0] != "make build" {
		t.Fatalf("the script is %q", lines)
	}
	t.Cleanup(func() { s.kill(t, "TENANTS_PID=", "connect.env") })
	t.Cleanup(func() { s.kill(t, "", "caddy.pid") })
	told := s.run(t, strings.Join(lines[1:], "\n"))
	for _, part := range []string{
		"Done: 5 changes.", "200 GET  http://app.localhost:", "X-Auth0-Email: user-in-child@mail.com", "GET /reports",
		"/u/login", "/login/callback", "/auth/callback", "X-Auth0-User-Id: oidc|acme-child|auth0|",
	} {
		if !strings.Contains(told, part) {
			t.Errorf("the script does not tell %q:\n%s", part, told)
		}
	}
	told = s.run(t, ". "+s.file("connect.env")+"\n"+lines[2])
	if !strings.Contains(told, "Nothing to do") || strings.Contains(told, " create ") {
		t.Errorf("the second run tells\n%s", told)
	}
	for line := range strings.Lines(readFile(t, s.file("site.env"))) {
		if secret, ok := strings.CutPrefix(strings.TrimSpace(line), "AUTH0_CLIENT_SECRET="); ok && strings.Contains(s.told, secret) {
			t.Error("the client secret is shown")
		}
	}
}

// connectCommand runs the command on two empty tenants.
func connectCommand(t *testing.T) (cmd *exec.Cmd, master, child *auth0sim.Tenant) {
	t.Helper()
	network := auth0sim.NewNetwork()
	network.Keys = sharedKeys
	server := httptest.NewServer(network)
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	master, child = network.Tenant("http://master.localhost:"+port), network.Tenant("http://child.localhost:"+port)
	scopes := strings.Fields("create:connections read:connections update:connections delete:connections " +
		"create:clients read:clients update:clients delete:clients read:client_keys")
	m, c := master.AddManagementClient(scopes...), child.AddManagementClient(scopes...)
	cmd = exec.CommandContext(t.Context(), caddyPath(t), "auth0-oidc", "connect", "--master", master.Domain(), "--child", child.Domain(),
		"--connection", "acme-child", "--app-url", "http://app.localhost", "--yes")
	cmd.Env = []string{
		"HOME=" + t.TempDir(), "AUTH0_MANAGEMENT_CLIENT_ID=" + m.ClientID, "AUTH0_MANAGEMENT_CLIENT_SECRET=" + m.ClientSecret,
		"AUTH0_CHILD_MANAGEMENT_CLIENT_ID=" + c.ClientID, "AUTH0_CHILD_MANAGEMENT_CLIENT_SECRET=" + c.ClientSecret,
	}
	return cmd, master, child
}

// Ctrl-C, or the end of the terminal, in the middle, as a real process gets it: nothing is left of the run.
func TestConnectThatIsInterruptedLeavesNothing(t *testing.T) {
	t.Parallel()
	heard := make(chan os.Signal, 1) // a process below nohup would hand on that it ignores the signal
	signal.Notify(heard, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(heard) })
	for _, by := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			testConnectInterruptedBy(t, by)
		})
	}
}

func testConnectInterruptedBy(t *testing.T, by os.Signal) {
	cmd, master, child := connectCommand(t)
	told := &awaited{text: new(strings.Builder), part: "interrupted", seen: make(chan struct{})}
	var removed atomic.Int32
	count := func(_ http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPost && r.URL.Path == "/api/v2/connections":
			_ = cmd.Process.Signal(by)
			select { // the answer comes after the signal
			case <-told.seen:
			case <-time.After(10 * time.Second):
			}
		case r.Method == http.MethodDelete:
			removed.Add(1)
		}
		return false
	}
	for _, tenant := range []*auth0sim.Tenant{master, child} {
		tenant.Configure(func(s *auth0sim.Settings) { s.Intercept = count })
	}
	cmd.Stderr = told
	err := cmd.Run()
	out := told.text.String()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || removed.Load() != 3 || !strings.Contains(string(out), "taking back") {
		t.Errorf("%v, %d removed:\n%s", err, removed.Load(), out)
	}
}

// Whoever read what is told has gone, as behind `| head`.
func TestConnectThatNobodyListensToGoesOn(t *testing.T) {
	t.Parallel()
	cmd, _, _ := connectCommand(t)
	read, write, err := os.Pipe()
	if err == nil {
		err = read.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, write
	if err := errors.Join(cmd.Run(), write.Close()); err != nil || !strings.Contains(out.String(), "Done: 4 changes.") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

func TestConnectWithWrongWordsEndsWith2(t *testing.T) {
	t.Parallel()
	for _, words := range [][]string{{"conect"}, {"connect", "extra"}, {"connect", "--no-such-flag"}} {
		var exit *exec.ExitError
		err := exec.CommandContext(t.Context(), caddyPath(t), append([]string{"auth0-oidc"}, words...)...).Run()
		if !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("%q: %v", words, err)
		}
	}
}

// awaited is an output that tells when a text has come.
type awaited struct {
	text *strings.Builder
	part string
	seen chan struct{}
	once sync.Once
}

// Write is called by one goroutine of a command.
func (a *awaited) Write(p []byte) (int, error) {
	n, err := a.text.Write(p)
	if strings.Contains(a.text.String(), a.part) {
		a.once.Do(func() { close(a.seen) })
	}
	return n, err
}

// connectScript runs lines of the script with files and ports of its own.
type connectScript struct {
	folder       string
	replacements *strings.Replacer
	told         string
}

func newConnectScript(t *testing.T) *connectScript {
	t.Helper()
	s := &connectScript{folder: t.TempDir()}
	app, tenants := freePort(t), freePort(t)
	ports := strings.NewReplacer("8080", app, "9090", tenants)
	caddyfile := "{\n\tadmin off\n}\n" + ports.Replace(readFile(t, filepath.Join("..", "examples", "connect", "Caddyfile")))
	if err := os.WriteFile(s.file("Caddyfile"), []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	s.replacements = strings.NewReplacer("8080", app, "-background &&", "-background -port "+tenants+" -app app.localhost:"+app+
		" -env "+s.file("connect.env")+" &&", "./connect.env", s.file("connect.env"), "site.env", s.file("site.env"), "../login.png", s.file("login.png"),
		"examples/connect/Caddyfile", s.file("Caddyfile"), "caddy.pid", s.file("caddy.pid"))
	return s
}

func (s *connectScript) file(name string) string { return filepath.Join(s.folder, name) }

// lines gives the script of a README.
func (s *connectScript) lines(t *testing.T, readme string) []string {
	t.Helper()
	for _, m := range shellBlock.FindAllStringSubmatch(readFile(t, readme), -1) {
		if strings.Contains(m[1], "./examples/connect/tenants -background") {
			return strings.Split(strings.TrimSpace(m[1]), "\n")
		}
	}
	t.Fatalf("%s has no script", readme)
	return nil
}

// run gives what the lines write. It goes to a file, which the programs that stay
// in the background may keep open.
func (s *connectScript) run(t *testing.T, lines string) string {
	t.Helper()
	out := outputFile(t, s.file("told-"+strconv.Itoa(len(s.told))))
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", s.replacements.Replace(lines))
	cmd.Dir, cmd.Stdout, cmd.Stderr = "..", out, out
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+s.file("data"), "XDG_CONFIG_HOME="+s.file("config"))
	err := cmd.Run()
	told := readFile(t, out.Name())
	s.told += told
	if err != nil {
		t.Fatalf("%v:\n%s", err, told)
	}
	return told
}

// kill ends the process whose number stands in a file behind some text.
func (s *connectScript) kill(t *testing.T, before, name string) {
	text, err := os.ReadFile(s.file(name))
	if err != nil {
		return // it did not come so far
	}
	_, number, _ := strings.Cut(string(text), before)
	number, _, _ = strings.Cut(strings.Trim(number, "'\n"), "'")
	pid, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || pid < 2 {
		t.Errorf("%s has no process in it: %v", name, err)
		return
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Errorf("ending process %d of %s: %v", pid, name, err)
	}
	ticker := time.NewTicker(20 * time.Millisecond) // nobody here can wait for a process of somebody else
	defer ticker.Stop()
	for range 500 {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		<-ticker.C
	}
	t.Errorf("process %d of %s did not end", pid, name)
}

// freePort is one that was free a moment ago; programs that start others cannot
// be handed an open one.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
