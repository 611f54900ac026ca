package tenant

import "testing"

func TestLogoutURL(t *testing.T) {
	t.Parallel()
	tn := newTestTenant(t, newAuthority(), nil)
	published, silent := &Metadata{EndSessionEndpoint: testIssuer + "oidc/logout?x=1"}, &Metadata{}
	full := LogoutRequest{ReturnTo: "https://app.example.com/?a=b&c", SID: "s 1"}
	const back = "https%3A%2F%2Fapp.example.com%2F%3Fa%3Db%26c"
	for _, tt := range []struct {
		name     string
		md       *Metadata
		strategy string
		request  LogoutRequest
		want     string
	}{
		{"auto, published", published, LogoutAuto, full, "oidc/logout?client_id=app1&logout_hint=s+1&post_logout_redirect_uri=" + back + "&x=1"},
		{"no strategy is auto", published, "", full, "oidc/logout?client_id=app1&logout_hint=s+1&post_logout_redirect_uri=" + back + "&x=1"},
		{"auto, not published", silent, LogoutAuto, full, "v2/logout?client_id=app1&returnTo=" + back},
		{"auto, unknown", nil, LogoutAuto, full, "v2/logout?client_id=app1&returnTo=" + back},
		{"v2 though published", published, LogoutV2, full, "v2/logout?client_id=app1&returnTo=" + back},
		{"oidc though unknown", nil, LogoutOIDC, full, "oidc/logout?client_id=app1&logout_hint=s+1&post_logout_redirect_uri=" + back},
		{"RP-RIL-01 oidc with a state", nil, LogoutOIDC, LogoutRequest{ReturnTo: "https://a.test/", State: "s1"}, "oidc/logout?client_id=app1&post_logout_redirect_uri=https%3A%2F%2Fa.test%2F&state=s1"},
		{"a state without an address", nil, LogoutOIDC, LogoutRequest{State: "s1"}, "oidc/logout?client_id=app1"},
		{"a state beside the address's own", nil, LogoutOIDC, LogoutRequest{ReturnTo: "https://a.test/?state=", State: "s1"}, "oidc/logout?client_id=app1&post_logout_redirect_uri=https%3A%2F%2Fa.test%2F%3Fstate%3D"},
		{"v2 has no state", published, LogoutV2, LogoutRequest{ReturnTo: "https://a.test/", State: "s1"}, "v2/logout?client_id=app1&returnTo=https%3A%2F%2Fa.test%2F"},
		{"oidc without session or address", silent, LogoutOIDC, LogoutRequest{}, "oidc/logout?client_id=app1"},
		{"oidc with the ID token", published, LogoutOIDC, LogoutRequest{SID: "s", IDToken: "a.b.c"}, "oidc/logout?client_id=app1&id_token_hint=a.b.c&logout_hint=s&x=1"},
		{"v2 has no hints", published, LogoutV2, LogoutRequest{SID: "s", IDToken: "a.b.c"}, "v2/logout?client_id=app1"},
		{"federated", published, LogoutAuto, LogoutRequest{SID: "s", Federated: true}, "oidc/logout?client_id=app1&logout_hint=s&x=1&federated"},
		{"v2 federated", nil, LogoutV2, LogoutRequest{Federated: true}, "v2/logout?client_id=app1&federated"},
		{"nothing", nil, LogoutAuto, LogoutRequest{}, "v2/logout?client_id=app1"},
	} {
		tt.request.Strategy = tt.strategy
		if got := tn.LogoutURL(tt.md, testApp, tt.request); got != testIssuer+tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	for name, md := range map[string]*Metadata{"not published": silent, "unknown": nil} {
		if got := tn.LogoutURL(md, testApp, LogoutRequest{Strategy: LogoutPublished}); got != "" {
			t.Errorf("published, %s: %s", name, got)
		}
	}
	bare, err := New(Config{Issuer: "https://login.example.com/tenant"})
	if err != nil {
		t.Fatal(err)
	}
	if got := bare.LogoutURL(nil, testApp, LogoutRequest{}); got != "https://login.example.com/tenant/v2/logout?client_id=app1" {
		t.Errorf("issuer without slash: %s", got)
	}
}

func TestChildLogoutURL(t *testing.T) {
	t.Parallel()
	got, err := ChildLogoutURL("child.auth0.test", "capp", "https://a.test/auth/logout?continue=x.y")
	if want := "https://child.auth0.test/v2/logout?client_id=capp&returnTo=https%3A%2F%2Fa.test%2Fauth%2Flogout%3Fcontinue%3Dx.y"; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := ChildLogoutURL("https://evil.test/path", "capp", ""); err == nil {
		t.Errorf("not refused: %s", got)
	}
}
