package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// One Chromium serves every story; each visitor in it has a profile of its own.
func TestChromium(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	for name, story := range map[string]func(*testing.T, context.Context){
		"deep link":                   deepLinkStory,
		"secure cookies":              secureCookiesStory,
		"two tabs":                    twoTabsStory,
		"fetch without a session":     fetchStory,
		"logout by link":              logoutStory,
		"logout from another site":    foreignLogoutStory,
		"account of another door":     mismatchStory,
		"wrong and refused callbacks": refusedStory,
		"outage":                      outageStory,
		"cookies that do not stick":   loopStory,
		"account that may not pass":   keptOutStory,
		"step-up":                     stepUpStory,
		"choice of a connection":      chooserStory,
		"form of this site":           ownFormStory,
		"form without scripts":        scriptlessFormStory,
		"form of another site":        foreignFormStory,
		"form that is not kept":       unkeptFormStory,
		"answer in a form":            postedAnswerStory,
		"answer and form in forms":    postedAnswerWithFormStory,
		"login that a portal begins":  thirdPartyStory,
		"child's token":               childTokenStory,
		"refusals of settings":        refusalStories,
		"languages":                   languagesStory,
		"page with many faults":       brokenPageStory,
		"demo":                        demoStory,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, browser)
		})
	}
}

func (b *tab) assertAt(where arrival, status int64, address string) {
	b.t.Helper()
	if where.status != status || where.url != address {
		b.t.Errorf("arrived at %d %s, want %d %s\n%s", where.status, where.url, status, address, b.text())
	}
}

// assertSignedOut wants the page after a logout, whose address has the state of that.
func (b *tab) assertSignedOut(where arrival, base string) {
	b.t.Helper()
	if where.status != http.StatusUnauthorized || !strings.HasPrefix(where.url, base+"/?state=") {
		b.t.Errorf("the logout ended at %d %s\n%s", where.status, where.url, b.text())
	}
}

// assertQuiet wants no error in the console and no violated policy.
func (b *tab) assertQuiet() {
	b.t.Helper()
	if heard := b.heard(); len(heard) > 0 {
		b.t.Errorf("Chromium complains: %q", heard)
	}
}

func deepLinkStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", proxySite)
	b := newVisitor(t, browser)
	where := b.open(w.base + deepLink)
	if where.status != http.StatusOK || !strings.HasPrefix(where.url, w.pair.Child.Issuer()+"u/login?") {
		t.Fatalf("not at the child's login page but at %d %s", where.status, where.url)
	}
	b.assertAt(b.signIn(w.pair.Accented), http.StatusOK, w.base+deepLink)
	b.assertQuiet()
	if text := b.text(); !strings.Contains(text, w.pair.MasterUserID(w.pair.Accented)) || !strings.Contains(text, w.pair.Accented.Name) {
		t.Errorf("the application knows nobody:\n%s", text)
	}
	requests := w.app.take()
	if len(requests) != 1 || requests[0].uri != deepLink || requests[0].header.Get("Cookie") != "" {
		t.Errorf("the application saw %+v", requests)
	}
	for _, c := range b.cookies("app.localhost") {
		if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" {
			t.Errorf("cookie %s: HttpOnly %t, SameSite %s, Path %s", c.Name, c.HTTPOnly, c.SameSite, c.Path)
		}
	}
	b.assertAt(b.open(w.base+"/second"), http.StatusOK, w.base+"/second")
}

// Over https the cookies have the prefix that ties them to this one host.
func secureCookiesStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "https", func(t *testing.T, w *world) string {
		return replaceOnce(t, proxySite(t, w), "\tauth0_oidc {", "\ttls internal\n\tauth0_oidc {")
	})
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	b.assertAt(b.signIn(w.pair.User), http.StatusOK, w.base+deepLink)
	b.assertQuiet()
	var names []string
	for _, c := range b.cookies("app.localhost") {
		names = append(names, c.Name)
		if !strings.HasPrefix(c.Name, "__Host-auth0_") || !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax {
			t.Errorf("cookie %s: Secure %t, HttpOnly %t, SameSite %s", c.Name, c.Secure, c.HTTPOnly, c.SameSite)
		}
	}
	t.Logf("cookies: %q", names)
	if !slices.Contains(names, "__Host-auth0_session") {
		t.Errorf("the session is not among the cookies %q", names)
	}
	b.assertSignedOut(b.click("#out"), w.base)
	b.assertQuiet()
}

// Both tabs were opened before anybody signed in; each comes to its own address.
func twoTabsStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", proxySite)
	first := newVisitor(t, browser)
	second := first.another()
	first.open(w.base + "/first?tab=1")
	second.open(w.base + "/second?tab=2")
	first.assertAt(first.signIn(w.pair.User), http.StatusOK, w.base+"/first?tab=1")
	second.assertAt(second.signIn(w.pair.User), http.StatusOK, w.base+"/second?tab=2")
	for _, c := range first.cookies("app.localhost") {
		if strings.HasPrefix(c.Name, "auth0_txn_") && len(c.Name) > len("auth0_txn_attempts") {
			t.Errorf("the cookie %s is left", c.Name)
		}
	}
}

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// fetched is what a script got.
type fetched struct {
	Status    int    `json:"status"`
	Type      string `json:"type"`
	Challenge string `json:"challenge"`
	Body      struct {
		Code     string `json:"code"`
		LoginURL string `json:"login_url"`
	} `json:"body"`
}

// The session ended while a page of the application is still open.
func fetchStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", proxySite)
	b := newVisitor(t, browser)
	b.open(w.base + "/page")
	b.signIn(w.pair.User)
	b.forgetCookies()
	w.app.take()
	var got fetched
	b.do("fetching", chromedp.Evaluate(`fetch('/api/orders', {method: 'POST', body: '{}'}).then(async r => ({
		status: r.status, type: r.headers.get('Content-Type'), challenge: r.headers.get('WWW-Authenticate'), body: await r.json()}))`,
		&got, chromedp.EvalAsValue, awaitPromise))
	if got.Status != http.StatusUnauthorized || got.Type != "application/problem+json" || got.Body.Code != "login_required" || got.Challenge == "" {
		t.Errorf("the script got %+v", got)
	}
	t.Logf("the script got %+v", got)
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
	b.open(got.Body.LoginURL)
	b.assertAt(b.signIn(w.pair.User), http.StatusOK, w.base+"/")
}

func logoutStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", proxySite)
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	b.signIn(w.pair.User)
	b.assertSignedOut(b.click("#out"), w.base)
	b.assertPage("signed-out", "signed_out")
	if text := b.text(); !strings.Contains(text, "You are signed out") {
		t.Errorf("after the logout:\n%s", text)
	}
	if left := w.pair.Master.Sessions(); len(left) != 0 {
		t.Errorf("the master still has the sessions %q", left)
	}
	for _, c := range b.cookies("app.localhost") {
		if strings.HasPrefix(c.Name, "auth0_session") {
			t.Errorf("the cookie %s is left", c.Name)
		}
	}
	// The child's session goes on, so that nobody types anything.
	b.assertAt(b.click("main a"), http.StatusOK, w.base+"/")
}

// A link on another site leads to a question, and its answer out of the session.
func foreignLogoutStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", proxySite)
	other := otherSite(t, w.base+"/auth/logout")
	b := newVisitor(t, browser)
	b.open(w.base + "/page")
	b.signIn(w.pair.User)
	b.open(other)
	b.assertAt(b.click("#bait"), http.StatusOK, w.base+"/auth/logout")
	b.assertPage("confirm-logout", "")
	if text := b.text(); !strings.Contains(text, "Do you want to sign out?") {
		t.Errorf("from another site:\n%s", text)
	}
	b.assertAt(b.click("main a"), http.StatusOK, w.base+"/")
	b.open(other)
	b.click("#bait")
	b.assertSignedOut(b.click("main button"), w.base)
	b.assertQuiet()
	if text := b.text(); !strings.Contains(text, "You are signed out") {
		t.Errorf("after the answer:\n%s", text)
	}
	if left := w.pair.Master.Sessions(); len(left) != 0 {
		t.Errorf("the master still has the sessions %q", left)
	}
	// Without a question, another site's form gets nothing done.
	b.click("main a")
	b.open(other)
	b.assertAt(b.click("#force"), http.StatusForbidden, w.base+"/auth/logout")
	b.assertPage("cross-site", "cross_site_request")
	b.assertAt(b.open(w.base+"/page"), http.StatusOK, w.base+"/page")
}

// otherSite gives the address of a site that wants visitors signed out.
func otherSite(t *testing.T, logout string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Other site</title><link rel="icon" href="data:,">
			<a id="bait" href="` + logout + `">Kittens</a>
			<form method="post" action="` + logout + `"><button id="force">More kittens</button></form></html>`))
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "other.localhost", 1)
}

// Somebody edits connection= on the way, and signs in with an account of the master.
func mismatchStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", proxySite)
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	edited, err := url.Parse(b.lastRequest(w.pair.Master.Issuer() + "authorize?"))
	if err != nil {
		t.Fatal(err)
	}
	query := edited.Query()
	query.Set("connection", "Username-Password-Authentication")
	edited.RawQuery = query.Encode()
	b.open(edited.String())
	where := b.signIn(w.operator)
	if where.status != http.StatusForbidden || !strings.HasPrefix(where.url, w.base+"/auth/callback?") {
		t.Errorf("arrived at %d %s", where.status, where.url)
	}
	b.assertPage("connection-mismatch", "connection_mismatch")
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
	// Without a session here, the master has no hint whose session it is, and asks.
	if where = b.click("main a"); !strings.HasPrefix(where.url, w.pair.Master.Issuer()+"oidc/logout?") {
		t.Fatalf("signing out leads to %d %s", where.status, where.url)
	}
	b.assertSignedOut(b.click("main button"), w.base)
	b.click("main a")
	b.assertAt(b.signIn(w.pair.User), http.StatusOK, w.base+"/")
}
