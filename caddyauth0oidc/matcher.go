package caddyauth0oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
)

func init() {
	caddy.RegisterModule(MatchClaim{})
}

// MatchClaim matches requests of a signed-in user by the user's claims.
//
// It asks about the user whom a handler `auth0_oidc` that the request has passed
// let in, and matches nobody where there is none: on pages that are not protected,
// for users without a session, and wherever it is evaluated before the handler, as
// those of directives that Caddy orders before it are, such as `redir` and `rewrite`.
// A handler whose own matcher it is protects every request that no other handler of
// this module has protected before.
type MatchClaim struct {
	// Rules have all to hold, as those of the handler's `require`. At least one is
	// required.
	Rules []Rule `json:"rules,omitempty"`

	rules policy.Rules
}

// CaddyModule returns the module's id and constructor.
func (MatchClaim) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.auth0_claim",
		New: func() caddy.Module { return new(MatchClaim) },
	}
}

// UnmarshalCaddyfile reads one rule, or several of which all have to hold:
//
//	auth0_claim <claim> [<value>...]
//	auth0_claim {
//		<claim> [<value>...]
//	}
func (m *MatchClaim) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		name, args, before := d.Val(), d.RemainingArgs(), len(m.Rules)
		if len(args) > 0 {
			if err := m.add(d, name, args); err != nil {
				return err
			}
		}
		for nesting := d.Nesting(); d.NextBlock(nesting); {
			if len(args) > 0 {
				return d.Errf("'%s' has a rule on its line; write it inside the block, too, or leave the block out", name)
			}
			if err := m.add(d, name, append([]string{d.Val()}, d.RemainingArgs()...)); err != nil {
				return err
			}
		}
		if len(m.Rules) == before {
			return d.Errf("'%s' needs the name of a claim, and values if it has to be one of them", name)
		}
	}
	return nil
}

func (m *MatchClaim) add(d *caddyfile.Dispenser, name string, args []string) error {
	r, err := parseRule(d, name, args)
	m.Rules = append(m.Rules, r)
	return err
}

// asksClaims tells whether the matcher is among those of a handler, within another one
// as well, such as not.
func asksClaims(matchers caddyhttp.RawMatcherSets) bool {
	written, err := json.Marshal(matchers)
	return err != nil || bytes.Contains(written, []byte("auth0_claim"))
}

var errNoRule = errors.New("auth0_claim has no rule; write the name of a claim, and values if it has to be one of them")

// Provision makes the rules.
func (m *MatchClaim) Provision(caddy.Context) (err error) {
	if len(m.Rules) == 0 {
		return errNoRule
	}
	m.rules.Require, err = newRules(m.Rules)
	return err
}

// MatchWithError tells whether a signed-in user has the claims. It never fails.
func (m *MatchClaim) MatchWithError(r *http.Request) (bool, error) {
	v := visitOf(r)
	return v != nil && v.identity.plan != nil && m.rules.Judge(v.identity.profile) == nil, nil
}

var (
	_ caddy.Provisioner                 = (*MatchClaim)(nil)
	_ caddyfile.Unmarshaler             = (*MatchClaim)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchClaim)(nil)
)
