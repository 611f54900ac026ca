package caddyauth0oidc

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The modules of oidcc-client-test-plan that belong to no certification.
func TestConformanceCompletePlan(t *testing.T) {
	t.Parallel()
	runConformance(t, []conformanceModule{
		{name: "RP-CMP-01_oidcc-client-test-missing-aud", provider: claim("aud", nil), want: conformanceRefusedAtToken},
		{
			name: "RP-CMP-02_oidcc-client-test-nonce-unless-code-flow",
			also: func(r *conformanceRun) {
				if nonce := r.to("/authorize")[0].query.Get("nonce"); len(nonce) < 20 {
					r.Errorf("the nonce is %q", nonce)
				}
			},
		},
		{name: "RP-CMP-03_oidcc-client-test-invalid-athash", provider: claim("at_hash", strings.Repeat("A", 22)), want: conformanceRefusedAtToken},
		{name: "RP-CMP-03_oidcc-client-test-missing-athash", provider: claim("at_hash", nil)},
		{name: "RP-CMP-04_oidcc-client-test-invalid-chash", provider: onTheFrontChannel(map[string]any{"c_hash": "wrong"}), want: conformanceRefusedAtCallback},
		{name: "RP-CMP-04_oidcc-client-test-missing-chash", provider: onTheFrontChannel(nil), want: conformanceRefusedAtCallback},
		{name: "RP-CMP-05_oidcc-client-test-invalid-sig-hs256", provider: heading("alg", "HS256"), want: conformanceRefusedAtToken},
		{
			name: "RP-CMP-05_oidcc-client-test-invalid-sig-es256",
			provider: func(w *world) {
				w.pair.Master.SigningAlg, w.pair.Master.SignWithForeignKey = "ES256", true
			},
			want: conformanceRefusedAtToken,
		},
		{
			name: "RP-CMP-06_oidcc-client-test-aggregated-claims", settings: groupsHeader,
			provider: ofOthers(func(string) map[string]any {
				return map[string]any{"JWT": "eyJhbGciOiJub25lIn0.eyJncm91cHMiOlsiYWRtaW4iXX0."}
			}),
			also: withoutClaimsOfOthers,
		},
		{
			name: "RP-CMP-06_oidcc-client-test-distributed-claims", settings: groupsHeader,
			provider: ofOthers(func(issuer string) map[string]any {
				return map[string]any{"endpoint": issuer + "claims", "access_token": "x"}
			}),
			also: withoutClaimsOfOthers,
		},
		{
			name: "RP-CMP-07_oidcc-client-test-userinfo-signed",
			provider: func(w *world) {
				w.pair.Master.SignUserInfo = func(_, claims map[string]any) { claims["nickname"] = "signed" }
			},
			also: func(r *conformanceRun) {
				assertOnlyOurs(r.T, r.seen[0], map[string]string{"X-Auth0-Nickname": "signed"})
			},
		},
		{
			name: "RP-CMP-08_oidcc-client-test-userinfo-bearer-header",
			also: func(r *conformanceRun) {
				if asked := r.to("/userinfo")[0]; asked.method != http.MethodGet || !strings.HasPrefix(asked.header.Get("Authorization"), "Bearer ") {
					r.Errorf("%s with %v", asked.method, asked.header)
				}
			},
		},
		{
			name: "RP-CMP-08_oidcc-client-test-userinfo-bearer-body", // is not used
			also: func(r *conformanceRun) {
				if asked := r.to("/userinfo")[0]; len(asked.body) != 0 || len(asked.query) != 0 {
					r.Errorf("the body is %v, the query %v", asked.body, asked.query)
				}
			},
		},
		{
			// They are for those who authenticate by mTLS; nobody answers there.
			name:     "RP-CMP-09_oidcc-client-test-mtls-endpoint-aliases",
			provider: func(w *world) { w.pair.Master.MTLSHost = "mtls." + w.pair.Master.Host() },
		},
	}, conformanceVariants...)
}

// onTheFrontChannel sends an ID token to the callback in place of the code, as in the
// implicit and the hybrid flow.
func onTheFrontChannel(claims map[string]any) func(*world) {
	return func(w *world) {
		w.pair.Master.TamperCallback = func(parameters url.Values) {
			parameters.Del("code")
			parameters.Set("id_token", w.pair.Master.SignJWT(nil, claims))
		}
	}
}

const groupsHeader = "headers {\nX-Groups groups\n}"

// ofOthers names another source for groups, in the ID token and in userinfo.
func ofOthers(source func(issuer string) map[string]any) func(*world) {
	return func(w *world) {
		name := func(claims map[string]any) {
			claims["_claim_names"] = map[string]any{"groups": "src1"}
			claims["_claim_sources"] = map[string]any{"src1": source(w.pair.Master.Issuer())}
		}
		w.pair.Master.TamperIDToken = func(_, claims map[string]any) { name(claims) }
		w.pair.Master.TamperUserInfo = name
	}
}

func withoutClaimsOfOthers(r *conformanceRun) {
	r.Helper()
	if got := r.seen[0].header["X-Groups"]; got != nil || len(r.to("/claims")) != 0 {
		r.Errorf("the groups are %q after %d requests for them", got, len(r.to("/claims")))
	}
}

// What is out by design is neither asked for nor taken.
func TestConformanceModulesThatAreOut(t *testing.T) {
	t.Parallel()
	everything := discovering(func(document map[string]any) {
		issuer := document["issuer"].(string)
		document["check_session_iframe"] = issuer + "check_session"
		document["registration_endpoint"] = issuer + "oidc/register"
		document["request_parameter_supported"], document["request_uri_parameter_supported"] = true, true
		document["request_object_signing_alg_values_supported"] = []string{"RS256", "none"}
	})
	unasked := func(paths ...string) func(*conformanceRun) {
		return func(r *conformanceRun) {
			for _, path := range paths {
				if n := len(r.to(path)); n != 0 {
					r.Errorf("%s was asked %d times", path, n)
				}
			}
			for _, name := range []string{"request", "request_uri", "registration"} {
				if r.to("/authorize")[0].query.Has(name) {
					r.Errorf("the authorization request has %s", name)
				}
			}
		}
	}
	runConformance(t, []conformanceModule{
		{
			name: "RP-OUT-01_oidcc-client-test-session-management",
			provider: func(w *world) {
				everything(w)
				parameter("session_state", "abc.def")(w)
			},
			also: func(r *conformanceRun) {
				unasked("/check_session")(r)
				for _, hop := range r.page.Hops {
					if strings.HasPrefix(hop.URL.String(), r.base) && strings.Contains(hop.Header.Get("Content-Security-Policy"), "frame-src") {
						r.Errorf("%s may show frames", hop.URL.Path)
					}
				}
			},
		},
		{name: "RP-OUT-03_oidcc-client-test-discovery-webfinger-acct", provider: everything, also: unasked("/.well-known/webfinger")},
		{name: "RP-OUT-03_oidcc-client-test-discovery-webfinger-url", provider: everything, also: unasked("/.well-known/webfinger")},
		{name: "RP-OUT-03_oidcc-client-test-dynamic-registration", provider: everything, also: unasked("/oidc/register")},
		{name: "RP-OUT-03_oidcc-client-test-request-uri-signed-rs256", provider: everything, also: unasked()},
		{name: "RP-OUT-03_oidcc-client-test-request-uri-signed-none", provider: everything, also: unasked()},
	}, conformancePost, conformanceFormPost)
}

// A login that another site begins goes on as any other if it names our issuer and a page
// of ours, and does not begin otherwise.
func TestConformanceLoginBegunElsewhere(t *testing.T) {
	t.Parallel()
	var modules []conformanceModule
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		name := "RP-OUT-02_oidcc-client-test-3rd-party-init-login_" + method
		modules = append(modules, conformanceModule{
			name: name, begin: initiated(method, "", "/home", "ann@mail.test"),
			also: func(r *conformanceRun) {
				if query := r.to("/authorize")[0].query; query.Get("login_hint") != "ann@mail.test" || query.Has("iss") || query.Has("target_link_uri") {
					r.Errorf("the authorization request has %v", query)
				}
			},
		})
		for fault, begin := range map[string]func(*conformanceRun){
			"another-issuer":    initiated(method, "https://evil.test/", "/home", ""),
			"another-site":      initiated(method, "", "https://evil.test/", ""),
			"no-scheme":         initiated(method, "", "//evil.test/", ""),
			"too-long-a-hint":   initiated(method, "", "/home", strings.Repeat("x", 600)),
			"a-route-of-logins": initiated(method, "", "/auth/login", ""),
		} {
			modules = append(modules, conformanceModule{
				name: name + "_" + fault, begin: begin, want: conformanceRefusedBeforehand,
				also: func(r *conformanceRun) {
					if r.page.URL.Host != "app.example.test" || len(r.pendingLogins(r.browser)) != 0 {
						r.Errorf("ended at %s with %d pending logins", r.page.URL, len(r.pendingLogins(r.browser)))
					}
				},
			})
		}
	}
	runConformance(t, modules, conformanceBasic, conformanceFormPost)
}

// initiated begins the login from another site; without an issuer it names the right one.
func initiated(method, issuer, target, hint string) func(*conformanceRun) {
	return func(r *conformanceRun) {
		parameters := url.Values{"iss": {cmp.Or(issuer, r.pair.Master.Issuer())}, "target_link_uri": {target}, "login_hint": {hint}}
		if target == "/home" {
			parameters.Set("target_link_uri", r.base+target)
		}
		r.page = r.initiate(r.browser, method, parameters)
	}
}
