package caddyauth0oidc

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// onWire puts a real server in front of the site, so that requests arrive as
// bytes: what net/http makes of Connection and trailers is part of the attack.
func (w *world) onWire() string {
	w.t.Helper()
	server := httptest.NewServer(w.server)
	w.t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// raw sends lines as they are and gives the answer's status.
func raw(t *testing.T, address, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// cgiName is what CGI, FastCGI, WSGI and most servlet containers make of a
// header's name.
func cgiName(name string) string {
	return "HTTP_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// assertOnlyOurs: INV-02. Whatever a legacy application could take for one of
// our headers has the session's value, or is not there.
func assertOnlyOurs(t *testing.T, r received, want map[string]string) {
	t.Helper()
	for _, headers := range []http.Header{r.header, r.trailer} {
		for name, values := range headers {
			variable := cgiName(name)
			if !strings.HasPrefix(variable, "HTTP_X_AUTH0_") {
				continue
			}
			if len(values) != 1 || strings.Contains(values[0], "evil") || name != http.CanonicalHeaderKey(name) {
				t.Errorf("INV-02: %s reached the application as %q", name, values)
			}
		}
	}
	for name, value := range want {
		if got := r.header.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("CLEAN: %s is %q, want %q", name, got, value)
		}
	}
}

// Forged headers in every spelling, signed in and signed out, on protected and
// on unprotected paths.
func TestASVS_05_ForgedHeadersNeverReachTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal("servers {\nexpected_underscore_headers X_Auth0_*\nexpected_dot_headers X.Auth0.*\n}"), withSite(`auth0_oidc /private/* {
domain DOMAIN
client_id CLIENT_ID
client_secret CLIENT_SECRET
connection acme-child
}
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.signIn(b, "/private/", w.pair.User)
	w.app.take()
	signedIn := map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User), "X-Auth0-Email": "user-in-child@mail.com"}
	for id, names := range map[string][]string{
		"HDR-01":     {"X-Auth0-User-Id", "X-Auth0-Email", "X-Auth0-Org-Id", "X-Auth0-Profile"},
		"HDR-02":     {"x-auth0-user-id", "X-AUTH0-USER-ID", "x-AuTh0-uSeR-iD"},
		"CVE-OP-09":  {"X_Auth0_User_Id", "x_auth0-user_ID", "X-Auth0_User-Id", "X_AUTH0_EMAIL"},
		"CVE-CAD-01": {"X-Auth0-Role", "X-Auth0-Given-Name"},
		"CVE-CAD-03": {"X.Auth0.User.Id", "X-Auth0.User-Id"},
		"CVE-CAD-04": {"X~Auth0!User+Id", "X-Auth0-User~Id", "X!Auth0-User-Id", "X*Auth0^User|Id", "X`Auth0'User#Id", "X$Auth0%User&Id"},
		"HDR-06":     {"X-Auth0-User-Id-2", "X-Auth0-Anything", "x~auth0~anything"},
	} {
		for _, name := range names {
			for _, path := range []string{"/private/x", "/public"} {
				for _, session := range []bool{true, false} {
					visitor := b
					if !session {
						visitor = w.browser()
					}
					w.send(visitor, "GET", path, map[string]string{name: "evil", "Accept": "application/json"})
					for _, r := range w.app.take() {
						want := map[string]string(nil)
						if session && path == "/private/x" {
							want = signedIn
						}
						t.Run(id, func(t *testing.T) { assertOnlyOurs(t, r, want) })
					}
				}
			}
		}
	}
}

// HDR-06, the other way: a header that only looks alike is the application's.
func TestHeadersOfTheApplicationStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("unauthenticated pass"))
	w.send(w.browser(), "GET", "/x", map[string]string{"Xx-Auth0-User-Id": "theirs", "X-Auth": "theirs", "Auth0-User": "theirs", "X-Auth00-User": "theirs"})
	seen := w.app.take()[0].header
	for _, name := range []string{"Xx-Auth0-User-Id", "X-Auth", "Auth0-User", "X-Auth00-User"} {
		if seen.Get(name) != "theirs" {
			t.Errorf("%s was removed", name)
		}
	}
}

// HDR-10, CVE-GW-01, CVE-GW-02: a Connection header that names ours would make
// reverse_proxy remove what we have set.
func TestHDR_10_ConnectionCannotNameOurHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	address := w.onWire()
	want := map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User), "X-Auth0-Email": "user-in-child@mail.com"}
	for _, lines := range []string{
		"Connection: close, X-Auth0-User-Id",
		"Connection: close,x-auth0-user-id , x-auth0-EMAIL",
		"Connection: X-Auth0-User-Id\nConnection: close, X-Auth0-Email",
		"Connection: close, X_Auth0_User_Id, X~Auth0-Email",
		"Connection: close\nProxy-Connection: X-Auth0-User-Id",
	} {
		status := raw(t, address, "GET /x HTTP/1.1\nHost: app.example.test\nCookie: "+cookieHeader(w, b)+"\n"+lines+"\n\n")
		requests := w.app.take()
		if status != http.StatusOK || len(requests) != 1 {
			t.Fatalf("%q: status %d, %d requests", lines, status, len(requests))
		}
		assertOnlyOurs(t, requests[0], want)
	}
}

// HDR-13: trailers reach the application behind the headers, and those that
// are ours are read by nobody else.
func TestHDR_13_TrailersCannotBeOurHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"), withSettings("unauthenticated pass"))
	b := w.browser()
	w.signIn(b, "/auth/login", w.pair.User)
	w.app.take()
	address := w.onWire()
	for _, cookie := range []string{"Cookie: " + cookieHeader(w, b), "Cookie: other=1"} {
		for name, lines := range map[string][2]string{
			"announced":                    {"X-Auth0-User-Id", "X-Auth0-User-Id: evil\nX-Other: 1"},
			"announced with others":        {"X-Other, X-Auth0-User-Id", "X-Auth0-User-Id: evil\nX-Other: 1"},
			"alias announced":              {"X_Auth0_User_Id", "X_Auth0_User_Id: evil"},
			"unannounced":                  {"", "X-Auth0-User-Id: evil"},
			"unannounced beside announced": {"X-Other", "X-Other: 1\nX-Auth0-User-Id: evil\nX~Auth0-Email: evil"},
		} {
			announced := ""
			if lines[0] != "" {
				announced = "Trailer: " + lines[0] + "\n"
			}
			status := raw(t, address, "POST /x HTTP/1.1\nHost: app.example.test\nConnection: close\n"+cookie+"\n"+announced+
				"Transfer-Encoding: chunked\n\n4\nbody\n0\n"+lines[1]+"\n\n")
			requests := w.app.take()
			if status != http.StatusOK || len(requests) != 1 {
				t.Fatalf("%s: status %d, %d requests", name, status, len(requests))
			}
			assertOnlyOurs(t, requests[0], nil)
		}
	}
}

// CFG-03: an error route that leads to the application is no way around us:
// nothing forged and no cookie of ours gets there.
func TestCFG_03_ErrorRoutesGetNothingForged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"), withSite(`auth0_oidc {
SETTINGS
}
reverse_proxy UPSTREAM
handle_errors {
rewrite * /error/{err.status_code}/{http.auth.auth0_oidc.error}
reverse_proxy UPSTREAM
}`))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	address := w.onWire()
	damaged := strings.Replace(cookieHeader(w, b), "auth0_session=", "auth0_session=x", 1)
	cookie := "Cookie: theirs=1; " + damaged + "\n"
	for path, want := range map[string]string{
		"/x":                                    "/error/401/login_required",
		"/auth/profile":                         "/error/401/login_required",
		"/auth/callback?code=SECRET&state=evil": "/error/400/bad_state",
		"/auth/login?connection=evil":           "/error/400/unknown_connection?connection=evil",
	} {
		raw(t, address, "GET "+path+" HTTP/1.1\nHost: app.example.test\nConnection: close, X-Auth0-Email\n"+cookie+
			"X-Auth0-User-Id: evil\nX_Auth0_User_Id: evil\nX~Auth0-Email: evil\nAuthorization: Bearer theirs\n\n")
		requests := w.app.take()
		if len(requests) != 1 || requests[0].uri != want {
			t.Fatalf("%s: the error route got %+v, want %s", path, requests, want)
		}
		assertOnlyOurs(t, requests[0], nil)
		if got := requests[0].header.Get("Cookie"); got != "theirs=1" {
			t.Errorf("CVE-GW-06, INV-03: the error route got the cookies %q", got)
		}
		for name, values := range requests[0].header {
			if strings.Contains(strings.Join(values, " "), "SECRET") {
				t.Errorf("INV-04: the error route sees the callback's query in %s", name)
			}
		}
	}
	raw(t, address, "POST /x HTTP/1.1\nHost: app.example.test\nConnection: close\nTrailer: X-Auth0-User-Id\nTransfer-Encoding: chunked\n\n"+
		"4\nbody\n0\nX-Auth0-User-Id: evil\n\n")
	for _, r := range w.app.take() {
		assertOnlyOurs(t, r, nil)
	}
}

// Where the error routes have nothing to say, our own page and problem+json do.
func TestErrorRoutesForOtherCasesLeaveOurPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`auth0_oidc {
SETTINGS
}
reverse_proxy UPSTREAM
handle_errors 404 503 {
respond "their page for {err.status_code}"
}`))
	response, body := w.send(w.browser(), "GET", "/x", nil)
	assertProblem(t, w, response, body)
	page := w.open(w.browser(), "/auth/callback")
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeBadState) {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	w.pair.Master.Down(true)
	if page = w.open(w.browser(), "/x"); page.Status != http.StatusServiceUnavailable || page.Body != "their page for 503" {
		t.Errorf("%d %s", page.Status, page.Body)
	}
}

// INV-03: our cookies stay with us, and all others arrive byte for byte.
func TestINV_03_HDR_42_OnlyOurCookiesAreRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	ours := cookieHeader(w, b)
	w.app.take()
	for _, test := range []struct{ sent, want string }{
		{ours, ""},
		{ours + "; theme=dark", "theme=dark"},
		{`a="quoted; value"; ` + ours + `; b=2;c=3;  d`, `a="quoted; value"; b=2;c=3;  d`},
		{ours + "; auth0_sessionx=1; auth0_session.backup=2; Auth0_session=3; my__Host-auth0_session=4", "auth0_sessionx=1; auth0_session.backup=2; Auth0_session=3; my__Host-auth0_session=4"},
		{"auth0_session=planted; __Host-auth0_session.1=x; " + ours, ""},
	} {
		r, _ := http.NewRequest("GET", w.base+"/x", nil)
		r.Header.Set("Cookie", test.sent)
		response, err := w.network.RoundTrip(r)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", response, err)
		}
		lines, sent := w.app.take()[0].header["Cookie"]
		if got := strings.Join(lines, "\n"); got != test.want || sent != (test.want != "") {
			t.Errorf("sent %q, the application got %q", strings.Replace(test.sent, ours, "<ours>", 1), got)
		}
	}
}

// CVE-LIB-25, HDR-20, HDR-24: what a claim says arrives, or its harmless part,
// and never locks the user out or is read a second time.
func TestOddClaimsNeitherLockOutNorInject(t *testing.T) {
	t.Parallel()
	for id, name := range map[string]string{
		"HDR-20 line end":       "Zoe\r\nX-Auth0-User-Id: evil",
		"HDR-20 null":           "Zo\x00e",
		"HDR-20 lone CR":        "Zo\re",
		"HDR-24 placeholder":    "{env.AUTH0_CLIENT_SECRET}{http.request.cookie.x}",
		"CVE-CAD-15 markup":     "<script>alert(1)</script>",
		"HDR-21 right to left":  "\u202eevil\u202c",
		"HDR-22 leading spaces": "  Zoe  ",
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims["name"] = name }
			page := w.signIn(w.browser(), "/home", w.pair.User)
			if page.Status != http.StatusOK {
				t.Fatalf("the user is locked out: %d", page.Status)
			}
			seen := w.app.take()[0]
			got := seen.header.Get("X-Auth0-Name")
			if got == "" || strings.ContainsAny(got, "\r\n\x00") {
				t.Errorf("the application got %q", got)
			}
			if id == "HDR-24 placeholder" && got != name {
				t.Errorf("the application got %q", got)
			}
			if user := seen.header.Values("X-Auth0-User-Id"); len(user) != 1 || user[0] != w.pair.MasterUserID(w.pair.User) {
				t.Errorf("the user id is %q", user)
			}
		})
	}
}

// Several directives of one site share routes and session, and each judges the
// session by its own connection.
func TestSeveralDirectivesShareRoutesAndJudgeForThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal("auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\n}"), withSite(`auth0_oidc /a/* {
connection acme-child
}
auth0_oidc /b/* {
connection partners
headers {
prefix X-Partner-
}
}
reverse_proxy UPSTREAM`))
	w.pair.Master.AddConnection(auth0sim.Connection{
		Name: "partners", Strategy: "auth0-oidc", Options: w.pair.Connection.Options, EnabledClients: []string{w.pair.App.ClientID},
	})
	b := w.browser()
	w.signIn(b, "/a/page", w.pair.User)
	if seen := w.app.take()[0].header; seen.Get("X-Auth0-Connection") != "acme-child" || seen["X-Partner-User-Id"] != nil {
		t.Errorf("on /a the application saw %v", seen)
	}
	page := w.open(b, "/b/page") // the child's session signs in at once, through the other connection
	if page.Status != http.StatusOK || page.URL.Path != "/b/page" {
		t.Fatalf("%d %s", page.Status, page.URL)
	}
	if seen := w.app.take()[0].header; seen.Get("X-Partner-Connection") != "partners" || seen["X-Auth0-User-Id"] != nil {
		t.Errorf("on /b the application saw %v", seen)
	}
	if response, body := w.send(b, "GET", "/auth/profile", nil); response.StatusCode != http.StatusOK || !strings.Contains(body, "partners") {
		t.Errorf("profile: %d %s", response.StatusCode, body)
	}
	response, _ := w.send(b, "GET", "/a/data", nil)
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a session of the other connection is accepted on /a: %d", response.StatusCode)
	}
	response, _ = w.send(b, "GET", "/elsewhere", map[string]string{"X-Partner-User-Id": "evil", "X-Auth0-User-Id": "evil"})
	if seen := w.app.take(); response.StatusCode != http.StatusOK || seen[0].header["X-Partner-User-Id"] != nil || seen[0].header["X-Auth0-User-Id"] != nil {
		t.Errorf("outside of both: %d %v", response.StatusCode, seen)
	}
	if direct := w.open(w.browser(), "/auth/login?connection=partners&return_to=/b/x"); len(direct.Forms) == 0 {
		t.Errorf("a direct link of the second directive: %d %s", direct.Status, direct.Body)
	}
}

// Two directives over the same request are idempotent (HDR-53).
func TestHDR_53_TwoDirectivesOverOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal("auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\n}"), withSite(`auth0_oidc
auth0_oidc /a/*
header ?X-Who {http.auth.user.id}
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.signIn(b, "/a/page", w.pair.User)
	for _, path := range []string{"/a/x", "/x"} {
		w.app.take()
		response, _ := w.send(b, "GET", path, nil)
		seen := w.app.take()
		if len(seen) != 1 || len(seen[0].header.Values("X-Auth0-User-Id")) != 1 || response.Header.Get("X-Who") != w.pair.MasterUserID(w.pair.User) {
			t.Errorf("%s: %v, X-Who %q", path, seen, response.Header.Get("X-Who"))
		}
	}
}

// Placeholders and the access log know the user; a claim that is missing is
// empty, not the placeholder's own text.
func TestPlaceholdersAndAccessLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`auth0_oidc {
SETTINGS
unauthenticated pass
}
request_header X-Seen "{http.auth.user.id} {http.auth.user.email} {http.auth.user.child_user_id} {http.auth.user.nothing}."
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.send(b, "GET", "/x", nil)
	if got := w.app.take()[0].header.Get("X-Seen"); got != "   ." && got != "." {
		t.Errorf("signed out: %q", got)
	}
	w.signIn(b, "/auth/login", w.pair.User)
	w.app.take()
	w.send(b, "GET", "/x", nil)
	want := fmt.Sprintf("%s user-in-child@mail.com 563b9b6cf50bc24402a69b80 .", w.pair.MasterUserID(w.pair.User))
	if got := w.app.take()[0].header.Get("X-Seen"); got != want {
		t.Errorf("signed in: %q", got)
	}
	if !strings.Contains(w.logs(), `"user_id":"`+w.pair.MasterUserID(w.pair.User)+`"`) {
		t.Error("the access log does not name the user")
	}
}
