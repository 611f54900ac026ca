package tenant

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRP_BAS_01_AGoodIDTokenIsAccepted(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	now := c.Now()
	raw := mint(rsaOne(), rs256, idToken(now, object{
		"auth_time": now.Add(-time.Hour).Unix(), "session_expiry": now.Add(time.Hour).Unix(), "https://acme.example/Level": 7,
	}))
	got, err := tn.VerifyIDToken(t.Context(), testApp, raw, Check{Nonce: testNonce})
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "auth0-oidc|acme-child|auth0|563b" || got.SID != "sid-1" {
		t.Errorf("subject %q, sid %q", got.Subject, got.SID)
	}
	if !got.IssuedAt.Equal(now) || !got.Expiry.Equal(now.Add(10*time.Hour)) || !got.AuthTime.Equal(now.Add(-time.Hour)) || !got.SessionExpiry.Equal(now.Add(time.Hour)) {
		t.Errorf("times %v %v %v %v", got.IssuedAt, got.Expiry, got.AuthTime, got.SessionExpiry)
	}
	if got.Claims["https://acme.example/Level"] != json.Number("7") || got.Claims["email_verified"] != true {
		t.Errorf("claims %v", got.Claims)
	}
}

func TestRP_BAS_08_AcceptedSignatures(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	anyAlg := rsaJWK("any", &rsaTwo().PublicKey)
	delete(anyAlg, "alg")
	a.serve(jwksPath, jwks(rsaJWK("one", &rsaOne().PublicKey), anyAlg, ecJWK("ec", &ecOne().PublicKey)))
	tn := newTestTenant(t, a, c.Now)
	for _, header := range []object{
		{"alg": "RS256", "kid": "one"},
		{"alg": "RS256", "kid": "one", "typ": "jwt"},
		{"alg": "RS256", "kid": "any"},
		{"alg": "PS256", "kid": "any"},
		{"alg": "ES256", "kid": "ec"},
		{"alg": "RS256"}, // RP-BAS-07: several keys and no key id
		{"alg": "ES256"},
	} {
		var key any = rsaTwo()
		if header["alg"] == "ES256" {
			key = ecOne()
		} else if header["kid"] == "one" {
			key = rsaOne()
		}
		if _, err := tn.VerifyIDToken(t.Context(), testApp, mint(key, header, idToken(c.Now(), nil)), Check{Nonce: testNonce}); err != nil {
			t.Errorf("%v: %v", header, err)
		}
	}
}

func TestClaimsThatAreRefused(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	now := c.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for _, tt := range []struct {
		name   string
		change object
		reason string
	}{
		{"RP-BAS-02 other iss", object{"iss": "https://evil.eu.auth0.com/"}, "issuer"},
		{"RP-FAPI-12 no iss", object{"iss": nil}, "issuer"},
		{"OIDC-06 iss without slash", object{"iss": strings.TrimSuffix(testIssuer, "/")}, "issuer"},
		{"ISS-02 iss in other case", object{"iss": "https://ACME.eu.auth0.com/"}, "issuer"},
		{"TOK-07 other tenant", object{"iss": "https://acme.us.auth0.com/"}, "issuer"},
		{"iss array", object{"iss": []string{testIssuer}}, "issuer"},
		{"RP-BAS-03 no sub", object{"sub": nil}, "subject"},
		{"OIDC-22 empty sub", object{"sub": ""}, "subject"},
		{"OIDC-22 long sub", object{"sub": strings.Repeat("a", 1025)}, "subject"},
		{"TOK-10 sub number", object{"sub": 7}, "subject"},
		{"TOK-10 sub object", object{"sub": object{}}, "subject"},
		{"sub with line feed", object{"sub": "a\nb"}, "subject"},
		{"sub with half a character", object{"sub": json.RawMessage(`"a\ud800"`)}, "subject"},
		{"sub that a header would shorten", object{"sub": "auth0|bob "}, "subject"},
		{"sub with a space before a part", object{"sub": "auth0-oidc|acme|auth0| admin"}, "subject"},
		{"sub with a space behind a part", object{"sub": "auth0-oidc|acme|auth0 |admin"}, "subject"},
		{"sub with a line separator", object{"sub": "auth0|bob\u2028x"}, "subject"},
		{"sub with NUL", object{"sub": "a\x00"}, "subject"},
		{"sub with C1 control", object{"sub": "a\u0085"}, "subject"},
		{"RP-BAS-04 other aud", object{"aud": "app2"}, "audience"},
		{"RP-CMP-01 no aud", object{"aud": nil}, "audience"},
		{"RP-FAPI-09 stranger in aud", object{"aud": []string{testClient, "app2"}, "azp": testClient}, "audience"},
		{"OIDC-07 empty aud array", object{"aud": []string{}}, "audience"},
		{"OIDC-07 nested aud", object{"aud": []any{[]string{testClient}}}, "audience"},
		{"OIDC-07 aud number", object{"aud": 1}, "audience"},
		{"TOK-07 access token", object{"aud": []string{"https://api", testIssuer + "userinfo"}, "azp": testClient}, "audience"},
		{"OIDC-08 several aud without azp", object{"aud": []string{testClient, testClient}}, "azp"},
		{"OIDC-08 foreign azp", object{"azp": "app2"}, "azp"},
		{"azp array", object{"azp": []string{testClient}}, "azp"},
		{"RP-BAS-05 no iat", object{"iat": nil}, "issued_at"},
		{"OIDC-13 iat too old", object{"iat": at(-11*time.Minute - time.Second)}, "issued_at"},
		{"OIDC-13 iat in future", object{"iat": at(61 * time.Second)}, "issued_at"},
		{"CVE-MAO-21 iat negative", object{"iat": json.Number("-1e18")}, "issued_at"},
		{"CVE-MAO-21 iat text", object{"iat": fmt.Sprint(now.Unix())}, "issued_at"},
		{"CVE-MAO-21 iat fraction", object{"iat": json.Number(fmt.Sprintf("%d.5", now.Unix()))}, "issued_at"},
		{"RP-FAPI-14 no exp", object{"exp": nil}, "expired"},
		{"RP-FAPI-15 expired", object{"exp": at(-6 * time.Minute)}, "expired"},
		{"OIDC-12 exp at the end of the skew", object{"exp": at(-60 * time.Second)}, "expired"},
		{"CVE-MAO-21 exp 1e300", object{"exp": json.Number("1e300")}, "expired"},
		{"CVE-MAO-21 exp in milliseconds", object{"exp": now.UnixMilli()}, "expired"},
		{"CVE-MAO-21 exp beyond int64", object{"exp": json.Number("9223372036854775808")}, "expired"},
		{"OIDC-13 nbf beyond the skew", object{"nbf": at(61 * time.Second)}, "not_before"},
		{"nbf text", object{"nbf": "0"}, "not_before"},
		{"RP-FAPI-16 no nonce", object{"nonce": nil}, "nonce"},
		{"RP-BAS-12 other nonce", object{"nonce": "other"}, "nonce"},
		{"OIDC-14 nonce array", object{"nonce": []string{testNonce}}, "nonce"},
		{"OIDC-14 nonce number", object{"nonce": 1}, "nonce"},
		{"TOK-07 logout token", object{"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}}, "token_type"},
		{"sid number", object{"sid": 1}, "sid"},
		{"sid empty", object{"sid": ""}, "sid"},
		{"sid too long", object{"sid": strings.Repeat("s", 256)}, "sid"},
		{"session over", object{"session_expiry": at(-time.Second)}, "session_expiry"},
		{"RP-CMP-03 wrong at_hash", object{"at_hash": b64(make([]byte, 16))}, "at_hash"},
		{"at_hash number", object{"at_hash": 1}, "at_hash"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := mint(rsaOne(), rs256, idToken(now, tt.change))
			got, err := tn.VerifyIDToken(t.Context(), testApp, raw, Check{Nonce: testNonce, AccessToken: "at"})
			wantInvalid(t, err, tt.reason)
			if got != nil {
				t.Error("CVE-LIB-07: a token came with the error")
			}
		})
	}
}

func TestClaimsThatAreAccepted(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	now := c.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	sum := sha256.Sum256([]byte("at"))
	for _, tt := range []struct {
		name   string
		change object
	}{
		{"RP-FAPI-10 aud array", object{"aud": []string{testClient}}},
		{"azp is the client", object{"azp": testClient}},
		{"several times ourselves with azp", object{"aud": []string{testClient, testClient}, "azp": testClient}},
		{"OIDC-12 exp just inside the skew", object{"exp": at(-59 * time.Second)}},
		{"OIDC-13 iat just young enough", object{"iat": at(-11*time.Minute + time.Second)}},
		{"OIDC-13 iat at the skew", object{"iat": at(60 * time.Second)}},
		{"OIDC-13 nbf at the skew", object{"nbf": at(60 * time.Second)}},
		{"long sub", object{"sub": strings.Repeat("é", 512)}},
		{"no sid", object{"sid": nil}},
		{"session_expiry in milliseconds is no session_expiry", object{"session_expiry": now.UnixMilli()}},
		{"session_expiry text is none", object{"session_expiry": "soon"}},
		{"auth_time text without max_age is none", object{"auth_time": "today"}},
		{"RP-CMP-03 right at_hash", object{"at_hash": b64(sum[:16])}},
		{"CVE-LIB-27 distributed claims", object{"_claim_names": object{"email": "x"}, "_claim_sources": object{"x": object{"endpoint": "http://169.254.169.254/"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := mint(rsaOne(), rs256, idToken(now, tt.change))
			got, err := tn.VerifyIDToken(t.Context(), testApp, raw, Check{Nonce: testNonce, AccessToken: "at"})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"_claim_names", "_claim_sources"} {
				if _, found := got.Claims[name]; found {
					t.Errorf("%s is passed on", name)
				}
			}
			if _, wanted := tt.change["session_expiry"]; wanted && !got.SessionExpiry.IsZero() {
				t.Errorf("session expiry %v", got.SessionExpiry)
			}
		})
	}
}

func TestOIDC_16_MaxAgeNeedsARecentAuthTime(t *testing.T) {
	t.Parallel()
	c := newClock()
	tn := newTestTenant(t, newAuthority(), c.Now)
	hour := time.Hour
	for name, tt := range map[string]struct {
		authTime any
		refused  bool
	}{
		"recent":    {c.Now().Add(-59 * time.Minute).Unix(), false},
		"too old":   {c.Now().Add(-62 * time.Minute).Unix(), true},
		"in future": {c.Now().Add(2 * time.Minute).Unix(), true},
		"missing":   {nil, true},
		"text":      {"1780000000", true},
	} {
		raw := mint(rsaOne(), rs256, idToken(c.Now(), object{"auth_time": tt.authTime}))
		_, err := tn.VerifyIDToken(t.Context(), testApp, raw, Check{Nonce: testNonce, MaxAge: &hour})
		if tt.refused {
			wantInvalid(t, err, "auth_time")
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// prompt=login can be taken out of the address by the user.
func TestOIDC_16_CredentialsAreOfThisLogin(t *testing.T) {
	t.Parallel()
	c := newClock()
	tn := newTestTenant(t, newAuthority(), c.Now)
	began := c.Now().Add(-5 * time.Minute)
	for name, tt := range map[string]struct {
		authTime any
		refused  bool
	}{
		"after the login began":           {began.Add(time.Minute).Unix(), false},
		"before it, as clocks may differ": {began.Add(-30 * time.Second).Unix(), false},
		"before it":                       {began.Add(-2 * time.Minute).Unix(), true},
		"in future":                       {c.Now().Add(2 * time.Minute).Unix(), true},
		"missing":                         {nil, true},
		"text":                            {"1780000000", true},
	} {
		raw := mint(rsaOne(), rs256, idToken(c.Now(), object{"auth_time": tt.authTime}))
		_, err := tn.VerifyIDToken(t.Context(), testApp, raw, Check{Nonce: testNonce, ProvenSince: began})
		if tt.refused {
			wantInvalid(t, err, "auth_time")
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTOK_09_ANonceIsAlwaysRequired(t *testing.T) {
	t.Parallel()
	c := newClock()
	tn := newTestTenant(t, newAuthority(), c.Now)
	for _, change := range []object{nil, {"nonce": ""}, {"nonce": nil}} {
		_, err := tn.VerifyIDToken(t.Context(), testApp, mint(rsaOne(), rs256, idToken(c.Now(), change)), Check{})
		wantInvalid(t, err, "nonce")
	}
	_, err := tn.VerifyIDToken(t.Context(), Application{}, mint(rsaOne(), rs256, idToken(c.Now(), object{"aud": ""})), Check{Nonce: testNonce})
	wantInvalid(t, err, "audience")
}

func TestFormsThatAreRefused(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.serve(jwksPath, jwks(rsaJWK("one", &rsaOne().PublicKey), ecJWK("ec", &ecOne().PublicKey)))
	tn := newTestTenant(t, a, c.Now)
	good := idToken(c.Now(), nil)
	token := mint(rsaOne(), rs256, good)
	parts := strings.Split(token, ".")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	with := func(header any) string { return mint(rsaOne(), header, good) }
	for _, tt := range []struct{ name, raw, reason string }{
		{"empty", "", "malformed"},
		{"CVE-LIB-05 a million dots", strings.Repeat(".", 1_000_000), "malformed"},
		{"CVE-LIB-05 many dots below the cap", strings.Repeat(".", 60_000), "malformed"},
		{"CVE-LIB-03 five parts", parts[0] + "." + token + "." + parts[1], "malformed"},
		{"CVE-LIB-04 JWE with zip", b64([]byte(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`)) + "....", "malformed"},
		{"TOK-04 JSON serialization", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, "malformed"},
		{"CVE-LIB-01 two signatures", `{"payload":"a.b","signatures":[{},{".":1}]}`, "malformed"},
		{"TOK-06 too long", parts[0] + "." + strings.Repeat("A", maxToken) + "." + parts[2], "malformed"},
		{"TOK-05 padding", token + "=", "malformed"},
		{"TOK-05 spare bits in the signature", token[:len(token)-1] + string(alphabet[strings.IndexByte(alphabet, token[len(token)-1])+1]), "malformed"},
		{"TOK-05 leading space", " " + token, "malformed"},
		{"TOK-05 line break inside", parts[0] + "." + parts[1] + ".\n" + parts[2], "malformed"},
		{"TOK-05 standard alphabet", parts[0] + "." + parts[1] + "." + strings.Repeat("+/", 171), "malformed"},
		{"TOK-05 fourth segment", token + ".AA", "malformed"},
		{"TOK-08 empty signature", parts[0] + "." + parts[1] + ".", "malformed"},
		{"empty payload", parts[0] + ".." + parts[2], "malformed"},
		{"RP-BAS-10 broken signature", parts[0] + "." + parts[1] + "." + b64(make([]byte, 256)), "signature"},
		{"TOK-08 psychic signature", b64([]byte(`{"alg":"ES256","kid":"ec"}`)) + "." + parts[1] + "." + b64(make([]byte, 64)), "signature"},
		{"other key with our key id", mint(rsaTwo(), rs256, good), "signature"},
		{"RP-FAPI-19 alg of another key", with(object{"alg": "ES256", "kid": "one"}), "signature"},
		{"key that is bound to another alg", with(object{"alg": "PS256", "kid": "one"}), "signature"},
		{"RP-BAS-09 none", with(object{"alg": "none", "kid": "one"}), "algorithm"},
		{"TOK-01 LSN-03 nOnE", with(object{"alg": "nOnE", "kid": "one"}), "algorithm"},
		{"CVE-MAO-29 no alg", with(object{"kid": "one"}), "algorithm"},
		{"RP-FAPI-18 null alg", with(`{"alg":null}`), "algorithm"},
		{"CVE-LIB-08 HS256", with(object{"alg": "HS256"}), "algorithm"},
		{"TOK-01 RS384", with(object{"alg": "RS384", "kid": "one"}), "algorithm"},
		{"TOK-01 EdDSA", with(object{"alg": "EdDSA"}), "algorithm"},
		{"TOK-01 alg array", with(`{"alg":["RS256"]}`), "malformed"},
		{"CVE-LIB-10 access token", with(object{"alg": "RS256", "kid": "one", "typ": "at+jwt"}), "token_type"},
		{"TOK-07 logout token", with(object{"alg": "RS256", "kid": "one", "typ": "logout+jwt"}), "token_type"},
		{"empty typ", with(object{"alg": "RS256", "kid": "one", "typ": ""}), "token_type"},
		{"typ number", with(object{"alg": "RS256", "kid": "one", "typ": 1}), "malformed"},
		{"TOK-04 crit b64", with(object{"alg": "RS256", "kid": "one", "crit": []string{"b64"}, "b64": true}), "malformed"},
		{"TOK-04 unknown crit", with(object{"alg": "RS256", "kid": "one", "crit": []string{"x"}, "x": 1}), "malformed"},
		{"TOK-04 crit null", with(`{"alg":"RS256","kid":"one","crit":null}`), "malformed"},
		{"b64 without crit", with(object{"alg": "RS256", "kid": "one", "b64": false}), "malformed"},
		{"TOK-02 kid array", with(object{"alg": "RS256", "kid": []string{"one"}}), "malformed"},
		{"TOK-02 kid too long", with(object{"alg": "RS256", "kid": strings.Repeat("k", 257)}), "malformed"},
		{"TOK-02 kid twice", with(`{"alg":"RS256","kid":"one","kid":"one"}`), "malformed"},
		{"alg twice", with(`{"alg":"HS256","alg":"RS256","kid":"one"}`), "malformed"},
		{"header is an array", with(`["RS256"]`), "malformed"},
		{"TOK-02 kid with a path", with(object{"alg": "RS256", "kid": "../../key"}), "signature"},
		{"CVE-MAO-29 nested token", mint(rsaOne(), rs256, token), "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tn.VerifyIDToken(t.Context(), testApp, tt.raw, Check{Nonce: testNonce})
			wantInvalid(t, err, tt.reason)
		})
	}
}

func TestCVE_LIB_05_BadFormsCostNoRequest(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	for _, raw := range []string{
		"", "a.b", strings.Repeat(".", 1_000_000), mint(rsaOne(), object{"alg": "HS256"}, idToken(c.Now(), nil)),
		mint(rsaOne(), object{"alg": "RS256", "kid": strings.Repeat("k", 10_000)}, idToken(c.Now(), nil)),
	} {
		if _, err := tn.VerifyIDToken(t.Context(), testApp, raw, Check{Nonce: testNonce}); err == nil {
			t.Error("accepted")
		}
	}
	if len(a.requests) != 0 {
		t.Errorf("%d requests", len(a.requests))
	}
}

func TestTOK_03_KeysInTheHeaderAreIgnored(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	for name, header := range map[string]object{
		"jwk": {"alg": "RS256", "jwk": rsaJWK("evil", &rsaTwo().PublicKey)},
		"jku": {"alg": "RS256", "kid": "evil", "jku": "https://evil.example/jwks"},
		"x5u": {"alg": "RS256", "kid": "evil", "x5u": "https://evil.example/x5u"},
	} {
		_, err := tn.VerifyIDToken(t.Context(), testApp, mint(rsaTwo(), header, idToken(c.Now(), nil)), Check{Nonce: testNonce})
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, r := range a.requests {
		if r.path != discoveryPath && r.path != jwksPath {
			t.Errorf("a request went to %s", r.path)
		}
	}
}

func TestINV_04_ErrorTextsCarryNothingOfTheToken(t *testing.T) {
	t.Parallel()
	c := newClock()
	tn := newTestTenant(t, newAuthority(), c.Now)
	for _, change := range []object{{"iss": "https://sekret/"}, {"aud": "sekret"}, {"sub": "sekret\n"}, {"nonce": "sekret"}, {"exp": "sekret"}, {"SUB": "sekret"}} {
		_, err := tn.VerifyIDToken(t.Context(), testApp, mint(rsaOne(), rs256, idToken(c.Now(), change)), Check{Nonce: testNonce})
		if err == nil || strings.Contains(err.Error(), "sekret") {
			t.Errorf("%v: error %v", change, err)
		}
	}
}
