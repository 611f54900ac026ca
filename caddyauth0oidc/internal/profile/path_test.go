package profile

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestClaimIsFoundByItsAuth0Name(t *testing.T) {
	t.Parallel()
	p := profileOf(t, `{"sub":"auth0-oidc|acme-child|google-oauth2|10|35","aud":"MAPP","name":"Zoë","email":"z@example.com",
		"email_verified":true,"updated_at":17,"connection":"evil","strategy":{"x":"evil"},"id":"evil","org_id":"org_1",
		"identities":[{"connection":"acme-child","user_id":12345678901234567890}],
		"app_metadata":{"plan":"gold","a.b":{"c":"dotted"},"null":null},"roles":["admin","user"],
		"https://acme.com/roles":["owner"],"https://acme.com/app":{"level":3},"flat.name":"whole","flat":{"name":"nested"},
		"off":false,"a\"b":"quote","":"empty"}`)
	tests := []struct {
		path string
		want any
	}{
		{"user_id", p.UserID}, {"sub", p.UserID}, {"id", p.UserID}, {`"sub"`, p.UserID},
		{"name", "Zoë"}, {"email", "z@example.com"}, {"email_verified", true}, {"updated_at", "17"},
		{"client_id", "MAPP"}, {"org_id", "org_1"},
		{"strategy", "auth0-oidc"}, {"connection", "acme-child"}, {`"connection"`, "acme-child"},
		{"child_user", "google-oauth2|10|35"}, {"child_connection", "google-oauth2"}, {"child_user_id", "10|35"},
		{"identities.0.connection", "acme-child"}, {"identities.0.user_id", json.Number("12345678901234567890")},
		{"app_metadata.plan", "gold"}, {`app_metadata."a.b".c`, "dotted"}, {"app_metadata.a.b.c", "dotted"},
		{"roles", []any{"admin", "user"}}, {"roles.1", "user"}, {"off", false},
		{"https://acme.com/roles", []any{"owner"}}, {`"https://acme.com/roles"`, []any{"owner"}},
		{`"https://acme.com/roles".0`, "owner"}, {"https://acme.com/roles.0", "owner"},
		{"https://acme.com/app.level", json.Number("3")},
		{"flat.name", "whole"}, {`"flat".name`, "nested"}, {`a"b`, "quote"}, {`""`, "empty"},
	}
	for _, test := range tests {
		got, ok := p.Claim(test.path)
		if !ok || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %#v, %v, want %#v", test.path, got, ok, test.want)
		}
	}
	for _, path := range []string{
		"nickname", "family_name", "created_at", "SUB", "Email", "sub.x", "strategy.x", "email_verified.x",
		"app_metadata.null", "app_metadata.gone", "app_metadata.plan.x", "app_metadata.", ".plan", "roles.", "roles.2", "roles.-1",
		"roles.+1", "roles.01", "roles.99999999999999999999", `"roles`, `"roles"x`, `"roles"."1`, "identities.connection",
	} {
		if got, ok := p.Claim(path); ok {
			t.Errorf("%s: got %#v, want nothing", path, got)
		}
	}
}

func TestDerivedClaimIsNeverTakenFromAnAttribute(t *testing.T) {
	t.Parallel()
	p := profileOf(t, `{"sub":"google-oauth2|1","connection":"acme","child_user":"admin","client_id":{"a":1},"connection.x":1}`)
	for _, path := range []string{"connection", `"connection"`, "child_user", "client_id", "email"} {
		if got, ok := p.Claim(path); ok {
			t.Errorf("%s: got %#v, want nothing", path, got)
		}
	}
}

func FuzzClaimPath(f *testing.F) {
	f.Add("app_metadata.plan", `{"app_metadata":{"plan":"gold"}}`)
	f.Add(`"https://acme.com/roles".0`, `{"https://acme.com/roles":["a"]}`)
	f.Add(`a.b.c.".`, `{"a":{"b":[{}]},"a.b":null,"":1}`)
	f.Fuzz(func(t *testing.T, path, extra string) {
		p := &Profile{UserID: "auth0|a", Extra: json.RawMessage(extra), Identities: json.RawMessage(extra)}
		if v, ok := p.Claim(path); ok != (v != nil) {
			t.Fatalf("got %#v, %v", v, ok)
		}
		claims, _ := decode(p.Extra).(map[string]any)
		want, exact := claims[path]
		if _, ours := own[path]; ours || !exact {
			return
		}
		if got, _ := p.Claim(path); !reflect.DeepEqual(got, want) {
			t.Errorf("whole name: got %#v, want %#v", got, want)
		}
		if quoted := `"` + path + `"`; !strings.Contains(path, `"`) && claims[quoted] == nil {
			if got, _ := p.Claim(quoted); !reflect.DeepEqual(got, want) {
				t.Errorf("quoted name: got %#v, want %#v", got, want)
			}
		}
	})
}
