package profile

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// own holds the claims that the profile itself answers for. A claim of the
// token under one of these names is never shown in its place, even where the
// profile has no value: what is derived from the verified sub cannot be
// overridden by an attribute.
var own = map[string]func(*Profile) any{
	"id":             func(p *Profile) any { return sent(p.UserID) },
	"sub":            func(p *Profile) any { return sent(p.UserID) },
	"user_id":        func(p *Profile) any { return sent(p.UserID) },
	"name":           func(p *Profile) any { return sent(p.Name) },
	"nickname":       func(p *Profile) any { return sent(p.Nickname) },
	"given_name":     func(p *Profile) any { return sent(p.GivenName) },
	"family_name":    func(p *Profile) any { return sent(p.FamilyName) },
	"email":          func(p *Profile) any { return sent(p.Email) },
	"email_verified": func(p *Profile) any { return sentVerdict(p.EmailVerified) },
	"picture":        func(p *Profile) any { return sent(p.Picture) },
	"updated_at":     func(p *Profile) any { return sent(p.UpdatedAt) },
	"created_at":     func(p *Profile) any { return sent(p.CreatedAt) },
	"client_id":      func(p *Profile) any { return sent(p.ClientID) },
	"identities":     func(p *Profile) any { return p.decodedIdentities() },
	"org_id":         func(p *Profile) any { return sent(p.OrgID) },
	"org_name":       func(p *Profile) any { return sent(p.OrgName) },

	"strategy":         func(p *Profile) any { return sent(p.Subject().Strategy) },
	"connection":       func(p *Profile) any { return sent(p.Subject().Connection) },
	"child_user":       func(p *Profile) any { return sent(p.Subject().Child) },
	"child_connection": func(p *Profile) any { return sent(p.Subject().ChildConnection) },
	"child_user_id":    func(p *Profile) any { return sent(p.Subject().ChildUserID) },
}

// Claim finds a claim by its Auth0 name: a field of the profile (user_id, sub
// or id, name, email, email_verified as a boolean, ...), a part of the user_id
// (strategy, connection, child_user, child_connection, child_user_id), or any
// other claim. Dots lead into objects and arrays, as in app_metadata.plan and
// identities.0.connection. A name with dots of its own may stand in double
// quotes; without them the longest name that fits is taken. A claim that is
// null was not sent. Numbers are json.Number. Objects and arrays may be shared
// with other requests and must not be changed.
func (p *Profile) Claim(path string) (any, bool) {
	if value, known := own[path]; known {
		v := value(p)
		return v, v != nil
	}
	return p.Claims().Find(path)
}

// Claims are all claims of a profile, decoded once for several questions.
type Claims struct {
	profile *Profile
	extra   map[string]any
}

// Claims decodes the extra claims, unless the profile remembers them. Those that are
// no JSON object count as not sent.
func (p *Profile) Claims() *Claims {
	extra, _ := p.decodedExtra().(map[string]any)
	return &Claims{p, extra}
}

// Find answers as Profile.Claim does.
func (c *Claims) Find(path string) (any, bool) {
	v, rest, more := member(c.named, path)
	if more {
		v = descend(v, rest)
	}
	return v, v != nil
}

func (c *Claims) named(name string) (any, bool) {
	if value, known := own[name]; known {
		return value(c.profile), true
	}
	v, ok := c.extra[name]
	return v, ok
}

func descend(v any, path string) any {
	for more := true; more; {
		switch node := v.(type) {
		case map[string]any:
			v, path, more = member(func(name string) (any, bool) { v, ok := node[name]; return v, ok }, path)
		case []any:
			v, path, more = element(node, path)
		default:
			return nil
		}
	}
	return v
}

// member takes the first name off the path; more says that a rest is left.
func member(named func(string) (any, bool), path string) (v any, rest string, more bool) {
	if v, ok := named(path); ok {
		return v, "", false
	}
	if quoted, found := strings.CutPrefix(path, `"`); found {
		name, rest, closed := strings.Cut(quoted, `"`)
		if rest, more = strings.CutPrefix(rest, "."); closed && (more || rest == "") {
			v, _ := named(name)
			return v, rest, more
		}
	}
	for dot := strings.LastIndexByte(path, '.'); dot >= 0; dot = strings.LastIndexByte(path[:dot], '.') {
		if v, ok := named(path[:dot]); ok {
			return v, path[dot+1:], true
		}
	}
	return nil, "", false
}

func element(array []any, path string) (v any, rest string, more bool) {
	position, rest, more := strings.Cut(path, ".")
	i, err := strconv.ParseUint(position, 10, 31)
	if err != nil || i >= uint64(len(array)) || strconv.FormatUint(i, 10) != position {
		return nil, "", false
	}
	return array[i], rest, more
}

func decode(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

func sent(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func sentVerdict(s string) any {
	switch s {
	case "true":
		return true
	case "false":
		return false
	}
	return nil
}
