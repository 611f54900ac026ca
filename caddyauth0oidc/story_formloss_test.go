package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// heldForm sends a form and signs in up to the callback, which it gives unopened.
func (w *world) heldForm(b *heldBrowser, path, body string) string {
	w.t.Helper()
	response, text := w.post(b, path, strings.NewReader(body), formHeader())
	if response.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("a form without a session got %d:\n%s", response.StatusCode, text)
	}
	return w.holdAt(b, response.Header.Get("Location"))
}

// holdAt follows a login up to its callback.
func (w *world) holdAt(b *heldBrowser, address string) string {
	w.t.Helper()
	b.gate.closed, b.gate.held = true, ""
	defer func() { b.gate.closed = false }()
	page, err := b.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.finishLogin(b, page)
	if b.gate.held == "" {
		w.t.Fatal("the login did not come to its callback")
	}
	return b.gate.held
}

// loseLogins deletes the cookies of all pending logins, but not of the form.
func (w *world) loseLogins(b *heldBrowser) {
	for _, c := range b.Cookies(w.base) {
		if strings.HasPrefix(c.Name, "__Host-auth0_txn_") && !strings.HasPrefix(c.Name, "__Host-auth0_txn_form") {
			c.MaxAge = -1
			b.SetCookie(w.base, c)
		}
	}
}

// Whoever takes too long to sign in is told, and what the form was sent to is not opened.
func TestFormIsToldToBeGoneAfterALoginThatTookTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	held := w.heldForm(b, "/delete?id=7", "a=1")
	w.clock.advance(16 * time.Minute)
	page, err := b.Get(held)
	if err != nil {
		t.Fatal(err)
	}
	w.assertFormLost(w.finishLogin(b, page))
}

// A form does not live longer for the logins that it goes along with.
func TestFormOfSeveralLoginsLastsNoLongerThanOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	held := w.heldForm(b, "/save", "a=1")
	for range 2 {
		w.clock.advance(9 * time.Minute)
		w.loseLogins(b)
		held = w.holdAt(b, w.step(b, held).Location())
	}
	page, err := b.Get(held)
	if err != nil {
		t.Fatal(err)
	}
	w.assertFormLost(w.finishLogin(b, page))
}

// An outage at the callback leaves the form, and the page's link goes on with it.
func TestFormSurvivesAnOutageAtTheCallback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	held := w.heldForm(b, "/save", "a=1")
	w.pair.Master.Down(true)
	page := w.step(b, held)
	if page.Status != http.StatusServiceUnavailable || w.formCookies(b) != 1 {
		t.Fatalf("status %d, %d cookies of the form", page.Status, w.formCookies(b))
	}
	w.pair.Master.Down(false)
	page, err := b.Get(w.base + tryAgain(t, page))
	if err != nil {
		t.Fatal(err)
	}
	if page = w.finishLogin(b, page); !strings.Contains(page.Body, "Send this form?") {
		t.Fatalf("ended at %d %s:\n%s", page.Status, page.URL, page.Body)
	}
	if _, err := page.Press("Send the form"); err != nil {
		t.Fatal(err)
	}
	w.assertPosted("/save", "a=1")
}

// tryAgain gives the address of a page's link of that name.
func tryAgain(t *testing.T, page *auth0sim.Page) string {
	t.Helper()
	before, _, found := strings.Cut(page.Body, `">Try again`)
	if !found {
		t.Fatalf("no link on %d %s:\n%s", page.Status, page.URL, page.Body)
	}
	return strings.ReplaceAll(before[strings.LastIndex(before, `"`)+1:], "&amp;", "&")
}

// What the tenant calls temporary is not the end of the form either.
func TestFormSurvivesATemporaryErrorOfTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	response, _ := w.post(b, "/save", strings.NewReader("a=1"), formHeader())
	_, state, _ := strings.Cut(response.Header.Get("Location"), "state=")
	state, _, _ = strings.Cut(state, "&")
	page := w.step(b, w.base+"/auth/callback?error=server_error&state="+state)
	if page.Status != http.StatusServiceUnavailable || w.formCookies(b) != 1 {
		t.Fatalf("status %d, %d cookies of the form", page.Status, w.formCookies(b))
	}
	page, err := b.Get(w.base + tryAgain(t, page))
	if err != nil {
		t.Fatal(err)
	}
	if page = w.finishLogin(b, page); !strings.Contains(page.Body, "Send this form?") {
		t.Errorf("ended at %d %s:\n%s", page.Status, page.URL, page.Body)
	}
}

// An address that is a route of ours by now is sent no form, and is not opened.
func TestFormForWhatIsOurRouteByNowIsLost(t *testing.T) {
	t.Parallel()
	const site = "auth0_oidc /x/* {\nSETTINGS\nprefix OTHER\n}\nauth0_oidc {\nSETTINGS\n" + formSettings + "\n}\nreverse_proxy UPSTREAM"
	w := newWorld(t, withSite(strings.Replace(site, "OTHER", "/first", 1)))
	b := w.browser()
	held := w.heldForm(b, "/second/logout", "a=1")
	w.load(worldSetup{base: w.base, site: strings.Replace(site, "OTHER", "/second", 1)})
	w.assertFormLost(w.step(b, held))
	if n := w.formCookies(b); n != 0 {
		t.Errorf("%d cookies of the form are left", n)
	}
}

// A form that no longer fits when the next login begins is gone, and the page says so.
func TestFormThatDoesNotFitTheNextLoginIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings), withGlobal("servers {\nmax_header_size 12KiB\n}"))
	b := w.browser()
	held := w.heldForm(b, "/save", "a=1")
	w.loseLogins(b)
	b.SetCookie(w.base, &http.Cookie{Name: "theirs", Value: opaqueText(3_900), Path: "/"})
	b.SetCookie(w.base, &http.Cookie{Name: "theirs2", Value: opaqueText(3_000), Path: "/"})
	page := w.step(b, held)
	w.assertFormLost(page)
	if n := w.formCookies(b); n != 0 {
		t.Errorf("%d cookies of the form are left", n)
	}
}

// Where the tenant is away when the form comes, nothing leads to its address by GET.
func TestFormThatMeetsAnOutageHasNoLinkToItsAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	w.pair.Master.Down(true)
	response, body := w.post(w.browser(), "/delete?id=7", strings.NewReader("a=1"), formHeader())
	if response.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "/delete") {
		t.Errorf("%d\n%s", response.StatusCode, body)
	}
}
