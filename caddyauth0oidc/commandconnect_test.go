package caddyauth0oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Every scope that the help lists.
var (
	connectMasterScopes = strings.Fields("create:connections read:connections update:connections delete:connections " +
		"read:connections_options update:connections_options create:clients read:clients update:clients delete:clients read:client_keys")
	connectChildScopes = strings.Fields("create:clients read:clients update:clients delete:clients read:client_keys " +
		"read:connections update:connections")
)

// connectWorld is two tenants without applications, besides those that manage them.
type connectWorld struct {
	t             *testing.T
	network       *auth0sim.Network
	master, child *auth0sim.Tenant
	user          auth0sim.User
	env           map[string]string
	in            string
	terminal      bool
	watched       bool
	waited        []time.Duration
	onWait        func()
	answered      func(*http.Request) error // an error loses the answer

	out, err bytes.Buffer
}

const connectSite = "https://app.example.test"

func newConnectWorld(t *testing.T) *connectWorld {
	t.Helper()
	n := auth0sim.NewNetwork()
	n.Keys = sharedKeys
	w := &connectWorld{t: t, network: n, master: n.Tenant("master.auth0.test"), child: n.Tenant("child.auth0.test"), env: map[string]string{}}
	w.master.HideConnectionOptions, w.child.HideConnectionOptions = true, true
	w.grant(connectMasterScopes, connectChildScopes)
	w.user = w.child.AddUser(auth0sim.User{ID: "auth0|563b9b6cf50bc24402a69b80", Email: "user-in-child@mail.com", Password: auth0sim.PairPassword})
	n.Handle("app.example.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "the application") }))
	return w
}

// RoundTrip is the network between the command and the tenants.
func (w *connectWorld) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.network.RoundTrip(r)
	if err == nil && w.answered != nil {
		err = w.answered(r)
	}
	return response, err
}

// grant sets the credentials of new machine-to-machine applications; nil leaves a tenant out.
func (w *connectWorld) grant(master, child []string) {
	for prefix, tenant := range map[string]*auth0sim.Tenant{"AUTH0_MANAGEMENT": w.master, "AUTH0_CHILD_MANAGEMENT": w.child} {
		scopes := master
		if tenant == w.child {
			scopes = child
		}
		delete(w.env, prefix+"_CLIENT_ID")
		delete(w.env, prefix+"_CLIENT_SECRET")
		if scopes != nil {
			app := tenant.AddManagementClient(scopes...)
			w.env[prefix+"_CLIENT_ID"], w.env[prefix+"_CLIENT_SECRET"] = app.ClientID, app.ClientSecret
		}
	}
}

// everything are the flags with which everything is created.
func everything(more ...string) []string {
	return append([]string{
		"--master", "master.auth0.test", "--child", "child.auth0.test", "--connection", "acme-child",
		"--app-url", connectSite, "--child-connection", auth0sim.DatabaseConnection,
	}, more...)
}

// connect runs the command and returns what it reports.
func (w *connectWorld) connect(args ...string) (int, connectReport) {
	w.t.Helper()
	return w.connectUntil(w.t.Context(), args...)
}

func (w *connectWorld) connectUntil(ctx context.Context, args ...string) (int, connectReport) {
	w.t.Helper()
	w.out.Reset()
	w.err.Reset()
	c := &connect{connectFlags: new(connectFlags)}
	if err := newConnectCommand(c.connectFlags).ParseFlags(args); err != nil {
		w.t.Fatal(err)
	}
	c.surroundings = surroundings{
		getenv: func(name string) string { return w.env[name] }, in: strings.NewReader(w.in), out: &w.out, err: &w.err,
		terminal: w.terminal, watched: w.watched, transport: w, now: time.Now,
		wait: func(ctx context.Context, d time.Duration) error {
			w.waited = append(w.waited, d)
			if w.onWait != nil {
				w.onWait()
			}
			return ctx.Err()
		},
	}
	code, err := c.run(ctx)
	if (err == nil) != (code == exitDone) {
		w.t.Errorf("the exit code is %d with the error %v", code, err)
	}
	w.assertNoSecrets()
	return code, c.report
}

// assertNoSecrets looks for every secret of both tenants in what was shown.
func (w *connectWorld) assertNoSecrets() {
	w.t.Helper()
	shown := w.out.String() + w.err.String()
	for _, tenant := range []*auth0sim.Tenant{w.master, w.child} {
		for _, app := range w.clients(tenant) {
			if secret, _ := app["client_secret"].(string); secret == "" || strings.Contains(shown, secret) {
				w.t.Errorf("a secret of %v is shown:\n%s", app["name"], shown)
			}
		}
	}
}

// get asks a tenant's Management API with every scope.
func (w *connectWorld) get(tenant *auth0sim.Tenant, path string, into any) {
	w.t.Helper()
	var intercept func(http.ResponseWriter, *http.Request) bool
	tenant.Configure(func(s *auth0sim.Settings) { intercept, s.Intercept = s.Intercept, nil })
	defer tenant.Configure(func(s *auth0sim.Settings) { s.Intercept = intercept })
	app := tenant.AddManagementClient(connectMasterScopes...)
	defer tenant.UpdateApplication(app.ClientID, func(a *auth0sim.Application) { a.Name = "Looking" })
	client := &http.Client{Transport: w.network}
	response, err := client.PostForm(tenant.Issuer()+"oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "audience": {tenant.ManagementAudience()},
		"client_id": {app.ClientID}, "client_secret": {app.ClientSecret},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&token); err != nil {
		w.t.Fatal(err)
	}
	r, _ := http.NewRequest(http.MethodGet, tenant.ManagementAudience()+path, nil)
	r.Header.Set("Authorization", "Bearer "+token.AccessToken)
	if response, err = client.Do(r); err != nil {
		w.t.Fatal(err)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		w.t.Fatal(err)
	}
}

// clients are the applications that are not for management.
func (w *connectWorld) clients(tenant *auth0sim.Tenant) []map[string]any {
	w.t.Helper()
	var all []map[string]any
	w.get(tenant, "clients?per_page=100", &all)
	return slices.DeleteFunc(all, func(c map[string]any) bool { return c["app_type"] == "non_interactive" })
}

func (w *connectWorld) connections() []map[string]any {
	w.t.Helper()
	var all []map[string]any
	w.get(w.master, "connections", &all)
	return slices.DeleteFunc(all, func(c map[string]any) bool { return c["strategy"] == "auth0" })
}

// assertEmpty says that nothing is left of a run.
func (w *connectWorld) assertEmpty() {
	w.t.Helper()
	if m, c, n := w.clients(w.master), w.clients(w.child), w.connections(); len(m)+len(c)+len(n) != 0 {
		w.t.Errorf("there is %v %v %v\n%s", m, c, n, w.err.String())
	}
}

// login signs the child's user in at the master, and returns where it ended.
func (w *connectWorld) login() *url.URL {
	w.t.Helper()
	app := w.clients(w.master)[0]
	browser := auth0sim.NewBrowser(w.network)
	page, err := browser.Get(w.master.Issuer() + "authorize?" + url.Values{
		"client_id": {app["client_id"].(string)}, "response_type": {"code"}, "redirect_uri": {connectSite + "/auth/callback"},
		"scope": {"openid profile email"}, "state": {"opaque"}, "connection": {"acme-child"},
	}.Encode())
	if err == nil {
		page, err = browser.Login(page, w.user.Email, auth0sim.PairPassword)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return page.URL
}

// A site with `logout child` sends the browser there and back.
func TestConnectLetsTheChildLeadALogoutBack(t *testing.T) {
	w := newConnectWorld(t)
	if code, _ := w.connect(everything("--yes")...); code != exitDone {
		t.Fatalf("the exit code is %d:\n%s", code, w.err.String())
	}
	out, err := tenant.ChildLogoutURL(w.child.Issuer(), w.clients(w.child)[0]["client_id"].(string), connectSite+"/auth/logout?continue=x")
	if err != nil {
		t.Fatal(err)
	}
	page, err := auth0sim.NewBrowser(w.network).Step(out)
	if err != nil || page.Location() != connectSite+"/auth/logout?continue=x" {
		t.Errorf("%v, %d leads to %q", err, page.Status, page.Location())
	}
}

func TestConnectMakesALoginOutOfTwoEmptyTenantsAndThenFindsNothingToDo(t *testing.T) {
	for _, strategy := range []string{management.StrategyOIDC, management.StrategyAuth0} {
		t.Run(strategy, func(t *testing.T) {
			w := newConnectWorld(t)
			w.child.LegacyUserProfile = true // the switch that no API has
			file := filepath.Join(t.TempDir(), "site.env")
			flags := everything("--strategy", strategy, "--yes", "--env-file", file)
			code, report := w.connect(flags...)
			if code != exitDone || report.Outcome != outcomeDone || len(report.Outcomes.Done) != 5 {
				t.Fatalf("%d %+v\n%s%s", code, report, w.out.String(), w.err.String())
			}
			if end := w.login(); end.Query().Get("code") == "" {
				t.Errorf("the login ended at %s", end)
			}
			secret := w.clients(w.master)[0]["client_secret"].(string)
			text, _ := os.ReadFile(file)
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(string(text), "AUTH0_CLIENT_SECRET="+secret+"\n") {
				t.Errorf("the file is %v %v", info, err)
			}
			before := w.master.Calls("/api/v2/connections")
			code, report = w.connect(flags...)
			if code != exitDone || report.Outcome != outcomeNothing || report.EnvFileChanged || !strings.Contains(w.out.String(), "Nothing to do") {
				t.Errorf("again: %d %+v\n%s", code, report, w.out.String())
			}
			if calls := w.master.Calls("/api/v2/connections") - before; calls == 0 {
				t.Error("the second run did not look")
			}
		})
	}
}

func TestConnectTellsThatTheOldStrategyIsDeprecated(t *testing.T) {
	w := newConnectWorld(t)
	w.connect(everything("--strategy", "auth0-oidc", "--dry-run")...)
	for _, part := range []string{"deprecated the strategy auth0-oidc in August 2019", "Legacy User Profile", "--strategy oidc"} {
		if !strings.Contains(w.out.String(), part) {
			t.Errorf("nothing of %q:\n%s", part, w.out.String())
		}
	}
	w.assertEmpty()
}

func TestConnectAsksBeforeItChangesAnything(t *testing.T) {
	for _, test := range []struct {
		what     string
		terminal bool
		answer   string
		flags    []string
		code     int
		outcome  string
	}{
		{"no terminal", false, "", nil, exitUnconfirmed, outcomeUnconfirmed},
		{"no", true, "no\n", nil, exitUnconfirmed, outcomeUnconfirmed},
		{"the end of the input", true, "", nil, exitUnconfirmed, outcomeUnconfirmed},
		{"a dry run", true, "yes\n", []string{"--dry-run"}, exitDone, outcomeDryRun},
		{"yes", true, "yes\n", nil, exitDone, outcomeDone},
	} {
		t.Run(test.what, func(t *testing.T) {
			w := newConnectWorld(t)
			w.terminal, w.in = test.terminal, test.answer
			code, report := w.connect(everything(test.flags...)...)
			if code != test.code || report.Outcome != test.outcome || report.ExitCode != code {
				t.Errorf("%d %+v", code, report)
			}
			if !strings.Contains(w.out.String(), "create   master: connection acme-child") {
				t.Errorf("the plan is not shown:\n%s", w.out.String())
			}
			if test.outcome != outcomeDone {
				w.assertEmpty()
			}
		})
	}
}

func TestConnectDoesNotActOnAPlanThatIsOld(t *testing.T) {
	w := newConnectWorld(t)
	w.terminal = true
	w.in = "yes\n"
	looked := 0
	w.master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet && r.URL.Path == "/api/v2/connections" {
				if looked++; looked == 2 {
					w.master.AddConnection(auth0sim.Connection{Name: "acme-child", Strategy: "oidc", Options: map[string]any{"client_id": "other"}})
				}
			}
			return false
		}
	})
	code, report := w.connect(everything()...)
	if code != exitFailed || !strings.Contains(report.Error, "have changed since") || len(w.clients(w.child)) != 0 {
		t.Errorf("%d %+v", code, report)
	}
}

func TestConnectTellsAScriptWhatIsLeftByHand(t *testing.T) {
	w := newConnectWorld(t)
	flags := []string{"--master", "master.auth0.test", "--child", "child.auth0.test", "--connection", "acme-child", "--app-url", connectSite, "--json"}
	for i, want := range []int{1, 1, 0} { // a dry run, the run, and one that finds the application
		mode := "--yes"
		if i == 0 {
			mode = "--dry-run"
		}
		code, _ := w.connect(append(flags, mode)...)
		var report struct {
			ByHand []string `json:"by_hand"`
		}
		if err := json.Unmarshal(w.out.Bytes(), &report); err != nil || code != exitDone || len(report.ByHand) != want {
			t.Errorf("run %d: %d %v %+v", i, code, err, report)
		}
	}
}

// Names that read otherwise than they are ("Trojan Source"), separators of lines, and what has no width.
func TestConnectPrintsNothingThatTurnsTheText(t *testing.T) {
	const hidden = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029\u200b\ufeff\u009b\U000e0041"
	w := newConnectWorld(t)
	app := w.master.AddApplication(auth0sim.Application{Name: "Grüße " + hidden, Callbacks: []string{"https://x.test/" + hidden}})
	w.master.AddConnection(auth0sim.Connection{Name: "acme-child", Strategy: "oidc", Options: map[string]any{
		"client_id": "former", "client_secret": "secret of the former", "discovery_url": hidden, "oidc_metadata": map[string]any{hidden: hidden},
	}})
	for _, format := range []string{"--json=false", "--json"} {
		w.connect(everything("--client-id", app.ClientID, "--dry-run", format)...)
		shown := w.out.String() + w.err.String()
		if strings.ContainsAny(shown, hidden) || !strings.Contains(shown, "Grüße ") {
			t.Errorf("%s shows %q", format, shown)
		}
	}
	var report connectReport
	if err := json.Unmarshal(w.out.Bytes(), &report); err != nil || report.Plan.Steps[1].Name != "Grüße "+hidden {
		t.Errorf("%v %+v", err, report.Plan)
	}
}

func TestConnectWritesOneObjectAsJSON(t *testing.T) {
	w := newConnectWorld(t)
	for i, outcome := range []string{outcomeDone, outcomeNothing} {
		w.connect(everything("--yes", "--json")...)
		var report connectReport
		decoder := json.NewDecoder(&w.out)
		if err := decoder.Decode(&report); err != nil || report.Outcome != outcome || len(report.Plan.Steps) != 5 {
			t.Errorf("run %d: %v %+v", i, err, report)
		}
		if _, err := decoder.Token(); err != io.EOF {
			t.Errorf("run %d: there is more than one object", i)
		}
	}
}
