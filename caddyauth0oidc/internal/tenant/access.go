package tenant

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"
)

const (
	// maxAccessToken bounds what anybody may send as an access token. Auth0's have one to four kilobytes.
	maxAccessToken = 8 << 10

	// These bound what decoding may cost before the signature is known, to about what a bad signature costs, twice that at most. A
	// token with 300 permissions is within them.
	maxElements, maxMembers, maxNested = 400, 80, 32
)

// isSimple counts, without decoding, what decoding costs: elements, members, and the objects and arrays that hold them.
func isSimple(payload []byte) bool {
	elements, members, nested, inText := 0, 0, 0, false
	for i := 0; i < len(payload); i++ {
		switch c := payload[i]; {
		case c == '"':
			inText = !inText
		case c == '\\':
			i++
		case inText:
		case c == ',':
			elements++
		case c == ':':
			members++
		case c == '{' || c == '[':
			nested++
		}
	}
	return elements <= maxElements && members <= maxMembers && nested <= maxNested
}

// AccessToken is a verified access token. It and its claims must not be changed, because requests share it.
type AccessToken struct {
	// Subject is the user's id at the tenant, or the client id with "@clients" of an application that acts for itself.
	Subject string
	// ClientID is the application to which the token was issued: azp, in Auth0's RFC 9068 profile client_id.
	ClientID string
	// Scopes are the parts of the claim scope.
	Scopes []string
	// Permissions are those that role-based access control of the API adds; nil when the token has none.
	Permissions []string
	// Expiry is when the token ends.
	Expiry time.Time
	// AuthTime is when the user signed in; the zero time when the token does not say. It may be in the future.
	AuthTime time.Time
	// Claims are all claims, names spelt as in the token and numbers as json.Number.
	Claims map[string]any

	generation int // of the keys that verified it
}

// VerifyAccessToken verifies an access token of Auth0, of either of its two dialects (RFC 9068 section 4, RFC 8725 section 3),
// for an API with one of the given identifiers. Other audiences may stand beside it: Auth0 adds its own /userinfo. Tokens that
// are bound to a key (the claim cnf) are refused, since the proof of possession is not looked at. The error is an
// *InvalidTokenError, or an *UnavailableError when the keys are not known.
func (t *Tenant) VerifyAccessToken(ctx context.Context, raw string, audiences []string) (*AccessToken, error) {
	if len(raw) > maxAccessToken {
		return nil, invalid("malformed")
	}
	unverified, err := checkForm(raw, isAccessTokenType)
	if err != nil {
		return nil, err
	}
	if !isSimple(unverified) {
		return nil, invalid("malformed")
	}
	claims, err := parseClaims(unverified)
	if err != nil {
		return nil, err
	}
	// What says of itself that it is of no use costs no signature, and no request for keys.
	if reason := t.judgeAccess(claims, audiences); reason != "" {
		return nil, invalid(reason)
	}
	payload, generation, err := t.keys.verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(payload, unverified) {
		return nil, invalid("malformed")
	}
	return newAccessToken(claims, generation), nil
}

// JudgeAgain judges a token that was verified before, for an API with one of the given identifiers. current is false if the
// tenant's keys were fetched anew since: the token then has to be verified again, because its key may be gone. The errors are
// those of VerifyAccessToken.
func (t *Tenant) JudgeAgain(ctx context.Context, token *AccessToken, audiences []string) (current bool, err error) {
	_, generation, err := t.keys.recall.get(ctx)
	if err != nil {
		return false, err
	}
	if reason := t.judgeAccess(token.Claims, audiences); reason != "" {
		return false, invalid(reason)
	}
	return generation == token.generation, nil
}

// IsMachine reports whether an application got the token for itself, by the grant client_credentials. Ids of users have a bar
// in them, client ids have none. The RFC 9068 profile has no gty.
func (a *AccessToken) IsMachine() bool {
	id, ofClient := strings.CutSuffix(a.Subject, "@clients")
	grant, found := a.Claims["gty"]
	return ofClient && id == a.ClientID && !strings.Contains(id, "|") && (!found || grant == "client-credentials")
}

// isAccessTokenType takes the types of Auth0's dialects, which never leave it out.
func isAccessTokenType(typ *string) bool {
	return typ != nil && slices.ContainsFunc([]string{"JWT", "at+jwt", "application/at+jwt"}, func(known string) bool {
		return strings.EqualFold(*typ, known)
	})
}

// otherTokens are claims that tell an ID token or a logout token, whatever its audience.
var otherTokens = []string{"events", "nonce", "at_hash", "c_hash", "s_hash"}

// judgeAccess goes through the claims and returns the reason to refuse them, empty for none.
func (t *Tenant) judgeAccess(c claims, audiences []string) string {
	now := t.now()
	audience, client := c.audience(), c.issuedTo()
	rules := []struct {
		reason string
		holds  bool
	}{
		{"token_type", !slices.ContainsFunc(otherTokens, c.has)},
		{"bound", !c.has("cnf")},
		{"issuer", c["iss"] == any(t.issuer)},
		{"audience", slices.ContainsFunc(audience, func(a string) bool { return a != "" && slices.Contains(audiences, a) })},
		{"azp", client != ""},
		{"token_type", !slices.Contains(audience, client)}, // only an ID token is for the client that got it
		{"subject", is(c.identifier("sub", maxSubject))},
		{"issued_at", beginsBy(c, "iat", now.Add(skew))},
		{"expired", endsAfter(c, "exp", now)}, // no leeway: what we tell the application about the token ends then
		{"not_before", !c.has("nbf") || beginsBy(c, "nbf", now.Add(skew))},
		{"scope", !c.has("scope") || is(c.text("scope"))},
		{"permissions", !c.has("permissions") || is(c.list("permissions"))},
	}
	for _, rule := range rules {
		if !rule.holds {
			return rule.reason
		}
	}
	return ""
}

// issuedTo returns the client of an access token, empty when it is missing or the two claims disagree.
func (c claims) issuedTo() string {
	var client string
	for _, name := range []string{"azp", "client_id"} {
		if !c.has(name) {
			continue
		}
		id, ok := c.identifier(name, maxSubject)
		if !ok || client != "" && client != id {
			return ""
		}
		client = id
	}
	return client
}

// list returns a claim that is an array of strings.
func (c claims) list(name string) ([]string, bool) {
	elements, ok := c[name].([]any)
	if !ok {
		return nil, false
	}
	all := make([]string, len(elements))
	for i, element := range elements {
		if all[i], ok = element.(string); !ok {
			return nil, false
		}
	}
	return all, true
}

func newAccessToken(c claims, generation int) *AccessToken {
	token := &AccessToken{Claims: c, ClientID: c.issuedTo(), generation: generation}
	token.Subject, _ = c.text("sub")
	token.Expiry, _ = c.time("exp")
	token.AuthTime, _ = c.time("auth_time")
	token.Permissions, _ = c.list("permissions")
	scope, _ := c.text("scope")
	token.Scopes = strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' }) // RFC 6749 section 3.3
	return token
}
