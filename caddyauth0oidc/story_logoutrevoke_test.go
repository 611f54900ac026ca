package caddyauth0oidc

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// ownNavigation is what a browser says of an address that was typed.
var ownNavigation = map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

// keepTokens gives the browser the cookie of such tokens beside its session.
func (w *world) keepTokens(b *heldBrowser, tokens session.Tokens) {
	w.t.Helper()
	h, lines := w.handler(), []string{cookieHeader(w, b)}
	cookie := h.cookiesOf(origin{scheme: "https"}).Session
	var s session.Session
	if !h.keys.Load().ReadSession(&s, lines, cookie.Name) {
		w.t.Fatal("there is no session")
	}
	header := make(http.Header)
	tokens.Session = s.ID
	if err := h.keys.Load().WriteTokens(header, cookie, &tokens, time.Hour, lines, http.DefaultMaxHeaderBytes); err != nil {
		w.t.Fatal(err)
	}
	for _, line := range header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			w.t.Fatal(err)
		}
		b.SetCookie(w.base, c)
	}
}

// refreshTokenOf gets one for a user without this module.
func (w *world) refreshTokenOf(user auth0sim.User) string {
	w.t.Helper()
	address := w.pair.AuthorizeURL(map[string]string{"scope": "openid offline_access", "redirect_uri": w.base + "/auth/callback"})
	b := w.browser()
	b.gate.closed = true
	page, err := b.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := b.Login(page, user.Email, auth0sim.PairPassword); err != nil {
		w.t.Fatal(err)
	}
	callback, _ := url.Parse(b.gate.held)
	answer := w.postToMaster("/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {callback.Query().Get("code")}, "redirect_uri": {w.base + "/auth/callback"},
	})
	_, rest, _ := strings.Cut(answer, `"refresh_token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	if token == "" {
		w.t.Fatalf("no refresh token but %s", answer)
	}
	return token
}

// postToMaster makes a request as the application would.
func (w *world) postToMaster(path string, form url.Values) string {
	w.t.Helper()
	form.Set("client_id", w.pair.App.ClientID)
	form.Set("client_secret", w.pair.App.ClientSecret)
	r, _ := http.NewRequest("POST", strings.TrimSuffix(w.pair.Master.Issuer(), "/")+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := w.network.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return string(body)
}

// RIL-08: a refresh token does not outlive the session.
func TestRIL_08_LogoutRevokesTheRefreshToken(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]string{"hint sid": "", "hint id_token": "logout {\nhint id_token\n}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(settings))
			refresh := w.refreshTokenOf(w.pair.User)
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			w.keepTokens(b, session.Tokens{Refresh: refresh})
			w.send(b, "GET", "/auth/logout", ownNavigation)
			if cookies := cookieHeader(w, b); strings.Contains(cookies, "auth0_session") {
				t.Errorf("the cookies are %s", cookies)
			}
			answer := w.postToMaster("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
			if !strings.Contains(answer, "invalid_grant") || w.pair.Master.Calls("/oauth/revoke") != 1 {
				t.Errorf("after %d requests the token gives %s", w.pair.Master.Calls("/oauth/revoke"), answer)
			}
			if strings.Contains(w.logs(), refresh) {
				t.Error("INV-04: the token is in the log")
			}
		})
	}
}

// RIL-08: a tenant that refuses, is slow or is gone keeps nobody signed in.
func TestRIL_08_LogoutGoesOnWithoutTheRevocation(t *testing.T) {
	t.Parallel()
	hung := make(chan struct{})
	for name, intercept := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"refuses": func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/oauth/revoke" {
				rw.WriteHeader(http.StatusBadRequest)
			}
			return r.URL.Path == "/oauth/revoke"
		},
		"never answers": func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/oauth/revoke" {
				<-hung
			}
			return r.URL.Path == "/oauth/revoke"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			w.keepTokens(b, session.Tokens{Refresh: "a-refresh-token"})
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = intercept })
			began := time.Now()
			response, _ := w.send(b, "GET", "/auth/logout", ownNavigation)
			if name == "never answers" {
				close(hung)
			}
			if took := time.Since(began); took > logoutPatience+time.Second {
				t.Errorf("it took %s", took)
			}
			if response.StatusCode != http.StatusFound || !strings.HasPrefix(response.Header.Get("Location"), w.pair.Master.Issuer()) || sessionCookie(w, b) != "" {
				t.Errorf("%d %s", response.StatusCode, response.Header.Get("Location"))
			}
			if logs := w.logs(); !strings.Contains(logs, "revoking the refresh token") || strings.Contains(logs, "a-refresh-token") {
				t.Error("the log does not say so, or too much")
			}
		})
	}
}

// RIL-06: two tabs sign out at once.
func TestRIL_06_TwoTabsSignOutAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("logout {\nhint id_token\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	cookies, locations := cookieHeader(w, b), make(chan string, 2)
	for range cap(locations) {
		go func() {
			r, _ := http.NewRequest("GET", w.base+"/auth/logout", nil)
			for name, value := range ownNavigation {
				r.Header.Set(name, value)
			}
			r.Header.Set("Cookie", cookies)
			response, err := w.network.RoundTrip(r)
			if err != nil || response.StatusCode != http.StatusFound {
				t.Error(response, err)
			}
			locations <- response.Header.Get("Location")
		}()
	}
	w.send(b, "GET", "/auth/logout", ownNavigation)
	for range cap(locations) {
		page, err := b.Get(<-locations)
		if err != nil || !strings.HasPrefix(page.URL.String(), w.base+"/") || page.Status >= 500 {
			t.Errorf("a tab ends at %v, %v", page, err)
		}
	}
	if sessionCookie(w, b) != "" || len(w.pair.Master.Sessions()) != 0 {
		t.Error("somebody is signed in")
	}
}
