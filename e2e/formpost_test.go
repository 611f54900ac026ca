package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// postedSite has the tenant post its answers, and keeps forms.
func postedSite(t *testing.T, w *world) string {
	return replaceOnce(t, formSite(t, w), "\tauth0_oidc {", "\ttls internal\n\tauth0_oidc {\n\t\tresponse_mode form_post")
}

// signInPosted completes the login page; the tenant's page with the answer, which sends
// itself, is on the way to the application.
func (b *tab) signInPosted(w *world, path string) {
	b.t.Helper()
	b.signIn(w.pair.User)
	b.awaitApplication(w, path)
}

// awaitApplication wants to come to the path of the application by an answer in a form,
// whose code is in no address.
func (b *tab) awaitApplication(w *world, path string) {
	b.t.Helper()
	var address string
	b.do("waiting for the application", chromedp.WaitReady("#user", chromedp.ByQuery), chromedp.Location(&address))
	if address != w.base+path {
		b.t.Errorf("arrived at %s, want %s", address, path)
	}
	b.assertCodeInNoAddress(w)
	b.assertQuiet()
}

func (b *tab) assertCodeInNoAddress(w *world) {
	b.t.Helper()
	b.lastRequest(w.base + "/auth/callback?state=")
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, address := range b.requested {
		if strings.HasPrefix(address, w.base) && strings.Contains(address, "code=") {
			b.t.Errorf("the code is in the address %s", address)
		}
	}
}

// The answer comes in a form of the tenant's site: SameSite is Chromium's word here.
func postedAnswerStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "https", postedSite)
	b := newVisitor(t, browser)
	second := b.another()
	b.open(w.base + deepLink)
	second.open(w.base + "/second?tab=2")
	for _, c := range b.cookies("app.localhost") {
		if !strings.HasPrefix(c.Name, "__Host-auth0_txn_") || !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteNone {
			t.Errorf("before the sign-in: cookie %s: Secure %t, HttpOnly %t, SameSite %s", c.Name, c.Secure, c.HTTPOnly, c.SameSite)
		}
	}
	b.signInPosted(w, deepLink)
	second.signInPosted(w, "/second?tab=2")
	for _, c := range b.cookies("app.localhost") {
		if suffix, ok := strings.CutPrefix(c.Name, "__Host-auth0_txn_"); ok && len(suffix) > len("attempts") || c.SameSite != network.CookieSameSiteLax {
			t.Errorf("afterwards: cookie %s: SameSite %s", c.Name, c.SameSite)
		}
	}
	b.assertAt(b.open(w.base+"/later"), http.StatusOK, w.base+"/later")
}

// A form of the application waits for a login whose answer is a form itself.
func postedAnswerWithFormStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "https", postedSite)
	b := newVisitor(t, browser)
	b.open(w.base + "/edit")
	b.signInPosted(w, "/edit")
	b.forgetCookies()
	w.app.take()
	b.do("writing", chromedp.SetValue("#text", written, chromedp.ByQuery))
	b.click("#save")
	b.signIn(w.pair.User)
	b.awaitText("Saved")
	b.assertCodeInNoAddress(w)
	b.assertQuiet()
	if got := w.posted(); got.uri != "/save?id=7" || !strings.HasSuffix(got.body, "&tag=a&submit=1&tag=b") {
		t.Errorf("the application got %s %q", got.uri, got.body)
	}
}

// A portal sends somebody here by a form, without a click on this site.
func thirdPartyStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "https", postedSite)
	begin := func(issuer string) string {
		return portalWith(t, w.base+"/auth/login", url.Values{
			"iss": {issuer}, "target_link_uri": {w.base + deepLink}, "login_hint": {w.pair.User.Email},
		})
	}
	b := newVisitor(t, browser)
	b.open(begin(w.pair.Master.Issuer()))
	if where := b.click("button"); !strings.HasPrefix(where.url, w.pair.Child.Issuer()+"u/login?") {
		t.Fatalf("the form leads to %d %s", where.status, where.url)
	}
	if asked := b.lastRequest(w.pair.Master.Issuer() + "authorize?"); !strings.Contains(asked, "login_hint="+url.QueryEscape(w.pair.User.Email)) {
		t.Errorf("the login asks without the hint: %s", shortened(asked))
	}
	b.signInPosted(w, deepLink)
	b.open(begin(w.pair.Master.Issuer()))
	b.click("button") // both tenants know the browser by now
	b.awaitApplication(w, deepLink)
	b.open(begin("https://another.example/"))
	b.assertAt(b.click("button"), http.StatusBadRequest, w.base+"/auth/login")
	b.assertPage("unknown-issuer", "unknown_issuer")
	b.click("main p a") // opens the application
	b.awaitApplication(w, "/")
}

// portalWith gives the address of another site with a form of these fields.
func portalWith(t *testing.T, action string, fields url.Values) string {
	t.Helper()
	page := `<!doctype html><html lang="en"><title>Portal</title><link rel="icon" href="data:,"><form method="post" action="` + action + `">`
	for name := range fields {
		page += `<input type="hidden" name="` + name + `" value="` + fields.Get(name) + `">`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page + `<button>Reports</button></form></html>`))
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "portal.localhost", 1)
}
