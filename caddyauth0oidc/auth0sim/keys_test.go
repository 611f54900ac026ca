package auth0sim

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func (w *world) keySet() jose.JSONWebKeySet {
	w.t.Helper()
	req, _ := http.NewRequest(http.MethodGet, w.Master.base()+"/.well-known/jwks.json", nil)
	resp, err := w.network.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, _ := io.ReadAll(resp.Body)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		w.t.Fatal(err)
	}
	return set
}

func (w *world) verifies(token any) bool {
	w.t.Helper()
	parsed, err := jwt.ParseSigned(token.(string), []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256})
	if err != nil {
		w.t.Fatal(err)
	}
	return parsed.Claims(w.keySet(), &map[string]any{}) == nil
}

func TestKeySetHoldsCurrentNextAndPreviousUntilRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.tokens(nil)["id_token"]
	if n := len(w.keySet().Keys); n != 2 {
		t.Fatalf("%d keys before the rotation, want 2", n)
	}
	next := w.keySet().Keys[1].KeyID
	w.Master.RotateKeys()
	if w.Master.KeyID() != next || len(w.keySet().Keys) != 3 {
		t.Errorf("after the rotation %s signs and there are %d keys", w.Master.KeyID(), len(w.keySet().Keys))
	}
	_, body := w.exchange(w.Master, w.codeForm(w.open(w.AuthorizeURL(nil))))
	if !w.verifies(old) || !w.verifies(body["id_token"]) {
		t.Error("a token of the previous or of the current key does not verify")
	}
	w.Master.RevokePreviousKey()
	if w.verifies(old) || !w.verifies(body["id_token"]) {
		t.Error("revoking did not end the previous key only")
	}
}

func TestEachAlgorithmVerifiesWithThePublishedKeys(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "PS256", "ES256"} {
		w := newWorld(t)
		w.Master.SigningAlg = alg
		token := w.tokens(nil)["id_token"]
		if got := part(t, token, 0)["alg"]; got != alg || !w.verifies(token) {
			t.Errorf("%s: signed with %v, or does not verify", alg, got)
		}
		if got := w.keySet().Keys[0]; got.Algorithm != alg || len(got.Certificates) != 1 || got.Use != "sig" {
			t.Errorf("%s: key %v", alg, got.Algorithm)
		}
		w.Master.KeysWithoutAlg = true
		if got := w.keySet().Keys[0].Algorithm; got != "" {
			t.Errorf("alg is published as %q", got)
		}
	}
}

func TestForeignKeyAndTamperedTokensDoNotVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Master.SignWithForeignKey = true
	token := w.tokens(nil)["id_token"]
	if part(t, token, 0)["kid"] != w.Master.KeyID() || w.verifies(token) {
		t.Error("the token of a foreign key verifies, or names another kid")
	}
	w = newWorld(t)
	w.Master.TamperIDToken = func(header, claims map[string]any) { header["alg"], claims["sub"] = "none", "auth0|admin" }
	w.Master.TamperTokenResponse = func(body map[string]any) { body["expires_in"] = "soon" }
	body := w.tokens(nil)
	raw := body["id_token"].(string)
	if raw[len(raw)-1] != '.' || body["expires_in"] != "soon" {
		t.Errorf("tampering left %v", body)
	}
}

func TestTenantsHaveDifferentKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.Master.KeyID() == w.Child.KeyID() || w.Master.PublicKey() == w.Child.PublicKey() {
		t.Error("master and child share a key")
	}
	header := map[string]any{"typ": "JWT"}
	if token := w.Child.SignJWT(header, map[string]any{"iss": "x"}); w.verifies(token) {
		t.Error("the master's keys verify a token of the child")
	}
	if len(header) != 1 {
		t.Error("SignJWT changed the header it was given")
	}
}
