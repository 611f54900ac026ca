package caddyauth0oidc

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// sharedKeys are the signing keys of every simulated tenant: making RSA keys is
// slow, and no test changes one.
var sharedKeys = auth0sim.NewKeyPool()

// world is a site behind Caddy and the plugin, both simulated tenants, and an
// application that remembers what reached it. Only the way from Caddy to the
// tenants and to the application has sockets, on loopback.
type world struct {
	t        *testing.T
	network  *auth0sim.Network
	pair     *auth0sim.Pair
	app      *application
	server   *caddyhttp.Server
	upstream *httptest.Server
	base     string
	folder   string // Caddy's storage, and its log in the file "log"
	clock    *clock
}

// worldOption changes a world before its configuration is loaded.
type worldOption func(*worldSetup)

type worldSetup struct {
	base     string
	address  string // of the site block, if it is not the base
	strategy string
	host     string      // of the master
	tls      *tls.Config // of the tenants' server, which is plain http without
	path     string      // of the master's issuer, from its first slash on
	site     string      // replaces the whole site block's content
	settings string      // more lines of the directive
	global   string      // more lines of the global options
}

func atBase(base string) worldOption       { return func(s *worldSetup) { s.base = base } }
func atAddress(site string) worldOption    { return func(s *worldSetup) { s.address = site } }
func withStrategy(name string) worldOption { return func(s *worldSetup) { s.strategy = name } }
func atIssuerPath(path string) worldOption { return func(s *worldSetup) { s.path = path } }
func withSite(content string) worldOption  { return func(s *worldSetup) { s.site = content } }
func withGlobal(lines string) worldOption  { return func(s *worldSetup) { s.global = lines } }
func withSettings(lines string) worldOption {
	return func(s *worldSetup) { s.settings = lines }
}

// newWorld loads a Caddyfile with the five-line use, or what the options make
// of it. In its text DOMAIN, CLIENT_ID, CLIENT_SECRET, UPSTREAM, CHILD_TENANT and
// CHILD_APPLICATION are filled in.
func newWorld(t *testing.T, options ...worldOption) *world {
	t.Helper()
	for _, name := range []string{envDomain, envClientID, envClientSecret, envSecret, envConnection, envBaseURL} {
		if os.Getenv(name) != "" {
			t.Fatalf("%s is set in the environment of the tests", name)
		}
	}
	setup := worldSetup{base: "https://app.example.test", strategy: "auth0-oidc", host: "master.localhost"}
	for _, o := range options {
		o(&setup)
	}
	w := &world{t: t, base: setup.base, folder: t.TempDir(), app: &application{}, network: auth0sim.NewNetwork(), clock: &clock{now: time.Now()}}
	t.Cleanup(w.end)
	w.network.Keys, w.network.Now = sharedKeys, w.clock.Now
	tenants := httptest.NewUnstartedServer(w.network)
	tenants.Config.ErrorLog = log.New(io.Discard, "", 0)
	if tenants.TLS = setup.tls; setup.tls != nil {
		tenants.StartTLS()
	} else {
		tenants.Start()
	}
	t.Cleanup(tenants.Close)
	scheme, address, _ := strings.Cut(tenants.URL, "://")
	_, port, _ := strings.Cut(address, ":")
	w.pair = auth0sim.NewPair(w.network, setup.base, auth0sim.WithStrategy(setup.strategy),
		auth0sim.WithDomains(scheme+"://"+setup.host+":"+port+setup.path, scheme+"://child.localhost:"+port))
	w.load(setup)
	return w
}

// end cleans the handlers up, as the end of Caddy does. What they keep in the storage in
// the background is over then, and the folder can go.
func (w *world) end() {
	if w.pair != nil {
		w.unload(w.handlers())
	}
}

// handlers gives those of all configurations that were not ended.
func (w *world) handlers() (all []*Handler) {
	pool.Range(func(_, value any) bool {
		if s := value.(*shared); s.tenant.Issuer() == w.pair.Master.Issuer() && strings.HasSuffix(s.key, w.pair.App.ClientID) {
			s.mu.RLock()
			for _, same := range s.handlers {
				all = append(all, same...)
			}
			s.mu.RUnlock()
		}
		return true
	})
	return all
}

// load replaces the configuration, as a reload does.
func (w *world) load(setup worldSetup) {
	w.t.Helper()
	w.serve(setup)
	w.useClock()
}

func (w *world) serve(setup worldSetup) {
	w.t.Helper()
	if w.upstream == nil {
		w.upstream = httptest.NewServer(w.app)
		w.t.Cleanup(w.upstream.Close)
	}
	if setup.site == "" {
		setup.site = "auth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM"
	}
	if setup.address == "" {
		setup.address = setup.base
	}
	config := strings.NewReplacer(
		"SITE", setup.site, "ADDRESS", setup.address, "FOLDER", w.folder, "GLOBAL", setup.global,
	).Replace("{\nadmin off\nauto_https off\nstorage file_system {\nroot FOLDER\n}\nlog {\noutput file FOLDER/log\nlevel DEBUG\n}\nGLOBAL\n}\nADDRESS {\nlog\nSITE\n}\n")
	config = strings.ReplaceAll(config, "SETTINGS",
		"domain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\n"+setup.settings)
	if setup.path != "" {
		config = strings.ReplaceAll(config, "domain DOMAIN", "issuer "+w.pair.Master.Issuer())
	}
	config = strings.NewReplacer(
		"CHILD_TENANT", strings.TrimSuffix(w.pair.Child.Issuer(), "/"), "CHILD_APPLICATION", w.pair.ChildApp.ClientID,
		"DOMAIN", strings.TrimSuffix(w.pair.Master.Issuer(), "/"), "CLIENT_ID", w.pair.App.ClientID,
		"CLIENT_SECRET", w.pair.App.ClientSecret, "UPSTREAM", strings.TrimPrefix(w.upstream.URL, "http://"),
	).Replace(config)
	w.server = provision(w.t, config)
	u, _ := url.Parse(setup.base)
	w.network.Handle(u.Host, w.server)
}

// provisioning is held while Caddy provisions, which writes a variable of its
// package.
var provisioning sync.Mutex

// provision adapts and provisions a Caddyfile and gives its HTTP server, which
// is never started: the tests hand it their requests.
func provision(t *testing.T, caddyfile string) *caddyhttp.Server {
	t.Helper()
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, caddyfile)
	}
	for _, warning := range warnings {
		if !strings.Contains(warning.Message, "not formatted") {
			t.Fatalf("adapting: %s", warning)
		}
	}
	config := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON(adapted, config); err != nil {
		t.Fatal(err)
	}
	provisioning.Lock()
	ctx, err := caddy.ProvisionContext(config)
	provisioning.Unlock()
	if err != nil {
		t.Fatalf("provisioning: %v", err)
	}
	app, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	server := app.(*caddyhttp.App).Servers["srv0"]
	if server == nil {
		t.Fatal("the configuration has no server")
	}
	return server
}

// handler gives one of the world's handlers.
func (w *world) handler() *Handler {
	w.t.Helper()
	var found *Handler
	pool.Range(func(_, value any) bool {
		// Another world may have had the port, and so the issuer, before.
		if s := value.(*shared); s.tenant.Issuer() == w.pair.Master.Issuer() && strings.HasSuffix(s.key, w.pair.App.ClientID) {
			found = s.all()[0]
		}
		return found == nil
	})
	return found
}

// useClock gives this world's clock to its handlers and to what they share.
func (w *world) useClock() {
	pool.Range(func(_, value any) bool {
		if s := value.(*shared); s.tenant.Issuer() == w.pair.Master.Issuer() {
			s.now = w.clock.Now
			for _, same := range s.handlers {
				for _, h := range same {
					h.now = w.clock.Now
					if h.rotation != nil {
						h.rotation.watcher.useClock(w.clock)
					}
					h.ledger.useClock(w.clock)
					if h.manager != nil {
						h.manager.now = w.clock.Now
					}
					for _, child := range h.childTenants {
						child.now = w.clock.Now
					}
					if h.asserter != nil {
						h.asserter.keys.watcher.useClock(w.clock)
					}
				}
			}
		}
		return true
	})
}

// useClock gives a watcher a clock. Its checks are made by hand then.
func (w *watcher) useClock(c *clock) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.now = c.Now
}

// useClock gives a ledger a clock. Its readings are made by hand then.
func (l *ledger) useClock(c *clock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
	l.now = c.Now
}

// logs gives all that Caddy has logged, at every level.
func (w *world) logs() string {
	content, err := os.ReadFile(filepath.Join(w.folder, "log"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(content)
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// application is the upstream: it remembers each request that reached it.
type application struct {
	mu       sync.Mutex
	requests []received
	answer   http.HandlerFunc // what it answers, if not plain text
}

// received is a request as the application saw it, its body read to the end.
type received struct {
	method, uri     string
	header, trailer http.Header
	body            string
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body strings.Builder
	_, _ = io.Copy(&body, r.Body)
	a.mu.Lock()
	a.requests = append(a.requests, received{r.Method, r.RequestURI, r.Header.Clone(), r.Trailer.Clone(), body.String()})
	answer := a.answer
	a.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	fmt.Fprintf(w, "application at %s", r.RequestURI)
}

// take gives the requests since the last call.
func (a *application) take() []received {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.requests
	a.requests = nil
	return all
}

// heldBrowser is a browser that can stop in front of the callback, as a tab
// does that the user leaves alone.
type heldBrowser struct {
	*auth0sim.Browser
	gate *gate
}

// gate is a transport that holds requests for the callback back while closed,
// and answers them with 204.
type gate struct {
	next   http.RoundTripper
	closed bool
	held   string
	form   string // of a POST that was held
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if !g.closed || r.URL.Path != "/auth/callback" {
		return g.next.RoundTrip(r)
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		g.form = string(body)
	}
	g.held = r.URL.String()
	return &http.Response{
		StatusCode: http.StatusNoContent, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody, Request: r,
	}, nil
}

func (w *world) browser() *heldBrowser {
	g := &gate{next: w.network}
	return &heldBrowser{Browser: auth0sim.NewBrowser(g), gate: g}
}

// signIn opens the path and completes the child's login page.
func (w *world) signIn(b *heldBrowser, path string, user auth0sim.User) *auth0sim.Page {
	w.t.Helper()
	page := w.open(b, path)
	if len(page.Forms) == 0 {
		w.t.Fatalf("no login page but %d %s:\n%s", page.Status, page.URL, page.Body)
	}
	page, err := b.Login(page, user.Email, auth0sim.PairPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

func (w *world) open(b *heldBrowser, path string) *auth0sim.Page {
	w.t.Helper()
	page, err := b.Get(w.base + path)
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// step opens an address and follows nothing.
func (w *world) step(b *heldBrowser, address string) *auth0sim.Page {
	w.t.Helper()
	page, err := b.Step(address)
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// send makes a request as it is given, with the browser's cookies.
func (w *world) send(b *heldBrowser, method, path string, header map[string]string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.base+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, value := range header {
		r.Header[name] = []string{value} // as written, not canonical
	}
	response, err := b.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		w.t.Fatal(err)
	}
	return response, string(body)
}

// callbackOf signs in up to the callback and gives its address, unopened. A
// browser with a session at the tenant comes there without a login page.
func (w *world) callbackOf(b *heldBrowser, path string, user auth0sim.User) string {
	w.t.Helper()
	b.gate.closed, b.gate.held, b.gate.form = true, "", ""
	defer func() { b.gate.closed = false }()
	page := w.open(b, path)
	if b.gate.held == "" {
		if _, err := b.Login(page, user.Email, auth0sim.PairPassword); err != nil {
			w.t.Fatal(err)
		}
	}
	if b.gate.held == "" {
		w.t.Fatal("the login did not come to its callback")
	}
	return b.gate.held
}

// opaqueText does not deflate by more than a quarter, and is the same every time.
func opaqueText(size int) string {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	b := make([]byte, size*3/4+3)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(b)[:size]
}
