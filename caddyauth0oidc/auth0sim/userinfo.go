package auth0sim

import (
	"encoding/json"
	"io"
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
	if s.SignUserInfo != nil || s.UserInfoType != "" {
		t.writeUserInfo(w, app, s, body)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// writeUserInfo answers as Auth0 does not, but others do, or attackers.
func (t *Tenant) writeUserInfo(w http.ResponseWriter, app Application, s Settings, body map[string]any) {
	mediaType, text := "application/json", ""
	if s.SignUserInfo == nil {
		raw, _ := json.Marshal(body) // which was JSON, or is a test's own
		text = string(raw)
	} else {
		header := map[string]any{"alg": s.SigningAlg, "kid": t.ring(s.SigningAlg).current.kid}
		body["iss"], body["aud"] = t.Issuer(), app.ClientID
		s.SignUserInfo(header, body)
		mediaType, text = "application/jwt", t.sign(header, body, []byte(app.ClientSecret))
	}
	if s.UserInfoType != "" {
		mediaType = s.UserInfoType
	}
	w.Header().Set("Content-Type", mediaType)
	_, _ = io.WriteString(w, text)
}

// withoutTokens is what everybody may see of the identities; identity providers' tokens need a scope of their own.
func withoutTokens(identities []Identity) []Identity {
	clean := slices.Clone(identities)
	for i := range clean {
		clean[i].AccessToken, clean[i].RefreshToken, clean[i].AccessTokenSecret, clean[i].ExpiresIn = "", "", "", 0
	}
	return clean
}
