package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// legacyHeaders are what an application reads that was not made for Auth0.
const legacyHeaders = `headers {
preset none
Remote-User id
remote-email email
X-Connection connection
X-Plan app_metadata.plan
X-Roles "https://acme.test/roles"
X-Owner ` + "`" + `"https://acme.test/app".owner.0` + "`" + `
X-Level "https://acme.test/app.level"
X-Staff "https://acme.test/staff"
X-App "https://acme.test/app"
X-Missing middle_name
}
unauthenticated pass`

// legacyWorld is such an application, on a server that lets every spelling pass.
func legacyWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, withGlobal("servers {\nexpected_underscore_headers Remote_* X_*\nexpected_dot_headers Remote.* X.*\n}"), withSettings(legacyHeaders))
	w.pair.Master.CustomClaims = map[string]any{
		"app_metadata":            map[string]any{"plan": "gold"},
		"https://acme.test/roles": []string{"admin", "a,b"},
		"https://acme.test/app":   map[string]any{"owner": []string{"ann"}, "level": json.Number("12345678901234567890")},
		"https://acme.test/staff": true,
	}
	return w
}

// legacyValues are the headers of that user; the one without a value is absent.
func legacyValues(w *world) map[string]string {
	return map[string]string{
		"Remote-User": w.pair.MasterUserID(w.pair.User), "Remote-Email": "user-in-child@mail.com", "X-Connection": "acme-child",
		"X-Plan": "gold", "X-Roles": "admin,a%2Cb", "X-Owner": "ann", "X-Level": "12345678901234567890", "X-Staff": "true",
		"X-App": `{"level":12345678901234567890,"owner":["ann"]}`, "X-Missing": "",
	}
}

// assertSeen compares what an application finds under the names, whatever their
// spelling, in headers and trailers. Nothing stands for an absent header.
func assertSeen(t *testing.T, r received, want map[string]string) {
	t.Helper()
	for name, value := range want {
		var got []string
		for _, headers := range []http.Header{r.header, r.trailer} {
			for sent, values := range headers {
				if cgiName(sent) == cgiName(name) {
					got = append(got, values...)
				}
			}
		}
		if wanted := slices.DeleteFunc([]string{value}, func(s string) bool { return s == "" }); !slices.Equal(got, wanted) {
			t.Errorf("%s reached the application as %q, want %q", name, got, wanted)
		}
	}
}

func TestHeadersHaveTheNamesThatTheOperatorChose(t *testing.T) {
	t.Parallel()
	w := legacyWorld(t)
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
	seen := w.app.take()
	assertSeen(t, seen[len(seen)-1], legacyValues(w))
	for name := range seen[len(seen)-1].header {
		if cgiName(name) >= "HTTP_X_AUTH0_" && cgiName(name) < "HTTP_X_AUTH0`" {
			t.Errorf("HDR-06: with the preset none, %s was set", name)
		}
	}
}

// HDR-01 to HDR-06, HDR-54, CVE-GW-03: the names of lines are guarded as those
// below the prefix are, signed in and signed out.
func TestHDR_54_ForgedCopiesOfChosenHeadersNeverPass(t *testing.T) {
	t.Parallel()
	w := legacyWorld(t)
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
	w.app.take()
	signedIn, signedOut := legacyValues(w), map[string]string{"X-Auth0-User-Id": ""}
	for name := range signedIn {
		signedOut[name] = ""
	}
	for _, name := range []string{
		"Remote-User", "remote-user", "REMOTE_USER", "Remote_User", "remote.user", "Remote~User", "Remote!User",
		"Remote_Email", "remote.email", "X-Roles", "x_roles", "X|Roles", "X.Plan", "X-Missing", "x_missing", "X`Missing", "X_Auth0_User_Id",
	} {
		for visitor, want := range map[*heldBrowser]map[string]string{b: signedIn, w.browser(): signedOut} {
			w.send(visitor, "GET", "/x", map[string]string{name: "evil", "Connection": "close, Remote-User, x_roles"})
			for _, r := range w.app.take() {
				t.Run(name, func(t *testing.T) { assertSeen(t, r, want) })
			}
		}
	}
}

// HDR-13 for the names of lines, as bytes on the wire.
func TestHDR_13_TrailersWithChosenNamesNeverPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"), withSettings("unauthenticated pass\nheaders {\nRemote-User id\n}"))
	status := raw(t, w.onWire(), "POST /x HTTP/1.1\nHost: app.example.test\nTransfer-Encoding: chunked\nTrailer: Remote_User\nConnection: close\n\n1\na\n0\nRemote_User: evil\n\n")
	if seen := w.app.take(); status != http.StatusOK || len(seen) != 1 {
		t.Fatalf("status %d, %d requests", status, len(seen))
	} else {
		assertSeen(t, seen[0], map[string]string{"Remote-User": ""})
	}
}

// Caddy's request_header replaces text inside the values in place. What one
// request did to them must not be there in the next.
func TestHDR_50_EditedHeadersAreThoseOfOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`auth0_oidc {
SETTINGS
}
request_header Remote-Email user edited-user
request_header +X-Auth0-Nickname appended
reverse_proxy UPSTREAM`), withSettings("headers {\nRemote-Email email\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for range 2 {
		w.open(b, "/home")
	}
	for i, r := range w.app.take() {
		assertSeen(t, r, map[string]string{"Remote-Email": "edited-user-in-child@mail.com", "X-Auth0-Email": "user-in-child@mail.com"})
		if nicknames := r.header["X-Auth0-Nickname"]; len(nicknames) != 2 || nicknames[1] != "appended" {
			t.Errorf("request %d has the nicknames %q", i, nicknames)
		}
	}
}

// A request has room of its own for 24 values, which more headers must not exceed.
func TestMoreHeadersThanTheVisitHasRoomForAllArrive(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	want := map[string]string{"X-Auth0-Email": "user-in-child@mail.com", "X-Auth0-Connection": "acme-child"}
	for i := range 2 * headerRoom {
		name := "X-Line-" + strconv.Itoa(i)
		lines.WriteString(name + " email\n")
		want[name] = "user-in-child@mail.com"
	}
	w := newWorld(t, withSettings("headers {\nprofile\n"+lines.String()+"}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	want["X-Auth0-User-Id"] = w.pair.MasterUserID(w.pair.User)
	for range 3 {
		w.open(b, "/home")
	}
	for _, r := range w.app.take() {
		assertSeen(t, r, want)
	}
}

// Of two directives that a request passes, each has room of its own: what the first
// one said stands as it was said, in headers that the second one does not know.
func TestHeadersOfTwoDirectivesDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc {
headers {
preset none
X-First-Id id
X-First-Email email
}
}
auth0_oidc {
headers {
preset none
X-Second-Connection connection
X-Second-Strategy strategy
}
}
auth0_oidc {
headers {
preset none
X-Third-Child child_connection
X-Third-Email email
}
}
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for range 3 {
		w.open(b, "/home")
	}
	id := w.pair.MasterUserID(w.pair.User)
	for _, r := range w.app.take() {
		assertSeen(t, r, map[string]string{
			"X-First-Id": id, "X-First-Email": "user-in-child@mail.com",
			"X-Second-Connection": "acme-child", "X-Second-Strategy": "auth0-oidc",
			"X-Third-Child": "auth0", "X-Third-Email": "user-in-child@mail.com",
		})
	}
}
