package caddyauth0oidc

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// cookieLines are the Set-Cookie lines of everything on the way to a page.
func cookieLines(page *auth0sim.Page, host string) []string {
	var lines []string
	for _, hop := range page.Hops {
		if hop.URL.Host == host {
			lines = append(lines, hop.Header.Values("Set-Cookie")...)
		}
	}
	return lines
}

// CK-01, ASVS-01 (V3.3.1 to V3.3.4): every cookie of login, session and logout, chunks and
// deletions too. What is left to SameSite=None is the session alone.
func TestCK_01_ASVS_01_EveryCookieOfOursHasItsAttributes(t *testing.T) {
	t.Parallel()
	for sameSite, settings := range map[string]string{"Lax": "", "None": "session {\ncookie {\nsame_site none\n}\n}"} {
		t.Run(sameSite, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(settings))
			w.pair.Master.CustomClaims = map[string]any{"https://acme.test/roles": opaqueText(4_000)}
			b := w.browser()
			lines := cookieLines(w.open(b, "/home"), "app.example.test")
			lines = append(lines, cookieLines(w.signIn(b, "/home", w.pair.User), "app.example.test")...)
			response, _ := w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
			lines = append(lines, response.Header.Values("Set-Cookie")...)
			if len(lines) < 8 {
				t.Fatalf("only %d cookies were set: %q", len(lines), lines)
			}
			for _, line := range lines {
				name, _, _ := strings.Cut(line, "=")
				want := "Lax"
				if strings.HasPrefix(name, "__Host-auth0_session") {
					want = sameSite
				}
				for _, attribute := range []string{"; Path=/;", "; HttpOnly", "; Secure", "; SameSite=" + want} {
					if !strings.Contains(line, attribute) {
						t.Errorf("%s lacks %q", line, attribute)
					}
				}
				if !strings.HasPrefix(name, "__Host-auth0_") || strings.Contains(line, "; Domain") {
					t.Errorf("%s has no prefix, or a domain", line)
				}
			}
		})
	}
}

// CK-02: plain http needs no flag, on loopback or elsewhere, because Caddy cannot know who
// ends TLS in front of it; it has cookies with other names, and a session of http is none
// on https, nor the other way round.
func TestCK_02_SessionOfPlainHTTPIsNoneOnHTTPS(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"app.example.test", "localhost", "127.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			plain := newWorld(t, atBase("http://"+host), withSettings("secret \""+oldSecret+"\""))
			b := plain.browser()
			plain.signIn(b, "/home", plain.pair.User)
			for _, c := range b.Cookies(plain.base) {
				if !strings.HasPrefix(c.Name, "auth0_") || c.Secure {
					t.Errorf("cookie %s, Secure %v", c.Name, c.Secure)
				}
			}
			ofHTTP := sessionCookie(plain, b)
			plain.base = "https://" + host // the same directive, reached with TLS
			for _, name := range []string{"auth0_session", "__Host-auth0_session"} {
				if status := plain.statusWith(name + "=" + ofHTTP); status != http.StatusUnauthorized {
					t.Errorf("a session of http on https as %s: %d", name, status)
				}
			}

			secure := newWorld(t, atBase("https://"+host), atAddress("http://"+host), withSettings("secret \""+oldSecret+"\""))
			b = secure.browser()
			secure.signIn(b, "/home", secure.pair.User)
			ofHTTPS := sessionCookie(secure, b)
			if status := secure.statusWith("__Host-auth0_session=" + ofHTTPS); status != http.StatusOK {
				t.Fatalf("the session on https: %d", status)
			}
			secure.base = "http://" + host
			for _, name := range []string{"auth0_session", "__Host-auth0_session"} {
				if status := secure.statusWith(name + "=" + ofHTTPS); status != http.StatusUnauthorized {
					t.Errorf("a session of https on http as %s: %d", name, status)
				}
			}
		})
	}
}

// statusWith asks with these cookies and no others.
func (w *world) statusWith(cookies string) int {
	w.t.Helper()
	response, _ := w.send(w.browser(), "GET", "/x", map[string]string{"Cookie": cookies})
	return response.StatusCode
}

// CK-07: what ends a session is its own limits; the ID token that began it may be long
// over.
func TestCK_07_SessionOutlivesItsIDToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.IDTokenLifetime = time.Minute })
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(23 * time.Hour)
	if !w.isSignedIn(b) {
		t.Error("ended with the ID token")
	}
}

// CK-08, DOS-04: whoever has a genuine pending login and tries codes with it gets one
// request to the tenant out of us, and a browser that sends a used one again none.
func TestCK_08_DOS_04_PendingLoginIsGoodForOneExchange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	u, err := url.Parse(w.step(b, w.base+"/page").Location())
	if err != nil {
		t.Fatal(err)
	}
	pending, state := cookieHeader(w, b), url.QueryEscape(u.Query().Get("state"))
	for i := range 1000 {
		response, _ := w.send(w.browser(), "GET", fmt.Sprintf("/auth/callback?code=guess%d&state=%s", i, state), map[string]string{"Cookie": pending})
		if response.StatusCode != http.StatusFound || !strings.HasPrefix(response.Header.Get("Location"), w.pair.Master.Issuer()) {
			t.Fatalf("guess %d: %d %v", i, response.StatusCode, response.Header)
		}
		if strings.Contains(strings.Join(response.Header.Values("Set-Cookie"), "|"), "auth0_session=") {
			t.Fatalf("guess %d sets a session", i)
		}
	}
	if n := w.pair.Master.Calls("/oauth/token"); n != 1 {
		t.Errorf("1000 guesses cost %d token requests, want 1", n)
	}

	callback := strings.TrimPrefix(w.callbackOf(b, "/page", w.pair.User), w.base)
	genuine := cookieHeader(w, b)
	for i := range 5 {
		response, _ := w.send(w.browser(), "GET", callback, map[string]string{"Cookie": genuine})
		signedIn := strings.Contains(strings.Join(response.Header.Values("Set-Cookie"), "|"), "auth0_session=")
		if signedIn != (i == 0) {
			t.Errorf("delivered for the %d. time: signed in %v", i+1, signedIn)
		}
	}
	if n := w.pair.Master.Calls("/oauth/token"); n != 2 {
		t.Errorf("%d token requests, want 2", n)
	}
}

// toss plants junk in the browser as a sibling host does that an attacker has: for the
// whole domain, with longer paths than ours, so that the browser sends it first.
func toss(b *heldBrowser, name string, count int) {
	path := "/home"
	for i := range count {
		b.SetCookie("https://evil.example.test/", &http.Cookie{
			Name: name, Value: fmt.Sprintf("junk%d", i), Domain: "example.test", Path: path, Secure: true,
		})
		path += "/x"
	}
}

// CK-09: the prefix __Host- keeps planted cookies out of the browser. With a cookie domain
// three of them in front are no harm, and more end on a page instead of in circles. We do
// not delete on every plausible path, which nobody could list: the session stays in the
// browser, works elsewhere, and is good again when the planted ones are gone.
func TestCK_09_PlantedCookiesOfASiblingHost(t *testing.T) {
	t.Parallel()
	deep := "/home" + strings.Repeat("/x", 6)
	t.Run("host prefix", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		before := len(b.Cookies(w.base + deep))
		toss(b, "__Host-auth0_session", 5)
		if n := len(b.Cookies(w.base + deep)); n != before || w.step(b, w.base+deep).Status != http.StatusOK {
			t.Errorf("%d cookies, %d before", n, before)
		}
	})
	t.Run("domain", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withSettings("session {\ncookie {\ndomain example.test\n}\n}"))
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		toss(b, "auth0_session", 3)
		if n := len(b.Cookies(w.base + deep)); n < 4 || w.step(b, w.base+deep).Status != http.StatusOK {
			t.Errorf("three in front of the session, %d cookies: signed out", n)
		}
		toss(b, "auth0_session", 5)
		if page := w.open(b, deep); page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeLoop) {
			t.Errorf("five in front: ended at %d %s", page.Status, page.URL)
		}
		if !w.isSignedIn(b) {
			t.Error("signed out where nothing was planted")
		}
		for _, c := range b.Cookies(w.base + deep) {
			if strings.HasPrefix(c.Value, "junk") {
				c.MaxAge = -1
				b.SetCookie("https://evil.example.test/", c)
			}
		}
		if status := w.step(b, w.base+deep).Status; status != http.StatusOK {
			t.Errorf("after the planted ones are gone: %d", status)
		}
	})
}

// CK-10: an attacker who plants a session of their own, and not junk, makes the user work
// in the attacker's account. The prefix __Host- prevents it; who gives it up is told.
func TestCK_10_CookieDomainIsWarnedOf(t *testing.T) {
	t.Parallel()
	const warning = "every host below it can set a session"
	plant := func(w *world, name string) string {
		attacker, b := w.browser(), w.browser()
		w.signIn(attacker, "/home", w.pair.Accented)
		w.signIn(b, "/home", w.pair.User)
		b.SetCookie("https://evil.example.test/", &http.Cookie{
			Name: name, Value: sessionCookie(w, attacker), Domain: "example.test", Path: "/home", Secure: true,
		})
		w.app.take()
		w.step(b, w.base+"/home")
		return w.app.take()[0].header.Get("X-Auth0-User-Id")
	}
	t.Run("host prefix", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		if user := plant(w, "__Host-auth0_session"); user != w.pair.MasterUserID(w.pair.User) {
			t.Errorf("the application sees %q", user)
		}
		if strings.Contains(w.logs(), warning) {
			t.Error("warned without a domain")
		}
	})
	t.Run("domain", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withSettings("session {\ncookie {\ndomain example.test\n}\n}"))
		if n := strings.Count(w.logs(), warning); n != 1 {
			t.Errorf("warned %d times when loaded", n)
		}
		if user := plant(w, "auth0_session"); user != w.pair.MasterUserID(w.pair.Accented) {
			t.Errorf("the planted session lost, which the warning promises: %q", user)
		}
	})
}

// CK-21: ports, and http beside https, share a browser's cookies. An answer over http
// cannot set one of ours on https, and those of plain http count for nothing there. What
// another port over https sets opens only if its client and secret are the same (CK-03).
func TestCK_21_PlainHTTPCannotOverwriteTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atAddress("http://app.example.test"))
	b, attacker := w.browser(), w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.signIn(attacker, "/home", w.pair.Accented)
	genuine, foreign := sessionCookie(w, b), sessionCookie(w, attacker)
	for _, from := range []string{"http://app.example.test/", "http://app.example.test:8080/"} {
		for _, secure := range []bool{true, false} {
			b.SetCookie(from, &http.Cookie{Name: "__Host-auth0_session", Value: foreign, Path: "/", Secure: secure})
			b.SetCookie(from, &http.Cookie{Name: "__Host-auth0_session", Path: "/", Secure: secure, MaxAge: -1})
		}
		b.SetCookie(from, &http.Cookie{Name: "auth0_session", Value: foreign, Path: "/"})
		b.SetCookie(from, &http.Cookie{Name: "auth0_session", Value: foreign, Path: "/home"})
	}
	if !strings.Contains(cookieHeader(w, b), "auth0_session="+foreign) {
		t.Fatal("the plain cookie was not planted")
	}
	w.app.take()
	response, _ := w.send(b, "GET", "/home", nil)
	seen := w.app.take()
	if response.StatusCode != http.StatusOK || len(seen) != 1 || seen[0].header.Get("X-Auth0-User-Id") != w.pair.MasterUserID(w.pair.User) {
		t.Fatalf("%d %+v", response.StatusCode, seen)
	}
	if seen[0].header.Get("Cookie") != "" || !strings.Contains(cookieHeader(w, b), "__Host-auth0_session="+genuine) {
		t.Errorf("the application sees the cookies %q", seen[0].header.Get("Cookie"))
	}
}
