package tenant

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeysThatAreLeftOut(t *testing.T) {
	t.Parallel()
	good := claims(rsaJWK("x", &rsaOne().PublicKey))
	ec := claims(ecJWK("x", &ecOne().PublicKey))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	small := &rsa.PublicKey{N: new(big.Int).Rsh(rsaOne().N, 1), E: 65537}
	huge := &rsa.PublicKey{N: new(big.Int).Lsh(rsaOne().N, 8192), E: 65537}
	for name, key := range map[string]object{
		"CVE-LIB-15 use enc":           good.with(object{"use": "enc"}),
		"use number":                   good.with(object{"use": 1}),
		"CVE-LIB-15 key_ops":           good.with(object{"key_ops": []string{"encrypt"}}),
		"empty key_ops":                good.with(object{"key_ops": []string{}}),
		"TOK-08 2047 bits":             rsaJWK("x", small),
		"too many bits":                rsaJWK("x", huge),
		"TOK-08 e is 1":                good.with(object{"e": b64([]byte{1})}),
		"even e":                       good.with(object{"e": b64([]byte{1, 0, 0})}),
		"endless e":                    good.with(object{"e": b64([]byte(strings.Repeat("x", 100)))}),
		"no n":                         good.with(object{"n": nil}),
		"n is not base64":              good.with(object{"n": "*"}),
		"kid number":                   good.with(object{"kid": 1}),
		"long kid":                     good.with(object{"kid": strings.Repeat("k", 257)}),
		"CVE-LIB-14 unknown kty":       good.with(object{"kty": "XYZ"}),
		"no kty":                       good.with(object{"kty": nil}),
		"CVE-LIB-08 symmetric":         {"kty": "oct", "kid": "x", "k": b64([]byte("secret"))},
		"CVE-LIB-02 not on the curve":  ec.with(object{"y": b64(make([]byte, 32))}),
		"CVE-LIB-14 short coordinates": ec.with(object{"x": "AA"}),
		"TOK-01 P-384":                 ecJWK("x", &p384.PublicKey),
		"Ed25519":                      {"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": b64(make([]byte, 32))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if keys, err := parseKeys([]byte(toJSON(jwks(key)))); err == nil {
				t.Errorf("alone it gives %d keys", len(keys))
			}
			keys, err := parseKeys([]byte(toJSON(jwks(key, good, key))))
			if err != nil || len(keys) != 1 {
				t.Errorf("CVE-LIB-14: beside a good one it gives %d keys, %v", len(keys), err)
			}
		})
	}
}

func TestKeysThatAreTaken(t *testing.T) {
	t.Parallel()
	good := claims(rsaJWK("x", &rsaOne().PublicKey))
	for name, key := range map[string]object{
		"as Auth0 serves it":         good.with(object{"x5c": []string{"MIIC"}, "x5t": "t"}),
		"no alg":                     good.with(object{"alg": nil}),
		"no use":                     good.with(object{"use": nil}),
		"no kid":                     good.with(object{"kid": nil}),
		"key_ops":                    good.with(object{"key_ops": []string{"verify"}}),
		"broken certificate":         good.with(object{"x5c": 1}),
		"P-256":                      ecJWK("x", &ecOne().PublicKey),
		"members we know nothing of": good.with(object{"issuer": "x", "N": "x"}),
	} {
		if keys, err := parseKeys([]byte(toJSON(jwks(key)))); err != nil || len(keys) != 1 {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
}

func TestFAULT_14_OnlyTheFirstHundredKeysAreRead(t *testing.T) {
	t.Parallel()
	var all []object
	for i := range 1000 {
		all = append(all, rsaJWK(fmt.Sprint(i), &rsaOne().PublicKey))
	}
	if keys, err := parseKeys([]byte(toJSON(jwks(all...)))); err != nil || len(keys) != maxKeys {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// verifying returns a function that verifies a good token that key kid signed.
func verifying(t *testing.T, tn *Tenant) func(key *rsa.PrivateKey, kid string) error {
	return func(key *rsa.PrivateKey, kid string) error {
		header := object{"alg": "RS256"}
		if kid != "" {
			header["kid"] = kid
		}
		_, err := tn.VerifyIDToken(t.Context(), testApp, mint(key, header, idToken(tn.now(), nil)), Check{Nonce: testNonce})
		return err
	}
}

func TestRP_CFG_05_ARotationIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	for _, kid := range []string{"two", ""} {
		c, a := newClock(), newAuthority()
		verify := verifying(t, newTestTenant(t, a, c.Now))
		if err := verify(rsaOne(), "one"); err != nil {
			t.Fatal(err)
		}
		a.serve(jwksPath, jwks(rsaJWK("one", &rsaOne().PublicKey), rsaJWK("two", &rsaTwo().PublicKey)))
		if err := verify(rsaTwo(), kid); err != nil {
			t.Errorf("FAULT-13 kid %q: %v", kid, err)
		}
		if n := a.hits(jwksPath); n != 2 {
			t.Errorf("OIDC-20 kid %q: %d requests", kid, n)
		}
	}
}

func TestCVE_LIB_12_UnknownKeysCauseOneRequestPerFloor(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	verify := verifying(t, newTestTenant(t, a, c.Now))
	if err := verify(rsaOne(), "one"); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for i := range 50 {
			wantInvalid(t, verify(rsaTwo(), fmt.Sprint("random-", round, i)), "signature")
		}
		if n := a.hits(jwksPath); n != 2+round {
			t.Errorf("RP-CFG-06 round %d: %d requests", round, n)
		}
		c.advance(unknownKeyFloor)
	}
	if err := verify(rsaOne(), "one"); err != nil {
		t.Errorf("the known key: %v", err)
	}
}

func TestNegativeAnswersAreForgottenAfterTheFloor(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	verify := verifying(t, newTestTenant(t, a, c.Now))
	wantInvalid(t, verify(rsaTwo(), "two"), "signature")
	a.serve(jwksPath, jwks(rsaJWK("two", &rsaTwo().PublicKey)))
	wantInvalid(t, verify(rsaTwo(), "two"), "signature")
	c.advance(unknownKeyFloor)
	if err := verify(rsaTwo(), "two"); err != nil {
		t.Error(err)
	}
}

// A key that came during an outage is found as soon as the tenant is back: who was told to come again after a few seconds is not
// refused then.
func TestFAULT_05_AKeyThatCameDuringAnOutageIsFoundAfterIt(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	verify := verifying(t, newTestTenant(t, a, c.Now))
	if err := verify(rsaOne(), "one"); err != nil {
		t.Fatal(err)
	}
	a.fail(jwksPath, 502)
	wait := wantUnavailable(t, verify(rsaTwo(), "two")).RetryAfter
	for range 9 {
		wantUnavailable(t, verify(rsaTwo(), "two"))
	}
	c.advance(wait)
	wait = wantUnavailable(t, verify(rsaTwo(), "two")).RetryAfter
	if n := a.hits(jwksPath); n != 3 {
		t.Errorf("%d requests", n)
	}
	a.serve(jwksPath, jwks(rsaJWK("two", &rsaTwo().PublicKey)))
	c.advance(wait)
	if err := verify(rsaTwo(), "two"); err != nil {
		t.Error(err)
	}
}

func TestAClockThatWasSetBackDoesNotProlongTheFloor(t *testing.T) {
	t.Parallel()
	c := newClock()
	keys := newTestTenant(t, newAuthority(), c.Now).keys
	for i, want := range []bool{true, false, true, false} {
		if got := keys.mayLookForUnknown(); got != want {
			t.Errorf("look %d: %v", i+1, got)
		}
		if i == 1 {
			c.advance(-10 * time.Second)
		}
	}
}

func TestEverybodyWhoComesDuringTheRotationGetsIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		verify := verifying(t, newTestTenant(t, slow(a, time.Second), nil))
		if err := verify(rsaOne(), "one"); err != nil {
			t.Fatal(err)
		}
		a.serve(jwksPath, jwks(rsaJWK("two", &rsaTwo().PublicKey)))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := verify(rsaTwo(), "two"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := a.hits(jwksPath); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestFAULT_14_ABrokenSetDoesNotReplaceTheLastGoodOne(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]any{
		"CVE-LIB-13 empty":  jwks(),
		"no keys":           object{},
		"keys is an object": object{"keys": object{}},
		"null":              "null",
		"HTML":              "<html>",
		"nothing usable":    jwks(object{"kty": "oct", "k": "AA"}),
		"too large":         `{"keys":[]}` + strings.Repeat(" ", maxBody),
	} {
		c, a := newClock(), newAuthority()
		verify := verifying(t, newTestTenant(t, a, c.Now))
		if err := verify(rsaOne(), "one"); err != nil {
			t.Fatal(err)
		}
		a.serve(jwksPath, body)
		wantUnavailable(t, verify(rsaTwo(), "two"))
		if a.hits(jwksPath) != 2 {
			t.Errorf("%s: the broken set was not fetched", name)
		}
		if err := verify(rsaOne(), "one"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFAULT_14_StatusesOfTheKeySet(t *testing.T) {
	t.Parallel()
	for _, status := range []int{304, 307, 404, 429, 500, 503} {
		c, a := newClock(), newAuthority()
		a.fail(jwksPath, status, "Location", testIssuer+"elsewhere")
		verify := verifying(t, newTestTenant(t, a, c.Now))
		if got := wantUnavailable(t, verify(rsaOne(), "one")); got.Status != status {
			t.Errorf("status %d: %v", status, got)
		}
		a.serve(jwksPath, jwks(rsaJWK("one", &rsaOne().PublicKey)))
		c.advance(time.Minute)
		if err := verify(rsaOne(), "one"); err != nil {
			t.Errorf("after status %d: %v", status, err)
		}
	}
}

func TestOIDC_20_ARemovedKeyStopsVerifying(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		verify := verifying(t, newTestTenant(t, a, nil))
		if err := verify(rsaOne(), "one"); err != nil {
			t.Fatal(err)
		}
		a.serve(jwksPath, jwks(rsaJWK("two", &rsaTwo().PublicKey)))
		time.Sleep(keysFresh)
		if err := verify(rsaOne(), "one"); err != nil {
			t.Fatalf("the last good set must serve while it is renewed: %v", err)
		}
		synctest.Wait()
		wantInvalid(t, verify(rsaOne(), "one"), "signature")
	})
}

func TestOIDC_20_KeysAreNotBelievedForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		verify := verifying(t, newTestTenant(t, a, nil))
		if err := verify(rsaOne(), "one"); err != nil {
			t.Fatal(err)
		}
		a.fail(jwksPath, 500)
		time.Sleep(keysLimit - time.Minute)
		if err := verify(rsaOne(), "one"); err != nil {
			t.Errorf("within the limit: %v", err)
		}
		time.Sleep(time.Minute)
		wantUnavailable(t, verify(rsaOne(), "one"))
	})
}

func TestRP_CFG_02_TheKeySetMayMove(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.serve(discoveryPath, discovery(object{"jwks_uri": testIssuer + "moved"}))
	a.serve("/moved", jwks(rsaJWK("two", &rsaTwo().PublicKey)))
	if err := verifying(t, newTestTenant(t, a, c.Now))(rsaTwo(), "two"); err != nil {
		t.Error(err)
	}
	if a.hits(jwksPath) != 0 {
		t.Error("the usual path was asked")
	}
}

func TestAnOutageOfDiscoveryIsAnOutageOfTheKeys(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.fail(discoveryPath, 502)
	wantUnavailable(t, verifying(t, newTestTenant(t, a, c.Now))(rsaOne(), "one"))
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte(toJSON(jwks(rsaJWK("one", &rsaOne().PublicKey), ecJWK("ec", &ecOne().PublicKey)))))
	for _, seed := range []string{
		`{"keys":[]}`, `{"keys":[null,1,"x",[],{}]}`, `{"keys":null}`, `{"keys":[{"kty":"RSA","n":"","e":""}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256"}]}`, `{"keys":[{"kty":"oct","k":"AA"}],"keys":[]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeys(body)
		if (err == nil) != (len(keys) > 0) || len(keys) > maxKeys {
			t.Errorf("%d keys, error %v", len(keys), err)
		}
		for _, key := range keys {
			if !strongEnough(key.public) || len(key.id) > maxKeyID {
				t.Errorf("the key %v was taken", key)
			}
		}
	})
}
