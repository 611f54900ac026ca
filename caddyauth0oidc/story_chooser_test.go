package caddyauth0oidc

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// besidePartners adds a second connection to the directive's one.
const besidePartners = "connection partners {\nlabel \"Partners & friends\"\nemail_domain partners.example bücher.example\n}"

// chooserWorld has a site with two connections, acme-child and partners.
func chooserWorld(t *testing.T, options ...worldOption) *world {
	t.Helper()
	w := newWorld(t, append([]worldOption{withSettings(besidePartners)}, options...)...)
	w.addPartners()
	return w
}

var wayLink = regexp.MustCompile(`<li><a href="([^"]*)">([^<]*)( <small>last used</small>)?</a></li>`)

// ways gives the connections on a page, by their labels in turn, and where they lead.
func (w *world) ways(page *auth0sim.Page) (labels []string, links map[string]string) {
	w.t.Helper()
	links = make(map[string]string)
	for _, found := range wayLink.FindAllStringSubmatch(page.Body, -1) {
		label := html.UnescapeString(found[2])
		links[label] = w.base + html.UnescapeString(found[1])
		if found[3] != "" {
			label += " (last)"
		}
		labels = append(labels, label)
	}
	return labels, links
}

// wantWays wants the page on which the user chooses, with these connections.
func (w *world) wantWays(page *auth0sim.Page, want ...string) map[string]string {
	w.t.Helper()
	labels, links := w.ways(page)
	if page.Status != http.StatusOK || strings.Join(labels, ", ") != strings.Join(want, ", ") {
		w.t.Fatalf("%d %s offers %q, want %q\n%s", page.Status, page.URL, labels, want, page.Body)
	}
	return links
}

// choose takes the connection of that label and completes the login.
func (w *world) choose(b *heldBrowser, page *auth0sim.Page, label string) *auth0sim.Page {
	w.t.Helper()
	_, links := w.ways(page)
	if links[label] == "" {
		w.t.Fatalf("%s does not offer %q\n%s", page.URL, label, page.Body)
	}
	page, err := page.Click(links[label])
	if err != nil {
		w.t.Fatal(err)
	}
	return w.finishLogin(b, page)
}

// wantSeen wants one request at the application, by a user of the connection, and no
// cookie with it.
func (w *world) wantSeen(uri, connection string) {
	w.t.Helper()
	seen := w.app.take()
	if len(seen) != 1 || seen[0].uri != uri || seen[0].header.Get("X-Auth0-Connection") != connection || seen[0].header.Get("Cookie") != "" {
		w.t.Errorf("the application saw %+v, want %s of %s", seen, uri, connection)
	}
}

// askedFor gives the parameters of the authorization request that a page leads to.
func askedFor(t *testing.T, page *auth0sim.Page) url.Values {
	t.Helper()
	u, err := url.Parse(page.Location())
	if err != nil || u.Path != "/authorize" {
		t.Fatalf("%d leads to %s: %v\n%s", page.Status, page.Location(), err, page.Body)
	}
	return u.Query()
}

// The main job: with several connections the user chooses one, and comes to the page
// that was asked for.
func TestUserChoosesAmongSeveralConnections(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	b := w.browser()
	first := w.step(b, w.base+"/reports?q=a%2Fb&x=1")
	if first.Status != http.StatusFound || first.Header.Get("Cache-Control") != uncached || first.Header.Get("Set-Cookie") != "" {
		t.Fatalf("the page answers %d %v", first.Status, first.Header)
	}
	page := w.open(b, "/reports?q=a%2Fb&x=1")
	links := w.wantWays(page, "acme-child", "Partners & friends")
	for label, name := range map[string]string{"acme-child": "acme-child", "Partners & friends": "partners"} {
		if got := askedFor(t, w.step(w.browser(), links[label])).Get("connection"); got != name {
			t.Errorf("%s leads to %q", label, got)
		}
	}
	page = w.choose(b, page, "Partners & friends")
	if page.Status != http.StatusOK || page.URL.String() != w.base+"/reports?q=a%2Fb&x=1" {
		t.Fatalf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
	}
	w.wantSeen("/reports?q=a%2Fb&x=1", "partners")
	w.clock.advance(80 * time.Hour)
	page = w.open(b, "/again")
	w.wantWays(page, "Partners & friends (last)", "acme-child")
	if page = w.choose(b, page, "acme-child"); page.Status != http.StatusOK {
		t.Fatalf("the other one: %d\n%s", page.Status, page.Body)
	}
	w.wantSeen("/again", "acme-child")
	w.clock.advance(80 * time.Hour)
	w.wantWays(w.open(b, "/x"), "acme-child (last)", "Partners & friends")
}

// The page is as strict as the others: no script, nothing from elsewhere, in no cache.
func TestPageOfTheChoiceIsAsStrictAsTheOthers(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	page := w.open(w.browser(), "/auth/login?return_to=/x")
	w.wantWays(page, "acme-child", "Partners & friends")
	for name, want := range map[string]string{
		"Cache-Control": uncached, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8", "Set-Cookie": "",
	} {
		if got := page.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "script-src") || strings.Contains(page.Body, "<script") {
		t.Errorf("policy %q", policy)
	}
	for _, part := range []string{`<html lang="en" dir="ltr">`, `<label for="email">`, `type="email" id="email" name="email" autocomplete="email"`, `role="list"`} {
		if strings.Count(page.Body, part) != 1 {
			t.Errorf("the page has %d of %s", strings.Count(page.Body, part), part)
		}
	}
	if strings.Count(page.Body, "<h1>") != 1 || strings.Contains(page.Body, `role="alert"`) {
		t.Errorf("the page is\n%s", page.Body)
	}
	plain := newWorld(t, withSettings("connection partners"))
	page = plain.open(plain.browser(), "/auth/login")
	plain.wantWays(page, "acme-child", "partners")
	if strings.Contains(page.Body, "<form") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "form-action 'self'") {
		t.Errorf("without domains the page is\n%s", page.Body)
	}
}

// Who cannot choose is told where the choice is; nothing is begun for a prefetch, and
// HEAD is GET without a body.
func TestOtherRequestsAreToldWhereTheChoiceIs(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	response, body := w.send(w.browser(), "POST", "/x", map[string]string{"Accept": "application/json"})
	var got problem
	if err := json.Unmarshal([]byte(body), &got); err != nil || response.StatusCode != http.StatusUnauthorized || got.Code != codeLoginRequired {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	if u, err := url.Parse(got.LoginURL); err != nil || u.Path != "/auth/login" || u.Query().Has("connection") || u.Query().Get("choice") == "" {
		t.Errorf("login_url is %s", got.LoginURL)
	}
	page, err := w.browser().Get(got.LoginURL + "&return_to=/x")
	if err != nil {
		t.Fatal(err)
	}
	w.wantWays(page, "acme-child", "Partners & friends")
	navigation := map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
	response, body = w.send(w.browser(), "HEAD", "/auth/login", navigation)
	if response.StatusCode != http.StatusOK || body != "" || response.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("HEAD: %d %q", response.StatusCode, body)
	}
	for name, header := range map[string]map[string]string{
		"prefetch": {"Sec-Purpose": "prefetch", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
		"image":    {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, "script": {"Sec-Fetch-Mode": "cors"},
	} {
		if response, _ := w.send(w.browser(), "GET", "/auth/login", header); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
	for query, status := range map[string]int{
		"?connection=other": http.StatusBadRequest, "?connection=partners": http.StatusFound, "?choice=other": http.StatusOK,
		"?connection=": http.StatusOK, "?connection=partners&connection=acme-child": http.StatusBadRequest,
	} {
		if page := w.step(w.browser(), w.base+"/auth/login"+query); page.Status != status {
			t.Errorf("%s: %d, want %d", query, page.Status, status)
		}
	}
}

// What a link asks for is still asked for behind the choice.
func TestChoiceKeepsWhatTheLinkAsksFor(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t, withSettings(besidePartners+"\nallow_params login_hint screen_hint\nmax_age 1h\nacr_values urn:example:gold"))
	page := w.open(w.browser(), "/auth/login?return_to=/x&prompt=login&login_hint=ann%40acme.example&other=1")
	links := w.wantWays(page, "acme-child", "Partners & friends")
	asked := askedFor(t, w.step(w.browser(), links["Partners & friends"]))
	for name, want := range map[string]string{
		"connection": "partners", "prompt": "login", "login_hint": "ann@acme.example", "acr_values": "urn:example:gold", "max_age": "3540", "other": "", "screen_hint": "",
	} {
		if got := asked.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(links["acme-child"], "other=") {
		t.Errorf("the link is %s", links["acme-child"])
	}
}

// RET-01: the choice leads nowhere else than the login did.
func TestChoiceLeadsToNoOtherSite(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t)
	for _, elsewhere := range []string{"https://evil.test/", "//evil.test/", `/\evil.test`, "/auth/logout", "/" + strings.Repeat("x", 700)} {
		page := w.open(w.browser(), "/auth/login?return_to="+url.QueryEscape(elsewhere))
		for label, link := range w.wantWays(page, "acme-child", "Partners & friends") {
			u, err := url.Parse(link)
			if err != nil || u.Path != "/auth/login" || u.Query().Get("return_to") != "/" {
				t.Errorf("%.20s: %s leads to %s", elsewhere, label, link)
			}
		}
	}
}

// The connection that was last used is remembered after a login that went well only,
// and believed only if there is such a one.
func TestLastConnectionIsOfASignInThatWentWell(t *testing.T) {
	t.Parallel()
	const name = "__Host-auth0_txn_connection"
	w := chooserWorld(t)
	b := w.browser()
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.DenyLogin = "no" })
	if page := w.choose(b, w.open(b, "/x"), "Partners & friends"); page.Status != http.StatusForbidden {
		t.Fatalf("a denied login: %d", page.Status)
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.DenyLogin = "" })
	w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = "auth0-oidc|elsewhere|auth0|1" }
	if page := w.choose(b, w.open(b, "/x"), "Partners & friends"); page.Status != http.StatusForbidden {
		t.Fatalf("another connection: %d", page.Status)
	}
	for _, c := range b.Cookies(w.base) {
		if c.Name == name {
			t.Errorf("the browser keeps %s", c.Value)
		}
	}
	w.pair.Master.TamperIDToken = nil
	page := w.choose(b, w.open(b, "/x"), "Partners & friends")
	line := ""
	for _, hop := range page.Hops {
		for _, set := range hop.Header.Values("Set-Cookie") {
			if strings.HasPrefix(set, name+"=") {
				line = set
			}
		}
	}
	if line != name+"=partners; Path=/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("CK-01: the cookie is %q", line)
	}
	other := w.browser()
	for _, forged := range []string{"elsewhere", "<b>", ""} {
		other.SetCookie(w.base, &http.Cookie{Name: name, Value: forged, Path: "/", Secure: true})
		w.wantWays(w.open(other, "/x"), "acme-child", "Partners & friends")
	}
	single := newWorld(t)
	alone := single.browser()
	single.signIn(alone, "/x", single.pair.User)
	for _, c := range alone.Cookies(single.base) {
		if c.Name == name {
			t.Error("a single connection is remembered")
		}
	}
}

// Links that lead back to the login lead to the choice: of whoever is kept out, after a
// logout, after a login that failed.
func TestWaysBackLeadToTheChoice(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t, withSettings(besidePartners+"\ndeny connection partners"))
	b := w.browser()
	page := w.choose(b, w.open(b, "/x"), "Partners & friends")
	another := regexp.MustCompile(`href="([^"]*)">Use another account`).FindStringSubmatch(page.Body)
	if page.Status != http.StatusForbidden || another == nil {
		t.Fatalf("%d\n%s", page.Status, page.Body)
	}
	page, err := page.Click(html.UnescapeString(another[1]))
	if err != nil {
		t.Fatal(err)
	}
	links := w.wantWays(page, "Partners & friends (last)", "acme-child")
	if got := askedFor(t, w.step(w.browser(), links["acme-child"])); got.Get("prompt") != "login" || got.Get("connection") != "acme-child" {
		t.Errorf("another account is asked for by %v", got)
	}
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	page = w.open(b, "/y")
	if page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, codeSignedOut) {
		t.Fatalf("after the logout: %d", page.Status)
	}
	signIn := regexp.MustCompile(`href="([^"]*)">Sign in<`).FindStringSubmatch(page.Body)
	if page, err = page.Click(html.UnescapeString(signIn[1])); err != nil {
		t.Fatal(err)
	}
	if links = w.wantWays(page, "Partners & friends (last)", "acme-child"); !strings.Contains(links["acme-child"], "return_to=%2Fy") {
		t.Errorf("after the logout: %s", links["acme-child"])
	}
}
