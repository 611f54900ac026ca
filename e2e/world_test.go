// Package e2e answers whether the module works where its users have it: in a
// Caddy of its own that xcaddy built, in front of real applications, for a real
// browser.
package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// sharedKeys sign for every simulated tenant, because making RSA keys is slow.
var sharedKeys = auth0sim.NewKeyPool()

// world is a site behind Caddy, both tenants, and an application that remembers
// what reached it, all on loopback.
type world struct {
	t        *testing.T
	pair     *auth0sim.Pair
	operator auth0sim.User // of the master itself, and no user of the connection
	app      *application
	base     string // of the site, without a slash at its end
	upstream string // address of the application
	folder   string // of Caddy

	environment []string // that the site refers to
	options     string   // of Caddy's servers, besides the protocols
	socket      *os.File // on which Caddy listens
	caddy       *process
}

// siteOf writes the site block, and sets the environment that it refers to and the
// options, once the addresses are known.
type siteOf func(*testing.T, *world) string

// newWorld starts everything; scheme is that of the site.
func newWorld(t *testing.T, scheme string, site siteOf) *world {
	t.Helper()
	w := &world{t: t, app: new(application), folder: t.TempDir()}
	w.base = scheme + "://" + w.listen()
	network := auth0sim.NewNetwork()
	network.Keys = sharedKeys
	tenants := httptest.NewServer(network)
	t.Cleanup(tenants.Close)
	_, port, err := net.SplitHostPort(tenants.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w.pair = auth0sim.NewPair(network, w.base, auth0sim.WithDomains("http://master.localhost:"+port, "http://child.localhost:"+port))
	w.operator = w.pair.Master.AddUser(auth0sim.User{Email: "operator@mail.com", Password: auth0sim.PairPassword})
	w.pair.Master.Enable(auth0sim.DatabaseConnection, w.pair.App.ClientID)
	upstream := httptest.NewServer(w.app)
	t.Cleanup(upstream.Close)
	w.upstream = upstream.Listener.Addr().String()
	// Files of secrets mostly end with a line break.
	w.write("auth0_client_secret", w.pair.App.ClientSecret+"\n")
	block := site(t, w)
	w.write("Caddyfile", fmt.Sprintf(globalOptions, w.options)+"\n"+block)
	w.startCaddy()
	return w
}

// globalOptions keep Caddy to the socket it is given.
const globalOptions = `{
	admin off
	auto_https disable_redirects
	skip_install_trust
	default_bind fd/3
	grace_period 2s
	log {
		level DEBUG
	}
	servers {
		protocols h1 h2
		%s
	}
}
`

// listen opens the socket that Caddy inherits: nobody else can take the port in
// between, and whoever connects before Caddy is ready waits.
func (w *world) listen() (host string) {
	w.t.Helper()
	at, socket := openSocket(w.t)
	w.t.Cleanup(func() { _ = socket.Close() })
	w.socket = socket
	return fmt.Sprintf("app.localhost:%d", at.Port)
}

// openSocket gives a socket that a program can be started with, and which listens already.
func openSocket(t *testing.T) (at *net.TCPAddr, socket *os.File) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if socket, err = l.File(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().(*net.TCPAddr), socket
}

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.folder, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// startCaddy runs Caddy and waits for its first answer.
func (w *world) startCaddy() {
	w.t.Helper()
	began := time.Now()
	log := outputFile(w.t, filepath.Join(w.folder, "caddy.log"))
	w.t.Cleanup(w.judgeLog)
	w.caddy = start(w.t, caddyPath(w.t), []string{"run", "--config", "Caddyfile"}, func(cmd *exec.Cmd) {
		cmd.Dir, cmd.Stdout, cmd.Stderr = w.folder, log, log
		cmd.ExtraFiles = []*os.File{w.socket}
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + w.folder,
			"XDG_DATA_HOME=" + filepath.Join(w.folder, "data"), "XDG_CONFIG_HOME=" + filepath.Join(w.folder, "config"),
		}
		cmd.Env = append(cmd.Env, w.environment...)
	})
	w.awaitAnswer()
	w.t.Logf("Caddy answers %s after its start", time.Since(began).Round(time.Millisecond))
}

// awaitAnswer asks until there is one: a certificate may come after the socket.
func (w *world) awaitAnswer() {
	w.t.Helper()
	ctx, cancel := w.caddy.during(30 * time.Second)
	defer cancel()
	transport := loopbackTransport()
	defer transport.CloseIdleConnections()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/auth/profile", nil)
		if err != nil {
			w.t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			w.t.Fatalf("Caddy does not answer: %v\n%s", err, w.log())
		}
	}
}

func (w *world) log() string { return readFile(w.t, filepath.Join(w.folder, "caddy.log")) }

// judgeLog looks at what Caddy wrote once it has ended.
func (w *world) judgeLog() {
	if err := w.caddy.err; !errors.Is(err, context.Canceled) { // which says that it ended well when asked to
		w.t.Errorf("Caddy ended with %v", err)
	}
	log := w.log()
	if strings.Contains(log, "panic") {
		w.t.Error("Caddy panicked")
	}
	if strings.Contains(log, w.pair.App.ClientSecret) {
		w.t.Error("the client secret is in Caddy's log")
	}
	if w.t.Failed() {
		w.t.Logf("Caddy's log:\n%s", log)
	}
}

// browser is a scripted one.
func (w *world) browser() *auth0sim.Browser {
	transport := loopbackTransport()
	w.t.Cleanup(transport.CloseIdleConnections)
	return auth0sim.NewBrowser(transport)
}

// signIn opens the path and completes the child's login page.
func (w *world) signIn(b *auth0sim.Browser, path string, user auth0sim.User) *auth0sim.Page {
	w.t.Helper()
	page, err := b.Get(w.base + path)
	if err != nil {
		w.t.Fatal(err)
	}
	if page, err = b.Login(page, user.Email, auth0sim.PairPassword); err != nil {
		w.t.Fatal(err)
	}
	return page
}

// loopbackTransport sends every name to this machine, as browsers do with those
// below localhost (RFC 6761 section 6.3).
func loopbackTransport() *http.Transport {
	var dialer net.Dialer
	return &http.Transport{
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // Caddy's certificate is of its own authority
		ResponseHeaderTimeout: 30 * time.Second,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
}

// application is the upstream: it believes the headers and remembers them.
type application struct {
	mu       sync.Mutex
	requests []received
}

// received is a request as the application saw it.
type received struct {
	method, uri string
	header      http.Header
	body        string
}

// The link is what signs users out, the form what they write into; the icon keeps browsers from asking for one.
var applicationPage = template.Must(template.New("application").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Application</title><link rel="icon" href="data:,"></head>
<body><h1 id="user">{{.Get "X-Auth0-User-Id"}}</h1><p id="name">{{.Get "X-Auth0-Name"}}</p>
<a id="out" href="/auth/logout">Sign out</a>
<form method="post" action="/save?id=7"><textarea id="text" name="text"></textarea><input type="hidden" name="tag" value="a">
<input type="hidden" name="submit" value="1"><input type="hidden" name="tag" value="b"><button id="save">Save</button></form></body></html>
`))

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	a.mu.Lock()
	a.requests = append(a.requests, received{r.Method, r.RequestURI, r.Header.Clone(), string(body)})
	a.mu.Unlock()
	if r.Method == http.MethodPost {
		if then := r.URL.Query().Get("then"); then != "" {
			http.Redirect(w, r, then, http.StatusSeeOther)
			return
		}
		_, _ = io.WriteString(w, "Saved")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = applicationPage.Execute(w, r.Header) // whoever reads an answer that was cut off notices
}

// take gives the requests since the last call.
func (a *application) take() []received {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.requests
	a.requests = nil
	return all
}
