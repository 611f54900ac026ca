package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"slices"
)

// resourceMetadataPath is where API clients learn who issues tokens for this site
// (RFC 9728 section 3). It is the address for a resource without a path.
const resourceMetadataPath = "/.well-known/oauth-protected-resource"

// resourceMetadata is the document of RFC 9728 section 2, as far as it says
// something here.
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported"`
}

// serveResourceMetadata describes the site to API clients, for all its directives
// that accept access tokens.
func (h *Handler) serveResourceMetadata(w http.ResponseWriter, r *http.Request, v *visit) error {
	document := resourceMetadata{Resource: h.originOf(r).String(), BearerMethods: []string{"header"}}
	members := v.site.handlers
	if !slices.Contains(members, h) {
		members = append(slices.Clone(members), h)
	}
	var audiences []string
	for _, one := range members {
		if one.Bearer == nil {
			continue
		}
		audiences = append(audiences, one.Bearer.Audiences...)
		document.AuthorizationServers = append(document.AuthorizationServers, one.shared.tenant.Issuer())
		document.ScopesSupported = append(document.ScopesSupported, one.Bearer.Scopes...)
	}
	document.Resource = resource(document.Resource, audiences)
	document.AuthorizationServers = unique(document.AuthorizationServers)
	document.ScopesSupported = unique(document.ScopesSupported)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "public, max-age=3600")
	header.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(document) // fails when the client is gone
	}
	return nil
}

// resource is the site's origin, with the slash behind it if the site's audiences are
// written so. Clients ask for a token for it, which is why it is not always what RFC 9728
// section 3.3 has strictly: the URL that was requested. An audience elsewhere, or with a
// path, cannot stand here at all.
func resource(site string, audiences []string) string {
	if !slices.Contains(audiences, site) && slices.Contains(audiences, site+"/") {
		return site + "/"
	}
	return site
}

func unique(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}
