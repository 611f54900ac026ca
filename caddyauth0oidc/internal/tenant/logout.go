package tenant

import (
	"net/url"
	"strings"
)

// The ways to end a session at the tenant.
const (
	// LogoutAuto uses the end session endpoint if the tenant publishes it, and /v2/logout otherwise.
	LogoutAuto = "auto"
	// LogoutOIDC uses the end session endpoint, or Auth0's path for it if the tenant does not publish it.
	LogoutOIDC = "oidc"
	// LogoutV2 uses /v2/logout.
	LogoutV2 = "v2"
	// LogoutPublished uses the end session endpoint if the tenant publishes it, and nothing otherwise.
	LogoutPublished = "published"
)

// LogoutRequest is how a session at the tenant is to be ended.
type LogoutRequest struct {
	// Strategy is LogoutAuto, LogoutOIDC, LogoutV2 or LogoutPublished; empty means LogoutAuto.
	Strategy string
	// ReturnTo is where the tenant sends the browser afterwards; empty leaves it to the tenant.
	ReturnTo string
	// State comes back at ReturnTo as the parameter of that name (OpenID Connect RP-Initiated Logout 1.0 section 3). It goes to
	// the end session endpoint alone, and not at all if ReturnTo has such a parameter of its own; empty for none.
	State string
	// SID is the session to end. The end session endpoint asks the user for consent without it or an ID token.
	SID string
	// IDToken is the ID token of that session (id_token_hint); empty for none.
	IDToken Secret
	// Federated asks the tenant to end the session at the connection's identity provider, too.
	Federated bool
}

// LogoutURL returns the URL that ends the session at the tenant; with LogoutPublished it may be empty. It needs no network; md is nil when discovery is not known.
// client_id is always sent, because it selects the list that the return address is looked up in (Auth0 docs, "Redirect Users
// after Logout").
func (t *Tenant) LogoutURL(md *Metadata, app Application, r LogoutRequest) string {
	base := strings.TrimSuffix(t.issuer, "/")
	published := md != nil && md.EndSessionEndpoint != ""
	if r.Strategy == LogoutPublished && !published {
		return ""
	}
	endpoint := base + "/oidc/logout"
	if published {
		endpoint = md.EndSessionEndpoint
	}
	if r.Strategy == LogoutV2 || (r.Strategy != LogoutOIDC && !published) {
		return r.federated(v2Logout(base, app.ClientID, r.ReturnTo))
	}
	parameters := appendUnlessEmpty([]Parameter{{"client_id", app.ClientID}}, "post_logout_redirect_uri", r.ReturnTo)
	if back, err := url.Parse(r.ReturnTo); err == nil && r.ReturnTo != "" && !back.Query().Has("state") {
		parameters = appendUnlessEmpty(parameters, "state", r.State)
	}
	parameters = appendUnlessEmpty(parameters, "logout_hint", r.SID)
	return r.federated(withParameters(endpoint, appendUnlessEmpty(parameters, "id_token_hint", string(r.IDToken))))
}

// federated adds the parameter, which has no value (Auth0 docs, "Log Users Out of Identity Providers").
func (r LogoutRequest) federated(address string) string {
	if r.Federated {
		return address + "&federated"
	}
	return address
}

// ChildLogoutURL returns the URL that ends the session at the child tenant with that domain, for the application that a
// connection uses there. It is /v2/logout whatever the child publishes: unlike /oidc/logout it asks the user nothing, and
// does not compare the query of the return address, so that one Allowed Logout URL fits every logout.
func ChildLogoutURL(domain, clientID, returnTo string) (string, error) {
	issuer, err := IssuerOf(domain)
	if err != nil {
		return "", err
	}
	return v2Logout(strings.TrimSuffix(issuer, "/"), clientID, returnTo), nil
}

func v2Logout(base, clientID, returnTo string) string {
	return withParameters(base+"/v2/logout", appendUnlessEmpty([]Parameter{{"client_id", clientID}}, "returnTo", returnTo))
}
