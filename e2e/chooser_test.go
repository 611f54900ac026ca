package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// chooserSite is the README's use with a second connection to the same child.
func chooserSite(t *testing.T, w *world) string {
	w.pair.Master.AddConnection(auth0sim.Connection{
		Name: "partners", Strategy: "auth0-oidc", Options: w.pair.Connection.Options, EnabledClients: []string{w.pair.App.ClientID},
	})
	const both = "connection acme-child {\n\t\t\tlabel \"Acme staff\"\n\t\t}\n\t\tconnection partners {\n\t\t\tlabel \"Partners and friends of the house\"\n\t\t\temail_domain partners.example\n\t\t}"
	return replaceOnce(t, proxySite(t, w), "connection acme-child", both)
}

// Somebody chooses by address, after one that leads nowhere, and the next time finds
// the connection first on the list.
func chooserStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", chooserSite)
	b := newVisitor(t, browser)
	if where := b.open(w.base + deepLink); where.status != http.StatusOK || !strings.HasPrefix(where.url, w.base+"/auth/login?") {
		t.Fatalf("not at the choice but at %d %s", where.status, where.url)
	}
	b.assertPage("choice", "")
	b.enterAddress("ann@nobody.example")
	if where := b.click("form button"); where.status != http.StatusUnprocessableEntity {
		t.Errorf("an address of nobody: %d %s", where.status, where.url)
	}
	b.assertPage("choice-error", "")
	b.assertErrorIsOfTheField()
	b.enterAddress("ann@partners.example")
	if where := b.click("form button"); !strings.HasPrefix(where.url, w.pair.Child.Issuer()) {
		t.Fatalf("the address leads to %d %s", where.status, where.url)
	}
	b.assertAt(b.signIn(w.pair.Accented), http.StatusOK, w.base+deepLink)
	if text := b.text(); !strings.Contains(text, "auth0-oidc|partners|") {
		t.Errorf("the application knows somebody else:\n%s", text)
	}
	b.open(w.base + "/auth/login?return_to=/other")
	b.assertPage("choice-again", "")
	if text := b.text(); strings.Index(text, "last used") > strings.Index(text, "Acme staff") {
		t.Errorf("the last one is not the first:\n%s", text)
	}
	b.assertAt(b.click(".ways li:last-child a"), http.StatusOK, w.base+"/other")
}

func (b *tab) enterAddress(address string) {
	b.t.Helper()
	b.do("typing an address", // in place of an earlier one
		chromedp.Evaluate("document.querySelector('#email').select()", nil), chromedp.SendKeys("#email", address, chromedp.ByQuery))
}

// assertErrorIsOfTheField wants the field to have the focus, and its error as its
// description.
func (b *tab) assertErrorIsOfTheField() {
	b.t.Helper()
	var got struct{ Focus, Invalid, Described, Role, Value string }
	b.do("reading the field", chromedp.Evaluate(`(() => {
		const field = document.querySelector('#email'), error = document.getElementById(field.getAttribute('aria-describedby'))
		return {focus: document.activeElement.id, invalid: field.getAttribute('aria-invalid'), value: field.value,
			described: error?.textContent ?? '', role: error?.getAttribute('role') ?? ''}
	})()`, &got))
	if got.Focus != "email" || got.Invalid != "true" || got.Described == "" || got.Role != "alert" || got.Value != "ann@nobody.example" {
		b.t.Errorf("the field is %+v", got)
	}
}
