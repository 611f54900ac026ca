package e2e

import (
	"context"
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/network"
)

// pageLanguages are those that visitors ask for, and in which the pages are shown then.
var pageLanguages = []struct{ accept, asked, shown string }{
	{"en-GB,en;q=0.9", "en", "en"},
	{"de-AT,de;q=0.9,en;q=0.5", "de", "de"},
	{"es-MX,es;q=0.9", "es", "es"},
	{"fr", "fr", "fr"},
	{"ja,en;q=0.8", "ja", "ja"},
}

// shownIn gives the language of pages for a visitor who asks for one.
func shownIn(asked string) string {
	for _, l := range pageLanguages {
		if l.asked == asked {
			return l.shown
		}
	}
	return "en"
}

// speak has the tab ask for the language from now on.
func (b *tab) speak(language, accept string) {
	b.t.Helper()
	b.language = language
	b.do("speaking "+language, network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": accept}))
}

// The pages with the most text, and those with a list and a field, in every language.
func languagesStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", chooserSite)
	for _, l := range pageLanguages {
		b := newVisitor(t, browser)
		b.speak(l.asked, l.accept)
		if where := b.open(w.base + "/auth/callback?code=made-up&state=made-up"); where.status != http.StatusBadRequest {
			t.Errorf("status %d", where.status)
		}
		b.assertPage("languages-error", "bad_state")
		b.open(w.base + deepLink)
		b.enterAddress("ann@nobody.example")
		b.click("form button")
		b.assertPage("languages-choice", "")
	}
}
