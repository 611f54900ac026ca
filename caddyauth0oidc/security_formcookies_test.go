package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
)

// A session is written whole although another tab's form waits in the browser, and the
// form goes if both do not fit what the server accepts.
func TestCK_05_SignInOfAnotherTabNeedNotGiveWayToAForm(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limit string
		kept  bool
	}{{"20KiB", false}, {"64KiB", true}} {
		w := newWorld(t, withSettings(formSettings), withGlobal("servers {\nmax_header_size "+tc.limit+"\n}"))
		w.pair.Master.CustomClaims = map[string]any{"https://acme.test/roles": opaqueText(7_500)}
		b := w.browser()
		w.post(b, "/save", strings.NewReader("a="+opaqueText(3_500)), formHeader())
		before := w.formCookies(b)
		if before < 2 {
			t.Fatalf("%d cookies of the form", before)
		}
		page := w.openSignedIn(b, "/home")
		if page.Status != http.StatusOK || page.URL.String() != w.base+"/home" {
			t.Fatalf("%s: ended at %d %s:\n%s", tc.limit, page.Status, page.URL, page.Body)
		}
		if after := w.formCookies(b); (after == before) != tc.kept || !tc.kept && after != 0 {
			t.Errorf("%s: %d cookies of the form, %d before", tc.limit, after, before)
		}
	}
}

// What came as another method, and what has failed already, is no form of a browser.
func TestRewrittenAndFailedRequestsAreNoForms(t *testing.T) {
	t.Parallel()
	const directive = "auth0_oidc {\nSETTINGS\n" + formSettings + "\n}\n"
	for site, method := range map[string]string{
		"route {\nmethod POST\n" + directive + "reverse_proxy UPSTREAM\n}":                      "GET",
		"route {\nerror 500\n}\nhandle_errors {\nroute {\n" + directive + "respond again\n}\n}": "POST",
	} {
		w := newWorld(t, withSite(site))
		response, body := w.send(w.browser(), method, "/save", formHeader())
		if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeLoginRequired) || response.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: status %d with %q:\n%s", method, response.StatusCode, response.Header, body)
		}
	}
}

// A body of two types is of none.
func TestFormWithTwoTypesIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	r, err := http.NewRequest("POST", w.base+"/save", strings.NewReader("a=b"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range formHeader() {
		r.Header.Set(name, value)
	}
	r.Header.Add("Content-Type", "text/plain")
	response, err := w.browser().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized || response.Header.Get("Set-Cookie") != "" {
		t.Errorf("status %d with %q", response.StatusCode, response.Header)
	}
}
