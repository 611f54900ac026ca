package caddyauth0oidc

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// newPARWorld has a master tenant that offers pushed requests.
func newPARWorld(t *testing.T, options ...worldOption) *world {
	w := newWorld(t, options...)
	w.pair.Master.AdvertisePAR = true
	return w
}

func (w *world) pushes() int { return w.pair.Master.Calls("/oauth/par") }

// answerPushes has the master answer every push with the status and the body.
func (w *world) answerPushes(status int, body string, header ...string) {
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/oauth/par" {
				return false
			}
			rw.Header().Set("Content-Type", "application/json")
			for i := 0; i < len(header); i += 2 {
				rw.Header().Set(header[i], header[i+1])
			}
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
			return true
		}
	})
}

func TestRP_FAPI_01_RP_FAPI_02_PKCE_03_LoginWithAPushedRequest(t *testing.T) {
	t.Parallel()
	w := newPARWorld(t, withSettings("allow_params login_hint"))
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.RequirePushedAuthorizationRequests = true })
	var pushed url.Values
	w.pair.Master.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/oauth/par" {
			_ = r.ParseForm()
			pushed = r.PostForm
			r.Body = io.NopCloser(strings.NewReader(pushed.Encode()))
		}
		return false
	}
	b := w.browser()
	location, err := url.Parse(w.step(b, w.base+"/auth/login?return_to=/x&login_hint=ada@example.com").Location())
	if err != nil {
		t.Fatal(err)
	}
	query := location.Query()
	if len(query) != 2 || query.Get("client_id") != w.pair.App.ClientID || !strings.HasPrefix(query.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") {
		t.Errorf("the browser takes along %s", location.RawQuery)
	}
	for name, want := range map[string]string{
		"client_id": w.pair.App.ClientID, "redirect_uri": w.base + "/auth/callback", "response_type": "code", "scope": "openid profile email",
		"code_challenge_method": "S256", "connection": "acme-child", "login_hint": "ada@example.com",
	} {
		if got := pushed[name]; len(got) != 1 || got[0] != want {
			t.Errorf("BCP-02, OIDC-01: %s is %q, want %q", name, got, want)
		}
	}
	if pushed.Get("state") == "" || pushed.Get("nonce") == "" || len(pushed.Get("code_challenge")) != 43 || pushed.Has("code_verifier") {
		t.Errorf("PKCE-04: pushed %v", pushed)
	}
	page := w.signIn(w.browser(), "/reports?q=1", w.pair.User)
	if page.Status != http.StatusOK || page.URL.String() != w.base+"/reports?q=1" {
		t.Errorf("ended at %d %s", page.Status, page.URL)
	}
	if strings.Contains(w.logs(), w.pair.App.ClientSecret) || strings.Contains(w.logs(), pushed.Get("code_challenge")) {
		t.Error("INV-04: what was pushed is in the log")
	}
}

func TestPushesAreAuthenticatedAsTheTokenRequestIs(t *testing.T) {
	t.Parallel()
	path, key := filepath.Join(t.TempDir(), "key.pem"), newTestKey()
	writeKey(t, path, key)
	for name, tt := range map[string]struct {
		option worldOption
		change func(w *world)
		pushes int // of two logins
	}{
		"basic": {withSettings("client_auth basic"), func(w *world) {
			w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.TokenEndpointAuthMethod = "client_secret_basic" })
		}, 2},
		"key": {withKeySite(path, "par on"), func(w *world) { w.usesKey(key.Public()) }, 2},
		"next secret": {
			withSite("auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nconnection acme-child\nclient_secret CLIENT_SECRET next\n}\nreverse_proxy UPSTREAM"),
			func(w *world) { w.rotateSecret("next") }, 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPARWorld(t, tt.option)
			tt.change(w)
			if !w.signedInTwice() || w.pushes() != tt.pushes || w.pair.Master.Calls("/oauth/token") != 2 {
				t.Errorf("%d pushes, %d token requests", w.pushes(), w.pair.Master.Calls("/oauth/token"))
			}
		})
	}
}

func TestRP_FAPI_26_WhatTheSettingAndTheTenantSay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		setting           string
		offered, required bool
		status, pushes    int
	}{
		"auto, not offered":       {"", false, false, 302, 0},
		"auto, offered":           {"", true, false, 302, 1},
		"on, offered":             {"par on", true, false, 302, 1},
		"on, not offered":         {"par on", false, false, 502, 0},
		"off, offered":            {"par off", true, false, 302, 0},
		"off, required":           {"par off", true, true, 502, 0},
		"auto, required":          {"", true, true, 302, 1},
		"auto, required, no path": {"", false, true, 302, 0}, // the tenant has the last word
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(tt.setting))
			w.pair.Master.AdvertisePAR, w.pair.Master.RequirePAR = tt.offered, tt.required
			page := w.step(w.browser(), w.base+"/x")
			if page.Status != tt.status || w.pushes() != tt.pushes || (page.Location() != "") != (tt.status == 302) {
				t.Errorf("%d %q after %d pushes", page.Status, page.Location(), w.pushes())
			}
			if tt.status == 302 {
				return
			}
			if !strings.Contains(page.Body, codePARMismatch) || !strings.Contains(w.logs(), "pushed_authorization_request") || len(page.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("%v: %s", page.Header, page.Body)
			}
		})
	}
}

func TestRP_FAPI_26_AFailedPushIsFollowedByNothingElse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		body   string
		want   int
		code   string
	}{
		"outage":         {500, ``, 503, codeTenantUnavailable},
		"maintenance":    {503, `<html>`, 503, codeTenantUnavailable},
		"redirect":       {307, ``, 503, codeTenantUnavailable},
		"foreign scheme": {201, `{"request_uri":"https://evil.test/r","expires_in":90}`, 503, codeTenantUnavailable},
		"expired":        {201, `{"request_uri":"urn:ietf:params:oauth:request_uri:x","expires_in":0}`, 503, codeTenantUnavailable},
		"no JSON":        {201, `<html>`, 503, codeTenantUnavailable},
		"refused":        {400, `{"error":"invalid_request","error_description":"sekret"}`, 502, codeRequestRefused},
		"wrong secret":   {401, `{"error":"access_denied","error_description":"Unauthorized"}`, 502, codeRequestRefused},
		"not there":      {404, `Not Found`, 502, codeRequestRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPARWorld(t)
			w.answerPushes(tt.status, tt.body, "Location", "https://evil.test/")
			page := w.step(w.browser(), w.base+"/x")
			if page.Status != tt.want || !strings.Contains(page.Body, tt.code) || page.Location() != "" || w.pushes() != 1 {
				t.Errorf("%d %q after %d pushes: %s", page.Status, page.Location(), w.pushes(), page.Body)
			}
			if retry := page.Header.Get("Retry-After"); (retry != "") != (tt.want == 503) {
				t.Errorf("Retry-After %q", retry)
			}
			if len(page.Header.Values("Set-Cookie")) != 0 || strings.Contains(page.Body+w.logs(), "sekret") || strings.Contains(w.logs(), "evil") {
				t.Errorf("cookies or what the tenant wrote: %v", page.Header)
			}
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = nil })
			if !w.signedIn() {
				t.Error("not signed in when the tenant is back")
			}
		})
	}
}

// DOS-02: logins can be begun by strangers, and the tenant's limit is for all together.
func TestDOS_02_ARateLimitOfPushesIsHonouredForAll(t *testing.T) {
	t.Parallel()
	w := newPARWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/began-before", w.pair.User)
	w.answerPushes(429, `{"error":"too_many_requests"}`, "Retry-After", "20")
	before := w.pushes()
	for i := range 5 {
		page := w.step(w.browser(), w.base+fmt.Sprintf("/x?%d", i))
		if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") != "20" {
			t.Errorf("%d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
		}
	}
	if n := w.pushes() - before; n != 1 {
		t.Errorf("%d pushes", n)
	}
	if page, err := b.Get(callback); err != nil || page.Status != http.StatusOK || page.URL.Path != "/began-before" {
		t.Errorf("a callback is held up: %v", err)
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = nil })
	w.clock.advance(21 * time.Second)
	if !w.signedIn() {
		t.Error("not signed in afterwards")
	}
}

func TestHeadRequestsAndPrefetchesPushNothing(t *testing.T) {
	t.Parallel()
	w := newPARWorld(t, withSettings("unauthenticated redirect"))
	for _, path := range []string{"/x", "/auth/login"} {
		response, _ := w.send(w.browser(), "HEAD", path, nil)
		location, err := response.Location()
		if err != nil || response.StatusCode != http.StatusFound || location.RawQuery != "client_id="+w.pair.App.ClientID {
			t.Errorf("HEAD %s: %d %v", path, response.StatusCode, location)
		}
		for _, header := range []map[string]string{
			{"Sec-Purpose": "prefetch;prerender", "Accept": "text/html"}, {"Purpose": "prefetch", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, {"X-Moz": "prefetch"},
		} {
			if response, _ := w.send(w.browser(), "GET", path, header); response.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with %v: %d", path, header, response.StatusCode)
			}
		}
	}
	callback := w.callbackOf(w.browser(), "/x", w.pair.User)
	before := w.pushes()
	response, _ := w.send(w.browser(), "GET", strings.TrimPrefix(callback, w.base), map[string]string{"Sec-Purpose": "prefetch", "Accept": "text/html"})
	if n := w.pushes(); n != before || before != 1 {
		t.Errorf("%d pushes; the prefetch of a callback got %d", n, response.StatusCode)
	}
}

func TestARequestThatIsTooLargeToPushIsRefused(t *testing.T) {
	t.Parallel()
	names := strings.Split("a b c d e f g", " ")
	w := newPARWorld(t, withSettings("allow_params "+strings.Join(names, " ")))
	query := ""
	for _, name := range names {
		query += "&" + name + "=" + strings.Repeat("!", maxParam) // three bytes each when it is sent
	}
	page := w.step(w.browser(), w.base+"/auth/login?"+query[1:])
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeBadRequest) || w.pushes() != 0 || !strings.Contains(w.logs(), "larger than the tenant takes") {
		t.Errorf("%d after %d pushes: %s", page.Status, w.pushes(), page.Body)
	}
}

// A user who takes long before the tenant's page is opened begins anew.
func TestAReferenceThatIsTooOldLeadsToTheTenantsPageAndANewLoginWorks(t *testing.T) {
	t.Parallel()
	w := newPARWorld(t)
	b := w.browser()
	location := w.step(b, w.base+"/x").Location()
	w.clock.advance(2 * time.Minute)
	page, err := b.Get(location)
	if err != nil || page.Status != http.StatusBadRequest || page.URL.Host == strings.TrimPrefix(w.base, "https://") {
		t.Fatalf("%v %v", page, err)
	}
	if done := w.signIn(b, "/x", w.pair.User); done.Status != http.StatusOK || done.URL.Path != "/x" {
		t.Errorf("ended at %d %s", done.Status, done.URL)
	}
}
