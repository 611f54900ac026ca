package upstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// The limits of AssertionConfig.TTL.
const (
	MinAssertionTTL = 10 * time.Second
	MaxAssertionTTL = 10 * time.Minute
)

// AssertionConfig says what an assertion is for.
type AssertionConfig struct {
	// Audience is the claim aud: the application that may accept it. Required.
	Audience string

	// TTL is how long it is valid, from MinAssertionTTL to MaxAssertionTTL.
	TTL time.Duration

	// Claims are paths as profile.Claim finds them. Each becomes a claim of the
	// same name, without the double quotes that it is written with.
	Claims []string
}

// Assertion makes JWTs (RFC 7519) that tell the application who the user is. It is
// safe for concurrent use.
type Assertion struct {
	audience string
	ttl      time.Duration
	claims   []assertedClaim
}

type assertedClaim struct{ name, path string }

// registered are the claims that an assertion has of its own, or that would change
// when it is valid.
var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// NewAssertion checks the configuration. Names are compared without case, because
// applications may decode JSON so.
func NewAssertion(c AssertionConfig) (*Assertion, error) {
	if strings.TrimSpace(c.Audience) == "" {
		return nil, errors.New("it has no audience: write the name by which the application knows itself, such as https://legacy.internal")
	}
	if c.TTL < MinAssertionTTL || c.TTL > MaxAssertionTTL {
		return nil, fmt.Errorf("a ttl of %s is not possible: write one from %s to %s", c.TTL, MinAssertionTTL, MaxAssertionTTL)
	}
	a := &Assertion{audience: c.Audience, ttl: c.TTL}
	for _, path := range c.Claims {
		claim := assertedClaim{strings.ReplaceAll(path, `"`, ""), path}
		if err := a.checkClaim(claim); err != nil {
			return nil, err
		}
		a.claims = append(a.claims, claim)
	}
	return a, nil
}

func (a *Assertion) checkClaim(claim assertedClaim) error {
	same := func(other string) bool { return strings.EqualFold(claim.name, other) }
	switch {
	case strings.TrimSpace(claim.name) != claim.name || claim.name == "":
		return fmt.Errorf("%q is not the name of a claim: write one such as email", claim.path)
	case slices.ContainsFunc(registered, same):
		return fmt.Errorf("the claim %q belongs to the assertion itself (RFC 7519 section 4.1): leave it out; the user's id is always in sub", claim.path)
	case slices.ContainsFunc(a.claims, func(other assertedClaim) bool { return same(other.name) }):
		return fmt.Errorf("the claim %q stands there twice, perhaps in another spelling: keep one of the two", claim.path)
	}
	return nil
}

// Occasion is what an assertion depends on besides the user.
type Occasion struct {
	Issuer string    // the claim iss
	ID     string    // the claim jti
	Now    time.Time // the claim iat
	Until  time.Time // the end of the session, which no assertion outlives
}

// Signed is a JWT in its compact serialisation.
type Signed struct {
	Text    string
	Expires time.Time // the claim exp, in whole seconds
}

// Sign makes an assertion about the user with the first of the keys. There is no
// nbf: it would say the same as iat, and clocks that differ would be one more
// reason to refuse it.
func (a *Assertion) Sign(keys *SigningKeys, p *profile.Profile, o Occasion) (Signed, error) {
	expires := o.Now.Add(a.ttl)
	if o.Until.Before(expires) {
		expires = o.Until
	}
	expires = time.Unix(expires.Unix(), 0)
	members := map[string]any{
		"iss": o.Issuer, "aud": a.audience, "sub": p.UserID, "jti": o.ID, "iat": o.Now.Unix(), "exp": expires.Unix(),
	}
	claims := p.Claims()
	for _, c := range a.claims {
		if value, ok := claims.Find(c.path); ok {
			members[c.name] = value
		}
	}
	payload, err := json.Marshal(members)
	if err != nil {
		return Signed{}, fmt.Errorf("encoding the claims: %w", err)
	}
	text, err := keys.sign(payload)
	return Signed{text, expires}, err
}
