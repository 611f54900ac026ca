package auth0sim

import (
	"net/http"
	"slices"
)

// tlsClientAuth is the method of RFC 8705 section 2.1.
const tlsClientAuth = "tls_client_auth"

// authenticateByTLS accepts the certificate of the connection if it is registered with the application. At Auth0 the edge in
// front of a custom domain forwards it.
func (t *Tenant) authenticateByTLS(r *http.Request, app Application) (Application, *tokenError) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return Application{}, &tokenError{http.StatusUnauthorized, "access_denied", "Unauthorized"}
	}
	presented, now, host := r.TLS.PeerCertificates[0], t.now(), t.settings().MTLSHost
	switch {
	case host != "" && canonicalHost(r.Host) != canonicalHost(host),
		!slices.ContainsFunc(app.Certificates, presented.Equal),
		now.Before(presented.NotBefore), now.After(presented.NotAfter):
		return Application{}, &tokenError{http.StatusUnauthorized, "invalid_client", "Invalid client certificate"}
	}
	return app, nil
}

// addAliases puts into discovery what a tenant with mutual TLS has there (RFC 8705 sections 2.1.1 and 5).
func (t *Tenant) addAliases(doc map[string]any, s Settings) {
	base := t.scheme + "://" + s.MTLSHost + t.path
	aliases := map[string]any{"token_endpoint": base + "/oauth/token", "userinfo_endpoint": base + "/userinfo", "revocation_endpoint": base + "/oauth/revoke"}
	if s.AdvertisePAR {
		aliases["pushed_authorization_request_endpoint"] = base + "/oauth/par"
	}
	doc["mtls_endpoint_aliases"] = aliases
	methods := doc["token_endpoint_auth_methods_supported"].([]string)
	doc["token_endpoint_auth_methods_supported"] = append(methods, tlsClientAuth, "self_signed_"+tlsClientAuth)
}
