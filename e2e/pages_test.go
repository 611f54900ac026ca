package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// artifacts is where the pictures are, to be looked at.
const artifacts = "artifacts"

// look is a window and its colours. 320 pixels is what WCAG 2.2, 1.4.10, has pages fit
// into without scrolling sideways.
type look struct {
	width, height int64
	scheme        string
}

func (l look) String() string { return fmt.Sprintf("%d-%s", l.width, l.scheme) }

// looks are those in which pages are looked at.
var looks = []look{
	{320, 640, "light"}, {390, 844, "light"}, {390, 844, "dark"}, {1280, 800, "light"}, {1280, 800, "dark"},
}

// measured is what can be said of a page's looks without eyes.
type measured struct {
	axe judged

	Overflow int     `json:"overflow"` // pixels beyond the window's right edge
	Contrast float64 `json:"contrast"` // least ratio of text to ground
	Text     string  `json:"text"`     // which text that is
	Targets  float64 `json:"targets"`  // height of the lowest button, field or choice
}

// measure computes contrast as WCAG 2.2 does ("relative luminance").
const measure = `(() => {
	const numbers = color => color.match(/[\d.]+/g).map(Number)
	const luminance = rgb => rgb.slice(0, 3).map(v => v / 255)
		.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
	const ground = e => {
		for (; e; e = e.parentElement) {
			const color = numbers(getComputedStyle(e).backgroundColor)
			if (color.length < 4 || color[3] > 0) return color
		}
		return [255, 255, 255]
	}
	let least = {contrast: 21, text: ''}
	for (const e of document.querySelectorAll('h1, p, a, button, code, label, small, input')) {
		const [a, b] = [luminance(numbers(getComputedStyle(e).color)), luminance(ground(e))]
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
		if (contrast < least.contrast) least = {contrast, text: e.textContent.trim()}
	}
	const buttons = [...document.querySelectorAll('button, input:not([type=hidden]), .ways a')].map(e => e.getBoundingClientRect().height)
	return {...least, overflow: document.documentElement.scrollWidth - innerWidth, targets: Math.min(100, ...buttons)}
})()`

// shoot keeps a picture of the page in every look, and gives the measures.
func (b *tab) shoot(name string) map[look]measured {
	b.t.Helper()
	if err := os.MkdirAll(artifacts, 0o755); err != nil {
		b.t.Fatal(err)
	}
	axe := b.axe()
	all := make(map[look]measured)
	for _, l := range looks {
		var picture []byte
		var m measured
		b.do("taking a picture of "+name,
			emulation.SetDeviceMetricsOverride(l.width, l.height, 1, l.width < 500),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}),
			chromedp.Evaluate(measure, &m),
			chromedp.ActionFunc(func(ctx context.Context) (err error) {
				picture, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatPng).Do(ctx)
				return err
			}))
		m.axe = axe()
		file := fmt.Sprintf("%s-%s-%s.png", name, l, cmp.Or(b.language, "en"))
		if err := os.WriteFile(filepath.Join(artifacts, file), picture, 0o644); err != nil {
			b.t.Fatal(err)
		}
		all[l] = m
	}
	b.do("going back to the usual window", emulation.ClearDeviceMetricsOverride(), emulation.SetEmulatedMedia())
	return all
}

// Least measures of a page that people can read and use: WCAG 2.2, 1.4.3 for
// text and 2.5.8 for what is pressed.
const (
	leastContrast = 4.5
	leastTarget   = 24
)

// assertPage wants one of the module's own pages of which Chromium does not complain.
func (b *tab) assertPage(name, code string) {
	b.t.Helper()
	b.assertReadable(name, code)
	b.assertQuiet()
}

// assertReadable wants one of the module's own pages, readable in every look, and
// keeps pictures of it.
func (b *tab) assertReadable(name, code string) {
	b.t.Helper()
	var got struct {
		Title, Heading, Lang, Code string
		Main                       int
	}
	b.do("reading the page", chromedp.Evaluate(`({
		title: document.title, lang: document.documentElement.lang, main: document.querySelectorAll('main h1').length,
		heading: document.querySelector('h1')?.textContent, code: document.querySelector('.code code')?.textContent ?? ''})`, &got))
	if got.Title == "" || got.Title != got.Heading || got.Code != code || got.Lang != shownIn(b.language) || got.Main != 1 {
		b.t.Errorf("%s: the page is %+v, want one heading, the same title, and the code %q", name, got, code)
	}
	b.assertAsksNobody(name)
	for look, m := range b.shoot(name) {
		if m.Overflow > 0 || m.Contrast < leastContrast || m.Targets < leastTarget {
			b.t.Errorf("%s, %s: %d pixels too wide, contrast %.1f of %q, button of %.0f pixels", name, look, m.Overflow, m.Contrast, m.Text, m.Targets)
		}
		b.assertAccessible(name, look.String(), m.axe)
		b.t.Logf("%s, %s: least contrast %.1f (%.20q); axe passes %d rules", name, look, m.Contrast, m.Text, m.axe.Passed)
	}
}

func refusedStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", proxySite)
	b := newVisitor(t, browser)
	if where := b.open(w.base + "/auth/callback?code=made-up&state=made-up"); where.status != http.StatusBadRequest {
		t.Errorf("status %d", where.status)
	}
	b.assertPage("error", "bad_state")
	if where := b.click("main a"); !strings.HasPrefix(where.url, w.pair.Child.Issuer()) {
		t.Errorf("the way on leads to %d %s", where.status, where.url)
	}
	b.assertAt(b.open(w.base+"/auth/login?connection=unknown"), http.StatusBadRequest, w.base+"/auth/login?connection=unknown")
	b.assertPage("unknown-connection", "unknown_connection")

	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.DenyLogin = "Not <b>you</b>" })
	b.open(w.base + deepLink)
	if where := b.signIn(w.pair.User); where.status != http.StatusForbidden {
		t.Errorf("status %d", where.status)
	}
	b.assertPage("denied", "login_denied")
	if text := b.text(); strings.Contains(text, "Not <b>") || strings.Contains(text, "you</b>") {
		t.Errorf("the page shows the tenant's text:\n%s", text)
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.DenyLogin, s.SignWithForeignKey = "", true })
	b.open(w.base + deepLink)
	b.assertPage("invalid-token", "invalid_token")
}

func outageStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", proxySite)
	w.pair.Master.Down(true)
	b := newVisitor(t, browser)
	b.assertAt(b.open(w.base+deepLink), http.StatusServiceUnavailable, w.base+deepLink)
	b.assertPage("outage", "tenant_unavailable")
	var again string
	b.do("reading the link", chromedp.Evaluate(`document.querySelector('main a').href`, &again))
	if again != w.base+deepLink {
		t.Errorf("trying again leads to %s", again)
	}
}

// Something between the browser and Caddy takes our cookies away.
func loopStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", func(t *testing.T, w *world) string {
		return replaceOnce(t, proxySite(t, w), "\tauth0_oidc {", "\theader -Set-Cookie\n\tauth0_oidc {")
	})
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	if where := b.signIn(w.pair.User); where.status != http.StatusBadRequest || !strings.HasPrefix(where.url, w.base+"/auth/callback?") {
		t.Errorf("arrived at %d %s", where.status, where.url)
	}
	b.assertPage("loop", "login_loop")
}
