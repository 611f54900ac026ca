package bench

import (
	"crypto/rand"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

func cookieOperations() []operation {
	ours := func(tb testing.TB) string { return mintedCookie(tb, 0) }
	return []operation{
		{name: "strip the only cookie", prepare: strippingCookies(ours)},
		{name: "strip the first cookie", prepare: strippingCookies(func(tb testing.TB) string { return ours(tb) + "; " + ApplicationCookie })},
		{name: "strip the last cookie", prepare: strippingCookies(smallCookie)},
		{name: "strip a cookie in the middle", prepare: strippingCookies(func(tb testing.TB) string { return smallCookie(tb) + "; lang=de" })},
		{name: "strip two chunks", prepare: strippingCookies(largeCookie)},
		{name: "strip no cookie", prepare: strippingCookies(noCookie)},
	}
}

func strippingCookies(cookie func(testing.TB) string) func(testing.TB) func() {
	return func(tb testing.TB) func() {
		cookies, err := session.NewCookies(CookieName, false, "", http.SameSiteLaxMode)
		if err != nil {
			tb.Fatal(err)
		}
		own, lines := cookies.Names().Own, []string{cookie(tb)}
		return func() { session.Strip(lines, own) }
	}
}

func headerOperations() []operation {
	return []operation{
		{name: "copy a browser's headers", prepare: func(testing.TB) func() {
			r, headers := browserRequest(), make(http.Header)
			return func() { renew(headers, r.Header) }
		}},
		{name: "strip headers", prepare: strippingHeaders(nil)},
		{name: "strip forged headers", prepare: strippingHeaders(http.Header{
			"X-Auth0-User-Id": {"auth0|admin"}, "X_auth0_email": {"admin@example.com"}, "Connection": {"X-Auth0-Name"},
		}), floor: "copy a browser's headers"},
		{name: "apply headers", prepare: applyingHeaders(upstream.Config{}), floor: "copy a browser's headers"},
		{name: "apply headers percent-encoded", prepare: applyingHeaders(upstream.Config{Encoding: upstream.EncodingPercent}), floor: "copy a browser's headers"},
		{name: "apply headers of another proxy", prepare: applyingHeaders(upstream.Config{Preset: upstream.PresetRemoteUser}), floor: "copy a browser's headers"},
		{name: "sign an assertion", prepare: signing},
	}
}

// strippingHeaders has to put what was stripped back for the next time.
func strippingHeaders(forged http.Header) func(testing.TB) func() {
	return func(tb testing.TB) func() {
		p, r := planOf(tb, upstream.Config{}), browserRequest()
		maps.Copy(r.Header, forged)
		original := maps.Clone(r.Header)
		return func() {
			if forged != nil {
				renew(r.Header, original)
			}
			p.Strip(r)
		}
	}
}

func applyingHeaders(c upstream.Config) func(testing.TB) func() {
	return func(tb testing.TB) func() {
		p, original, headers := planOf(tb, c), browserRequest().Header, make(http.Header)
		s := newSession(tb, newMint(tb), 0)
		facts := upstream.Facts{Expires: s.Expires(session.Limits{Idle: time.Hour, Absolute: time.Hour})}
		return func() {
			renew(headers, original)
			p.Apply(headers, make([]string, p.Len()), &s.Profile, facts, nil)
		}
	}
}

// signing is what a request takes that finds no assertion of its session.
func signing(tb testing.TB) func() {
	key, err := upstream.NewSigningKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := upstream.NewSigningKeys([][]byte{key})
	if err != nil {
		tb.Fatal(err)
	}
	a, err := upstream.NewAssertion(upstream.AssertionConfig{
		Audience: "bench", TTL: time.Minute, Claims: []string{"email", "email_verified", "name", "org_id"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	s := newSession(tb, newMint(tb), 0)
	o := upstream.Occasion{Issuer: "http://localhost", ID: "0123456789012345678901", Now: time.Now(), Until: time.Now().Add(time.Hour)}
	return func() {
		if _, err := a.Sign(keys, &s.Profile, o); err != nil {
			tb.Fatal(err)
		}
	}
}

// renew makes to what from is, in the memory that to has.
func renew(to, from http.Header) {
	clear(to)
	maps.Copy(to, from)
}

func planOf(tb testing.TB, c upstream.Config) *upstream.Plan {
	tb.Helper()
	p, err := upstream.NewPlan(c)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// browserRequest is a navigation of a browser, without a cookie.
func browserRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://localhost/reports?page=2", nil)
	for name, value := range map[string]string{
		"User-Agent":                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Accept":                    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Language":           "de-AT,de;q=0.8,en-US;q=0.5,en;q=0.3",
		"Accept-Encoding":           "gzip, deflate, br, zstd",
		"Referer":                   "http://localhost/reports",
		"Upgrade-Insecure-Requests": "1",
		"Sec-Fetch-Dest":            "document",
		"Sec-Fetch-Mode":            "navigate",
	} {
		r.Header.Set(name, value)
	}
	return r
}
