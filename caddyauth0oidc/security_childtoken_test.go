package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
)

// Where several directives let a request pass, the last one says whether the application
// gets the child's token, in error routes too.
func TestHDR_43_ChildsTokenGoesNoFurtherThanADirectiveWithoutIt(t *testing.T) {
	t.Parallel()
	const again = "auth0_oidc {\nunauthenticated pass\n}\n"
	for name, header := range map[string]string{"upstream bearer": "Authorization", "header Legacy-Token\nupstream header": "Legacy-Token"} {
		passing := managed("idp_token {\n" + name + "\n}")
		first := "route {\nauth0_oidc {\n" + passing + "}\n"
		for _, test := range []struct {
			what, site, path string
			want             bool
		}{
			{"alone", first + "reverse_proxy UPSTREAM\n}", "/x", true},
			{"a second one", first + "auth0_oidc /second/*\nreverse_proxy UPSTREAM\n}", "/second/x", false},
			{"beside the second one", first + "auth0_oidc /second/*\nreverse_proxy UPSTREAM\n}", "/x", true},
			{"a second one of the same source", first + "auth0_oidc /second/* {\n" + managed("") + "}\nreverse_proxy UPSTREAM\n}", "/second/x", false},
			{"a second one with the token", first + "auth0_oidc /second/* {\n" + passing + "}\nreverse_proxy UPSTREAM\n}", "/second/x", true},
			{"a third one with the token", first + "auth0_oidc /second/*\nauth0_oidc /second/* {\n" + passing + "}\nreverse_proxy UPSTREAM\n}", "/second/x", true},
			{"an error route", first + "error 502\n}\nhandle_errors {\n" + again + "reverse_proxy UPSTREAM\n}", "/x", false},
			{"an error route with the token", first + "error 502\n}\nhandle_errors {\nauth0_oidc {\n" + passing + "}\nreverse_proxy UPSTREAM\n}", "/x", true},
		} {
			t.Run(header+" "+test.what, func(t *testing.T) {
				t.Parallel()
				w := managedWorld(t, readTokens, withGlobal(globalTenant), withSite(test.site))
				b := w.browser()
				w.signIn(b, "/auth/login?return_to="+test.path, w.pair.User)
				w.app.take()
				w.send(b, "GET", test.path, map[string]string{header: "Basic dTpw"})
				seen := w.seen()
				if got := seen.header.Get(header); strings.Contains(got, "eyJ") != test.want || !test.want && got != "" {
					t.Errorf("%s is %q", header, got)
				}
				if seen.header.Get("X-Auth0-Email") != "user-in-child@mail.com" {
					t.Error("the user is not known")
				}
			})
		}
	}
}

// A client without a session keeps its Authorization, whatever directives stand there.
func TestSecondDirectiveTakesNobodysOwnAuthorization(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readTokens, withGlobal(globalTenant), withSite("route {\nauth0_oidc {\nunauthenticated pass\n"+
		managed("idp_token {\nupstream bearer\n}")+"}\nauth0_oidc {\nunauthenticated pass\n}\nreverse_proxy UPSTREAM\n}"))
	if response, _ := w.send(w.browser(), "GET", "/x", map[string]string{"Authorization": "Basic dTpw"}); response.StatusCode != http.StatusOK {
		t.Fatalf("%d", response.StatusCode)
	}
	assertSeen(t, w.seen(), map[string]string{"Authorization": "Basic dTpw"})
}
