package upstream

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// Facts is what the application gets to know besides the profile.
type Facts struct {
	Expires time.Time // the latest end of the session; the zero time is not shown
}

// The headers, as positions in Plan.keys and in the values of a request.
const (
	atUserID = iota
	atName
	atNickname
	atGivenName
	atFamilyName
	atEmail
	atEmailVerified
	atPicture
	atUpdatedAt
	atCreatedAt
	atClientID
	atIdentities
	atStrategy
	atConnection
	atChildUser
	atChildConnection
	atChildUserID
	atOrgID
	atSessionExpires
	atWholeProfile
	headerCount
)

var suffixes = [headerCount]string{
	atUserID:          "User-Id",
	atName:            "Name",
	atNickname:        "Nickname",
	atGivenName:       "Given-Name",
	atFamilyName:      "Family-Name",
	atEmail:           "Email",
	atEmailVerified:   "Email-Verified",
	atPicture:         "Picture",
	atUpdatedAt:       "Updated-At",
	atCreatedAt:       "Created-At",
	atClientID:        "Client-Id",
	atIdentities:      "Identities",
	atStrategy:        "Strategy",
	atConnection:      "Connection",
	atChildUser:       "Child-User",
	atChildConnection: "Child-Connection",
	atChildUserID:     "Child-User-Id",
	atOrgID:           "Org-Id",
	atSessionExpires:  "Session-Expires",
	atWholeProfile:    "Profile",
}

// Apply sets the headers of the profile, each once; a header without a value is
// absent, whoever set it before. Claims are text here: a placeholder in one
// is passed on as it stands.
func (p *Plan) Apply(h http.Header, prof *profile.Profile, facts Facts) {
	s := profile.ParseSubject(prof.UserID)
	// One array per request and never one per session: Caddy's header directives
	// edit values in place.
	values := &[headerCount]string{
		atUserID:          prof.UserID,
		atName:            prof.Name,
		atNickname:        prof.Nickname,
		atGivenName:       prof.GivenName,
		atFamilyName:      prof.FamilyName,
		atEmail:           prof.Email,
		atEmailVerified:   prof.EmailVerified,
		atPicture:         prof.Picture,
		atUpdatedAt:       prof.UpdatedAt,
		atCreatedAt:       prof.CreatedAt,
		atClientID:        prof.ClientID,
		atIdentities:      string(prof.Identities),
		atStrategy:        s.Strategy,
		atConnection:      s.Connection,
		atChildUser:       s.Child,
		atChildConnection: s.ChildConnection,
		atChildUserID:     s.ChildUserID,
		atOrgID:           prof.OrgID,
	}
	if !facts.Expires.IsZero() {
		values[atSessionExpires] = facts.Expires.UTC().Format(time.RFC3339)
	}
	if p.profile {
		values[atWholeProfile] = encodeProfile(prof)
	}
	for i, key := range p.keys {
		values[i] = Value(values[i])
		if values[i] == "" {
			delete(h, key)
			continue
		}
		h[key] = values[i : i+1 : i+1]
	}
}

// encodeProfile is empty for a profile that is no JSON, so that its header is absent.
func encodeProfile(prof *profile.Profile) string {
	encoded, err := prof.MarshalJSON()
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}
