package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// Rule asks for a claim of the user. Make it by NewRule.
type Rule struct {
	claim   string
	field   func(*profile.Profile) string // nil if the claim is to be looked for
	values  []value                       // alternatives; without one the claim has to be there
	domains []domain                      // of email_domain, in place of values
}

var (
	errNoClaim    = errors.New("the claim has no name; write one, such as email_verified")
	errClaimSpace = errors.New("there is a space around the name of the claim; leave it out")
	errNoDomain   = errors.New("email_domain needs a domain; write it like example.com")

	errLeftOut     = errors.New("the claim speaks of the token, and is not kept; write one about the user, such as client_id in place of azp and aud")
	errEmailDomain = errors.New("there is no such claim; write email_domain")
)

// NewRule makes a rule about a claim, by its path as in profile.Profile.Claim.
//
// A value is the exact text of the claim, with * for any characters, or behind
// ~ a regular expression of the syntax RE2 for the whole text; a backslash takes
// the meaning from *, ~ and itself. Of several values one has to match; of an
// array one element. Numbers have the digits that were sent, booleans are true
// and false; objects, and arrays in an array, match nothing. Without values the
// claim has to be there and not be false, "", [] or {}.
//
// The values of the claim email_domain are domains, *.example.com for all below
// one. They are compared with the domain of the user's verified address.
func NewRule(claim string, values []string) (Rule, error) {
	switch {
	case claim == "":
		return Rule{}, errNoClaim
	case strings.TrimSpace(claim) != claim:
		return Rule{}, fmt.Errorf("%q: %w", claim, errClaimSpace)
	case placeholder.MatchString(claim):
		return Rule{}, fmt.Errorf("%q: %w", claim, errPlaceholder)
	case claim == emailDomain:
		return newDomainRule(values)
	case profile.LeftOut(claim):
		return Rule{}, fmt.Errorf("%q: %w", claim, errLeftOut)
	case looksLikeEmailDomain(claim):
		return Rule{}, fmt.Errorf("%q: %w", claim, errEmailDomain)
	}
	r := Rule{claim: claim, field: profile.Field(claim)}
	for _, written := range values {
		v, err := newValue(written)
		if err != nil {
			return Rule{}, err
		}
		r.values = append(r.values, v)
	}
	return r, nil
}

// looksLikeEmailDomain finds what is meant for email_domain: as a claim that nobody has
// it would deny nobody.
func looksLikeEmailDomain(claim string) bool {
	plain := strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(claim))
	return plain == "emaildomain" || plain == "emaildomains"
}

func newDomainRule(values []string) (Rule, error) {
	if len(values) == 0 {
		return Rule{}, errNoDomain
	}
	r := Rule{claim: emailDomain}
	for _, written := range values {
		d, err := newDomain(written)
		if err != nil {
			return Rule{}, err
		}
		r.domains = append(r.domains, d)
	}
	return r, nil
}

// verdict is the answer to a rule. Whatever is neither yes nor no lets nobody in.
type verdict int

const (
	unknown verdict = iota
	no
	yes
)

func verdictOf(holds bool) verdict {
	if holds {
		return yes
	}
	return no
}

// user is whom the rules of one request ask about.
type user struct {
	*profile.Profile
	claims *profile.Claims // nil until a rule needs them
}

func (r *Rule) ask(u *user) verdict {
	switch {
	case r.domains != nil:
		return r.askDomain(u)
	case r.field != nil:
		return verdictOf(r.fieldMatches(r.field(u.Profile)))
	}
	if u.claims == nil {
		u.claims = u.Claims()
	}
	claim, found := u.claims.Find(r.claim)
	return verdictOf(found && r.claimMatches(claim))
}

func (r *Rule) askDomain(u *user) verdict {
	name, ok := domainOf(u.Profile)
	if !ok {
		return unknown
	}
	for _, d := range r.domains {
		if d.has(name) {
			return yes
		}
	}
	return no
}

// fieldMatches knows that of all fields email_verified alone is a boolean.
func (r *Rule) fieldMatches(text string) bool {
	switch {
	case text == "":
		return false
	case len(r.values) == 0:
		return r.claim != "email_verified" || text == "true"
	}
	return r.textMatches(text)
}

func (r *Rule) claimMatches(claim any) bool {
	if len(r.values) == 0 {
		return isThere(claim)
	}
	list, ok := claim.([]any)
	if !ok {
		return r.scalarMatches(claim)
	}
	for _, element := range list {
		if r.scalarMatches(element) {
			return true
		}
	}
	return false
}

func (r *Rule) scalarMatches(claim any) bool {
	switch c := claim.(type) {
	case string:
		return r.textMatches(c)
	case json.Number:
		return r.textMatches(c.String())
	case bool:
		if c {
			return r.textMatches("true")
		}
		return r.textMatches("false")
	}
	return false
}

func (r *Rule) textMatches(text string) bool {
	for i := range r.values {
		if r.values[i].matches(text) {
			return true
		}
	}
	return false
}

func isThere(claim any) bool {
	switch c := claim.(type) {
	case nil:
		return false
	case bool:
		return c
	case string:
		return c != ""
	case []any:
		return len(c) > 0
	case map[string]any:
		return len(c) > 0
	}
	return true
}
