package auth0sim

import "net/http"

// readSettings shows those settings of the tenant that a login between tenants depends on.
func (t *Tenant) readSettings(w http.ResponseWriter, r *http.Request, _ accessGrant) *managementError {
	s, q := t.settings(), r.URL.Query()
	body := map[string]any{
		"flags": map[string]any{"enable_legacy_profile": s.LegacyUserProfile},
		"allow_organization_name_in_authentication_api": s.OrganizationNames,
		"pushed_authorization_requests_supported":       s.AdvertisePAR,
	}
	writeJSON(w, http.StatusOK, selected(q.Get("fields"), q.Get("include_fields"), []map[string]any{body})[0])
	return nil
}

// addLoginSettings says how a client authenticates, and which logins it takes. A client has either a method of the token
// endpoint or credentials; the other of the two is null. What has its default is left out, as for clients that the API made.
func addLoginSettings(body map[string]any, app Application) {
	switch app.TokenEndpointAuthMethod {
	case "private_key_jwt", tlsClientAuth:
		credentials := []any{map[string]any{"id": "cred_" + app.ClientID}}
		body["client_authentication_methods"] = map[string]any{
			app.TokenEndpointAuthMethod: map[string]any{"credentials": credentials},
		}
		body["token_endpoint_auth_method"] = nil
	default:
		body["token_endpoint_auth_method"] = app.TokenEndpointAuthMethod
	}
	if app.OrganizationUsage != "" {
		body["organization_usage"] = app.OrganizationUsage
	}
	if app.RequirePushedAuthorizationRequests {
		body["require_pushed_authorization_requests"] = true
	}
}
