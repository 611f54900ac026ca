package management

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	exactjson "github.com/go-jose/go-jose/v4/json"
)

// maxDepth is how deep the metadata of a user may be nested.
const maxDepth = 32

// Record is a user of the tenant as the Management API knows it. Most of it was written by others: identity providers, and the
// user.
type Record struct {
	// ID is the user_id.
	ID string
	// Blocked tells that an administrator has blocked the user; so does whatever stands there in place of a boolean.
	Blocked bool

	members map[string]any // numbers are json.Number
}

// Identity is one of the accounts that a user signs in with; the first is the one that gave the user its id.
type Identity struct {
	// Provider is the strategy of the connection, such as auth0-oidc.
	Provider string
	// Connection is the connection's name.
	Connection string
	// UserID is the user's id behind the provider and a bar, as text where it was a number.
	UserID string
	// AccessToken is what the identity provider issued at the last login; empty without the scope read:user_idp_tokens, and for
	// connections that keep none. It is a secret, and nobody has verified it.
	AccessToken string
}

var errRecord = errors.New("the answer is not the JSON of a user")

// ParseRecord reads a user: one JSON object in UTF-8, its names unique at every level, its numbers within reason.
func ParseRecord(raw []byte) (*Record, error) {
	if len(raw) > maxBody || !utf8.Valid(raw) {
		return nil, errRecord
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var members map[string]any
	if err := decoder.Decode(&members); err != nil || members == nil || !sane(members, maxDepth) {
		return nil, errRecord
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errRecord
	}
	var once map[string]any // what the standard library accepts and this decoder does not is a name that occurs twice
	if err := exactjson.Unmarshal(raw, &once); err != nil {
		return nil, errRecord
	}
	id, _ := members["user_id"].(string)
	return &Record{ID: id, Blocked: isBlocked(members["blocked"]), members: members}, nil
}

func isBlocked(member any) bool { return member != nil && member != false }

// sane refuses deep nesting and numbers that no float64 can hold.
func sane(v any, depth int) bool {
	if depth == 0 {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			if !sane(member, depth-1) {
				return false
			}
		}
	case []any:
		for _, element := range v {
			if !sane(element, depth-1) {
				return false
			}
		}
	case json.Number:
		_, err := v.Float64()
		return err == nil
	}
	return true
}

// Identities are the user's accounts with their tokens. What is no identity is left out.
func (r *Record) Identities() []Identity {
	var all []Identity
	list, _ := r.members["identities"].([]any)
	for _, element := range list {
		member, ok := element.(map[string]any)
		if !ok {
			continue
		}
		text := func(name string) string { s, _ := member[name].(string); return s }
		one := Identity{
			Provider: text("provider"), Connection: text("connection"), UserID: text("user_id"), AccessToken: text("access_token"),
		}
		if number, ok := member["user_id"].(json.Number); ok {
			one.UserID = number.String()
		}
		all = append(all, one)
	}
	return all
}
