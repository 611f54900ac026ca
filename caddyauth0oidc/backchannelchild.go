package caddyauth0oidc

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// parseBackchannelLogout reads, in a child:
//
//	backchannel_logout on | off
func (c *Child) parseBackchannelLogout(d *caddyfile.Dispenser) error {
	const on, off = "on", "off"
	var value string
	if err := oneArg(d, &value, func(string) error { return nil }); err != nil {
		return err
	}
	if err := oneOf(value, []string{on, off}); err != nil { // a placeholder is none of them
		return d.Errf("backchannel_logout: %w", err)
	}
	c.BackchannelLogout = value == on
	return nil
}

// checkChildLogout refuses a child that would end sessions of users of another application
// or, behind a name that is another one at every request, of another child.
func (c Connection) checkChildLogout() error {
	switch {
	case !c.Child.BackchannelLogout:
	case c.Child.ClientID == "":
		return errors.New("backchannel_logout needs 'client_id', the application in the child tenant that the connection uses: " +
			"logout tokens for others must not count")
	case c.isDynamic():
		return fmt.Errorf("backchannel_logout cannot tell whose users the child's are behind '%s'; give each connection a directive and matcher of its own", c.Name)
	}
	return nil
}

// namesBehindChild are the connection's names if its child may end sessions.
func (c Connection) namesBehindChild() []string {
	if c.Child == nil || !c.Child.BackchannelLogout {
		return nil
	}
	return c.names()
}

// federatedStrategies are those with which ids of the connection's users can begin.
func (c Connection) federatedStrategies() []string {
	if c.Strategy == policy.StrategyAuth0OIDC || c.Strategy == policy.StrategyOIDC {
		return []string{c.Strategy}
	}
	return []string{policy.StrategyAuth0OIDC, policy.StrategyOIDC}
}

// marksOfChild ends the sessions of the child's user for every directive that has this
// child's application behind a connection and lets it end sessions: a child knows one
// address for all of them, and its sessions nobody here. It speaks for no other connection.
func (s logoutSender) marksOfChild(token *tenant.LogoutToken) map[*ledger][]revocation.Mark {
	found := make(map[*ledger][]revocation.Mark)
	for l, ids := range s.usersOfChild(token.Subject) {
		for _, id := range ids {
			found[l] = append(found[l], revocation.OfSubject(id, s.endedBy(token), l.until(true)))
		}
	}
	return found
}

// usersOfChild gives the ids at the master that a user of the child can have.
func (s logoutSender) usersOfChild(sub string) map[*ledger][]string {
	ids := make(map[*ledger][]string)
	for _, h := range everyHandler(s.handler) {
		for _, c := range h.Connections {
			for _, name := range c.namesBehindChild() {
				if h.childTenants[name].tenant != s.tenant || c.Child.ClientID != s.application.ClientID {
					continue
				}
				for _, strategy := range c.federatedStrategies() {
					if id := strategy + "|" + name + "|" + sub; !slices.Contains(ids[h.ledger], id) {
						ids[h.ledger] = append(ids[h.ledger], id)
					}
				}
			}
		}
	}
	return ids
}
