package tenant

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// logoutToken returns the claims of a logout token as Auth0 sends it, with changes.
func logoutToken(now time.Time, changes object) object {
	return claims{
		"iss": testIssuer, "sub": "auth0-oidc|acme-child|auth0|563b", "aud": testClient, "sid": "sid-1", "jti": "jti-1",
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "trace_id": "t", "events": object{logoutEvent: object{}},
	}.with(changes)
}

func TestBCL_08_AGoodLogoutTokenIsAccepted(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.serve(jwksPath, jwks(rsaJWK("one", &rsaOne().PublicKey), ecJWK("ec", &ecOne().PublicKey)))
	tn := newTestTenant(t, a, c.Now)
	now := c.Now()
	for _, tt := range []struct {
		name           string
		header, change object
		sub, sid       string
	}{
		{"as Auth0 sends it", rs256, nil, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"BCL-13 typ", object{"alg": "RS256", "kid": "one", "typ": "logout+jwt"}, nil, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"BCL-13 typ in another case", object{"alg": "RS256", "kid": "one", "typ": "Logout+JWT"}, nil, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"BCL-13 typ with its tree", object{"alg": "RS256", "kid": "one", "typ": "Application/logout+jwt"}, nil, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"BCL-13 no typ", object{"alg": "RS256", "kid": "one"}, nil, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"no kid", object{"alg": "RS256"}, nil, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"ES256", object{"alg": "ES256", "kid": "ec"}, nil, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"BCL-15 sid only", rs256, object{"sub": nil}, "", "sid-1"},
		{"BCL-15 sub only", rs256, object{"sid": nil}, "auth0-oidc|acme-child|auth0|563b", ""},
		{"BCL-08 aud array", rs256, object{"aud": []string{testClient}}, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"BCL-10 extra event", rs256, object{"events": object{logoutEvent: object{"x": 1}, "https://other": 1}}, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
		{"RP-BCL-01 extra claim", rs256, object{"https://acme.example/Level": 7}, "auth0-oidc|acme-child|auth0|563b", "sid-1"},
	} {
		var key any = rsaOne()
		if tt.header["alg"] == "ES256" {
			key = ecOne()
		}
		got, err := tn.VerifyLogoutToken(t.Context(), testApp, mint(key, tt.header, logoutToken(now, tt.change)))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := LogoutToken{
			Issuer: testIssuer, TokenID: "jti-1", SID: tt.sid, Subject: tt.sub, IssuedAt: now, UsableUntil: now.Add(3 * time.Minute),
		}
		if got.IssuedAt, got.UsableUntil = got.IssuedAt.In(now.Location()), got.UsableUntil.In(now.Location()); *got != want {
			t.Errorf("%s: %+v, want %+v", tt.name, *got, want)
		}
	}
	long, err := tn.VerifyLogoutToken(t.Context(), testApp, mint(rsaOne(), rs256, logoutToken(now, object{"exp": now.Add(time.Hour).Unix()})))
	if err != nil || !long.UsableUntil.Equal(now.Add(maxLogoutAge)) {
		t.Errorf("of an hour: %+v, %v", long, err)
	}
}

func TestLogoutTokensThatAreRefused(t *testing.T) {
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
		{"RP-BCL-08 BCL-08 other iss", object{"iss": "https://evil.eu.auth0.com/"}, "issuer"},
		{"BCL-08 iss without slash", object{"iss": strings.TrimSuffix(testIssuer, "/")}, "issuer"},
		{"no iss", object{"iss": nil}, "issuer"},
		{"RP-BCL-06 BCL-08 other aud", object{"aud": "app2"}, "audience"},
		{"BCL-08 stranger in aud", object{"aud": []string{testClient, "app2"}, "azp": testClient}, "audience"},
		{"BCL-08 empty aud", object{"aud": []string{}}, "audience"},
		{"no aud", object{"aud": nil}, "audience"},
		{"foreign azp", object{"azp": "app2"}, "azp"},
		{"CVE-MAO-25 no iat", object{"iat": nil}, "issued_at"},
		{"BCL-08 iat in the future", object{"iat": at(61 * time.Second)}, "issued_at"},
		{"BCL-08 iat 5 min ago", object{"iat": at(-5 * time.Minute), "exp": at(time.Hour)}, "issued_at"},
		{"CVE-MAO-25 replay after 10 min", object{"iat": at(-10 * time.Minute), "exp": at(time.Hour)}, "issued_at"},
		{"iat text", object{"iat": fmt.Sprint(now.Unix())}, "issued_at"},
		{"BCL-08 no exp", object{"exp": nil}, "expired"},
		{"BCL-08 expired", object{"exp": at(-60 * time.Second)}, "expired"},
		{"exp fraction", object{"exp": json.Number("1780000100.5")}, "expired"},
		{"nbf", object{"nbf": at(61 * time.Second)}, "not_before"},
		{"BCL-09 neither", object{"sub": nil, "sid": nil}, "subject"},
		{"BCL-09 sub null", object{"sub": json.RawMessage("null")}, "subject"},
		{"sub number", object{"sub": 7}, "subject"},
		{"sub empty", object{"sub": ""}, "subject"},
		{"sub long", object{"sub": strings.Repeat("a", maxSubject+1)}, "subject"},
		{"sub with line feed", object{"sub": "a\nb"}, "subject"},
		{"sid null", object{"sid": json.RawMessage("null")}, "sid"},
		{"sid array", object{"sid": []string{"sid-1"}}, "sid"},
		{"sid long", object{"sid": strings.Repeat("a", maxSID+1)}, "sid"},
		{"RP-BCL-03 BCL-10 no events", object{"events": nil}, "events"},
		{"RP-BCL-07 BCL-10 other event", object{"events": object{"https://other": object{}}}, "events"},
		{"BCL-10 event in other case", object{"events": object{strings.ToUpper(logoutEvent): object{}}}, "events"},
		{"BCL-10 events array", object{"events": []string{logoutEvent}}, "events"},
		{"BCL-10 events text", object{"events": logoutEvent}, "events"},
		{"BCL-10 event null", object{"events": object{logoutEvent: nil}}, "events"},
		{"BCL-10 event true", object{"events": object{logoutEvent: true}}, "events"},
		{"BCL-10 event array", object{"events": object{logoutEvent: []int{}}}, "events"},
		{"RP-BCL-04 BCL-11 nonce", object{"nonce": testNonce}, "nonce"},
		{"BCL-11 nonce empty", object{"nonce": ""}, "nonce"},
		{"BCL-11 nonce null", object{"nonce": json.RawMessage("null")}, "nonce"},
		{"BCL-13 at_hash", object{"at_hash": "x"}, "token_type"},
		{"CVE-MAO-25 BCL-12 no jti", object{"jti": nil}, "token_id"},
		{"BCL-12 jti number", object{"jti": 7}, "token_id"},
		{"BCL-12 jti empty", object{"jti": ""}, "token_id"},
		{"BCL-12 jti long", object{"jti": strings.Repeat("a", maxTokenID+1)}, "token_id"},
		{"CVE-LIB-11 SUB", object{"SUB": "auth0|admin"}, "duplicate_claim"},
		{"CVE-LIB-11 Nonce", object{"Nonce": "x"}, "duplicate_claim"},
		{"CVE-LIB-11 EVENTS", object{"EVENTS": object{}}, "duplicate_claim"},
		{"too long", object{"x": strings.Repeat("a", maxLogoutToken)}, "malformed"},
		{"DOS-05 costly", object{"x": strings.Split(strings.Repeat("a ", maxElements+2), " ")}, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tn.VerifyLogoutToken(t.Context(), testApp, mint(rsaOne(), rs256, logoutToken(now, tt.change)))
			wantInvalid(t, err, tt.reason)
		})
	}
	if n := a.hits(jwksPath); n != 0 {
		t.Errorf("the keys were asked for %d times", n)
	}
}

func TestFormsOfLogoutTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	now := c.Now()
	good := mint(rsaOne(), rs256, logoutToken(now, nil))
	parts := strings.Split(good, ".")
	secret := []byte(testApp.ClientSecret)
	twice := `{"iss":"` + testIssuer + `",` + strings.TrimPrefix(toJSON(logoutToken(now, nil)), "{")
	for _, tt := range []struct{ name, raw, reason string }{
		{"BCL-05 JWE", good + ".x.y", "malformed"},
		{"RP-BCL-02 BCL-06 none", b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "malformed"},
		{"BCL-06 none with a signature", b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." + parts[2], "algorithm"},
		{"BCL-06 HS256 with the client secret", mint(secret, object{"alg": "HS256", "kid": "one"}, logoutToken(now, nil)), "algorithm"},
		{"RP-BCL-05 ES256 without such a key", mint(ecOne(), object{"alg": "ES256", "kid": "one"}, logoutToken(now, nil)), "signature"},
		{"BCL-07 other key", mint(rsaTwo(), rs256, logoutToken(now, nil)), "signature"},
		{"BCL-07 other payload", parts[0] + "." + b64([]byte(toJSON(logoutToken(now, object{"sub": "auth0|admin"})))) + "." + parts[2], "signature"},
		{"BCL-13 access token", mint(rsaOne(), object{"alg": "RS256", "kid": "one", "typ": "at+jwt"}, logoutToken(now, nil)), "token_type"},
		{"BCL-13 ID token", mint(rsaOne(), rs256, idToken(now, nil)), "events"},
		{"BCL-13 ID token with events", mint(rsaOne(), rs256, idToken(now, object{"jti": "j", "events": object{logoutEvent: object{}}})), "nonce"},
		{"BCL-13 access token of Auth0's dialect", mint(rsaOne(), rs256, accessToken(now, nil)), "events"},
		{"crit", mint(rsaOne(), object{"alg": "RS256", "kid": "one", "crit": []string{"b64"}, "b64": true}, logoutToken(now, nil)), "malformed"},
		{"CVE-LIB-11 iss twice", parts[0] + "." + b64([]byte(twice)) + "." + parts[2], "duplicate_claim"},
		{"empty", "", "malformed"},
		{"line break", good[:20] + "\n" + good[20:], "malformed"},
		{"padding", good + "=", "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tn.VerifyLogoutToken(t.Context(), testApp, tt.raw)
			wantInvalid(t, err, tt.reason)
		})
	}
}

// An issuer's own word decides who judges a token, nothing more.
func TestLogoutTokenSaysWhomItIsFor(t *testing.T) {
	t.Parallel()
	now := newClock().Now()
	issuer, audience, err := LogoutTokenFor(mint(rsaTwo(), rs256, logoutToken(now, object{"aud": []string{"a", "b"}})))
	if err != nil || issuer != testIssuer || fmt.Sprint(audience) != "[a b]" {
		t.Errorf("%q %q %v", issuer, audience, err)
	}
	_, _, err = LogoutTokenFor("x.y.z")
	wantInvalid(t, err, "malformed")
}

// CVE-LIB-12, DOS-05: a flood of tokens that name other keys costs one request per floor, and a genuine one passes in it.
func TestDOS_05_FloodsOfUnknownKeysLeaveLogoutsAlone(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	for round := range 3 {
		for i := range 50 {
			header := object{"alg": "RS256", "kid": fmt.Sprint("random-", round, i)}
			_, err := tn.VerifyLogoutToken(t.Context(), testApp, mint(rsaTwo(), header, logoutToken(c.Now(), nil)))
			wantInvalid(t, err, "signature")
			if _, err := tn.VerifyLogoutToken(t.Context(), testApp, mint(rsaOne(), rs256, logoutToken(c.Now(), nil))); err != nil {
				t.Fatal(err)
			}
		}
		if n := a.hits(jwksPath); n != 2+round {
			t.Errorf("round %d: %d requests", round, n)
		}
		c.advance(unknownKeyFloor)
	}
}

// CVE-LIB-13: the keys that are known stay so when the tenant serves none.
func TestCVE_LIB_13_EmptyKeySetsLeaveLogoutsAlone(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn := newTestTenant(t, a, c.Now)
	good := mint(rsaOne(), rs256, logoutToken(c.Now(), nil))
	if _, err := tn.VerifyLogoutToken(t.Context(), testApp, good); err != nil {
		t.Fatal(err)
	}
	a.serve(jwksPath, jwks())
	_, err := tn.VerifyLogoutToken(t.Context(), testApp, mint(rsaTwo(), object{"alg": "RS256", "kid": "two"}, logoutToken(c.Now(), nil)))
	wantUnavailable(t, err)
	if _, err := tn.VerifyLogoutToken(t.Context(), testApp, good); err != nil {
		t.Error(err)
	}
}

func TestALogoutTokenCannotBeJudgedWithoutKeys(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.fail(jwksPath, 503)
	_, err := newTestTenant(t, a, c.Now).VerifyLogoutToken(t.Context(), testApp, mint(rsaOne(), rs256, logoutToken(c.Now(), nil)))
	wantUnavailable(t, err)
}

// Whatever stands there, it is refused without a panic, and never believed without the signature.
func FuzzLogoutToken(f *testing.F) {
	now := time.Unix(1_780_000_000, 0)
	good := mint(rsaOne(), rs256, logoutToken(now, nil))
	for _, seed := range []string{good, good[:len(good)-4], "a.b.c", "..", good + "=", b64([]byte(`{"alg":"none","typ":"logout+jwt"}`)) + ".e30."} {
		f.Add(seed)
	}
	tn, err := New(Config{Issuer: testIssuer, Transport: newAuthority(), Now: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if token, err := tn.VerifyLogoutToken(t.Context(), testApp, raw); err == nil && raw != good {
			t.Fatalf("accepted %q as %s", raw, token.TokenID)
		}
	})
}
