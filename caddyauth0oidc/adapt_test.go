package caddyauth0oidc

import (
	"bytes"
	"encoding/json"
	commandline "flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var adaptUpdate = commandline.Bool("update", false, "write the golden files of testdata/adapt anew")

// adaptDashes stands between the Caddyfile of a golden file and what comes of it.
const adaptDashes = "\n----------\n"

const adaptSecret = "a-test-secret-of-32-bytes-or-more"

// adaptNoEnvironment keeps the machine's own environment out of a test.
func adaptNoEnvironment(t testing.TB) {
	t.Helper()
	for _, name := range []string{envDomain, envClientID, envClientSecret, envSecret, envConnection, envBaseURL} {
		t.Setenv(name, "")
	}
}

// adaptGolden is one file of testdata/adapt.
type adaptGolden struct {
	path, name, caddyfile, want string
}

func adaptGoldens(t *testing.T) []adaptGolden {
	t.Helper()
	paths, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var all []adaptGolden
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		caddyfile, want, ok := strings.Cut(string(content), adaptDashes)
		if !ok && !*adaptUpdate {
			t.Fatalf("%s has no line of dashes", path)
		}
		all = append(all, adaptGolden{
			path: path, name: strings.TrimSuffix(filepath.Base(path), ".caddyfiletest"),
			caddyfile: strings.TrimRight(caddyfile, "\n") + "\n", want: strings.TrimSpace(want),
		})
	}
	return all
}

// isError tells whether the Caddyfile is to be refused.
func (g adaptGolden) isError() bool { return strings.HasPrefix(g.name, "error_") }

// adapt gives the JSON, indented as Caddy's own golden files have it.
func adapt(t testing.TB, text string) (string, error) {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	for _, w := range warnings {
		t.Logf("warning: %s", w)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, config, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return indented.String(), nil
}

// The environment decides what is missing, so these tests set it and cannot be
// parallel.
func TestCaddyfileAdaptsToTheGoldenFiles(t *testing.T) {
	adaptNoEnvironment(t)
	for _, golden := range adaptGoldens(t) {
		t.Run(golden.name, func(t *testing.T) {
			got, err := adapt(t, golden.caddyfile)
			if (err != nil) != golden.isError() {
				t.Fatalf("a file is named error_ if and only if it is refused; error: %v", err)
			}
			if err != nil {
				got = err.Error()
			}
			if *adaptUpdate {
				if err := os.WriteFile(golden.path, []byte(golden.caddyfile+strings.TrimPrefix(adaptDashes, "\n")+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != golden.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, golden.want)
			}
		})
	}
}

var (
	adaptPosition = regexp.MustCompile(`Caddyfile:[1-9]\d*`)
	adaptRemedy   = regexp.MustCompile(`\b(write|choose|use|define|keep|give|add|set|swap|leave|known here|needs|must|at least)\b`)
)

func TestEveryErrorOfTheCaddyfileSaysWhereAndWhatInstead(t *testing.T) {
	t.Parallel()
	for _, golden := range adaptGoldens(t) {
		if !golden.isError() {
			continue
		}
		t.Run(golden.name, func(t *testing.T) {
			t.Parallel()
			if !adaptPosition.MatchString(golden.want) {
				t.Errorf("no file and line in %q", golden.want)
			}
			if !adaptRemedy.MatchString(golden.want) {
				t.Errorf("nothing about what to do in %q", golden.want)
			}
		})
	}
}

var adaptKey = sync.OnceValue(newTestKey)

// adaptConfig makes a configuration loadable on any machine: storage and the
// files of secrets are in a folder of the test, and nothing is logged.
func adaptConfig(t *testing.T, config string) *caddy.Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "auth0_client_secret"), []byte("a client secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	writeKey(t, filepath.Join(dir, "auth0_client_key.pem"), adaptKey())
	writeCertificate(t, filepath.Join(dir, "auth0_client.pem"), adaptCertificate(), keyTime)
	var c caddy.Config
	if err := json.Unmarshal([]byte(strings.ReplaceAll(config, "/run/secrets", dir)), &c); err != nil {
		t.Fatal(err)
	}
	c.Admin = &caddy.AdminConfig{Disabled: true}
	c.StorageRaw = caddyconfig.JSONModuleObject(map[string]string{"root": dir}, "module", "file_system", nil)
	c.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}}}}
	return &c
}

// The JSON of a handler is complete in itself: nothing of the global options is
// needed to load it.
func TestAdaptedJSONLoadsWithoutTheCaddyfile(t *testing.T) {
	adaptNoEnvironment(t)
	for _, golden := range adaptGoldens(t) {
		if golden.isError() {
			continue
		}
		t.Run(golden.name, func(t *testing.T) {
			t.Setenv("TEST_CLIENT_ID", "client")
			t.Setenv("TEST_CLIENT_SECRET", "a client secret")
			t.Setenv("TEST_NEXT_CLIENT_SECRET", "the next client secret")
			t.Setenv("TEST_API", "urn:acme:reports")
			t.Setenv("TEST_CONNECTION", "acme")
			t.Setenv("TEST_ORGANIZATION", "globex")
			t.Setenv("TEST_ISSUER", "https://login.example.com:8443/acme")
			t.Setenv("TEST_SECRET", adaptSecret)
			t.Setenv("TEST_OLD_SECRET", "an-older-test-secret-of-32-bytes-or-more")
			t.Setenv("TEST_PAGES", t.TempDir())
			if err := caddy.Validate(adaptConfig(t, golden.want)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEverySettingOfTheCaddyfileReachesItsField(t *testing.T) {
	adaptNoEnvironment(t)
	all := adaptGoldenHandler(t, "every_setting")
	// The settings that exclude others.
	all.Issuer = adaptGoldenHandler(t, "issuer_with_port_and_path").Issuer
	all.ClientAssertion = adaptGoldenHandler(t, "client_assertion").ClientAssertion
	all.ClientCertificate = adaptGoldenHandler(t, "client_certificate").ClientCertificate
	adaptNothingIsZero(t, "handler", reflect.ValueOf(*all))
}

// adaptGoldenHandler gives the handler of a golden file's Caddyfile.
func adaptGoldenHandler(t *testing.T, name string) *Handler {
	t.Helper()
	content, err := os.ReadFile("testdata/adapt/" + name + ".caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	caddyfile, _, _ := strings.Cut(string(content), adaptDashes)
	config, err := adapt(t, caddyfile+"\n")
	if err != nil {
		t.Fatal(err)
	}
	return adaptedHandler(t, config)
}

func adaptNothingIsZero(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if v.IsZero() {
		t.Errorf("%s is not set", path)
		return
	}
	if line, ok := v.Interface().(HeaderLine); ok { // has a claim or a value
		if line.Header == "" || (line.Claim == "") == (line.Value == "") {
			t.Errorf("%s is %+v", path, line)
		}
		return
	}
	if c, ok := v.Interface().(Connection); ok { // a fixed name goes with all but allow
		c.Allow = []string{"any"}
		v = reflect.ValueOf(c)
	}
	switch v.Kind() {
	case reflect.Pointer:
		adaptNothingIsZero(t, path, v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			adaptNothingIsZero(t, path, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				adaptNothingIsZero(t, path+"."+f.Name, v.Field(i))
			}
		}
	}
}

// adaptedHandler finds the only handler of ours in a configuration with one
// server whose routes have no host.
func adaptedHandler(t testing.TB, config string) *Handler {
	t.Helper()
	var c struct {
		Apps struct {
			HTTP caddyhttp.App `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		t.Fatal(err)
	}
	for _, server := range c.Apps.HTTP.Servers {
		for _, route := range server.Routes {
			for _, raw := range route.HandlersRaw {
				var named struct {
					Handler string `json:"handler"`
				}
				if err := json.Unmarshal(raw, &named); err != nil {
					t.Fatal(err)
				}
				if named.Handler == directive {
					h := new(Handler)
					if err := json.Unmarshal(raw, h); err != nil {
						t.Fatal(err)
					}
					return h
				}
			}
		}
	}
	t.Fatalf("no %s in %s", directive, config)
	return nil
}

// A body that breaks out of the block, or asks Caddy to import a file, leads to
// code that is not ours; what is asked here holds for those, too.
func FuzzCaddyfile(f *testing.F) {
	adaptNoEnvironment(f)
	const required = "domain acme.eu.auth0.com\nclient_id a\nclient_secret b\nconnection acme-child"
	for _, seed := range []string{
		required,
		required + "\nsession {\nidle 1h\ncookie {\nname x\nsame_site none\n}\n}",
		required + " {\nstrategy any\n}\nheaders {\nprofile\nprefix X-User-\n}",
		required + "\nheaders {\npreset none\nRemote-User id\nX-Roles `\"https://acme.com/roles\".0`\nX_User \"\"\n}",
		required + "\nauthorize_param ui_locales de\nauthorize_param screen_hint signup\nallow_params login_hint",
		required + "\nrequire groups a* ~b+ \\*\nrequire groups `\"x\".y`\ndeny email_domain *.corp.com\ndeny banned",
		"secret {env.A} " + adaptSecret, "logout {\nreturn_to /bye\n", "connection a b {\n}", "domain \"\"", "prefix `/a`", "session idle",
		"scopes openid <<END\nx\nEND", "}\n}\n:81 {\nauth0_oidc {", "unauthenticated {", "base_url https://[::1]:8443 http://a b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, "import") {
			t.Skip("would read files of this machine")
		}
		text := ":8080 {\n\tauth0_oidc {\n" + body + "\n\t}\n}\n"
		first, err := adapt(t, text)
		second, again := adapt(t, text)
		if (err == nil) != (again == nil) || first != second {
			t.Fatalf("adapted twice, %q and %v differ from %q and %v", first, err, second, again)
		}
		if err != nil {
			if strings.Contains(err.Error(), "parsing caddyfile tokens for 'auth0_oidc'") && !adaptPosition.MatchString(err.Error()) {
				t.Fatalf("no file and line in %q", err)
			}
		}
	})
}

// adaptLoader loads handlers from JSON as Caddy does, in a configuration that
// is unloaded by the returned function.
func adaptLoader(t *testing.T) (load func(config string) (*Handler, error), unload func()) {
	t.Helper()
	base, err := caddy.ProvisionContext(adaptConfig(t, "{}"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(base)
	unload = sync.OnceFunc(cancel)
	t.Cleanup(unload)
	return func(config string) (*Handler, error) {
		module, err := ctx.LoadModuleByID("http.handlers.auth0_oidc", json.RawMessage(config))
		if err != nil {
			return nil, err
		}
		return module.(*Handler), nil
	}, unload
}

// adaptJSON is a handler's JSON with the required settings, of which the given
// ones, pairs of a field and its JSON, take the place.
func adaptJSON(t *testing.T, pairs ...string) string {
	t.Helper()
	fields := map[string]json.RawMessage{
		"domain": json.RawMessage(`"acme.eu.auth0.com"`), "client_id": json.RawMessage(`"client"`),
		"client_secret": json.RawMessage(`"a client secret"`), "connections": json.RawMessage(`[{"name":"acme-child"}]`),
		"secrets": json.RawMessage(`["` + adaptSecret + `"]`),
	}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i]] = json.RawMessage(pairs[i+1])
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestImpossibleSettingsAreRefusedWhenTheConfigurationIsLoaded(t *testing.T) {
	adaptNoEnvironment(t)
	t.Setenv("TEST_EMPTY", "")
	t.Setenv("TEST_SHORT", "tell-nobody-this")
	t.Setenv("TEST_SPACE", "  ")
	t.Setenv("TEST_LINE_END", "\n")
	t.Setenv("TEST_DOMAIN", "http://acme.eu.auth0.com")
	t.Setenv("TEST_CONNECTION", "acme_child")
	t.Setenv("TEST_BASE", "https://app.example.com/portal")
	load, _ := adaptLoader(t)
	for _, tc := range []struct {
		name, want string
		pairs      []string
	}{
		{"no domain", "'domain' is missing", []string{"domain", `""`}},
		{"no client_id", "'client_id' is missing", []string{"client_id", `""`}},
		{"no client_secret", "'client_secret' is missing", []string{"client_secret", `""`}},
		{"no connection", "'connection' is missing", []string{"connections", `[]`}},
		{"empty variable as client_secret", "resolving client_secret", []string{"client_secret", `"{env.TEST_EMPTY}"`}},
		{"empty variable as client_id", "resolving client_id", []string{"client_id", `"{env.TEST_EMPTY}"`}},
		{"empty variable as domain", "resolving domain", []string{"domain", `"{env.TEST_EMPTY}"`}},
		{"empty variable as secret", "resolving secret", []string{"secrets", `["{env.TEST_EMPTY}"]`}},
		{"empty variable as connection", "resolving connection", []string{"connections", `[{"name":"{env.TEST_EMPTY}"}]`}},
		{"empty variable as audience", "resolving audience", []string{"audience", `"{env.TEST_EMPTY}"`}},
		{"empty variable as base_url", "resolving base_url", []string{"base_urls", `["{env.TEST_EMPTY}"]`}},
		{"empty variable as authorize_param", "resolving authorize_param ui_locales", []string{"authorize_params", `{"ui_locales":"{env.TEST_EMPTY}"}`}},
		{"unknown placeholder", "resolving client_secret", []string{"client_secret", `"{no.such.placeholder}"`}},
		{"missing file", "resolving client_secret", []string{"client_secret", `"{file./no/such/file}"`}},
		{"blank client_secret", "client_secret", []string{"client_secret", `"{env.TEST_SPACE}"`}},
		{"short secret of a variable", "at least 32 bytes", []string{"secrets", `["{env.TEST_SHORT}"]`}},
		{"plain http of a variable", "plain http is only for loopback hosts", []string{"domain", `"{env.TEST_DOMAIN}"`}},
		{"connection name of a variable", "checking the connection", []string{"connections", `[{"name":"{env.TEST_CONNECTION}"}]`}},
		{"base_url of a variable", "more than scheme and host", []string{"base_urls", `["{env.TEST_BASE}"]`}},
		{"the same secret twice", "two secrets are the same", []string{"secrets", `["` + adaptSecret + `","` + adaptSecret + `"]`}},
		{"a connection twice", "'acme-child' is there twice", []string{"connections", `[{"name":"acme-child"},{"name":"acme-child"}]`}},
		{"a domain of two connections", "'ACME.com' of 'globex-child' leads to 'acme-child' already", []string{"connections", `[{"name":"acme-child","email_domains":["acme.com"]},{"name":"globex-child","email_domains":["ACME.com"]}]`}},
		{"a domain that is none", "is not a domain", []string{"connections", `[{"name":"acme-child","email_domains":["acme_com"]}]`}},
		{"a label of two lines", "not one line of text", []string{"connections", `[{"name":"acme-child","label":"Acme\nGlobex"}]`}},
		{"a label without end", "at most 128 bytes", []string{"connections", `[{"name":"acme-child","label":"` + strings.Repeat("ä", 65) + `"}]`}},
		{"a fixed connection with allow", "is always the same connection", []string{"connections", `[{"name":"acme-child","allow":["acme"]}]`}},
		{"a connection of the request without allow", "depends on the request", []string{"connections", `[{"name":"{http.request.host.labels.2}"}]`}},
		{"a connection of the request beside another", "the only one of its directive", []string{"connections", `[{"name":"{http.request.host}","allow":["acme"]},{"name":"acme-child"}]`}},
		{"a child of many connections that ends sessions", "cannot tell whose users", []string{"connections", `[{"name":"{http.request.host}","allow":["acme"],"child":{"domain":"c.eu.auth0.com","client_id":"x","backchannel_logout":true}}]`}},
		{"a child that ends sessions of any client", "needs 'client_id'", []string{"connections", `[{"name":"acme-child","child":{"domain":"c.eu.auth0.com","backchannel_logout":true}}]`}},
		{"a connection of the request for everybody", "in, at every host", []string{"connections", `[{"name":"{http.request.host}","allow":["acme"],"strategy":"any"}]`}},
		{"a connection of the request with a domain", "leave them out here", []string{"connections", `[{"name":"{http.request.host}","allow":["acme"],"email_domains":["acme.com"]}]`}},
		{"a connection of the request with a label", "leave them out here", []string{"connections", `[{"name":"{http.request.host}","allow":["acme"],"label":"Acme"}]`}},
		{"an allowed name twice", "allow: 'acme' is there twice", []string{"connections", `[{"name":"{http.request.host}","allow":["acme","acme"]}]`}},
		{"an allowed name of a variable", "checking the connection", []string{"connections", `[{"name":"{http.request.host}","allow":["{env.TEST_CONNECTION}"]}]`}},
		{"a placeholder of nobody's in a request's", "a placeholder that requests do not have", []string{"connections", `[{"name":"{http.request.host}-{no.such}","allow":["acme"]}]`}},
		{"a connection without name", "connection", []string{"connections", `[{"strategy":"oidc"}]`}},
		{"a strategy that there is not", "strategy", []string{"connections", `[{"name":"acme-child","strategy":"google-oauth2"}]`}},
		{"ids of a connection auto", "user_id_as: checking how the user ids of the connection", []string{"connections", `[{"name":"acme-child","user_id_as":{"strategy":"auth0-oidc"}}]`}},
		{"ids of no strategy", "user_id_as: the strategy: '' is not possible", []string{"connections", `[{"name":"acme-child","strategy":"oidc","user_id_as":{"connection":"acme"}}]`}},
		{"ids as they are", "this is how its ids are", []string{"connections", `[{"name":"acme-child","strategy":"oidc","user_id_as":{"strategy":"oidc"}}]`}},
		{"ids of a connection that cannot be", "user_id_as: checking the connection", []string{"connections", `[{"name":"acme-child","strategy":"oidc","user_id_as":{"strategy":"oidc","connection":"a|b"}}]`}},
		{"empty variable as user_id_as", "resolving user_id_as", []string{"connections", `[{"name":"acme-child","strategy":"oidc","user_id_as":{"strategy":"auth0-oidc","connection":"{env.TEST_EMPTY}"}}]`}},
		{"user_id_as of an empty file", "user_id_as: checking the connection", []string{"connections", `[{"name":"acme-child","strategy":"oidc","user_id_as":{"strategy":"auth0-oidc","connection":"{env.TEST_LINE_END}"}}]`}},
		{"idle above absolute", "shorter than the idle limit", []string{"session", `{"idle":"48h","absolute":"24h"}`}},
		{"idle above the default of absolute", "shorter than the idle limit", []string{"session", `{"idle":"96h"}`}},
		{"idle below a minute", "too short", []string{"session", `{"idle":"59s"}`}},
		{"negative idle", "too short", []string{"session", `{"idle":-1}`}},
		{"cookie name", "session cookie name", []string{"session", `{"cookie":{"name":"__Host-x"}}`}},
		{"cookie domain", "session cookie domain", []string{"session", `{"cookie":{"domain":"https://example.com"}}`}},
		{"strict cookie", "session cookie same_site", []string{"session", `{"cookie":{"same_site":"strict"}}`}},
		{"cookie domain of another site", "is not below example.com", []string{"session", `{"cookie":{"domain":"example.com"}}`, "base_urls", `["https://app.example.org"]`}},
		{"cookie domain that only ends alike", "is not below example.com", []string{"session", `{"cookie":{"domain":"example.com"}}`, "base_urls", `["https://badexample.com"]`}},
		{"same_site none on plain http", "without https", []string{"session", `{"cookie":{"same_site":"none"}}`, "base_urls", `["https://a.example.com","http://b.example.com"]`}},
		{"scopes without openid", "'openid' is missing", []string{"scopes", `["profile"]`}},
		{"offline_access", "'offline_access'", []string{"scopes", `["openid","offline_access"]`}},
		{"reserved authorize_param", "authorize_param", []string{"authorize_params", `{"redirect_uri":"https://elsewhere.example/"}`}},
		{"reserved allow_params", "allow_params", []string{"allow_params", `["state"]`}},
		{"unauthenticated", "unauthenticated", []string{"unauthenticated", `"deny"`}},
		{"prefix", "prefix", []string{"prefix", `"/auth/"`}},
		{"header prefix", "headers: checking the header prefix", []string{"headers", `{"prefix":"X-Forwarded-"}`}},
		{"header preset", "write one of auth0", []string{"headers", `{"preset":"kerberos"}`}},
		{"header of the proxy", "write a name of your own", []string{"headers", `{"lines":[{"header":"X-Forwarded-For","claim":"id"}]}`}},
		{"header without a name", "write a name", []string{"headers", `{"lines":[{"claim":"id"}]}`}},
		{"header without a claim", "write the name of one", []string{"headers", `{"preset":"none","lines":[{"header":"X-User"}]}`}},
		{"header with a placeholder", "is a placeholder; write it as the line's value", []string{"headers", `{"lines":[{"header":"X-User","claim":"{env.TEST_SHORT}"}]}`}},
		{"header with claim and value", "write one of the two", []string{"headers", `{"lines":[{"header":"X-User","claim":"id","value":"{env.TEST_SHORT}"}]}`}},
		{"header twice", "another line sets X-User", []string{"headers", `{"lines":[{"header":"X-User","claim":"id"},{"header":"x_user","claim":"email"}]}`}},
		{"header of the preset", "X-Auth0-Email is among", []string{"headers", `{"lines":[{"header":"X_AUTH0_EMAIL","claim":"name"}]}`}},
		{"lines as an object", "cannot unmarshal", []string{"headers", `{"lines":{"X-User":"id"}}`}},
		{"logout strategy", "logout strategy", []string{"logout", `{"strategy":"saml"}`}},
		{"header of browsers", "Sec- belong to browsers", []string{"headers", `{"lines":[{"header":"Sec-User","claim":"id"}]}`}},
		{"header with a claim after a space", "write \"email\"", []string{"headers", `{"lines":[{"header":"X-User","claim":" email"}]}`}},
		{"header with a claim before a line end", "write \"email\"", []string{"headers", `{"lines":[{"header":"X-User","claim":"email\n"}]}`}},
		{"rule without a claim", "require: rule 2: the claim has no name", []string{"require", `[{"claim":"vip"},{"values":["x"]}]`}},
		{"rule with an empty value", "deny: rule 1: a value is empty", []string{"deny", `[{"claim":"groups","values":["x",""]}]`}},
		{"rule with a bad expression", "deny: rule 1: error parsing regexp", []string{"deny", `[{"claim":"groups","values":["~("]}]`}},
		{"rule with a placeholder", "placeholders are not resolved here", []string{"deny", `[{"claim":"groups","values":["{env.TEST_SHORT}"]}]`}},
		{"rule about no domain", "email_domain needs a domain", []string{"require", `[{"claim":"email_domain"}]`}},
		{"matcher without a rule", "auth0_claim has no rule", []string{"match", `[{"auth0_claim":{}}]`}},
		{"matcher with a bad rule", "rule 1: a value is empty", []string{"match", `[{"auth0_claim":{"rules":[{"claim":"x","values":[""]}]}}]`}},
		{"negative max_age", "max_age: ", []string{"max_age", `"-1h"`}},
		{"max_age below a minute", "max_age: 59s is too short", []string{"max_age", `"59s"`}},
		{"acr_values with a quotation mark", "acr_values: ", []string{"acr_values", `["mfa","a\"b"]`}},
		{"acr_values empty", "acr_values: ", []string{"acr_values", `[""]`}},
		{"acr_values of an environment that is not there", "resolving acr_values", []string{"acr_values", `["{env.TEST_NOT_THERE}"]`}},
		{"organization", "organization: checking the organization", []string{"organization", `"Acme Corp"`}},
		{"empty variable as organization", "resolving organization", []string{"organization", `"{env.TEST_EMPTY}"`}},
		{"organization of a variable", "organization: checking the organization", []string{"organization", `"{env.TEST_SPACE}"`}},
		{"organization of an empty file", "organization: checking the organization \"\"", []string{"organization", `"{env.TEST_LINE_END}"`}},
		{"prompt none", "prompt: 'none' would let nobody in", []string{"prompt", `"none"`}},
		{"prompt", "prompt: 'create' is not possible", []string{"prompt", `"create"`}},
		{"authorize_params with prompt", "'prompt' has a setting of its own", []string{"authorize_params", `{"Prompt":"login"}`}},
		{"bearer without audience", "bearer: 'audience' is missing", []string{"bearer", `{}`}},
		{"empty variable as bearer audience", "resolving bearer audience", []string{"bearer", `{"audiences":["{env.TEST_EMPTY}"]}`}},
		{"blank bearer audience", "bearer: audience: the value is empty", []string{"bearer", `{"audiences":["{env.TEST_SPACE}"]}`}},
		{"bearer audience of the client", "bearer: the audience is the client id", []string{"bearer", `{"audiences":["urn:x","client"]}`}},
		{"bearer audience of the tenant", "is an API of the tenant itself", []string{"bearer", `{"audiences":["https://acme.eu.auth0.com/userinfo"]}`}},
		{"bearer audience of a custom domain", "is an API of the tenant itself", []string{"domain", `"login.example.com"`, "bearer", `{"audiences":["https://login.example.com/api/v2/"]}`}},
		{"bearer scope", "bearer: scope: 'a b' is not a scope", []string{"bearer", `{"audiences":["urn:x"],"scopes":["a b"]}`}},
		{"bearer permission", "bearer: permissions: '' is not a scope", []string{"bearer", `{"audiences":["urn:x"],"permissions":[""]}`}},
		{"preserve_post above what cookies hold", "preserve_post: the size is", []string{"preserve_post", `16385`}},
		{"negative preserve_post", "preserve_post: the size is", []string{"preserve_post", `-1`}},
		{"logout hint", "logout hint: 'jwt' is not possible", []string{"logout", `{"hint":"jwt"}`}},
		{"ID token for /v2/logout", "/v2/logout takes no ID token", []string{"logout", `{"strategy":"v2","hint":"id_token"}`}},
		{"logout return_to", "logout return_to", []string{"logout", `{"return_to":"https://elsewhere.example/"}`}},
		{"unknown field", "unknown field", []string{"client", `"x"`}},
		{"unknown matcher", "loading the matchers", []string{"match", `[{"no_such_matcher":{}}]`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(adaptJSON(t, tc.pairs...))
			if err == nil {
				t.Fatal("the configuration was loaded")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error %q does not contain %q", err, tc.want)
			}
			for _, secret := range []string{adaptSecret, "a client secret", "tell-nobody-this"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error %q tells a secret", err)
				}
			}
		})
	}
}

// Somebody who repairs a configuration wants to see all that is wrong with it.
func TestErrorsAreToldTogether(t *testing.T) {
	adaptNoEnvironment(t)
	load, _ := adaptLoader(t)
	_, err := load(adaptJSON(t, "prefix", `"/"`, "client_id", `""`, "unauthenticated", `"no"`))
	for _, want := range []string{"prefix: ", "'client_id' is missing", "unauthenticated: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not contain %q", err, want)
		}
	}
}

// Editors end a file with a line end, and some begin it with a byte order mark.
func TestASVS_26_PlaceholdersOfFilesLoseWhatEditorsAdd(t *testing.T) {
	adaptNoEnvironment(t)
	load, _ := adaptLoader(t)
	for name, content := range map[string]string{"line end": "s3cret\n", "Windows": "s3cret\r\n", "byte order mark": "\ufeffs3cret\r\n", "bare": "s3cret"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			h, err := load(adaptJSON(t, "client_secret", `"{file.`+path+`}"`))
			if err != nil {
				t.Fatal(err)
			}
			if h.ClientSecret != "s3cret" {
				t.Errorf("the secret became %q", h.ClientSecret)
			}
		})
	}
}

func TestASVS_26_EnvironmentStandsInForWhatIsNotConfigured(t *testing.T) {
	for _, tc := range []struct {
		name, value, configured string
		field                   func(*Handler) string
		remove, set             []string // the setting, taken out and put in
	}{
		{envDomain, "env.eu.auth0.com", "acme.eu.auth0.com", func(h *Handler) string { return h.Domain }, []string{"domain", `""`}, nil},
		{envClientID, "env-client", "client", func(h *Handler) string { return h.ClientID }, []string{"client_id", `""`}, nil},
		{envClientSecret, "env client secret", "a client secret", func(h *Handler) string { return h.ClientSecret }, []string{"client_secret", `""`}, nil},
		{envConnection, "env-child", "acme-child auto", func(h *Handler) string { return h.Connections[0].Name + " " + h.Connections[0].Strategy }, []string{"connections", `[]`}, nil},
		{envSecret, "a-secret-of-the-environment-32-bytes", adaptSecret, func(h *Handler) string { return strings.Join(h.Secrets, " ") }, []string{"secrets", `[]`}, nil},
		{
			envBaseURL, "https://a.example.com, https://b.example.com", "https://c.example.com",
			func(h *Handler) string { return strings.Join(h.BaseURLs, ", ") }, nil, []string{"base_urls", `["https://c.example.com"]`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			adaptNoEnvironment(t)
			t.Setenv(tc.name, tc.value)
			load, _ := adaptLoader(t)
			for _, step := range []struct {
				what, want string
				pairs      []string
			}{{"left out", strings.TrimSpace(tc.value), tc.remove}, {"configured", tc.configured, tc.set}} {
				h, err := load(adaptJSON(t, step.pairs...))
				if err != nil {
					t.Fatalf("%s: %v", step.what, err)
				}
				if got := tc.field(h); !strings.HasPrefix(got, step.want) {
					t.Errorf("%s, it is %q and not %q", step.what, got, step.want)
				}
			}
		})
	}
}

func TestBareDirectiveWorksWithTheEnvironmentAlone(t *testing.T) {
	adaptNoEnvironment(t)
	t.Setenv(envDomain, "acme.eu.auth0.com")
	t.Setenv(envClientID, "client")
	t.Setenv(envClientSecret, "a client secret")
	t.Setenv(envConnection, "acme-child")
	config, err := adapt(t, ":8080 {\n\tauth0_oidc\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(config, "a client secret") {
		t.Errorf("a secret of the environment got into the JSON:\n%s", config)
	}
	if err := caddy.Validate(adaptConfig(t, config)); err != nil {
		t.Error(err)
	}
	t.Setenv(envConnection, "")
	if err := caddy.Validate(adaptConfig(t, config)); err == nil {
		t.Error("it was loaded without a connection")
	}
}

// A reload is provisioned before the running configuration is cleaned up, and
// when it is refused, Caddy cleans up what it had provisioned, the handler that
// failed as well. A release too many would take the tenant's metadata and keys,
// and the pending logins, from the site that is still running.
func TestRefusedConfigurationLeavesTheRunningOneWhole(t *testing.T) {
	adaptNoEnvironment(t)
	for i, tc := range []struct {
		name  string
		pairs []string
		fails bool // by itself, and not because of another site
	}{
		{"before it takes its share", []string{"prefix", `"/"`}, true},
		{"after it took its share", []string{"session", `{"cookie":{"same_site":"none"}}`, "base_urls", `["http://app.example.com"]`}, true},
		{"because of another site, with a change", []string{"unauthenticated", `"pass"`}, false},
		{"because of another site, without a change", nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			domain := []string{"domain", `"refused-` + strconv.Itoa(i) + `.eu.auth0.com"`}
			load, _ := adaptLoader(t)
			running, err := load(adaptJSON(t, domain...))
			if err != nil {
				t.Fatal(err)
			}
			next, refuse := adaptLoader(t)
			if _, err := next(adaptJSON(t, append(domain, tc.pairs...)...)); (err != nil) != tc.fails {
				t.Fatalf("loading the next configuration: %v", err)
			}
			refuse()
			if n, _ := pool.References(running.shared.key); n != 1 {
				t.Errorf("%d handlers hold the tenant; one is running", n)
			}
			if running.shared.handler(running.key) != running {
				t.Error("the running handler is not found any more, so that callbacks are judged by another")
			}
		})
	}
}

func TestReloadHandsTheTenantOn(t *testing.T) {
	adaptNoEnvironment(t)
	config := adaptJSON(t, "domain", `"reloaded.eu.auth0.com"`)
	load, unload := adaptLoader(t)
	before, err := load(config)
	if err != nil {
		t.Fatal(err)
	}
	reload, unloadAll := adaptLoader(t)
	after, err := reload(config)
	if err != nil {
		t.Fatal(err)
	}
	unload()
	if n, _ := pool.References(after.shared.key); n != 1 || after.shared != before.shared {
		t.Errorf("%d handlers hold the tenant; one is running", n)
	}
	if after.shared.handler(before.key) != after {
		t.Error("a login that began before the reload is not judged by the handler of the same configuration")
	}
	unloadAll()
	if n, ok := pool.References(after.shared.key); ok {
		t.Errorf("%d handlers hold the tenant after all are gone", n)
	}
}
