package caddyauth0oidc

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

func TestConnectRefusesWrongUsageBeforeItAsksATenant(t *testing.T) {
	for _, test := range []struct {
		what, want string
		flags      []string // besides the usual ones, which they override
		env        map[string]string
	}{
		{"no master", "--master, --child and --connection are required", []string{"--master", ""}, nil},
		{"no application", "--client-id", []string{"--app-url", ""}, nil},
		{"a path", "--master: the domain contains a path", []string{"--master", "https://acme.eu.auth0.com/login"}, nil},
		{"plain http", "--child: plain http is only for loopback hosts", []string{"--child", "http://acme.eu.auth0.com"}, nil},
		{"plain http of the site", "--app-url: plain http is only for loopback hosts", []string{"--app-url", "http://app.example.com"}, nil},
		{"a site with a path", "--app-url: ", []string{"--app-url", "https://app.example.com/app"}, nil},
		{"a custom domain", "--custom-domain: ", []string{"--custom-domain", "a b"}, nil},
		{"a name", "is no name of a connection", []string{"--connection", "acme_child"}, nil},
		{"a strategy", "the strategy is oidc or auth0-oidc", []string{"--strategy", "samlp"}, nil},
		{"one tenant", "the same tenant", []string{"--child", "master.auth0.test"}, nil},
		{"one tenant with a custom domain", "the same tenant", []string{"--child", "master.auth0.test", "--custom-domain", "login.test"}, nil},
		{"a folder that nothing can be written to", "--env-file: ", []string{"--env-file", "/proc/self/site.env"}, nil},
		{"dry and yes", "do not go together", []string{"--dry-run", "--yes"}, nil},
		{"no token", "there is no token for the master", nil, map[string]string{"AUTH0_MANAGEMENT_CLIENT_ID": "", "AUTH0_MANAGEMENT_CLIENT_SECRET": ""}},
		{"half a token", "belong together", nil, map[string]string{"AUTH0_CHILD_MANAGEMENT_CLIENT_SECRET": ""}},
		{"two lines", "AUTH0_MANAGEMENT_TOKEN has more than one secret", nil, map[string]string{"AUTH0_MANAGEMENT_TOKEN": "hush-hush\nhush"}},
		{"a secret without its id", "without --child-client-id", nil, map[string]string{"AUTH0_CHILD_CLIENT_SECRET": "hush-hush"}},
		{
			"no child", "give a token for the child", nil,
			map[string]string{"AUTH0_CHILD_MANAGEMENT_CLIENT_ID": "", "AUTH0_CHILD_MANAGEMENT_CLIENT_SECRET": ""},
		},
		{"no such file", "reading a secret", []string{"--token-file", "/nowhere/token"}, nil},
		{"no folder", "there is no folder", []string{"--env-file", "/nowhere/site.env"}, nil},
		{"a folder as file", "is no regular file", []string{"--env-file", "."}, nil},
	} {
		t.Run(test.what, func(t *testing.T) {
			w := newConnectWorld(t)
			maps.Copy(w.env, test.env)
			before := w.master.Calls("/oauth/token")
			code, report := w.connect(append(everything(), test.flags...)...)
			if code != exitUsage || !strings.Contains(report.Error, test.want) || strings.Contains(report.Error, "hush") {
				t.Errorf("%d %q", code, report.Error)
			}
			if calls := w.master.Calls("/oauth/token"); calls-before > 2 { // assertNoSecrets asks by itself
				t.Errorf("the tenant was asked %d times", calls-before)
			}
		})
	}
}

func TestConnectReadsSecretsFromFilesAndWarnsOfOpenOnes(t *testing.T) {
	w := newConnectWorld(t)
	child := w.child.AddApplication(auth0sim.Application{Name: "By hand", Callbacks: []string{"https://master.auth0.test/login/callback"}})
	w.child.Enable(auth0sim.DatabaseConnection, child.ClientID)
	w.grant(connectMasterScopes, nil)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(child.ClientSecret+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, report := w.connect("--master", "master.auth0.test", "--child", "https://CHILD.auth0.test/", "--connection", "acme-child",
		"--app-url", connectSite, "--child-client-id", child.ClientID, "--child-client-secret-file", file, "--yes")
	if code != exitDone || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "can be read by others") {
		t.Errorf("%d %+v", code, report)
	}
	if len(report.ByHand) != 1 || !strings.Contains(w.out.String(), "Done: 3 changes.\n\nThis is left to you") ||
		!strings.Contains(w.out.String(), "by hand: "+report.ByHand[0]) {
		t.Errorf("%q is not told:\n%s", report.ByHand, w.out.String())
	}
	if !strings.Contains(w.out.String(), "by hand  child: application") || !strings.Contains(w.out.String(), "https://master.auth0.test/login/callback") {
		t.Errorf("what is left to do is not told:\n%s", w.out.String())
	}
	if end := w.login(); end.Query().Get("code") == "" {
		t.Errorf("the login ended at %s", end)
	}
}

func TestConnectSetsUpApplicationsThatExist(t *testing.T) {
	w := newConnectWorld(t)
	app := w.master.AddApplication(auth0sim.Application{Name: "Old", SigningAlg: "HS256", Legacy: true, GrantTypes: []string{"implicit"}})
	child := w.child.AddApplication(auth0sim.Application{Name: "Child", Callbacks: []string{"https://kept.test/"}})
	flags := everything("--client-id", app.ClientID, "--child-client-id", child.ClientID, "--yes")
	if code, report := w.connect(flags...); code != exitDone || len(report.Outcomes.Done) != 5 {
		t.Errorf("%d %+v", code, report)
	}
	if end := w.login(); end.Query().Get("code") == "" {
		t.Errorf("the login ended at %s", end)
	}
	if code, report := w.connect(flags...); code != exitDone || report.Outcome != outcomeNothing {
		t.Errorf("again: %d %+v", code, report)
	}
	child.ClientSecret = "rotated-" + child.ClientSecret
	if code, report := w.connect(flags...); code != exitDone || len(report.Outcomes.Done) != 1 {
		t.Errorf("after the secret was rotated: %d %+v", code, report)
	}
}

func TestConnectRefusesAStaleSecretOfTheChild(t *testing.T) {
	w := newConnectWorld(t)
	child := w.child.AddApplication(auth0sim.Application{Name: "Child"})
	w.env["AUTH0_CHILD_CLIENT_SECRET"] = "stale-" + child.ClientSecret
	flags := everything("--child-client-id", child.ClientID, "--yes")
	code, report := w.connect(flags...)
	if code != exitFailed || !strings.Contains(report.Error, "Correct AUTH0_CHILD_CLIENT_SECRET") || len(w.connections()) != 0 {
		t.Errorf("%d %+v", code, report)
	}
	w.env["AUTH0_CHILD_CLIENT_SECRET"] = child.ClientSecret
	if code, report = w.connect(flags...); code != exitDone {
		t.Errorf("%d %+v", code, report)
	}
}

func TestConnectWithoutOptionsScopesChangesNothingAndSaysSo(t *testing.T) {
	w := newConnectWorld(t)
	w.connect(everything("--yes")...)
	before := w.connections()[0]["options"]
	w.grant(without(connectMasterScopes, "read:connections_options", "update:connections_options"), connectChildScopes)
	code, report := w.connect(everything("--yes", "--rotate-secret", "--scope", "openid")...)
	if code != exitDone || report.Outcome != outcomeNothing || !strings.Contains(w.out.String(), "read:connections_options") ||
		!strings.Contains(w.out.String(), "left to you") || len(before.(map[string]any)) != len(w.connections()[0]["options"].(map[string]any)) {
		t.Errorf("%d %+v\n%s", code, report, w.out.String())
	}
}

func TestEnvFileKeepsOtherLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "site.env")
	before := "# of the operator\nOTHER=1\nexport AUTH0_DOMAIN=old\nAUTH0_DOMAIN=older\nAUTH0_DOMAINS=\"a b\"\n"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	lines := []envLine{{"AUTH0_DOMAIN", "acme.eu.auth0.com"}, {"AUTH0_CLIENT_SECRET", ""}, {"APP_BASE_URL", "https://app.test"}}
	for _, want := range []bool{true, false} {
		if written, err := writeEnvFile(path, lines); err != nil || written.changed != want {
			t.Errorf("%+v %v", written, err)
		}
	}
	text, _ := os.ReadFile(path)
	if want := "# of the operator\nOTHER=1\nAUTH0_DOMAIN=acme.eu.auth0.com\nAUTH0_DOMAINS=\"a b\"\nAPP_BASE_URL=https://app.test\n"; string(text) != want {
		t.Errorf("the file is\n%s", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("%q are left", left)
	}
	if _, err := writeEnvFile(path, []envLine{{"AUTH0_CLIENT_ID", "a#b"}}); err == nil {
		t.Error("a value that such a file cannot have was written")
	}
}

func TestCommandIsRegisteredWithItsHelp(t *testing.T) {
	t.Parallel()
	registered, ok := caddycmd.Commands()["auth0-oidc"]
	if !ok {
		t.Fatal("there is no command auth0-oidc")
	}
	root := &cobra.Command{Use: "auth0-oidc"}
	registered.CobraFunc(root)
	var help strings.Builder
	root.SetOut(&help)
	root.SetArgs([]string{"connect", "--help"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Examples:", "--rotate-secret", "AUTH0_CHILD_MANAGEMENT_TOKEN", "Exit codes:", "August 2019", "by_hand"} {
		if !strings.Contains(help.String(), part) {
			t.Errorf("the help has no %q", part)
		}
	}
	root.SetErr(&help)
	root.SetArgs([]string{"connect", "--no-such-flag"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "exiting with status 2") && !strings.Contains(err.Error(), "unknown flag") {
		t.Errorf("a wrong flag: %v", err)
	}
}
