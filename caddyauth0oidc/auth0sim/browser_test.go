package auth0sim

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestJarRefusesWhatBrowsersRefuse(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("v", 4096)
	cases := map[string]struct {
		from, set, to string
		kept          bool
	}{
		"plain":                             {"https://a.test/", "n=v", "https://a.test/x", true},
		"Secure from http":                  {"http://a.test/", "n=v; Secure", "https://a.test/", false},
		"Secure from http on localhost":     {"http://a.localhost/", "n=v; Secure", "http://a.localhost/", false},
		"Secure is not sent over http":      {"https://a.test/", "n=v; Secure", "http://a.test/", false},
		"SameSite=None without Secure":      {"https://a.test/", "n=v; SameSite=None", "https://a.test/", false},
		"__Host- in order":                  {"https://a.test/", "__Host-n=v; Secure; Path=/", "https://a.test/", true},
		"__Host- without Secure":            {"https://a.test/", "__Host-n=v; Path=/", "https://a.test/", false},
		"__Host- with another path":         {"https://a.test/", "__Host-n=v; Secure; Path=/x", "https://a.test/x", false},
		"__Host- without a path below one":  {"https://a.test/x/y", "__Host-n=v; Secure", "https://a.test/x/y", false},
		"__Host- with Domain":               {"https://a.test/", "__Host-n=v; Secure; Path=/; Domain=a.test", "https://a.test/", false},
		"__host- in another case":           {"https://a.test/", "__hOST-n=v; Path=/", "https://a.test/", false},
		"__Secure- without Secure":          {"https://a.test/", "__Secure-n=v", "https://a.test/", false},
		"too large":                         {"https://a.test/", "n=" + big, "https://a.test/", false},
		"as large as can be":                {"https://a.test/", "n=" + big[1:], "https://a.test/", true},
		"expired":                           {"https://a.test/", "n=v; Max-Age=0", "https://a.test/", false},
		"host-only is not sent to a child":  {"https://a.test/", "n=v", "https://b.a.test/", false},
		"Domain is sent to a child":         {"https://b.a.test/", "n=v; Domain=a.test", "https://c.a.test/", true},
		"Domain of somebody else":           {"https://a.test/", "n=v; Domain=b.test", "https://b.test/", false},
		"Domain that is a public suffix":    {"https://a.test/", "n=v; Domain=test", "https://a.test/", false},
		"path does not match":               {"https://a.test/", "n=v; Path=/x", "https://a.test/xy", false},
		"path matches below":                {"https://a.test/", "n=v; Path=/x", "https://a.test/x/y", true},
		"default path is the directory":     {"https://a.test/auth/callback", "n=v", "https://a.test/", false},
		"ports share cookies":               {"https://a.test:8443/", "n=v", "https://a.test/", true},
		"http and https share plain cookie": {"http://a.test/", "n=v", "https://a.test/", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := NewBrowser(NewNetwork())
			cookie, err := http.ParseSetCookie(c.set)
			if err != nil {
				t.Fatal(err)
			}
			b.SetCookie(c.from, cookie)
			if got := len(b.Cookies(c.to)) == 1; got != c.kept {
				t.Errorf("%s from %s reaches %s: %t", c.set[:min(len(c.set), 60)], c.from, c.to, got)
			}
		})
	}
}

func TestHTTPCannotReplaceASecureCookie(t *testing.T) {
	t.Parallel()
	b := NewBrowser(NewNetwork())
	b.SetCookie("https://a.test/", &http.Cookie{Name: "n", Value: "good", Secure: true, Path: "/"})
	b.SetCookie("http://a.test/", &http.Cookie{Name: "n", Value: "bad", Path: "/"})
	if got := b.Cookies("https://a.test/"); len(got) != 1 || got[0].Value != "good" {
		t.Errorf("the jar holds %v", got)
	}
}

func TestCookiesExpireWithTheNetworksClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.browser.SetCookie(appBase, &http.Cookie{Name: "n", Value: "v", MaxAge: 60})
	w.clock.advance(59 * time.Second)
	if len(w.browser.Cookies(appBase)) != 1 {
		t.Error("the cookie is gone too early")
	}
	w.clock.advance(time.Second)
	if len(w.browser.Cookies(appBase)) != 0 {
		t.Error("the cookie is still there")
	}
}

// echo shows a request's Sec-Fetch-Site and cookies; /go redirects to the address of its query, /page has a form.
func echo(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/go":
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	case "/page":
		_, _ = io.WriteString(w, `<form method="post" action="https://b.test/"><input name=x value='a"&amp;b'><button>Send</button></form>`)
	default:
		_, _ = io.WriteString(w, r.Header.Get("Sec-Fetch-Site")+" "+r.Header.Get("Cookie")+" "+r.FormValue("x"))
	}
}

func TestSiteOfTheInitiatorDecidesHeadersAndCookies(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (*Browser, *Page) {
		t.Helper()
		n := NewNetwork()
		for _, host := range []string{"a.test", "www.a.test", "b.test"} {
			n.Handle(host, http.HandlerFunc(echo))
		}
		b := NewBrowser(n)
		b.SetCookie("https://b.test/", &http.Cookie{Name: "lax", Value: "1", Secure: true, SameSite: http.SameSiteLaxMode})
		b.SetCookie("https://b.test/", &http.Cookie{Name: "strict", Value: "1", Secure: true, SameSite: http.SameSiteStrictMode})
		b.SetCookie("https://b.test/", &http.Cookie{Name: "unset", Value: "1", Secure: true})
		page, err := b.Get("https://a.test/page")
		if err != nil {
			t.Fatal(err)
		}
		return b, page
	}
	through := "https://b.test/go?to=" + url.QueryEscape("https://a.test/")
	cases := map[string]struct {
		move func(b *Browser, from *Page) (*Page, error)
		want string
	}{
		"typed":                {func(b *Browser, _ *Page) (*Page, error) { return b.Get("https://b.test/") }, "none lax=1; strict=1; unset=1 "},
		"typed, redirected":    {func(b *Browser, _ *Page) (*Page, error) { return b.Get(through) }, "none  "},
		"link to another site": {func(_ *Browser, from *Page) (*Page, error) { return from.Click("https://b.test/") }, "cross-site lax=1; unset=1 "},
		"link to itself":       {func(_ *Browser, from *Page) (*Page, error) { return from.Click("/") }, "same-origin  "},
		"link to a sibling":    {func(_ *Browser, from *Page) (*Page, error) { return from.Click("https://www.a.test/") }, "same-site  "},
		"through another site": {func(_ *Browser, from *Page) (*Page, error) { return from.Click(through) }, "cross-site  "},
		"post to another site": {func(_ *Browser, from *Page) (*Page, error) { return from.Press("Send") }, `cross-site  a"&b`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, from := start(t)
			page, err := c.move(b, from)
			if err != nil {
				t.Fatal(err)
			}
			if page.Body != c.want {
				t.Errorf("the server saw %q, want %q", page.Body, c.want)
			}
		})
	}
}

func TestBrowserGivesUpOnLoops(t *testing.T) {
	t.Parallel()
	n := NewNetwork()
	n.Handle("a.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }))
	if _, err := NewBrowser(n).Get("https://a.test/"); err == nil || !strings.Contains(err.Error(), "more than 20 redirects") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadForms(f *testing.F) {
	f.Add(`<form action="/x"><input name=a value="b"><select name=s><option value=1></select><button name=n>ok</button></form>`)
	f.Add(`<option value=x><form><option><textarea name=t></form><input`)
	f.Add(`<body onload="document.forms[0].submit()"><form method=POST></form>`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, form := range readForms(body) {
			if form.Method == "" {
				t.Errorf("a form without method in %q", body)
			}
		}
	})
}

// A form of another site comes without Lax cookies, and the page to which its answer redirects is asked for with them.
func TestPostOfAnotherSiteCarriesNoLaxCookies(t *testing.T) {
	t.Parallel()
	n := NewNetwork()
	n.Handle("a.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Seen", r.Header.Get("Cookie")+" "+r.Header.Get("Origin")+" "+r.Header.Get("Sec-Fetch-Site"))
			http.Redirect(w, r, "/next", http.StatusSeeOther)
			return
		}
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	}))
	b := NewBrowser(n)
	b.SetCookie("https://a.test/", &http.Cookie{Name: "lax", Value: "1", Secure: true, SameSite: http.SameSiteLaxMode})
	b.SetCookie("https://a.test/", &http.Cookie{Name: "none", Value: "1", Secure: true, SameSite: http.SameSiteNoneMode})
	for from, want := range map[string]string{
		"https://b.test/page": "none=1 https://b.test cross-site",
		"https://a.test/page": "lax=1; none=1 https://a.test same-origin",
	} {
		page, err := b.Post(from, "https://a.test/", url.Values{"x": {"1"}})
		if err != nil {
			t.Fatal(err)
		}
		if seen := page.Hops[0].Header.Get("Seen"); seen != want || page.Body != "lax=1; none=1" {
			t.Errorf("from %s: the form came with %q, the page behind it with %q", from, seen, page.Body)
		}
	}
}
