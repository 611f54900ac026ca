package tenant

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	exactjson "github.com/go-jose/go-jose/v4/json"
)

const (
	maxToken = 64 << 10

	// skew is how far the clocks may be apart.
	skew = time.Minute
	// maxIssuedAge is how old an ID token may be when a login ends.
	maxIssuedAge = 10 * time.Minute

	// Auth0 does not limit its user ids to the 255 bytes of OpenID Connect Core 1.0 section 2.
	maxSubject = 1024
	maxSID     = 255
)

// Check is what an ID token must fit, beyond the tenant and the application.
type Check struct {
	// Nonce is the one that the login sent. It is required.
	Nonce string
	// AccessToken is the one that came with the ID token. If the token has an at_hash and this is not empty, they must match.
	AccessToken Secret
	// MaxAge is the max_age that the login asked for; nil for none.
	MaxAge *time.Duration
	// ProvenSince is the moment before which the user may not have proved who they are; the zero time for none.
	ProvenSince time.Time
}

// IDToken is a verified ID token.
type IDToken struct {
	// Subject is the user's id at the tenant.
	Subject string
	// SID is the id of the session at the tenant; empty when the token has none.
	SID string
	// IssuedAt is when the token was made.
	IssuedAt time.Time
	// Expiry is when the token ends.
	Expiry time.Time
	// AuthTime is when the user signed in; the zero time when the token does not say.
	AuthTime time.Time
	// SessionExpiry is when the session must end at the latest; the zero time when the token does not say.
	SessionExpiry time.Time
	// Claims are all claims, names spelt as in the token and numbers as json.Number.
	Claims map[string]any
}

// VerifyIDToken verifies an ID token as OpenID Connect Core 1.0 section 3.1.3.7 says, and leaves nothing optional that Auth0
// provides. The error is an *InvalidTokenError, or an *UnavailableError when the keys are not known.
func (t *Tenant) VerifyIDToken(ctx context.Context, app Application, raw string, c Check) (*IDToken, error) {
	return t.verifyIDToken(ctx, app, raw, func(got claims) []rule {
		now := t.now()
		return append(t.rulesFor(got, app, c.AccessToken),
			rule{"nonce", sameNonce(got, c.Nonce)},
			rule{"auth_time", c.MaxAge == nil || signedInLately(got, *c.MaxAge, now)},
			rule{"auth_time", c.ProvenSince.IsZero() || signedInSince(got, c.ProvenSince, now)},
		)
	})
}

// verifyIDToken verifies what all ID tokens have in common, and the rules that are given for its claims.
func (t *Tenant) verifyIDToken(ctx context.Context, app Application, raw string, rules func(claims) []rule) (*IDToken, error) {
	if _, err := checkForm(raw, isIDTokenType); err != nil {
		return nil, err
	}
	keys := &payloadKeeper{keys: t.keys}
	verifier := oidc.NewVerifier(t.issuer, keys, &oidc.Config{
		ClientID:             app.ClientID,
		SupportedSigningAlgs: acceptedAlgs,
		Now:                  func() time.Time { return t.now().Add(-skew) },
	})
	// The library's own checks only come last: their errors quote claims and cannot be told apart.
	_, refusal := verifier.Verify(ctx, raw)
	switch {
	case keys.err != nil:
		return nil, keys.err
	case keys.payload == nil:
		return nil, invalid("malformed")
	}
	claims, err := parseClaims(keys.payload)
	if err != nil {
		return nil, err
	}
	for _, rule := range rules(claims) {
		if !rule.holds {
			return nil, invalid(rule.reason)
		}
	}
	if refusal != nil {
		return nil, invalid("malformed")
	}
	return newIDToken(claims), nil
}

// payloadKeeper is an oidc.KeySet that keeps what the library does not hand out: the signed payload and the error as it was.
type payloadKeeper struct {
	keys    *keySet
	payload []byte
	err     error
}

// VerifySignature asks the tenant's keys.
func (p *payloadKeeper) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	p.payload, p.err = p.keys.VerifySignature(ctx, token)
	return p.payload, p.err
}

// isIDTokenType takes typ, or its absence, as OpenID Connect Core 1.0 leaves it.
func isIDTokenType(typ *string) bool { return typ == nil || strings.EqualFold(*typ, "JWT") }

// checkForm refuses what is not a compact JWS with a header that we understand, before anything costs time, memory or a request.
// It returns the payload, which nobody has verified yet.
func checkForm(raw string, isType func(typ *string) bool) ([]byte, error) {
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 {
		return nil, invalid("malformed")
	}
	var header struct {
		Algorithm string               `json:"alg"`
		Type      *string              `json:"typ"`
		KeyID     string               `json:"kid"`
		Critical  exactjson.RawMessage `json:"crit"`
		Base64    exactjson.RawMessage `json:"b64"`
	}
	parts := strings.Split(raw, ".")
	decoded := make([][]byte, len(parts))
	for i, part := range parts {
		var err error
		// The decoder itself skips line breaks.
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") || part == "" {
			return nil, invalid("malformed")
		}
	}
	switch err := decodeExactly(decoded[0], &header); {
	case err != nil, len(header.Critical) > 0, len(header.Base64) > 0, len(header.KeyID) > maxKeyID:
		return nil, invalid("malformed")
	case !slices.Contains(acceptedAlgs, header.Algorithm):
		return nil, invalid("algorithm")
	case !isType(header.Type):
		return nil, invalid("token_type")
	}
	return decoded[1], nil
}

// rule is one thing that a token has to be, and the reason to refuse one that is not.
type rule struct {
	reason string
	holds  bool
}

// rulesFor are the rules of every ID token.
func (t *Tenant) rulesFor(c claims, app Application, accessToken Secret) []rule {
	now := t.now()
	return []rule{
		{"token_type", !c.has("events")},
		{"issuer", c["iss"] == any(t.issuer)},
		{"audience", onlyFor(app.ClientID, c.audience())},
		{"azp", authorizes(app.ClientID, c)},
		{"subject", is(c.identifier("sub", maxSubject))},
		{"sid", !c.has("sid") || is(c.identifier("sid", maxSID))},
		{"issued_at", issuedLately(c, now)},
		{"expired", endsAfter(c, "exp", now.Add(-skew))},
		{"not_before", !c.has("nbf") || beginsBy(c, "nbf", now.Add(skew))},
		{"at_hash", fitsAccessToken(c, accessToken)},
		{"session_expiry", !is(c.time("session_expiry")) || endsAfter(c, "session_expiry", now)},
	}
}

func is[T any](_ T, ok bool) bool { return ok }

// onlyFor refuses audiences besides our own: none is trusted (OpenID Connect Core 1.0 section 3.1.3.7, 3).
func onlyFor(clientID string, audience []string) bool {
	return clientID != "" && len(audience) > 0 && !slices.ContainsFunc(audience, func(a string) bool { return a != clientID })
}

func authorizes(clientID string, c claims) bool {
	if !c.has("azp") {
		return len(c.audience()) == 1
	}
	return c["azp"] == any(clientID)
}

func issuedLately(c claims, now time.Time) bool {
	return beginsBy(c, "iat", now.Add(skew)) && endsAfter(c, "iat", now.Add(-maxIssuedAge-skew))
}

func signedInLately(c claims, maxAge time.Duration, now time.Time) bool {
	return signedInSince(c, now.Add(-maxAge), now)
}

func signedInSince(c claims, moment, now time.Time) bool {
	return beginsBy(c, "auth_time", now.Add(skew)) && endsAfter(c, "auth_time", moment.Add(-skew))
}

func endsAfter(c claims, name string, moment time.Time) bool {
	at, ok := c.time(name)
	return ok && at.After(moment)
}

func beginsBy(c claims, name string, moment time.Time) bool {
	at, ok := c.time(name)
	return ok && !at.After(moment)
}

func sameNonce(c claims, nonce string) bool {
	got, ok := c.text("nonce")
	return ok && nonce != "" && subtle.ConstantTimeCompare([]byte(got), []byte(nonce)) == 1
}

// fitsAccessToken compares at_hash (OpenID Connect Core 1.0 section 3.1.3.6). All accepted algorithms hash with SHA-256.
func fitsAccessToken(c claims, accessToken Secret) bool {
	if !c.has("at_hash") || accessToken == "" {
		return true
	}
	got, ok := c.text("at_hash")
	sum := sha256.Sum256([]byte(accessToken))
	want := base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	return ok && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

func newIDToken(c claims) *IDToken {
	token := &IDToken{Claims: c}
	token.Subject, _ = c.text("sub")
	token.SID, _ = c.text("sid")
	token.IssuedAt, _ = c.time("iat")
	token.Expiry, _ = c.time("exp")
	token.AuthTime, _ = c.time("auth_time")
	token.SessionExpiry, _ = c.time("session_expiry")
	return token
}
