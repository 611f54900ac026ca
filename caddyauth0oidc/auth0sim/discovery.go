package auth0sim

import (
	"net/http"
	"strings"
)

// serveDiscovery answers with the fields seen on real tenants, in particular without grant_types_supported.
func (t *Tenant) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	s, base := t.settings(), t.base()
	doc := map[string]any{
		"issuer":                        t.Issuer(),
		"authorization_endpoint":        base + "/authorize",
		"token_endpoint":                base + "/oauth/token",
		"device_authorization_endpoint": base + "/oauth/device/code",
		"userinfo_endpoint":             base + "/userinfo",
		"mfa_challenge_endpoint":        base + "/mfa/challenge",
		"jwks_uri":                      base + "/.well-known/jwks.json",
		"registration_endpoint":         base + "/oidc/register",
		"revocation_endpoint":           base + "/oauth/revoke",
		"scopes_supported": strings.Fields("openid profile offline_access name given_name family_name nickname email " +
			"email_verified picture created_at identities phone address"),
		"response_types_supported": []string{
			"code", "token", "id_token", "code token", "code id_token", "token id_token", "code token id_token",
		},
		"code_challenge_methods_supported":                 []string{"S256", "plain"},
		"response_modes_supported":                         []string{"query", "fragment", "form_post"},
		"subject_types_supported":                          []string{"public"},
		"token_endpoint_auth_methods_supported":            strings.Fields("client_secret_basic client_secret_post private_key_jwt"),
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "RS384", "PS256"},
		"claims_supported": strings.Fields("aud auth_time created_at email email_verified exp family_name given_name iat " +
			"identities iss name nickname phone_number picture sub"),
		"id_token_signing_alg_values_supported": supportedAlgs(s.SigningAlg),
		"request_uri_parameter_supported":       false,
		"request_parameter_supported":           false,
	}
	if s.AdvertiseEndSession {
		doc["end_session_endpoint"] = base + "/oidc/logout"
	}
	if s.AdvertiseBackchannel {
		doc["backchannel_logout_supported"] = true
		doc["backchannel_logout_session_supported"] = true
	}
	if s.AdvertisePAR {
		doc["pushed_authorization_request_endpoint"] = base + "/oauth/par"
	}
	if s.RequirePAR {
		doc["require_pushed_authorization_requests"] = true
	}
	if s.MTLSHost != "" {
		t.addAliases(doc, s)
	}
	if s.IssParameter {
		doc["authorization_response_iss_parameter_supported"] = true
	}
	if s.TamperDiscovery != nil {
		s.TamperDiscovery(doc)
	}
	writeJSON(w, http.StatusOK, doc)
}

func supportedAlgs(signing string) []string {
	algs := []string{"HS256", "RS256", "PS256"}
	if signing == "ES256" {
		algs = append(algs, signing)
	}
	return algs
}
