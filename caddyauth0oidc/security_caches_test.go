package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
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
		"":                                    "private",
		"public":                              "private",
		"public, max-age=31536000, immutable": "private, max-age=31536000, immutable",
		"max-age=60, s-maxage=3600, PUBLIC":   "private, max-age=60",
		"no-cache, proxy-revalidate":          "private, no-cache",
		"private, max-age=60":                 "private, max-age=60",
		"no-store":                            "no-store",
		"No-Store, max-age=0":                 "No-Store, max-age=0",
		`private="set-cookie", max-age=60`:    "private, max-age=60",
		" , ,":                                "private",
		"s-maxage = 60, stale-while-revalidate = 60": "private, stale-while-revalidate = 60",
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
	for path, want := range map[string]string{"/public/x": "public, max-age=60", "/mixed": "private, max-age=60"} {
		if response, _ := w.send(b, "GET", path, nil); response.Header.Get("Cache-Control") != want {
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
			"__Host-auth0_session =x", "__Host-auth0_txn_recent=1", "__Host-auth0_txn_" + strings.Repeat("0", 24) + "=1", "__Host-auth0_session",
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
