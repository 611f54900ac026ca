package caddyauth0oidc

import "testing"

// The same module of the complete plan, with the variant tls_client_auth.
func TestConformanceMTLSEndpointAliases(t *testing.T) {
	t.Parallel()
	t.Run("tls_client_auth/RP-CMP-09_oidcc-client-test-mtls-endpoint-aliases", func(t *testing.T) {
		t.Parallel()
		w := newMTLSWorld(t, "profile userinfo")
		aliases := w.hasAliases()
		if !w.signedIn() {
			t.Fatal("not signed in\n" + w.logs())
		}
		asked := map[string]string{}
		for _, p := range w.take() {
			asked[p.path] = p.host
		}
		plain := w.pair.Master.Host()
		for path, want := range map[string]string{
			"/.well-known/openid-configuration": plain, "/.well-known/jwks.json": plain, "/userinfo": plain, // needs no client authentication
			"/oauth/par": aliases, "/oauth/token": aliases,
		} {
			if asked[path] != want {
				t.Errorf("%s was asked at %q, want %q", path, asked[path], want)
			}
		}
	})
}
