package caddyauth0oidc

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// statusFor gives the status for a request that is no navigation.
func (w *world) statusFor(b *heldBrowser) int {
	w.t.Helper()
	response, _ := w.send(b, "GET", "/x", map[string]string{"Accept": "application/json"})
	return response.StatusCode
}

// answerTokens has the token endpoint answer by the function; nil ends that.
func (w *world) answerTokens(answer func(rw http.ResponseWriter, r *http.Request) bool) {
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			return r.URL.Path == "/oauth/token" && answer != nil && answer(rw, r)
		}
	})
}

func answerStatus(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_, _ = rw.Write([]byte(body))
		return true
	}
}

// FAULT-12, RP-FAPI-23, CVE-OP-15: an answer may leave out what stays as it was.
func TestFAULT_12_AnswersOfRefreshes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tamper  func(body map[string]any)
		rotates bool
	}{
		"no refresh token": {func(b map[string]any) { delete(b, "refresh_token") }, false},
		"no ID token":      {func(b map[string]any) { delete(b, "id_token") }, true},
		"a reduced scope":  {func(b map[string]any) { b["scope"] = "openid" }, true},
		"FAULT-11 no expires_in": {func(b map[string]any) {
			delete(b, "expires_in")
		}, true},
		"FAULT-11 expires_in as text": {func(b map[string]any) { b["expires_in"] = "300" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t)
			w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.Rotation = tc.rotates })
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.TamperTokenResponse = tc.tamper })
			for range 3 {
				w.due()
				response, _ := w.send(b, "GET", "/x", nil)
				all := w.app.take()
				if response.StatusCode != http.StatusOK || len(all) != 1 || all[0].header.Get("X-Auth0-Email") != w.pair.User.Email {
					t.Fatalf("%d, %v", response.StatusCode, all)
				}
			}
			w.wantNoReuse()
		})
	}
}

// RP-REF-02, RP-REF-03, OIDC-21: an ID token that does not continue the login, or a
// refusal of the refresh token, ends the session here and everywhere.
func TestOIDC_21_RefreshThatEndsTheSession(t *testing.T) {
	t.Parallel()
	claim := func(name string, value any) func(*world) {
		return func(w *world) {
			w.pair.Master.Configure(func(s *auth0sim.Settings) {
				s.TamperIDToken = func(_, claims map[string]any) { claims[name] = value }
			})
		}
	}
	for name, happens := range map[string]func(*world){
		"RP-REF-02 another issuer":  claim("iss", "https://evil.example/"),
		"RP-REF-03 another subject": claim("sub", "auth0-oidc|acme-child|auth0|somebody-else"),
		"another sid":               claim("sid", "another-session"),
		"another audience":          claim("aud", "another-client"),
		"another azp":               claim("azp", "another-client"),
		"a nonce":                   claim("nonce", "from-nowhere"),
		"an old token":              claim("iat", time.Now().Add(-time.Hour).Unix()),
		"a foreign key": func(w *world) {
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.SignWithForeignKey = true })
		},
		"an error in a 200": func(w *world) {
			w.pair.Master.Configure(func(s *auth0sim.Settings) {
				s.TamperTokenResponse = func(body map[string]any) { body["error"] = "invalid_grant" }
			})
		},
		"invalid_grant": func(w *world) { w.answerTokens(answerStatus(http.StatusForbidden, `{"error":"invalid_grant"}`)) },
		"the user is blocked": func(w *world) {
			w.answerTokens(answerStatus(http.StatusForbidden, `{"error":"unauthorized"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t)
			old := cookieHeader(w, b)
			happens(w)
			w.due()
			response, _ := w.send(b, "GET", "/x", map[string]string{"Accept": "application/json"})
			if response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 || sessionCookie(w, b) != "" {
				t.Errorf("%d, cookie %q", response.StatusCode, sessionCookie(w, b))
			}
			if status := w.statusWith(old); status != http.StatusFound && status != http.StatusUnauthorized {
				t.Errorf("the old cookie gets %d", status)
			}
			if n := w.storedStates(); n != 0 {
				t.Errorf("%d states are still in the storage", n)
			}
		})
	}
}

// storedStates counts the sessions in the storage.
func (w *world) storedStates() int {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.folder, "auth0_oidc", "refreshed", "*", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return len(found)
}

// FAULT-02, FAULT-12: while the tenant does not look at refresh tokens, nothing happens to
// the user before the access token's end; after it requests have to wait, and nobody is
// signed out.
func TestFAULT_02_TenantThatCertainlyDidNotAct(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"429": func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Retry-After", "2")
			rw.WriteHeader(http.StatusTooManyRequests)
			return true
		},
		"a wrong client secret": answerStatus(http.StatusUnauthorized, `{"error":"access_denied","error_description":"Unauthorized"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t)
			w.answerTokens(answer)
			w.due()
			if status := w.statusFor(b); status != http.StatusOK {
				t.Errorf("before the end: %d", status)
			}
			w.clock.advance(time.Minute)
			response, _ := w.send(b, "GET", "/x", map[string]string{"Accept": "text/html"})
			if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
				t.Errorf("after it: %d %v", response.StatusCode, response.Header)
			}
			w.answerTokens(nil)
			w.clock.advance(2 * time.Minute)
			w.app.take()
			if got := w.bearer(b); !w.isGood(got) {
				t.Error("no good token after the outage")
			}
			w.wantNoReuse()
		})
	}
}

// FAULT-12, CONC-11: nobody knows whether a refresh token without an answer is used up.
// It is used again within the leeway alone.
func TestFAULT_12_RefreshWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	const leeway = 20 * time.Second
	for name, tc := range map[string]struct {
		settings  string
		acts      bool // the tenant has used the token up
		after     time.Duration
		refreshes bool
		rotates   bool
	}{
		"without leeway":               {refreshOn, true, 10 * time.Second, false, true},
		"within the leeway":            {strings.Replace(refreshOn, "on", "on {\nleeway 20s\n}", 1), true, 10 * time.Second, true, true},
		"after the leeway":             {strings.Replace(refreshOn, "on", "on {\nleeway 20s\n}", 1), true, 25 * time.Second, false, true},
		"a token that does not rotate": {refreshOn, false, 25 * time.Second, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t, withSettings(tc.settings))
			w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) {
				a.Rotation, a.Leeway = tc.rotates, leeway
			})
			w.due()
			w.bearer(b) // by which it is known whether tokens rotate
			w.due()
			w.loseAnswer()
			if status := w.statusFor(b); status != http.StatusOK {
				t.Errorf("at once: %d", status)
			}
			calls := w.exchanges()
			w.clock.advance(tc.after)
			if status := w.statusFor(b); status != http.StatusOK {
				t.Errorf("later: %d", status)
			}
			if got := calls() == 1; got != tc.refreshes {
				t.Errorf("%d refreshes", calls())
			}
			w.clock.advance(time.Minute)
			want := http.StatusUnauthorized
			if tc.refreshes {
				want = http.StatusOK
			}
			if status := w.statusFor(b); status != want {
				t.Errorf("after the end: %d, want %d", status, want)
			}
			w.wantNoReuse()
		})
	}
}

// loseAnswer lets the next exchange happen, and loses the answer.
func (w *world) loseAnswer() {
	var lost atomic.Bool
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.TamperTokenResponse = func(map[string]any) {
			if lost.CompareAndSwap(false, true) {
				panic(http.ErrAbortHandler)
			}
		}
	})
}

// While the storage cannot be used nobody can know what other instances did, and nothing
// is refreshed; the access token that is there is used to its end.
func TestNothingIsRefreshedWithoutTheStorage(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	locks := filepath.Join(w.folder, "locks")
	if err := os.RemoveAll(locks); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(locks, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	calls := w.exchanges()
	w.due()
	if status := w.statusFor(b); status != http.StatusOK || calls() != 0 {
		t.Errorf("before the end: %d, %d refreshes", status, calls())
	}
	w.clock.advance(time.Minute)
	if status := w.statusFor(b); status != http.StatusServiceUnavailable || calls() != 0 {
		t.Errorf("after it: %d, %d refreshes", status, calls())
	}
	if err := os.Remove(locks); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	w.app.take()
	if got := w.bearer(b); !w.isGood(got) || calls() != 1 {
		t.Errorf("afterwards: %d refreshes", calls())
	}
}

// CVE-SDK-04: the page of an outage leads to no other host, whatever the address looks like.
func TestCVE_SDK_04_PageOfAnOutageStaysHere(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	w.answerTokens(answerStatus(http.StatusInternalServerError, ""))
	w.clock.advance(accessLife + time.Second)
	response, body := w.send(b, "GET", "//evil.example/x", map[string]string{"Accept": "text/html"})
	if response.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "evil.example") {
		t.Errorf("%d\n%s", response.StatusCode, body)
	}
}

// FAULT-02: an answer of which nobody knows what became of the refresh token is not asked for
// twice, and one that says nothing of the user signs nobody out before the token's end.
func TestFAULT_02_AnswersThatSayNothingOfTheUser(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		again  int // calls after the end
		after  int
	}{
		"500":                     {answerStatus(http.StatusInternalServerError, ""), 0, http.StatusUnauthorized},
		"a connection that ends":  {func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, 0, http.StatusUnauthorized},
		"a firewall's 403":        {answerStatus(http.StatusForbidden, "<html>blocked</html>"), 0, http.StatusUnauthorized},
		"a 404":                   {answerStatus(http.StatusNotFound, "not here"), 0, http.StatusUnauthorized},
		"a 401 without a code":    {answerStatus(http.StatusUnauthorized, ""), 1, http.StatusServiceUnavailable},
		"no grant Refresh Token":  {answerStatus(http.StatusForbidden, `{"error":"unauthorized_client"}`), 1, http.StatusUnauthorized},
		"a grant that is unknown": {answerStatus(http.StatusForbidden, `{"error":"unsupported_grant_type"}`), 1, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t)
			w.answerTokens(tc.answer)
			w.due()
			calls := w.exchanges()
			for range 3 {
				if status := w.statusFor(b); status != http.StatusOK {
					t.Errorf("before the end: %d", status)
				}
			}
			if calls() != 1 {
				t.Errorf("%d calls before the end", calls())
			}
			w.clock.advance(time.Minute)
			if status := w.statusFor(b); status != tc.after || calls() != 1+tc.again {
				t.Errorf("after it: %d, want %d, %d calls", status, tc.after, calls())
			}
		})
	}
}

// The log gets a line at a time in an outage, and requests that have just failed do not make
// another call.
func TestFAULT_02_OutageIsNotMadeWorse(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	h, now := w.handler(), w.clock.Now()
	f, tokens := h.refresher, w.tokensOf(b)
	for _, tc := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Second, false}, {complaintEvery, true}, {complaintEvery, false}} {
		if f.complains(now.Add(tc.after)) != tc.want {
			t.Errorf("after %s: %v", tc.after, !tc.want)
		}
	}
	calls := w.exchanges()
	from := &session.Refreshed{Session: session.Session{ID: tokens.Session}, Tokens: *tokens}
	f.remember(tokens.Session, refreshState{retry: now.Add(time.Minute), failures: 2})
	if got := h.awaitRefresh(t.Context(), from, true); got.failures != 2 || calls() != 0 {
		t.Errorf("%+v, %d calls", got, calls())
	}
	f.remember(tokens.Session, refreshState{over: true})
	if got := f.remember(tokens.Session, refreshState{state: from}); !got.over {
		t.Error("a session that was ended came back")
	}
}
