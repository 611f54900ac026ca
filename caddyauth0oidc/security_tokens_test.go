package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// What a tenant may send after the code, and must not: each of these signs
// nobody in and ends on a page.
func TestASVS_18_ASVS_22_CallbackRefusesTokens(t *testing.T) {
	t.Parallel()
	now := time.Now()
	claim := func(name string, value any) func(*auth0sim.Settings) {
		return func(s *auth0sim.Settings) {
			s.TamperIDToken = func(_, claims map[string]any) {
				if value == nil {
					delete(claims, name)
				} else {
					claims[name] = value
				}
			}
		}
	}
	header := func(name string, value any) func(*auth0sim.Settings) {
		return func(s *auth0sim.Settings) {
			s.TamperIDToken = func(h, _ map[string]any) { h[name] = value }
		}
	}
	answer := func(change func(map[string]any)) func(*auth0sim.Settings) {
		return func(s *auth0sim.Settings) { s.TamperTokenResponse = change }
	}
	tests := map[string]func(*auth0sim.Settings){
		"OIDC-06 issuer without its slash":     claim("iss", "http://master.localhost"),
		"RP-BAS-03 CVE-LIB-10 no sub":          claim("sub", nil),
		"OIDC-22 empty sub":                    claim("sub", ""),
		"TOK-10 sub is a number":               claim("sub", 7),
		"RP-FAPI-09 CVE-LIB-10 extra audience": claim("aud", []string{"CLIENT", "stranger"}),
		"RP-BAS-05 CVE-LIB-10 no iat":          claim("iat", nil),
		"CVE-LIB-10 iat years ahead":           claim("iat", now.Add(3*365*24*time.Hour).Unix()),
		"OIDC-13 iat an hour ago":              claim("iat", now.Add(-time.Hour).Unix()),
		"OIDC-12 expired":                      claim("exp", now.Add(-2*time.Minute).Unix()),
		"CVE-MAO-21 exp 1e300":                 claim("exp", 1e300),
		"RP-FAPI-16 CVE-LIB-10 no nonce":       claim("nonce", nil),
		"OIDC-14 nonce is a list":              claim("nonce", []string{"x"}),
		"OIDC-08 CVE-LIB-10 foreign azp":       claim("azp", "another"),
		"RP-CMP-03 CVE-LIB-10 wrong at_hash":   claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"CVE-LIB-11 SUB beside sub":            claim("SUB", "auth0-oidc|acme-child|auth0|root"),
		"CVE-LIB-11 Email beside email":        claim("Email", "root@corp.test"),
		"TOK-07 CVE-LIB-10 logout token":       claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}),
		"CVE-LIB-10 access token":              header("typ", "at+jwt"),
		"TOK-01 none":                          header("alg", "none"),
		"CVE-LIB-08 HS256 with the secret":     header("alg", "HS256"),
		"TOK-02 kid with a path":               header("kid", "../../key"),
		"TOK-04 crit":                          header("crit", []string{"b64"}),
		"OIDC-09 RP-BAS-10 foreign key":        func(s *auth0sim.Settings) { s.SignWithForeignKey = true },
		"OIDC-04 no id_token":                  answer(func(b map[string]any) { delete(b, "id_token") }),
		"OIDC-04 no token_type":                answer(func(b map[string]any) { delete(b, "token_type") }),
		"CVE-SDK-22 no access_token":           answer(func(b map[string]any) { delete(b, "access_token") }),
		"FAULT-11 error in a 200":              answer(func(b map[string]any) { b["error"] = "invalid_grant" }),
		"CVE-LIB-05 a million dots":            answer(func(b map[string]any) { b["id_token"] = strings.Repeat(".", 900_000) }),
		"OIDC-05 five parts":                   answer(func(b map[string]any) { b["id_token"] = "a.b.c.d.e" }),
		"access token as id_token":             answer(func(b map[string]any) { b["id_token"] = b["access_token"] }),
	}
	for id, tamper := range tests {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pair.Master.Configure(tamper)
			if strings.Contains(id, "extra audience") {
				w.pair.Master.Configure(claim("aud", []string{w.pair.App.ClientID, "stranger"}))
			}
			b := w.browser()
			page := w.signIn(b, "/home", w.pair.User)
			if page.Status < 400 || page.Status == http.StatusInternalServerError || !strings.Contains(page.Body, " href=") {
				t.Errorf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
			}
			if sessionCookie(w, b) != "" || len(w.app.take()) != 0 {
				t.Error("somebody is signed in")
			}
			assertSafePage(t, page)
		})
	}
}

// CVE-LIB-16, FAULT-08: code, verifier and secret are sent to the token
// endpoint and nowhere else, whatever it answers.
func TestCVE_LIB_16_RedirectOfTheTokenEndpointIsRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		w := newWorld(t)
		stolen := 0
		w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			switch r.URL.Path {
			case "/oauth/token":
				http.Redirect(rw, r, "/stolen", status)
				return true
			case "/stolen":
				stolen++
				return true
			}
			return false
		}
		b := w.browser()
		page := w.signIn(b, "/home", w.pair.User)
		if stolen != 0 {
			t.Errorf("%d was followed", status)
		}
		if page.Status < 400 || sessionCookie(w, b) != "" {
			t.Errorf("%d: ended at %d", status, page.Status)
		}
	}
}

// CVE-LIB-17, FAULT-04: one code is sent once, whatever comes of it.
func TestCVE_LIB_17_CodeIsSentOnce(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 429, 500, 502, 503, 504} {
		w := newWorld(t)
		w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/oauth/token" {
				return false
			}
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(`{"error":"server_error","error_description":"<script>alert(1)</script>"}`))
			return true
		}
		page := w.signIn(w.browser(), "/home", w.pair.User)
		if got := w.pair.Master.Calls("/oauth/token"); got != 1 {
			t.Errorf("%d: %d token requests", status, got)
		}
		if page.Status < 400 || page.Status == 500 || strings.Contains(page.Body, "alert") {
			t.Errorf("%d: ended at %d\n%s", status, page.Status, page.Body)
		}
		if status >= 429 && (page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "") {
			t.Errorf("%d: ended at %d, Retry-After %q", status, page.Status, page.Header.Get("Retry-After"))
		}
	}
}

// CVE-GW-07, CVE-LIB-18, FAULT-06, FAULT-07: answers that are not what they
// should be are refused, within bounds.
func TestOddAnswersOfTheTenant(t *testing.T) {
	t.Parallel()
	jsonType, html := "application/json", "text/html"
	for name, answer := range map[string][2]string{
		"empty":          {jsonType, ""},
		"null":           {jsonType, "null"},
		"list":           {jsonType, "[]"},
		"cut off":        {jsonType, `{"access_token":"x`},
		"captive portal": {html, "<html>sign in to this network</html>"},
		"form encoded":   {"text/plain", "access_token=x&token_type=bearer&id_token=y"},
		"huge":           {jsonType, `{"access_token":"` + strings.Repeat("x", 4<<20) + `"}`},
		"nested":         {jsonType, strings.Repeat(`{"a":`, 100_000)},
	} {
		for _, path := range []string{"/oauth/token", "/.well-known/openid-configuration", "/.well-known/jwks.json"} {
			w := newWorld(t)
			w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != path {
					return false
				}
				rw.Header().Set("Content-Type", answer[0])
				_, _ = rw.Write([]byte(answer[1]))
				return true
			}
			b := w.browser()
			page := w.open(b, "/home")
			if len(page.Forms) > 0 {
				page, _ = b.Login(page, w.pair.User.Email, auth0sim.PairPassword)
			}
			if page == nil || page.Status < 400 || page.Status == 500 || sessionCookie(w, b) != "" {
				t.Errorf("%s from %s: %+v", name, path, page)
			}
		}
	}
}

// RFC 9207: when the tenant announces iss, the callback must carry it.
func TestISS_01_ASVS_21_AnnouncedIssuerParameter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pair.Master.IssParameter = true
	b := w.browser()
	callback := w.callbackOf(b, "/home", w.pair.User)
	if !strings.Contains(callback, "iss=") {
		t.Fatal("the tenant sent no iss")
	}
	without := strings.Replace(callback, "iss=", "was_iss=", 1)
	if page := w.step(b, without); page.Status != http.StatusBadRequest || w.pair.Master.Calls("/oauth/token") != 0 {
		t.Errorf("without iss: %d, %d token requests", page.Status, w.pair.Master.Calls("/oauth/token"))
	}
	if page := w.signIn(w.browser(), "/home", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("with iss: %d", page.Status)
	}
}

// OIDC-19: two users are two, whatever address their tenant says they have, and an address
// is verified if the tenant says so and not otherwise.
func TestOIDC_19_EmailIsNoIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		user     auth0sim.User
		verified any
		want     string
	}{
		{w.pair.User, true, "true"}, {w.pair.Accented, false, "false"}, {w.pair.User, "false", "false"}, {w.pair.Accented, nil, ""}, {w.pair.User, "yes", ""}, {w.pair.Accented, 1, ""},
	} {
		w.pair.Master.Configure(func(s *auth0sim.Settings) {
			s.TamperIDToken = func(_, claims map[string]any) {
				if claims["email"] = "same@corp.test"; tc.verified == nil {
					delete(claims, "email_verified")
				} else {
					claims["email_verified"] = tc.verified
				}
			}
		})
		w.signIn(w.browser(), "/home", tc.user)
		requests := w.app.take()
		if len(requests) != 1 {
			t.Fatalf("%d requests reached the application", len(requests))
		}
		assertOnlyOurs(t, requests[0], map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(tc.user), "X-Auth0-Email": "same@corp.test"})
		if got := strings.Join(requests[0].header["X-Auth0-Email-Verified"], "|"); got != tc.want {
			t.Errorf("email_verified %v arrives as %q, want %q", tc.verified, got, tc.want)
		}
	}
}
