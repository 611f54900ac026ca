package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// OIDC-17, BCP-14: what the userinfo endpoint says about somebody else, or what cannot
// be read without doubt, signs nobody in, whatever the fallback is.
func TestOIDC_17_BCP_14_UserinfoThatSignsNobodyIn(t *testing.T) {
	t.Parallel()
	claim := func(name string, value any) func(*auth0sim.Settings) {
		return func(s *auth0sim.Settings) {
			s.TamperUserInfo = func(body map[string]any) {
				if body[name] = value; value == nil {
					delete(body, name)
				}
			}
		}
	}
	signed := func(change func(header, claims map[string]any)) func(*auth0sim.Settings) {
		return func(s *auth0sim.Settings) { s.SignUserInfo = change }
	}
	unchanged := func(_, _ map[string]any) {}
	tests := map[string]func(*auth0sim.Settings){
		"another sub":                claim("sub", "auth0-oidc|acme-child|auth0|root"),
		"no sub":                     claim("sub", nil),
		"sub is a number":            claim("sub", 7),
		"SUB beside sub":             claim("SUB", "auth0-oidc|acme-child|auth0|root"),
		"Email beside email":         claim("Email", "root@corp.test"),
		"signed, another sub":        signed(func(_, c map[string]any) { c["sub"] = "auth0|root" }),
		"signed, another issuer":     signed(func(_, c map[string]any) { c["iss"] = "https://evil.test/" }),
		"signed, another audience":   signed(func(_, c map[string]any) { c["aud"] = "another" }),
		"signed by nobody":           signed(func(h, _ map[string]any) { h["alg"] = "none" }),
		"signed with the secret":     signed(func(h, _ map[string]any) { h["alg"] = "HS256" }),
		"signed by a key not theirs": func(s *auth0sim.Settings) { s.SignUserInfo = signedByAStranger },
		"TOK-07 an ID token":         signed(func(_, c map[string]any) { c["nonce"] = "x" }),
		"a JWT called JSON":          func(s *auth0sim.Settings) { s.SignUserInfo, s.UserInfoType = unchanged, "application/json" },
		"JSON called a JWT":          func(s *auth0sim.Settings) { s.UserInfoType = "application/jwt" },
		"JSON called HTML":           func(s *auth0sim.Settings) { s.UserInfoType = "text/html" },
	}
	for name, tamper := range tests {
		for _, settings := range []string{"profile userinfo", "profile userinfo {\nfallback id_token\n}"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, withSettings(settings))
				w.pair.Master.Configure(tamper)
				b := w.browser()
				page := w.signIn(b, "/home", w.pair.User)
				if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeInvalidToken) {
					t.Errorf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
				}
				if sessionCookie(w, b) != "" || len(w.app.take()) != 0 {
					t.Error("somebody is signed in")
				}
				assertSafePage(t, page)
			})
		}
	}
}

// signedByAStranger names a key that is not in the key set.
func signedByAStranger(header, _ map[string]any) { header["kid"] = "stranger" }

// OIDC-17: claims of the protocol are those of the ID token: no answer makes a login
// stronger, another organization's or another application's.
func TestOIDC_17_UserinfoCannotSpeakForTheProtocol(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("profile userinfo\nheaders {\nprofile\nX-Org org_id\nX-Acr acr\n}"))
	w.pair.Master.TamperUserInfo = func(body map[string]any) {
		for name, value := range map[string]any{
			"iss": "https://evil.test/", "aud": "evil", "azp": "evil", "client_id": "evil", "nonce": "evil", "sid": "evil", "acr": "evil",
			"amr": []string{"mfa"}, "org_id": "evil", "org_name": "evil", "user_id": "evil", "session_expiry": 1, "auth_time": 1,
			"identities": []map[string]any{{"user_id": "evil", "connection": "evil", "provider": "evil"}}, "act": map[string]any{"sub": "evil"},
			"_claim_names": map[string]any{"email": "evil"}, "_claim_sources": map[string]any{"evil": map[string]any{"endpoint": "https://evil.test/"}},
		} {
			body[name] = value
		}
	}
	b := w.browser()
	if page := w.signIn(b, "/home", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	requests := w.app.take()
	assertOnlyOurs(t, requests[0], map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User), "X-Auth0-Client-Id": w.pair.App.ClientID})
	for _, name := range []string{"X-Org", "X-Acr", "X-Auth0-Org-Id", "X-Auth0-Identities"} {
		if got := requests[0].header[name]; got != nil {
			t.Errorf("%s is %q", name, got)
		}
	}
	if _, body := w.send(b, "GET", "/auth/profile", nil); strings.Contains(body, "evil") || strings.Contains(body, "mfa") {
		t.Errorf("the profile is %s", body)
	}
}

// OIDC-15: a second factor is what the ID token says it is.
func TestOIDC_15_UserinfoIsNoSecondFactor(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{"acr_values mfa", "max_age 5m", "prompt login"} {
		w := newWorld(t, withSettings("profile userinfo\n"+settings))
		w.pair.Master.TamperIDToken = func(_, claims map[string]any) { delete(claims, "auth_time") }
		w.pair.Master.TamperUserInfo = func(body map[string]any) {
			body["amr"], body["auth_time"] = []string{"mfa"}, w.clock.Now().Unix()
			body["acr"] = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
		}
		b := w.browser()
		page := w.signIn(b, "/home", w.pair.User)
		if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeStepUpFailed) || sessionCookie(w, b) != "" {
			t.Errorf("%s: %d %s", settings, page.Status, page.Body)
		}
	}
}

// OIDC-19: an address is verified only if whoever names the address says so.
func TestOIDC_19_AddressAndVerdictComeTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("profile userinfo\nrequire email_domain corp.test"))
	for _, test := range []struct {
		name            string
		token, userinfo map[string]any
		status          int
		verified        string
	}{
		{"another address without a word", map[string]any{"email": "a@mail.test", "email_verified": true}, map[string]any{"email": "root@corp.test"}, http.StatusForbidden, ""},
		{"another address, the word is null", map[string]any{"email": "a@mail.test", "email_verified": true}, map[string]any{"email": "root@corp.test", "email_verified": nil}, http.StatusForbidden, ""},
		{"a word without an address", map[string]any{"email": "root@corp.test", "email_verified": false}, map[string]any{"email_verified": true}, http.StatusForbidden, ""},
		{"address and word", map[string]any{"email": "a@mail.test", "email_verified": false}, map[string]any{"email": "a@corp.test", "email_verified": true}, http.StatusOK, "true"},
		{"neither", map[string]any{"email": "a@corp.test", "email_verified": true}, map[string]any{}, http.StatusOK, "true"},
	} {
		say := func(target, words map[string]any) {
			delete(target, "email")
			delete(target, "email_verified")
			for name, value := range words {
				target[name] = value
			}
		}
		w.pair.Master.Configure(func(s *auth0sim.Settings) {
			s.TamperIDToken = func(_, claims map[string]any) { say(claims, test.token) }
			s.TamperUserInfo = func(body map[string]any) { say(body, test.userinfo) }
		})
		page := w.signIn(w.browser(), "/home", w.pair.User)
		requests := w.app.take()
		if page.Status != test.status || (test.status == http.StatusOK) != (len(requests) == 1) {
			t.Errorf("%s: %d after %d requests", test.name, page.Status, len(requests))
			continue
		}
		if len(requests) == 1 && requests[0].header.Get("X-Auth0-Email-Verified") != test.verified {
			t.Errorf("%s: verified is %q", test.name, requests[0].header.Get("X-Auth0-Email-Verified"))
		}
	}
}

// INV-04: neither the access token nor what the endpoint answers is logged.
func TestINV_04_NothingOfUserinfoIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("profile userinfo {\nfallback id_token\n}"), withGlobal("servers {\nlog_credentials\n}"))
	var secrets []string
	w.pair.Master.TamperTokenResponse = func(body map[string]any) { secrets = append(secrets, body["access_token"].(string)) }
	w.pair.Master.TamperUserInfo = func(body map[string]any) { body["sub"] = "SECRETSUB" }
	w.signIn(w.browser(), "/home", w.pair.User)
	w.pair.Master.LimitRequests("/userinfo", 0, time.Second)
	w.signIn(w.browser(), "/home", w.pair.User)
	if logs := w.logs(); len(secrets) != 2 || strings.Contains(logs, secrets[0]) || strings.Contains(logs, secrets[1]) || strings.Contains(logs, "SECRETSUB") {
		t.Errorf("%d secrets, and one of them is in the log", len(secrets))
	}
}

func TestFallbackBesideADenyIsWarnedOf(t *testing.T) {
	t.Parallel()
	deny := []Rule{{Claim: "https://acme.test/blocked"}, {Claim: "email_domain", Values: []string{"x.test"}}}
	for _, test := range []struct {
		profile Profile
		deny    []Rule
		want    int
	}{
		{Profile{Source: "id_token"}, deny, 0},
		{Profile{Source: "userinfo"}, deny, 0},
		{Profile{Source: "userinfo", Fallback: "id_token"}, nil, 0},
		{Profile{Source: "userinfo", Fallback: "id_token"}, deny, 1},
	} {
		core, logs := observer.New(zap.WarnLevel)
		test.profile.warn(zap.New(core), test.deny)
		if logs.Len() != test.want {
			t.Errorf("%+v: %d warnings, want %d: %v", test.profile, logs.Len(), test.want, logs.All())
		}
	}
}
