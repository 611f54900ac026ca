package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// oidcc-client-basic-certification-test-plan. The provider is asked for userinfo, as
// the suite wants it; what is refused before is refused without.
func TestConformanceBasicPlan(t *testing.T) {
	t.Parallel()
	runConformance(t, []conformanceModule{
		{name: "RP-BAS-01_oidcc-client-test"},
		{name: "RP-BAS-01_oidcc-client-test_user-id-of-the-suite", subject: "user-subject-1234531"},
		{name: "RP-BAS-02_oidcc-client-test-invalid-iss", provider: claim("iss", "https://evil.test/"), want: conformanceRefusedAtToken},
		{name: "RP-BAS-03_oidcc-client-test-missing-sub", provider: claim("sub", nil), want: conformanceRefusedAtToken},
		{name: "RP-BAS-04_oidcc-client-test-invalid-aud", provider: claim("aud", "another"), want: conformanceRefusedAtToken},
		{name: "RP-BAS-05_oidcc-client-test-missing-iat", provider: claim("iat", nil), want: conformanceRefusedAtToken},
		{
			name: "RP-BAS-06_oidcc-client-test-kid-absent-single-jwks",
			provider: func(w *world) {
				heading("kid", nil)(w)
				w.pair.Master.TamperKeys = func(set *jose.JSONWebKeySet) {
					set.Keys = set.Keys[:1]
					set.Keys[0].KeyID = ""
				}
			},
		},
		{
			name: "RP-BAS-07_oidcc-client-test-kid-absent-multiple-jwks", // each key that fits is tried
			provider: func(w *world) {
				heading("kid", nil)(w)
				w.pair.Master.TamperKeys = func(set *jose.JSONWebKeySet) { set.Keys[0], set.Keys[1] = set.Keys[1], set.Keys[0] }
			},
		},
		{name: "RP-BAS-08_oidcc-client-test-idtoken-sig-rs256", provider: heading("alg", "RS256")},
		{name: "RP-BAS-09_oidcc-client-test-idtoken-sig-none", provider: heading("alg", "none"), want: conformanceRefusedAtToken},
		{
			name:     "RP-BAS-10_oidcc-client-test-invalid-sig-rs256",
			provider: func(w *world) { w.pair.Master.SignWithForeignKey = true }, want: conformanceRefusedAtToken,
		},
		{
			name: "RP-BAS-11_oidcc-client-test-userinfo-invalid-sub",
			provider: func(w *world) {
				w.pair.Master.TamperUserInfo = func(body map[string]any) { body["sub"] = body["sub"].(string) + "x" }
			},
			want: conformanceRefusedAtUserinfo,
		},
		{name: "RP-BAS-12_oidcc-client-test-nonce-invalid", provider: claim("nonce", "another"), want: conformanceRefusedAtToken},
		{
			name:     "RP-BAS-13_oidcc-client-test-scope-userinfo-claims",
			settings: "scopes openid profile email phone address\nheaders {\nX-Phone phone_number\nX-City address.locality\n}",
			provider: func(w *world) {
				w.pair.Master.Configure(withShortIDToken)
				w.pair.Master.TamperUserInfo = func(body map[string]any) {
					body["phone_number"], body["address"] = "+1 555 0100", map[string]any{"locality": "Wien"}
				}
			},
			also: func(r *conformanceRun) {
				if scope := r.to("/authorize")[0].query.Get("scope"); scope != "openid profile email phone address" {
					r.Errorf("the scope is %q", scope)
				}
				assertOnlyOurs(r.T, r.seen[0], map[string]string{"X-Auth0-Nickname": "user-in-child", "X-Phone": "+1 555 0100", "X-City": "Wien"})
			},
		},
	}, conformanceVariants...)
}

// How the application authenticates has modules of its own.
func TestConformanceClientAuthentication(t *testing.T) {
	t.Parallel()
	for _, variant := range append(conformanceVariants[:4:4], conformancePAR) {
		t.Run(variant.module, func(t *testing.T) {
			t.Parallel()
			r := variant.run(t, conformanceModule{name: variant.module})
			requests := append(r.to("/oauth/token"), r.to("/oauth/par")...)
			for _, request := range requests {
				if !variant.proves(r.pair.App, request) {
					t.Errorf("the application authenticates in another way at %s", request.path)
				}
			}
			if variant.method == "private_key_jwt" {
				r.signedIn() // once more
				r.judgeAssertions(append(r.to("/oauth/token"), r.to("/oauth/par")...))
			}
		})
	}
}

// judgeAssertions wants each to be for the issuer, short and used once.
func (r *conformanceRun) judgeAssertions(requests []conformanceRequest) {
	r.Helper()
	seen := make(map[string]bool)
	for _, request := range requests {
		raw := request.body.Get("client_assertion")
		parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			r.Fatal(err)
		}
		var claims jwt.Claims
		if err := parsed.Claims(r.key, &claims); err != nil {
			r.Fatal(err)
		}
		if claims.Issuer != r.pair.App.ClientID || claims.Subject != claims.Issuer || len(claims.Audience) != 1 || claims.Audience[0] != r.pair.Master.Issuer() {
			r.Errorf("RP-FAPI-25: the assertion is %+v", claims)
		}
		if life := claims.Expiry.Time().Sub(claims.IssuedAt.Time()); life <= 0 || life > 5*time.Minute || claims.ID == "" || seen[claims.ID] {
			r.Errorf("RP-FAPI-25: the assertion %q lives for %s", claims.ID, life)
		}
		if seen[claims.ID] = true; strings.Contains(r.logs(), raw) {
			r.Error("INV-04: an assertion is in the log")
		}
	}
	if len(seen) < 2 {
		r.Errorf("%d assertions", len(seen))
	}
}

// oidcc-client-formpost-basic-certification-test-plan runs the modules of the plan above
// in the variant form_post. What it has besides is an error.
func TestConformanceFormPostPlan(t *testing.T) {
	t.Parallel()
	runConformance(t, []conformanceModule{{
		name: "RP-FRM-15_oidcc-client-test-form-post-error",
		provider: func(w *world) {
			w.pair.Master.TamperCallback = func(parameters url.Values) {
				parameters.Del("code")
				parameters.Set("error", "access_denied")
				parameters.Set("error_description", "<script>")
			}
		},
		want: conformanceRefusedAtCallback,
		also: func(r *conformanceRun) {
			if r.page.Status != http.StatusForbidden || !strings.Contains(r.page.Body, codeLoginDenied) || strings.Contains(r.page.Body, "<script") {
				r.Errorf("%d %s", r.page.Status, r.page.Body)
			}
			if n := len(r.pendingLogins(r.browser)); n != 0 {
				r.Errorf("%d logins are pending", n)
			}
			posted := slices.IndexFunc(r.hops, func(hop auth0sim.Hop) bool { return hop.Method == http.MethodPost && hop.URL.Path == "/auth/callback" })
			if posted < 0 || r.hops[posted].Status != http.StatusSeeOther {
				r.Error("the error was not posted, or not answered with 303")
			}
		},
	}}, conformanceFormPost)
}

// oidcc-client-config-certification-test-plan.
func TestConformanceConfigPlan(t *testing.T) {
	t.Parallel()
	runConformance(t, []conformanceModule{
		{
			name:     "RP-CFG-01_oidcc-client-test-discovery-openid-config",
			provider: moved("authorization_endpoint", "token_endpoint", "userinfo_endpoint"),
		},
		{name: "RP-CFG-02_oidcc-client-test-discovery-jwks-uri-keys", provider: moved("jwks_uri")},
		{
			name:     "RP-CFG-03_oidcc-client-test-discovery-issuer-mismatch",
			provider: discovering(fromEvil), want: conformanceRefusedBeforehand,
		},
		{name: "RP-CFG-04_oidcc-client-test-idtoken-sig-none", provider: heading("alg", "none"), want: conformanceRefusedAtToken},
		{
			name: "RP-CFG-05_oidcc-client-test-signing-key-rotation-just-before-signing",
			provider: func(w *world) {
				w.signIn(w.browser(), "/home", w.pair.User)
				w.pair.Master.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == "/oauth/token" {
						rotateTwice(w)
					}
					return false
				}
			},
			also: keysOnceMore,
		},
		{
			name: "RP-CFG-06_oidcc-client-test-signing-key-rotation",
			provider: func(w *world) {
				w.signIn(w.browser(), "/home", w.pair.User)
				rotateTwice(w)
			},
			also: keysOnceMore,
		},
	}, conformanceVariants...)
}

// fromEvil makes the metadata another issuer's.
func fromEvil(document map[string]any) {
	document["issuer"], document["authorization_endpoint"] = "https://evil.test/", "https://evil.test/authorize"
}

// elsewhere begins the paths of endpoints that have moved.
const elsewhere = "/elsewhere"

// usualPaths are where Auth0's endpoints are.
var usualPaths = map[string]string{
	"authorization_endpoint": "/authorize", "token_endpoint": "/oauth/token", "userinfo_endpoint": "/userinfo", "jwks_uri": "/.well-known/jwks.json",
}

// moved serves endpoints at other paths than usual, and nothing at the usual ones.
func moved(endpoints ...string) func(*world) {
	return func(w *world) {
		w.pair.Master.TamperDiscovery = func(document map[string]any) {
			for _, name := range endpoints {
				document[name] = w.pair.Master.Issuer() + strings.TrimPrefix(elsewhere+usualPaths[name], "/")
			}
		}
		w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			for _, name := range endpoints {
				if r.URL.Path == usualPaths[name] {
					http.NotFound(rw, r)
					return true
				}
			}
			r.URL.Path = strings.TrimPrefix(r.URL.Path, elsewhere)
			return false
		}
	}
}

// rotateTwice signs with a key that nobody has seen: the next one is published early.
func rotateTwice(w *world) {
	w.pair.Master.RotateKeys()
	w.pair.Master.RotateKeys()
}

func keysOnceMore(r *conformanceRun) {
	r.Helper()
	if n := len(r.to("/.well-known/jwks.json")); n != 1 {
		r.Errorf("the keys were fetched %d times after the rotation", n)
	}
}

// oidcc-client-rp-initiated-logout-rp-basic.
func TestConformanceLogoutPlan(t *testing.T) {
	t.Parallel()
	modules := []conformanceModule{{name: "RP-RIL-01_oidcc-client-test-rp-init-logout", also: signsOut}}
	for name, query := range map[string]string{
		"RP-RIL-02_oidcc-client-test-rp-init-logout-other-state": "?state=another%22%3E%3Cscript%3E",
		"RP-RIL-03_oidcc-client-test-rp-init-logout-no-state":    "",
	} {
		modules = append(modules, conformanceModule{name: name, provider: returning(query), also: signsOut})
	}
	for i := range modules {
		modules[i].settings = "logout {\nhint id_token\n}"
	}
	runConformance(t, modules, conformanceBasic, conformancePost)
}

// returning brings the browser back from the end session endpoint with that query.
func returning(query string) func(*world) {
	return func(w *world) {
		w.pair.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/oidc/logout" {
				return false
			}
			http.Redirect(rw, r, r.URL.Query().Get("post_logout_redirect_uri")+query, http.StatusFound)
			return true
		}
	}
}

func signsOut(r *conformanceRun) {
	r.Helper()
	page, err := r.page.Click("/auth/logout")
	if err != nil {
		r.Fatal(err)
	}
	asked := r.to("/oidc/logout")
	if len(asked) != 1 || len(strings.Split(asked[0].query.Get("id_token_hint"), ".")) != 3 || asked[0].query.Get("post_logout_redirect_uri") != r.base+"/" {
		r.Fatalf("the end session endpoint got %v", asked)
	}
	if len(asked[0].query["state"]) != 1 || len(asked[0].query.Get("state")) < 22 {
		r.Errorf("the state is %q", asked[0].query["state"])
	}
	if page.URL.Host != "app.example.test" || page.URL.Path != "/" || page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, codeSignedOut) {
		r.Errorf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
	}
	if sessionCookie(r.world, r.browser) != "" || len(r.app.take()) != 0 {
		r.Error("somebody is signed in still")
	}
	assertSafePage(r.T, page)
	if strings.Contains(page.Body, "<script") {
		r.Errorf("the state is in the page as it came: %s", page.Body)
	}
	if page = r.signInAgain(page); page.Status != http.StatusOK || page.URL.Path != "/" || page.URL.Query().Get("state") == asked[0].query.Get("state") {
		r.Errorf("signing in again ends at %d %s", page.Status, page.URL)
	}
}

// oidcc-client-front-channel-logout-rp-basic. The page of the provider has the route in a
// frame; browsers send the cookie there with same_site none.
func TestConformanceFrontChannelLogoutPlan(t *testing.T) {
	t.Parallel()
	const settings = "logout {\nfrontchannel\n}\nsession {\ncookie {\nsame_site none\n}\n}"
	runConformance(t, []conformanceModule{
		{name: "RP-FCL-01_oidcc-client-test-rp-frontchannel-rpinitlogout", settings: settings, also: func(r *conformanceRun) {
			r.framedLogout()
			signsOutOfTheProvider(r)
		}},
		{name: "RP-FCL-02_oidcc-client-test-rp-frontchannel-opinitlogout", settings: settings, also: func(r *conformanceRun) { r.framedLogout() }},
	}, conformanceBasic, conformancePost)
}

// framedLogout does what the frame of the provider's page does.
func (r *conformanceRun) framedLogout() {
	r.Helper()
	sid := r.pair.Master.Sessions()[0]
	query := url.Values{"iss": {r.pair.Master.Issuer()}, "sid": {sid}}.Encode()
	response, _ := r.send(r.browser, "GET", "/auth/frontchannel-logout?"+query, framed)
	if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Cache-Control"), "no-store") || sessionCookie(r.world, r.browser) != "" {
		r.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func signsOutOfTheProvider(r *conformanceRun) {
	r.Helper()
	response, _ := r.send(r.browser, "GET", "/auth/logout", ownNavigation)
	if asked, err := response.Location(); err != nil || !strings.HasPrefix(asked.String(), r.pair.Master.Issuer()) {
		r.Errorf("the logout leads to %v, %v", asked, err)
	}
}
