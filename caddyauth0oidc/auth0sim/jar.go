package auth0sim

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// cookieLimit is the size of name and value together above which browsers drop a cookie.
const cookieLimit = 4096

// cookieJar keeps cookies as browsers do (draft-ietf-httpbis-rfc6265bis), which net/http/cookiejar does not: it knows
// SameSite, name prefixes and sizes, and never lets http touch what is Secure.
type cookieJar struct {
	mu      sync.Mutex
	now     func() time.Time
	cookies []storedCookie
}

type storedCookie struct {
	http.Cookie
	host     string // the domain that the cookie belongs to
	hostOnly bool
}

// store keeps one Set-Cookie of an answer from that address, or refuses it silently.
func (j *cookieJar) store(from *url.URL, c *http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := storedCookie{Cookie: *c, host: strings.ToLower(from.Hostname()), hostOnly: c.Domain == ""}
	if !s.hostOnly {
		domain := strings.TrimPrefix(strings.ToLower(c.Domain), ".")
		if !belongs(s.host, domain) {
			return
		}
		s.host = domain
	}
	if !strings.HasPrefix(s.Path, "/") {
		s.Path = defaultPath(from)
	}
	if !acceptable(s, from) || j.protected(s, from) {
		return
	}
	j.cookies = slices.DeleteFunc(j.cookies, func(old storedCookie) bool {
		return old.Name == s.Name && old.host == s.host && old.hostOnly == s.hostOnly && old.Path == s.Path
	})
	if s.MaxAge > 0 {
		s.Expires = j.now().Add(time.Duration(s.MaxAge) * time.Second)
	}
	if s.MaxAge < 0 || !s.Expires.IsZero() && !s.Expires.After(j.now()) {
		return
	}
	j.cookies = append(j.cookies, s)
}

func acceptable(s storedCookie, from *url.URL) bool {
	name := strings.ToLower(s.Name)
	switch {
	case len(s.Name)+len(s.Value) > cookieLimit:
		return false
	case s.Secure && from.Scheme != "https":
		return false
	case s.SameSite == http.SameSiteNoneMode && !s.Secure:
		return false
	case strings.HasPrefix(name, "__secure-") && !s.Secure:
		return false
	case strings.HasPrefix(name, "__host-") && (!s.Secure || s.Path != "/" || !s.hostOnly):
		return false
	}
	return true
}

// protected: an answer over http cannot push out a Secure cookie ("leave secure cookies alone").
func (j *cookieJar) protected(s storedCookie, from *url.URL) bool {
	return from.Scheme != "https" && slices.ContainsFunc(j.cookies, func(old storedCookie) bool {
		return old.Secure && old.Name == s.Name && (belongs(old.host, s.host) || belongs(s.host, old.host))
	})
}

// matching returns what a request carries, longer paths first.
func (j *cookieJar) matching(to *url.URL, crossSite bool, method string, navigation bool) []*http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cookies = slices.DeleteFunc(j.cookies, func(c storedCookie) bool {
		return !c.Expires.IsZero() && !c.Expires.After(j.now())
	})
	var found []*http.Cookie
	for i := range j.cookies {
		c := &j.cookies[i]
		if c.reaches(to) && !(crossSite && c.heldBack(method, navigation)) {
			same := c.Cookie
			found = append(found, &same)
		}
	}
	slices.SortStableFunc(found, func(a, b *http.Cookie) int { return len(b.Path) - len(a.Path) })
	return found
}

func (c *storedCookie) reaches(to *url.URL) bool {
	host := strings.ToLower(to.Hostname())
	if c.hostOnly && host != c.host || !belongs(host, c.host) {
		return false
	}
	if c.Secure && to.Scheme != "https" {
		return false
	}
	path := to.Path
	if path == "" {
		path = "/"
	}
	return path == c.Path || strings.HasPrefix(path, c.Path) &&
		(strings.HasSuffix(c.Path, "/") || path[len(c.Path)] == '/')
}

// heldBack is about cross-site requests: Lax, which is also the default, lets only safe navigations have the cookie.
func (c *storedCookie) heldBack(method string, navigation bool) bool {
	switch c.SameSite {
	case http.SameSiteNoneMode:
		return false
	case http.SameSiteStrictMode:
		return true
	}
	return !navigation || method != http.MethodGet && method != http.MethodHead
}

func belongs(host, domain string) bool {
	if host == domain {
		return true
	}
	// A domain of one label would be a public suffix.
	return strings.Contains(domain, ".") && net.ParseIP(host) == nil && strings.HasSuffix(host, "."+domain)
}

func defaultPath(from *url.URL) string {
	i := strings.LastIndex(from.Path, "/")
	if i <= 0 {
		return "/"
	}
	return from.Path[:i]
}

// site is scheme and registrable domain, which the last two labels stand for here.
func site(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if net.ParseIP(host) != nil {
		return u.Scheme + "://" + host
	}
	labels := strings.Split(host, ".")
	if len(labels) > 2 {
		labels = labels[len(labels)-2:]
	}
	return u.Scheme + "://" + strings.Join(labels, ".")
}

func origin(u *url.URL) string { return u.Scheme + "://" + canonicalHost(u.Host) }
