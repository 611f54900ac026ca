package auth0sim

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// Tenant is one simulated Auth0 tenant.
type Tenant struct {
	Settings

	network *Network
	address
	routes *http.ServeMux

	mu           sync.Mutex
	down         bool
	calls        map[string]int
	rings        map[string]*keyRing
	applications map[string]*Application
	apis         map[string]API
	connections  []*Connection
	users        map[string]*User
	sessions     map[string]*session
	transactions map[string]*transaction
	upstream     map[string]*upstreamLogin
	logouts      map[string]*pendingLogout
	codes        map[string]*codeGrant
	refreshing   map[string]*refreshToken
	access       map[string]*accessGrant
	pushed       map[string]*pushedRequest
	assertions   map[string]bool
	log          []LogEntry
}

func newTenant(n *Network, at address) *Tenant {
	t := &Tenant{
		Settings: defaultSettings(), network: n, address: at,
		calls: map[string]int{}, rings: map[string]*keyRing{},
		applications: map[string]*Application{}, apis: map[string]API{}, users: map[string]*User{},
		sessions: map[string]*session{}, transactions: map[string]*transaction{},
		upstream: map[string]*upstreamLogin{}, logouts: map[string]*pendingLogout{}, codes: map[string]*codeGrant{},
		refreshing: map[string]*refreshToken{}, access: map[string]*accessGrant{}, pushed: map[string]*pushedRequest{}, assertions: map[string]bool{},
	}
	t.AddConnection(Connection{Name: DatabaseConnection, Strategy: "auth0"})
	t.routes = t.newRoutes()
	return t
}

func (t *Tenant) newRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		mux.HandleFunc("GET "+path, t.serveDiscovery)
	}
	mux.HandleFunc("GET /.well-known/jwks.json", t.serveKeys)
	mux.HandleFunc("GET /authorize", t.serveAuthorize)
	mux.HandleFunc("POST /authorize", t.serveAuthorize)
	mux.HandleFunc("GET /authorize/resume", t.serveResume)
	mux.HandleFunc("GET /u/login", t.serveLoginPage)
	mux.HandleFunc("POST /u/login", t.serveLoginForm)
	mux.HandleFunc("GET /login/callback", t.serveLoginCallback)
	mux.HandleFunc("POST /oauth/token", t.serveToken)
	mux.HandleFunc("POST /oauth/par", t.servePush)
	mux.HandleFunc("POST /oauth/revoke", t.serveRevoke)
	mux.HandleFunc("GET /userinfo", t.serveUserInfo)
	mux.HandleFunc("POST /userinfo", t.serveUserInfo)
	mux.HandleFunc("GET /v2/logout", t.serveV2Logout)
	mux.HandleFunc("GET /logout", t.serveV2Logout)
	mux.HandleFunc("GET /oidc/logout", t.serveOIDCLogout)
	mux.HandleFunc("POST /oidc/logout", t.serveOIDCLogout)
	t.addManagementRoutes(mux)
	return mux
}

func (t *Tenant) now() time.Time { return t.network.Now() }

// Configure changes the settings while the tenant is in use.
func (t *Tenant) Configure(change func(s *Settings)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.Settings)
}

func (t *Tenant) settings() Settings {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Settings
}

// Down takes the tenant off the network, or puts it back: connections are refused, as in an outage.
func (t *Tenant) Down(down bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = down
}

func (t *Tenant) isDown() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.down
}

// Calls is how many requests came for that path, which is counted from the tenant's own one.
func (t *Tenant) Calls(path string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[path]
}

// ServeHTTP answers one request to the tenant.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, ok := t.withoutPath(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	t.mu.Lock()
	t.calls[r.URL.Path]++
	intercept := t.Intercept
	t.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	// Older direct links write /authorize/ with a slash.
	if r.URL.Path == "/authorize/" {
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "/")
	}
	t.routes.ServeHTTP(w, r)
}
