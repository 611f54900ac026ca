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
	fromField                // by a path whose text is at hand
	fromIdentities
	fromStrategy
	fromConnection
	fromChild
	fromChildConnection
	fromChildUserID
	fromSessionExpires
	fromWholeProfile
	fromAssertion
	fromChildToken
	fromChildBearer
	fromExpandedToken
	fromVerifiedEmail
	fromExpanded
)

func (s source) isPartOfUserID() bool { return fromStrategy <= s && s <= fromChildUserID }

// isPlain tells of what is ASCII of a form that its readers know.
func (s source) isPlain() bool {
	return s == fromWholeProfile || s == fromSessionExpires || s == fromAssertion || s.isToken()
}

// isToken tells of what gives whoever has it the user's rights elsewhere.
func (s source) isToken() bool { return fromChildToken <= s && s <= fromExpandedToken }

// auth0 are the headers of PresetAuth0 that show claims, without their prefix.
var auth0 = []struct{ suffix, path string }{
	{"User-Id", "user_id"},
	{"Name", "name"},
	{"Nickname", "nickname"},
	{"Given-Name", "given_name"},
	{"Family-Name", "family_name"},
	{"Email", "email"},
	{"Email-Verified", "email_verified"},
	{"Picture", "picture"},
	{"Updated-At", "updated_at"},
	{"Created-At", "created_at"},
	{"Client-Id", "client_id"},
	{"Identities", "identities"},
	{"Strategy", "strategy"},
	{"Connection", "connection"},
	{"Child-User", "child_user"},
	{"Child-Connection", "child_connection"},
	{"Child-User-Id", "child_user_id"},
	{"Org-Id", "org_id"},
}

// parts are the paths whose text a request has at hand once for all headers.
var parts = map[string]source{
	"identities": fromIdentities, "strategy": fromStrategy, "connection": fromConnection, "child_user": fromChild,
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
	case fromField:
		return h.field(u.Profile)
	case fromIdentities:
		return string(u.Identities)
	case fromSessionExpires:
		return u.expires()
	case fromExpanded, fromExpandedToken:
		return u.expand(h.path)
	case fromWholeProfile:
		return u.encoded()
	case fromAssertion:
		return u.facts.Assertion
	case fromChildToken:
		return u.facts.ChildToken
	case fromChildBearer:
		return u.bearer()
	case fromVerifiedEmail:
		return u.verifiedEmail()
	case fromClaims:
		return u.claim(h.path)
	}
	return u.part(h.from)
}

func (u *user) part(of source) string {
	switch of {
	case fromStrategy:
		return u.subject.Strategy
	case fromConnection:
		return u.subject.Connection
	case fromChild:
		return u.subject.Child
	case fromChildConnection:
		return u.subject.ChildConnection
	default:
		return u.subject.ChildUserID
	}
}

// bearer is empty without a token, so that the client's Authorization is removed.
func (u *user) bearer() string {
	if u.facts.ChildToken == "" {
		return ""
	}
	return "Bearer " + u.facts.ChildToken
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
