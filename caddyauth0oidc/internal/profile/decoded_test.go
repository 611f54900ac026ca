package profile

import (
	"encoding/json"
	"testing"
)

func TestDecodedClaimsAnswerAsTheProfileDoes(t *testing.T) {
	t.Parallel()
	p := profileOf(t, `{"sub":"auth0-oidc|acme-child|auth0|1","email":"z@example.com","connection":"evil","roles":["a"],
		"app_metadata":{"plan":"gold"},"identities":[{"connection":"acme-child"}],"https://acme.com/roles":["owner"]}`)
	claims := p.Claims()
	for _, path := range []string{
		"id", "email", "nickname", "connection", `"connection"`, "roles", "roles.0", "app_metadata.plan", "identities.0.connection",
		`"https://acme.com/roles".0`, "gone", "", "email.x",
	} {
		want, wanted := p.Claim(path)
		got, found := claims.Find(path)
		if Text(got) != Text(want) || found != wanted {
			t.Errorf("%s: got %#v, %v, want %#v, %v", path, got, found, want, wanted)
		}
	}
}

func TestDamagedExtraClaimsAreNoClaims(t *testing.T) {
	t.Parallel()
	for _, extra := range []string{"", "{", "[]", "null", `"x"`} {
		claims := (&Profile{UserID: "auth0|a", Extra: json.RawMessage(extra)}).Claims()
		if v, found := claims.Find("x"); found {
			t.Errorf("%s: got %#v", extra, v)
		}
		if v, _ := claims.Find("id"); v != "auth0|a" {
			t.Errorf("%s: the id is %#v", extra, v)
		}
	}
}
