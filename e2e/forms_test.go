package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// formSite keeps forms.
func formSite(t *testing.T, w *world) string {
	return replaceOnce(t, proxySite(t, w), "\tauth0_oidc {", "\tauth0_oidc {\n\t\tpreserve_post 8KiB")
}

// awaitText waits until the page says so: a page that sends a form by itself is
// followed by another one.
func (b *tab) awaitText(text string) {
	b.t.Helper()
	b.do("waiting for "+text, chromedp.WaitReady("//*[contains(text(), '"+text+"')]", chromedp.BySearch))
}

// posted gives the one form that reached the application, in order.
func (w *world) posted() received {
	w.t.Helper()
	var forms []received
	for _, r := range w.app.take() {
		if r.method == http.MethodPost {
			forms = append(forms, r)
		}
	}
	if len(forms) != 1 {
		w.t.Fatalf("%d forms reached the application", len(forms))
	}
	return forms[0]
}

const written = "first line\nsecond & 3 = 100 %; <b>\"x\"</b> +\n\nGrüße 😀"

// The session ends while somebody writes. After the login the text is there.
func ownFormStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "https", func(t *testing.T, w *world) string {
		return replaceOnce(t, formSite(t, w), "\tauth0_oidc {", "\ttls internal\n\tauth0_oidc {")
	})
	b := newVisitor(t, browser)
	b.open(w.base + "/edit")
	b.signIn(w.pair.User)
	b.forgetCookies()
	w.app.take()
	b.do("writing", chromedp.SetValue("#text", written, chromedp.ByQuery))
	if where := b.click("#save"); !strings.HasPrefix(where.url, w.pair.Child.Issuer()+"u/login?") {
		t.Fatalf("the form leads to %d %s", where.status, where.url)
	}
	b.signIn(w.pair.User)
	b.awaitText("Saved")
	b.assertQuiet()
	got := w.posted()
	want := "text=" + url.QueryEscape(strings.ReplaceAll(written, "\n", "\r\n")) + "&tag=a&submit=1&tag=b"
	if fields, err := url.ParseQuery(got.body); err != nil || fields.Get("text") != strings.ReplaceAll(written, "\n", "\r\n") || got.uri != "/save?id=7" {
		t.Errorf("the application got %s %q, want %q", got.uri, got.body, want)
	}
	if !strings.HasSuffix(got.body, "&tag=a&submit=1&tag=b") {
		t.Errorf("the order of fields is lost: %q", got.body)
	}
	if origin, referrer := got.header.Get("Origin"), got.header.Get("Referer"); origin != w.base || referrer != w.base+"/" {
		t.Errorf("Origin is %q, Referer is %q", origin, referrer)
	}
	for _, c := range b.cookies("app.localhost") {
		if strings.Contains(c.Name, "form") {
			t.Errorf("the cookie %s is left", c.Name)
		}
	}
}

// The page that sends the form after the login has a button for browsers without scripts.
func scriptlessFormStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "https", func(t *testing.T, w *world) string {
		return replaceOnce(t, formSite(t, w), "\tauth0_oidc {", "\ttls internal\n\tauth0_oidc {")
	})
	b := newVisitor(t, browser)
	b.open(w.base + "/edit")
	b.signIn(w.pair.User)
	b.forgetCookies()
	w.app.take()
	b.do("writing", chromedp.SetValue("#text", "text", chromedp.ByQuery))
	b.click("#save")
	b.do("switching scripts off", emulation.SetScriptExecutionDisabled(true))
	b.signIn(w.pair.User)
	b.do("switching scripts on", emulation.SetScriptExecutionDisabled(false)) // that of the page does not run any more
	b.assertPage("resend", "")
	b.click("main button")
	b.awaitText("Saved")
	if got := w.posted(); got.body != "text=text&tag=a&submit=1&tag=b" {
		t.Errorf("the application got %q", got.body)
	}
}

// Another site's form waits for a click before anything begins, and may lead back there afterwards.
func foreignFormStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", formSite)
	other := formOfAnotherSite(t, w.base+"/a/rather-long-path/"+strings.Repeat("of-an-application/", 6)+"transfer")
	b := newVisitor(t, browser)
	b.open(other)
	if where := b.click("#force"); where.status != http.StatusOK || !strings.HasPrefix(where.url, w.base+"/a/rather-long-path/") {
		t.Fatalf("arrived at %d %s", where.status, where.url)
	}
	b.assertPage("confirm-form", "")
	if text := b.text(); !strings.Contains(text, "with one field") || !strings.Contains(text, "transfer") || strings.Contains(text, "mallory") {
		t.Errorf("the page says:\n%s", text)
	}
	if len(w.app.take()) != 0 {
		t.Error("the form was sent without a click")
	}
	if cookies := b.cookies("app.localhost"); len(cookies) != 0 {
		t.Errorf("%d cookies were set before the click", len(cookies))
	}
	b.click("main button")
	if where := b.signIn(w.pair.User); !strings.HasPrefix(where.url, w.base+"/auth/callback?") {
		t.Fatalf("after the sign-in at %d %s", where.status, where.url)
	}
	b.assertPage("confirm-form-again", "") // on plain http a form may be planted
	b.click("main button")
	b.awaitText("Thank you")
	if got := w.posted(); got.body != "to=mallory" {
		t.Errorf("the application got %q", got.body)
	}
	b.assertQuiet()
	b.open(other)
	b.click("#force") // its cookies stay behind
	b.assertAt(b.click("main p a"), http.StatusOK, w.base+"/")
	for _, r := range w.app.take() {
		if r.method == http.MethodPost {
			t.Error("the form was sent although the user did not want it")
		}
	}
}

// A form that is not kept leads to a page from which nothing is lost.
func unkeptFormStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", formSite)
	b := newVisitor(t, browser)
	b.open(w.base + "/edit")
	b.signIn(w.pair.User)
	b.forgetCookies()
	b.do("writing", chromedp.SetValue("#text", strings.Repeat("too long ", 1_000), chromedp.ByQuery))
	b.assertAt(b.click("#save"), http.StatusUnauthorized, w.base+"/save?id=7")
	b.assertPage("form-not-kept", "form_not_kept")
	var opens struct{ Address, Target string }
	b.do("reading the link", chromedp.Evaluate(`(({href, target}) => ({address: href, target}))(document.querySelector('main a'))`, &opens))
	if opens.Target != "_blank" {
		t.Errorf("the link to the sign-in takes the place of the form: %+v", opens)
	}
	second := b.another()
	second.open(opens.Address)
	second.signIn(w.pair.User)
	w.app.take()
	b.assertAt(b.move("reloading", chromedp.Reload()), http.StatusOK, w.base+"/save?id=7")
	if got := w.posted(); len(got.body) < 9_000 {
		t.Errorf("sent again: %d bytes", len(got.body))
	}
}

// formOfAnotherSite gives the address of a site with a form for the given one, which
// it wants to be sent back from.
func formOfAnotherSite(t *testing.T, action string) string {
	t.Helper()
	var back string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		text := `<form method="post" action="` + action + "?then=" + url.QueryEscape(back+"/thanks") + `"><input type="hidden" name="to" value="mallory"><button id="force">Kittens</button></form>`
		if r.URL.Path == "/thanks" {
			text = "Thank you"
		}
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Other site</title><link rel="icon" href="data:,">` + text + `</html>`))
	}))
	t.Cleanup(server.Close)
	back = strings.Replace(server.URL, "127.0.0.1", "other.localhost", 1)
	return back
}
