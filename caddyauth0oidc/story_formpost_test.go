package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const formPost = "response_mode form_post"

// inBothModes runs a story with the answer in the address and in a form.
func inBothModes(t *testing.T, story func(t *testing.T, mode string)) {
	t.Helper()
	for _, mode := range []string{modeQuery, modeFormPost} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			story(t, "response_mode "+mode)
		})
	}
}

// tenantAnswer is an answer of the tenant on its way to the callback.
type tenantAnswer struct {
	address string
	form    string // empty where it is in the address
}

// answerTo signs in up to the callback, which gets nothing yet.
func (w *world) answerTo(b *heldBrowser, path string) tenantAnswer {
	w.t.Helper()
	address := w.callbackOf(b, path, w.pair.User)
	return tenantAnswer{address, b.gate.form}
}

// parameters are those of the answer, wherever they are.
func (a tenantAnswer) parameters(t *testing.T) url.Values {
	t.Helper()
	raw := a.form
	if raw == "" {
		_, raw, _ = strings.Cut(a.address, "?")
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// with gives the same answer with other parameters.
func (a tenantAnswer) with(values url.Values) tenantAnswer {
	if a.form != "" {
		return tenantAnswer{a.address, values.Encode()}
	}
	path, _, _ := strings.Cut(a.address, "?")
	return tenantAnswer{path + "?" + values.Encode(), ""}
}

// deliver brings an answer as the browser does, by way of the tenant's page.
func (w *world) deliver(b *heldBrowser, a tenantAnswer) *auth0sim.Page {
	w.t.Helper()
	if a.form == "" {
		page, err := b.Get(a.address)
		if err != nil {
			w.t.Fatal(err)
		}
		return page
	}
	form, err := url.ParseQuery(a.form)
	if err != nil {
		w.t.Fatal(err)
	}
	page, err := b.Post(w.pair.Master.Issuer()+"authorize", a.address, form)
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// pendingLogins are the cookies of pending logins.
func (w *world) pendingLogins(b *heldBrowser) (pending []*http.Cookie) {
	for _, c := range b.Cookies(w.base) {
		if suffix, ok := strings.CutPrefix(c.Name, "__Host-auth0_txn_"); ok && len(suffix) > 20 {
			pending = append(pending, c)
		}
	}
	return pending
}

// RP-FRM-01: the answer survives the cross-site POST, its cookie alone is SameSite=None,
// and the code is in no address, no log and no request of the application.
func TestRP_FRM_01_CK_01_LoginWithAPostedAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formPost))
	b := w.browser()
	page := w.open(b, "/reports?q=1")
	for _, line := range page.Hops[0].Header.Values("Set-Cookie") {
		if !strings.HasPrefix(line, "__Host-auth0_txn_") || !strings.Contains(line, "; Secure; SameSite=None") {
			t.Errorf("CK-01: %s", line)
		}
	}
	a := w.answerTo(b, "/reports?q=1")
	if a.form == "" || strings.Contains(a.address, "?") {
		t.Fatalf("the answer is not posted but %+v", a)
	}
	code := a.parameters(t).Get("code")
	page = w.deliver(b, a)
	if page.Status != http.StatusOK || page.URL.String() != w.base+"/reports?q=1" {
		t.Fatalf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
	}
	if posted := page.Hops[0]; posted.Status != http.StatusSeeOther || !strings.Contains(posted.Header.Get("Cache-Control"), "no-store") ||
		!strings.HasPrefix(posted.Header.Get("Location"), "/auth/callback?state=") {
		t.Errorf("the form is answered with %d %v", posted.Status, posted.Header)
	}
	for _, hop := range page.Hops {
		if strings.Contains(hop.URL.String(), code) || strings.Contains(hop.Header.Get("Location"), code) {
			t.Errorf("INV-04: the code is in the address of %s", hop.URL.Path)
		}
		for _, line := range hop.Header.Values("Set-Cookie") {
			if lax := strings.Contains(line, "SameSite=Lax"); lax == (len(w.txnSuffix(line)) > 20) {
				t.Errorf("CK-01: %s", line)
			}
		}
	}
	if strings.Contains(w.logs(), code) || len(w.pendingLogins(b)) != 1 {
		t.Errorf("the code is in the log, or %d logins are still pending", len(w.pendingLogins(b)))
	}
	for _, r := range w.app.take() {
		if strings.Contains(r.uri, code) || strings.Contains(r.body, code) || r.header.Get("Cookie") != "" {
			t.Errorf("INV-03: the application got %+v", r)
		}
	}
}

// txnSuffix is what follows the prefix of pending logins in the name of a cookie.
func (w *world) txnSuffix(line string) string {
	name, _, _ := strings.Cut(line, "=")
	suffix, _ := strings.CutPrefix(name, "__Host-auth0_txn_")
	if suffix == name {
		return ""
	}
	return suffix
}

// Tabs that are opened one after another and finished in any order end where each wanted
// to go.
func TestLSN_02_TabsInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		b := w.browser()
		var answers [8]tenantAnswer
		for i := range answers {
			answers[i] = w.answerTo(b, "/tab/"+string(rune('a'+i)))
		}
		if n := len(w.pendingLogins(b)); n > session.MaxTransactions {
			t.Errorf("CVE-OP-17: %d pending logins are kept", n)
		}
		for _, i := range []int{3, 7, 0, 5, 1, 2, 6, 4} {
			page := w.deliver(b, answers[i])
			if want := w.base + "/tab/" + string(rune('a'+i)); page.Status != http.StatusOK || page.URL.String() != want {
				t.Errorf("tab %d ended at %d %s, want %s", i, page.Status, page.URL, want)
			}
		}
	})
}

// A callback that comes twice, or late, leads to the page and costs one exchange.
func TestLSN_02_DoubleAndLateCallbacksInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		b := w.browser()
		a := w.answerTo(b, "/page")
		for range 3 {
			if page := w.deliver(b, a); page.Status != http.StatusOK || page.URL.String() != w.base+"/page" {
				t.Errorf("ended at %d %s", page.Status, page.URL)
			}
		}
		if calls := w.pair.Master.Calls("/oauth/token"); calls != 1 {
			t.Errorf("%d code exchanges", calls)
		}
		late := w.answerTo(w.browser(), "/late")
		w.clock.advance(session.TransactionLifetime + time.Minute)
		page := w.deliver(b, late)
		if page.Status != http.StatusOK || page.URL.String() != w.base+"/late" {
			t.Errorf("a late callback of a signed-in user ends at %d %s", page.Status, page.URL)
		}
		if calls := w.pair.Master.Calls("/oauth/token"); calls != 1 {
			t.Errorf("a late callback was redeemed: %d code exchanges", calls)
		}
	})
}

// CVE-OP-01: the answer of somebody else's login signs nobody in.
func TestCVE_OP_01_ForeignAnswerInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		a := w.answerTo(w.browser(), "/page")
		victim := w.browser()
		page := w.deliver(victim, a)
		if calls := w.pair.Master.Calls("/oauth/token"); calls != 0 || sessionCookie(w, victim) != "" {
			t.Errorf("%d code exchanges, session %q", calls, sessionCookie(w, victim))
		}
		if !strings.HasPrefix(page.URL.String(), w.pair.Child.Issuer()) {
			t.Errorf("the victim is not led to a login of its own but to %s", page.URL)
		}
	})
}

// RP-FRM-15: an error that is posted ends on the error page, and its login is over.
func TestRP_FRM_15_ErrorInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		b := w.browser()
		page, err := w.open(b, "/page").Submit(map[string]string{"action": "cancel"})
		if err != nil {
			t.Fatal(err)
		}
		if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeLoginDenied) {
			t.Errorf("%d %s", page.Status, page.Body)
		}
		if pending := w.pendingLogins(b); len(pending) != 0 || sessionCookie(w, b) != "" || w.pair.Master.Calls("/oauth/token") != 0 {
			t.Errorf("%d logins are pending, and the session is %q", len(pending), sessionCookie(w, b))
		}
		assertSafePage(t, page)
		w.pair.Master.DenyLogin = "<b>Not you</b>"
		if page = w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusForbidden || strings.Contains(page.Body, "Not you") {
			t.Errorf("%d %s", page.Status, page.Body)
		}
	})
}

// RP-FAPI-06, RP-FAPI-07, ISS-01 to ISS-06: iss is compared to the byte, with errors too,
// and before any token request.
func TestRP_FAPI_06_RP_FAPI_07_ISS_04_ISS_05_ISS_06_IssuerParameterInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		w.pair.Master.IssParameter = true
		issuer := w.pair.Master.Issuer()
		for id, iss := range map[string][]string{
			"ISS-01 absent": nil, "ISS-02 without the slash": {strings.TrimSuffix(issuer, "/")}, "ISS-02 another case": {strings.ToUpper(issuer)},
			"ISS-05 twice": {issuer, issuer}, "empty": {""}, "too long": {issuer + strings.Repeat("x", 600)},
		} {
			for _, failed := range []bool{false, true} {
				b := w.browser()
				a := w.answerTo(b, "/page")
				values := a.parameters(t)
				if values["iss"] = iss; failed {
					values.Del("code")
					values.Set("error", "access_denied")
				}
				page := w.deliver(b, a.with(values))
				if page.Status != http.StatusBadRequest || sessionCookie(w, b) != "" || strings.Contains(page.Body, codeLoginDenied) {
					t.Errorf("%s, error %t: %d %s", id, failed, page.Status, page.Body)
				}
			}
		}
		if calls := w.pair.Master.Calls("/oauth/token"); calls != 0 {
			t.Errorf("ISS-06: %d token requests", calls)
		}
		if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
			t.Errorf("ISS-03: the right one gets %d", page.Status)
		}
	})
}

// RP-FRM-02 to RP-FRM-14: what an ID token must not be, it must not be after a form either.
func TestRP_FRM_02_BadIDTokensInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		for name, tamper := range map[string]func(header, claims map[string]any){
			"issuer":       func(_, c map[string]any) { c["iss"] = "https://other.test/" },
			"no sub":       func(_, c map[string]any) { delete(c, "sub") },
			"audience":     func(_, c map[string]any) { c["aud"] = "another" },
			"no iat":       func(_, c map[string]any) { delete(c, "iat") },
			"nonce":        func(_, c map[string]any) { c["nonce"] = "another" },
			"kid":          func(h, _ map[string]any) { h["kid"] = "forged" },
			"alg none":     func(h, _ map[string]any) { h["alg"] = "none" },
			"expired":      func(_, c map[string]any) { c["exp"] = 1 },
			"other client": func(_, c map[string]any) { c["azp"] = "another" },
		} {
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.TamperIDToken = tamper })
			b := w.browser()
			if page := w.signIn(b, "/page", w.pair.User); page.Status != http.StatusBadRequest || sessionCookie(w, b) != "" || len(w.pendingLogins(b)) != 0 {
				t.Errorf("%s: %d %s", name, page.Status, page.Body)
			}
		}
		if len(w.app.take()) != 0 {
			t.Error("INV-01: the application was reached")
		}
	})
}

// A form that a user sent without a session is sent after the login, exactly once; and
// after a login that failed for a while, once another try works.
func TestFormsSurviveTheLoginInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode+"\n"+formSettings))
		b := w.browser()
		page := w.postThenSignIn(b, "/save", "a=1&b=2", formHeader())
		if page.Status != http.StatusOK || page.URL.String() != w.base+"/save" {
			t.Fatalf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
		}
		w.assertPosted("/save", "a=1&b=2")
		b = w.browser()
		w.pair.Master.LimitRequests("/oauth/token", 0, 7*time.Second)
		page = w.postThenSignIn(b, "/save", "a=3", formHeader())
		if page.Status != http.StatusServiceUnavailable || len(w.app.take()) != 0 {
			t.Fatalf("an outage ends at %d %s", page.Status, page.URL)
		}
		w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = nil })
		w.clock.advance(8 * time.Second)
		page, err := page.Click(tryAgain(t, page))
		if err != nil {
			t.Fatal(err)
		}
		if page, err = page.Press("Send the form"); err != nil || page.Status != http.StatusOK {
			t.Fatalf("another try: %v %v", page, err)
		}
		w.assertPosted("/save", "a=3")
	})
}

// A page that wants a second factor asks for it once and leads back.
func TestStepUpInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := stepUpWorld(t, strings.ReplaceAll(besideAdmin, "auth0_oidc @usual\n", "auth0_oidc @usual {\n"+mode+"\n}\n"), mode+"\nacr_values mfa")
		b := w.browser()
		w.wantPage(w.signIn(b, "/home", w.pair.User), "/home", 0)
		w.wantPage(w.finishLogin(b, w.open(b, "/admin/x")), "/admin/x", 1)
		w.wantPage(w.open(b, "/admin/y"), "/admin/y", 0)
	})
}

// FAULT-25: a browser that refuses our cookies ends on a page, not in a circle.
func TestFAULT_25_LoopsInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		for _, drops := range []string{"auth0_", "auth0_session"} {
			w := newWorld(t, withSettings(mode))
			b := w.browser()
			b.gate.next = cookieDropper{w.network, drops}
			page := w.signIn(b, "/page", w.pair.User)
			if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeLoop) || len(w.logins(page)) > loopLimit {
				t.Errorf("%s: ended at %d %s after %d logins", drops, page.Status, page.URL, len(w.logins(page)))
			}
		}
	})
}

// CONC-24: what another instance has redeemed leads to the page, or to a new login.
func TestRedeemedAnswersLeadOnInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		b := w.browser()
		a := w.answerTo(b, "/page")
		before := b.Cookies(w.base)
		w.deliver(b, a)
		w.forgetSpent()
		for _, c := range before {
			b.SetCookie(w.base, c)
		}
		if page := w.deliver(b, a); page.Status != http.StatusOK || page.URL.String() != w.base+"/page" {
			t.Errorf("ended at %d %s", page.Status, page.URL)
		}
	})
}

// Directives of one site may differ in the mode; each login comes back as it was begun.
func TestBothModesInOneSite(t *testing.T) {
	t.Parallel()
	for _, first := range []string{modeQuery, modeFormPost} {
		w := newWorld(t, withGlobal(globalTenant), withSite("@usual not path /admin/*\nauth0_oidc @usual {\nresponse_mode "+first+
			"\n}\nauth0_oidc /admin/* {\nresponse_mode "+otherMode(first)+"\n}\nreverse_proxy UPSTREAM"))
		for _, path := range []string{"/page", "/admin/page"} {
			if page := w.signIn(w.browser(), path, w.pair.User); page.Status != http.StatusOK || page.URL.String() != w.base+path {
				t.Errorf("%s first: %s ended at %d %s", first, path, page.Status, page.URL)
			}
			b := w.browser()
			a := w.answerTo(b, path)
			swapped := tenantAnswer{a.address, ""}.with(a.parameters(t))
			if a.form == "" {
				path, _, _ := strings.Cut(a.address, "?")
				swapped = tenantAnswer{path, a.parameters(t).Encode()}
			}
			if page := w.deliver(b, swapped); page.Status != http.StatusBadRequest || sessionCookie(w, b) != "" {
				t.Errorf("%s first: an answer to %s in the other mode got %d", first, path, page.Status)
			}
			if page := w.deliver(b, a); page.Status != http.StatusOK || !slices.ContainsFunc(page.Hops, func(h auth0sim.Hop) bool { return h.URL.Path == "/auth/callback" }) {
				t.Errorf("%s first: the right answer to %s got %d afterwards", first, path, page.Status)
			}
		}
	}
}

func otherMode(mode string) string {
	if mode == modeQuery {
		return modeFormPost
	}
	return modeQuery
}
