package caddyauth0oidc

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// A form that cannot be kept gets the page that says so, and nothing begins.
func TestNAV_03_FormThatCannotBeKeptIsToldSo(t *testing.T) {
	t.Parallel()
	const multipart = "multipart/form-data; boundary=x"
	for name, tc := range map[string]struct {
		path, body string
		header     map[string]string
		code       string
	}{
		"a byte too long":  {"/x", "a=" + strings.Repeat("x", 8<<10-1), formHeader(), codeFormNotKept},
		"multipart":        {"/x", "--x--", formHeader("Content-Type", multipart), codeFormNotKept},
		"plain text":       {"/x", "a=b", formHeader("Content-Type", "text/plain"), codeFormNotKept},
		"no type":          {"/x", "a=b", formHeader("Content-Type", ""), codeFormNotKept},
		"a list of types":  {"/x", "a=b", formHeader("Content-Type", "application/x-www-form-urlencoded, text/plain"), codeFormNotKept},
		"another encoding": {"/x", "a=b", formHeader("Content-Type", "application/x-www-form-urlencoded; charset=iso-8859-1"), codeFormNotKept},
		"compressed":       {"/x", "a=b", formHeader("Content-Encoding", "gzip"), codeFormNotKept},
		"not UTF-8":        {"/x", "a=%FF", formHeader(), codeFormNotKept},
		"bad escape":       {"/x", "a=%", formHeader(), codeFormNotKept},
		"two slashes":      {"//evil.test/x", "a=b", formHeader(), codeFormNotKept},
		"backslash":        {"/%5Cevil.test", "a=b", formHeader(), codeFormNotKept},
		"dot segments":     {"/a/%2e%2e/b", "a=b", formHeader(), codeFormNotKept},
		"a script":         {"/x", "a=b", formHeader("Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"), codeLoginRequired},
		"a frame":          {"/x", "a=b", formHeader("Sec-Fetch-Dest", "iframe"), codeLoginRequired},
		"an old script":    {"/x", "a=b", formHeader("Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "X-Requested-With", "XMLHttpRequest"), codeLoginRequired},
		"a program":        {"/x", "a=b", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, codeLoginRequired},
		"our logout's":     {"/auth/logout", "a=b", formHeader("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"), codeCrossSite},
		"our callback's":   {"/auth/callback", "a=b", formHeader(), codeMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(formSettings))
			response, body := w.post(w.browser(), tc.path, strings.NewReader(tc.body), tc.header)
			if !strings.Contains(body, tc.code) || response.StatusCode < 400 || response.StatusCode > 405 {
				t.Errorf("status %d, want the code %s:\n%s", response.StatusCode, tc.code, body)
			}
			if response.Header.Get("Location") != "" || len(response.Header.Values("Set-Cookie")) != 0 || len(w.app.take()) != 0 {
				t.Errorf("INV-01: something began: %q", response.Header)
			}
			if !strings.Contains(response.Header.Get("Cache-Control"), "no-store") {
				t.Error("INV-05: the answer may be stored")
			}
		})
	}
}

func TestFormsAreKeptOnlyWhereALoginWouldBegin(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]int{
		"": 401, formSettings: 303, formSettings + "\nunauthenticated redirect": 303, formSettings + "\nunauthenticated 401": 401, formSettings + "\nunauthenticated pass": 200,
	} {
		w := newWorld(t, withSettings(settings))
		if response, _ := w.post(w.browser(), "/x", strings.NewReader("a=b"), formHeader()); response.StatusCode != want {
			t.Errorf("%q: status %d, want %d", settings, response.StatusCode, want)
		}
	}
}

// Whoever has just signed out is not signed in again by a form.
func TestFormAfterALogoutIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.post(b, "/save", strings.NewReader("a=b"), formHeader())
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	if response, body := w.post(b, "/save", strings.NewReader("a=b"), formHeader()); response.StatusCode != 401 || !strings.Contains(body, codeFormNotKept) {
		t.Errorf("status %d:\n%s", response.StatusCode, body)
	}
	if response, _ := w.post(b, "/save", strings.NewReader("a=b"), formHeader()); response.StatusCode != 303 {
		t.Errorf("sent again: status %d", response.StatusCode)
	}
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	if n := w.formCookies(b); n != 0 {
		t.Errorf("%d cookies of a form after the logout", n)
	}
}

// Its cookies say nothing of the form, go no further than to us, and are of this browser
// and this login.
func TestCK_04_TamperedOrForeignFormIsNeverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	other := newWorld(t, withSettings(formSettings))
	const name = "__Host-auth0_txn_form"
	valueOf := func(w *world) string {
		b := w.browser()
		w.post(b, "/theirs", strings.NewReader("a=theirs"), formHeader())
		for _, c := range b.Cookies(w.base) {
			if c.Name == name {
				return c.Value
			}
		}
		t.Fatal("no form was kept")
		return ""
	}
	for what, value := range map[string]string{
		"another login": valueOf(w), "another tenant": valueOf(other), "tampered": valueOf(w)[:100] + "A" + valueOf(w)[101:],
		"junk": "x", "empty": "", "too many chunks": "abcd.9.x", "none": "abcd.0.x",
	} {
		b := w.browser()
		response, _ := w.post(b, "/save", strings.NewReader("a=mine"), formHeader())
		b.SetCookie(w.base, &http.Cookie{Name: name, Value: value, Path: "/", Secure: true})
		page, err := b.Get(response.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		page = w.finishLogin(b, page)
		t.Log(what)
		w.assertFormLost(page)
	}
}

func TestDOS_07_FloodOfCookiesIsNoForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	var flood strings.Builder
	for range 3_000 {
		flood.WriteString("__Host-auth0_txn_form=abcd.8.x; __Host-auth0_txn_form.1=" + strings.Repeat("y", 40) + "; ")
	}
	response, _ := w.post(w.browser(), "/save", strings.NewReader("a=b"), formHeader("Cookie", flood.String()))
	if response.StatusCode != 401 && response.StatusCode != 303 {
		t.Errorf("status %d", response.StatusCode)
	}
	if n := len(response.Header.Values("Set-Cookie")); n > 10 {
		t.Errorf("%d cookies were set", n)
	}
}

// A server that accepts little of a header keeps no form that would lock the user out.
func TestCK_05_FormThatDoesNotFitTheServerIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings), withGlobal("servers {\nmax_header_size 12KiB\n}"))
	for body, want := range map[string]int{"a=b": 303, "a=" + opaqueText(6_000): 401} {
		response, _ := w.post(w.browser(), "/save", strings.NewReader(body), formHeader())
		if response.StatusCode != want {
			t.Errorf("%d bytes: status %d, want %d", len(body), response.StatusCode, want)
		}
		if set := len(response.Header.Values("Set-Cookie")); (set != 0) != (want == 303) {
			t.Errorf("%d bytes: %d cookies were set", len(body), set)
		}
	}
}

// Forms of another site come without the browser's cookies, and so nobody could count
// what their answers add to them.
func TestCK_05_FormsOfAnotherSiteDoNotFillTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	w.evilForm("/transfer", opaqueText(3_000))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	before := len(b.Cookies(w.base))
	for range 20 {
		w.submitEvil(b)
	}
	if after := len(b.Cookies(w.base)); after != before {
		t.Errorf("%d cookies, %d before", after, before)
	}
}

// The site's error routes get the body of a form that was read and not kept.
func TestErrorRoutesGetTheFormThatIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings), withSite("auth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM\nhandle_errors {\nrewrite * /oops\nreverse_proxy UPSTREAM\n}"))
	for _, body := range []string{"a=%FF", "a=" + strings.Repeat("x", 9_000)} {
		w.post(w.browser(), "/save", strings.NewReader(body), formHeader())
		if got := w.app.take(); len(got) != 1 || got[0].uri != "/oops" || got[0].body != body {
			t.Errorf("%d bytes: the application got %d requests: %.200v", len(body), len(got), got)
		}
	}
}

// Where a sibling host can plant cookies, and with them a form and its login, no form is
// sent without a click.
func TestFormThatMayBePlantedIsNotSentWithoutAClick(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]worldOption{
		"cookies of a domain": {withSettings(formSettings + "\nsession {\ncookie {\ndomain example.test\n}\n}")},
		"plain http":          {withSettings(formSettings), atBase("http://app.example.test")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options...)
			response, _ := w.post(w.browser(), "/transfer", strings.NewReader("to=mallory"), formHeader("Origin", w.base))
			victim := w.browser()
			w.signIn(victim, "/home", w.pair.User)
			w.app.take()
			for _, c := range response.Cookies() {
				victim.SetCookie(w.base, c)
			}
			page, err := victim.Get(response.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if page = w.finishLogin(victim, page); !strings.Contains(page.Body, "Send this form?") || strings.Contains(page.Body, "<script") || len(w.app.take()) != 0 {
				t.Errorf("ended at %d %s:\n%s", page.Status, page.URL, page.Body)
			}
		})
	}
}

// A login that is refused takes its form along, one of another login stays.
func TestRefusedLoginDeletesItsForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	response, _ := w.post(b, "/save", strings.NewReader("a=b"), formHeader())
	state := response.Header.Get("Location")
	state = state[strings.Index(state, "state="):]
	state, _, _ = strings.Cut(state, "&")
	other := w.step(b, w.base+"/other").Location()
	other = other[strings.Index(other, "state="):]
	other, _, _ = strings.Cut(other, "&")
	if page := w.step(b, w.base+"/auth/callback?error=access_denied&"+other); page.Status != 403 || w.formCookies(b) != 1 {
		t.Errorf("another login: status %d, %d cookies of the form", page.Status, w.formCookies(b))
	}
	if page := w.step(b, w.base+"/auth/callback?error=access_denied&"+state); page.Status != 403 || w.formCookies(b) != 0 {
		t.Errorf("its login: status %d, %d cookies of the form", page.Status, w.formCookies(b))
	}
}

// Neither log nor page shows what somebody wrote into a form.
func TestNothingOfAFormIsLoggedOrShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	const secret = "hunter2-correct-horse"
	shown := w.postThenSignIn(w.browser(), "/save", "password-field="+secret, formHeader()).Body
	_, asked := w.post(w.browser(), "/save", strings.NewReader("password-field="+secret), formHeader("Sec-Fetch-Site", "cross-site"))
	for _, page := range []string{shown, asked} {
		hidden := `<input type="hidden" name="password-field" value="` + secret + `">`
		if rest := strings.ReplaceAll(page, hidden, ""); strings.Contains(rest, secret) || strings.Contains(rest, "password-field") {
			t.Errorf("the page shows the form:\n%s", page)
		}
	}
	w.post(w.browser(), "/save", strings.NewReader("a=%ZZ"+secret), formHeader())
	w.post(w.browser(), "/save", strings.NewReader("a="+strings.Repeat(secret, 1_000)), formHeader())
	if logs := w.logs(); strings.Contains(logs, secret) || strings.Contains(logs, "password-field") {
		t.Error("the log has the form in it")
	}
	if !strings.Contains(w.logs(), codeFormNotKept) {
		t.Error("the log does not say why a form was not kept")
	}
}

// ASVS-02, CVE-MAO-10: the one script is allowed by its hash on the one page, and the
// application does not see the callback's address.
func TestASVS_02_PageThatSendsAFormAllowsNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	page := w.step(b, w.heldForm(b, "/save?x=%22%3E", "%22%3E%3Cscript%3E=%3C/form%3E"))
	script := "<script>" + pages.ResendScript + "</script>"
	if strings.Count(page.Body, "<script") != 1 || !strings.Contains(page.Body, script) || strings.Contains(page.Body, "<noscript") {
		t.Errorf("the page's scripts: %s", page.Body)
	}
	if len(page.Forms) != 1 || page.Forms[0].Action != "/save?x=%22%3E" || page.Forms[0].Fields.Get(`"><script>`) != "</form>" || len(page.Forms[0].Buttons) != 1 {
		t.Errorf("the page's forms: %+v", page.Forms)
	}
	policy := page.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'; ", "script-src " + pages.ResendHash + "; ", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy %q lacks %q", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src 'self'") {
		t.Errorf("the policy is %q", policy)
	}
	for name, want := range map[string]string{
		"Referrer-Policy": "strict-origin", "Cache-Control": uncached, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
	} {
		if got := page.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A browser that drops the session's cookie and nothing else must not send a form for
// ever.
func TestFormDoesNotGoInCircles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	b.gate.next = dropSession{b.gate.next}
	response, _ := w.post(b, "/save", strings.NewReader("a=b"), formHeader())
	page, err := b.Get(response.Header.Get("Location"))
	for range 5 {
		if err != nil {
			break
		}
		page = w.finishLogin(b, page)
		if strings.Contains(page.Body, codeLoop) {
			break
		}
		page, err = b.Get(page.URL.String())
	}
	if err != nil || page == nil || !strings.Contains(page.Body, codeLoop) || w.formCookies(b) != 0 {
		t.Errorf("%v; ended at %+v", err, page)
	}
	if len(w.app.take()) != 0 {
		t.Error("INV-01: the application was reached")
	}
}

type dropSession struct{ next http.RoundTripper }

func (d dropSession) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(r)
	if err == nil {
		lines := response.Header["Set-Cookie"]
		response.Header.Del("Set-Cookie")
		for _, line := range lines {
			if !strings.HasPrefix(line, "__Host-auth0_session") {
				response.Header.Add("Set-Cookie", line)
			}
		}
	}
	return response, err
}

// Another user signs in while the form of the one before waits: the browser still has
// the older session, and so the page asks.
func TestFormOfAnotherUserIsNotSentWithoutAClick(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	h := w.handler()
	before := new(session.Session)
	lines := []string{}
	for _, c := range b.Cookies(w.base) {
		lines = append(lines, c.Name+"="+c.Value)
	}
	if !h.keys.Load().ReadSession(before, lines, h.secureCookies.Session.Name) {
		t.Fatal("no session")
	}
	before.Profile.UserID = "auth0-oidc|acme-child|auth0|somebody-else"
	header := make(http.Header)
	if err := h.keys.Load().WriteSession(header, h.secureCookies.Session, before.Renewed(h.now().Add(-48*time.Hour)), time.Hour, nil, 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, c := range (&http.Response{Header: header}).Cookies() {
		b.SetCookie(w.base, c)
	}
	w.app.take()
	page := w.postThenSignIn(b, "/save", "a=b", formHeader())
	if !strings.Contains(page.Body, "Send this form?") || len(w.app.take()) != 0 {
		t.Errorf("ended at %d %s:\n%s", page.Status, page.URL, page.Body)
	}
}

// A body that does not come, or not whole, is waited for only so long and then not kept.
func TestCVE_CAD_18_SlowOrBrokenBodyIsNotKept(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body   io.Reader
		length int64
		status int
	}{
		"whole":                      {strings.NewReader("a=1"), 3, 303},
		"shorter than it said":       {strings.NewReader("a=1"), 4, 401},
		"cut off":                    {iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("a=1"))), 3, 401},
		"cut off, without a length":  {iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("a=1"))), -1, 401},
		"too long, without a length": {strings.NewReader("a=" + strings.Repeat("x", 8<<10)), -1, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(formSettings))
			r := httptest.NewRequest("POST", w.base+"/save", tc.body)
			r.ContentLength = tc.length
			for name, value := range formHeader() {
				r.Header.Set(name, value)
			}
			recorder := &patientRecorder{ResponseRecorder: httptest.NewRecorder()}
			w.server.ServeHTTP(recorder, r)
			if recorder.Code != tc.status || len(w.app.take()) != 0 {
				t.Errorf("status %d, want %d", recorder.Code, tc.status)
			}
			// Caddy has deadlines of its own, and those before and after ours.
			d, latest := recorder.deadlines, w.clock.Now().Add(formPatience)
			if len(d) < 2 || !d[0].Equal(latest) || !slices.ContainsFunc(d[1:], time.Time.IsZero) {
				t.Errorf("the deadlines of reading were %v", d)
			}
		})
	}
}

// patientRecorder remembers until when the body is waited for.
type patientRecorder struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (p *patientRecorder) SetReadDeadline(at time.Time) error {
	p.deadlines = append(p.deadlines, at)
	return nil
}
