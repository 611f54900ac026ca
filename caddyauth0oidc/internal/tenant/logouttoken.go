package tenant

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// maxLogoutToken bounds what anybody may send as a logout token. Auth0's have less than one kilobyte.
	maxLogoutToken = 8 << 10
	// maxLogoutAge is how old a logout token may be. Auth0's end after two minutes.
	maxLogoutAge = 5 * time.Minute
	maxTokenID   = 255

	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// LogoutToken is a verified logout token: which session of the tenant has ended, or whose. One of SID and Subject is there.
type LogoutToken struct {
	// Issuer is the tenant.
	Issuer string
	// TokenID tells the tokens of the issuer apart (the claim jti).
	TokenID string
	// SID is the id of the session at the tenant that has ended; empty for all of the user's.
	SID string
	// Subject is the user's id at the tenant; empty when the token names the session alone.
	Subject string
	// IssuedAt is when the token was made.
	IssuedAt time.Time
	// UsableUntil is from when on the token is refused for its age.
	UsableUntil time.Time
}

// VerifyLogoutToken verifies a logout token as OpenID Connect Back-Channel Logout 1.0 section 2.6 says, all but that it is seen
// for the first time. The typ may be JWT, as Auth0's is, or logout+jwt. What says of itself that it is of no use here costs no
// signature and no request for keys. The error is an *InvalidTokenError, or an *UnavailableError when the keys are not known.
func (t *Tenant) VerifyLogoutToken(ctx context.Context, app Application, raw string) (*LogoutToken, error) {
	claims, unverified, err := readLogoutToken(raw)
	if err != nil {
		return nil, err
	}
	if reason := t.judgeLogout(claims, app); reason != "" {
		return nil, invalid(reason)
	}
	keys := &payloadKeeper{keys: t.keys}
	verifier := oidc.NewVerifier(t.issuer, keys, &oidc.Config{
		ClientID:             app.ClientID,
		SupportedSigningAlgs: acceptedAlgs,
		Now:                  func() time.Time { return t.now().Add(-skew) },
	})
	_, refusal := verifier.VerifyLogout(ctx, raw)
	switch {
	case keys.err != nil:
		return nil, keys.err
	case refusal != nil || !bytes.Equal(keys.payload, unverified):
		return nil, invalid("malformed")
	}
	return newLogoutToken(claims), nil
}

// LogoutTokenFor tells of whom a logout token that nobody has verified yet says to be, and for which applications. The error is
// an *InvalidTokenError.
func LogoutTokenFor(raw string) (issuer string, audience []string, err error) {
	c, _, err := readLogoutToken(raw)
	if err != nil {
		return "", nil, err
	}
	issuer, _ = c.text("iss")
	return issuer, c.audience(), nil
}

// readLogoutToken decodes what nobody has verified yet.
func readLogoutToken(raw string) (c claims, payload []byte, err error) {
	if len(raw) > maxLogoutToken {
		return nil, nil, invalid("malformed")
	}
	if payload, err = checkForm(raw, isLogoutTokenType); err != nil {
		return nil, nil, err
	}
	if !isSimple(payload) {
		return nil, nil, invalid("malformed")
	}
	c, err = parseClaims(payload)
	return c, payload, err
}

// isLogoutTokenType takes the type of section 2.4, which Auth0 does not use, and what it uses in its place.
func isLogoutTokenType(typ *string) bool {
	return isIDTokenType(typ) || slices.ContainsFunc([]string{"logout+jwt", "application/logout+jwt"}, func(known string) bool {
		return strings.EqualFold(*typ, known)
	})
}

// tokenHashes are claims that ID tokens alone have.
var tokenHashes = []string{"at_hash", "c_hash", "s_hash"}

// judgeLogout goes through the claims and returns the reason to refuse them, empty for none.
func (t *Tenant) judgeLogout(c claims, app Application) string {
	now := t.now()
	rules := []struct {
		reason string
		holds  bool
	}{
		{"events", saysLogout(c)},
		{"nonce", !c.has("nonce")},
		{"token_type", !slices.ContainsFunc(tokenHashes, c.has)},
		{"issuer", c["iss"] == any(t.issuer)},
		{"audience", onlyFor(app.ClientID, c.audience())},
		{"azp", authorizes(app.ClientID, c)},
		{"issued_at", beginsBy(c, "iat", now.Add(skew)) && endsAfter(c, "iat", now.Add(-maxLogoutAge))},
		{"expired", endsAfter(c, "exp", now.Add(-skew))},
		{"not_before", !c.has("nbf") || beginsBy(c, "nbf", now.Add(skew))},
		{"token_id", is(c.identifier("jti", maxTokenID))},
		{"subject", c.has("sub") || c.has("sid")},
		{"subject", !c.has("sub") || is(c.identifier("sub", maxSubject))},
		{"sid", !c.has("sid") || is(c.identifier("sid", maxSID))},
	}
	for _, rule := range rules {
		if !rule.holds {
			return rule.reason
		}
	}
	return ""
}

// saysLogout looks for the member of events that makes a logout token. Others may stand beside it.
func saysLogout(c claims) bool {
	events, _ := c["events"].(map[string]any)
	_, isObject := events[logoutEvent].(map[string]any)
	return isObject
}

func newLogoutToken(c claims) *LogoutToken {
	token := new(LogoutToken)
	token.Issuer, _ = c.text("iss")
	token.TokenID, _ = c.text("jti")
	token.SID, _ = c.text("sid")
	token.Subject, _ = c.text("sub")
	token.IssuedAt, _ = c.time("iat")
	token.UsableUntil, _ = c.time("exp")
	token.UsableUntil = token.UsableUntil.Add(skew)
	if old := token.IssuedAt.Add(maxLogoutAge); old.Before(token.UsableUntil) {
		token.UsableUntil = old
	}
	return token
}
