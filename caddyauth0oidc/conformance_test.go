package caddyauth0oidc

import (
	"bytes"
	"crypto"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// The tests of this name run the modules of the OpenID Foundation's conformance suite
// for relying parties against the simulated tenant, which does what the suite's
// provider does in them. The subtests have the suite's names.

// conformanceOutcome says how far a login comes. Each of the endpoints is asked once
// until then, and none afterwards.
type conformanceOutcome int

const (
	conformanceSignedIn          conformanceOutcome = iota // and the profile reaches the upstream
	conformanceRefusedBeforehand                           // no request for a login
	conformanceRefusedAtPush                               // no authorization request
	conformanceRefusedAtCallback                           // no token request
	conformanceRefusedAtToken                              // no userinfo request
	conformanceRefusedAtUserinfo
)

// conformanceModule is one module of the suite.
type conformanceModule struct {
	name     string                  // its id in our catalogue and its name in the suite
	settings string                  // more lines of the directive
	subject  string                  // of the user, if it is not as Auth0's are
	provider func(w *world)          // what the provider does; nil for all as it should be
	begin    func(r *conformanceRun) // begins the login; nil for a protected page
	want     conformanceOutcome      // how the login ends
	also     func(r *conformanceRun) // what else is looked at
}

// conformanceRequest is a request to the provider.
type conformanceRequest struct {
	method, path string
	query, body  url.Values
	header       http.Header
}

// conformanceRun is a login that is over.
type conformanceRun struct {
	*world
	*testing.T
	browser *heldBrowser
	page    *auth0sim.Page // where the login ended
	hops    []auth0sim.Hop // the requests that led there
	seen    []received     // what reached the application
	user    string         // the id of the user
	key     crypto.PublicKey

	mu       sync.Mutex
	requests []conformanceRequest // what reached the provider
}

// runConformance runs each module in each of the variants.
func runConformance(t *testing.T, modules []conformanceModule, variants ...conformanceVariant) {
	for _, variant := range variants {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			for _, module := range modules {
				t.Run(variant.nameOf(module), func(t *testing.T) {
					t.Parallel()
					variant.run(t, module)
				})
			}
		})
	}
}

// run signs in at a provider that does what the module says.
func (v conformanceVariant) run(t *testing.T, m conformanceModule) *conformanceRun {
	t.Helper()
	w, key := v.newWorld(t, m)
	r := &conformanceRun{world: w, T: t, browser: w.browser(), key: key, user: w.pair.MasterUserID(w.pair.User)}
	if m.subject != "" {
		r.user = m.subject
		claim("sub", m.subject)(w)
		w.pair.Master.TamperUserInfo = func(body map[string]any) { body["sub"] = m.subject }
	}
	if m.provider != nil {
		m.provider(w)
	}
	r.watch(w.pair.Master)
	w.app.take()
	r.login(m.begin)
	r.seen = w.app.take()
	r.judge(m.want, v.pushes)
	r.judgeMode(v.posts)
	if m.also != nil {
		m.also(r)
	}
	return r
}

// login opens the page that the user wants, or has begin do it, and signs in.
func (r *conformanceRun) login(begin func(*conformanceRun)) {
	r.Helper()
	if begin == nil {
		begin = func(r *conformanceRun) { r.page = r.open(r.browser, "/home") }
	}
	begin(r)
	r.hops = r.page.Hops
	if len(r.page.Forms) == 0 {
		return
	}
	page, err := r.browser.Login(r.page, r.pair.User.Email, auth0sim.PairPassword)
	if err != nil {
		r.Fatal(err)
	}
	r.page, r.hops = page, append(r.hops, page.Hops...)
}

// watch keeps the requests to the provider, before anything else sees them.
func (r *conformanceRun) watch(provider *auth0sim.Tenant) {
	provider.Configure(func(s *auth0sim.Settings) {
		next := s.Intercept
		s.Intercept = func(w http.ResponseWriter, request *http.Request) bool {
			raw, _ := io.ReadAll(io.LimitReader(request.Body, 1<<20))
			request.Body = io.NopCloser(bytes.NewReader(raw))
			body, _ := url.ParseQuery(string(raw))
			r.mu.Lock()
			r.requests = append(r.requests, conformanceRequest{
				request.Method, request.URL.Path, request.URL.Query(), body, request.Header.Clone(),
			})
			r.mu.Unlock()
			return next != nil && next(w, request)
		}
	})
}

// to gives the requests whose path ends so.
func (r *conformanceRun) to(path string) (found []conformanceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.requests {
		if strings.HasSuffix(request.path, path) {
			found = append(found, request)
		}
	}
	return found
}

func (r *conformanceRun) judge(want conformanceOutcome, pushes bool) {
	r.Helper()
	for _, endpoint := range []struct {
		path     string
		asked    int
		fromHere conformanceOutcome // the first outcome before which it is asked
	}{
		{"/oauth/par", 0, conformanceRefusedAtPush},
		{"/authorize", 1, conformanceRefusedAtCallback},
		{"/oauth/token", 1, conformanceRefusedAtToken}, {"/userinfo", 1, conformanceRefusedAtUserinfo},
	} {
		if pushes && endpoint.path == "/oauth/par" {
			endpoint.asked = 1
		}
		if want != conformanceSignedIn && want < endpoint.fromHere {
			endpoint.asked = 0
		}
		if n := len(r.to(endpoint.path)); n != endpoint.asked {
			r.Errorf("%s was asked %d times, want %d", endpoint.path, n, endpoint.asked)
		}
	}
	if n := len(r.pendingLogins(r.browser)); n != 0 && (want == conformanceSignedIn || want >= conformanceRefusedAtToken) {
		r.Errorf("%d logins are pending", n)
	}
	if want == conformanceSignedIn {
		r.judgeSession()
		return
	}
	if r.page.Status < 400 || r.page.Status == http.StatusInternalServerError {
		r.Errorf("ended at %d %s\n%s", r.page.Status, r.page.URL, r.page.Body)
	}
	if sessionCookie(r.world, r.browser) != "" || len(r.seen) != 0 {
		r.Errorf("somebody is signed in; %d requests reached the application", len(r.seen))
	}
	assertSafePage(r.T, r.page)
}

func (r *conformanceRun) judgeSession() {
	r.Helper()
	if r.page.Status != http.StatusOK || r.page.URL.String() != r.base+"/home" || len(r.seen) != 1 {
		r.Fatalf("ended at %d %s after %d requests to the application\n%s", r.page.Status, r.page.URL, len(r.seen), r.page.Body)
	}
	assertOnlyOurs(r.T, r.seen[0], map[string]string{
		"X-Auth0-User-Id": r.user, "X-Auth0-Email": r.pair.User.Email, "X-Auth0-Client-Id": r.pair.App.ClientID,
	})
	if r.seen[0].header.Get("Authorization") != "" || r.seen[0].header.Get("Cookie") != "" {
		r.Error("INV-03: cookies or tokens reached the application")
	}
}

// claim has the ID tokens say something else; nil takes the claim away.
func claim(name string, value any) func(*world) {
	return func(w *world) {
		w.pair.Master.TamperIDToken = func(_, claims map[string]any) {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
	}
}

// heading does the same with a member of the ID token's header.
func heading(name string, value any) func(*world) {
	return func(w *world) {
		w.pair.Master.TamperIDToken = func(header, _ map[string]any) {
			if header[name] = value; value == nil {
				delete(header, name)
			}
		}
	}
}

// parameter does the same with a parameter of the callback, once it is there.
func parameter(name, value string) func(*world) {
	return func(w *world) {
		w.pair.Master.TamperCallback = func(parameters url.Values) {
			if parameters.Set(name, value); value == "" {
				parameters.Del(name)
			}
		}
	}
}

// granting changes the answer of the token endpoint.
func granting(change func(body map[string]any)) func(*world) {
	return func(w *world) { w.pair.Master.TamperTokenResponse = change }
}

// discovering changes the discovery document.
func discovering(change func(document map[string]any)) func(*world) {
	return func(w *world) { w.pair.Master.TamperDiscovery = change }
}
