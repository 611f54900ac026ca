package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const portal = "https://portal.other.test/apps"

// initiate begins a login as another site does, by a link or by a form.
func (w *world) initiate(b *heldBrowser, method string, parameters url.Values) *auth0sim.Page {
	w.t.Helper()
	var page *auth0sim.Page
	var err error
	if method == http.MethodPost {
		page, err = b.Post(portal, w.base+"/auth/login", parameters)
	} else {
		w.network.Handle("portal.other.test", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		if page, err = b.Get(portal); err == nil {
			page, err = page.Click(w.base + "/auth/login?" + parameters.Encode())
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// RP-OUT-02: a login that another site begins leads to its target, by GET and by POST, in
// both response modes.
func TestRP_OUT_02_ThirdPartyBeginsALogin(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		issuer := w.pair.Master.Issuer()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for target, want := range map[string]string{
				w.base + "/reports?q=a%2Fb&x=1": "/reports?q=a%2Fb&x=1", "/reports": "/reports", w.base: "/", w.base + "/": "/", "/": "/",
				"HTTPS://APP.example.test:443/Reports": "/Reports", w.base + "?x=1": "/?x=1", w.base + "/a#part": "/a", "": "/",
			} {
				parameters := url.Values{"iss": {issuer}, "target_link_uri": {target}, "return_to": {"/ignored"}, "login_hint": {"ann@mail.test"}}
				if target == "" {
					parameters.Del("target_link_uri")
				}
				b := w.browser()
				page := w.initiate(b, method, parameters)
				logins := w.logins(page)
				if len(logins) != 1 || logins[0].Get("login_hint") != "ann@mail.test" || logins[0].Has("iss") || logins[0].Has("target_link_uri") {
					t.Fatalf("%s to %q: logins %v", method, target, logins)
				}
				if page = w.finishLogin(b, page); page.Status != http.StatusOK || page.URL.String() != w.base+want {
					t.Errorf("%s to %q ended at %d %s", method, target, page.Status, page.URL)
				}
			}
		}
	})
}

// RP-OUT-02: what names another issuer or leads elsewhere gets a page, and no redirect.
func TestRP_OUT_02_WhatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer := w.pair.Master.Issuer()
	to := func(target string) url.Values { return url.Values{"iss": {issuer}, "target_link_uri": {target}} }
	for name, test := range map[string]struct {
		parameters url.Values
		code       string
	}{
		"another issuer":        {url.Values{"iss": {"https://evil.test/"}}, codeUnknownIssuer},
		"without the slash":     {url.Values{"iss": {strings.TrimSuffix(issuer, "/")}}, codeUnknownIssuer},
		"another case":          {url.Values{"iss": {strings.ToUpper(issuer)}}, codeUnknownIssuer},
		"empty":                 {url.Values{"iss": {""}}, codeUnknownIssuer},
		"two issuers":           {url.Values{"iss": {issuer, issuer}}, codeBadRequest},
		"another site":          {to("https://evil.test/"), codeBadRequest},
		"our name in front":     {to(w.base + ".evil.test/"), codeBadRequest},
		"user name":             {to("https://app.example.test@evil.test/"), codeBadRequest},
		"user name of ours":     {to("https://ann@app.example.test/"), codeBadRequest},
		"plain http":            {to("http://app.example.test/"), codeBadRequest},
		"another port":          {to(w.base + ":8443/"), codeBadRequest},
		"no scheme":             {to("//evil.test/"), codeBadRequest},
		"backslash":             {to(`/\evil.test/`), codeBadRequest},
		"dot segments":          {to(w.base + "/a/../../b"), codeBadRequest},
		"two slashes":           {to(w.base + "//evil.test/"), codeBadRequest},
		"a script":              {to("javascript:alert(1)"), codeBadRequest},
		"opaque":                {to("https:evil.test"), codeBadRequest},
		"control character":     {to("/a\nb"), codeBadRequest},
		"no path":               {to("reports"), codeBadRequest},
		"nothing":               {to(""), codeBadRequest},
		"the logout":            {to("/auth/logout"), codeBadRequest},
		"the logout, as a URL":  {to(w.base + "/auth/logout?x"), codeBadRequest},
		"hint that is too long": {url.Values{"iss": {issuer}, "login_hint": {strings.Repeat("x", maxParam+1)}}, codeBadRequest},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			page := w.initiate(w.browser(), method, test.parameters)
			if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, test.code) || len(w.logins(page)) != 0 || page.URL.Host != "app.example.test" {
				t.Errorf("%s by %s: %d %s", name, method, page.Status, page.URL)
			}
			for _, hop := range page.Hops {
				if len(hop.Header.Values("Set-Cookie")) != 0 {
					t.Errorf("%s by %s: a cookie is set", name, method)
				}
			}
			assertSafePage(t, page)
		}
	}
}

// RP-OUT-02: what another party writes as a form that waits is nothing to us, and its login
// stays one of another party behind the choice.
func TestRP_OUT_02_AnotherPartyKnowsOfNoForm(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	parameters := url.Values{"iss": {w.pair.Master.Issuer()}, "target_link_uri": {"/reports"}, "form": {"junk"}}
	page := w.initiate(w.browser(), http.MethodGet, parameters)
	for label, link := range w.wantWays(page, "acme-child", "Partners & friends") {
		u, err := url.Parse(link)
		if err != nil || u.Query().Get("iss") != w.pair.Master.Issuer() || u.Query().Get("target_link_uri") != "/reports" || u.Query().Has("form") {
			t.Errorf("%s leads to %s", label, link)
		}
	}
	parameters.Set("connection", "partners")
	b := w.browser()
	if page = w.finishLogin(b, w.initiate(b, http.MethodGet, parameters)); page.Status != http.StatusOK || page.URL.String() != w.base+"/reports" {
		t.Errorf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
	}
}

// Pages of other sites cannot heap up pending logins by forms, nor sign somebody in by a
// part of a page; and without iss POST is no method of the route.
func TestRP_OUT_02_FormsOfOthersAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	good := url.Values{"iss": {w.pair.Master.Issuer()}}
	for range 8 {
		w.initiate(b, http.MethodPost, good)
	}
	if n := len(w.pendingLogins(b)); n != 5 {
		t.Errorf("CVE-OP-17: %d pending logins are kept", n)
	}
	for name, test := range map[string]struct {
		body   string
		header map[string]string
		want   int
	}{
		"an image":       {good.Encode(), tenantForm(w, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"), 401},
		"a fetch":        {good.Encode(), tenantForm(w, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"), 401},
		"a prefetch":     {good.Encode(), tenantForm(w, "Sec-Purpose", "prefetch"), 401},
		"no iss":         {"return_to=%2Fx", tenantForm(w), 405},
		"another type":   {good.Encode(), tenantForm(w, "Content-Type", "text/plain"), 405},
		"too long":       {good.Encode() + strings.Repeat("&", 9000), tenantForm(w), 400},
		"in the address": {"", tenantForm(w), 405},
	} {
		response, body := w.post(w.browser(), "/auth/login?"+good.Encode(), strings.NewReader(test.body), test.header)
		if response.StatusCode != test.want || response.Header.Get("Location") != "" || len(response.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d %v\n%s", name, response.StatusCode, response.Header, body)
		}
	}
	page := w.step(w.browser(), w.base+"/auth/login?login_hint=ann")
	if u, _ := url.Parse(page.Location()); u.Query().Has("login_hint") {
		t.Error("a login_hint is passed on without iss and allow_params")
	}
}
