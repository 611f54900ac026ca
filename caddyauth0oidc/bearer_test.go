package caddyauth0oidc

import (
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// Who writes a deny beside access tokens learns that some lack the claim.
func TestDenyBesideAccessTokensIsWarnedOf(t *testing.T) {
	t.Parallel()
	deny := []Rule{{Claim: "https://acme.com/blocked"}, {Claim: "org_id", Values: []string{"org_x"}}}
	for _, test := range []struct {
		bearer *Bearer
		deny   []Rule
		want   int
	}{{nil, deny, 0}, {new(Bearer), nil, 0}, {new(Bearer), deny, 2}} {
		core, logs := observer.New(zap.WarnLevel)
		test.bearer.warn(zap.New(core), test.deny)
		if logs.Len() != test.want {
			t.Errorf("%+v: %d warnings, want %d", test, logs.Len(), test.want)
		}
	}
	w := newWorld(t, withSettings(bearerSetting+"\ndeny https://acme.com/blocked"))
	if !strings.Contains(w.logs(), "https://acme.com/blocked") {
		t.Error("loading the configuration warned of nothing")
	}
}

func TestAPIsOfTheTenantItselfAreNoAudience(t *testing.T) {
	t.Parallel()
	for audience, refused := range map[string]bool{
		"https://login.acme.com/userinfo": true, "https://login.acme.com/api/v2/": true, "https://login.acme.com/me/": true,
		"https://login.acme.com/my-org/": true, "https://LOGIN.acme.com:443/me": true, "https://login.acme.com": true,
		"https://acme.eu.auth0.com/me/": true, "https://other.us.auth0.com/my-org/": true, "https://acme.EU.auth0.com/api/v2/": true,
		"https://login.acme.com.evil.test/me/": false, "https://api.acme.com/me/": false, "http://login.acme.com/": false,
		"urn:reports": false, "reports": false, "https://api.example.com/userinfo": false, "https://acme.eu.auth0.com/reports": false,
	} {
		if err := checkForeign(audience, "https://login.acme.com/"); (err != nil) != refused {
			t.Errorf("%s: %v", audience, err)
		}
	}
}
