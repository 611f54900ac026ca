package caddyauth0oidc

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Child is the tenant behind a connection.
type Child struct {
	// Domain is the child tenant's domain, or its full URL; the issuer of its tokens is
	// `https://<domain>/`, below which its logout page is, too. Placeholders are resolved
	// when the configuration is loaded. Required.
	Domain string `json:"domain,omitempty"`

	// ClientID is the client id of the application in the child tenant that the connection
	// uses, for which the child's tokens have to be. `logout` `child` and
	// BackchannelLogout need it. Placeholders are resolved when the configuration is
	// loaded. Default: none, tokens for any application will do.
	ClientID string `json:"client_id,omitempty"`

	// BackchannelLogout lets the child end the sessions of its users that came by this
	// connection, by logout tokens of its own (OpenID Connect Back-Channel Logout 1.0). It
	// needs a ClientID, and a connection without placeholders of requests. Default: off.
	BackchannelLogout bool `json:"backchannel_logout,omitempty"`
}

// parseChild reads, in a connection:
//
//	child {
//		domain    <domain>
//		client_id <id>
//		backchannel_logout on | off
//	}
func (c *Connection) parseChild(d *caddyfile.Dispenser) error {
	c.Child = new(Child)
	err := parseFields(d, fields{
		"domain":    func() error { return oneArg(d, &c.Child.Domain, checkDomain) },
		"client_id": func() error { return oneArg(d, &c.Child.ClientID, checkNotEmpty) },

		"backchannel_logout": func() error { return c.Child.parseBackchannelLogout(d) },
	})
	if err == nil && c.Child.Domain == "" {
		return d.Errf("child: %w", errChildDomain)
	}
	return err
}

var errChildDomain = errors.New("'domain' is missing; add the domain of the child tenant, like acme-child.eu.auth0.com")

// resolve replaces the placeholders.
func (c *Child) resolve(replace func(setting string, value *string) error) error {
	if c == nil {
		return nil
	}
	return errors.Join(replace("child domain", &c.Domain), replace("child client_id", &c.ClientID))
}

// checkChildren refuses children that are not named, and the master.
func (h *Handler) checkChildren() error {
	for _, c := range h.Connections {
		if c.Child == nil {
			continue
		}
		if c.Child.Domain == "" {
			return errChildDomain
		}
		if err := c.checkChildLogout(); err != nil {
			return err
		}
		if hasPlaceholder(c.Child.Domain) {
			continue
		}
		issuer, err := tenant.IssuerOf(c.Child.Domain)
		if err != nil {
			return err
		}
		if issuer == h.issuer() {
			return fmt.Errorf("'%s' is the master tenant; write the domain of the child", c.Child.Domain)
		}
	}
	return nil
}

// children keeps the child tenants, with their keys, for all handlers, across reloads.
var children = caddy.NewUsagePool()

// childTenant is one of them.
type childTenant struct {
	key    string
	tenant *tenant.Tenant
	memory *tenantMemory
	now    func() time.Time
}

// Destruct is called when the last handler is gone.
func (c *childTenant) Destruct() error {
	c.tenant.Close()
	return nil
}

func acquireChild(domain string, by passage) (*childTenant, error) {
	issuer, err := tenant.IssuerOf(domain)
	if err != nil {
		return nil, err
	}
	key := by.key + issuer
	value, _, err := children.LoadOrNew(key, func() (caddy.Destructor, error) {
		c := &childTenant{key: key, now: time.Now, memory: newTenantMemory(issuer, by)}
		c.tenant, err = tenant.New(tenant.Config{
			Issuer: issuer, Egress: by.Egress, Now: func() time.Time { return c.now() }, Memory: c.memory, Warn: c.memory.warn,
			Observer: newCallObserver(issuer, "", func() time.Time { return c.now() }),
		})
		return c, err
	})
	if err != nil {
		return nil, err
	}
	c := value.(*childTenant)
	c.memory.join(by.keeping)
	return c, nil
}

func (h *Handler) prepareChildren(by passage) error {
	h.childTenants = make(map[string]*childTenant)
	for _, c := range h.Connections {
		if c.Child == nil || !h.usesChildToken() && c.namesBehindChild() == nil {
			continue
		}
		for _, name := range c.names() {
			child, err := acquireChild(c.Child.Domain, by)
			if err != nil {
				return fmt.Errorf("the child of %s: %w", name, err)
			}
			h.childTenants[name] = child
		}
	}
	return nil
}

func (h *Handler) releaseChildren() error {
	var errs []error
	for _, child := range h.childTenants {
		_, err := children.Delete(child.key)
		child.memory.leave(h.keeping)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
