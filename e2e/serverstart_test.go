package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"
)

// served is an application of testdata/servers behind its server.
type served struct {
	name  string // of the folder
	route string // the handler of Caddy that reaches it

	header func(name string) []string // the places where the application has a header
	user   []string                   // further places where it has the user
	strict bool                       // the server itself drops names with other bytes than letters, digits and hyphens
}

// startServers starts every server, the slowest first, and waits for all of them.
func startServers(t *testing.T) []served {
	t.Helper()
	began := time.Now()
	tomcat, gunicorn := startTomcat(t), startGunicorn(t)
	all := []served{
		servedByPHP(t),
		{
			name: "cgi", route: "reverse_proxy " + startApache(t),
			header: func(name string) []string { return []string{"%ENV " + cgiName(name)} }, strict: true,
		},
		{
			name: "wsgi", route: "reverse_proxy " + gunicorn(),
			header: func(name string) []string { return []string{"environ " + cgiName(name)} },
		},
		{
			name: "servlet", route: "reverse_proxy " + tomcat(),
			header: func(name string) []string { return []string{"getHeaders() " + name} },
		},
	}
	t.Logf("%d servers answer %s after their start", len(all), time.Since(began).Round(time.Millisecond))
	return all
}

func servedByPHP(t *testing.T) served {
	t.Helper()
	return served{
		name:  "php",
		route: fmt.Sprintf("root * %s\n\t\tphp_fastcgi unix/%s", serverFolder(t, "php"), startFPM(t)),
		header: func(name string) []string {
			return []string{"$_SERVER " + cgiName(name), "getenv() " + cgiName(name), "getallheaders() " + name}
		},
		user: []string{"$_SERVER REMOTE_USER", "getenv() REMOTE_USER"},
	}
}

// cgiName is the name of a header in CGI (RFC 3875 section 4.1.18).
func cgiName(header string) string {
	return "HTTP_" + strings.ToUpper(strings.ReplaceAll(header, "-", "_"))
}

func serverFolder(t *testing.T, name string) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("testdata", "servers", name))
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// apacheTries bounds how often Apache may find its port taken.
const apacheTries = 5

// startApache gives the address of an Apache with a CGI program. It takes no
// socket that is open already, so its port may be gone when it starts.
func startApache(t *testing.T) (address string) {
	t.Helper()
	var output string
	for range apacheTries {
		var err error
		if address, output, err = tryApache(t); err == nil {
			return address
		}
		if !strings.Contains(output, "Address already in use") {
			t.Fatalf("Apache does not answer: %v\n%s", err, output)
		}
	}
	t.Fatalf("Apache found %d ports taken:\n%s", apacheTries, output)
	return ""
}

func tryApache(t *testing.T) (address, output string, err error) {
	t.Helper()
	const modules = "/usr/lib/apache2/modules"
	program := installed(t, "/usr/sbin/apache2", modules+"/mod_cgid.so", "/usr/bin/perl")
	address = freeAddress(t)
	folder := apacheFolder(t)
	config, err := template.ParseFiles(filepath.Join(serverFolder(t, "cgi"), "httpd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	values := map[string]any{"Folder": folder, "Address": address, "Modules": modules, "Root": os.Getuid() == 0}
	if err := config.Execute(&text, values); err != nil {
		t.Fatal(err)
	}
	path, log := filepath.Join(folder, "httpd.conf"), filepath.Join(folder, "output")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	apache := startServer(t, log, program, "-DFOREGROUND", "-f", path)
	err = apache.awaitReport(address)
	return address, readFile(t, log), err
}

// apacheFolder has the program, where the user of Apache's children gets at it.
func apacheFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "cgi") // short, because the path of a socket has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // it has no secret
		t.Fatal(err)
	}
	const name = "echo.cgi"
	program := readFile(t, filepath.Join(serverFolder(t, "cgi"), name))
	if err := os.WriteFile(filepath.Join(folder, name), []byte(program), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	return folder
}

// startGunicorn starts a WSGI server on a socket that is open already; the function
// waits for it and gives its address.
func startGunicorn(t *testing.T) func() (address string) {
	t.Helper()
	at, socket := openSocket(t)
	defer func() { _ = socket.Close() }()
	address, folder := at.String(), t.TempDir()
	log := filepath.Join(folder, "output")
	output := outputFile(t, log)
	gunicorn := start(t, installed(t, "/usr/bin/gunicorn"), []string{
		"--bind", "fd://3", "--pythonpath", serverFolder(t, "wsgi"), "--worker-tmp-dir", folder, "echo:application",
	}, func(cmd *exec.Cmd) {
		cmd.Dir, cmd.Stdout, cmd.Stderr = folder, output, output
		cmd.Env = append(serverEnvironment(folder), "PYTHONDONTWRITEBYTECODE=1")
		cmd.ExtraFiles = []*os.File{socket}
	})
	return func() string {
		t.Helper()
		if err := gunicorn.awaitReport(address); err != nil {
			t.Fatalf("gunicorn does not answer: %v\n%s", err, readFile(t, log))
		}
		return address
	}
}

// startTomcat starts a servlet container, which takes a port by itself; the
// function waits for it and gives its address.
func startTomcat(t *testing.T) func() (address string) {
	t.Helper()
	base := t.TempDir()
	for _, name := range []string{"conf", "temp", "applications"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := readFile(t, filepath.Join(serverFolder(t, "servlet"), "server.xml"))
	if err := os.WriteFile(filepath.Join(base, "conf", "server.xml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(base, "output")
	tomcat := startServer(t, log, installed(t, "/usr/bin/java"), "-Xmx128m", "-XX:TieredStopAtLevel=1",
		"-Dcatalina.base="+base, "-Dcatalina.home="+base, "-Djava.io.tmpdir="+filepath.Join(base, "temp"),
		"-Decho.folder="+serverFolder(t, "servlet"), "-cp", tomcatClasses(t),
		"org.apache.catalina.startup.Tomcat", "--await", "--no-jmx")
	return func() string {
		t.Helper()
		address, err := tomcat.awaitPort(t, log)
		if err == nil {
			err = tomcat.awaitReport(address)
		}
		if err != nil {
			t.Fatalf("Tomcat does not answer: %v\n%s", err, readFile(t, log))
		}
		return address
	}
}

// tomcatClasses is the class path: all of Debian's libtomcat10-java but
// translations and what clusters and databases need.
func tomcatClasses(t *testing.T) string {
	t.Helper()
	const folder = "/usr/share/java/"
	var jars []string
	for _, name := range []string{
		"annotations-api", "api", "catalina", "coyote", "el-api", "jasper", "jasper-el", "jaspic-api", "jni", "jsp-api",
		"juli", "servlet-api", "util", "util-scan", "websocket-api", "websocket-client-api",
	} {
		jars = append(jars, folder+"tomcat10-"+name+".jar")
	}
	jars = append(jars, folder+"eclipse-jdt-core.jar")
	installed(t, jars...)
	return strings.Join(jars, ":")
}

var tomcatPort = regexp.MustCompile(`Starting ProtocolHandler \["http-nio-127\.0\.0\.1-auto-\d+-(\d+)"\]`)

func (p *process) awaitPort(t *testing.T, log string) (address string, err error) {
	t.Helper()
	err = p.await(60*time.Second, func(context.Context) error {
		m := tomcatPort.FindStringSubmatch(readFile(t, log))
		if m == nil {
			return errors.New("it has no port yet")
		}
		address = net.JoinHostPort("127.0.0.1", m[1])
		return nil
	})
	return address, err
}

// awaitReport asks until the application answers.
func (p *process) awaitReport(address string) error {
	transport := loopbackTransport()
	defer transport.CloseIdleConnections()
	return p.await(60*time.Second, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = readReport(resp.Body)
		return err
	})
}

// await tries until it succeeds, the limit is over or the program is; the error is
// the last one.
func (p *process) await(limit time.Duration, try func(context.Context) error) error {
	ctx, cancel := p.during(limit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// startServer starts a program in the folder of its output.
func startServer(t *testing.T, log, program string, args ...string) *process {
	t.Helper()
	output := outputFile(t, log)
	return start(t, program, args, func(cmd *exec.Cmd) {
		cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(log), output, output
		cmd.Env = serverEnvironment(cmd.Dir)
	})
}

// serverEnvironment has nothing that an application would then have too.
func serverEnvironment(home string) []string {
	return []string{"PATH=/usr/bin:/bin", "HOME=" + home, "LC_ALL=C"}
}

// installed gives the first of the files, all of which are of Debian's packages.
func installed(t *testing.T, files ...string) string {
	t.Helper()
	for _, name := range files {
		if _, err := os.Stat(name); err != nil {
			t.Fatalf("a server is missing; install it with `sh e2e/install.sh`: %v", err)
		}
	}
	return files[0]
}

// freeAddress is one that nobody uses at this moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}
