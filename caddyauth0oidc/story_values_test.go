package caddyauth0oidc

import (
	"strings"
	"testing"
)

// CVE-CAD-09, HDR-24: the operator's placeholders are filled in, and those that a
// claim or a client's header brings along stay text, through a second directive too.
func TestCVE_CAD_09_PlaceholdersOfLinesAreFilledInOnce(t *testing.T) {
	t.Setenv("GATEWAY_OF_THE_TEST", "caddy-1")
	w := newWorld(t, withSite(`auth0_oidc {
SETTINGS
headers {
X-Tenant "{host}/{http.auth.user.org_id}"
X-Gateway {env.GATEWAY_OF_THE_TEST}
X-Greeting "Hello {http.auth.user.name}{http.auth.user.nickname}!"
X-Asked "{http.request.header.X-Ask}"
X-Known-Roles "{http.auth.user.https://acme.test/roles}"
X-Unknown "{http.no.such.placeholder}"
X-Missing {http.auth.user.middle_name}
X-Literal "\{host\} {http.auth.user.email}"
}
}
auth0_oidc /elsewhere {
SETTINGS
}
reverse_proxy UPSTREAM`))
	w.pair.Master.CustomClaims = map[string]any{
		"org_id": "org_1", "name": "{env.GATEWAY_OF_THE_TEST}", "nickname": "{http.request.cookie.x}\r\n", "https://acme.test/roles": []string{"a", "b"},
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	forged := map[string]string{"X-Ask": "{env.GATEWAY_OF_THE_TEST}", "X-Tenant": "evil", "X-Missing": "evil", "X-Unknown": "evil", "X~Tenant": "evil"}
	want := map[string]string{
		"X-Tenant": "app.example.test/org_1", "X-Gateway": "caddy-1", "X-Asked": "{env.GATEWAY_OF_THE_TEST}",
		"X-Greeting": "Hello {env.GATEWAY_OF_THE_TEST}{http.request.cookie.x}\ufffd\ufffd!", "X-Known-Roles": "a,b",
		"X-Unknown": "", "X-Missing": "", "X-Literal": "{host} user-in-child@mail.com", "X-Auth0-Email": "user-in-child@mail.com",
	}
	for range 2 {
		w.send(b, "GET", "/x", forged)
	}
	for _, r := range w.app.take() {
		assertSeen(t, r, want)
	}
}

// A value is one that the session's user has, or nothing.
func TestHDR_54_ValuesAreForNobodyWhoIsSignedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("unauthenticated pass\nheaders {\nX-Tenant {http.request.host}\n}"))
	w.send(w.browser(), "GET", "/x", map[string]string{"X-Tenant": "evil"})
	for _, r := range w.app.take() {
		assertSeen(t, r, map[string]string{"X-Tenant": ""})
	}
}

func TestHDR_29_WarningIsInTheLogOnceTheConfigurationIsLoaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("headers {\nRemote-User nickname\n}"))
	if n := strings.Count(w.logs(), `"header":"Remote-User","claim":"nickname"`); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

// HDR-46: a site that answers any host would let the client write the issuer.
func TestHDR_46_AssertionWithoutBaseURLIsWarnedOf(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]int{
		"": 0,
		"assertion {\naudience https://legacy.internal\n}":                                   1,
		"assertion {\naudience https://legacy.internal\n}\nbase_url https://app.example.com": 0,
	} {
		w := newWorld(t, withSettings(settings))
		if n := strings.Count(w.logs(), "the assertion has no base_url"); n != want {
			t.Errorf("%q: %d warnings", settings, n)
		}
	}
}
