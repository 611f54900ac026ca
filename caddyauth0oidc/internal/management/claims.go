package management

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// profileFields are the members of the normalized user profile that become claims as they are.
// See https://auth0.com/docs/manage-users/user-accounts/user-profiles/user-profile-structure.
var profileFields = []string{
	"name", "nickname", "given_name", "family_name", "picture", "email", "email_verified", "username", "phone_number", "phone_verified",
	"created_at", "updated_at", "last_login", "last_ip", "logins_count", "last_password_reset", "blocked", "blocked_for",
	"multifactor", "multifactor_last_modified",
}

// The members with metadata, of which only chosen paths become claims.
const (
	appMetadata  = "app_metadata"
	userMetadata = "user_metadata"
)

// Replaced are the claims for which a Record speaks alone: whatever an ID token says under one of these names, or does not say,
// is not to be mixed with it.
func Replaced() []string {
	return append(slices.Clone(profileFields), "phone_number_verified", "identities", appMetadata, userMetadata)
}

// Claims are what the record says of the user under the names of the normalized user profile: its fields, the identities without
// their tokens, and the metadata at the paths.
func (r *Record) Claims(metadata []MetadataPath) map[string]any {
	claims := make(map[string]any)
	for _, name := range profileFields {
		if value := r.members[name]; value != nil {
			claims[name] = value
		}
	}
	if identities := r.shownIdentities(); len(identities) > 0 {
		claims["identities"] = identities
	}
	for _, path := range metadata {
		path.copy(r.members, claims)
	}
	return claims
}

// shownIdentities have the members that Auth0 documents for everybody, and no other: tokens of identity providers, their
// secrets and their ends are not among them.
func (r *Record) shownIdentities() []any {
	list, _ := r.members["identities"].([]any)
	var shown []any
	for _, element := range list {
		member, ok := element.(map[string]any)
		if !ok {
			continue
		}
		identity := make(map[string]any)
		for _, name := range []string{"connection", "user_id", "provider", "isSocial"} {
			switch value := member[name].(type) {
			case nil, map[string]any, []any:
			default:
				identity[name] = value
			}
		}
		if data, ok := WithoutSecrets(member["profileData"]).(map[string]any); ok && len(data) > 0 {
			identity["profileData"] = data
		}
		shown = append(shown, identity)
	}
	return shown
}

// secretWords stand in the names of members that hold a secret, or speak of one.
var secretWords = []string{"token", "secret", "password", "credential", "private_key", "privatekey", "expires_in", "expiresin"}

// WithoutSecrets gives a decoded JSON value without the members of its objects, at every level, whose names speak of tokens,
// secrets or passwords.
func WithoutSecrets(value any) any {
	switch v := value.(type) {
	case map[string]any:
		kept := make(map[string]any, len(v))
		for name, member := range v {
			if !namesSecret(name) {
				kept[name] = WithoutSecrets(member)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i, element := range v {
			kept[i] = WithoutSecrets(element)
		}
		return kept
	}
	return value
}

func namesSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// MetadataPath leads to a part of the metadata: app_metadata or user_metadata, and the names of members below it.
type MetadataPath []string

var errMetadataPath = errors.New("write a path that begins with app_metadata or user_metadata, like app_metadata.plan; " +
	"a name with dots of its own stands in double quotes")

// maxMetadataPath bounds the names of a path.
const maxMetadataPath = 16

// ParseMetadataPath reads a path with dots between its names. A name with dots of its own stands in double quotes.
func ParseMetadataPath(text string) (MetadataPath, error) {
	var path MetadataPath
	for more := true; more; {
		var name string
		if quoted, ok := strings.CutPrefix(text, `"`); ok {
			var rest string
			if name, rest, ok = strings.Cut(quoted, `"`); !ok {
				return nil, errMetadataPath
			}
			if text, more = strings.CutPrefix(rest, "."); !more && rest != "" {
				return nil, errMetadataPath
			}
		} else if name, text, more = strings.Cut(text, "."); strings.ContainsAny(name, "\" \t\r\n") {
			return nil, errMetadataPath
		}
		if path = append(path, name); name == "" || len(path) > maxMetadataPath {
			return nil, errMetadataPath
		}
	}
	if path[0] != appMetadata && path[0] != userMetadata {
		return nil, errMetadataPath
	}
	return path, nil
}

// copy takes over what the path leads to, in objects of its own: those of from stay as they are.
func (p MetadataPath) copy(from, to map[string]any) {
	var value any = from
	for _, name := range p {
		object, _ := value.(map[string]any)
		if value = object[name]; value == nil {
			return
		}
	}
	for _, name := range p[:len(p)-1] {
		next, _ := to[name].(map[string]any)
		next = maps.Clone(next)
		if next == nil {
			next = make(map[string]any)
		}
		to[name], to = next, next
	}
	to[p[len(p)-1]] = value
}
