package caddyauth0oidc

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// UserIDAs names the connection that the user ids of another one are shown to be of.
type UserIDAs struct {
	// Strategy is `auth0-oidc` or `oidc`. Required.
	Strategy string `json:"strategy,omitempty"`

	// Connection is the name that the connection had. Placeholders are resolved when
	// the configuration is loaded. Default: the connection's own name.
	Connection string `json:"connection,omitempty"`
}

// parseUserIDAs reads, within a connection:
//
//	user_id_as auth0-oidc | oidc [<name>]
func (c *Connection) parseUserIDAs(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 1 && len(args) != 2 {
		return d.Errf("'user_id_as' needs the old strategy and, if the connection had another name, that name, not %d values", len(args))
	}
	if err := checkShownStrategy(args[0]); err != nil {
		return d.Errf("user_id_as: %w", err)
	}
	c.UserIDAs = &UserIDAs{Strategy: args[0]}
	if len(args) == 1 {
		return nil
	}
	c.UserIDAs.Connection = args[1]
	if hasPlaceholder(args[1]) {
		return nil
	}
	if err := checkConnection(args[1]); err != nil {
		return d.Errf("user_id_as: %w", err)
	}
	return nil
}

func checkShownStrategy(strategy string) error {
	return oneOf(strategy, []string{policy.StrategyAuth0OIDC, policy.StrategyOIDC})
}

// resolve keeps a placeholder that stands for nothing but a line end from naming the
// connection itself.
func (as *UserIDAs) resolve(replace func(setting string, value *string) error) error {
	if as == nil || as.Connection == "" {
		return nil
	}
	if err := replace("user_id_as", &as.Connection); err != nil {
		return err
	}
	return named("user_id_as", checkConnection(as.Connection))
}

// checkUserIDs judges the connections together, unless a name is not known yet.
func checkUserIDs(connections []Connection) error {
	if slices.ContainsFunc(connections, func(c Connection) bool {
		return hasPlaceholder(c.Name) || c.UserIDAs != nil && hasPlaceholder(c.UserIDAs.Connection)
	}) {
		return nil
	}
	_, err := newUserIDs(connections)
	return err
}

// newUserIDs leaves out connections without the setting that are not possible, of which
// others tell.
func newUserIDs(connections []Connection) (policy.UserIDs, error) {
	var all []policy.Shown
	for _, c := range connections {
		for _, name := range c.names() {
			connection, err := policy.NewConnection(name, c.Strategy)
			if err != nil && c.UserIDAs == nil {
				continue
			}
			if err != nil {
				return policy.UserIDs{}, err
			}
			one := policy.Shown{Connection: connection}
			if one.As, err = c.UserIDAs.of(name); err != nil {
				return policy.UserIDs{}, err
			}
			all = append(all, one)
		}
	}
	return policy.NewUserIDs(all)
}

// of gives the connection that one of this name is shown as, the zero value for itself.
func (as *UserIDAs) of(name string) (policy.Connection, error) {
	if as == nil {
		return policy.Connection{}, nil
	}
	if err := checkShownStrategy(as.Strategy); err != nil {
		return policy.Connection{}, fmt.Errorf("the strategy: %w", err)
	}
	return policy.NewConnection(cmp.Or(as.Connection, name), as.Strategy)
}

// prepareUserIDs makes what the ids of users are shown by.
func (h *Handler) prepareUserIDs() (err error) {
	if h.userIDs, err = newUserIDs(h.Connections); err != nil {
		return fmt.Errorf("user_id_as: %w", err)
	}
	return nil
}

// shown gives the profile with the user id that applications, rules and placeholders
// know the user by. The session keeps the real one, which every judgement of the
// connection is about.
func (h *Handler) shown(p *profile.Profile) *profile.Profile {
	id := h.userIDs.Show(p.UserID)
	if id == p.UserID {
		return p
	}
	renamed := *p
	renamed.UserID = id
	return &renamed
}

// shownFor is shown for the session of a request, whose user may have come in by a linked
// identity.
func (h *Handler) shownFor(r *http.Request, p *profile.Profile) *profile.Profile {
	shown := h.shown(p)
	if h.fromManagement() || h.judgesChild() {
		shown = h.withoutForeignChild(r, shown)
	}
	if !h.fromManagement() || h.connectionsFor(r).Judge(p.UserID) == nil {
		return shown
	}
	if _, same := h.userIDs.Takes(p.UserID); same {
		return shown
	}
	return shown.Foreign()
}

// warnOfUserIDs tells of directives of a site that show users of the same tenant with
// different ids, or different users with the same one: they are for the same application
// as a rule, and the others may be for another. Which directives a site has is known
// only when it is asked for something.
func (h *Handler) warnOfUserIDs(s *site) {
	for i, one := range s.handlers {
		for _, other := range s.handlers[i+1:] {
			if one.shared.tenant.Issuer() == other.shared.tenant.Issuer() && one.userIDs.Clashes(other.userIDs) {
				h.logger.Warn("two directives of a site show a user with different ids, or two users with the same one; " +
					"write user_id_as in both of them, or let them lead to different applications")
				return
			}
		}
	}
}
