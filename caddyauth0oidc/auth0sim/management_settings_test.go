package auth0sim

import (
	"net/http"
	"testing"
)

func TestSettingsOfTheTenantNeedTheirScope(t *testing.T) {
	w := newWorld(t)
	if status, _ := w.api("read:clients").call(http.MethodGet, "tenants/settings", ""); status != http.StatusForbidden {
		t.Errorf("the status is %d", status)
	}
	status, body := w.api("read:tenant_settings").call(http.MethodGet, "tenants/settings?fields=flags&include_fields=true", "")
	flags, _ := body["flags"].(map[string]any)
	if status != http.StatusOK || flags["enable_legacy_profile"] != false || len(body) != 1 {
		t.Errorf("%d %v", status, body)
	}
}

func TestClientsShowHowTheyAuthenticateAndWhichLoginsTheyTake(t *testing.T) {
	w := newWorld(t)
	w.App.TokenEndpointAuthMethod, w.App.OrganizationUsage, w.App.RequirePushedAuthorizationRequests = "private_key_jwt", OrganizationRequire, true
	_, body := w.api("read:clients").call(http.MethodGet, "clients/"+w.App.ClientID, "")
	methods, _ := body["client_authentication_methods"].(map[string]any)
	if body["token_endpoint_auth_method"] != nil || methods["private_key_jwt"] == nil {
		t.Errorf("the methods are %v and %v", body["token_endpoint_auth_method"], methods)
	}
	if body["organization_usage"] != "require" || body["require_pushed_authorization_requests"] != true {
		t.Errorf("the client is %v", body)
	}
}
