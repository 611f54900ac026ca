package tenant

import (
	"net/url"
	"strings"
	"testing"
)

func loginRequest() AuthorizeRequest {
	return AuthorizeRequest{
		RedirectURI: "https://app.example.com/auth/callback", Scope: "openid profile email", State: "st", Nonce: "no", Verifier: testVerifier,
		Connection: "acme-child",
	}
}

func authorize(t *testing.T, a *authority, r AuthorizeRequest) *url.URL {
	t.Helper()
	got, err := newTestTenant(t, a, nil).AuthorizeURL(t.Context(), testApp, r)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range u.Query() {
		if len(values) != 1 {
			t.Errorf("%s occurs %d times", name, len(values))
		}
	}
	return u
}

func TestOIDC_01_PKCE_02_PKCE_04_TheAuthorizeURL(t *testing.T) {
	t.Parallel()
	r := loginRequest()
	r.Audience = "https://api"
	u := authorize(t, newAuthority(), r)
	if got := u.Scheme + "://" + u.Host + u.Path; got != testIssuer+"authorize" {
		t.Errorf("endpoint %s", got)
	}
	want := url.Values{
		"response_type": {"code"}, "client_id": {testClient}, "redirect_uri": {r.RedirectURI}, "scope": {r.Scope}, "state": {"st"}, "nonce": {"no"},
		"code_challenge":        {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, // PKCE-02: RFC 7636 appendix B
		"code_challenge_method": {"S256"}, "connection": {"acme-child"}, "audience": {"https://api"},
	}
	if got := u.Query().Encode(); got != want.Encode() {
		t.Errorf("query %s\nwant  %s", got, want.Encode())
	}
	if strings.Contains(u.String(), testVerifier) {
		t.Error("PKCE-04: the verifier is in the URL")
	}
	plain := authorize(t, newAuthority(), loginRequest()).Query()
	if plain.Has("audience") || plain.Has("response_mode") {
		t.Errorf("empty values are sent: %v", plain)
	}
}

func TestOIDC_16_TheLoginAsksHowTheUserSignsIn(t *testing.T) {
	t.Parallel()
	r := loginRequest()
	r.ACRValues, r.Prompt, r.ResponseMode = []string{"urn:gold", "urn:silver"}, "login", "form_post"
	r.Extra = []Parameter{{"prompt", "none"}, {"acr_values", "urn:none"}}
	q := authorize(t, newAuthority(), r).Query()
	if q.Get("acr_values") != "urn:gold urn:silver" || q.Get("prompt") != "login" || q.Get("response_mode") != "form_post" {
		t.Errorf("got %v", q)
	}
	if plain := authorize(t, newAuthority(), loginRequest()).Query(); plain.Has("acr_values") || plain.Has("prompt") || plain.Has("response_mode") {
		t.Errorf("empty values are sent: %v", plain)
	}
}

func TestOIDC_24_OrganizationAndInvitationAreSent(t *testing.T) {
	t.Parallel()
	for _, organization := range []string{"", "org_1"} {
		r := loginRequest()
		r.Organization, r.Invitation = organization, "a&b"
		r.Extra = []Parameter{{"organization", "org_2"}, {"invitation", "evil"}}
		q := authorize(t, newAuthority(), r).Query()
		if q.Get("organization") != organization || q.Has("invitation") != (organization != "") || q.Has("invitation") && q.Get("invitation") != "a&b" {
			t.Errorf("%q: got %v", organization, q)
		}
	}
}

func TestExtraParametersOverrideNothing(t *testing.T) {
	t.Parallel()
	r := loginRequest()
	r.Extra = []Parameter{
		{"ui_locales", "de"}, {"prompt", "login"}, {"ui_locales", "ja"}, {"organization", "org_1"}, {"login_hint", "x&scope=admin&client_id=evil"}, {"", "x"},
		{"client_id", "evil"}, {"Client_ID", "evil"}, {"redirect_uri", "https://evil"}, {"request_uri", "https://evil"}, {"code_challenge_method", "plain"},
		{"audience", "evil"},
	}
	q := authorize(t, newAuthority(), r).Query()
	if q.Has("") {
		t.Error("a parameter without a name is sent")
	}
	for name, want := range map[string]string{
		"ui_locales": "ja", "organization": "", "prompt": "login", "client_id": testClient, "redirect_uri": r.RedirectURI, "code_challenge_method": "S256",
		"request_uri": "", "audience": "", "Client_ID": "", "scope": r.Scope, "login_hint": "x&scope=admin&client_id=evil",
	} {
		if q.Get(name) != want {
			t.Errorf("CVE-SDK-09: %s is %q, want %q", name, q.Get(name), want)
		}
	}
}

func TestTheEndpointKeepsItsOwnParameters(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.serve(discoveryPath, discovery(object{"authorization_endpoint": testIssuer + "authorize?tenant=a%20b&client_id=other"}))
	q := authorize(t, a, loginRequest()).Query()
	if q.Get("tenant") != "a b" || q.Get("client_id") != testClient {
		t.Errorf("query %v", q)
	}
}

func TestReservedParameters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"state", "nonce", "client_id", "SCOPE", " redirect_uri", "request", "connection", "response_mode", "client_secret",
		"organization", "invitation", "max_age", "acr_values"} {
		if !ReservedParameter(name) {
			t.Errorf("%s is not reserved", name)
		}
	}
	for _, name := range []string{"prompt", "login_hint", "ui_locales", "ext-x", "screen_hint"} {
		if ReservedParameter(name) {
			t.Errorf("%s is reserved", name)
		}
	}
}

func TestPKCE_01_RequestsThatLackProtection(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*AuthorizeRequest){
		"RP-CMP-02 no nonce": func(r *AuthorizeRequest) { r.Nonce = "" },
		"no state":           func(r *AuthorizeRequest) { r.State = "" },
		"no redirect URI":    func(r *AuthorizeRequest) { r.RedirectURI = "" },
		"no openid":          func(r *AuthorizeRequest) { r.Scope = "profile openid2" },
		"BCP-03 no verifier": func(r *AuthorizeRequest) { r.Verifier = "" },
		"short verifier":     func(r *AuthorizeRequest) { r.Verifier = strings.Repeat("v", 42) },
		"long verifier":      func(r *AuthorizeRequest) { r.Verifier = strings.Repeat("v", 129) },
		"odd verifier":       func(r *AuthorizeRequest) { r.Verifier = strings.Repeat("v", 43) + "+" },
	} {
		a, r := newAuthority(), loginRequest()
		change(&r)
		if got, err := newTestTenant(t, a, nil).AuthorizeURL(t.Context(), testApp, r); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := newTestTenant(t, newAuthority(), nil).AuthorizeURL(t.Context(), Application{}, loginRequest()); err == nil {
		t.Error("no client id is accepted")
	}
}

func TestAuthorizeURLNeedsTheTenant(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.fail(discoveryPath, 503, "Retry-After", "7")
	_, err := newTestTenant(t, a, newClock().Now).AuthorizeURL(t.Context(), testApp, loginRequest())
	if got := wantUnavailable(t, err); got.RetryAfter.Seconds() != 7 {
		t.Errorf("retry after %v", got.RetryAfter)
	}
}

func TestISS_03_ISS_05_IssuersOfACallback(t *testing.T) {
	t.Parallel()
	tn := newTestTenant(t, newAuthority(), nil)
	announced, silent := &Metadata{IssParameterSupported: true}, &Metadata{}
	for _, tt := range []struct {
		name string
		md   *Metadata
		iss  []string
		want bool
	}{
		{"ISS-01 announced and absent", announced, nil, false},
		{"announced and right", announced, []string{testIssuer}, true},
		{"ISS-02 no slash", announced, []string{"https://acme.eu.auth0.com"}, false},
		{"ISS-02 case", announced, []string{"https://ACME.eu.auth0.com/"}, false},
		{"ISS-02 port", announced, []string{"https://acme.eu.auth0.com:443/"}, false},
		{"ISS-02 percent", announced, []string{"https://acme.eu.auth0.com%2F"}, false},
		{"silent and absent", silent, nil, true},
		{"ISS-03 silent and wrong", silent, []string{"https://evil/"}, false},
		{"ISS-03 empty", silent, []string{""}, false},
		{"silent and right", silent, []string{testIssuer}, true},
		{"ISS-05 twice", announced, []string{testIssuer, testIssuer}, false},
		{"unknown and absent", nil, nil, true},
		{"unknown and wrong", nil, []string{"https://evil/"}, false},
	} {
		if got := tn.AcceptsCallback(tt.md, tt.iss); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
