package caddyauth0oidc

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
)

// read runs the command as a person does.
func (w *doctorWorld) read(change func(*examination), args ...string) (int, string) {
	w.t.Helper()
	e := w.examination(args...)
	if change != nil {
		change(e)
	}
	code, _ := e.run(w.t.Context())
	return code, w.out.String()
}

func TestDoctorTellsPeopleWhatToDoSiteBySite(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	w.settings = "unauthenticated pass"
	w.more = "https://other.example.test {\nDIRECTIVE\n}\n"
	w.replace = []string{"https://other.example.test {\nauth0_oidc {", "https://other.example.test {\nauth0_oidc {\nbase_url https://wrong.example.test"}
	code, text := w.read(nil)
	if code != exitErrors {
		t.Errorf("the exit code is %d", code)
	}
	for _, want := range []string{
		"\napp.example.test\n  warning   open_to_everybody\n            Seen:   Requests without", "            Cause:  ", "            Remedy: Leave unauthenticated pass out",
		" matters are as they shall be\n", "other.example.test\n  warning   open_to_everybody\n", "  error     base_url_foreign\n", "1 error, 2 warnings, ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > usualWidth+1 {
			t.Errorf("the line is too long: %s", line)
		}
	}
	if strings.ContainsRune(text, '\x1b') || w.err.Len() > 0 {
		t.Errorf("there are colours, or progress, without a terminal: %s%s", text, &w.err)
	}
}

func TestDoctorShowsColoursProgressAndWhatIsFineToThoseWhoWantIt(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	code, text := w.read(func(e *examination) { e.colour, e.watched = true, true }, "--verbose")
	if code != exitDone || !strings.Contains(text, "\x1b[32mok") || !strings.Contains(text, "The clock of this machine agrees") {
		t.Errorf("the exit code is %d with\n%s", code, text)
	}
	if shown := w.err.String(); !strings.Contains(shown, "checking app.example.test (1 of 1)\n") {
		t.Errorf("the progress is %q", shown)
	}
}

func TestASVS_16_DoctorShowsNothingThatMovesTheCursor(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	published("issuer", "https://\x1b[2J\u202eevil.example/"+strings.Repeat("x", 5000))(w)
	if _, text := w.read(nil); strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) || len(text) > 4000 {
		t.Errorf("it shows %q", text)
	}
	w.examine()
	if text := w.out.String(); strings.ContainsAny(text, "\x1b\u202e") || !json.Valid(w.out.Bytes()) {
		t.Errorf("it shows %q", text)
	}
}

func TestDoctorExaminesWhatCanBeLoadedBesideWhatCannot(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	w.more = "https://other.example.test {\nDIRECTIVE\n}\n"
	w.replace = []string{"https://other.example.test {\nauth0_oidc {", "https://other.example.test {\nauth0_oidc {\nsecret {env.DOCTOR_TEST_NOT_SET}"}
	report := w.expect(one("placeholder_unresolved", doctor.Failure))
	for _, f := range report.Findings {
		if (f.Site == "other.example.test") != (f.Code == "placeholder_unresolved") {
			t.Errorf("the site of %s is %s", f.Code, f.Site)
		}
	}
	if report = w.expect(nil, "--site", "APP.example.test"); len(report.Findings) == 0 {
		t.Error("nothing was examined")
	}
	if code, report := w.examine("--site", "no.example.test"); code != exitUsage || !strings.Contains(report.Error, "other.example.test, app.example.test") {
		t.Errorf("the exit code is %d with the error %s", code, report.Error)
	}
}

func TestDoctorFindsDirectivesWhereverTheyStand(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]string{
		"in a handle":                  "handle /a* {\nDIRECTIVE\n}\nhandle {\nrespond ok\n}",
		"in a route after a matcher":   "route {\nrespond /health ok\nDIRECTIVE\nreverse_proxy 127.0.0.1:9\n}",
		"in an error route":            "respond ok\nhandle_errors {\nDIRECTIVE\nrespond no\n}",
		"in a named route":             "invoke protected\nrespond ok",
		"behind forward_auth":          "route {\nforward_auth 127.0.0.1:9 {\nuri /auth\n}\nDIRECTIVE\nreverse_proxy 127.0.0.1:9\n}",
		"in the answer of an upstream": "reverse_proxy 127.0.0.1:9 {\n@other status 404\nhandle_response @other {\nDIRECTIVE\nrespond no\n}\n}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newDoctorWorld(t, nil)
			w.site = site
			if strings.Contains(site, "invoke") {
				w.replace = []string{doctorBase, "&(protected) {\nDIRECTIVE\n}\n" + doctorBase}
				w.replace[1] = strings.ReplaceAll(w.replace[1], "DIRECTIVE", "auth0_oidc {\ndomain "+w.domain+"\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\n}")
			}
			if report := w.expect(nil); len(report.Findings) < 4 || report.Findings[0].Site != "app.example.test" {
				t.Errorf("the findings are\n%s", &w.out)
			}
		})
	}
}

func TestDoctorExaminesDirectivesThatAreTheSameOnce(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	w.site = "@a path /a*\n@b path /b*\nroute {\nauth0_oidc @a {\nSAME\nconnection first\n}\nauth0_oidc @b {\nSAME\nconnection second\n}\n}"
	w.replace = []string{"SAME", "domain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET"}
	maker := &siteMaker{ctx: t.Context(), now: w.clock.Now, transport: w.examination().egress, made: map[string]*doctor.Site{}}
	config, err := w.examination().load()
	if err != nil || config.fault != nil {
		t.Fatal(err, config.fault)
	}
	for _, p := range config.directives {
		maker.add(p)
	}
	if len(maker.sites) != 1 || len(maker.faults) != 0 || len(maker.sites[0].Connections) != 2 {
		t.Errorf("%d sites with the faults %v", len(maker.sites), maker.faults)
	}
}

func TestDoctorReadsJSONAndTheEnvironmentLikeCaddy(t *testing.T) {
	w := newDoctorWorld(t, nil)
	w.replace = []string{"client_secret CLIENT_SECRET", "client_secret {env.DOCTOR_TEST_SECRET}"}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(w.caddyfile()), nil)
	if err != nil {
		t.Fatal(err)
	}
	file, environment := filepath.Join(w.folder, "caddy.json"), filepath.Join(w.folder, "site.env")
	t.Setenv("DOCTOR_TEST_SECRET", "") // restored at the end
	if err := os.Unsetenv("DOCTOR_TEST_SECRET"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(environment, []byte("# of the site\n\nexport DOCTOR_TEST_SECRET=\""+w.pair.App.ClientSecret+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, adapted, 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect(nil, "--config", file, "--envfile", environment)
	without := regexp.MustCompile(`"client_id":"[^"]*",`).ReplaceAll(adapted, nil)
	if err := os.WriteFile(file, without, 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect(one("setting_missing", doctor.Failure), "--config", file)
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect(one("config_invalid", doctor.Failure), "--config", file)
}

// What Caddy's own reader makes of the same text: it is not exported, and the values were
// read off it.
func TestDoctorReadsFilesOfVariablesToTheByteLikeCaddy(t *testing.T) {
	t.Parallel()
	got, err := readEnvironment(strings.NewReader("A=1\nA=2\nexport B='x y' \nC=\"ab#cd\"\nD=\"-----BEGIN-----\nabc\n-----END-----\"\nE= x\n# F=1\nG=a # b\nH=\"say \\\"hi\\\"\nnow\"\n"))
	if got != nil || err == nil || !strings.Contains(err.Error(), "line 8 ") {
		t.Errorf("%q with the error %v", got, err)
	}
	got, err = readEnvironment(strings.NewReader("A=1\nA=2\nexport B='x y' \nC=\"ab#cd\"\nD=\"-----BEGIN-----\nabc\n-----END-----\"\n# F=1\nG=a # b\nH=\"say \\\"hi\\\"\nnow\"\n"))
	want := map[string]string{"A": "2", "B": "x y", "C": "ab", "D": "-----BEGIN-----\nabc\n-----END-----", "G": "a", "H": "say \"hi\"\nnow"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q with the error %v", got, err)
	}
}

func TestDoctorRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	broken := filepath.Join(w.folder, "broken.env")
	if err := os.WriteFile(broken, []byte("no value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"a configuration that is not there": {"--config", filepath.Join(w.folder, "none")},
		"an adapter that is not there":      {"--adapter", "none"},
		"an environment that is not there":  {"--envfile", filepath.Join(w.folder, "none")},
		"an environment without values":     {"--envfile", broken},
	} {
		if code, report := w.examine(args...); code != exitUsage || report.Error == "" || report.Outcome != outcomeUsage {
			t.Errorf("%s: the exit code is %d with %+v", name, code, report)
		}
	}
	w.env["AUTH0_MANAGEMENT_CLIENT_ID"] = "half"
	if code, report := w.examine(); code != exitUsage || !strings.Contains(report.Error, "AUTH0_MANAGEMENT_CLIENT_SECRET") {
		t.Errorf("the exit code is %d with %+v", code, report)
	}
}

func TestDoctorReadsTheManagementAPIsOfBothTenants(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	w.manage()
	w.replace = []string{"connection acme-child", "connection acme-child {\nchild {\ndomain CHILD_TENANT\nclient_id CHILD_APPLICATION\n}\n}"}
	e := w.examination()
	config, err := e.load()
	if err != nil || config.fault != nil {
		t.Fatal(err, config.fault)
	}
	maker := &siteMaker{ctx: t.Context(), now: w.clock.Now, transport: e.egress, made: map[string]*doctor.Site{}}
	maker.add(config.directives[0])
	around, err := e.around(maker.sites)
	if err != nil {
		t.Fatal(err)
	}
	for name, of := range map[doctor.Management]string{around.Master: w.pair.App.ClientID, around.Child: w.pair.ChildApp.ClientID} {
		var client struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
		if err := name.Get(t.Context(), "clients/"+of+"?fields=client_id&include_fields=true", &client); err != nil || client.ID != of || client.Secret != "" {
			t.Errorf("%+v with the error %v", client, err)
		}
		if err := name.Get(t.Context(), "clients/none", &client); err == nil {
			t.Error("a client that is not there was read")
		}
	}
}

func TestDoctorKnowsHowSitesAreReached(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ global, address, want string }{
		{"", "app.example.com", "true [https://app.example.com]"},
		{"", "app.example.com:8443", "true [https://app.example.com:8443]"},
		{"", "http://app.example.com", "false [http://app.example.com]"},
		{"", "http://app.example.com:8080", "false [http://app.example.com:8080]"},
		{"", ":8080", "false []"},
		{"", ":443", "true []"},
		{"", "*.example.com, app.example.org", "true [https://app.example.org]"},
		{"auto_https off", "app.example.com", "true [https://app.example.com]"},
		{"http_port 8080\nhttps_port 8443", "app.example.com", "true [https://app.example.com]"},
		{"http_port 8080\nhttps_port 8443", "http://app.example.com", "false [http://app.example.com]"},
		{"servers {\ntrusted_proxies static private_ranges\n}", "http://app.example.com:8080", "false [https://app.example.com]"},
	} {
		text := "{\n" + row.global + "\n}\n" + row.address + " {\nauth0_oidc {\ndomain acme.eu.auth0.com\nclient_id x\nclient_secret y\nconnection z\n}\n}\n"
		adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		found, err := placedIn(adapted)
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %d directives, %v", row.address, len(found), err)
		}
		if got := fmt.Sprint(found[0].place.Secure, found[0].addresses()); got != row.want {
			t.Errorf("%s with %q: %s, and not %s", row.address, row.global, got, row.want)
		}
	}
}

// Every code of a finding has its row in docs/doctor.md, and no other has one. That the
// severities of a row are those of the code is for readers to see.
func TestEveryCodeOfTheDoctorIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ((?:ok|unknown|warning|error)(?:, (?:ok|unknown|warning|error))*) \\|.*\\S.*\\|.*\\|$").FindAllSubmatch(text, -1) {
		rows = append(rows, string(row[1]))
	}
	codes := doctorCodes(t)
	for _, code := range codes {
		if !slices.Contains(rows, code) {
			t.Errorf("docs/doctor.md has no row for %s", code)
		}
	}
	for _, row := range rows {
		if !slices.Contains(codes, row) {
			t.Errorf("docs/doctor.md has a row for %s, which is no code", row)
		}
	}
}

// doctorCodes are the constants of internal/doctor whose names begin with code.
func doctorCodes(t *testing.T) (codes []string) {
	t.Helper()
	for _, f := range conventionFiles(t) {
		if f.dir != "caddyauth0oidc/internal/doctor" || f.test {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "code") || len(spec.Values) != 1 {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				code, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				codes = append(codes, code)
			}
			return true
		})
	}
	if len(codes) < 40 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	return codes
}
