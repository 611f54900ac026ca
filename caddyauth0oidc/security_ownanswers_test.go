package caddyauth0oidc

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// ownAnswers walks through everything that the module answers by itself and gives each
// answer by what it is.
func ownAnswers(t *testing.T, ask func(what string, answer *http.Response, body string)) {
	t.Helper()
	w := newWorld(t)
	page := map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
	send := func(what string, b *heldBrowser, method, path string, header map[string]string) {
		response, body := w.send(b, method, path, header)
		ask(what, response, body)
	}
	nobody := w.browser()
	send("redirect to the login", nobody, "GET", "/x", page)
	send("HEAD of it", w.browser(), "HEAD", "/x", page)
	send("401 problem", nobody, "GET", "/x", nil)
	send("401 of a POST", nobody, "POST", "/x", page)
	send("401 of the profile", nobody, "GET", "/auth/profile", nil)
	send("405", nobody, "PUT", "/auth/logout", page)
	send("unknown connection", nobody, "GET", "/auth/login?connection=x", page)
	send("parameter twice", nobody, "GET", "/auth/login?return_to=/&return_to=/", page)
	send("bad state", nobody, "GET", "/auth/callback?code=x&state=y", page)
	send("login", nobody, "GET", "/auth/login?return_to=/x", page)

	b := w.browser()
	callback := strings.TrimPrefix(w.callbackOf(b, "/home", w.pair.User), w.base)
	send("callback in another browser", w.browser(), "GET", callback, page)
	send("callback", b, "GET", callback, page)
	send("callback again", b, "GET", callback, page)
	send("profile", b, "GET", "/auth/profile", page)
	send("HEAD of the profile", b, "HEAD", "/auth/profile", page)
	send("question before the logout", b, "GET", "/auth/logout", nil)
	send("POST of another site", b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "cross-site", "Accept": "text/html"})
	send("logout", b, "GET", "/auth/logout", page)
	send("signed out", b, "GET", "/home", page)
	send("logout by POST", b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})

	u, _ := url.Parse(w.step(b, w.base+"/page").Location())
	send("denied", b, "GET", "/auth/callback?error=access_denied&state="+url.QueryEscape(u.Query().Get("state")), page)
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.ClientSecret = "another" })
	broken := w.browser()
	refused := strings.TrimPrefix(w.callbackOf(broken, "/home", w.pair.User), w.base)
	send("token refused", broken, "GET", refused, page)
	ruled := newWorld(t, withSettings(adminsOnly))
	keptOut := ruled.signInWith(nil)
	for what, header := range map[string]map[string]string{"kept out": page, "kept out program": nil} {
		response, body := ruled.send(keptOut, "GET", "/x", header)
		ask(what, response, body)
	}
	several := newWorld(t, withSettings("connection partners {\nemail_domain partners.example\n}"))
	chooser := several.browser()
	for what, path := range map[string]string{"redirect to the choice": "/x", "choice": "/auth/login?return_to=/x"} {
		response, body := several.send(chooser, "GET", path, page)
		ask(what, response, body)
	}
	for what, address := range map[string]string{"address of nobody": "ann@nobody.example", "address": "ann@partners.example", "no address": "ann"} {
		response, body := several.post(chooser, "/auth/login", strings.NewReader("email="+address), formHeader())
		ask(what, response, body)
	}
	down := newWorld(t)
	down.pair.Master.Down(true)
	response, body := down.send(down.browser(), "GET", "/x", page)
	ask("tenant unavailable", response, body)
}

// CACHE-01, CACHE-08, CACHE-10 (HSTS): no cache may keep an answer of ours, not even by
// heuristics, nor ask whether it is still the same, and none of them is for ever.
func TestCACHE_01_NoCacheKeepsAnAnswerOfOurs(t *testing.T) {
	t.Parallel()
	seen := make(map[int]bool)
	ownAnswers(t, func(what string, answer *http.Response, _ string) {
		seen[answer.StatusCode] = true
		directives := strings.Split(answer.Header.Get("Cache-Control"), ", ")
		if !slices.Contains(directives, "no-store") || slices.Contains(directives, "public") || len(answer.Header.Values("Cache-Control")) != 1 {
			t.Errorf("%s, %d: Cache-Control is %q", what, answer.StatusCode, answer.Header.Values("Cache-Control"))
		}
		for _, name := range []string{"Etag", "Last-Modified", "Expires", "Age", "Strict-Transport-Security", "Content-Encoding", "Accept-Ranges"} {
			if value := answer.Header.Get(name); value != "" {
				t.Errorf("%s, %d: %s is %q", what, answer.StatusCode, name, value)
			}
		}
	})
	for _, status := range []int{200, 302, 303, 400, 401, 403, 405, 502, 503} {
		if !seen[status] {
			t.Errorf("none of the answers was %d", status)
		}
	}
}

func TestCACHE_08_NothingIsMovedForEver(t *testing.T) {
	t.Parallel()
	ownAnswers(t, func(what string, answer *http.Response, _ string) {
		if answer.StatusCode == http.StatusMovedPermanently || answer.StatusCode == http.StatusPermanentRedirect {
			t.Errorf("%s: %d", what, answer.StatusCode)
		}
	})
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for _, path := range []string{"/auth", "/auth/", "/auth//login", "//auth/login", "/auth/./login", "/auth/login/", "/a/../auth/login", "/AUTH/login"} {
		for _, browser := range []*heldBrowser{b, w.browser()} {
			if response, _ := w.send(browser, "GET", path, map[string]string{"Accept": "text/html"}); response.StatusCode == 301 || response.StatusCode == 308 {
				t.Errorf("%s: %d to %s", path, response.StatusCode, response.Header.Get("Location"))
			}
		}
	}
}

// CACHE-04: an address that looks like a file of the application's is protected like any
// other, and the browser alone may keep what is shown there.
func TestCACHE_04_AddressesThatLookStatic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Cache-Control", "public, max-age=60") }
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for _, path := range []string{
		"/account/x.css", "/account;a.js", "/account%2f..%2fstatic/x.css", "/account%00.css", "/account%0a.css", "/account%3f.css",
		"/account/..%2fstatic.css", "/favicon.ico", "/robots.txt", "/account%23.png",
	} {
		if response, _ := w.send(w.browser(), "GET", path, nil); response.StatusCode != http.StatusUnauthorized || response.Header.Get("Cache-Control") != uncached {
			t.Errorf("signed out, %s: %d %v", path, response.StatusCode, response.Header)
		}
		if response, _ := w.send(b, "GET", path, nil); response.Header.Get("Cache-Control") != "private, max-age=60" {
			t.Errorf("signed in, %s: %d %v", path, response.StatusCode, response.Header)
		}
	}
}

// CACHE-05: nothing that a cache leaves out of its key changes the answer, so that no
// answer to an attacker's request does harm to others.
func TestCACHE_05_UnkeyedHeadersChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fresh := func(header map[string]string, path string) string {
		all := map[string]string{"Accept": "text/html"}
		for name, value := range header {
			all[name] = value
		}
		response, body := w.send(w.browser(), "GET", path, all)
		u, err := url.Parse(response.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		for _, once := range []string{"state", "nonce", "code_challenge"} {
			query.Del(once)
		}
		u.RawQuery = query.Encode()
		response.Header.Del("Date")
		response.Header.Set("Location", u.String())
		for i, line := range response.Header["Set-Cookie"] {
			_, attributes, _ := strings.Cut(line, ";")
			response.Header["Set-Cookie"][i] = line[:len("__Host-auth0_txn_")] + attributes
		}
		return fmt.Sprint(response.StatusCode, response.Header, body)
	}
	for _, path := range []string{"/x?a=1", "/auth/login?return_to=/x", "/auth/logout", "/auth/callback", "/auth/login?connection=x"} {
		want := fresh(nil, path)
		for _, header := range []map[string]string{
			{}, // and nothing but state, nonce and challenge differs from one login to the next
			{"X-Forwarded-Host": "evil.test"}, {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Port": "1"}, {"X-Forwarded-Prefix": "/evil"},
			{"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-Uri": "/evil"}, {"X-Forwarded-Server": "evil.test"}, {"X-Host": "evil.test"},
			{"X-Forwarded-Scheme": "http"}, {"X-Forwarded-Ssl": "off"}, {"Forwarded": "host=evil.test;proto=http"}, {"X-Original-Host": "evil.test"},
			{"X-HTTP-Method-Override": "POST"}, {"X-Http-Method": "POST"}, {"X-Method-Override": "DELETE"},
			{"X-Original-Url": "/evil"}, {"X-Rewrite-Url": "/evil"}, {"Origin": "https://evil.test"}, {"Referer": "https://evil.test/"},
			{"User-Agent": "evil"}, {"Accept-Language": "xx"}, {"Via": "1.1 evil.test"}, {"Accept-Encoding": "gzip"},
		} {
			if got := fresh(header, path); got != want {
				t.Errorf("%s with %v:\n%s\nand without:\n%s", path, header, got, want)
			}
		}
	}
}

// CACHE-06: a conditional or partial request is a request: without a session it needs one.
// Keeping pages out of the browser's own cache after a logout is the application's to say.
func TestCACHE_06_ConditionalRequestsNeedASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Etag", `"1"`)
		http.ServeContent(rw, r, "x.txt", w.clock.Now().Truncate(1e9), strings.NewReader("the application's page"))
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	requests := map[string]struct {
		header map[string]string
		signed int
	}{
		"If-None-Match":     {map[string]string{"If-None-Match": `"1"`}, 304},
		"any":               {map[string]string{"If-None-Match": "*"}, 304},
		"If-Modified-Since": {map[string]string{"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304},
		"Range":             {map[string]string{"Range": "bytes=0-3"}, 206},
		"If-Range":          {map[string]string{"Range": "bytes=0-3", "If-Range": `"1"`}, 206},
		"If-Match":          {map[string]string{"If-Match": `"2"`}, 412},
	}
	for name, tc := range requests {
		if response, _ := w.send(b, "GET", "/x", tc.header); response.StatusCode != tc.signed {
			t.Errorf("%s, signed in: %d", name, response.StatusCode)
		}
	}
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	w.app.take()
	for name, tc := range requests {
		for _, path := range []string{"/x", "/auth/profile"} {
			response, body := w.send(b, "GET", path, tc.header)
			if response.StatusCode != http.StatusUnauthorized || strings.Contains(body, "application's") || response.Header.Get("Content-Range") != "" {
				t.Errorf("%s of %s, signed out: %d", name, path, response.StatusCode)
			}
		}
	}
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
}

// CACHE-09: a service worker or a cache that opens the callback again, with the cookies of
// then or of now, signs nobody in and costs the tenant nothing.
func TestCACHE_09_CallbackThatIsOpenedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := strings.TrimPrefix(w.callbackOf(b, "/page", w.pair.User), w.base)
	then := cookieHeader(w, b)
	if response, _ := w.send(b, "GET", callback, nil); response.StatusCode != http.StatusFound || sessionCookie(w, b) == "" {
		t.Fatalf("the login: %d", response.StatusCode)
	}
	genuine := sessionCookie(w, b)
	for range 3 {
		response, _ := w.send(b, "GET", callback, nil)
		if response.StatusCode != http.StatusFound || response.Header.Get("Location") != "/page" || sessionCookie(w, b) != genuine {
			t.Errorf("with the session: %d to %s", response.StatusCode, response.Header.Get("Location"))
		}
		for _, cookies := range []string{then, "a=b"} {
			response, _ = w.send(w.browser(), "GET", callback, map[string]string{"Cookie": cookies})
			if strings.Contains(strings.Join(response.Header.Values("Set-Cookie"), "|"), "_session=") || response.Header.Get("Cache-Control") != uncached {
				t.Errorf("without it: %d %v", response.StatusCode, response.Header)
			}
		}
	}
	if n := w.pair.Master.Calls("/oauth/token"); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

// CACHE-10: Strict-Transport-Security is the site's to say. Where the site compresses, no
// page of ours repeats what came with the request beside something worth guessing (BREACH).
func TestCACHE_10_PagesRepeatNothingAndHSTSIsTheSites(t *testing.T) {
	t.Parallel()
	const hsts, echo = "max-age=63072000; includeSubDomains", "ECHO-f3c1"
	w := newWorld(t, withSite("header >Strict-Transport-Security \""+hsts+"\"\nencode gzip\nauth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	secrets := []string{echo, sessionCookie(w, b)[:40], "access_token", "id_token", "code_verifier"}
	accept := map[string]string{"Accept": "text/html", "X-Echo": echo, "Referer": "https://app.example.test/" + echo, "User-Agent": echo}
	for _, path := range []string{
		"/auth/logout?" + echo, "/auth/profile?x=" + echo, "/auth/login?connection=" + echo, "/auth/callback?code=" + echo + "&state=" + echo,
		"/auth/callback?error=" + echo + "&error_description=" + echo, "/home?" + echo,
	} {
		w.app.answer = func(http.ResponseWriter, *http.Request) {}
		response, body := w.send(b, "GET", path, accept)
		if got := response.Header.Values("Strict-Transport-Security"); len(got) != 1 || got[0] != hsts {
			t.Errorf("%s: HSTS is %q", path, got)
		}
		for _, secret := range secrets {
			if strings.Contains(body, secret) {
				t.Errorf("%s repeats %q", path, secret)
			}
		}
	}
}
