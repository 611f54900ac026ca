package caddyauth0oidc

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// What is no access token for this API, or nobody's to use as one.
func TestTOK_07_OtherTokensAreRefused(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	m := w.pair.Master
	for _, api := range []string{"https://other.example.test/", reportsAPI} {
		w.pair.Child.AddAPI(auth0sim.API{Identifier: api})
		m.AddAPI(auth0sim.API{Identifier: api})
	}
	now := time.Now()
	other, _ := w.machineToken("https://other.example.test/", "read:reports")
	child := w.pair.Child.SignJWT(map[string]any{"typ": "JWT"}, map[string]any{
		"iss": w.pair.Child.Issuer(), "sub": "auth0|1", "aud": reportsAPI, "azp": "x", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "read:reports",
	})
	posing := w.pair.Child.SignJWT(map[string]any{"typ": "JWT", "kid": m.KeyID()}, map[string]any{
		"iss": m.Issuer(), "sub": "auth0|1", "aud": reportsAPI, "azp": "x", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "read:reports",
	})
	var idToken, opaque string
	m.TamperTokenResponse = func(body map[string]any) {
		if body["id_token"] != nil {
			idToken, opaque = body["id_token"].(string), body["access_token"].(string)
		}
	}
	w.signIn(w.browser(), "/home", w.pair.User)
	w.app.take()
	good := w.signed(nil)
	parts := strings.Split(good, ".")
	typed := func(typ string) string {
		return m.SignJWT(map[string]any{"typ": typ}, map[string]any{
			"iss": m.Issuer(), "sub": "auth0|1", "aud": reportsAPI, "azp": "x", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "read:reports",
		})
	}
	for name, token := range map[string]string{
		"ID token":                     idToken,
		"opaque token":                 opaque,
		"logout token":                 m.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), "sid"),
		"other audience":               other,
		"other tenant":                 child,
		"other tenant posing as ours":  posing,
		"logout token for the API":     w.signed(map[string]any{"events": map[string]any{}}),
		"ID token for the API":         w.signed(map[string]any{"nonce": "n"}),
		"token for the client as well": w.signed(map[string]any{"aud": []string{reportsAPI, "spa"}}),
		"token that names no client":   w.signed(map[string]any{"azp": nil}),
		"token that is bound to a key": w.signed(map[string]any{"cnf": map[string]any{"jkt": "x"}}),
		"expired token":                w.signed(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}),
		"token of tomorrow":            w.signed(map[string]any{"nbf": now.Add(time.Hour).Unix()}),
		"TOK-10 scopes in an array":    w.signed(map[string]any{"scope": []string{"read:reports"}}),
		"TOK-10 sub is a number":       w.signed(map[string]any{"sub": 7}),
		"TOK-01 none":                  m.SignJWT(map[string]any{"alg": "none", "typ": "JWT"}, map[string]any{"iss": m.Issuer()}) + "AA",
		"TOK-01 HS256":                 m.SignJWT(map[string]any{"alg": "HS256", "typ": "JWT"}, map[string]any{"iss": m.Issuer()}),
		"TOK-03 foreign kid":           m.SignJWT(map[string]any{"typ": "JWT", "kid": "../../key"}, map[string]any{"iss": m.Issuer()}),
		"TOK-05 padding":               good + "=",
		"TOK-05 fourth segment":        good + ".AA",
		"TOK-08 no signature":          parts[0] + "." + parts[1] + ".",
		"TOK-08 signature of nothing":  parts[0] + "." + parts[1] + "." + strings.Repeat("A", 342),
		"CVE-LIB-05 dots":              strings.Repeat(".", 100_000),
		"CVE-ENV-01 anything":          "x",
		"another type":                 typed("logout+jwt"),
		"DPoP proof":                   typed("dpop+jwt"),
		"payload of another":           parts[0] + "." + strings.Split(child, ".")[1] + "." + parts[2],
	} {
		response, body := w.call("/reports", token)
		t.Run(name, func(t *testing.T) {
			assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)
		})
	}
	if response, _ := w.call("/reports", good); response.StatusCode != http.StatusOK {
		t.Errorf("the good one: %d", response.StatusCode)
	}
	if n := len(w.handler().Bearer.verified.current); n != 1 {
		t.Errorf("%d tokens are kept, want the good one", n)
	}
	for _, token := range []string{idToken, other, child, good} {
		if strings.Contains(w.logs(), strings.Split(token, ".")[2]) {
			t.Error("INV-04: a token stands in the log")
		}
	}
}

func TestUsersOfAnotherConnectionAreRefusedWithATokenToo(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	for _, sub := range []string{
		"auth0|1", "auth0-oidc|other|auth0|1", "oidc|acme|auth0|1", "auth0-oidc|acme-child|", "machine@clients", "spa@clients|x", "auth0|spa@clients",
	} {
		response, body := w.call("/reports", w.signed(map[string]any{"sub": sub}))
		t.Run(sub, func(t *testing.T) { assertRefused(t, w, response, body, 403, "connection_mismatch", "") })
	}
	for _, gty := range []any{"password", "refresh_token", nil, 1} {
		claims := map[string]any{"sub": "spa@clients", "gty": gty}
		response, body := w.call("/reports", w.signed(claims))
		if gty == nil { // as in the RFC 9068 profile
			if response.StatusCode != http.StatusOK || len(w.app.take()) != 1 {
				t.Errorf("a machine: %d", response.StatusCode)
			}
			continue
		}
		t.Run(fmt.Sprint(gty), func(t *testing.T) { assertRefused(t, w, response, body, 403, "connection_mismatch", "") })
	}
}

func TestWithPassABadTokenIsNotNobody(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\nunauthenticated pass"))
	response, body := w.call("/x", w.signed(map[string]any{"aud": "urn:other"}), "Accept", "application/json")
	assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)
	response, _ = w.send(w.browser(), "GET", "/x", nil)
	if vary := response.Header.Values("Vary"); response.StatusCode != http.StatusOK || strings.Join(vary, ",") != "Cookie,Authorization" {
		t.Errorf("nobody: %d, Vary %q", response.StatusCode, vary)
	}
	assertSeen(t, w.app.take()[0], map[string]string{"X-Auth0-User-Id": ""})
}

// CVE-GW-09: tokens with the same beginning, and the same end, are not taken for each
// other, and what one directive has verified is judged by the next one's own audience.
func TestCVE_GW_09_VerifiedTokensAreNotMixedUp(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withGlobal(globalTenant), withSite(`@other path /other/*
@rest not path /other/*
auth0_oidc @other {
bearer {
audience urn:other
}
}
auth0_oidc @rest {
`+bearerSetting+`
}
reverse_proxy UPSTREAM`))
	one, two := w.signed(map[string]any{"sub": "auth0-oidc|acme-child|auth0|one"}), w.signed(map[string]any{"sub": "auth0-oidc|acme-child|auth0|two"})
	if one[:20] != two[:20] {
		t.Fatal("the tokens begin differently")
	}
	crossed := two[:strings.LastIndexByte(two, '.')] + one[strings.LastIndexByte(one, '.'):]
	for range 3 {
		for token, want := range map[string]string{one: "auth0-oidc|acme-child|auth0|one", two: "auth0-oidc|acme-child|auth0|two"} {
			if response, _ := w.call("/x", token); response.StatusCode != http.StatusOK {
				t.Fatalf("%d", response.StatusCode)
			}
			assertSeen(t, w.app.take()[0], map[string]string{"X-Auth0-User-Id": want})
			response, body := w.call("/other/x", token)
			assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)
		}
		response, body := w.call("/x", crossed)
		assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)
	}
	both := w.signed(map[string]any{"aud": []string{"urn:other", reportsAPI}})
	for _, path := range []string{"/x", "/other/x"} {
		if response, _ := w.call(path, both); response.StatusCode != http.StatusOK {
			t.Errorf("a token for both at %s: %d", path, response.StatusCode)
		}
	}
	w.app.take()
	w.clock.advance(time.Hour + 61*time.Second)
	response, body := w.call("/x", one) // kept, and expired
	assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)
}

// What is kept is bounded, and comes back when it is used again.
func TestKeptTokensAreBounded(t *testing.T) {
	t.Parallel()
	var kept verifiedTokens
	key := func(i int) (k [32]byte) { k[0], k[1] = byte(i), byte(i>>8); return k }
	first := new(verifiedToken)
	kept.keep(key(0), first)
	for i := range 5 * maxVerified {
		kept.keep(key(i+1), new(verifiedToken))
		if i%100 == 0 && kept.find(key(0)) != first {
			t.Fatalf("the one in use is gone after %d", i)
		}
		if n := len(kept.current) + len(kept.previous); n > 2*maxVerified {
			t.Fatalf("%d are kept", n)
		}
	}
	if kept.find(key(1)) != nil {
		t.Error("one that nobody used is still there")
	}
}

// DOS-05, CVE-LIB-12 through the whole handler: garbage costs one request for keys,
// is not kept, and does not keep others out.
func TestDOS_05_BearerGarbageCostsNothing(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	good := w.signed(nil)
	if response, _ := w.call("/x", good); response.StatusCode != http.StatusOK {
		t.Fatal(response.StatusCode)
	}
	before, kept := w.tenantCalls(), w.handler().shared.remembered()
	now := w.clock.Now()
	for i := range 200 {
		forged := w.pair.Child.SignJWT(map[string]any{"typ": "JWT", "kid": fmt.Sprint("random-", i)}, map[string]any{
			"iss": w.pair.Master.Issuer(), "sub": "x@clients", "azp": "x", "aud": reportsAPI, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		})
		if response, _ := w.call("/x", forged); response.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%d. forged token: %d", i, response.StatusCode)
		}
		if response, _ := w.call("/x", good); response.StatusCode != http.StatusOK {
			t.Fatalf("during the flood: %d", response.StatusCode)
		}
	}
	if n := w.tenantCalls() - before; n > 1 {
		t.Errorf("%d requests to the tenant", n)
	}
	if n := len(w.handler().Bearer.verified.current); n != 1 || w.handler().shared.remembered() != kept {
		t.Errorf("%d tokens are kept", n)
	}
}

// A key that the tenant has revoked verifies no longer than the keys are believed, for
// a token that was verified with it as well. Without the tenant, what is known serves.
func TestKeptTokensEndWithTheirKey(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	token, _ := w.machineToken(reportsAPI, "read:reports")
	if response, _ := w.call("/x", token); response.StatusCode != http.StatusOK {
		t.Fatal(response.StatusCode)
	}
	w.pair.Master.Intercept = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(500); return true }
	w.clock.advance(61 * time.Minute)
	if response, _ := w.call("/x", token); response.StatusCode != http.StatusOK {
		t.Errorf("during an outage: %d", response.StatusCode)
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = nil })
	w.pair.Master.RotateKeys()
	w.pair.Master.RotateKeys()
	w.pair.Master.RevokePreviousKey()
	// The keys are asked for behind the backs of requests.
	for range 5000 {
		w.clock.advance(2 * time.Second)
		if response, _ := w.call("/x", token); response.StatusCode == http.StatusUnauthorized {
			return
		}
	}
	t.Error("the token of a revoked key still passes")
}

// On a quiet site nobody has asked for the keys meanwhile.
func TestTheFirstRequestAfterAQuietDayIsJudgedByTodaysKeys(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	token, _ := w.machineToken(reportsAPI, "read:reports")
	if response, _ := w.call("/x", token); response.StatusCode != http.StatusOK {
		t.Fatal(response.StatusCode)
	}
	w.app.take()
	w.pair.Master.RotateKeys()
	w.pair.Master.RotateKeys()
	w.pair.Master.RevokePreviousKey()
	w.clock.advance(23 * time.Hour)
	response, body := w.call("/x", token)
	assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)
}

func TestWithoutTheTenantATokenHasToWait(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	token := w.signed(nil)
	w.pair.Master.Intercept = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(500); return true }
	response, body := w.call("/x", token)
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || !strings.Contains(body, codeTenantUnavailable) {
		t.Errorf("%d %v %s", response.StatusCode, response.Header, body)
	}
	response, body = w.call("/x", w.signed(map[string]any{"aud": "urn:other"})) // nobody needs keys for that
	assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)
}

// CFG-03: error routes learn the code, and see nobody.
func TestErrorRoutesAnswerAPIClients(t *testing.T) {
	t.Parallel()
	for _, unauthenticated := range []string{"auto", "pass"} {
		w := newAPIWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc {
`+bearerSetting+"\nunauthenticated "+unauthenticated+`
}
reverse_proxy UPSTREAM
handle_errors {
auth0_oidc {
unauthenticated pass
}
respond "{http.auth.auth0_oidc.error} [{http.auth.user.id}{http.request.header.X-Auth0-User-Id}]"
}`))
		response, body := w.call("/x", "x.y.z", "X-Auth0-User-Id", "evil")
		if response.StatusCode != 401 || body != "invalid_access_token []" || len(response.Header.Values("WWW-Authenticate")) != 1 {
			t.Errorf("%s: %d %s %v", unauthenticated, response.StatusCode, body, response.Header)
		}
		for _, setting := range []string{bearerSetting, bearerSetting + "\nunauthenticated pass"} {
			w := newAPIWorld(t, withGlobal(globalTenant), withSite("auth0_oidc {\n"+bearerSetting+"\n}\nhandle_errors {\nauth0_oidc {\n"+setting+"\n}\nrespond again\n}"))
			response, body := w.call("/x", "x.y.z")
			if response.StatusCode != 401 || strings.Contains(setting, "pass") != (body == "again") {
				t.Errorf("with the directive in the error routes: %d %q", response.StatusCode, body)
			}
		}
	}
}

// What the application should not see is still what the request came with: an error
// route does not take it for the session's.
func TestErrorRoutesKnowTheTokenThatWasTakenOut(t *testing.T) {
	t.Parallel()
	directive := "auth0_oidc {\n" + bearerSetting + "\n}\n"
	w := newAPIWorld(t, withGlobal(globalTenant), withSite(directive+`request_header -Authorization
handle /fails {
error 418
}
reverse_proxy UPSTREAM
handle_errors {
`+directive+`respond "{http.auth.user.id} {http.request.header.X-Auth0-User-Id}"
}`))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	token, clientID := w.machineToken(reportsAPI, "read:reports")
	response, body := w.send(b, "GET", "/fails", map[string]string{"Authorization": "Bearer " + token})
	if want := clientID + "@clients"; body != want+" "+want {
		t.Errorf("with a token and a session: %d %s, want %s", response.StatusCode, body, want)
	}
}

// Whoever reads it wrote a program, and has no session to sign out of.
func TestRefusalsOfTokensSpeakOfTokens(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings(bearerSetting+"\nacr_values mfa\nrequire org_id org_x"))
	tenantIsAway := func() { w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = unavailable }) }
	for _, tc := range []struct {
		code   string
		token  string
		before func()
	}{
		{codeTenantUnavailable, w.signed(map[string]any{"jti": "1"}), tenantIsAway},
		{codeStepUpRequired, w.signed(nil), func() {
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = nil })
			w.clock.advance(31 * time.Second)
		}},
		{codeConnectionMismatch, w.signed(map[string]any{"sub": "auth0|1"}), func() {}},
		{codeForbidden, w.signed(map[string]any{"amr": []string{"mfa"}}), func() {}},
	} {
		tc.before()
		for _, accept := range []string{"application/json", "text/html"} {
			_, body := w.call("/x", tc.token, "Accept", accept)
			if !strings.Contains(body, tc.code) || !strings.Contains(body, "ccess token") || strings.Contains(strings.ToLower(body), "sign out") {
				t.Errorf("%s as %s: %s", tc.code, accept, body)
			}
		}
	}
}

func unavailable(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusInternalServerError)
	return true
}

// An earlier directive may have let the session pass.
func TestRefusedTokenTakesBackWhoeverTheSessionIs(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withGlobal(globalTenant), withSite("route {\nauth0_oidc\nauth0_oidc /api/* {\n"+bearerSetting+`
}
reverse_proxy UPSTREAM
}
handle_errors {
respond "[{http.auth.user.id}{http.request.header.X-Auth0-User-Id}]"
}`))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	response, body := w.send(b, "GET", "/api/x", map[string]string{"Authorization": "Bearer x.y.z"})
	if response.StatusCode != http.StatusUnauthorized || body != "[]" || len(w.app.take()) != 0 {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// The invariants hold where access tokens are accepted.
func TestINV_01_05_06_07_HostileRequestsToAnAPI(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	for _, request := range hostile {
		header := map[string]string{"Authorization": "Bearer evil"}
		for name, value := range request.header {
			header[name] = value
		}
		response, _ := w.send(w.browser(), request.method, request.path, header)
		if reached := w.app.take(); len(reached) != 0 || response.StatusCode >= 500 || !strings.Contains(response.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s %s: %d, %d requests, %v", request.method, request.path, response.StatusCode, len(reached), response.Header)
		}
		if location := response.Header.Get("Location"); location != "" && !strings.HasPrefix(request.path, "/auth/") {
			t.Errorf("%s %s redirects to %s", request.method, request.path, location)
		}
	}
}
