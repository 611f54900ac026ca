package tenant

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const testAPI = "https://api.example.com/"

var testAPIs = []string{"urn:other", testAPI}

// accessToken returns the claims of a good access token of Auth0's own dialect with changes.
func accessToken(now time.Time, changes object) object {
	return claims{
		"iss": testIssuer, "sub": "auth0-oidc|acme-child|auth0|563b", "aud": []string{testAPI, testIssuer + "userinfo"}, "azp": "spa1",
		"iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(), "scope": "openid read:reports write:reports",
	}.with(changes)
}

func TestTOK_07_AccessTokensOfBothDialectsAreAccepted(t *testing.T) {
	t.Parallel()
	c := newClock()
	tn := newTestTenant(t, newAuthority(), c.Now)
	rfc9068 := object{"azp": nil, "client_id": "m2m1", "jti": "j", "aud": testAPI, "sub": "m2m1@clients", "gty": nil}
	for name, tt := range map[string]struct {
		typ     string
		changes object
		client  string
		machine bool
	}{
		"auth0, user":              {"JWT", object{"permissions": []string{"read:reports"}}, "spa1", false},
		"auth0, refreshed":         {"jwt", object{"gty": "refresh_token"}, "spa1", false},
		"auth0, machine":           {"JWT", object{"aud": testAPI, "azp": "m2m1", "sub": "m2m1@clients", "gty": "client-credentials"}, "m2m1", true},
		"rfc9068, machine":         {"at+jwt", rfc9068, "m2m1", true},
		"rfc9068, long typ":        {"application/at+jwt", rfc9068, "m2m1", true},
		"both names of the client": {"AT+JWT", object{"client_id": "spa1"}, "spa1", false},
		"somebody else's machine":  {"JWT", object{"sub": "m2m2@clients", "gty": "client-credentials"}, "spa1", false},
		"machine by another grant": {"JWT", object{"sub": "spa1@clients", "gty": "password"}, "spa1", false},
		"user id with a bar":       {"JWT", object{"azp": "auth0|x", "sub": "auth0|x@clients", "gty": "client-credentials"}, "auth0|x", false},
		"no scope":                 {"JWT", object{"scope": nil}, "spa1", false},
	} {
		raw := mint(rsaOne(), object{"alg": "RS256", "typ": tt.typ, "kid": "one"}, accessToken(c.Now(), tt.changes))
		got, err := tn.VerifyAccessToken(t.Context(), raw, testAPIs)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.ClientID != tt.client || got.IsMachine() != tt.machine || !got.Expiry.Equal(c.Now().Add(24*time.Hour)) {
			t.Errorf("%s: %+v", name, got)
		}
		if want := []string{"openid", "read:reports", "write:reports"}; tt.changes["scope"] == nil && name != "no scope" && !slices.Equal(got.Scopes, want) {
			t.Errorf("%s: scopes %q", name, got.Scopes)
		}
	}
}

func TestAccessTokensWhoseClaimsAreRefused(t *testing.T) {
	t.Parallel()
	c := newClock()
	tn := newTestTenant(t, newAuthority(), c.Now)
	at := func(d time.Duration) int64 { return c.Now().Add(d).Unix() }
	for _, tt := range []struct {
		name   string
		change object
		reason string
	}{
		{"RP-BAS-02 other iss", object{"iss": "https://evil.eu.auth0.com/"}, "issuer"},
		{"OIDC-06 iss without slash", object{"iss": strings.TrimSuffix(testIssuer, "/")}, "issuer"},
		{"ISS-02 iss in other case", object{"iss": "https://ACME.eu.auth0.com/"}, "issuer"},
		{"TOK-07 other tenant", object{"iss": "https://acme.us.auth0.com/"}, "issuer"},
		{"no iss", object{"iss": nil}, "issuer"},
		{"TOK-07 CVE-MAO-17 other audience", object{"aud": "https://other.example.com/"}, "audience"},
		{"TOK-07 userinfo alone", object{"aud": testIssuer + "userinfo"}, "audience"},
		{"audience without its slash", object{"aud": strings.TrimSuffix(testAPI, "/")}, "audience"},
		{"no aud", object{"aud": nil}, "audience"},
		{"empty aud", object{"aud": ""}, "audience"},
		{"OIDC-07 empty aud array", object{"aud": []string{}}, "audience"},
		{"OIDC-07 nested aud", object{"aud": []any{[]string{testAPI}}}, "audience"},
		{"aud with a number", object{"aud": []any{testAPI, 1}}, "audience"},
		{"TOK-07 ID token", object{"aud": "spa1", "nonce": "n"}, "token_type"},
		{"TOK-07 ID token by its nonce", object{"nonce": "n"}, "token_type"},
		{"TOK-07 ID token by its at_hash", object{"at_hash": "h"}, "token_type"},
		{"TOK-07 ID token by its c_hash", object{"c_hash": "h"}, "token_type"},
		{"TOK-07 token for the client itself", object{"aud": []string{testAPI, "spa1"}}, "token_type"},
		{"TOK-07 logout token", object{"events": object{}}, "token_type"},
		{"bound to a key", object{"cnf": object{"jkt": "x"}}, "bound"},
		{"cnf null", object{"cnf": json.RawMessage("null")}, "bound"},
		{"no client", object{"azp": nil}, "azp"},
		{"two clients", object{"client_id": "spa2"}, "azp"},
		{"azp array", object{"azp": []string{"spa1"}}, "azp"},
		{"no sub", object{"sub": nil}, "subject"},
		{"OIDC-22 empty sub", object{"sub": ""}, "subject"},
		{"OIDC-22 long sub", object{"sub": strings.Repeat("a", 1025)}, "subject"},
		{"TOK-10 sub number", object{"sub": 7}, "subject"},
		{"TOK-10 sub object", object{"sub": object{}}, "subject"},
		{"sub with line feed", object{"sub": "a\nb"}, "subject"},
		{"sub that a header would shorten", object{"sub": "auth0|bob "}, "subject"},
		{"no iat", object{"iat": nil}, "issued_at"},
		{"CVE-LIB-10 iat in future", object{"iat": at(61 * time.Second)}, "issued_at"},
		{"no exp", object{"exp": nil}, "expired"},
		{"expired", object{"exp": at(-60 * time.Second)}, "expired"},
		{"expired this second", object{"exp": at(0)}, "expired"},
		{"CVE-MAO-21 exp text", object{"exp": fmt.Sprint(at(time.Hour))}, "expired"},
		{"exp in milliseconds", object{"exp": at(time.Hour) * 1000}, "expired"},
		{"nbf in future", object{"nbf": at(61 * time.Second)}, "not_before"},
		{"TOK-10 scope array", object{"scope": []string{"read:reports"}}, "scope"},
		{"TOK-10 permissions text", object{"permissions": "read:reports"}, "permissions"},
		{"TOK-10 permissions with a number", object{"permissions": []any{"a", 1}}, "permissions"},
		{"CVE-LIB-11 SUB beside sub", object{"SUB": "auth0|root"}, "duplicate_claim"},
		{"CVE-LIB-11 Scope beside scope", object{"Scope": "admin"}, "duplicate_claim"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tn.VerifyAccessToken(t.Context(), mint(rsaOne(), rs256, accessToken(c.Now(), tt.change)), testAPIs)
			wantInvalid(t, err, tt.reason)
		})
	}
	good := mint(rsaOne(), rs256, accessToken(c.Now(), nil))
	for _, audiences := range [][]string{nil, {}, {""}, {"https://other.example.com/"}} {
		_, err := tn.VerifyAccessToken(t.Context(), good, audiences)
		wantInvalid(t, err, "audience")
	}
}

func TestAccessTokensWhoseFormIsRefused(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.serve(jwksPath, jwks(rsaJWK("one", &rsaOne().PublicKey), ecJWK("ec", &ecOne().PublicKey)))
	tn := newTestTenant(t, a, c.Now)
	good := accessToken(c.Now(), nil)
	token := mint(rsaOne(), rs256, good)
	parts := strings.Split(token, ".")
	with := func(header any) string { return mint(rsaOne(), header, good) }
	payload := func(text string) string { return mint(rsaOne(), rs256, text) }
	for _, tt := range []struct{ name, raw, reason string }{
		{"empty", "", "malformed"},
		{"opaque", "Fq3vOpaqueTokenOfTheUserinfoEndpoint", "malformed"},
		{"CVE-LIB-05 a million dots", strings.Repeat(".", 1_000_000), "malformed"},
		{"CVE-LIB-03 encrypted, five parts", b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..a.b.c", "malformed"},
		{"TOK-04 JSON serialization", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, "malformed"},
		{"TOK-06 too long", parts[0] + "." + strings.Repeat("A", maxAccessToken) + "." + parts[2], "malformed"},
		{"TOK-05 padding", token + "=", "malformed"},
		{"TOK-05 line break", parts[0] + "." + parts[1] + ".\n" + parts[2], "malformed"},
		{"TOK-05 fourth segment", token + ".AA", "malformed"},
		{"TOK-06 name twice", payload(`{"sub":"a","sub":"b"}`), "duplicate_claim"},
		{"TOK-06 invalid UTF-8", payload("{\"sub\":\"\xff\"}"), "malformed"},
		{"TOK-06 1e999", payload(`{"iat":1e999}`), "malformed"},
		{"DOS-05 many objects", payload(`{"a":[` + strings.Repeat("{},", 40) + "{}]}"), "malformed"},
		{"DOS-05 many arrays", payload(`{"a":` + strings.Repeat("[", 31) + "[],[]" + strings.Repeat("]", 31) + "}"), "malformed"},
		{"DOS-05 many numbers", payload(`{"a":[` + strings.Repeat("1,", 401) + "1]}"), "malformed"},
		{"TOK-06 depth", payload(strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)), "malformed"},
		{"TOK-08 empty signature", parts[0] + "." + parts[1] + ".", "malformed"},
		{"RP-BAS-10 broken signature", parts[0] + "." + parts[1] + "." + b64(make([]byte, 256)), "signature"},
		{"TOK-08 psychic signature", b64([]byte(`{"alg":"ES256","kid":"ec","typ":"JWT"}`)) + "." + parts[1] + "." + b64(make([]byte, 64)), "signature"},
		{"other key with our key id", mint(rsaTwo(), rs256, good), "signature"},
		{"TOK-01 none", with(object{"alg": "none", "kid": "one", "typ": "JWT"}), "algorithm"},
		{"TOK-01 nOnE", with(object{"alg": "nOnE", "kid": "one", "typ": "JWT"}), "algorithm"},
		{"CVE-LIB-08 HS256", with(object{"alg": "HS256", "typ": "JWT"}), "algorithm"},
		{"TOK-01 RS384", with(object{"alg": "RS384", "kid": "one", "typ": "JWT"}), "algorithm"},
		{"TOK-02 kid with a path", with(object{"alg": "RS256", "kid": "../../key", "typ": "JWT"}), "signature"},
		{"TOK-02 kid too long", with(object{"alg": "RS256", "kid": strings.Repeat("k", 257), "typ": "JWT"}), "malformed"},
		{"TOK-03 key in the header", mint(rsaTwo(), object{"alg": "RS256", "typ": "JWT", "jwk": rsaJWK("evil", &rsaTwo().PublicKey)}, good), "signature"},
		{"TOK-04 crit", with(object{"alg": "RS256", "kid": "one", "typ": "JWT", "crit": []string{"b64"}, "b64": true}), "malformed"},
		{"no typ", with(object{"alg": "RS256", "kid": "one"}), "token_type"},
		{"empty typ", with(object{"alg": "RS256", "kid": "one", "typ": ""}), "token_type"},
		{"TOK-07 logout token", with(object{"alg": "RS256", "kid": "one", "typ": "logout+jwt"}), "token_type"},
		{"proof of possession", with(object{"alg": "RS256", "kid": "one", "typ": "dpop+jwt"}), "token_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tn.VerifyAccessToken(t.Context(), tt.raw, testAPIs)
			wantInvalid(t, err, tt.reason)
		})
	}
}

func TestTOK_07_AnAccessTokenIsNoIDTokenNorTheOtherWayRound(t *testing.T) {
	t.Parallel()
	c := newClock()
	tn := newTestTenant(t, newAuthority(), c.Now)
	_, err := tn.VerifyAccessToken(t.Context(), mint(rsaOne(), rs256, idToken(c.Now(), nil)), []string{testClient})
	wantInvalid(t, err, "token_type")
	// An ID token without a nonce, whose client somebody has taken for an API.
	_, err = tn.VerifyAccessToken(t.Context(), mint(rsaOne(), rs256, idToken(c.Now(), object{"nonce": nil})), []string{testClient})
	wantInvalid(t, err, "azp")
	_, err = tn.VerifyIDToken(t.Context(), testApp, mint(rsaOne(), rs256, accessToken(c.Now(), nil)), Check{Nonce: testNonce})
	wantInvalid(t, err, "audience")
}

// DOS-05, CVE-LIB-12: what anybody can write without a key costs at most one request for keys in thirty seconds, and what
// says of itself that it is not for us costs none. Who has a good token is served meanwhile.
func TestDOS_05_GarbageCostsOneRequestForKeys(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	forged := func(i int, changes object) string {
		return mint(rsaTwo(), object{"alg": "RS256", "typ": "JWT", "kid": fmt.Sprint("random-", i)}, accessToken(c.Now(), changes))
	}
	for i, changes := range []object{{"iss": "https://evil.example/"}, {"aud": "x"}, {"exp": c.Now().Add(-time.Hour).Unix()}, {"cnf": object{}}} {
		if _, err := tn.VerifyAccessToken(t.Context(), forged(i, changes), testAPIs); err == nil {
			t.Fatal("accepted")
		}
	}
	if len(a.requests) != 0 {
		t.Fatalf("%d requests for tokens that are not for us", len(a.requests))
	}
	good := mint(rsaOne(), rs256, accessToken(c.Now(), nil))
	for i := range 200 {
		_, err := tn.VerifyAccessToken(t.Context(), forged(i, nil), testAPIs)
		wantInvalid(t, err, "signature")
		if _, err := tn.VerifyAccessToken(t.Context(), good, testAPIs); err != nil {
			t.Fatalf("during the flood: %v", err)
		}
	}
	if n := a.hits(jwksPath); n > 2 { // the first one, and one for all unknown keys
		t.Errorf("%d requests for keys", n)
	}
	c.advance(31 * time.Second)
	for i := range 50 {
		_, _ = tn.VerifyAccessToken(t.Context(), forged(1000+i, nil), testAPIs)
	}
	if n := a.hits(jwksPath); n > 3 {
		t.Errorf("%d requests for keys after another interval", n)
	}
}

func TestAVerifiedTokenIsJudgedAgainAndVerifiedAnewWithNewKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, a, time.Now)
		raw := mint(rsaOne(), rs256, accessToken(time.Now(), nil))
		token, err := tn.VerifyAccessToken(t.Context(), raw, testAPIs)
		if err != nil {
			t.Fatal(err)
		}
		if current, err := tn.JudgeAgain(t.Context(), token, testAPIs); !current || err != nil {
			t.Errorf("at once: %v, %v", current, err)
		}
		_, err = tn.JudgeAgain(t.Context(), token, []string{"urn:other"})
		wantInvalid(t, err, "audience")

		// The key is taken away. It is noticed when the keys are due.
		a.serve(jwksPath, jwks(rsaJWK("two", &rsaTwo().PublicKey)))
		time.Sleep(keysFresh)
		if current, err := tn.JudgeAgain(t.Context(), token, testAPIs); !current || err != nil {
			t.Errorf("while the keys are asked for: %v, %v", current, err)
		}
		synctest.Wait()
		if current, err := tn.JudgeAgain(t.Context(), token, testAPIs); current || err != nil {
			t.Errorf("with other keys: %v, %v", current, err)
		}
		_, err = tn.VerifyAccessToken(t.Context(), raw, testAPIs)
		wantInvalid(t, err, "signature")

		time.Sleep(24 * time.Hour)
		a.fail(jwksPath, 500)
		a.fail(discoveryPath, 500)
		if current, err := tn.JudgeAgain(t.Context(), token, testAPIs); current || err == nil {
			t.Errorf("after its end: %v, %v", current, err)
		}
	})
}

func TestAnAccessTokenCannotBeJudgedWithoutKeys(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.fail(jwksPath, 503)
	tn := newTestTenant(t, a, c.Now)
	_, err := tn.VerifyAccessToken(t.Context(), mint(rsaOne(), rs256, accessToken(c.Now(), nil)), testAPIs)
	wantUnavailable(t, err)
}

func TestAccessTokenWithManyPermissionsIsAccepted(t *testing.T) {
	t.Parallel()
	c := newClock()
	tn := newTestTenant(t, newAuthority(), c.Now)
	permissions := make([]string, 300)
	for i := range permissions {
		permissions[i] = fmt.Sprint("read:report", i)
	}
	raw := mint(rsaOne(), rs256, accessToken(c.Now(), object{"permissions": permissions}))
	if got, err := tn.VerifyAccessToken(t.Context(), raw, testAPIs); err != nil || len(got.Permissions) != 300 {
		t.Errorf("%d bytes: %v", len(raw), err)
	}
}

// Whatever stands in the header, it is refused without a panic, and never believed without the signature.
func FuzzAccessToken(f *testing.F) {
	now := time.Unix(1_780_000_000, 0)
	good := mint(rsaOne(), rs256, accessToken(now, nil))
	for _, seed := range []string{good, good[:len(good)-4], "a.b.c", "..", good + "=", b64([]byte(`{"alg":"none","typ":"JWT"}`)) + ".e30."} {
		f.Add(seed)
	}
	tn, err := New(Config{Issuer: testIssuer, Transport: newAuthority(), Now: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if token, err := tn.VerifyAccessToken(t.Context(), raw, testAPIs); err == nil && raw != good {
			t.Fatalf("accepted %q as %s", raw, token.Subject)
		}
	})
}
