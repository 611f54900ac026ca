package caddyauth0oidc

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// sharedCache is a cache between the browsers and Caddy that keeps whatever RFC 9111
// lets a shared cache keep, and for as long as the test lasts. Cookies are no reason for
// it not to (section 7.3), and a field for such caches alone counts before Cache-Control
// (RFC 9213).
type sharedCache struct {
	next http.RoundTripper

	mu     sync.Mutex
	kept   map[string][]storedAnswer
	served int
}

type storedAnswer struct {
	request, header http.Header
	status          int
	body            []byte
}

func (c *sharedCache) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.Method + " " + r.URL.String()
	if a := c.find(key, r.Header); a != nil {
		return a.response(r), nil
	}
	response, err := c.next.RoundTrip(r)
	if err != nil || !mayBeShared(r, response) {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := storedAnswer{r.Header.Clone(), response.Header.Clone(), response.StatusCode, body}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[key] = append(c.kept[key], a)
	return a.response(r), nil
}

// find gives a kept answer whose Vary names only fields that are the same (section 4.1).
func (c *sharedCache) find(key string, header http.Header) *storedAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.kept[key] {
		same := true
		for name := range strings.SplitSeq(strings.Join(a.header.Values("Vary"), ","), ",") {
			name = strings.TrimSpace(name)
			same = same && name != "*" && slices.Equal(a.request.Values(name), header.Values(name))
		}
		if same {
			c.served++
			return &a
		}
	}
	return nil
}

func (a *storedAnswer) response(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
	}
}

// heuristic are the status codes that need no lifetime (RFC 9110 section 15.1).
var heuristic = []int{200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}

// mayBeShared is section 3 for a shared cache that has no scruples: what has a lifetime,
// or may be given one, is kept.
func mayBeShared(r *http.Request, response *http.Response) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || response.StatusCode < 200 {
		return false
	}
	for _, name := range []string{"Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control", "Surrogate-Control", "X-Accel-Expires"} {
		if value := response.Header.Get(name); value != "" && !strings.Contains(value, "no-store") {
			return true
		}
	}
	lifetime := response.Header.Get("Expires") != "" || slices.Contains(heuristic, response.StatusCode)
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(response.Header.Values("Cache-Control"), ",")), ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return false
		case "private":
			if !strings.Contains(directive, "=") {
				return false
			}
		case "public", "s-maxage", "max-age":
			lifetime = true
		}
	}
	return lifetime
}

// browser gives a browser on the far side of the cache.
func (c *sharedCache) browser() *heldBrowser {
	g := &gate{next: c}
	return &heldBrowser{Browser: auth0sim.NewBrowser(g), gate: g}
}

// CACHE-07: two users and somebody without a session, through one shared cache, while the
// application says whatever it may say about caching and our answers renew the sessions.
func TestCACHE_07_NobodyGetsAnotherUsersPageFromASharedCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession), withSite("@private not path /public/*\nauth0_oidc @private {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
	cache := &sharedCache{next: w.network, kept: make(map[string][]storedAnswer)}
	a, b := cache.browser(), cache.browser()
	w.signIn(a, "/home", w.pair.User)
	w.signIn(b, "/home", w.pair.Accented)
	for said, header := range map[string]http.Header{
		"nothing":       {},
		"public":        {"Cache-Control": {"public, max-age=3600"}},
		"s-maxage":      {"Cache-Control": {"s-maxage=3600, max-age=60"}},
		"a field":       {"Cache-Control": {`private="set-cookie", max-age=60`}},
		"last-modified": {"Last-Modified": {"Mon, 02 Jan 2006 15:04:05 GMT"}, "Etag": {`"1"`}},
		"expires":       {"Expires": {"Fri, 01 Jan 2100 00:00:00 GMT"}},
		"cdn":           {"Cdn-Cache-Control": {"max-age=3600"}, "Cache-Control": {"private"}},
		"surrogate":     {"Surrogate-Control": {"max-age=3600"}, "X-Accel-Expires": {"3600"}},
	} {
		w.app.answer = func(rw http.ResponseWriter, r *http.Request) {
			for name, values := range header {
				rw.Header()[name] = values
			}
			_, _ = io.WriteString(rw, "page of "+r.Header.Get("X-Auth0-User-Id"))
		}
		said = url.PathEscape(said)
		w.clock.advance(61 * time.Minute)
		if !w.askThroughCache(cache, "/page-"+said, a, b) {
			t.Errorf("%s: nobody's session was renewed", said)
		}
		w.askThroughCache(cache, "/style-"+said+".css", a, b)
		w.askThroughCache(cache, "/other-"+said, b, a)
	}
	if cache.served != 0 {
		t.Errorf("%d answers came from the cache", cache.served)
	}
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = io.WriteString(rw, "logo")
	}
	for _, browser := range []*heldBrowser{a, b, cache.browser()} {
		if _, body := w.send(browser, "GET", "/public/logo", nil); body != "logo" {
			t.Errorf("what is public is %q", body)
		}
	}
	if cache.served != 2 {
		t.Errorf("the cache of this test does not work: %d answers came from it", cache.served)
	}
}

// askThroughCache asks for a path without a session, as two users, and without a session
// again. It tells whether both users' sessions were renewed.
func (w *world) askThroughCache(cache *sharedCache, path string, first, second *heldBrowser) bool {
	w.t.Helper()
	var pages, cookies [4]string
	for i, browser := range []*heldBrowser{cache.browser(), first, second, cache.browser()} {
		response, body := w.send(browser, "GET", path, nil)
		if signedIn := i == 1 || i == 2; (response.StatusCode == http.StatusOK) != signedIn {
			w.t.Errorf("%s, %d. to ask: %d", path, i+1, response.StatusCode)
		}
		pages[i], cookies[i] = body, response.Header.Get("Set-Cookie")
	}
	if !strings.HasPrefix(pages[1], "page of auth0") || pages[1] == pages[2] || strings.HasPrefix(pages[3], "page of") {
		w.t.Errorf("%s: %q", path, pages)
	}
	if cookies[1] != "" && cookies[1] == cookies[2] || cookies[3] != "" {
		w.t.Errorf("%s: a cookie was served twice", path)
	}
	return cookies[1] != "" && cookies[2] != ""
}
