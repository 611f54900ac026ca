package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc"
	_ "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/noop"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const noopHandler = "handler that does nothing"

func handlerOperations() []operation {
	return []operation{
		{name: noopHandler, prepare: serving("bench_noop\n", one(smallCookie))},
		{name: "handler with 4 headers", prepare: serving(Directive(4), one(smallCookie)), floor: noopHandler},
		{name: "handler with 12 headers", prepare: serving(Directive(12), one(smallCookie)), floor: noopHandler},
		{name: "handler with 12 headers, another session each time", prepare: serving(Directive(12), manyCookies), floor: noopHandler},
		{name: "handler with the preset", prepare: serving(Directive(Preset), one(smallCookie)), floor: noopHandler},
		{name: "handler with two rules", prepare: serving(ruled(Directive(12)), one(smallCookie)), floor: noopHandler},
		{name: "handler with an assertion", prepare: serving(asserting(4), one(smallCookie)), floor: noopHandler},
		{name: "handler with a bearer token seen before", prepare: callingWithToken, floor: noopHandler},
		{name: "handler with two connections", prepare: serving(connecting(Connection+"\n\tconnection other"), one(smallCookie)), floor: noopHandler},
		{name: "handler with a connection of the request", prepare: serving(connecting(Connection+"{http.request.uri.query.none} {\n\t\tallow "+Connection+"\n\t}"), one(smallCookie)), floor: noopHandler},
		{name: "handler with user ids shown as another connection's", prepare: serving(connecting(Connection+" {\n\t\tstrategy auth0-oidc\n\t\tuser_id_as oidc\n\t}"), one(smallCookie)), floor: noopHandler},
		{name: "handler with the child's token", prepare: serving(passingChildToken(4), one(cookieWithTokens)), floor: noopHandler},
		{name: "handler with an access token that is not due", prepare: serving(refreshing(4), one(cookieToRefresh)), floor: noopHandler},
		{name: "handler with a line of two placeholders", prepare: serving(directive([]Header{{"X-Tenant", "{http.request.host}/{http.auth.user.connection}"}}, nil), one(smallCookie)), floor: noopHandler},
		{name: "handler with two lines of custom claims", prepare: serving(directive(customHeaders, nil), one(customCookie)), floor: noopHandler},
		{name: "handler with two lines of custom claims, another session each time", prepare: serving(directive(customHeaders, nil), manyCustomCookies), floor: noopHandler},
	}
}

// ruled adds rules that let every made-up user pass.
func ruled(directive string) string {
	return strings.Replace(directive, "{\n", "{\n\trequire connection other "+Connection+"\n\tdeny email_domain evil.test *.evil.test\n", 1)
}

// connecting is Directive for 12 headers with other connections.
func connecting(connections string) string {
	return strings.Replace(Directive(12), "\tconnection "+Connection+"\n", "\tconnection "+connections+"\n", 1)
}

// asserting is Directive with a signed assertion beside the headers.
func asserting(n int) string {
	return strings.TrimSuffix(Directive(n), "}\n") + "\tassertion {\n\t\taudience bench\n\t}\n}\n"
}

// passingChildToken is Directive with the child's token in a header of its own.
func passingChildToken(n int) string {
	return strings.TrimSuffix(Directive(n), "}\n") + "\tprofile management\n\tmanagement {\n\t\tclient_id bench\n\t\tclient_secret bench\n" +
		"\t\tidp_token {\n\t\t\tupstream header\n\t\t}\n\t}\n}\n"
}

// refreshing is Directive with an access token that is kept fresh and shown.
func refreshing(n int) string {
	return strings.TrimSuffix(Directive(n), "\t}\n}\n") + "\t\tAuthorization \"Bearer {http.auth.user.access_token}\"\n\t}\n\trefresh on\n}\n"
}

// cookieToRefresh is the session's cookie beside that of tokens which are good for hours.
func cookieToRefresh(tb testing.TB) string {
	tb.Helper()
	all, err := newMint(tb).CookiesWithTokens(1)
	if err != nil {
		tb.Fatal(err)
	}
	return ApplicationCookie + "; " + all[0]
}

// childToken has the size of an ID token with a profile.
func childToken() string { return opaque(60) + "." + opaque(600) + "." + opaque(342) }

// cookieWithTokens is the session's cookie beside that of its tokens.
func cookieWithTokens(tb testing.TB) string {
	tb.Helper()
	m, header := newMint(tb), make(http.Header)
	s := newSession(tb, m, 0)
	s.Source, s.Profile.Extra = session.FromManagement, []byte(`{"child_of":"`+Connection+`"}`)
	cookie, err := m.Cookie(s)
	if err != nil {
		tb.Fatal(err)
	}
	tokens := &session.Tokens{Session: s.ID, Child: childToken(), ChildExpiry: m.now.Add(lifetime), ChildConnection: Connection}
	if err := m.keys.WriteTokens(header, m.cookie, tokens, lifetime, nil, http.DefaultMaxHeaderBytes); err != nil {
		tb.Fatal(err)
	}
	return ApplicationCookie + "; " + cookie + "; " + cookieHeader(header)
}

// customHeaders are of claims for which the profile has no field.
var customHeaders = []Header{{"X-Plan", "app_metadata.plan"}, {"X-Roles", "https://acme.com/roles"}}

// customSession has these claims.
func customSession(tb testing.TB) *session.Session {
	s := newSession(tb, newMint(tb), 0)
	s.Profile.Extra = []byte(`{"app_metadata":{"plan":"gold"},"https://acme.com/roles":["a","b"]}`)
	return s
}

func customCookie(tb testing.TB) string { return minted(tb, 1, customSession(tb))[0] }

func manyCustomCookies(tb testing.TB) []string { return minted(tb, many, customSession(tb)) }

// serving hands one request after another to Caddy's server, in whose only site the
// handlers stand in front of an empty answer.
func serving(handlers string, cookies func(testing.TB) []string) func(testing.TB) func() {
	return func(tb testing.TB) func() {
		return sending(tb, handlers, "Cookie", cookies(tb))
	}
}

// sending makes requests that have one of the values in the header, in turn.
func sending(tb testing.TB, handlers, header string, all []string) func() {
	storage := "storage file_system " + tb.TempDir() + "\n" // where an assertion's key is kept
	server := provision(tb, "{\nadmin off\nauto_https off\npersist_config off\n"+storage+"}\nhttp://:80 {\n"+handlers+"respond 204\n}\n")
	r, turn := browserRequest(), 0
	r.Header[header] = all[:1:1]
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	w := &discard{header: make(http.Header)}
	return func() {
		next := r.WithContext(ctx)
		next.Header = r.Header.Clone()
		next.Header[header][0] = all[turn%len(all)]
		turn++
		w.reset()
		server.ServeHTTP(w, next)
		if w.status != http.StatusNoContent {
			tb.Fatalf("status %d", w.status)
		}
	}
}

// discard is a ResponseWriter that keeps the status and nothing else.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

func (d *discard) reset() {
	clear(d.header)
	d.status = 0
}

// provision gives the server of a Caddyfile, which is never started.
func provision(tb testing.TB, caddyfile string) *caddyhttp.Server {
	tb.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		tb.Fatalf("adapting: %v\n%s", err, caddyfile)
	}
	config := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON(adapted, config); err != nil {
		tb.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(config)
	if err != nil {
		tb.Fatalf("provisioning: %v", err)
	}
	app, err := ctx.App("http")
	if err != nil {
		tb.Fatal(err)
	}
	server := app.(*caddyhttp.App).Servers["srv0"]
	if server == nil {
		tb.Fatal("the configuration has no server")
	}
	return server
}

// What the benchmark of the handler measures is a request that passes.
func TestMeasuredHandlerLetsTheUserPassAndNobodyElse(t *testing.T) {
	site := "{\nadmin off\nauto_https off\npersist_config off\n}\nhttp://:80 {\n" + Directive(Preset) +
		"header >X-Seen {http.request.header." + PresetUserID + "}\nrespond 200\n}\n"
	server := provision(t, site)
	for _, test := range []struct {
		what   string
		cookie func(testing.TB) string
		passes bool
	}{
		{"a session", smallCookie, true},
		{"a session in chunks", largeCookie, true},
		{"garbage of a known key", garbageOfKnownKey, false},
		{"garbage of no key", garbageOfNoKey, false},
		{"no session", noCookie, false},
	} {
		r, w := browserRequest(), httptest.NewRecorder()
		r.Header.Set("Sec-Fetch-Mode", "cors")
		r.Header.Set("Cookie", test.cookie(t))
		server.ServeHTTP(w, r)
		if passed := w.Code == http.StatusOK; passed != test.passes {
			t.Errorf("%s: status %d", test.what, w.Code)
		}
		if seen := w.Header().Get("X-Seen"); test.passes && seen != User(1).UserID {
			t.Errorf("%s: the application saw the user %q", test.what, seen)
		}
	}
}

// What is measured with the child's token is a request that has it.
func TestMeasuredHandlerPassesTheChildsToken(t *testing.T) {
	server := provision(t, "{\nadmin off\nauto_https off\npersist_config off\n}\nhttp://:80 {\n"+passingChildToken(4)+
		"header >X-Seen {http.request.header.X-Auth0-Child-Access-Token}\nrespond 204\n}\n")
	r, w := browserRequest(), httptest.NewRecorder()
	r.Header.Set("Cookie", cookieWithTokens(t))
	if server.ServeHTTP(w, r); w.Header().Get("X-Seen") != childToken() {
		t.Errorf("%d, and the application saw %q", w.Code, w.Header().Get("X-Seen"))
	}
}
