package caddyauth0oidc

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// offSite are addresses that a browser could take for another site, or that
// end in a circle. Grouped by the advisory that they come from.
var offSite = map[string][]string{
	"CVE-OP-02": {"//evil.test", "//evil.test/x", "///evil.test", "https://evil.test", "http://evil.test/", "evil.test", "//app.example.test@evil.test"},
	"CVE-OP-03": {`/\evil.test`, `/\/evil.test`, `\\evil.test`, `\/evil.test`, `/\\evil.test`},
	"CVE-OP-04": {"/%09/evil.test", "/%0a/evil.test", "/%0d/evil.test", "/\t/evil.test", "/\n/evil.test", "/\r/evil.test", "/%0D%0ASet-Cookie:x", "\t//evil.test", " //evil.test"},
	"CVE-OP-05": {"/%5cevil.test", "/%5Cevil.test", "/.//evil.test", "/..//evil.test", "///\\;@evil.test", "https:///evil.test/%2e%2e", "/%2fevil.test", "/%2e%2e//evil.test", "/a/..//evil.test", "/%2e//evil.test"},
	"CVE-OP-06": {"https://evilapp.example.test", "https://app.example.test.evil.test", "https://app.example.test@evil.test", "https://app.example.test:x@evil.test", "https://evil.test#.app.example.test", "https://app.example.test:8443/", "https://app.example.test%2eevil.test/", "http://app.example.test/", "https://APP.example.test.evil.test"},
	"RED-02":    {"javascript:alert(1)", "data:text/html,x", "vbscript:x", "https:evil.test", "https:/evil.test", "HTTPS://evil.test", "\u00a0//evil.test", "\u2028/evil.test", "mailto:a@b"},
	"RED-05":    {"/auth/login", "/auth/callback?code=1", "/auth/logout", "/auth/login?return_to=/auth/login", "https://app.example.test/auth/logout"},
	"RED-07":    {"", "?", "#x", "/%zz", "/\x00", "/\x7f"},
}

func TestReturnToNeverLeavesTheSite(t *testing.T) {
	t.Parallel()
	h := &Handler{Prefix: "/auth"}
	h.routes = h.ownRoutes()
	here := httptest.NewRequest("GET", "https://app.example.test/", nil)
	for id, addresses := range offSite {
		t.Run(id, func(t *testing.T) {
			for _, address := range addresses {
				if got := h.localReturnTo(here, address); got != "/" {
					t.Errorf("%q leads to %q", address, got)
				}
			}
		})
	}
}

func TestLSN_01_ReturnToKeepsAddressesOfTheSite(t *testing.T) {
	t.Parallel()
	h := &Handler{Prefix: "/auth"}
	h.routes = h.ownRoutes()
	here := httptest.NewRequest("GET", "https://app.example.test/", nil)
	for address, want := range map[string]string{
		"/":     "/",
		"/deep": "/deep",
		"/deep/page.php?id=7&next=https%3A%2F%2Fother.test%2F": "/deep/page.php?id=7&next=https%3A%2F%2Fother.test%2F",
		"/search?q=//x\\y":                   "/search?q=//x\\y",
		"/my%20files/a+b":                    "/my%20files/a+b",
		"/a//b":                              "/a//b",
		"/müller?q=ü":                        "/m%C3%BCller?q=%C3%BC",
		"/x y":                               "/x%20y",
		"/page#part":                         "/page",
		"/authors":                           "/authors",
		"/auth/login/help":                   "/auth/login/help",
		"https://app.example.test":           "/",
		"https://app.example.test/deep?x=1":  "/deep?x=1",
		"https://app.example.test?x=1":       "/?x=1",
		"/redirect?to=https://elsewhere.com": "/redirect?to=https://elsewhere.com",
	} {
		if got := h.localReturnTo(here, address); got != want {
			t.Errorf("%q leads to %q, want %q", address, got, want)
		}
	}
}

// The whole way: whatever the login route is given, the browser ends on the site.
func TestASVS_04_LoginRouteIsNoOpenRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/", w.pair.User)
	for id, addresses := range offSite {
		for _, address := range addresses {
			page, err := b.Get(w.base + "/auth/login?return_to=" + url.QueryEscape(address))
			if err != nil {
				t.Fatal(err)
			}
			if page.URL.String() != w.base+"/" || page.Status != http.StatusOK {
				t.Errorf("%s: %q ends at %d %s", id, address, page.Status, page.URL)
			}
			assertINV06(t, w, page)
		}
	}
}

// A link to https://app//evil.test/x is a page of the application until it is
// put into a Location header.
func TestCVE_SDK_04_DoubleSlashInTheRequestedPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"//evil.test/x", "/\\evil.test", "//evil.test", "/%5Cevil.test", "/.//evil.test", "///evil.test/%2e%2e"} {
		b := w.browser()
		page := w.signIn(b, path, w.pair.User)
		if page.URL.Host != "app.example.test" || page.Status != http.StatusOK {
			t.Errorf("%q ends at %d %s", path, page.Status, page.URL)
		}
		for _, hop := range page.Hops {
			if location := hop.Header.Get("Location"); strings.HasPrefix(location, "//") || strings.HasPrefix(location, `/\`) {
				t.Errorf("%q is answered with Location %q", path, location)
			}
		}
	}
}

// assertINV06: every redirect of ours leads to the tenant or to a path here.
func assertINV06(t *testing.T, w *world, page *auth0sim.Page) {
	t.Helper()
	for _, hop := range page.Hops {
		location := hop.Header.Get("Location")
		if hop.URL.Host != "app.example.test" || location == "" {
			continue
		}
		local := cleanReturnTo(location) == location
		if !local && !strings.HasPrefix(location, w.pair.Master.Issuer()) {
			t.Errorf("INV-06: %s redirects to %q", hop.URL.Path, location)
		}
	}
}

// FuzzReturnTo holds the cleaned address against the rules of browsers.
func FuzzReturnTo(f *testing.F) {
	for _, addresses := range offSite {
		for _, address := range addresses {
			f.Add(address)
		}
	}
	for _, address := range []string{"/a?b=c", "/ü", "/a//b", "/%20"} {
		f.Add(address)
	}
	base, _ := url.Parse("https://app.example.test/auth/callback")
	f.Fuzz(func(t *testing.T, address string) {
		got := cleanReturnTo(address)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.HasPrefix(got, `/\`) {
			t.Fatalf("%q gives %q", address, got)
		}
		for _, c := range []byte(got) {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("%q gives the byte %#x", address, c)
			}
		}
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || u.User != nil {
			t.Fatalf("%q leads to %v, %v", address, u, err)
		}
		// WHATWG: backslashes are slashes, and dot segments go before "//" is seen.
		path, _, _ := strings.Cut(got, "?")
		seen := strings.ReplaceAll(path, `\`, "/")
		if strings.HasPrefix(seen, "//") || strings.Contains(seen, "/./") || strings.Contains(seen, "/../") {
			t.Fatalf("%q gives %q, which a browser reads as %q", address, got, seen)
		}
		if again := cleanReturnTo(got); again != got {
			t.Fatalf("cleaning %q again gives %q", got, again)
		}
	})
}
