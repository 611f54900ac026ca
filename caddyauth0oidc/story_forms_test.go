package caddyauth0oidc

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// formSettings are those of a site that keeps forms.
const formSettings = "preserve_post 8KiB"

// formHeader is what browsers send with a form of a page of the same site.
func formHeader(changes ...string) map[string]string {
	header := map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html", "Origin": "https://app.example.test",
		"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin",
	}
	for i := 0; i < len(changes); i += 2 {
		if header[changes[i]] = changes[i+1]; changes[i+1] == "" {
			delete(header, changes[i])
		}
	}
	return header
}

// post sends a body as it is, and follows nothing.
func (w *world) post(b *heldBrowser, path string, body io.Reader, header map[string]string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest("POST", w.base+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := b.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		w.t.Fatal(err)
	}
	return response, string(text)
}

// postThenSignIn sends a form without a session and completes the login.
func (w *world) postThenSignIn(b *heldBrowser, path, body string, header map[string]string) *auth0sim.Page {
	w.t.Helper()
	response, text := w.post(b, path, strings.NewReader(body), header)
	if response.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("a form without a session got %d:\n%s", response.StatusCode, text)
	}
	page, err := b.Get(response.Header.Get("Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.finishLogin(b, page)
}

// finishLogin completes the child's login page, if the browser came to one.
func (w *world) finishLogin(b *heldBrowser, page *auth0sim.Page) *auth0sim.Page {
	w.t.Helper()
	if !strings.HasPrefix(page.URL.String(), w.pair.Child.Issuer()) {
		return page
	}
	page, err := b.Login(page, w.pair.User.Email, auth0sim.PairPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// servePage makes the application answer GET with the page and POST with a word.
func (w *world) servePage(page string) {
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			rw.Header().Set("Content-Type", "text/html")
			fmt.Fprint(rw, page)
			return
		}
		fmt.Fprint(rw, "saved")
	}
}

// assertPosted wants exactly one POST among what reached the application.
func (w *world) assertPosted(uri, body string) {
	w.t.Helper()
	posts := 0
	for _, r := range w.app.take() {
		if r.method != http.MethodPost {
			continue
		}
		posts++
		if r.uri != uri || r.header.Get("X-Auth0-User-Id") != w.pair.MasterUserID(w.pair.User) {
			w.t.Errorf("the application got %s of %q, want %s", r.uri, r.header.Get("X-Auth0-User-Id"), uri)
		}
		if kind := r.header.Get("Content-Type"); kind != "application/x-www-form-urlencoded" {
			w.t.Errorf("Content-Type is %q", kind)
		}
		if r.header.Get("Cookie") != "" {
			w.t.Errorf("INV-02: the application got cookies")
		}
		sameForm(w.t, r.body, body)
	}
	if posts != 1 {
		w.t.Errorf("%d forms reached the application, want 1", posts)
	}
}

// formCookies counts the cookies of a kept form in the browser.
func (w *world) formCookies(b *heldBrowser) (n int) {
	for _, c := range b.Cookies(w.base) {
		if strings.HasPrefix(c.Name, "__Host-auth0_txn_form") {
			n++
		}
	}
	return n
}

// assertFormLost wants the page that says so, and nothing sent or opened instead.
func (w *world) assertFormLost(page *auth0sim.Page) {
	w.t.Helper()
	if page.Status != http.StatusGone || !strings.Contains(page.Body, codeFormLost) || !strings.Contains(page.Body, `href="/"`) {
		w.t.Errorf("ended at %d %s:\n%s", page.Status, page.URL, page.Body)
	}
	for _, r := range w.app.take() {
		w.t.Errorf("the application got %s %s", r.method, r.uri)
	}
}

const editPage = `<form method="post" action="/save?id=7"><textarea name="text"></textarea>
<input type="hidden" name="tag" value="a"><input type="hidden" name="tag" value="b"><button>Save</button></form>`

// The main job: whoever writes longer than the session lasts loses nothing.
func TestFormSentAfterTheSessionEndedArrivesWhole(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withStrategy(strategy), withSettings(formSettings))
			w.servePage(editPage)
			b := w.browser()
			edit := w.signIn(b, "/edit", w.pair.User)
			w.clock.advance(25 * time.Hour)
			text := "eins\nzwei & drei=3 + 4\n\n\"><script>ü 😀" + strings.Repeat(" und so weiter", 300)
			page, err := edit.Submit(map[string]string{"text": text})
			if err != nil {
				t.Fatal(err)
			}
			page = w.finishLogin(b, page)
			if page.Body != "saved" || page.URL.String() != w.base+"/save?id=7" {
				t.Fatalf("ended at %d %s:\n%s", page.Status, page.URL, page.Body)
			}
			w.assertPosted("/save?id=7", "text="+url.QueryEscape(strings.ReplaceAll(text, "\n", "\r\n"))+"&tag=a&tag=b")
			if n := w.formCookies(b); n != 0 {
				t.Errorf("%d cookies of the form are left", n)
			}
		})
	}
}

// evilForm is a page of another site with a form for this one.
func (w *world) evilForm(path, value string) {
	w.network.Handle("evil.test", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, `<form method="post" action="%s%s"><input type="hidden" name="to" value="%s"></form>`, w.base, path, value)
	}))
}

// submitEvil opens that page and sends its form.
func (w *world) submitEvil(b *heldBrowser) *auth0sim.Page {
	w.t.Helper()
	evil, err := b.Get("https://evil.test/")
	if err != nil {
		w.t.Fatal(err)
	}
	page, err := evil.Submit(nil) // Lax cookies stay behind, so it comes without a live session
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// Another site's form waits for the click, and may be left unsent. Until then nothing
// is set or begun.
func TestCVE_MAO_10_FormOfAnotherSiteIsNotSentWithoutAClick(t *testing.T) {
	t.Parallel()
	for _, signedIn := range []bool{true, false} {
		w := newWorld(t, withSettings(formSettings))
		w.servePage("")
		w.evilForm("/transfer", "mallory")
		b := w.browser()
		if signedIn {
			w.signIn(b, "/home", w.pair.User)
			w.app.take()
		}
		page := w.submitEvil(b)
		policy := page.Header.Get("Content-Security-Policy")
		if page.Status != http.StatusOK || page.URL.String() != w.base+"/transfer" || strings.Contains(page.Body, "<script") || strings.Contains(policy, "script-src") || !strings.Contains(policy, "default-src 'none'") {
			t.Fatalf("the page is %d with %q:\n%s", page.Status, policy, page.Body)
		}
		if page.Header.Get("Set-Cookie") != "" || page.Header.Get("Referrer-Policy") != "strict-origin" || page.Header.Get("Cache-Control") != uncached {
			t.Errorf("the page's header is %q", page.Header)
		}
		if len(w.app.take()) != 0 {
			t.Fatal("the form reached the application without a click")
		}
		if visible, _, _ := strings.Cut(page.Body, "<form"); !strings.Contains(visible, "/transfer") || !strings.Contains(visible, "one field") || strings.Contains(visible, "mallory") {
			t.Errorf("the page says: %s", visible)
		}
		if !strings.Contains(page.Body, `href="/">Do not send it`) {
			t.Error("the page has no way to leave without sending")
		}
		page, err := page.Press("Send the form")
		if err != nil {
			t.Fatal(err)
		}
		w.finishLogin(b, page)
		w.assertPosted("/transfer", "to=mallory")
	}
}

// Whoever has signed out is not signed in again by a form of another site.
func TestFormOfAnotherSiteKeepsTheUserSignedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	w.evilForm("/transfer", "mallory")
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	w.app.take()
	page, err := w.submitEvil(b).Press("Send the form")
	if err != nil {
		t.Fatal(err)
	}
	if page.Status != 401 || !strings.Contains(page.Body, codeFormNotKept) || len(w.app.take()) != 0 {
		t.Errorf("ended at %d %s:\n%s", page.Status, page.URL, page.Body)
	}
}

// Without Sec-Fetch headers the Origin decides, and with them it must not say otherwise.
// Where the answer to the question could not be told from the form, there is none.
func TestWhoseFormsAreSentWithoutAsking(t *testing.T) {
	t.Parallel()
	const own, asked, refused = "Location", "Send this form?", codeFormNotKept
	old := func(origin string) map[string]string {
		return formHeader("Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "Origin", origin)
	}
	const ours, evil = "https://app.example.test", "https://evil.test"
	for name, tc := range map[string]struct {
		header map[string]string
		want   string
	}{
		"same origin":                   {formHeader(), own},
		"same origin, no Origin":        {formHeader("Origin", ""), own},
		"same site":                     {formHeader("Sec-Fetch-Site", "same-site", "Origin", "https://other.example.test"), asked},
		"cross site":                    {formHeader("Sec-Fetch-Site", "cross-site", "Origin", evil), asked},
		"cross site, no Origin":         {formHeader("Sec-Fetch-Site", "cross-site", "Origin", ""), asked},
		"cross site, Origin of ours":    {formHeader("Sec-Fetch-Site", "cross-site"), asked},
		"reloaded":                      {formHeader("Sec-Fetch-Site", "none"), asked},
		"reloaded by a script":          {formHeader("Origin", "null"), asked},
		"another name of this site":     {formHeader("Origin", "https://alias.example.test"), refused},
		"old browser":                   {old(ours), own},
		"old browser, another site":     {old(evil), asked},
		"old browser, another port":     {old(ours + ":8443"), asked},
		"old browser, a sandboxed page": {old("null"), asked},
		"old browser that does not say": {old(""), refused},
		"sandboxed page":                {formHeader("Sec-Fetch-Site", "cross-site", "Origin", "null"), asked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(formSettings))
			response, body := w.post(w.browser(), "/x", strings.NewReader("a=1"), tc.header)
			got := body
			if response.StatusCode == http.StatusSeeOther {
				got = own
			}
			if !strings.Contains(got, tc.want) || (response.Header.Get("Set-Cookie") == "") == (tc.want == own) {
				t.Errorf("%d with %q, want %q:\n%s", response.StatusCode, response.Header, tc.want, body)
			}
		})
	}
}

// The login that was meant came too late, but another tab's session is there.
func TestFormOfALateCallbackIsShownBesideAnotherTabsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	held := w.heldForm(b, "/save", "a=1")
	for range 6 { // tabs that push the login out
		w.clock.advance(time.Second)
		w.step(b, w.base+"/tab")
	}
	w.openSignedIn(b, "/other")
	w.app.take()
	page, err := b.Get(held)
	if err != nil || !strings.Contains(page.Body, "Send this form?") || strings.Contains(page.Body, "<script") {
		t.Fatalf("%v, ended at %s:\n%s", err, page.URL, page.Body)
	}
	if _, err := page.Press("Send the form"); err != nil {
		t.Fatal(err)
	}
	w.assertPosted("/save", "a=1")
	again, err := b.Get(held)
	if err != nil {
		t.Fatal(err)
	}
	w.assertFormLost(again)
}

// openSignedIn opens a page with or without a login page on the way.
func (w *world) openSignedIn(b *heldBrowser, path string) *auth0sim.Page {
	w.t.Helper()
	return w.finishLogin(b, w.open(b, path))
}

// A login that came to nothing is followed by another, which takes the form along.
func TestFormGoesAlongWithTheNextLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	held := w.heldForm(b, "/save", "a=1")
	w.loseLogins(b)
	page, err := b.Get(held)
	if err != nil || !strings.Contains(page.Body, "Send this form?") {
		t.Fatalf("%v, ended at %s:\n%s", err, page.URL, page.Body)
	}
	if _, err := page.Press("Send the form"); err != nil {
		t.Fatal(err)
	}
	w.assertPosted("/save", "a=1")
}

func TestFormWithoutFieldsAndFormWithAThousand(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("&f=1", 1000)[1:]
	for name, body := range map[string]string{
		"empty": "", "a thousand": many, "names of scripts": "__proto__=1&submit=2&action=3&method=4&forms=5&%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E=6",
		"no equals sign": "a&b=", "of the encoding": "_charset_=UTF-8&a=%C3%A4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(formSettings))
			w.postThenSignIn(w.browser(), "/save", body, formHeader())
			if name == "empty" {
				if all := w.app.take(); len(all) != 1 || all[0].method != "POST" || all[0].body != "" {
					t.Errorf("the application got %d requests", len(all))
				}
				return
			}
			w.assertPosted("/save", body)
		})
	}
}

func TestNewerFormTakesThePlaceOfAnOlderOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	older, _ := w.post(b, "/older", strings.NewReader("a="+strings.Repeat(opaqueText(10), 500)+opaqueText(3_000)), formHeader())
	w.postThenSignIn(b, "/newer", "b=2", formHeader())
	w.assertPosted("/newer", "b=2")
	page, err := b.Get(older.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	w.assertFormLost(page)
}

// A client that waits with its body is not asked for one that is not kept.
func TestHDR_32_BodyIsReadOnlyIfItCanBeKept(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		settings string
		header   map[string]string
		length   int64
		reads    bool
		status   int
	}{
		"kept":             {formSettings, formHeader("Expect", "100-continue"), 3, true, 303},
		"off":              {"", formHeader("Expect", "100-continue"), 3, false, 401},
		"too large":        {formSettings, formHeader("Expect", "100-continue"), 8<<10 + 1, false, 401},
		"another type":     {formSettings, formHeader("Expect", "100-continue", "Content-Type", "text/plain"), 3, false, 401},
		"a script's":       {formSettings, formHeader("Expect", "100-continue", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"), 3, false, 401},
		"without a length": {formSettings, formHeader(), -1, true, 303},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(tc.settings))
			body := &watchedBody{Reader: strings.NewReader("a=1")}
			r := httptest.NewRequest("POST", w.base+"/save", body)
			r.ContentLength = tc.length
			for name, value := range tc.header {
				r.Header.Set(name, value)
			}
			recorder := httptest.NewRecorder()
			w.server.ServeHTTP(recorder, r)
			if recorder.Code != tc.status || body.read != tc.reads {
				t.Errorf("status %d, read %t; want %d, %t", recorder.Code, body.read, tc.status, tc.reads)
			}
		})
	}
}

type watchedBody struct {
	*strings.Reader
	read bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.read = true
	return b.Reader.Read(p)
}
