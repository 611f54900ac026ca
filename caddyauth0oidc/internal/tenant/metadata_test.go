package tenant

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRP_CFG_01_EndpointsComeFromTheDocument(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.serve(discoveryPath, discovery(object{
		"authorization_endpoint": "https://login.example/a?x=1", "jwks_uri": "https://keys.example/k", "authorization_response_iss_parameter_supported": true,
	}))
	md, err := newTestTenant(t, a, nil).Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Metadata{
		AuthorizationEndpoint: "https://login.example/a?x=1", TokenEndpoint: testIssuer + "oauth/token", JWKSURI: "https://keys.example/k",
		UserinfoEndpoint: testIssuer + "userinfo", EndSessionEndpoint: testIssuer + "oidc/logout", RevocationEndpoint: testIssuer + "oauth/revoke",
		IssParameterSupported: true,
	}
	if toJSON(md) != toJSON(want) {
		t.Errorf("metadata %+v", md)
	}
}

func TestOptionalMembersMayBeMissing(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.serve(discoveryPath, discovery(object{
		"userinfo_endpoint": nil, "end_session_endpoint": nil, "revocation_endpoint": nil, "code_challenge_methods_supported": nil,
		"id_token_signing_alg_values_supported": nil,
	}))
	md, err := newTestTenant(t, a, nil).Metadata(t.Context())
	if err != nil || md.EndSessionEndpoint != "" || md.IssParameterSupported {
		t.Errorf("metadata %+v, error %v", md, err)
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	document := toJSON(discovery(nil))
	for _, tt := range []struct {
		name string
		body any
		want error
	}{
		{"RP-CFG-03 other issuer", discovery(object{"issuer": "https://evil.example/"}), errForeignIssuer},
		{"OIDC-06 issuer without slash", discovery(object{"issuer": strings.TrimSuffix(testIssuer, "/")}), errForeignIssuer},
		{"CVE-LIB-11 issuer in another case", strings.TrimSuffix(toJSON(discovery(object{"issuer": "https://evil.example/"})), "}") + `,"issueR":"` + testIssuer + `"}`, errForeignIssuer},
		{"issuer twice", strings.Replace(document, "{", `{"issuer":"https://evil.example/",`, 1), errMalformed},
		{"FAULT-15 http endpoint", discovery(object{"token_endpoint": "http://acme.eu.auth0.com/oauth/token"}), errEndpoint},
		{"FAULT-15 http loopback endpoint of an https issuer", discovery(object{"token_endpoint": "http://localhost/oauth/token"}), errEndpoint},
		{"FAULT-15 http end session endpoint", discovery(object{"end_session_endpoint": "http://acme.eu.auth0.com/x"}), errEndpoint},
		{"script endpoint", discovery(object{"authorization_endpoint": "javascript:alert(1)"}), errEndpoint},
		{"endpoint with password", discovery(object{"jwks_uri": "https://u:p@acme.eu.auth0.com/"}), errEndpoint},
		{"endpoint with fragment", discovery(object{"authorization_endpoint": testIssuer + "authorize#x"}), errEndpoint},
		{"relative endpoint", discovery(object{"authorization_endpoint": "/authorize"}), errEndpoint},
		{"no token endpoint", discovery(object{"token_endpoint": nil}), errEndpoint},
		{"no keys", discovery(object{"jwks_uri": nil}), errEndpoint},
		{"BCP-04 no S256", discovery(object{"code_challenge_methods_supported": []string{"plain"}}), errNoS256},
		{"FAULT-06 empty", "", errMalformed},
		{"FAULT-06 null", "null", errForeignIssuer},
		{"FAULT-06 array", "[]", errMalformed},
		{"FAULT-06 HTML", "<html>sekret</html>", errMalformed},
		{"FAULT-06 truncated", document[:len(document)-1], errMalformed},
		{"FAULT-06 trailing garbage", document + "x", errMalformed},
		{"FAULT-06 invalid UTF-8", strings.Replace(document, "{", "{\"x\":\"\xff\",", 1), errMalformed},
		{"FAULT-06 deep", `{"x":` + strings.Repeat("[", 100_000), errMalformed},
		{"FAULT-06 wrong types", discovery(object{"jwks_uri": 1}), errMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority()
			a.serve(discoveryPath, tt.body)
			_, err := newTestTenant(t, a, nil).Metadata(t.Context())
			wantUnavailable(t, err)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), "sekret") {
				t.Errorf("CVE-LIB-26: the error %q quotes the document", err)
			}
			if _, err := newTestTenant(t, a, nil).AuthorizeURL(t.Context(), testApp, loginRequest()); err == nil {
				t.Error("RP-CFG-03: there is an authorize URL")
			}
		})
	}
}

func TestPlainHTTPOfALoopbackTenant(t *testing.T) {
	t.Parallel()
	const issuer = "http://acme.localhost:9001/"
	document := claims(discovery(object{
		"issuer": issuer, "authorization_endpoint": issuer + "authorize", "token_endpoint": issuer + "oauth/token", "jwks_uri": issuer + "jwks",
		"userinfo_endpoint": nil, "end_session_endpoint": nil, "revocation_endpoint": nil,
	}))
	if _, err := parseMetadata([]byte(toJSON(document)), issuer); err != nil {
		t.Error(err)
	}
	if _, err := parseMetadata([]byte(toJSON(document.with(object{"jwks_uri": "http://acme.example/jwks"}))), issuer); !errors.Is(err, errEndpoint) {
		t.Errorf("a host of the network over plain http: %v", err)
	}
}

func TestFAULT_04_StatusesOfDiscovery(t *testing.T) {
	t.Parallel()
	for _, status := range []int{204, 301, 302, 303, 307, 308, 400, 403, 404, 429, 500, 502, 503, 504} {
		a := newAuthority()
		a.handle(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", testIssuer+"elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "sekret")
		})
		a.serve("/elsewhere", discovery(nil))
		_, err := newTestTenant(t, a, nil).Metadata(t.Context())
		if got := wantUnavailable(t, err); got.Status != status || strings.Contains(err.Error(), "sekret") {
			t.Errorf("status %d: error %v with status %d", status, err, got.Status)
		}
		if n := len(a.requests); n != 1 {
			t.Errorf("FAULT-08: status %d made %d requests", status, n)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(toJSON(discovery(nil))))
	f.Add([]byte(`{"issuer":"` + testIssuer + `","jwks_uri":"http://x"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		md, err := parseMetadata(body, testIssuer)
		if err != nil {
			return
		}
		for _, endpoint := range []string{md.AuthorizationEndpoint, md.TokenEndpoint, md.JWKSURI} {
			if !strings.HasPrefix(strings.ToLower(endpoint), "https://") {
				t.Errorf("endpoint %q", endpoint)
			}
		}
	})
}
