package caddyauth0oidc

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// tenantForm is what a browser sends with the form of the tenant's page.
func tenantForm(w *world, changes ...string) map[string]string {
	return formHeader(append([]string{"Origin", strings.TrimSuffix(w.pair.Master.Issuer(), "/"), "Sec-Fetch-Site", "cross-site"}, changes...)...)
}

// Whatever is posted to the callback is answered with a page, redeems nothing, and shows
// nothing of it to error routes, logs or the application.
func TestRP_FRM_CallbackRefusesWhatNoTenantPosts(t *testing.T) {
	t.Parallel()
	for name, errorRoutes := range map[string]string{
		"own pages":    "",
		"error routes": "\nhandle_errors {\nheader X-Body \"{http.request.body}|{http.request.body_base64}\"\nreverse_proxy UPSTREAM\n}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\n"+formPost+"\n}\nreverse_proxy UPSTREAM"+errorRoutes))
			b := w.browser()
			state := w.answerTo(b, "/page").parameters(t).Get("state")
			good := "state=" + url.QueryEscape(state)
			for id, test := range map[string]struct {
				path, body string
				header     map[string]string
			}{
				"nothing":                        {"", "", nil},
				"CVE-MAO-18 two codes":           {"", good + "&code=SECRETCODE&code=SECRETCODE2", nil},
				"CVE-MAO-18 two states":          {"", good + "&code=SECRETCODE&" + good, nil},
				"code and error":                 {"", good + "&code=SECRETCODE&error=access_denied", nil},
				"OIDC-03 state alone":            {"", good, nil},
				"BCP-06 tokens":                  {"", good + "&id_token=SECRETCODE&access_token=SECRETCODE", nil},
				"unknown state":                  {"", "state=x&code=SECRETCODE", nil},
				"state in the address":           {"?" + good, "code=SECRETCODE", nil},
				"all in the address":             {"?" + good + "&code=SECRETCODE", "", nil},
				"JSON":                           {"", `{"code":"SECRETCODE"}`, map[string]string{"Content-Type": "application/json"}},
				"multipart":                      {"", good + "&code=SECRETCODE", map[string]string{"Content-Type": "multipart/form-data; boundary=x"}},
				"no type":                        {"", good + "&code=SECRETCODE", map[string]string{"Content-Type": ""}},
				"another encoding":               {"", good + "&code=SECRETCODE", map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"}},
				"compressed":                     {"", good + "&code=SECRETCODE", map[string]string{"Content-Encoding": "gzip"}},
				"DOS-07 long":                    {"", good + "&code=SECRETCODE&x=" + strings.Repeat("x", 9000), nil},
				"long, and a good part in front": {"", good + "&code=SECRETCODE" + strings.Repeat("&", 9000), nil},
				"unreadable":                     {"", good + "&code=%zzSECRETCODE", nil},
				"code that is too long":          {"", good + "&code=SECRETCODE" + strings.Repeat("x", maxCode), nil},
			} {
				header := tenantForm(w)
				for name, value := range test.header {
					if header[name] = value; value == "" {
						delete(header, name)
					}
				}
				response, body := w.post(b, "/auth/callback"+test.path, strings.NewReader(test.body), header)
				if response.StatusCode != http.StatusBadRequest || !strings.Contains(response.Header.Get("Cache-Control"), "no-store") {
					if errorRoutes == "" {
						t.Errorf("%s: %d %v", id, response.StatusCode, response.Header)
					}
				}
				if strings.Contains(body, "SECRETCODE") || strings.Contains(response.Header.Get("X-Body"), "SECRET") {
					t.Errorf("%s: the answer shows the code: %q %s", id, response.Header.Get("X-Body"), body)
				}
			}
			for _, r := range w.app.take() {
				if strings.Contains(r.uri+r.body, "SECRETCODE") || strings.Contains(r.uri, "state") || r.body != "" || r.header.Get("Content-Type") != "" {
					t.Errorf("INV-03: an error route's upstream got %+v", r)
				}
			}
			if w.pair.Master.Calls("/oauth/token") != 0 || strings.Contains(w.logs(), "SECRETCODE") {
				t.Error("INV-04: a code was sent to the tenant, or stands in the log")
			}
		})
	}
}

// Where answers are in the address POST is no method of the callback, and where they are
// posted a code in the address is no answer.
func TestAnswersInTheOtherModeAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nhandle_errors {\nreverse_proxy UPSTREAM\n}"))
	b := w.browser()
	a := w.answerTo(b, "/page")
	response, _ := w.post(b, "/auth/callback", strings.NewReader(a.parameters(t).Encode()), tenantForm(w))
	if response.Header.Get("Allow") != "GET" || w.pair.Master.Calls("/oauth/token") != 0 {
		t.Errorf("a form in the mode query: %d, Allow %q", response.StatusCode, response.Header.Get("Allow"))
	}
	if seen := w.app.take(); len(seen) != 1 || seen[0].body != "" || seen[0].header.Get("Content-Type") != "" {
		t.Errorf("INV-03: the error route's upstream got %+v", seen)
	}
	w = newWorld(t, withSettings(formPost))
	b = w.browser()
	a = w.answerTo(b, "/page")
	for _, who := range []*heldBrowser{b, w.browser()} {
		page := w.step(who, a.address+"?"+a.form)
		if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeResponseMode) || w.pair.Master.Calls("/oauth/token") != 0 {
			t.Errorf("a code in the address: %d %s", page.Status, page.Body)
		}
		assertSafePage(t, page)
	}
	if page := w.deliver(b, a); page.Status != http.StatusOK {
		t.Errorf("the answer itself is refused afterwards: %d", page.Status)
	}
	for _, method := range []string{"PUT", "HEAD", "DELETE"} {
		if response, _ := w.send(b, method, "/auth/callback", nil); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: %d, Allow %q", method, response.StatusCode, response.Header.Get("Allow"))
		}
	}
}

// A login that was begun before the mode changed ends as it was begun, for its own browser
// alone: to everybody else POST is no method of the callback.
func TestLoginsArePendingWhileTheModeChanges(t *testing.T) {
	t.Parallel()
	for _, before := range []string{modeQuery, modeFormPost} {
		secret := "\nsecret \"" + newSecret + "\""
		w := newWorld(t, withSettings("response_mode "+before+secret))
		b, other := w.browser(), w.browser()
		a, late := w.answerTo(b, "/page?q=1"), w.answerTo(other, "/late")
		w.load(worldSetup{base: w.base, settings: "response_mode " + otherMode(before) + secret})
		if before == modeFormPost {
			w.wantNoPost(w.browser(), a)
			w.clock.advance(session.TransactionLifetime + time.Second)
			w.wantNoPost(other, late)
			w.clock.advance(-session.TransactionLifetime - time.Second)
		}
		if page := w.deliver(b, a); page.Status != http.StatusOK || page.URL.String() != w.base+"/page?q=1" {
			t.Errorf("%s: ended at %d %s\n%s", before, page.Status, page.URL, page.Body)
		}
		if before == modeFormPost {
			w.wantNoPost(b, a)
		}
		if n := len(w.pendingLogins(b)); n != 0 || w.pair.Master.Calls("/oauth/token") != 1 {
			t.Errorf("%s: %d logins are pending after %d exchanges", before, n, w.pair.Master.Calls("/oauth/token"))
		}
	}
}

// wantNoPost wants an answer to be refused for its method.
func (w *world) wantNoPost(b *heldBrowser, a tenantAnswer) {
	w.t.Helper()
	response, _ := w.post(b, "/auth/callback", strings.NewReader(a.form), tenantForm(w))
	if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET" || len(response.Header.Values("Set-Cookie")) != 0 {
		w.t.Errorf("a form gets %d %v", response.StatusCode, response.Header)
	}
}

// Where an answer is refused, the way on is not the address that the login's form was sent to.
func TestRefusedAnswerDoesNotLeadToTheAddressOfAForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formPost+"\n"+formSettings))
	b := w.browser()
	response, _ := w.post(b, "/delete?id=7", strings.NewReader("a=1"), formHeader())
	page, err := b.Get(response.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	b.gate.closed = true
	if _, err = b.Login(page, w.pair.User.Email, auth0sim.PairPassword); err != nil {
		t.Fatal(err)
	}
	b.gate.closed = false
	a := tenantAnswer{b.gate.held, b.gate.form}
	tooLong := a.parameters(t)
	tooLong.Set("code", strings.Repeat("x", maxCode+1))
	for name, page := range map[string]*auth0sim.Page{
		codeResponseMode: w.step(b, a.address+"?"+a.form), codeBadRequest: w.deliver(b, a.with(tooLong)),
	} {
		if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, name) || !strings.Contains(page.Body, `href="/">Try again`) || strings.Contains(page.Body, "/delete") {
			t.Errorf("%s: %d\n%s", name, page.Status, page.Body)
		}
	}
}

// A GET with nothing but the state redeems nothing and leaves the pending login alone.
func TestStateAloneLeavesThePendingLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formPost))
	b := w.browser()
	a := w.answerTo(b, "/page")
	page := w.step(b, a.address+"?state="+url.QueryEscape(a.parameters(t).Get("state")))
	if !strings.HasPrefix(page.Location(), w.pair.Master.Issuer()+"authorize?") || w.pair.Master.Calls("/oauth/token") != 0 {
		t.Errorf("%d %s", page.Status, page.Location())
	}
	if page := w.deliver(b, a); page.Status != http.StatusOK || w.pair.Master.Calls("/oauth/token") != 1 {
		t.Errorf("the answer got %d", page.Status)
	}
}

// DOS: pending logins with and without answers stay below 4 KB together, codes of 2 KB
// included.
func TestPendingLoginsWithAnswersStayBelowTheirLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formPost))
	b := w.browser()
	var states []string
	for i := range 6 {
		states = append(states, w.answerTo(b, "/tab/"+string(rune('a'+i))).parameters(t).Get("state"))
	}
	opaque := opaqueText(maxCode)
	printable := strings.Repeat(`!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`, 70)[:maxCode]
	for i, code := range []string{"short", opaque[:1000], opaque, printable, opaque[:500], opaque} {
		form := url.Values{"state": {states[i]}, "code": {code}, "iss": {w.pair.Master.Issuer()}}
		response, body := w.post(b, "/auth/callback", strings.NewReader(form.Encode()), tenantForm(w))
		if response.StatusCode != http.StatusSeeOther {
			t.Fatalf("a code of %d bytes: %d %s", len(code), response.StatusCode, body)
		}
		size := 0
		for _, c := range w.pendingLogins(b) {
			size += len(c.Name) + len(c.Value)
		}
		if n := len(w.pendingLogins(b)); size >= 4096 || n > session.MaxTransactions || n == 0 {
			t.Errorf("%d pending logins have %d bytes", n, size)
		}
	}
}

// Without https a form of another site would come without the cookie of its login.
func TestPostedAnswersNeedHTTPS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"), withSettings(formPost))
	page := w.open(w.browser(), "/page?a=1&b=2")
	if link := linkOf(t, page.Body, "Open it with https"); link != "https://app.example.test/page?a=1&b=2" {
		t.Errorf("the page leads to %s", link)
	}
	if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeHTTPSRequired) || len(page.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	assertSafePage(t, page)
	if page := w.step(w.browser(), w.base+"/auth/login"); page.Status != http.StatusForbidden {
		t.Errorf("the login route: %d", page.Status)
	}
	forms := newWorld(t, atBase("http://app.example.test"), withSettings(formPost+"\n"+formSettings))
	response, body := forms.post(forms.browser(), "/delete?id=7", strings.NewReader("a=1"), formHeader("Origin", forms.base))
	if response.StatusCode != http.StatusForbidden || !strings.Contains(body, codeHTTPSRequired) || strings.Contains(body, "/delete") {
		t.Errorf("a form: %d %s", response.StatusCode, body)
	}
	elsewhere := newWorld(t, atBase("http://app.example.test:8080"), withSettings(formPost))
	if page := elsewhere.open(elsewhere.browser(), "/page"); !strings.Contains(page.Body, codeHTTPSRequired) || strings.Contains(page.Body, "<a ") {
		t.Errorf("which port has https is not known:\n%s", page.Body)
	}
	for _, base := range []string{"http://localhost:8080", "http://app.localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"} {
		w := newWorld(t, atBase(base), withSettings(formPost))
		page := w.signIn(w.browser(), "/page", w.pair.User)
		if page.Status != http.StatusOK || page.URL.String() != base+"/page" {
			t.Errorf("%s: ended at %d %s", base, page.Status, page.URL)
		}
		if response, _ := w.send(w.browser(), "POST", "/auth/callback", nil); response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: a posted answer got %d", base, response.StatusCode)
		}
	}
}

// Whatever a form holds, each parameter has one value, the one that the URL Standard's
// reading of the body has for it.
func FuzzPostedParameters(f *testing.F) {
	for _, seed := range []string{"state=a&code=b", "state=a&state=b", "code=%zz", "a;b=c", "&&=&", "code=+%2B", "\x00=\xff", "state"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		form := &sentForm{header: header, length: int64(len(body)), body: io.NopCloser(strings.NewReader(body))}
		got, err := form.parameters(httptest.NewRecorder(), time.Now())
		if err != nil {
			return
		}
		seen := make(map[string]int)
		for piece := range strings.SplitSeq(body, "&") {
			if piece == "" {
				continue
			}
			name, value, _ := strings.Cut(piece, "=")
			name, _ = url.QueryUnescape(name)
			value, _ = url.QueryUnescape(value)
			if seen[name]++; seen[name] > 1 || got[name] != value {
				t.Errorf("%q: %q is %q, want %q", body, name, got[name], value)
			}
		}
		if len(seen) != len(got) || len(body) > maxQuery {
			t.Errorf("%q: %d parameters, want %d", body, len(got), len(seen))
		}
	})
}
