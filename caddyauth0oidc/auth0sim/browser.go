package auth0sim

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxHops is where browsers give up on redirects.
const maxHops = 20

// Browser is a scripted browser: a strict cookie jar and the request headers of real navigations.
type Browser struct {
	// Transport carries the requests, usually a [Network].
	Transport http.RoundTripper
	// UserAgent is sent with each request.
	UserAgent string
	// Header is added to each navigation, for example to look like an older browser or a prefetch.
	Header http.Header

	jar cookieJar
}

// Hop is one request of a navigation and its answer.
type Hop struct {
	// Method and URL are those of the request, RequestHeader what it carried.
	Method        string
	URL           *url.URL
	RequestHeader http.Header
	// Status and Header are those of the answer.
	Status int
	Header http.Header
}

// Page is where a navigation ended.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
	// Hops are the requests that led here, this page's own included.
	Hops []Hop
	// Forms are the forms of the page.
	Forms []Form

	browser *Browser
}

// navigation is one move of the browser: who began it matters for cookies and Sec-Fetch-Site.
type navigation struct {
	method    string
	url       *url.URL
	body      string
	initiator *url.URL // nil when the user typed the address
}

// NewBrowser returns a browser without cookies. On a [Network] it has the network's clock.
func NewBrowser(rt http.RoundTripper) *Browser {
	now := time.Now
	if n, ok := rt.(*Network); ok {
		now = func() time.Time { return n.Now() }
	}
	return &Browser{
		Transport: rt, UserAgent: "Mozilla/5.0 (X11; Linux x86_64) auth0sim", Header: http.Header{},
		jar: cookieJar{now: now},
	}
}

// Get opens an address that the user typed and follows redirects and pages that submit themselves.
func (b *Browser) Get(address string) (*Page, error) { return b.open(address, nil, true) }

// Step opens an address but follows nothing, so that a test can hold a tab at any hop; [Page.Location] is the next.
func (b *Browser) Step(address string) (*Page, error) { return b.open(address, nil, false) }

// Click follows a link from the page, to any site.
func (p *Page) Click(address string) (*Page, error) { return p.browser.open(address, p.URL, true) }

// Post sends a form to an address, as a page at from would, and follows what comes back.
func (b *Browser) Post(from, address string, form url.Values) (*Page, error) {
	page, err := url.Parse(from)
	if err != nil {
		return nil, fmt.Errorf("sending a form: %w", err)
	}
	to, err := page.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("sending a form: %w", err)
	}
	return b.navigate(navigation{method: http.MethodPost, url: to, body: form.Encode(), initiator: page}, true)
}

func (b *Browser) open(address string, initiator *url.URL, follow bool) (*Page, error) {
	base := initiator
	if base == nil {
		base = &url.URL{}
	}
	u, err := base.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("opening a page: %w", err)
	}
	return b.navigate(navigation{method: http.MethodGet, url: u, initiator: initiator}, follow)
}

// Follow goes on from a page on which [Browser.Step] stopped, to the end.
func (p *Page) Follow() (*Page, error) {
	next := p.Location()
	if next == "" {
		return p, nil
	}
	// The chain began where the user typed the address, and stays the user's.
	return p.browser.open(next, nil, true)
}

// Location is the absolute address that the page redirects to, or empty.
func (p *Page) Location() string {
	if p.Status < 300 || p.Status > 399 || p.Header.Get("Location") == "" {
		return ""
	}
	u, err := p.URL.Parse(p.Header.Get("Location"))
	if err != nil {
		return ""
	}
	return u.String()
}

func (b *Browser) navigate(nav navigation, follow bool) (*Page, error) {
	var hops []Hop
	for range maxHops {
		page, err := b.request(nav, &hops)
		if err != nil {
			return nil, err
		}
		next := page.Location()
		if !follow {
			return page, nil
		}
		if next == "" {
			if page.submitsItself() {
				nav, err = page.Forms[0].navigation(page.URL, nil)
				if err != nil {
					return nil, err
				}
				continue
			}
			return page, nil
		}
		nav = nav.redirected(page.Status, next)
	}
	return nil, fmt.Errorf("opening %s%s: more than %d redirects", nav.url.Host, nav.url.Path, maxHops)
}

// redirected: all but 307 and 308 turn a POST into a GET.
func (n navigation) redirected(status int, next string) navigation {
	u, err := url.Parse(next)
	if err != nil {
		return n
	}
	n.url = u
	if status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
		n.method, n.body = http.MethodGet, ""
	}
	return n
}

func (b *Browser) request(nav navigation, hops *[]Hop) (*Page, error) {
	var body io.Reader
	if nav.method == http.MethodPost {
		body = strings.NewReader(nav.body)
	}
	req, err := http.NewRequest(nav.method, nav.url.String(), body)
	if err != nil {
		return nil, fmt.Errorf("opening a page: %w", err)
	}
	nav.describe(req, *hops)
	for name, values := range b.Header {
		req.Header[name] = values
	}
	resp, err := b.send(req, nav.crossSite(), true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the page: %w", err)
	}
	*hops = append(*hops, Hop{
		Method: nav.method, URL: nav.url, RequestHeader: req.Header, Status: resp.StatusCode, Header: resp.Header,
	})
	page := &Page{
		URL: nav.url, Status: resp.StatusCode, Header: resp.Header, Body: string(content),
		Hops: append([]Hop(nil), *hops...), browser: b,
	}
	page.Forms = readForms(page.Body)
	return page, nil
}

// describe sets the headers of a top-level navigation.
func (n navigation) describe(req *http.Request, hops []Hop) {
	req.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	req.Header.Set("Accept-Language", "en-US,en;q=0.9")
	req.Header.Set("Upgrade-Insecure-Requests", "1")
	if req.Method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", origin(n.initiator))
	}
	// Browsers send these only to trustworthy addresses, which loopback names are.
	if n.url.Scheme != "https" && !strings.HasSuffix("."+n.url.Hostname(), ".localhost") && n.url.Hostname() != "127.0.0.1" {
		return
	}
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-User", "?1")
	req.Header.Set("Sec-Fetch-Site", n.fetchSite(hops))
}

// fetchSite looks at the whole chain of redirects (W3C Fetch Metadata section 2.4).
func (n navigation) fetchSite(hops []Hop) string {
	if n.initiator == nil {
		return "none"
	}
	relation := "same-origin"
	chain := []*url.URL{n.url}
	for _, h := range hops {
		chain = append(chain, h.URL)
	}
	for _, u := range chain {
		switch {
		case site(u) != site(n.initiator):
			return "cross-site"
		case origin(u) != origin(n.initiator):
			relation = "same-site"
		}
	}
	return relation
}

func (n navigation) crossSite() bool { return n.initiator != nil && site(n.initiator) != site(n.url) }

// Do sends one request as it is, with the cookies of a same-site request, and follows nothing.
func (b *Browser) Do(req *http.Request) (*http.Response, error) { return b.send(req, false, false) }

func (b *Browser) send(req *http.Request, crossSite, navigates bool) (*http.Response, error) {
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", b.UserAgent)
	}
	for _, c := range b.jar.matching(req.URL, crossSite, req.Method, navigates) {
		req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted})
	}
	resp, err := b.Transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("requesting %s%s: %w", req.URL.Host, req.URL.Path, err)
	}
	for _, c := range resp.Cookies() {
		b.jar.store(req.URL, c)
	}
	return resp, nil
}

// Cookies are what a same-site request to that address would carry, with their attributes.
func (b *Browser) Cookies(address string) []*http.Cookie {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	return b.jar.matching(u, false, http.MethodGet, true)
}

// SetCookie puts a cookie into the jar as if an answer from that address had set it, under the same rules. A negative
// MaxAge removes it.
func (b *Browser) SetCookie(address string, c *http.Cookie) {
	if u, err := url.Parse(address); err == nil {
		b.jar.store(u, c)
	}
}
