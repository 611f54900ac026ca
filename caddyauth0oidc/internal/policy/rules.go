package policy

import (
	"fmt"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// Rules say which users may pass: those for whom every rule of Require holds, and
// none of Deny. Without rules everybody may.
type Rules struct {
	Require []Rule
	Deny    []Rule
}

// RuleError says which rule keeps a user out. It has nothing of the user in it.
type RuleError struct {
	Kind   string // require or deny
	Number int    // among the rules of its kind, from 1
	Claim  string // as it stands in the rule
}

// Error names the rule.
func (e *RuleError) Error() string {
	return fmt.Sprintf("judging the rules: the user is kept out by rule %d of %s, about the claim %q", e.Number, e.Kind, e.Claim)
}

// Judge returns nil if the user may pass, and otherwise a *RuleError. Deny is asked
// first. A rule about email_domain can be answered for a verified address only, one
// that can be read without doubt: everybody else is kept out, by Require and by
// Deny, so that an address which hides its domain is no way around either.
func (r Rules) Judge(p *profile.Profile) error {
	u := user{Profile: p}
	for i := range r.Deny {
		if rule := &r.Deny[i]; rule.ask(&u) != no {
			return &RuleError{"deny", i + 1, rule.claim}
		}
	}
	for i := range r.Require {
		if rule := &r.Require[i]; rule.ask(&u) != yes {
			return &RuleError{"require", i + 1, rule.claim}
		}
	}
	return nil
}
