package caddyauth0oidc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const (
	inspectedSecret = "the current secret of the inspected"
	olderSecret     = "the older secret of the inspected one"
	inspectedIssuer = "https://acme.eu.auth0.com/"
)

// inspectWorld has a configuration, and a browser's cookies.
type inspectWorld struct {
	t      *testing.T
	folder string
	config string
	now    time.Time
	user   *session.Session
	header http.Header
}

func newInspectWorld(t *testing.T, secret string) *inspectWorld {
	t.Helper()
	w := &inspectWorld{t: t, folder: t.TempDir(), now: time.Now().Truncate(time.Second), header: http.Header{}}
	w.config = w.file("caddy.json", `{"apps":{"http":{"servers":{"s":{"routes":[
		{"match":[{"host":["app.example.com","www.example.com"]}],"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"auth0_oidc",
			"domain":"acme.eu.auth0.com","client_id":"app","client_secret":"{file./nowhere}","connections":[{"name":"acme-child"}],
			"secrets":["{file.`+w.file("secret", inspectedSecret+"\n")+`}","`+olderSecret+`"],"session":{"idle":"1h","absolute":"2h"}}]}]}]},
		{"match":[{"host":["other.example.com"]}],"handle":[{"handler":"auth0_oidc","domain":"other.eu.auth0.com","client_id":"other",
			"secrets":["`+inspectedSecret+`"]}]}]}}}}}`)
	user, err := session.New(bytes.NewReader(make([]byte, 16)), w.now, profile.Profile{
		UserID: "oidc|acme-child|auth0|1", Email: "person@example.com",
		Extra: json.RawMessage(`{"identities_copy":[{"access_token":"zebra"}],"jwt":"eyJzebra.eyJzebra.zebra","https://acme.test/idp_access_token":"zebra","refreshToken":"zebra","role":"admin"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	user.SID = "0Pau0ZQ0ymVnsDPYQUMBBCyIRaDdgHLw"
	w.user = user
	w.seal(secret)
	return w
}

func (w *inspectWorld) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// seal writes the cookies of the session and its tokens.
func (w *inspectWorld) seal(secret string) {
	w.t.Helper()
	ring, err := session.NewKeyring([]string{secret}, inspectedIssuer, "app")
	if err != nil {
		w.t.Fatal(err)
	}
	cookies, err := session.NewCookies(defaultCookieName, true, "", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.header = http.Header{}
	tokens := &session.Tokens{Session: w.user.ID, Refresh: "zebra", Access: "zebra", Expiry: w.now.Add(time.Hour)}
	pending, err := session.NewTransaction(bytes.NewReader(make([]byte, 64)), w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, err := range []error{
		ring.WriteSession(w.header, cookies.Session, w.user, time.Hour, nil, 1<<20),
		ring.WriteTokens(w.header, cookies.Session, tokens, time.Hour, nil, 1<<20),
		ring.WriteTransaction(w.header, cookies.Transaction, pending, nil),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// cookie is the header that the browser sends.
func (w *inspectWorld) cookie() string {
	var pairs []string
	for _, line := range w.header["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		pairs = append(pairs, pair)
	}
	return strings.Join(pairs, "; ")
}

func (w *inspectWorld) value() string {
	pair, _, _ := strings.Cut(w.header["Set-Cookie"][0], ";")
	_, value, _ := strings.Cut(pair, "=")
	return value
}

// inspect runs the command; what it shows has no token.
func (w *inspectWorld) inspect(in string, args ...string) (int, inspection, string) {
	w.t.Helper()
	flags := new(inspectFlags)
	if err := newInspectCommand(flags).ParseFlags(args); err != nil {
		w.t.Fatal(err)
	}
	var out, told bytes.Buffer
	i := &inspect{inspectFlags: flags, surroundings: surroundings{in: strings.NewReader(in), out: &out, err: &told, now: func() time.Time { return w.now }}}
	code, err := i.run(w.t.Context())
	if (err == nil) != (code == exitDone) {
		w.t.Errorf("%d %v", code, err)
	}
	shown := out.String() + told.String()
	if err != nil {
		shown += err.Error()
	}
	for _, secret := range []string{"zebra", inspectedSecret, olderSecret, w.value(), w.user.SID} {
		if strings.Contains(shown, secret) {
			w.t.Errorf("%q is shown:\n%s", secret, shown)
		}
	}
	return code, i.report, shown
}

func TestInspectShowsASession(t *testing.T) {
	t.Parallel()
	w := newInspectWorld(t, inspectedSecret)
	for form, in := range map[string]string{
		"header": "Cookie: a=b; " + w.cookie(), "pairs": w.cookie(), "curl": "curl 'https://app.example.com/' \\\n  -H 'accept: */*' \\\n  -b '" + w.cookie() + "'",
		"quotes": `Cookie: prefs="a b"; o='x'; ` + w.cookie(), "curl with quotes": `curl -H $'Cookie: prefs="a"; ` + w.cookie() + `'`,
		"curl with quoted option": `curl -b 'prefs="a"; ` + w.cookie() + `' https://app.example.com/`,
		"curl for Windows":        `curl ^"https://app.example.com/^" -b ^"prefs=^\^"a^\^"; ` + w.cookie() + `^"`,
		"lines":                   strings.ReplaceAll(w.cookie(), "; ", "\n"), "columns": strings.ReplaceAll(strings.ReplaceAll(w.cookie(), "_session=", "_session\t"), "; ", "\n"),
	} {
		code, got, shown := w.inspect(in, "--config", w.config)
		if code != exitDone || got.Site != "app.example.com" || got.Key != "current" || got.Session == nil || !got.Session.Alive ||
			got.Session.Connection != "acme-child" || got.Session.SID != "0Pau0ZQ0..." || got.Session.Claims != nil {
			t.Fatalf("%s: %d %+v %+v", form, code, got, got.Session)
		}
		for _, part := range []string{"a session that is alive", "oidc|acme-child|auth0|1", "idle end", "(in 1h0m0s)", "absolute end", "(in 2h0m0s)"} {
			if !strings.Contains(shown, part) {
				t.Errorf("%s: %q is not in\n%s", form, part, shown)
			}
		}
		if strings.Contains(shown, "person@example.com") {
			t.Errorf("%s: claims are shown", form)
		}
	}
	_, got, shown := w.inspect(w.cookie(), "--config", w.config)
	if got.Tokens == nil || strings.Join(got.Tokens.Kinds, " ") != "refresh_token access_token" || len(got.Logins) != 1 || !strings.Contains(shown, "access token") {
		t.Errorf("%+v\n%s", got.Tokens, shown)
	}
}

// A session may open where its tokens, which are another cookie, do not.
func TestInspectSaysWhyTokensDoNotOpen(t *testing.T) {
	t.Parallel()
	w := newInspectWorld(t, inspectedSecret)
	cut := strings.Replace(w.cookie(), session.TokensName(defaultCookieName)+"=", session.TokensName(defaultCookieName)+"=A", 1)
	code, got, shown := w.inspect(cut, "--config", w.config)
	if code != exitDone || got.Tokens == nil || got.Tokens.Opened || !strings.Contains(shown, "they do not open: not_ours\n") {
		t.Errorf("%d %+v\n%s", code, got.Tokens, shown)
	}
}

func TestInspectShowsLoginsThatAreUnderWayWithoutASession(t *testing.T) {
	t.Parallel()
	w := newInspectWorld(t, inspectedSecret)
	var pending string
	for pair := range strings.SplitSeq(w.cookie(), "; ") {
		if !strings.Contains(pair, defaultCookieName) {
			pending = pair
		}
	}
	code, got, shown := w.inspect(pending, "--config", w.config)
	if code != exitFailed || got.Reason != "absent" || len(got.Logins) != 1 || got.Cookie != "__Host-"+defaultCookieName ||
		!strings.Contains(shown, "has not ended") || !strings.Contains(shown, "pending login") {
		t.Errorf("%d %+v\n%s", code, got, shown)
	}
}

func TestInspectShowsClaimsOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	w := newInspectWorld(t, olderSecret)
	code, got, shown := w.inspect(w.value(), "--config", w.config, "--site", "WWW.example.com", "--claims")
	if code != exitDone || got.Key != "older" || !strings.Contains(shown, "person@example.com") || strings.Count(shown, notShown) != 4 ||
		!strings.Contains(shown, "admin") {
		t.Errorf("%d %+v\n%s", code, got, shown)
	}
}

func TestInspectSaysWhyACookieDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := newInspectWorld(t, inspectedSecret)
	name := "__Host-" + defaultCookieName
	for _, test := range []struct {
		in, reason, says string
		args             []string
	}{
		{"a=b", "absent", "no cookie of this name", nil},
		{"mine=" + w.value(), "absent", "another name (setting session cookie): mine", nil},
		{name + "=planted", "not_ours", "another program", nil},
		{name + "=" + w.value()[:len(w.value())-7], "truncated", "cut", nil},
		{strings.Replace(w.cookie(), ".1.", ".2.", 1), "incomplete", name + ".1", nil},
		{strings.Replace(w.cookie(), w.value()[60:64], "AAAA", 1), "altered", "was changed", nil},
		{w.cookie(), "unknown_key", "another secret", []string{"--site", "other.example.com"}},
		{"__Host-x_session=" + w.value(), "absent", "another name", nil},
	} {
		code, got, shown := w.inspect(test.in, append(test.args, "--config", w.config)...)
		if code != exitFailed || got.Reason != test.reason || !strings.Contains(shown, test.says) || got.Session != nil {
			t.Errorf("%.20q: %d %q\n%s", test.in, code, got.Reason, shown)
		}
	}
}

func TestInspectTellsSessionsThatAreOver(t *testing.T) {
	t.Parallel()
	w := newInspectWorld(t, inspectedSecret)
	begin := w.now
	for away, why := range map[time.Duration]string{90 * time.Minute: "idle limit", 3 * time.Hour: "idle limit", -time.Hour: "of the future"} {
		w.now = begin.Add(away)
		if code, got, shown := w.inspect(w.cookie(), "--config", w.config); code != exitEnded || got.Session.Alive || !strings.Contains(shown, why) {
			t.Errorf("%s: %d\n%s", away, code, shown)
		}
	}
	w.now, w.user.Ceiling = begin, begin.Add(10*time.Second)
	w.seal(inspectedSecret)
	if code, _, shown := w.inspect(w.cookie(), "--config", w.config); code != exitEnded || !strings.Contains(shown, "session_expiry") {
		t.Errorf("%d\n%s", code, shown)
	}
}

func TestInspectWithoutAConfiguration(t *testing.T) {
	t.Parallel()
	stored := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("s"), secretSize))
	w := newInspectWorld(t, stored)
	secrets := w.file("secrets.json", `{"secrets":[{"created":"2020-01-01T00:00:00Z","secret":"`+stored+`"}]}`)
	for _, issuer := range []string{inspectedIssuer, "acme.eu.auth0.com"} {
		code, got, shown := w.inspect(w.cookie(), "--issuer", issuer, "--client-id", "app", "--secret-file", secrets, "--json")
		if code != exitDone || got.Key != "current" || len(got.Notes) != 1 {
			t.Errorf("%d %+v", code, got)
		}
		var object map[string]any
		if err := json.Unmarshal([]byte(shown), &object); err != nil || object["opened"] != true {
			t.Errorf("the output is no JSON: %v\n%s", err, shown)
		}
	}
	if code, got, _ := w.inspect(w.cookie(), "--issuer", inspectedIssuer, "--client-id", "another", "--secret-file", secrets); code != exitFailed || got.Reason != "unknown_key" {
		t.Errorf("%d %+v", code, got)
	}
}

func TestInspectReadsTheSecretsOfCaddysStorage(t *testing.T) {
	t.Parallel()
	stored := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("s"), secretSize))
	w := newInspectWorld(t, stored)
	if err := os.Mkdir(filepath.Join(w.folder, "auth0_oidc"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := w.file("stored.json", `{"storage":{"module":"file_system","root":"`+w.folder+`"},"apps":{"http":{"servers":{"s":{"routes":[{"handle":[
		{"handler":"auth0_oidc","domain":"acme.eu.auth0.com","client_id":"app"}]}]}}}}}`)
	if code, _, shown := w.inspect(w.cookie(), "--config", config); code != exitUsage || !strings.Contains(shown, "--secret-file") {
		t.Errorf("without secrets: %d %s", code, shown)
	}
	w.file(secretPath, `{"secrets":[{"created":"2020-01-01T00:00:00Z","secret":"`+stored+`"}]}`)
	if code, got, shown := w.inspect(w.cookie(), "--config", config); code != exitDone || got.Site != "any host" {
		t.Errorf("%d %s", code, shown)
	}
}

func TestInspectOpensStates(t *testing.T) {
	t.Parallel()
	w := newInspectWorld(t, inspectedSecret)
	ring, err := session.NewKeyring([]string{inspectedSecret}, inspectedIssuer, "app")
	if err != nil {
		t.Fatal(err)
	}
	state, err := ring.SealState(session.State{Connection: "acme-child", ReturnTo: "/page?token=zebra"})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{state, "https://app.example.com/auth/callback?code=zebra&state=" + state} {
		if code, got, shown := w.inspect(in, "--config", w.config); code != exitDone || got.State == nil || got.State.ReturnTo != "/page" || strings.Contains(shown, state) {
			t.Errorf("%d %+v\n%s", code, got.State, shown)
		}
	}
	if code, got, _ := w.inspect(state[:len(state)-4], "--config", w.config); code != exitFailed || got.Kind != "state" {
		t.Errorf("%d %+v", code, got)
	}
}

func TestInspectRefusesWrongUsage(t *testing.T) {
	t.Parallel()
	w := newInspectWorld(t, inspectedSecret)
	for _, test := range []struct {
		in, says string
		args     []string
	}{
		{"a=b", "belong together", []string{"--issuer", inspectedIssuer}},
		{"a=b", "take the place", []string{"--issuer", inspectedIssuer, "--config", w.config}},
		{"a=b", "--issuer: ", []string{"--issuer", "a b", "--client-id", "app", "--secret-file", w.file("s", inspectedSecret)}},
		{"a=b", "at least 32 bytes", []string{"--issuer", inspectedIssuer, "--client-id", "app", "--secret-file", w.file("short", "hush")}},
		{"a=b", "it is empty", []string{"--config", w.config, "--secret-file", w.file("none", "\n")}},
		{"a=b", "no such file", []string{"--config", w.config, "--secret-file", "/nowhere/secret"}},
		{"a=b", "for this", []string{"--config", w.config, "--site", "nowhere.example.com"}},
		{"a=b", "the standard input is for the cookie", []string{"--config", "-"}},
		{"a=b", "--config: ", []string{"--config", "/nowhere/caddy.json"}},
		{" \n", "there is nothing to read", []string{"--config", w.config}},
		{"", "no such file", []string{"--config", w.config, "--cookie-file", "/nowhere/cookie"}},
		{strings.Repeat("a", maxCookieInput+1), "larger", []string{"--config", w.config}},
	} {
		code, _, shown := w.inspect(test.in, test.args...)
		if code != exitUsage || !strings.Contains(shown, test.says) || strings.Contains(shown, "hush") {
			t.Errorf("%q: %d %s", test.args, code, shown)
		}
	}
}

// Arguments are seen by other users, and stay in the shell's history.
func TestInspectTakesNoCookieFromTheCommandLine(t *testing.T) {
	t.Parallel()
	c := newInspectCommand(new(inspectFlags))
	c.SetArgs([]string{"__Host-auth0_session=zebra"})
	c.SilenceErrors, c.SilenceUsage = true, true
	err := c.Execute()
	if err == nil || !strings.Contains(err.Error(), "standard input") || strings.Contains(err.Error(), "zebra") {
		t.Errorf("%v", err)
	}
}

func TestInspectWarnsOfLinesThatATerminalCuts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", terminalLine)
	if !readCookieInput(long, true).cut || readCookieInput(long, false).cut || readCookieInput("a=b", true).cut {
		t.Error("lines are not told apart by their length")
	}
}

func FuzzCookieInput(f *testing.F) {
	for _, seed := range []string{
		"Cookie: a=b; c=d", "a=b", "abcd.1.AAAA", "abcd.AAAAAAAAAAAAAAAAAAAA", "curl -b 'a=b' -H 'Cookie: c'", "a\tb\tc", "\ufeff", "?state=abcd.x",
		"__Host-auth0_session=abcd.2.AAAA; __Host-auth0_session.1=A",
	} {
		f.Add(seed)
	}
	ring, err := session.NewKeyring([]string{inspectedSecret}, inspectedIssuer, "app")
	if err != nil {
		f.Fatal(err)
	}
	cookies, err := session.NewCookies(defaultCookieName, true, "", 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := readCookieInput(text, true)
		o := &opener{ring: ring, keys: []string{"current"}, cookies: []session.Cookies{cookies}}
		i := &inspect{inspectFlags: new(inspectFlags), surroundings: surroundings{now: time.Now}, openers: []*opener{o}}
		if in.state != "" {
			if code, err := i.openState(in.state); code != exitFailed || err == nil {
				t.Errorf("%q opens", text)
			}
			return
		}
		i.openBest(in)
		if i.report.Opened || i.report.Why == "" || i.report.text() == "" {
			t.Errorf("%q: %+v", text, i.report)
		}
	})
}
