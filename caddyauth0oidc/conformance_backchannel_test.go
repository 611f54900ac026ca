package caddyauth0oidc

import (
	"net/http"
	"testing"
)

// The modules of oidcc-client-test-plan about back-channel logout: the user signs in, the
// provider logs out and posts a logout token, and the session is over only if the token
// is as it should be.
func TestConformanceBackchannelLogout(t *testing.T) {
	t.Parallel()
	const plan = "oidcc-client-test-rp-backchannel-"
	type tamper = func(header, claims map[string]any)
	setClaim := func(name string, value any) tamper {
		return func(_, claims map[string]any) {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
	}
	setAlg := func(alg string) tamper { return func(header, _ map[string]any) { header["alg"] = alg } }
	for _, module := range []struct {
		name   string
		tamper tamper
		want   int
	}{
		{"RP-BCL-01_" + plan + "rpinitlogout", setClaim("https://suite/unknown", "x"), http.StatusOK},
		{"RP-BCL-02_" + plan + "rpinitlogout-alg-none", setAlg("none"), http.StatusBadRequest},
		{"RP-BCL-03_" + plan + "rpinitlogout-no-event", setClaim("events", nil), http.StatusBadRequest},
		{"RP-BCL-04_" + plan + "rpinitlogout-with-nonce", setClaim("nonce", "x"), http.StatusBadRequest},
		{"RP-BCL-05_" + plan + "rpinitlogout-wrong-alg", setAlg("ES256"), http.StatusBadRequest},
		{"RP-BCL-06_" + plan + "rpinitlogout-wrong-aud", setClaim("aud", "another"), http.StatusBadRequest},
		{"RP-BCL-07_" + plan + "rpinitlogout-wrong-event", setClaim("events", map[string]any{"https://suite/other": map[string]any{}}), http.StatusBadRequest},
		{"RP-BCL-08_" + plan + "rpinitlogout-wrong-iss", setClaim("iss", "https://suite.test/"), http.StatusBadRequest},
	} {
		for _, variant := range conformanceVariants {
			t.Run(variant.name+"/"+module.name, func(t *testing.T) {
				t.Parallel()
				r := variant.run(t, conformanceModule{name: module.name})
				token := r.tampered(r.user, r.pair.Master.Sessions()[0], module.tamper)
				if status := r.sendLogout(token); status != module.want {
					t.Errorf("answered with %d, want %d", status, module.want)
				}
				if over := !r.alive(r.browser); over != (module.want == http.StatusOK) {
					t.Errorf("the session is over: %t", over)
				}
			})
		}
	}
}
