package auth0sim

import (
	"net/http"
	"testing"
)

// A tenant below a path shares its host with others, and its issuer is what was written, to the byte.
func TestTenantsBelowPathsShareAHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, issuer := range []string{"https://idp.test:8443/acme", "https://idp.test:8443/acme/eu/", "https://idp.test:8443/other/"} {
		tenant := w.network.Tenant(issuer)
		if tenant.Issuer() != issuer || tenant.Host() != "idp.test:8443" || w.network.Tenant(issuer) != tenant {
			t.Errorf("%s: issuer %s, host %s", issuer, tenant.Issuer(), tenant.Host())
		}
	}
	for address, issuer := range map[string]any{
		"https://idp.test:8443/acme/.well-known/openid-configuration":    "https://idp.test:8443/acme",
		"https://idp.test:8443/acme/eu/.well-known/openid-configuration": "https://idp.test:8443/acme/eu/",
		"https://idp.test:8443/other/.well-known/openid-configuration":   "https://idp.test:8443/other/",
	} {
		req, _ := http.NewRequest(http.MethodGet, address, nil)
		if status, body := w.send(req); status != http.StatusOK || body["issuer"] != issuer {
			t.Errorf("%s: %d %v", address, status, body["issuer"])
		}
	}
	for _, elsewhere := range []string{"/.well-known/openid-configuration", "/acmes/authorize", "/acme"} {
		if page := w.open("https://idp.test:8443" + elsewhere); page.Status != http.StatusNotFound {
			t.Errorf("%s: %d", elsewhere, page.Status)
		}
	}
	if calls := w.network.Tenant("https://idp.test:8443/acme").Calls("/.well-known/openid-configuration"); calls != 1 {
		t.Errorf("counted %d calls", calls)
	}
}

// Login, single sign-on and logout work below a path, and the cookies of two tenants of a host do not meet.
func TestTenantsBelowPathsSignUsersIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		w.Pair = NewPair(w.network, appBase, WithStrategy(strategy), WithConnection("below"),
			WithDomains("https://idp.test:8443/"+strategy, "https://child-of-"+strategy+".test/"))
		claims := claimsOf(t, w.tokens(nil)["id_token"])
		if claims["iss"] != "https://idp.test:8443/"+strategy || claims["sub"] != w.MasterUserID(w.User) {
			t.Errorf("claims = %v", claims)
		}
	}
	if again := w.open(w.AuthorizeURL(nil)); again.URL.Host != "app.example.test" {
		t.Errorf("single sign-on ends at %s", again.URL)
	}
	if cookies := w.browser.Cookies("https://idp.test:8443/oidc/authorize"); len(cookies) != 1 || cookies[0].Path != "/oidc/" {
		t.Errorf("the cookies are %v", cookies)
	}
	asked := w.open(w.Master.base() + "/oidc/logout?client_id=" + w.App.ClientID)
	done, err := asked.Submit(map[string]string{"action": "accept"})
	if err != nil || done.Status != http.StatusOK || len(w.Master.Sessions()) != 0 {
		t.Errorf("the logout: %v %v", done, err)
	}
}
