package caddyauth0oidc

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const tokenLine = "headers {\nAuthorization \"Bearer {http.auth.user.access_token}\"\n}"

// tokensOf opens the tokens that the browser has.
func (w *world) tokensOf(b *heldBrowser) *session.Tokens {
	w.t.Helper()
	h, s, lines := w.handler(), new(session.Session), []string{cookieHeader(w, b)}
	if !h.keys.Load().ReadSession(s, lines, "__Host-auth0_session") {
		w.t.Fatal("no session")
	}
	tokens, _ := h.keys.Load().ReadTokens(s, lines, "__Host-auth0_session")
	return tokens
}

// INV-03: nobody gets a token whose configuration does not say so.
func TestINV_03_AccessTokenIsNowhereWithoutTheSetting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("route {\nauth0_oidc {\nSETTINGS\n}\nrequest_header X-Token \"[{http.auth.user.access_token}]\"\nreverse_proxy UPSTREAM\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	all := w.app.take()
	if got := all[len(all)-1].header; got.Get("X-Token") != "[]" || got.Get("Authorization") != "" {
		t.Errorf("%v", got)
	}
	if w.tokensOf(b) != nil {
		t.Error("tokens are kept")
	}
}

// INV-03: without refresh the line shows the login's token until its end, and never the
// client's own header.
func TestINV_03_TokenLineWithoutRefresh(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t, withSettings(tokenLine))
	calls := w.exchanges()
	if got := w.bearer(b); !w.isGood(got) || w.tokensOf(b).Refresh != "" {
		t.Error("no good token, or one to refresh it with")
	}
	w.clock.advance(accessLife + time.Second)
	response, _ := w.send(b, "GET", "/x", map[string]string{"Authorization": "Basic Zm9yZ2VkOng="})
	all := w.app.take()
	if response.StatusCode != http.StatusOK || len(all) != 1 || len(all[0].header["Authorization"]) != 0 || calls() != 0 {
		t.Errorf("%d %v, %d refreshes", response.StatusCode, all, calls())
	}
}

// API clients are known by their own token, and the line shows that.
func TestTokenLineOfAnAPIClient(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\n"+refreshOn))
	token, _ := w.machineToken(reportsAPI, "read:reports")
	if response, body := w.call("/x", token); response.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	if all := w.app.take(); len(all) != 1 || all[0].header.Get("Authorization") != "Bearer "+token {
		t.Errorf("%v", all)
	}
}

// INV-03: a second directive without the line takes the token back.
func TestINV_03_SecondDirectiveWithdrawsTheToken(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t, withGlobal(globalTenant), withSite("route {\nauth0_oidc {\n"+refreshOn+"\n}\nauth0_oidc /other/*\n"+
		"request_header X-Token \"[{http.auth.user.access_token}]\"\nreverse_proxy UPSTREAM\n}"))
	for path, want := range map[string]bool{"/x": true, "/other/x": false} {
		w.send(b, "GET", path, nil)
		all := w.app.take()
		if len(all) != 1 || (all[0].header.Get("Authorization") != "") != want || (all[0].header.Get("X-Token") != "[]") != want {
			t.Errorf("%s: %v", path, all)
		}
	}
}

// INV-04: no token is in the log at any level, in answers of our own, or readable in the
// storage.
func TestINV_04_TokensOfRefreshesAreNowhere(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	var secrets []string
	keep := func() {
		tokens := w.tokensOf(b)
		secrets = append(secrets, tokens.Access, tokens.Refresh)
	}
	keep()
	w.due()
	w.bearer(b)
	keep()
	_, profile := w.send(b, "GET", "/auth/profile", nil)
	w.answerTokens(answerStatus(http.StatusInternalServerError, secrets[0]))
	w.clock.advance(accessLife + time.Second)
	_, page := w.send(b, "GET", "/x", map[string]string{"Accept": "text/html"})
	w.answerTokens(answerStatus(http.StatusForbidden, `{"error":"invalid_grant","error_description":"`+secrets[1]+`"}`))
	w.send(b, "GET", "/x", nil)
	texts := map[string]string{"the profile": profile, "the page": page, "the log": w.logs()}
	_ = filepath.WalkDir(w.folder, func(name string, entry os.DirEntry, err error) error {
		if content, err := os.ReadFile(name); err == nil {
			texts[name] = string(content)
		}
		return nil
	})
	for where, text := range texts {
		for _, secret := range secrets {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("a token is in %s", where)
			}
		}
	}
}

const multiFactor = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

// A refresh keeps what the login has shown of second factors, and makes no session stronger
// than its login was, whatever the ID token says that comes with it.
func TestOIDC_15_RefreshMovesNoStrength(t *testing.T) {
	t.Parallel()
	site := "auth0_oidc {\nSETTINGS\n}\nauth0_oidc /admin/* {\nSETTINGS\nacr_values " + multiFactor + "\n}\nreverse_proxy UPSTREAM"
	for name, first := range map[string]string{"strong": "/admin/", "weak": "/home"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRefreshWorld(t, withSite(site))
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.MFAOnACRValues = true })
			b := w.browser()
			w.signIn(b, first, w.pair.User)
			w.pair.Master.Configure(func(s *auth0sim.Settings) {
				s.TamperIDToken = func(_, claims map[string]any) {
					delete(claims, "amr")
					delete(claims, "acr")
					if name == "weak" {
						claims["amr"], claims["acr"] = []string{"mfa"}, multiFactor
					}
				}
			})
			w.due()
			w.app.take()
			calls := w.exchanges()
			w.bearer(b)
			want := map[string]int{"strong": http.StatusOK, "weak": http.StatusUnauthorized}[name]
			response, _ := w.send(b, "GET", "/admin/", map[string]string{"Accept": "application/json"})
			if response.StatusCode != want || calls() != 1 {
				t.Errorf("%d, want %d; %d refreshes", response.StatusCode, want, calls())
			}
		})
	}
}

// A source of the profile that cannot be asked leaves the profile as it was.
func TestFAULT_04_UserinfoThatFailsDuringARefresh(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t, withSettings("profile userinfo\n"+refreshOn))
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/userinfo" {
				rw.WriteHeader(http.StatusBadGateway)
			}
			return r.URL.Path == "/userinfo"
		}
	})
	w.due()
	calls := w.exchanges()
	response, _ := w.send(b, "GET", "/x", nil)
	all := w.app.take()
	if response.StatusCode != http.StatusOK || calls() != 1 || len(all) != 1 || all[0].header.Get("X-Auth0-Email") != w.pair.User.Email {
		t.Errorf("%d, %d refreshes, %v", response.StatusCode, calls(), all)
	}
}

// A cookie that has reached its idle limit is not revived by what newer ones left.
func TestOldCookieIsNotRevivedByANewerState(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t, withSettings(refreshOn+"\nsession {\nidle 10m\nabsolute 2h\n}"))
	old := cookieHeader(w, b)
	for range 3 {
		w.due()
		w.bearer(b)
	}
	if status := w.statusWith(old); status == http.StatusOK {
		t.Error("the old cookie was revived")
	}
	w.app.take()
	if got := w.bearer(b); !w.isGood(got) {
		t.Error("the newer one does not go on")
	}
}
