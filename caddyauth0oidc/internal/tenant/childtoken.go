package tenant

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// ChildToken is a verified token that another tenant, to which this one is a child, was given for one of our users.
type ChildToken struct {
	// Expiry is when the token ends.
	Expiry time.Time
	// Claims are all claims, names spelt as in the token and numbers as json.Number.
	Claims map[string]any
}

// VerifyChildToken verifies a token of this tenant that came to us by way of another one. It has to be of the user whose id at
// this tenant is subject and, unless clientID is empty, for that application. It is the ID token of a login that we had no part
// in, and may have been some time ago: neither its nonce nor its age is looked at. The error is an *InvalidTokenError, or an
// *UnavailableError when the keys are not known.
func (t *Tenant) VerifyChildToken(ctx context.Context, raw, subject, clientID string) (*ChildToken, error) {
	isType := func(typ *string) bool { return isIDTokenType(typ) || isAccessTokenType(typ) }
	if _, err := checkForm(raw, isType); err != nil {
		return nil, err
	}
	payload, err := t.keys.VerifySignature(ctx, raw)
	if err != nil {
		return nil, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	if reason := t.judgeChild(c, subject, clientID); reason != "" {
		return nil, invalid(reason)
	}
	token := &ChildToken{Claims: c}
	token.Expiry, _ = c.time("exp")
	return token, nil
}

// judgeChild goes through the claims and returns the reason to refuse them, empty for none.
func (t *Tenant) judgeChild(c claims, subject, clientID string) string {
	now := t.now()
	rules := []struct {
		reason string
		holds  bool
	}{
		{"token_type", !c.has("events")},
		{"bound", !c.has("cnf")},
		{"issuer", c["iss"] == any(t.issuer)},
		{"audience", clientID == "" || slices.Contains(c.audience(), clientID)},
		{"azp", clientID == "" || !c.has("azp") || c["azp"] == any(clientID)},
		{"subject", subject != "" && c["sub"] == any(subject)},
		{"issued_at", !c.has("iat") || beginsBy(c, "iat", now.Add(skew))},
		{"expired", endsAfter(c, "exp", now)},
		{"not_before", !c.has("nbf") || beginsBy(c, "nbf", now.Add(skew))},
	}
	for _, rule := range rules {
		if !rule.holds {
			return rule.reason
		}
	}
	return ""
}

// Unverified tells of a token that nobody verifies here whether it is a JWT and, if so, when it says of itself that it ends; the
// zero time if it does not.
func Unverified(raw string) (isJWT bool, expiry time.Time) {
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 {
		return false, time.Time{}
	}
	header, rest, _ := strings.Cut(raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	var members struct {
		Algorithm string `json:"alg"`
	}
	decoded, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil || json.Unmarshal(decoded, &members) != nil || members.Algorithm == "" {
		return false, time.Time{}
	}
	if decoded, err = base64.RawURLEncoding.DecodeString(payload); err == nil {
		if c, err := parseClaims(decoded); err == nil {
			expiry, _ = c.time("exp")
		}
	}
	return true, expiry
}
