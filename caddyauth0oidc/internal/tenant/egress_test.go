package tenant

import (
	"net/http"
	"strings"
	"testing"
)

// hosts remembers which hosts a transport is asked to reach.
type hosts struct {
	next  http.RoundTripper
	asked map[string]int
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked[r.URL.Scheme+"://"+r.URL.Host]++
	return h.next.RoundTrip(r)
}

// ASVS-25: whatever a token or an answer names, only the issuer's host and those of its metadata are asked.
func TestASVS_25_OIDC_18_OnlyHostsOfTheMetadataAreAsked(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.serve(discoveryPath, discovery(object{"jwks_uri": "https://keys.example/.well-known/jwks.json", "registration_endpoint": "https://evil.example/"}))
	a.handle(tokenPath, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://evil.example/token", http.StatusTemporaryRedirect)
	})
	asked := &hosts{next: a, asked: make(map[string]int)}
	tn := newTestTenant(t, asked, c.Now)
	distributed := object{
		"email":   nil,
		"picture": "https://evil.example/a.png", "website": "https://evil.example/",
		"_claim_names":   object{"email": "d", "groups": "a"},
		"_claim_sources": object{"d": object{"endpoint": "https://evil.example/claims", "access_token": "x"}, "a": object{"JWT": "eyJhbGciOiJub25lIn0.eyJncm91cHMiOlsiYWRtaW4iXX0."}},
	}
	raw := mint(rsaOne(), rs256, idToken(c.Now(), distributed))
	got, err := tn.VerifyIDToken(t.Context(), testApp, raw, Check{Nonce: testNonce})
	if err != nil {
		t.Fatal(err)
	}
	if got.Claims["email"] != nil || got.Claims["groups"] != nil {
		t.Errorf("OIDC-18: claims of others are taken: %v", got.Claims)
	}
	for name, header := range map[string]object{
		"jku": {"alg": "RS256", "kid": "evil", "jku": "https://evil.example/jwks"},
		"x5u": {"alg": "RS256", "kid": "evil", "x5u": "https://evil.example/x5u"},
		"iss": {"alg": "RS256", "kid": "https://evil.example/key"},
	} {
		if _, err := tn.VerifyIDToken(t.Context(), testApp, mint(rsaTwo(), header, idToken(c.Now(), object{"iss": "https://evil.example/"})), Check{Nonce: testNonce}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := tn.Exchange(t.Context(), testApp, "code", testVerifier, "https://app.example/cb"); err == nil {
		t.Error("a redirect of the token endpoint is followed")
	}
	for host := range asked.asked {
		if host+"/" != testIssuer && host != "https://keys.example" {
			t.Errorf("%s was asked", host)
		}
	}
	if len(asked.asked) != 2 {
		t.Errorf("asked: %v", asked.asked)
	}
}

// OIDC-10, OIDC-11: which algorithms count is agreed on beforehand; the tenant's metadata makes none good.
func TestOIDC_10_OIDC_11_MetadataCannotWidenTheAlgorithms(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.serve(discoveryPath, discovery(object{"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS384", "RS512", "RS256"}}))
	shared := object{"kty": "oct", "alg": "HS256", "kid": "shared", "k": b64([]byte(testApp.ClientSecret))}
	widened := rsaJWK("one", &rsaOne().PublicKey)
	widened["alg"] = "RS384"
	a.serve(jwksPath, jwks(widened, shared))
	tn := newTestTenant(t, a, c.Now)
	claims := idToken(c.Now(), nil)
	for name, raw := range map[string]string{
		"none":                  strings.TrimRight(mint(rsaOne(), object{"alg": "none"}, claims), "."),
		"HS256 with the secret": mint([]byte(testApp.ClientSecret), object{"alg": "HS256", "kid": "shared"}, claims),
		"RS384":                 mint(rsaOne(), object{"alg": "RS384", "kid": "one"}, claims),
	} {
		_, err := tn.VerifyIDToken(t.Context(), testApp, raw, Check{Nonce: testNonce})
		if err == nil {
			t.Errorf("%s is accepted", name)
			continue
		}
		wantInvalid(t, err, "algorithm")
	}
}
