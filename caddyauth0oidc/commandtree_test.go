package caddyauth0oidc

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commandTree is what Caddy makes of the registration, below a root of its own.
func commandTree(t *testing.T) (root, ours *cobra.Command) {
	t.Helper()
	registered := caddycmd.Commands()["auth0-oidc"]
	root = &cobra.Command{Use: "caddy", SilenceErrors: true, SilenceUsage: true}
	ours = &cobra.Command{Use: registered.Name + " " + registered.Usage, Short: registered.Short, Long: registered.Long}
	registered.CobraFunc(ours)
	root.AddCommand(ours)
	return root, ours
}

// exampleLines are the calls of a command in its examples, as words of a shell.
func exampleLines(example string) (calls [][]string) {
	words := regexp.MustCompile(`'([^']*)'|(\S+)`)
	for line := range strings.Lines(strings.ReplaceAll(example, "\\\n", " ")) {
		_, call, ok := strings.Cut(line, "caddy auth0-oidc ")
		if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		call, _, _ = strings.Cut(call, ")") // of $(...)
		call, _, _ = strings.Cut(call, " <")
		call, _, _ = strings.Cut(call, " |")
		call, _, _ = strings.Cut(call, " >")
		var args []string
		for _, word := range words.FindAllStringSubmatch(call, -1) {
			args = append(args, word[1]+word[2])
		}
		calls = append(calls, args)
	}
	return calls
}

func TestEachCommandHasHelpWithExamplesThatParse(t *testing.T) {
	t.Parallel()
	root, ours := commandTree(t)
	for _, c := range append(ours.Commands(), ours) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || c.Long == "" || c.Example == "" {
			t.Errorf("%s has no help", c.Name())
		}
		if !strings.Contains(c.Long, "Exit codes") {
			t.Errorf("the help of %s has no exit codes", c.Name())
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 91 {
				t.Errorf("the help of %s is wider than a terminal: %q", c.Name(), line)
			}
		}
		calls := exampleLines(c.Example)
		if len(calls) == 0 {
			t.Errorf("%s has no examples", c.Name())
		}
		for _, args := range calls {
			found, rest, err := root.Find(append([]string{"auth0-oidc"}, args...))
			if err != nil || found == ours || c != ours && found != c {
				t.Errorf("%q calls %s: %v", args, found.Name(), err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil || len(found.Flags().Args()) > 0 {
				t.Errorf("%q does not parse: %v %q", args, err, found.Flags().Args())
			}
		}
	}
}

func TestOverviewNamesEveryCommand(t *testing.T) {
	t.Parallel()
	root, ours := commandTree(t)
	var shown bytes.Buffer
	root.SetOut(&shown)
	root.SetArgs([]string{"auth0-oidc"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, c := range ours.Commands() {
		if !strings.Contains(shown.String(), "\n  "+c.Name()+" ") || !strings.Contains(shown.String(), c.Short) {
			t.Errorf("%s is not in the overview\n%s", c.Name(), shown.String())
		}
	}
	for _, name := range []string{"connect", "doctor", "inspect", "keygen", "revoke"} {
		if c, _, err := ours.Find([]string{name}); err != nil || c == ours {
			t.Errorf("there is no command %s", name)
		}
	}
}

// The page has a heading for each command, and below it a row for each flag.
func TestCommandsAreDocumentedWithTheirFlags(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `--([a-z-]+)`")
	_, ours := commandTree(t)
	var headings []string
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		headings = append(headings, strings.TrimSpace(name))
		c, _, err := ours.Find([]string{strings.TrimSpace(name)})
		if err != nil || c == ours {
			continue // about all of them
		}
		var documented, have []string
		for _, match := range row.FindAllStringSubmatch(body, -1) {
			documented = append(documented, match[1])
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" {
				have = append(have, f.Name)
			}
		})
		slices.Sort(documented)
		slices.Sort(have)
		if !slices.Equal(documented, have) {
			t.Errorf("%s has the flags\n%q, and docs/commands.md\n%q", c.Name(), have, documented)
		}
		for _, code := range regexp.MustCompile(`(?m)^  (\d)  `).FindAllStringSubmatch(c.Long, -1) {
			if !strings.Contains(body, "\n| "+code[1]+" |") {
				t.Errorf("docs/commands.md has no exit code %s of %s", code[1], c.Name())
			}
		}
		for _, args := range exampleLines(body) {
			found, rest, err := ours.Find(args)
			if err != nil || found.ParseFlags(rest) != nil {
				t.Errorf("docs/commands.md: %q does not parse", args)
			}
		}
	}
	for _, c := range ours.Commands() {
		if !slices.Contains(headings, c.Name()) {
			t.Errorf("docs/commands.md has no heading %s", c.Name())
		}
	}
}

// completions asks as the scripts of `caddy completion` do.
func completions(t *testing.T, args ...string) string {
	t.Helper()
	root, _ := commandTree(t)
	var shown bytes.Buffer
	root.SetOut(&shown)
	root.SetErr(&bytes.Buffer{})
	root.SetArgs(append([]string{cobra.ShellCompNoDescRequestCmd, "auth0-oidc"}, args...))
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	return shown.String()
}

const (
	offersFiles   = "\n:0\n"
	offersNoFiles = "\n:4\n"
)

func TestShellsCompleteCommandsFlagsAndValues(t *testing.T) {
	config := `{"apps":{"http":{"servers":{"s":{"routes":[{"match":[{"host":["app.example.com","www.example.com"]}],"handle":[
		{"handler":"auth0_oidc","connections":[{"name":"acme-child"},{"name":"{vars.x}"}]}]}]}}}}}`
	path := filepath.Join(t.TempDir(), "caddy.json")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args  []string
		wants []string
	}{
		{[]string{""}, []string{"connect\n", "inspect\n", "keygen\n", "revoke\n", offersNoFiles}},
		{[]string{"connect", "--str"}, []string{"--strategy"}},
		{[]string{"connect", "--strategy", ""}, []string{"oidc\nauth0-oidc\n", offersNoFiles}},
		{[]string{"connect", "--env-file", ""}, []string{":0\n"}},
		{[]string{"connect", "--master", ""}, []string{":4\n"}},
		{[]string{"inspect", "--config", path, "--site", ""}, []string{"app.example.com\nwww.example.com\n", offersNoFiles}},
		{[]string{"inspect", "--config", "/nowhere", "--site", ""}, []string{":4\n"}},
		{[]string{"inspect", ""}, []string{":4\n"}},
		{[]string{"keygen", "--output", ""}, []string{":0\n"}},
		{[]string{"revoke", "--adapter", ""}, []string{"caddyfile\n"}},
	} {
		shown := completions(t, test.args...)
		for _, want := range test.wants {
			if !strings.Contains(shown, want) {
				t.Errorf("%q offers\n%s, without %q", test.args, shown, want)
			}
		}
	}
	t.Chdir(t.TempDir())
	caddyfile := ":80 {\n\tauth0_oidc {\n\t\tdomain acme.eu.auth0.com\n\t\tclient_id app\n\t\tclient_secret secret\n\t\tconnection acme-child\n\t}\n}\n"
	if err := os.WriteFile("Caddyfile", []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadConfiguration("", ""); err != nil {
		t.Fatal(err)
	}
	if shown := completions(t, "connect", "--connection", ""); !strings.Contains(shown, "acme-child\n") {
		t.Errorf("connections of the Caddyfile are not offered:\n%s", shown)
	}
}

// A flag with a value completes it, or says that there is nothing to complete.
func TestEachFlagSaysHowItIsCompleted(t *testing.T) {
	t.Parallel()
	_, ours := commandTree(t)
	for _, c := range ours.Commands() {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if _, ok := c.GetFlagCompletionFunc(f.Name); !ok && f.Value.Type() != "bool" {
				t.Errorf("%s --%s has no completion", c.Name(), f.Name)
			}
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s has the usage %q", c.Name(), f.Name, f.Usage)
			}
		})
	}
}

func TestScriptsOfAllShellsCanBeMade(t *testing.T) {
	t.Parallel()
	root, _ := commandTree(t)
	var bash, zsh, fish, power bytes.Buffer
	for _, err := range []error{
		root.GenBashCompletion(&bash), root.GenZshCompletion(&zsh), root.GenFishCompletion(&fish, true), root.GenPowerShellCompletionWithDesc(&power),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(bash.String(), "_caddy_auth0-oidc_inspect()") || !strings.Contains(bash.String(), "__caddy_handle_go_custom_completion") {
		t.Error("the script for bash knows nothing of the commands")
	}
}

// What a command says on its way is for a person at a terminal.
func TestConnectSaysWhatItDoesAtATerminalOnly(t *testing.T) {
	for _, watched := range []bool{true, false} {
		w := newConnectWorld(t)
		w.watched = watched
		if code, report := w.connect(everything("--dry-run", "--json")...); code != exitDone {
			t.Errorf("%d %+v", code, report)
		}
		if strings.Contains(w.err.String(), "looking at what is in the master and the child") != watched {
			t.Errorf("watched %v:\n%s", watched, w.err.String())
		}
		if !strings.HasPrefix(w.out.String(), "{\n") {
			t.Errorf("the output is more than an object:\n%s", w.out.String())
		}
	}
}
