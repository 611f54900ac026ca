package caddyauth0oidc

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
)

// Rule asks for a claim of the user.
type Rule struct {
	// Claim is the claim's name: `connection`, `org_id` or another one; dots lead
	// into objects and arrays, as in `app_metadata.plan`, and a name with dots of
	// its own may stand in double quotes. `email_domain` stands for the domain of
	// the user's verified e-mail address. Required.
	Claim string `json:"claim,omitempty"`

	// Values are alternatives, each the whole text of the claim, or of one element
	// of a list. `*` stands for any characters; a value that begins with `~` is a
	// regular expression (RE2) for the whole text; a backslash takes the meaning
	// from `*`, `~` and itself. Those of `email_domain` are domains, such as
	// `example.com`, or `*.example.com` for all below it, and at least one is
	// required. Placeholders are not resolved. Default: none, which asks whether
	// the claim is there and is not false, "", [] or {}.
	Values []string `json:"values,omitempty"`
}

// rule reads one line, which is added to those of a preset: what a directive asks
// for beside them can only keep more people out.
//
//	require <claim> [<value>...]
//	deny    <claim> [<value>...]
func rule(field func(*Handler) *[]Rule) setting {
	return func(h *Handler, d *caddyfile.Dispenser) error {
		added, err := parseRule(d, d.Val(), d.RemainingArgs())
		*field(h) = append(*field(h), added)
		return err
	}
}

func parseRule(d *caddyfile.Dispenser, name string, args []string) (Rule, error) {
	if len(args) == 0 {
		return Rule{}, d.Errf("'%s' needs the name of a claim, and values if it has to be one of them", name)
	}
	r := Rule{Claim: args[0], Values: args[1:]}
	if _, err := policy.NewRule(r.Claim, r.Values); err != nil {
		return Rule{}, d.Errf("%s: %w", name, err)
	}
	return r, nil
}

func newRules(written []Rule) ([]policy.Rule, error) {
	var rules []policy.Rule
	for i, r := range written {
		made, err := policy.NewRule(r.Claim, r.Values)
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
		rules = append(rules, made)
	}
	return rules, nil
}

func checkRules(written []Rule) error {
	_, err := newRules(written)
	return err
}

// prepareRules makes the rules that the requests are judged by.
func (h *Handler) prepareRules() (err error) {
	if h.rules.Require, err = newRules(h.Require); err != nil {
		return fmt.Errorf("require: %w", err)
	}
	if h.rules.Deny, err = newRules(h.Deny); err != nil {
		return fmt.Errorf("deny: %w", err)
	}
	return nil
}

// forbid answers a signed-in user whom a rule keeps out. What earlier directives
// said about the user is taken back, as for a session that is not accepted.
func (h *Handler) forbid(w http.ResponseWriter, r *http.Request, v *visit, cause error) error {
	v.speaks = true
	v.withdraw(r)
	return h.refuse(w, r, refusal{
		code: codeForbidden, status: http.StatusForbidden, cause: cause, another: h.anotherAccountURL(r), about: partyOf(&v.session),
	})
}

// anotherAccountURL is where a login begins that asks who the user is, and that
// ends where this request wanted to go.
func (h *Handler) anotherAccountURL(r *http.Request) string {
	returnTo := "/"
	if isRead(r) {
		returnTo = h.localReturnTo(r, originalAddress(r))
	}
	return h.loginURLAsking(r, promptLogin) + returnParameter(returnTo)
}
