// Package profile answers who the signed-in user is: the Auth0 normalized user
// profile, read from verified claims.
package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Profile is the Auth0 normalized user profile as far as an ID token or the
// userinfo endpoint carries it. An empty field was not sent.
// See https://auth0.com/docs/manage-users/user-accounts/user-profiles/normalized-user-profiles.
type Profile struct {
	UserID        string // the claim sub, Auth0's user_id
	Name          string
	Nickname      string
	GivenName     string
	FamilyName    string
	Email         string
	EmailVerified string // "true", "false", or "" when not sent
	Picture       string
	UpdatedAt     string // ISO 8601, or Unix seconds as Auth0 sent them
	CreatedAt     string
	ClientID      string          // the application in the master tenant, from azp or aud
	Identities    json.RawMessage // compact JSON array
	OrgID         string
	OrgName       string
	Extra         json.RawMessage // compact JSON object of every other claim about the user, or nil

	memory *memory // nil until Remember or Foreign
}

// Same tells whether both profiles say the same, to the byte.
func (p *Profile) Same(other *Profile) bool {
	return p.UserID == other.UserID && p.Name == other.Name && p.Nickname == other.Nickname &&
		p.GivenName == other.GivenName && p.FamilyName == other.FamilyName &&
		p.Email == other.Email && p.EmailVerified == other.EmailVerified && p.Picture == other.Picture &&
		p.UpdatedAt == other.UpdatedAt && p.CreatedAt == other.CreatedAt && p.ClientID == other.ClientID &&
		p.OrgID == other.OrgID && p.OrgName == other.OrgName && p.isForeign() == other.isForeign() &&
		bytes.Equal(p.Identities, other.Identities) && bytes.Equal(p.Extra, other.Extra)
}

// normalized are the members of the profile's JSON that stand for fields of
// their own; identities is written as it is stored.
var normalized = []string{
	"user_id", "name", "nickname", "given_name", "family_name", "email", "email_verified",
	"picture", "updated_at", "created_at", "client_id", "org_id", "org_name",
}

// MarshalJSON writes the profile under Auth0's names (user_id, not sub), merged
// with the extra claims and sorted by name. What was not sent is absent.
func (p *Profile) MarshalJSON() ([]byte, error) {
	extra := map[string]json.RawMessage{}
	if len(p.Extra) > 0 {
		if err := json.Unmarshal(p.Extra, &extra); err != nil {
			return nil, fmt.Errorf("reading the extra claims: %w", err)
		}
	}
	members := make(map[string]any, len(extra)+len(normalized)+1)
	for name, value := range extra {
		members[name] = value
	}
	for _, name := range normalized {
		if value := own[name](p); value != nil {
			members[name] = value
		}
	}
	if len(p.Identities) > 0 {
		members["identities"] = p.Identities
	}
	return compact(members)
}

// compact encodes without spaces, with sorted keys, and with <, > and & as they
// are: headers and cookies pay for every byte, and neither is HTML.
func compact(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding the claims: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
