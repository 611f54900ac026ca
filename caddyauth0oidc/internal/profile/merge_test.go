package profile

import (
	"maps"
	"reflect"
	"testing"
)

func TestOIDC_17_MergingClaims(t *testing.T) {
	t.Parallel()
	type claims = map[string]any
	for name, test := range map[string]struct{ token, userinfo, want claims }{
		"adds":                         {claims{"sub": "a"}, claims{"name": "Jane", "https://x/y": claims{"z": true}}, claims{"sub": "a", "name": "Jane", "https://x/y": claims{"z": true}}},
		"replaces":                     {claims{"name": "Old", "picture": "p"}, claims{"name": "New"}, claims{"name": "New", "picture": "p"}},
		"null is not sent":             {claims{"name": "Old", "email": "e", "email_verified": true}, claims{"name": nil, "email": nil}, claims{"name": "Old", "email": "e", "email_verified": true}},
		"address and verdict together": {claims{"email": "a", "email_verified": false}, claims{"email": "b", "email_verified": true}, claims{"email": "b", "email_verified": true}},
		"address without its verdict":  {claims{"email": "a", "email_verified": true}, claims{"email": "b"}, claims{"email": "b"}},
		"the same address":             {claims{"email": "a", "email_verified": true}, claims{"email": "a"}, claims{"email": "a"}},
		"null as a verdict":            {claims{"email": "a", "email_verified": true}, claims{"email": "b", "email_verified": nil}, claims{"email": "b"}},
		"verdict without an address":   {claims{"email": "a", "email_verified": false}, claims{"email_verified": true}, claims{"email": "a", "email_verified": false}},
		"verdict about nothing":        {claims{}, claims{"email_verified": true}, claims{}},
		"an empty address":             {claims{"email": "a", "email_verified": true}, claims{"email": ""}, claims{"email": ""}},
		"an address of another type":   {claims{"email": "a", "email_verified": true}, claims{"email": []any{"b"}}, claims{"email": []any{"b"}}},
		"phone numbers":                {claims{"phone_number": "1", "phone_number_verified": true}, claims{"phone_number": "2"}, claims{"phone_number": "2"}},
		"no ID token":                  {nil, claims{"name": "Jane"}, claims{"name": "Jane"}},
		"no answer":                    {claims{"name": "Jane"}, nil, claims{"name": "Jane"}},
	} {
		token, userinfo := maps.Clone(test.token), maps.Clone(test.userinfo)
		if got := Merge(token, userinfo); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
		if !reflect.DeepEqual(token, test.token) || !reflect.DeepEqual(userinfo, test.userinfo) {
			t.Errorf("%s: an argument has changed", name)
		}
	}
}

// No claim that decides about a login comes from anywhere but the ID token, whether it
// has the claim or not.
func TestOIDC_17_ProtocolClaimsAreTheIDTokens(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "sid", "acr", "amr", "auth_time", "at_hash", "c_hash", "s_hash",
		"org_id", "org_name", "session_expiry", "events", "cnf", "act", "jti", "_claim_names", "_claim_sources", "user_id",
		"client_id", "identities",
	} {
		if got := Merge(map[string]any{name: "token"}, map[string]any{name: "userinfo"}); got[name] != "token" {
			t.Errorf("%s is replaced by %v", name, got[name])
		}
		if got := Merge(nil, map[string]any{name: "userinfo"}); len(got) != 0 {
			t.Errorf("%s is added: %v", name, got)
		}
	}
}
