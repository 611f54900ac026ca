package caddyauth0oidc

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// CACHE-02, CACHE-04, CACHE-07, CVE-SDK-07: whatever the application says about
// caching, and whatever the address looks like, the browser alone may store what a
// signed-in user was shown.
func TestCACHE_02_AnswerToAUserIsForTheBrowserAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for said, want := range map[string]string{
		"":                                       "private",
		"public":                                 "private",
		"public, max-age=31536000, immutable":    "private, max-age=31536000, immutable",
		"max-age=60, s-maxage=3600, PUBLIC":      "private, max-age=60",
		"no-cache, proxy-revalidate":             "private, no-cache",
		"private, max-age=60":                    "private, max-age=60",
		"no-store":                               "private, no-store",
		"No-Store, max-age=0":                    "private, No-Store, max-age=0",
		`private="set-cookie, x-y", max-age=60`:  "private, max-age=60",
		"must-understand, no-store, max-age=600": "private, no-store, max-age=600",
		`public, ext="a, no-store, b\", c", max-age=1`: `private, ext="a, no-store, b\", c", max-age=1`,
		`max-age=60, ext="open`:                        `private, max-age=60, ext="open`,
		"public, private, s-maxage=600":                "private",
		" , ,":                                         "private",
		"s-maxage = 60, stale-while-revalidate = 60":   "private, stale-while-revalidate = 60",
	} {
		w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
			if said != "" {
				rw.Header().Set("Cache-Control", said)
			}
			for _, name := range []string{"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control", "X-Accel-Expires"} {
				rw.Header().Set(name, "3600")
			}
			rw.Header().Set("Etag", `"1"`)
		}
		for _, path := range []string{"/account", "/account/x.css", "/account;a.js", "/account%2f..%2fstatic/x.css"} {
			response, _ := w.send(b, "GET", path, nil)
			if got := response.Header.Values("Cache-Control"); len(got) != 1 || got[0] != want {
				t.Errorf("%s with %q: %q, want %q", path, said, got, want)
			}
			for name := range response.Header {
				if strings.Contains(name, "Cdn") || strings.HasPrefix(name, "Surrogate") || name == "X-Accel-Expires" {
					t.Errorf("%s is left", name)
				}
			}
			if response.Header.Get("Etag") == "" {
				t.Error("the browser's own cache lost its ETag")
			}
		}
	}
}

// CACHE-02, CACHE-03: a page that is not protected is the application's business; one
// that a signed-in user would see differently says so to caches.
func TestCACHE_03_WhoeverSeesAnotherPageIsToldApartByTheCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("@private not path /public/*\nauth0_oidc @private {\nSETTINGS\nunauthenticated pass\n}\nreverse_proxy UPSTREAM"))
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Cache-Control", "public, max-age=60") }
	b := w.browser()
	for path, vary := range map[string]string{"/public/x": "", "/mixed": "Cookie"} {
		response, _ := w.send(b, "GET", path, nil)
		if response.Header.Get("Cache-Control") != "public, max-age=60" || response.Header.Get("Vary") != vary {
			t.Errorf("signed out, %s: %v", path, response.Header)
		}
	}
	w.signIn(b, "/auth/login?return_to=/mixed", w.pair.User)
	for path, want := range map[string]string{"/public/x": "public, max-age=60", "/mixed": "private, max-age=60Cookie"} {
		if response, _ := w.send(b, "GET", path, nil); response.Header.Get("Cache-Control")+response.Header.Get("Vary") != want {
			t.Errorf("signed in, %s: %v", path, response.Header)
		}
	}
}

// CK-16: the application cannot set, replace or delete a cookie of ours.
func TestCK_16_CookiesOfOursThatTheApplicationSetsAreDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("@private not path /public/*\nauth0_oidc @private {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	genuine := sessionCookie(w, b)
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
		for _, line := range []string{
			"__Host-auth0_session=stolen; Path=/; Secure", "auth0_session=x", "__Host-auth0_session.1=x", " __Host-auth0_session-t=x; Secure; Path=/",
			"__Host-auth0_session =x", "=__Host-auth0_session=evil", `"__Host-auth0_session"=x`, "=auth0_session=evil", "__Host-auth0_txn_recent=1", "__Host-auth0_txn_" + strings.Repeat("0", 24) + "=1", "__Host-auth0_session", "__Host-auth0_session; Path=/",
			"theme=dark", "JSESSIONID=1; Path=/", "auth0_sessions=mine",
		} {
			rw.Header().Add("Set-Cookie", line)
		}
		rw.Header().Set("Link", "</x>")
		rw.WriteHeader(http.StatusEarlyHints)
	}
	for _, path := range []string{"/home", "/public/x"} {
		response, _ := w.send(b, "GET", path, nil)
		if got := strings.Join(response.Header.Values("Set-Cookie"), "|"); got != "theme=dark|JSESSIONID=1; Path=/|auth0_sessions=mine" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if sessionCookie(w, b) != genuine || !w.isSignedIn(b) {
		t.Error("the session changed")
	}
}

// Two directives of one site: the second one begins a login of its own in an answer
// that passes through the first one.
func TestCK_16_LoginOfAnotherDirectiveKeepsItsCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`auth0_oidc {
SETTINGS
}
auth0_oidc /b/* {
SETTINGS
prefix /authb
session {
cookie {
name b_session
}
}
}
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	page := w.step(b, w.base+"/b/x")
	if page.Status != http.StatusFound || !strings.Contains(strings.Join(page.Header.Values("Set-Cookie"), "|"), "__Host-b_txn_") {
		t.Errorf("%d %v", page.Status, page.Header)
	}
}

// Whoever answers, and whether anybody does: what a user is shown is private, and a
// due session is renewed.
func TestCACHE_02_EveryKindOfAnswerIsPrivate(t *testing.T) {
	t.Parallel()
	files := t.TempDir()
	site := `auth0_oidc {
SETTINGS
session {
idle 10h
absolute 20h
}
}
header >X-Seen yes
header /cookie Set-Cookie "__Host-auth0_session=evil"
root * ` + files + `
respond /respond "text"
error /error 404
respond /empty 204
reverse_proxy /dead 127.0.0.1:1
templates /file.html
file_server /file.*
handle_errors {
respond "error {http.auth.user.email}"
}`
	w := newWorld(t, withSite(site))
	for _, name := range []string{"file.txt", "file.html"} {
		if err := os.WriteFile(filepath.Join(files, name), []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, status := range map[string]int{
		"/respond": 200, "/error": 404, "/empty": 204, "/dead": 502, "/file.txt": 200, "/file.html": 200, "/nobody": 200, "/cookie": 200,
	} {
		b := w.browser()
		w.signIn(b, "/respond", w.pair.User)
		response, body := w.send(b, "GET", path, nil)
		if response.StatusCode != status || response.Header.Get("Cache-Control") != "private" || len(response.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d %q %v", path, response.StatusCode, body, response.Header)
		}
		w.clock.advance(2 * time.Hour)
		response, _ = w.send(b, "GET", path, nil)
		renewed := strings.Join(response.Header.Values("Set-Cookie"), "|")
		if response.Header.Get("Cache-Control") != uncached || strings.Count(renewed, "__Host-auth0_session=") != 1 || strings.Contains(renewed, "evil") {
			t.Errorf("%s, renewed: %v", path, response.Header)
		}
	}
}

// The error routes that answer for us can no more set cookies of ours, or have their
// answer stored, than the application can.
func TestCK_16_CACHE_01_ErrorRoutesOfARefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\nunauthenticated 401\n}\nreverse_proxy UPSTREAM\nhandle_errors {\nreverse_proxy UPSTREAM\n}"))
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "public, max-age=600")
		rw.Header().Set("CDN-Cache-Control", "public")
		rw.Header().Set("Set-Cookie", "__Host-auth0_session=evil; Path=/; Secure")
		rw.Header().Add("Set-Cookie", "theme=dark")
	}
	response, _ := w.send(w.browser(), "GET", "/x", nil)
	if cookies := strings.Join(response.Header.Values("Set-Cookie"), "|"); cookies != "theme=dark" {
		t.Errorf("cookies %s", cookies)
	}
	if caching := response.Header.Values("Cache-Control"); len(caching) != 1 || caching[0] != uncached || response.Header.Get("CDN-Cache-Control") != "" {
		t.Errorf("caching %v", response.Header)
	}
}
