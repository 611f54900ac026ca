package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// sendCookies makes a request with exactly these Cookie lines.
func (w *world) sendCookies(lines ...string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequest("GET", w.base+"/x", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header["Cookie"] = lines
	response, err := w.network.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return response
}

// What the application gets of a Cookie header, all the way through the proxy. S stands
// for the name of our cookie and GENUINE for a live session. A quoted value ends at its
// semicolon, as browsers and RFC 6265 have it, so that ours is taken out of one too.
func TestCookieHeaderReachesTheApplicationWithoutOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	fill := strings.NewReplacer("GENUINE", "__Host-auth0_session="+sessionCookie(w, b), "S", "__Host-auth0_session")
	for name, tc := range map[string]struct {
		lines, want []string
		signedOut   bool
	}{
		"CK-11 inside quotes":         {lines: []string{`$Version=1; x="foo; S=evil; bar"; GENUINE; y=2`}, want: []string{`$Version=1; x="foo; bar"; y=2`}},
		"CK-11 quotes left open":      {lines: []string{`x="foo; GENUINE; y=2`}, want: []string{`x="foo; y=2`}},
		"CK-12 nameless":              {lines: []string{"=S=evil; GENUINE; a=1"}, want: []string{"a=1"}},
		"CK-12 unicode space":         {lines: []string{"\u00a0S=evil; GENUINE; \u2000S=evil; a=1"}, want: []string{"a=1"}},
		"CK-12 alone is no session":   {lines: []string{"=GENUINE; \u00a0GENUINE"}, signedOut: true},
		"CK-13 case variant":          {lines: []string{"__HOST-auth0_session=x; GENUINE"}, want: []string{"__HOST-auth0_session=x"}},
		"CK-13 alone is no session":   {lines: []string{"__HOST-AUTH0_SESSION=x"}, signedOut: true},
		"CK-14 names of another form": {lines: []string{"S.x=1; S_1=2; S.10=3; GENUINE; S.1=stale; S.01=4"}, want: []string{"S.x=1; S_1=2; S.10=3; S.01=4"}},
		"CK-15 crumbs":                {lines: []string{"a=1", "GENUINE", "S.1=stale; b=2", "c=3"}, want: []string{"a=1; b=2; c=3"}},
		"CVE-MAO-13 separators":       {lines: []string{"; ;=; GENUINE; ;"}},
		"CVE-MAO-13 ours alone":       {lines: []string{"GENUINE"}},
		"CVE-MAO-13 empty lines":      {lines: []string{"", " ; ", "GENUINE", ";"}},
		"CVE-MAO-13 no cookie at all": {lines: []string{""}, signedOut: true},
		"CVE-MAO-13 semicolon":        {lines: []string{";"}, signedOut: true},
		"CVE-MAO-13 sign":             {lines: []string{"; ;="}, signedOut: true},
	} {
		t.Run(name, func(t *testing.T) {
			w.app.take()
			lines := make([]string, len(tc.lines))
			for i, line := range tc.lines {
				lines[i] = fill.Replace(line)
			}
			response := w.sendCookies(lines...)
			seen := w.app.take()
			if tc.signedOut {
				if response.StatusCode != http.StatusUnauthorized || len(seen) != 0 {
					t.Errorf("%d, the application saw %+v", response.StatusCode, seen)
				}
				return
			}
			if response.StatusCode != http.StatusOK || len(seen) != 1 {
				t.Fatalf("%d, the application saw %+v", response.StatusCode, seen)
			}
			got := strings.Join(seen[0].header["Cookie"], "; ")
			if want := fill.Replace(strings.Join(tc.want, "; ")); tc.want != nil && got != want || tc.want == nil && strings.Trim(got, ";= ") != "" {
				t.Errorf("the application sees %q, want %q", got, want)
			}
		})
	}
}

// CK-17: an application may empty the browser, as by a logout of its own; that reaches the
// browser as it is, and what follows is a login like any other.
func TestCK_17_ClearSiteDataOfTheApplicationEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Clear-Site-Data", `"cookies"`) }
	response, _ := w.send(b, "GET", "/quit", nil)
	if got := response.Header.Get("Clear-Site-Data"); got != `"cookies"` {
		t.Errorf("the browser gets %q", got)
	}
	dropCookies(w, b)
	if w.isSignedIn(b) {
		t.Error("signed in without cookies")
	}
	w.app.answer = nil
	if page := w.open(b, "/home"); page.Status != http.StatusOK || page.URL.String() != w.base+"/home" || !w.isSignedIn(b) {
		t.Errorf("the new login ends at %d %s", page.Status, page.URL)
	}
}

// CK-20: whatever another site makes the browser send, with our cookies or without, leaves
// the session as it is. Only the logout changes anything, and it asks first or refuses.
func TestCK_20_ASVS_03_AnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, attacker := w.browser(), w.browser()
	w.signIn(b, "/home", w.pair.User)
	genuine := sessionCookie(w, b)
	foreign := strings.TrimPrefix(w.callbackOf(attacker, "/home", w.pair.Accented), w.base)
	for _, tc := range []struct {
		method, path string
		header       map[string]string
		want         int
	}{
		{"POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"POST", "/auth/logout", map[string]string{"Origin": "https://evil.test"}, 403},
		{"POST", "/auth/logout", map[string]string{"Origin": "https://evil.example.test"}, 403},
		{"POST", "/auth/logout", map[string]string{"Origin": "null"}, 403},
		{"POST", "/auth/logout", map[string]string{"Origin": "http://app.example.test", "Sec-Fetch-Site": "cross-site"}, 403},
		{"POST", "/auth/logout", map[string]string{"Origin": "https://app.example.test:8443"}, 403},
		{"GET", "/auth/logout", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"GET", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"GET", "/auth/logout", map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 200},
		{"GET", "/auth/logout", map[string]string{"Accept": "text/html", "Referer": "https://evil.test/"}, 200},
		{"GET", "/auth/login", map[string]string{"Sec-Fetch-Site": "cross-site"}, 302},
		{"POST", "/auth/login", map[string]string{"Sec-Fetch-Site": "cross-site"}, 405},
		{"GET", foreign, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 302},
		{"POST", foreign, map[string]string{"Origin": "https://evil.test"}, 405},
		{"POST", "/auth/profile", map[string]string{"Origin": "https://evil.test"}, 405},
	} {
		response, _ := w.send(b, tc.method, tc.path, tc.header)
		path, _, _ := strings.Cut(tc.path, "?")
		if response.StatusCode != tc.want {
			t.Errorf("%s %s %v: %d, want %d", tc.method, path, tc.header, response.StatusCode, tc.want)
		}
		if sessionCookie(w, b) != genuine || !w.isSignedIn(b) {
			t.Fatalf("%s %s %v: the session changed", tc.method, path, tc.header)
		}
	}
	if n := w.pair.Master.Calls("/oauth/token"); n != 1 {
		t.Errorf("%d codes were exchanged, want the user's own alone", n)
	}
}

// CK-22: whatever a host is called, its cookies are of that host alone and the login comes
// back to it.
func TestCK_22_OddHostsHaveCookiesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, base := range []string{
		"https://[2001:db8::1]", "https://[2001:db8::1]:8443", "https://192.0.2.7", "https://192.0.2.7:8443",
		"https://intranet", "https://intranet:8443", "https://app.example.test.", "https://app.example.test.:8443",
		"https://app.example.test:8443", "http://[::1]:8080", "http://intranet",
	} {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			scheme, _, _ := strings.Cut(base, ":")
			w := newWorld(t, atBase(base), atAddress(scheme+"://"))
			b := w.browser()
			page := w.signIn(b, "/home", w.pair.User)
			if page.Status != http.StatusOK || page.URL.String() != base+"/home" || !w.isSignedIn(b) {
				t.Fatalf("the login ends at %d %s", page.Status, page.URL)
			}
			u, _ := url.Parse(base)
			lines := cookieLines(page, u.Host)
			if len(lines) == 0 {
				t.Error("no cookies were seen")
			}
			for _, line := range lines {
				if strings.Contains(line, "; Domain") {
					t.Errorf("%s has a domain", line)
				}
			}
			response, _ := w.send(b, "POST", "/auth/logout", map[string]string{"Origin": base})
			if response.StatusCode != http.StatusSeeOther || w.isSignedIn(b) {
				t.Errorf("the logout: %d", response.StatusCode)
			}
		})
	}
}

// A spelling of the host that the tenant does not know is refused by the tenant, and one
// that is no host by Caddy; neither is an error of the server.
func TestCK_22_UnknownSpellingsOfTheHostAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atAddress("https://"))
	registered := w.base + "/auth/callback"
	for _, host := range []string{
		"app.example.test.", "APP.example.test", "app.example.test:443", "app.example.test:8443", "[::1]", "::1", "[::1", "a b",
		"app.example.test:", ":443", "app..test", "app.example.test:99999", "\u00e4.test", "app.example.test/evil", "app@evil.test", "",
	} {
		r, err := http.NewRequest("GET", w.base+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.Header = host, http.Header{"Accept": {"text/html"}}
		response, err := w.network.RoundTrip(r)
		if err != nil {
			t.Errorf("%q: %v", host, err)
			continue
		}
		if response.StatusCode >= 500 || slices.ContainsFunc(response.Header.Values("Set-Cookie"), func(line string) bool { return strings.Contains(line, "; Domain") }) {
			t.Errorf("%q: %d %v", host, response.StatusCode, response.Header)
		}
		u, err := url.Parse(response.Header.Get("Location"))
		if err != nil || response.StatusCode != http.StatusBadRequest && !strings.HasPrefix(u.String(), w.pair.Master.Issuer()) {
			t.Errorf("%q leads to %d %v", host, response.StatusCode, response.Header)
			continue
		}
		same := slices.Contains([]string{"APP.example.test", "app.example.test:443", ""}, host)
		if got := u.Query().Get("redirect_uri"); (got == registered) != same || same && response.StatusCode != http.StatusFound {
			t.Errorf("%q comes back to %s", host, got)
		}
	}
}

// ASVS-09: a WebSocket needs a session like everything else. That another site opens it
// with the user's session is kept off by SameSite=Lax, and checking Origin is left to the
// application, which gets it as it came.
func TestASVS_09_WebSocketNeedsASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession))
	handshake := map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
		"Origin": "https://evil.test", "Accept": "text/html",
	}
	b := w.browser()
	if response, _ := w.send(b, "GET", "/socket", handshake); response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
		t.Errorf("without a session: %d", response.StatusCode)
	}
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	w.clock.advance(2 * time.Hour)
	response, _ := w.send(b, "GET", "/socket", handshake)
	seen := w.app.take()
	if len(seen) != 1 || seen[0].header.Get("Upgrade") != "websocket" || seen[0].header.Get("Origin") != "https://evil.test" {
		t.Fatalf("with a session: %d, the application saw %+v", response.StatusCode, seen)
	}
	if lines := response.Header.Values("Set-Cookie"); len(lines) != 0 {
		t.Errorf("the handshake renews the session: %q", lines)
	}
}
