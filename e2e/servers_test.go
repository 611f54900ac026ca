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
	name  string
	block string // of the directive headers
	name2 string // header with the user's name
	id    string // header with the user's id

	decode string // how applications read the headers; the ways are in testdata/servers/README.md

	owned []string // further headers that clients may not send
	knows bool     // whether the headers of the preset auth0 are there
}

// headerSettings: one row is all that a further setting needs.
var headerSettings = []headerSetting{
	{name: "default", name2: "X-Auth0-Name", id: "X-Auth0-User-Id", decode: "raw", knows: true},
	{
		name:  "lines",
		block: "headers {\n\t\t\tpreset none\n\t\t\tRemote-User id\n\t\t\tRemote-Name name\n\t\t\tX-WEBAUTH-EMAIL email\n\t\t}",
		name2: "Remote-Name", id: "Remote-User", decode: "raw", owned: []string{"Remote-Name", "X-WEBAUTH-EMAIL"},
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

// Every server starts once, and every setting has a Caddy in front of all of them.
func TestServers(t *testing.T) {
	t.Parallel()
	servers := startServers(t)
	for _, s := range headerSettings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http", func(_ *testing.T, w *world) string { return w.serversSite(s, servers) })
			visitors := w.visitors(t)
			t.Run("HDR_21", func(t *testing.T) { w.assertNames(t, s, servers) })
			for _, server := range servers {
				t.Run(server.name, func(t *testing.T) {
					t.Parallel()
					for _, v := range visitors {
						t.Run(v.name, func(t *testing.T) { w.assertNothingForged(t, s, server, v) })
					}
				})
			}
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
				for _, place := range server.header(s.name2) {
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
	user    string // id, empty without a session
}

func (w *world) visitors(t *testing.T) []visitor {
	t.Helper()
	signedIn := w.browser()
	w.signIn(signedIn, "/auth/login?return_to=/", w.pair.User)
	return []visitor{{"signed in", signedIn, w.pair.MasterUserID(w.pair.User)}, {"signed out", w.browser(), ""}}
}

// assertNothingForged sends each forgery alone, because one may hide another, and
// then all that belong together.
func (w *world) assertNothingForged(t *testing.T, s headerSetting, server served, v visitor) {
	for _, f := range forgeries(s) {
		t.Run(f.id, func(t *testing.T) {
			var all []string
			for _, lines := range f.lines {
				w.assertForgery(t, s, server, v, lines)
				all = append(all, lines...)
			}
			w.assertForgery(t, s, server, v, all)
		})
	}
	for _, line := range refusedLines {
		if status, body := w.sendLines(t, v.browser, "/"+server.name+"/", []string{line}); status != http.StatusBadRequest {
			t.Errorf("%q: %d %s, want it to be refused", line, status, body)
		}
	}
	answer := w.report(t, s, server, v.browser, keptLines)
	for _, line := range keptLines { // without which nothing forged would be seen either
		name, value, _ := strings.Cut(line, ": ")
		for _, place := range server.header(name) {
			assertSays(t, answer, place, value, "")
		}
	}
}

// assertForgery wants no variable with what is forged, the user's id where it
// belongs and nowhere else, and without a session no header of ours.
func (w *world) assertForgery(t *testing.T, s headerSetting, server served, v visitor, lines []string) {
	t.Helper()
	answer := w.report(t, s, server, v.browser, lines)
	var saw, want []string
	for _, one := range answer.Variables {
		if strings.Contains(one.Name+one.bytes(t), marker) {
			t.Errorf("%s: %q reached it as %s", answer.Server, lines, shown([]variable{one}))
		}
		if v.user == "" && strings.Contains(folded(one.Name), "x_auth0_") {
			t.Errorf("%s: without a session it has %s", answer.Server, shown([]variable{one}))
		}
		if v.user != "" && one.says(t, v.user) {
			saw = append(saw, folded(one.place()))
		}
	}
	if v.user != "" {
		for _, place := range append(server.header(s.id), server.user...) {
			want = append(want, folded(place))
		}
	}
	slices.Sort(saw)
	slices.Sort(want)
	if !slices.Equal(saw, want) {
		t.Errorf("%s: with %q the user is in %q, want %q", answer.Server, lines, saw, want)
	}
}
