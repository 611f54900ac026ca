package tenant

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	exactjson "github.com/go-jose/go-jose/v4/json"
)

const (
	maxDepth = 32

	// maxTime is the first Unix time that is not plausible, in the year 2286: milliseconds taken for seconds are beyond it.
	maxTime = 10_000_000_000
)

// protectedClaims are the names that decide about a login or an identity. Many JSON decoders take another spelling of a name for
// the name itself, so a token with one would mean different things to different readers.
var protectedClaims = []string{
	"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "auth_time", "acr", "amr", "sid",
	"events", "session_expiry", "email", "email_verified", "name", "nickname", "given_name", "family_name", "middle_name",
	"preferred_username", "picture", "updated_at", "created_at", "phone_number", "phone_number_verified", "address",
	"user_id", "identities", "client_id", "org_id", "org_name", "roles", "groups", "permissions", "scope", "act", "cnf", "gty",
	"app_metadata", "user_metadata", "_claim_names", "_claim_sources",
}

type claims map[string]any

// parseClaims reads the payload of a token: one JSON object in UTF-8, names unique at every level, numbers within reason.
func parseClaims(payload []byte) (claims, error) {
	if !utf8.Valid(payload) {
		return nil, invalid("malformed")
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var c claims
	if err := decoder.Decode(&c); err != nil || c == nil || !sane(map[string]any(c), maxDepth) {
		return nil, invalid("malformed")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, invalid("malformed")
	}
	// What the standard library accepts and this decoder does not is a name that occurs twice.
	var once map[string]any
	if err := exactjson.Unmarshal(payload, &once); err != nil {
		return nil, invalid("duplicate_claim")
	}
	for name := range c {
		if misspelt(name) {
			return nil, invalid("duplicate_claim")
		}
	}
	// Claims of other parties are not believed and their sources never asked (OpenID Connect Core 1.0 section 5.6.2).
	delete(c, "_claim_names")
	delete(c, "_claim_sources")
	return c, nil
}

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

func misspelt(name string) bool {
	ascii := !strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII })
	for _, protected := range protectedClaims {
		if ascii && len(name) != len(protected) { // other letters fold to ASCII of another length
			continue
		}
		if name != protected && strings.EqualFold(name, protected) {
			return true
		}
	}
	return false
}

func (c claims) has(name string) bool {
	_, found := c[name]
	return found
}

// text returns a claim that is a string.
func (c claims) text(name string) (string, bool) {
	s, ok := c[name].(string)
	return s, ok
}

// time returns a claim that is a plausible Unix time in whole seconds.
func (c claims) time(name string) (time.Time, bool) {
	number, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || seconds <= 0 || seconds >= maxTime {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}

// audience returns the audiences, nil unless they are one string or an array of strings (RFC 7519 section 4.1.3).
func (c claims) audience() []string {
	switch aud := c["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		all := make([]string, len(aud))
		for i, element := range aud {
			s, ok := element.(string)
			if !ok {
				return nil
			}
			all[i] = s
		}
		return all
	}
	return nil
}

// identifier returns a claim that can name a user or a session: not empty, not too long, without characters that vanish on
// their way into a header, or that stand for something which was lost. Spaces at the ends are lost in a header as well: two ids
// must not become one there.
func (c claims) identifier(name string, longest int) (string, bool) {
	id, ok := c.text(name)
	if !ok || id == "" || len(id) > longest || strings.ContainsFunc(id, unidentifying) || hasLooseEnds(id) {
		return "", false
	}
	return id, true
}

// hasLooseEnds looks at each part of a user id by itself, because each becomes a header of its own.
func hasLooseEnds(id string) bool {
	for part := range strings.SplitSeq(id, "|") {
		if strings.TrimSpace(part) != part {
			return true
		}
	}
	return false
}

func unidentifying(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
}
