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
	for _, one := range members {
		if one.Bearer == nil {
			continue
		}
		document.AuthorizationServers = append(document.AuthorizationServers, one.shared.tenant.Issuer())
		document.ScopesSupported = append(document.ScopesSupported, one.Bearer.Scopes...)
	}
	document.Resource = h.resource(document.Resource)
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

// resource is the site's origin, with the slash behind it if an audience is written
// so. A client must not use a document whose resource is not the one from which it
// made the document's address (RFC 9728 section 3.3), so that an audience elsewhere,
// or with a path, cannot stand here.
func (h *Handler) resource(site string) string {
	if !slices.Contains(h.Bearer.Audiences, site) && slices.Contains(h.Bearer.Audiences, site+"/") {
		return site + "/"
	}
	return site
}

func unique(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}
