package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// headerSetting is a block of headers, and what applications see by it.
type headerSetting struct {
	title  string
	block  string // the directive headers
	decode string // how applications read the headers; testdata/servers/README.md has the ways

	name  string   // header with the user's name
	user  []string // headers with what identifies the user
	byID  bool     // that is the user's id, and not the email address
	owned []string // further headers that clients may not send

	aliases bool // Caddy is told to let underscores and dots pass, which it does not by itself
}

// headerSettings: one row is all that a further setting needs. Those of the second
// are what HDR-54 lists.
var headerSettings = []headerSetting{
	{title: "default", decode: "raw", name: "X-Auth0-Name", user: []string{"X-Auth0-User-Id"}, byID: true},
	{
		title: "lines",
		block: `headers {
			preset none
			Remote-User id
			X-Remote-User id
			Remote-Name name
			X-Forwarded-User nickname
			X-Forwarded-Email email
			X-Forwarded-Groups groups
			X-WEBAUTH-USER nickname
			SM_USER nickname
			OIDC_CLAIM_email email
		}`,
		decode: "raw", name: "Remote-Name", user: []string{"Remote-User", "X-Remote-User"}, byID: true,
		owned: []string{
			"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-WEBAUTH-USER", "SM-USER", "OIDC-CLAIM-email",
		},
	},
	{title: "percent", block: "headers {\n\t\t\tencoding percent\n\t\t}", decode: "percent", name: "X-Auth0-Name", user: []string{"X-Auth0-User-Id"}, byID: true},
	{title: "rfc2047", block: "headers {\n\t\t\tencoding rfc2047\n\t\t}", decode: "rfc2047", name: "X-Auth0-Name", user: []string{"X-Auth0-User-Id"}, byID: true},
	{title: "base64url", block: "headers {\n\t\t\tencoding base64url\n\t\t}", decode: "base64url", name: "X-Auth0-Name", user: []string{"X-Auth0-User-Id"}, byID: true},
	{
		title: "remote_user", block: "headers {\n\t\t\tpreset remote_user\n\t\t}", decode: "raw", name: "Remote-Name",
		user: []string{"Remote-User"}, byID: true, owned: []string{"Remote-Email", "Remote-Groups"},
	},
	{
		title: "oauth2_proxy", block: "headers {\n\t\t\tpreset oauth2_proxy\n\t\t\tX-Full-Name name\n\t\t}", decode: "raw", name: "X-Full-Name",
		user: []string{"X-Forwarded-User"}, byID: true,
		owned: []string{"X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Auth-Request-User"},
	},
	{
		title: "grafana", block: "headers {\n\t\t\tpreset grafana\n\t\t\tencoding rfc2047\n\t\t}", decode: "rfc2047", name: "X-WEBAUTH-NAME",
		user: []string{"X-WEBAUTH-USER"}, byID: true, owned: []string{"X-WEBAUTH-EMAIL", "X-WEBAUTH-GROUPS", "X-WEBAUTH-ROLE"},
	},
}

// names are those of users, each hard for some server or some encoding.
var names = []struct{ id, name string }{
	{"ASCII", "Ann Example"},
	{"umlauts", "Zoë Müller"},
	{"CJK", "山田太郎"},
	{"emoji", "👩‍💻 Dev"},
	{"last byte 85, a line break in Latin-1", "Пётр Черных"},
	{"last byte A0, a space in Latin-1", "Voilà"},
	{"combining and right to left", "Zoe\u0308 \u202eشمس"},
	{"delimiters", `Ann "A+B", 100%25; \ <x> O'Hara`},
	{"an encoded word", "=?utf-8?q?admin?="},
	{"base64", "YWRtaW4"},
}

// Every server starts once, and every setting has a Caddy in front of all of them,
// and one that leaves aliases to the module.
func TestServers(t *testing.T) {
	t.Parallel()
	servers := startServers(t)
	for _, s := range headerSettings {
		t.Run(s.title, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http", func(_ *testing.T, w *world) string { return w.serversSite(s, servers) })
			t.Run("HDR_21", func(t *testing.T) { w.assertNames(t, s, servers) })
			if s.block == "" {
				t.Run("HDR_21 decoders", func(t *testing.T) { w.assertDecoders(t, servers) })
			}
			w.eachVisitor(t, s, servers, w.assertNothingForged)
		})
		t.Run(s.title+", aliases pass Caddy", func(t *testing.T) {
			t.Parallel()
			open := s
			open.aliases = true
			w := newWorld(t, "http", func(_ *testing.T, w *world) string {
				w.options = aliasOptions(open)
				return w.serversSite(open, servers)
			})
			w.eachVisitor(t, open, servers, w.assertNothingForged)
		})
	}
}

// serversSite has each server in a folder of the site.
func (w *world) serversSite(s headerSetting, servers []served) string {
	w.environment = []string{
		"AUTH0_DOMAIN=http://" + w.pair.Master.Host(), "AUTH0_CLIENT_ID=" + w.pair.App.ClientID,
		"AUTH0_CLIENT_SECRET=" + w.pair.App.ClientSecret, "AUTH0_CONNECTION=" + w.pair.Connection.Name,
	}
	var site strings.Builder
	fmt.Fprintf(&site, "%s {\n\tauth0_oidc {\n\t\tunauthenticated pass\n\t\t%s\n\t}\n", w.base, s.block)
	for _, server := range servers {
		fmt.Fprintf(&site, "\thandle_path /%s/* {\n\t\t%s\n\t}\n", server.name, server.route)
	}
	return site.String() + "}\n"
}

// report asks the application, with these lines of headers.
func (w *world) report(t *testing.T, s headerSetting, server served, b *auth0sim.Browser, lines []string) report {
	t.Helper()
	status, body := w.sendLines(t, b, "/"+server.name+"/report?decode="+s.decode, lines)
	answer, err := readReport(strings.NewReader(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s answered %d %s: %v", server.name, status, body, err)
	}
	return answer
}

func (w *world) assertNames(t *testing.T, s headerSetting, servers []served) {
	for i, n := range names {
		t.Run(n.id, func(t *testing.T) {
			user := w.pair.Child.AddUser(auth0sim.User{
				Email: fmt.Sprintf("user%d@mail.com", i), Password: auth0sim.PairPassword, Name: n.name,
			})
			b := w.browser()
			w.signIn(b, "/auth/login?return_to=/", user)
			for _, server := range servers {
				answer := w.report(t, s, server, b, nil)
				for _, place := range server.header(s.name) {
					assertSays(t, answer, place, n.name, s.decode)
				}
			}
		})
	}
}

// assertSays wants the text at the place, once.
func assertSays(t *testing.T, answer report, place, want, decode string) {
	t.Helper()
	found := answer.only(place)
	if len(found) != 1 || found[0].Decoded == nil || *found[0].Decoded != want {
		t.Errorf("%s: %s is %s, want %q once", answer.Server, place, shown(found), want)
		return
	}
	if decode == "raw" && found[0].bytes(t) != want {
		t.Errorf("%s: the bytes of %s are %s, want those of %q", answer.Server, place, found[0].Hex, want)
	}
	t.Logf("%s: %s is %q, decoded %q", answer.Server, place, found[0].Text, want)
}

func shown(all []variable) string {
	texts := make([]string, 0, len(all))
	for _, v := range all {
		decoded := "nothing"
		if v.Decoded != nil {
			decoded = fmt.Sprintf("%q", *v.Decoded)
		}
		texts = append(texts, fmt.Sprintf("%s = %q (%s), decoded %s", v.place(), v.Text, v.Hex, decoded))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// visitor is somebody who sends what is forged.
type visitor struct {
	name    string
	browser *auth0sim.Browser
	user    string // what identifies the user, empty without a session
}

// eachVisitor tries every server, signed in and signed out.
func (w *world) eachVisitor(t *testing.T, s headerSetting, servers []served, try func(*testing.T, attempt)) {
	signedIn := w.browser()
	w.signIn(signedIn, "/auth/login?return_to=/", w.pair.User)
	user := w.pair.User.Email
	if s.byID {
		user = w.pair.MasterUserID(w.pair.User)
	}
	for _, v := range []visitor{{"signed in", signedIn, user}, {"signed out", w.browser(), ""}} {
		for _, server := range servers {
			t.Run(server.name+" "+v.name, func(t *testing.T) {
				t.Parallel()
				try(t, attempt{s, server, v, w.report(t, s, server, v.browser, nil)})
			})
		}
	}
}

// attempt is what does not change from one forgery to the next.
type attempt struct {
	headerSetting
	server  served
	visitor visitor
	clean   report // without anything forged
}

// assertNothingForged sends each forgery alone, because one may hide another, and
// then all that belong together.
func (w *world) assertNothingForged(t *testing.T, a attempt) {
	assertUser(t, a)
	for _, f := range forgeries(a.headerSetting) {
		t.Run(f.id, func(t *testing.T) {
			var all []string
			for _, lines := range f.lines {
				w.assertForgery(t, a, f, lines)
				all = append(all, lines...)
			}
			w.assertForgery(t, a, f, all)
		})
	}
	if a.aliases {
		w.assertAliasesPass(t, a)
	} else {
		w.assertOthersPass(t, a)
	}
}

// assertOthersPass wants Caddy to refuse what is no header, and others' headers to
// reach the application: without them nothing forged would be seen either.
func (w *world) assertOthersPass(t *testing.T, a attempt) {
	t.Helper()
	for _, line := range refusedLines {
		if status, body := w.sendLines(t, a.visitor.browser, "/"+a.server.name+"/", []string{line}); status != http.StatusBadRequest {
			t.Errorf("%q: %d %s, want it to be refused", line, status, body)
		}
	}
	answer := w.report(t, a.headerSetting, a.server, a.visitor.browser, keptLines)
	for _, line := range keptLines {
		name, value, _ := strings.Cut(line, ": ")
		for _, place := range a.server.header(name) {
			if found := answer.only(place); len(found) != 1 || found[0].Text != value {
				t.Errorf("%s: %s is %s, want %q", answer.Server, place, shown(found), value)
			}
		}
	}
}

// assertAliasesPass wants those of nobody's headers to reach the application, unless
// its server drops them: otherwise it was Caddy who dropped what is forged.
func (w *world) assertAliasesPass(t *testing.T, a attempt) {
	t.Helper()
	for _, name := range []string{nobodys + "_Under", nobodys + ".Dot"} {
		answer := w.report(t, a.headerSetting, a.server, a.visitor.browser, single(name)[0])
		reached := slices.ContainsFunc(answer.Variables, func(v variable) bool { return v.Text == marker })
		if reached == a.server.strict {
			t.Errorf("%s: %s reached it: %t, want %t", answer.Server, name, reached, !a.server.strict)
		}
	}
}

// assertUser wants what identifies the user where it belongs, once, and nowhere
// else; and without a session no header of ours.
func assertUser(t *testing.T, a attempt) {
	t.Helper()
	var saw, want []string
	user := a.visitor.user
	for _, one := range a.clean.Variables {
		switch {
		case user != "" && one.says(t, user):
			saw = append(saw, folded(one.place()))
		case user == "" && a.owns(one.Name) && one.Text != "":
			t.Errorf("%s: without a session it has %s", a.clean.Server, shown([]variable{one}))
		}
	}
	if user != "" {
		for _, header := range a.user {
			want = append(want, a.server.header(header)...)
		}
		if a.byID {
			want = append(want, a.server.user...)
		}
	}
	for i := range want {
		want[i] = folded(want[i])
	}
	slices.Sort(saw)
	slices.Sort(want)
	if !slices.Equal(saw, want) {
		t.Errorf("%s: the user is in %q, want %q", a.clean.Server, saw, want)
	}
}

// assertForgery wants nothing of what is forged anywhere, and what is ours as it is
// in the clean answer.
func (w *world) assertForgery(t *testing.T, a attempt, f forgery, lines []string) {
	t.Helper()
	answer := w.report(t, a.headerSetting, a.server, a.visitor.browser, lines)
	for _, one := range answer.Variables {
		if strings.Contains(one.Name+one.bytes(t), marker) && !f.mayReach(a.server, one) {
			t.Errorf("%s: %q reached it as %s", answer.Server, lines, shown([]variable{one}))
		}
	}
	if saw, want := a.identity(f, answer), a.identity(f, a.clean); !slices.Equal(saw, want) {
		t.Errorf("%s: with %q it knows %q, want %q", answer.Server, lines, saw, want)
	}
}

// owns reports whether some application takes the variable for a header of ours,
// or for the user of the server.
func (s headerSetting) owns(variable string) bool {
	name := strings.TrimPrefix(folded(variable), "http_")
	if strings.HasPrefix(name, "x_auth0_") || name == "remote_user" || name == "auth_type" {
		return true
	}
	return slices.ContainsFunc(slices.Concat(s.user, s.owned, []string{s.name}), func(header string) bool { return folded(header) == name })
}

// identity is all that is ours in an answer, but for what a forgery may reach.
func (a attempt) identity(f forgery, answer report) []string {
	var all []string
	for _, one := range answer.Variables {
		if a.owns(one.Name) && !f.mayReach(a.server, one) {
			all = append(all, one.place()+" "+one.Hex)
		}
	}
	slices.Sort(all)
	return all
}
