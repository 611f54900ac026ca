package upstream

import (
	"io"
	"net/http"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func TestHDR_41_BearerTokenTakesThePlaceOfTheClientsWhereThereIsASession(t *testing.T) {
	t.Parallel()
	p, err := NewPlan(Config{ChildToken: "Authorization", Encoding: EncodingBase64URL})
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Header: http.Header{"Authorization": {"Basic dTpw", "Bearer evil"}}}
	p.Strip(r)
	if len(r.Header["Authorization"]) != 2 {
		t.Error("without a session the client's was removed")
	}
	apply := func(token string) {
		p.Apply(r.Header, make([]string, p.Len()), &profile.Profile{UserID: "auth0|1"}, Facts{ChildToken: token}, nil)
	}
	if apply("a.b.c"); len(r.Header["Authorization"]) != 1 || r.Header.Get("Authorization") != "Bearer a.b.c" {
		t.Errorf("Authorization is %q", r.Header["Authorization"])
	}
	if p.Withdraw(r); len(r.Header) != 0 {
		t.Errorf("left: %q", r.Header)
	}
	apply("a.b.c")
	if p.WithdrawTokens(r.Header); r.Header["Authorization"] != nil || r.Header.Get("X-Auth0-User-Id") == "" {
		t.Errorf("without the token: %q", r.Header)
	}
	r.Header.Set("Authorization", "Bearer evil")
	if apply(""); r.Header["Authorization"] != nil {
		t.Errorf("without a token: %q", r.Header["Authorization"])
	}
}

// HDR-13: a trailer is no place for a client's Authorization, and with a bearer token it
// could pass for ours.
func TestHDR_13_TrailerNamedAuthorizationIsDroppedInBearerMode(t *testing.T) {
	t.Parallel()
	for childToken, dropped := range map[string]bool{"Authorization": true, "X-Auth0-Child-Access-Token": false, "": false} {
		p, err := NewPlan(Config{ChildToken: childToken})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Authorization", "authorization", "AUTHORIZATION", "aUTHORIZATION"} {
			announced := &http.Request{Header: http.Header{}, Trailer: http.Header{"X-Other": nil, name: nil}}
			p.Strip(announced)
			unparsed := &http.Request{Header: http.Header{"Trailer": {"X-Other,\t" + name + " "}}}
			p.Strip(unparsed)
			if (announced.Trailer == nil) != dropped || (len(unparsed.Header) == 0) != dropped {
				t.Errorf("%s, %q: left %v and %v", name, childToken, announced.Trailer, unparsed.Header)
			}
			late := &http.Request{Header: http.Header{"Authorization": {"Basic dTpw"}}, Trailer: http.Header{"X-Other": nil}, Body: http.NoBody}
			p.Strip(late)
			late.Trailer[name] = []string{"Bearer evil"} // as net/http adds what nobody announced
			if _, err := io.ReadAll(late.Body); err != nil {
				t.Fatal(err)
			}
			if _, left := late.Trailer[name]; left == dropped || late.Header.Get("Authorization") == "" {
				t.Errorf("%s, %q: late, left %v and %v", name, childToken, late.Trailer, late.Header)
			}
		}
	}
}

func TestHDR_43_HeaderOfTheChildsTokenIsOurs(t *testing.T) {
	t.Parallel()
	p, err := NewPlan(Config{Preset: PresetNone, ChildToken: "Legacy-Token", Encoding: EncodingBase64URL})
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Header: http.Header{"Legacy_token": {"evil"}, "Legacy-Token": {"evil"}, "Authorization": {"Basic dTpw"}}}
	p.Strip(r)
	p.Apply(r.Header, make([]string, p.Len()), &profile.Profile{}, Facts{ChildToken: "a.b.c"}, nil)
	if len(r.Header) != 2 || r.Header.Get("Legacy-Token") != "a.b.c" {
		t.Errorf("%q", r.Header)
	}
	if p.Withdraw(r); len(r.Header) != 1 {
		t.Errorf("left: %q", r.Header)
	}
	for name, c := range map[string]Config{
		"of HTTP":          {ChildToken: "Cookie"},
		"in another case":  {ChildToken: "authorization"},
		"of the preset":    {ChildToken: "x_auth0_email"},
		"of a line":        {ChildToken: "X-A", Lines: []Line{{Header: "x-a", Claim: "id"}}},
		"of the assertion": {ChildToken: "X-A", Assertion: "X-A"},
		"with a space":     {ChildToken: "X A"},
	} {
		if _, err := NewPlan(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
