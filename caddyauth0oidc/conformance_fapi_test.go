package caddyauth0oidc

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// fapi begins the names of the modules of fapi2-security-profile-final-client-test-plan.
const fapi = "fapi2-security-profile-final-client-test-"

// The modules of that plan that need no tokens which are bound to a key; with PAR and
// private_key_jwt, as the plan wants it, and without.
func TestConformanceFAPIPlan(t *testing.T) {
	t.Parallel()
	runConformance(t, []conformanceModule{
		{name: "RP-FAPI-03_" + fapi + "discovery-issuer-mismatch", provider: discovering(fromEvil), want: conformanceRefusedBeforehand},
		{name: "RP-FAPI-04_" + fapi + "ensure-authorization-response-with-invalid-state-fails", provider: parameter("state", "another"), want: conformanceRefusedAtCallback},
		{name: "RP-FAPI-05_" + fapi + "ensure-authorization-response-with-invalid-missing-state-fails", provider: parameter("state", ""), want: conformanceRefusedAtCallback},
		{name: "RP-FAPI-06_" + fapi + "invalid-authorization-response-iss", provider: announcing(parameter("iss", "https://evil.test/")), want: conformanceRefusedAtCallback},
		{name: "RP-FAPI-07_" + fapi + "remove-authorization-response-iss", provider: announcing(parameter("iss", "")), want: conformanceRefusedAtCallback},
		{name: "RP-FAPI-08_" + fapi + "invalid-aud", provider: claim("aud", "another"), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-09_" + fapi + "invalid-secondary-aud", provider: audiences("stranger"), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-10_" + fapi + "valid-aud-as-array", provider: audiences()},
		{name: "RP-FAPI-11_" + fapi + "invalid-missing-aud", provider: claim("aud", nil), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-12_" + fapi + "invalid-missing-iss", provider: claim("iss", nil), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-13_" + fapi + "invalid-iss", provider: claim("iss", "https://evil.test/"), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-14_" + fapi + "invalid-missing-exp", provider: claim("exp", nil), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-15_" + fapi + "invalid-expired-exp", provider: expired, want: conformanceRefusedAtToken},
		{name: "RP-FAPI-16_" + fapi + "invalid-missing-nonce", provider: claim("nonce", nil), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-17_" + fapi + "invalid-nonce", provider: claim("nonce", "another"), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-18_" + fapi + "invalid-null-alg", provider: heading("alg", "none"), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-19_" + fapi + "invalid-alternate-alg", provider: heading("alg", "ES256"), want: conformanceRefusedAtToken},
		{name: "RP-FAPI-20_" + fapi + "token-endpoint-response-without-expires_in", provider: granting(func(body map[string]any) { delete(body, "expires_in") })},
		{name: "RP-FAPI-21_" + fapi + "token-type-case-insensitivity", provider: granting(func(body map[string]any) { body["token_type"] = "bEAreR" })},
		{ // we have no key to prove, in whatever case the type is
			name:     "RP-FAPI-22_" + fapi + "rs-dpop-auth-scheme-case-insensitivity",
			provider: granting(func(body map[string]any) { body["token_type"] = "dPoP" }), want: conformanceRefusedAtToken,
		},
	}, conformancePAR, conformancePost)
}

// The modules of that plan about pushed requests.
func TestConformancePushedRequests(t *testing.T) {
	t.Parallel()
	modules := []conformanceModule{
		{name: "RP-FAPI-01_" + fapi + "happy-path", also: pushesOnce},
		{name: "RP-FAPI-02_" + fapi + "happy-path-no-dpop-nonce", also: pushesOnce},
		{
			name: "RP-FAPI-26_required-but-off", settings: "par off",
			provider: func(w *world) { w.pair.Master.RequirePAR = true }, want: conformanceRefusedBeforehand,
		},
	}
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"expired":        {201, `{"request_uri":"urn:ietf:params:oauth:request_uri:x","expires_in":0}`},
		"foreign-scheme": {201, `{"request_uri":"https://evil.test/r","expires_in":90}`},
		"refused":        {400, `{"error":"invalid_request"}`},
		"not-let-in":     {401, `{"error":"invalid_client"}`},
		"outage":         {503, `<html>`},
	} {
		modules = append(modules, conformanceModule{
			name: "RP-FAPI-26_" + name, provider: func(w *world) { w.answerPushes(answer.status, answer.body) }, want: conformanceRefusedAtPush,
		})
	}
	runConformance(t, modules, conformancePAR)
}

// pushesOnce wants the browser to take along nothing but a reference that works once.
func pushesOnce(r *conformanceRun) {
	r.Helper()
	query := r.to("/authorize")[0].query
	if len(query) != 2 || query.Get("client_id") != r.pair.App.ClientID || !strings.HasPrefix(query.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") {
		r.Errorf("the browser takes along %v", query)
	}
	pushed := r.to("/oauth/par")[0].body
	if pushed.Get("code_challenge_method") != "S256" || pushed.Get("redirect_uri") != r.base+"/auth/callback" || pushed.Get("state") == "" || pushed.Get("nonce") == "" || pushed.Has("code_verifier") {
		r.Errorf("pushed %v", pushed)
	}
	if page := r.step(r.world.browser(), r.pair.Master.Issuer()+"authorize?"+query.Encode()); page.Status != 400 {
		r.Errorf("the reference works again: %d", page.Status)
	}
}

// The modules of fapi2-message-signing-final-client-test-plan about signed answers to
// authorization requests: none is asked for, and none is taken.
func TestConformanceSignedAuthorizationResponsesAreOut(t *testing.T) {
	t.Parallel()
	var modules []conformanceModule
	for name, change := range map[string]func(header, claims map[string]any){
		"ensure-jarm-signature-is-not-none":  func(header, _ map[string]any) { header["alg"] = "none" },
		"ensure-jarm-with-expired-exp-fails": func(_, claims map[string]any) { claims["exp"] = 1 },
		"ensure-jarm-with-invalid-aud-fails": func(_, claims map[string]any) { claims["aud"] = "another" },
		"ensure-jarm-with-invalid-iss-fails": func(_, claims map[string]any) { claims["iss"] = "https://evil.test/" },
		"ensure-jarm-with-invalid-sig-fails": func(header, _ map[string]any) { header["alg"] = "HS256" },
		"ensure-jarm-without-aud-fails":      func(_, claims map[string]any) { delete(claims, "aud") },
		"ensure-jarm-without-exp-fails":      func(_, claims map[string]any) { delete(claims, "exp") },
		"ensure-jarm-without-iss-fails":      func(_, claims map[string]any) { delete(claims, "iss") },
	} {
		modules = append(modules, conformanceModule{name: "RP-FAPI-24_" + fapi + name, provider: jarm(change), want: conformanceRefusedAtCallback})
	}
	modules = append(modules, conformanceModule{
		name: "RP-FAPI-24_" + fapi + "happy-path", provider: jarm(func(_, _ map[string]any) {}), want: conformanceRefusedAtCallback,
	})
	runConformance(t, modules, conformancePAR, conformancePost, conformanceFormPost)
}

// jarm puts the parameters of the callback into a JWT.
func jarm(change func(header, claims map[string]any)) func(*world) {
	return func(w *world) {
		w.pair.Master.TamperCallback = func(parameters url.Values) {
			header := map[string]any{}
			claims := map[string]any{"iss": w.pair.Master.Issuer(), "aud": w.pair.App.ClientID, "exp": w.clock.Now().Add(time.Minute).Unix()}
			for name := range parameters {
				claims[name] = parameters.Get(name)
				parameters.Del(name)
			}
			change(header, claims)
			parameters.Set("response", w.pair.Master.SignJWT(header, claims))
		}
	}
}

// announcing has the provider say that callbacks have iss (RFC 9207), and then do
// something else.
func announcing(then func(*world)) func(*world) {
	return func(w *world) {
		w.pair.Master.IssParameter = true
		then(w)
	}
}

func audiences(others ...string) func(*world) {
	return func(w *world) { claim("aud", append([]string{w.pair.App.ClientID}, others...))(w) }
}

func expired(w *world) {
	claim("exp", w.clock.Now().Add(-6*time.Minute).Unix())(w)
}
