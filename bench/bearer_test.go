package bench

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const audience = "https://reports.example.com/"

// callingWithToken sends an access token of a user, which is verified by the keys of
// a tenant on loopback the first time, and asks for a scope in it. The directive sets
// the preset's headers, for some of which such a token has claims.
func callingWithToken(tb testing.TB) func() {
	network := auth0sim.NewNetwork()
	listening := httptest.NewServer(network)
	tb.Cleanup(listening.Close)
	tenant := network.Tenant(listening.URL)
	now := time.Now()
	token := tenant.SignJWT(map[string]any{"typ": "JWT"}, map[string]any{
		"iss": tenant.Issuer(), "sub": User(1).UserID, "aud": []string{audience, listening.URL + "/userinfo"}, "azp": ClientID,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "openid profile read:reports",
		"permissions": []string{"read:reports", "write:reports"},
	})
	settings := strings.Replace(Directive(Preset), Domain, listening.URL, 1)
	settings = strings.TrimSuffix(settings, "}\n") + "\tbearer {\n\t\taudience " + audience + "\n\t\tscope read:reports\n\t}\n}\n"
	return sending(tb, settings, "Authorization", []string{"Bearer " + token})
}
