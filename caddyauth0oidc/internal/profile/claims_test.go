package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// claimsOf decodes claims the way that callers of FromClaims do.
func claimsOf(t testing.TB, text string) map[string]any {
	t.Helper()
	var claims map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil {
		t.Fatalf("decoding the claims of the test: %v", err)
	}
	return claims
}

func profileOf(t testing.TB, text string) *Profile {
	t.Helper()
	p, err := FromClaims(claimsOf(t, text))
	if err != nil {
		t.Fatalf("FromClaims: %v", err)
	}
	return p
}

const idToken = `{
	"iss": "https://acme.eu.auth0.com/", "aud": "MAPP", "iat": 1760000000, "exp": 1760036000,
	"nonce": "n", "sid": "375UIp", "auth_time": 1760000000, "at_hash": "h", "session_expiry": 1760100000,
	"sub": "auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80",
	"name": "user-in-child@mail.com", "nickname": "user-in-child", "given_name": "Zoë", "family_name": "Oðin",
	"email": "user-in-child@mail.com", "email_verified": false,
	"picture": "https://s.gravatar.com/avatar/cb89?s=480&r=pg", "updated_at": "2015-11-05T18:10:17.813Z",
	"org_id": "org_1", "org_name": "acme", "amr": ["mfa"],
	"https://acme.com/roles": ["admin", "a<b>&c"], "employee": 90071992547409931234
}`

func TestIDTokenBecomesTheNormalizedProfile(t *testing.T) {
	t.Parallel()
	got := profileOf(t, idToken)
	want := &Profile{
		UserID: "auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80",
		Name:   "user-in-child@mail.com", Nickname: "user-in-child", GivenName: "Zoë", FamilyName: "Oðin",
		Email: "user-in-child@mail.com", EmailVerified: "false",
		Picture: "https://s.gravatar.com/avatar/cb89?s=480&r=pg", UpdatedAt: "2015-11-05T18:10:17.813Z",
		ClientID: "MAPP", OrgID: "org_1", OrgName: "acme",
		Extra: json.RawMessage(`{"amr":["mfa"],"employee":90071992547409931234,"https://acme.com/roles":["admin","a<b>&c"]}`),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTOK_10_MissingOrWrongTypedSubIsRefused(t *testing.T) {
	t.Parallel()
	for _, claims := range []string{
		`{}`, `{"sub":null}`, `{"sub":""}`, `{"sub":42}`, `{"sub":true}`, `{"sub":{"id":"a"}}`, `{"sub":["auth0|a"]}`,
		`{"Sub":"auth0|a"}`, `{"user_id":"auth0|a"}`,
	} {
		if p, err := FromClaims(claimsOf(t, claims)); !errors.Is(err, errNoSubject) {
			t.Errorf("%s: got %+v, %v", claims, p, err)
		}
	}
	if _, err := FromClaims(nil); err == nil {
		t.Error("no claims at all made a profile")
	}
}

func TestTOK_10_WrongTypedClaimCountsAsNotSent(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`{"a":1}`, `[]`, `["user@example.com"]`, `true`, `null`, `17`} {
		for _, name := range []string{
			"name", "nickname", "given_name", "family_name", "email", "picture", "org_id", "org_name", "azp", "client_id",
		} {
			got := profileOf(t, `{"sub":"auth0|a","`+name+`":`+value+`}`)
			if want := (&Profile{UserID: "auth0|a"}); !reflect.DeepEqual(got, want) {
				t.Errorf("%s = %s: got %+v", name, value, got)
			}
		}
	}
}

func TestClaimsOfSeveralTypesAreRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		claims string
		field  func(*Profile) string
		want   string
	}{
		{`"email_verified":true`, func(p *Profile) string { return p.EmailVerified }, "true"},
		{`"email_verified":"true"`, func(p *Profile) string { return p.EmailVerified }, "true"},
		{`"email_verified":"false"`, func(p *Profile) string { return p.EmailVerified }, "false"},
		{`"email_verified":"yes"`, func(p *Profile) string { return p.EmailVerified }, ""},
		{`"email_verified":1`, func(p *Profile) string { return p.EmailVerified }, ""},
		{`"email_verified":["true"]`, func(p *Profile) string { return p.EmailVerified }, ""},
		{`"updated_at":1446747017`, func(p *Profile) string { return p.UpdatedAt }, "1446747017"},
		{`"updated_at":{"s":1}`, func(p *Profile) string { return p.UpdatedAt }, ""},
		{`"created_at":"2015-11-05T18:09:49.575Z"`, func(p *Profile) string { return p.CreatedAt }, "2015-11-05T18:09:49.575Z"},
		{`"aud":"app"`, func(p *Profile) string { return p.ClientID }, "app"},
		{`"aud":["app"]`, func(p *Profile) string { return p.ClientID }, "app"},
		{`"aud":["api","app"]`, func(p *Profile) string { return p.ClientID }, ""},
		{`"aud":["api","app"],"azp":"app"`, func(p *Profile) string { return p.ClientID }, "app"},
		{`"aud":"api","client_id":"app"`, func(p *Profile) string { return p.ClientID }, "app"},
		{`"aud":[7]`, func(p *Profile) string { return p.ClientID }, ""},
		{`"identities":[]`, func(p *Profile) string { return string(p.Identities) }, ""},
		{`"identities":"none"`, func(p *Profile) string { return string(p.Identities) }, ""},
		{`"identities":["x",{"user_id":12345678901234567890,"provider":"auth0"}]`,
			func(p *Profile) string { return string(p.Identities) }, `[{"provider":"auth0","user_id":12345678901234567890}]`},
	}
	for _, test := range tests {
		if got := test.field(profileOf(t, `{"sub":"auth0|a",`+test.claims+`}`)); got != test.want {
			t.Errorf("%s: got %q, want %q", test.claims, got, test.want)
		}
	}
}

func TestTokensOfTheIdentityProviderStayOutOfTheProfile(t *testing.T) {
	t.Parallel()
	claims := claimsOf(t, `{"sub":"auth0-oidc|c|auth0|a","identities":[{
		"connection":"c","user_id":"c|auth0|a","provider":"auth0-oidc","isSocial":true,"access_token":"secret-1",
		"access_token_secret":"secret-2","refresh_token":"secret-3","id_token":"secret-4"}]}`)
	p, err := FromClaims(claims)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.Identities), `[{"connection":"c","isSocial":true,"provider":"auth0-oidc","user_id":"c|auth0|a"}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if kept := claims["identities"].([]any)[0].(map[string]any)["access_token"]; kept != "secret-1" {
		t.Error("the claims of the caller were changed")
	}
}

func TestProfileIsWrittenUnderAuth0Names(t *testing.T) {
	t.Parallel()
	p := profileOf(t, `{"sub":"auth0|a","aud":"MAPP","email":"a@example.com","email_verified":"true","user_id":"auth0|evil",
		"identities":[{"provider":"auth0"}],"plan":{"b":1.50,"a":"x"},"gone":null}`)
	got, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"client_id":"MAPP","email":"a@example.com","email_verified":true,"identities":[{"provider":"auth0"}],"plan":{"a":"x","b":1.50},"user_id":"auth0|a"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDamagedStoredClaimsAreAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	for _, p := range []*Profile{
		{UserID: "auth0|a", Extra: json.RawMessage(`{`)},
		{UserID: "auth0|a", Extra: json.RawMessage(`[]`)},
		{UserID: "auth0|a", Identities: json.RawMessage(`[`)},
	} {
		if b, err := json.Marshal(p); err == nil {
			t.Errorf("got %s", b)
		}
		if _, ok := p.Claim("plan"); ok {
			t.Error("found a claim")
		}
		if _, ok := p.Claim("identities.0.connection"); ok {
			t.Error("found an identity")
		}
	}
	if b, err := json.Marshal(&Profile{UserID: "auth0|a", Extra: json.RawMessage(`null`)}); string(b) != `{"user_id":"auth0|a"}` {
		t.Errorf("got %s, %v", b, err)
	}
}

func FuzzFromClaims(f *testing.F) {
	f.Add(idToken)
	f.Add(`{"sub":"a|b","email":["x"],"updated_at":1e400,"identities":[null,{"access_token":{}}],"x":-0.0}`)
	f.Add(`{"sub":"\u0000\ud800","":{"":[[]]},"connection":"evil","Sub":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		var claims map[string]any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&claims) != nil {
			t.Skip()
		}
		p, err := FromClaims(claims)
		if err != nil {
			if sub, _ := claims["sub"].(string); sub != "" {
				t.Fatalf("valid sub refused: %v", err)
			}
			return
		}
		first, err := p.MarshalJSON()
		if err != nil {
			t.Fatalf("MarshalJSON: %v", err)
		}
		written := claimsOf(t, string(first))
		if written["user_id"] != claims["sub"] {
			t.Errorf("user_id %q, sub %q", written["user_id"], claims["sub"])
		}
		for name, value := range claims {
			if value != nil && !notExtra[name] && !reflect.DeepEqual(written[name], value) {
				t.Errorf("claim %q was %v and became %v", name, value, written[name])
			}
		}
		written["sub"], written["azp"] = written["user_id"], written["client_id"]
		again, err := FromClaims(written)
		if err != nil {
			t.Fatalf("reading the profile again: %v", err)
		}
		if second, err := again.MarshalJSON(); err != nil || !bytes.Equal(first, second) {
			t.Errorf("profile %s became %s (%v)", first, second, err)
		}
	})
}
