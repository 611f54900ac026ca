package caddyauth0oidc

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// authorize sends a request whose Authorization header is as given, line by line.
func (w *world) authorize(lines ...string) (*http.Response, string) {
	w.t.Helper()
	r := httptest.NewRequest("GET", w.base+"/reports", nil)
	r.Header["Authorization"] = lines
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, r)
	return recorder.Result(), recorder.Body.String()
}

// RFC 6750 section 2.1: one header, one scheme, one token.
func TestTokensThatAreNotWrittenAsTheyShouldBeAreABadRequest(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{bearerSetting, bearerSetting + "\nunauthenticated pass", bearerSetting + "\nunauthenticated redirect"} {
		w := newAPIWorld(t, withSettings(settings))
		good := w.signed(nil)
		for name, lines := range map[string][]string{
			"two headers":         {"Bearer " + good, "Bearer " + good},
			"with Basic before":   {"Basic dTpw", "Bearer " + good},
			"with Basic behind":   {"Bearer " + good, "Basic dTpw"},
			"with nothing before": {"", "Bearer " + good},
			"two schemes":         {"Bearer " + good + ", Basic dTpw"},
			"two tokens":          {"Bearer " + good + " " + good},
			"no token":            {"Bearer"},
			"spaces alone":        {"bearer  "},
			"comma":               {"Bearer,x"},
			"tab":                 {"Bearer\t" + good},
			"quotes":              {`Bearer "` + good + `"`},
			"parameter":           {"Bearer token=" + good},
			"equals alone":        {"Bearer =="},
			"byte above ASCII":    {"Bearer \xff" + good},
			"NBSP":                {"Bearer\xa0" + good},
			"NEL":                 {"Bearer\x85" + good},
			"NBSP before":         {"\xa0Bearer " + good},
			"behind Basic":        {"Basic dTpw, Bearer " + good},
			"behind a word":       {"x Bearer " + good},
			"behind a slash":      {"x/bEARer " + good},
			"in quotes":           {`"Bearer" ` + good},
			"colon":               {"Bearer: " + good},
			"spaces and no token": {" \tBearer\t"},
		} {
			response, body := w.authorize(lines...)
			t.Run(name, func(t *testing.T) {
				assertRefused(t, w, response, body, 400, "invalid_request", `, error="invalid_request"`)
			})
		}
		for _, line := range []string{"bEARER " + good, "Bearer   " + good, " Bearer " + good, "\t Bearer " + good + " \t"} {
			if response, _ := w.authorize(line); response.StatusCode != http.StatusOK || len(w.app.take()) != 1 {
				t.Errorf("%.12q: %d", line, response.StatusCode)
			}
		}
	}
}

// CVE-ENV-01: elsewhere than in the header a token is nothing, nor is another scheme.
func TestTokensElsewhereGiveNothing(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	good := w.signed(nil)
	for path, header := range map[string]map[string]string{
		"/x?access_token=" + url.QueryEscape(good): nil,
		"/cookie":      {"Cookie": "access_token=" + good + "; __Host-auth0_session=" + good},
		"/dpop":        {"Authorization": "DPoP " + good},
		"/basic":       {"Authorization": "Basic bm90OkJlYXJlcg=="},
		"/letters":     {"Authorization": "Basic xBearerx/bearer/x+y="},
		"/run-on":      {"Authorization": "Bearer-x " + good},
		"/other":       {"Authorization": "Bearerish " + good},
		"/parameter":   {"Authorization": `Digest username="forbearers", realm="bearer-of-bad_news"`},
		"/alone":       {"Authorization": good},
		"/proxy":       {"Proxy-Authorization": "Bearer " + good},
		"/other-names": {"X-Authorization": "Bearer " + good, "X-Forwarded-Access-Token": good, "X-Auth0-User-Id": "evil"},
	} {
		response, body := w.send(w.browser(), "GET", path, header)
		if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeLoginRequired) || len(w.app.take()) != 0 {
			t.Errorf("%.12s: %d %s", path, response.StatusCode, body)
		}
	}
}

// HTTP/2 keeps the space around a value, which the proxy takes off for the application.
func TestHDR_41_UnverifiedTokensDoNotComeThroughHTTP2(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\nunauthenticated pass"))
	b := w.browser()
	page := w.open(b, "/auth/login?return_to=/home")
	if _, err := b.Login(page, w.pair.User.Email, auth0sim.PairPassword); err != nil {
		t.Fatal(err)
	}
	w.app.take()
	dial, good := w.onHTTP2(), w.signed(nil)
	for _, cookie := range []string{"a=1", cookieHeader(w, b)} {
		for value, want := range map[string]string{
			" Bearer x.y.z": "401", "\tBearer x.y.z": "401", " \t bearer  x.y.z\t": "401", "Bearer x.y.z ": "401",
			"Bearer\xa0x.y.z": "400", "Bearer\x85x.y.z": "400", "\xa0Bearer x.y.z": "400", " Bearer\tx.y.z": "400",
			"Basic dTpw, Bearer x.y.z": "400", "x Bearer x.y.z": "400", "xBearer x.y.z": "400", "Basic xbearer x.y.z": "400", "Token-Bearer x.y.z": "400", " Bearer": "400",
			"Basic dTpw": "200", "Basic eDpi/bearer/x=": "200", " Bearerish x.y.z": "200", " Bearer " + good: "200",
		} {
			header := h2fields{":method", "GET", ":scheme", "https", ":authority", "app.example.test", ":path", "/x", "cookie", cookie, "authorization", value}
			if got := stream(t, dial(), header, nil); got != want {
				t.Errorf("%.24q: %s, want %s", value, got, want)
			}
			if n := len(w.app.take()); n != map[bool]int{true: 1}[want == "200"] {
				t.Errorf("%.24q: %d requests reached the application", value, n)
			}
		}
	}
}

// bearerWord is the word where an application may find it, and basic a line in whose
// base64 nobody looks for it.
var (
	bearerWord = regexp.MustCompile("(?is)bearer([^!#$%&'*+.^_`|~0-9a-z-]|$)")
	basic      = regexp.MustCompile("(?s)^([ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]+)[A-Za-z0-9._~+/-]+=*[ \t]*$")
)

func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{
		"Bearer a.b.c", "bearer", "Bearer  a==", "Bearer\ta", "Basic x, Bearer y", "Bearer,", "", " Bearer a.b.c", "Bearer\xa0a.b.c", "x\x85bEARER\x00y",
		"Basic x/bearer/y", "Bearerish a.b.c",
	} {
		f.Add(seed, "")
	}
	h := &Handler{Bearer: new(Bearer)}
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := []string{first, second}[:1+min(len(second), 1)]
		v := &visit{authorization: authorizationOf(&http.Request{Header: http.Header{"Authorization": lines}})}
		token, found := h.presented(v)
		if token != "" && (!found || second != "" || !strings.HasSuffix(strings.TrimRight(first, " \t"), " "+token) || strings.ContainsAny(token, " \t,\"")) {
			t.Fatalf("%q, %q gave %q", first, second, token)
		}
		if !found && bearerWord.MatchString(basic.ReplaceAllString(v.authorization, "$1")) {
			t.Fatalf("%q, %q is let through", first, second)
		}
	})
}
