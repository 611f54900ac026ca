package auth0sim

import (
	"maps"
	"net/http"
	"slices"
)

// serveUserInfo answers applications of the legacy pipeline with the whole profile, if the tenant still can.
func (t *Tenant) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	grant, ok := t.bearer(r.Header.Get("Authorization"))
	user, known := t.User(grant.userID)
	app, registered := t.application(grant.clientID)
	if !ok || !known || !registered || !grant.has("openid") {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{
			"error": "unauthorized", "error_description": "invalid credentials",
		})
		return
	}
	s := t.settings()
	body := t.scopedClaims(app, grant.scopes, user)
	if app.Legacy && s.LegacyUserProfile {
		maps.Copy(body, user.profile())
		body["clientID"] = app.ClientID
		body["identities"] = withoutTokens(user.Identities)
	}
	body["sub"] = user.ID
	if s.TamperUserInfo != nil {
		s.TamperUserInfo(body)
	}
	noStore(w)
	writeJSON(w, http.StatusOK, body)
}

// withoutTokens is what everybody may see of the identities; identity providers' tokens need a scope of their own.
func withoutTokens(identities []Identity) []Identity {
	clean := slices.Clone(identities)
	for i := range clean {
		clean[i].AccessToken = ""
	}
	return clean
}
