package caddyauth0oidc

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// The domain of an address leads to its connection, with the address as the hint, and
// the address gets into no address and no log here.
func TestAddressLeadsToItsConnection(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	b := w.browser()
	page := w.open(b, "/reports?x=1")
	w.wantWays(page, "acme-child", "Partners & friends")
	page, err := page.Submit(map[string]string{"email": "secret.ann@Partners.Example"})
	if err != nil {
		t.Fatal(err)
	}
	if logs := w.logs(); strings.Contains(logs, "secret.ann") {
		t.Error("the log has the address")
	}
	for _, hop := range page.Hops {
		if strings.HasPrefix(hop.URL.String(), w.base) && strings.Contains(hop.URL.String(), "secret.ann") {
			t.Errorf("%s has the address", hop.URL)
		}
	}
	if asked := w.logins(page); len(asked) != 1 || asked[0].Get("login_hint") != "secret.ann@Partners.Example" || asked[0].Get("connection") != "partners" {
		t.Errorf("the login asks for %v", asked)
	}
	if page = w.finishLogin(b, page); page.Status != http.StatusOK || page.URL.String() != w.base+"/reports?x=1" {
		t.Fatalf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
	}
	w.wantSeen("/reports?x=1", "partners")
}

// enter posts an address to the page, as it is encoded.
func (w *world) enter(b *heldBrowser, body string, header map[string]string) (*http.Response, string) {
	w.t.Helper()
	return w.post(b, "/auth/login?return_to=/x", strings.NewReader(body), header)
}

func TestAddressesAndWhereTheyLead(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	long := "a" + strings.Repeat("b", 512-len("@partners.example")) + "@partners.example"
	for name, tc := range map[string]struct {
		address string
		status  int
	}{
		"plain": {"ann@partners.example", 303}, "capitals": {"Ann@PARTNERS.EXAMPLE", 303}, "spaces around": {" ann@partners.example ", 303},
		"beyond ASCII": {"ann@bücher.example", 303}, "encoded": {"ann@xn--bcher-kva.example", 303}, "capitals beyond ASCII": {"ann@BÜCHER.example", 303},
		"two signs": {"ann@acme.com@partners.example", 303}, "as long as possible": {long[1:], 303},
		"of nobody": {"ann@nobody.example", 422}, "below": {"ann@eu.partners.example", 422}, "the first sign": {"ann@partners.example@nobody.example", 422},
		"too long": {long, 400}, "no sign": {"partners.example", 400}, "no name": {"@partners.example", 400}, "no domain": {"ann@", 400},
		"empty": {"", 400}, "a literal": {"ann@[192.0.2.1]", 400}, "one word": {"ann@localhost", 400},
		"line ends": {"ann\r\n@partners.example", 400}, "not UTF-8": {"\xff@partners.example", 400}, "NUL": {"ann\x00@partners.example", 400},
	} {
		response, body := w.enter(w.browser(), "email="+url.QueryEscape(tc.address), formHeader())
		if response.StatusCode != tc.status {
			t.Errorf("%s: %d, want %d", name, response.StatusCode, tc.status)
			continue
		}
		if tc.status == http.StatusSeeOther {
			u, _ := url.Parse(response.Header.Get("Location"))
			if got := u.Query(); got.Get("connection") != "partners" || got.Get("login_hint") != strings.TrimSpace(tc.address) {
				t.Errorf("%s leads to %v", name, got)
			}
			continue
		}
		if response.Header.Get("Set-Cookie") != "" || !strings.Contains(body, `aria-invalid="true" aria-describedby="email-error"`) || !strings.Contains(body, `<p class="error" id="email-error" role="alert">`) {
			t.Errorf("%s: %v\n%s", name, response.Header, body)
		}
	}
}

// What was entered is text on the page.
func TestEnteredAddressIsText(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	const entered = `"><script>alert(1)</script>@nobody.example`
	_, body := w.enter(w.browser(), "email="+url.QueryEscape(entered), formHeader())
	if strings.Contains(body, "<script") || !strings.Contains(body, html.EscapeString(entered)) && !strings.Contains(body, `value="&#34;&gt;`) {
		t.Errorf("the page is\n%s", body)
	}
}

// A form of another site begins nothing, and neither does one that is none.
func TestAddressOfAnotherSiteBeginsNothing(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	const address = "email=ann@partners.example"
	for name, tc := range map[string]struct {
		body   string
		header map[string]string
		status int
	}{
		"cross site":                       {address, formHeader("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"), 200},
		"same site":                        {address, formHeader("Sec-Fetch-Site", "same-site", "Origin", "https://other.example.test"), 200},
		"of an old browser from elsewhere": {address, formHeader("Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "Origin", "https://evil.test"), 200},
		"a sandboxed page":                 {address, formHeader("Sec-Fetch-Site", "cross-site", "Origin", "null"), 200},
		"a script":                         {address, formHeader("Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"), 401},
		"another type":                     {address, formHeader("Content-Type", "text/plain"), 400},
		"twice":                            {address + "&" + address, formHeader(), 400},
		"bad escapes":                      {"email=%zz", formHeader(), 400},
		"without end":                      {"email=" + strings.Repeat("a", 5000), formHeader(), 400},
	} {
		response, body := w.enter(w.browser(), tc.body, tc.header)
		if response.StatusCode != tc.status || response.Header.Get("Set-Cookie") != "" || response.Header.Get("Location") != "" || strings.Contains(body, "ann@") {
			t.Errorf("%s: %d %v", name, response.StatusCode, response.Header)
		}
	}
	if response, _ := w.post(w.browser(), "/auth/login?connection=partners", strings.NewReader(address), formHeader()); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("with a connection: %d", response.StatusCode)
	}
	single := newWorld(t)
	if response, _ := single.enter(single.browser(), address, formHeader()); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("without a choice: %d", response.StatusCode)
	}
}

// The address outweighs a hint of the link, and a kept form goes along.
func TestFormSurvivesTheChoice(t *testing.T) {
	t.Parallel()
	for name, choose := range map[string]func(*world, *heldBrowser, *auth0sim.Page) *auth0sim.Page{
		"by link": func(w *world, b *heldBrowser, page *auth0sim.Page) *auth0sim.Page {
			return w.choose(b, page, "Partners & friends")
		},
		"by address": func(w *world, b *heldBrowser, page *auth0sim.Page) *auth0sim.Page {
			page, err := page.Submit(map[string]string{"email": "ann@partners.example"})
			if err != nil {
				w.t.Fatal(err)
			}
			return w.finishLogin(b, page)
		},
		"after an address of nobody": func(w *world, b *heldBrowser, page *auth0sim.Page) *auth0sim.Page {
			page, err := page.Submit(map[string]string{"email": "ann@nobody.example"})
			if err != nil || page.Status != http.StatusUnprocessableEntity {
				w.t.Fatalf("%v %d", err, page.Status)
			}
			return w.choose(b, page, "Partners & friends")
		},
		"after another choice": func(w *world, b *heldBrowser, page *auth0sim.Page) *auth0sim.Page {
			_, links := w.ways(page)
			w.step(b, links["acme-child"])
			return w.choose(b, page, "Partners & friends")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := chooserWorld(t, withSettings(besidePartners+"\n"+formSettings))
			b := w.browser()
			response, _ := w.post(b, "/save?id=7", strings.NewReader("text=eins+%26+zwei"), formHeader())
			if response.StatusCode != http.StatusSeeOther || !strings.HasPrefix(response.Header.Get("Location"), w.base+"/auth/login?") {
				t.Fatalf("the form got %d to %s", response.StatusCode, response.Header.Get("Location"))
			}
			page, err := b.Get(response.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			w.wantWays(page, "acme-child", "Partners & friends")
			page = choose(w, b, page)
			if page.Status != http.StatusOK || page.URL.String() != w.base+"/save?id=7" {
				t.Fatalf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
			}
			seen := w.app.take()
			if len(seen) != 1 || seen[0].method != "POST" || seen[0].header.Get("X-Auth0-Connection") != "partners" {
				t.Fatalf("the application saw %+v", seen)
			}
			sameForm(t, seen[0].body, "text=eins+%26+zwei")
			if n := w.formCookies(b); n != 0 {
				t.Errorf("%d cookies of the form are left", n)
			}
		})
	}
}

// A form that is gone is not sent, and nothing is opened instead; nobody else's is.
func TestFormOfAChoiceThatIsGone(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t, withSettings(besidePartners+"\n"+formSettings))
	b := w.browser()
	response, _ := w.post(b, "/save", strings.NewReader("a=1"), formHeader())
	page, err := b.Get(response.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	_, links := w.ways(page)
	lost, err := w.browser().Get(links["acme-child"])
	if err != nil {
		t.Fatal(err)
	}
	w.assertFormLost(lost)
	w.choose(b, page, "acme-child")
	w.app.take()
	if lost, err = b.Get(links["acme-child"]); err != nil {
		t.Fatal(err)
	}
	w.assertFormLost(lost)
}

// A form of another site is asked about first, then the connection is chosen.
func TestCVE_MAO_10_FormOfAnotherSiteAndTheChoice(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t, withSettings(besidePartners+"\n"+formSettings))
	w.evilForm("/transfer", "mallory")
	b := w.browser()
	page := w.submitEvil(b)
	if page.Status != http.StatusOK || page.Header.Get("Set-Cookie") != "" || len(w.app.take()) != 0 {
		t.Fatalf("%d %v", page.Status, page.Header)
	}
	page, err := page.Press("Send the form")
	if err != nil {
		t.Fatal(err)
	}
	w.wantWays(page, "acme-child", "Partners & friends")
	w.choose(b, page, "acme-child")
	w.assertPosted("/transfer", "to=mallory")
}

// Where the tenant cannot be reached, trying again goes on with the form.
func TestFormWaitsOnWhileTheTenantIsDown(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t, withSettings(besidePartners+"\n"+formSettings))
	b := w.browser()
	response, _ := w.post(b, "/save", strings.NewReader("a=1"), formHeader())
	page, err := b.Get(response.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	w.pair.Master.Down(true)
	page, err = page.Submit(map[string]string{"email": "ann@partners.example"})
	if err != nil || page.Status != http.StatusServiceUnavailable {
		t.Fatalf("%v %d", err, page.Status)
	}
	w.pair.Master.Down(false)
	w.clock.advance(60e9)
	again := regexp.MustCompile(`href="([^"]*)">Try again`).FindStringSubmatch(page.Body)
	if again == nil || strings.Contains(page.Body, "ann%40") {
		t.Fatalf("the page is\n%s", page.Body)
	}
	if page, err = page.Click(w.base + html.UnescapeString(again[1])); err != nil {
		t.Fatal(err)
	}
	w.finishLogin(b, page)
	seen := w.app.take()
	if len(seen) != 1 || seen[0].method != "POST" || seen[0].header.Get("X-Auth0-Connection") != "partners" {
		t.Errorf("the application saw %+v", seen)
	}
}
