package upstream

import (
	"encoding/base64"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// source says what of the user a header shows.
type source int

const (
	fromClaims source = iota // by a path, for which the claims are decoded
	fromUserID
	fromName
	fromNickname
	fromGivenName
	fromFamilyName
	fromEmail
	fromEmailVerified
	fromPicture
	fromUpdatedAt
	fromCreatedAt
	fromClientID
	fromIdentities
	fromOrgID
	fromOrgName
	fromStrategy
	fromConnection
	fromChild
	fromChildConnection
	fromChildUserID
	fromSessionExpires
	fromWholeProfile
	fromAssertion
	fromVerifiedEmail
	fromExpanded
)

func (s source) isPartOfUserID() bool { return fromStrategy <= s && s <= fromChildUserID }

// isPlain tells of what is ASCII of a form that its readers know.
func (s source) isPlain() bool {
	return s == fromWholeProfile || s == fromSessionExpires || s == fromAssertion
}

// auth0 are the headers of PresetAuth0, without their prefix.
var auth0 = []struct {
	suffix string
	from   source
}{
	{"User-Id", fromUserID},
	{"Name", fromName},
	{"Nickname", fromNickname},
	{"Given-Name", fromGivenName},
	{"Family-Name", fromFamilyName},
	{"Email", fromEmail},
	{"Email-Verified", fromEmailVerified},
	{"Picture", fromPicture},
	{"Updated-At", fromUpdatedAt},
	{"Created-At", fromCreatedAt},
	{"Client-Id", fromClientID},
	{"Identities", fromIdentities},
	{"Strategy", fromStrategy},
	{"Connection", fromConnection},
	{"Child-User", fromChild},
	{"Child-Connection", fromChildConnection},
	{"Child-User-Id", fromChildUserID},
	{"Org-Id", fromOrgID},
	{"Session-Expires", fromSessionExpires},
}

// fields are the claims whose text is at hand. Every other path has the zero
// source and is looked for among all claims.
var fields = map[string]source{
	"id": fromUserID, "sub": fromUserID, "user_id": fromUserID,
	"name": fromName, "nickname": fromNickname, "given_name": fromGivenName, "family_name": fromFamilyName,
	"email": fromEmail, "email_verified": fromEmailVerified, "picture": fromPicture,
	"updated_at": fromUpdatedAt, "created_at": fromCreatedAt, "client_id": fromClientID,
	"identities": fromIdentities, "org_id": fromOrgID, "org_name": fromOrgName,
	"strategy": fromStrategy, "connection": fromConnection, "child_user": fromChild,
	"child_connection": fromChildConnection, "child_user_id": fromChildUserID,
}

// user is what the headers of one request are made of.
type user struct {
	*profile.Profile
	subject profile.Subject
	facts   Facts
	show    func(claim any) string
	expand  func(text string) string
	claims  *profile.Claims // nil until a header needs them
}

func (u *user) text(h *header) string {
	switch h.from {
	case fromUserID:
		return u.UserID
	case fromName:
		return u.Name
	case fromNickname:
		return u.Nickname
	case fromGivenName:
		return u.GivenName
	case fromFamilyName:
		return u.FamilyName
	case fromEmail:
		return u.Email
	case fromEmailVerified:
		return u.EmailVerified
	case fromPicture:
		return u.Picture
	case fromUpdatedAt:
		return u.UpdatedAt
	case fromCreatedAt:
		return u.CreatedAt
	case fromClientID:
		return u.ClientID
	case fromIdentities:
		return string(u.Identities)
	case fromOrgID:
		return u.OrgID
	case fromOrgName:
		return u.OrgName
	case fromStrategy:
		return u.subject.Strategy
	case fromConnection:
		return u.subject.Connection
	case fromChild:
		return u.subject.Child
	case fromChildConnection:
		return u.subject.ChildConnection
	case fromChildUserID:
		return u.subject.ChildUserID
	case fromSessionExpires:
		return u.expires()
	case fromExpanded:
		return u.expand(h.path)
	case fromWholeProfile:
		return u.encoded()
	case fromAssertion:
		return u.facts.Assertion
	case fromVerifiedEmail:
		return u.verifiedEmail()
	}
	return u.claim(h.path)
}

func (u *user) expires() string {
	if u.facts.Expires.IsZero() {
		return ""
	}
	return u.facts.Expires.UTC().Format(time.RFC3339)
}

func (u *user) verifiedEmail() string {
	if u.EmailVerified != "true" {
		return ""
	}
	return u.Email
}

// encoded is empty for a profile that is no JSON, so that its header is absent.
func (u *user) encoded() string {
	encoded, err := u.MarshalJSON()
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}

func (u *user) claim(path string) string {
	if u.claims == nil {
		u.claims = u.Claims()
	}
	value, _ := u.claims.Find(path)
	return u.show(value)
}
