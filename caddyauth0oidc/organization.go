package caddyauth0oidc

import (
	"fmt"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

func checkOrganization(name string) error {
	_, err := policy.NewOrganization(name)
	return err
}

// resolveOrganization keeps a placeholder that stands for nothing but a line end from
// letting everybody in.
func (h *Handler) resolveOrganization(replace func(setting string, value *string) error) error {
	if h.Organization == "" {
		return nil
	}
	if err := replace("organization", &h.Organization); err != nil {
		return err
	}
	return named("organization", checkOrganization(h.Organization))
}

// prepareOrganization makes what logins and sessions are judged by.
func (h *Handler) prepareOrganization() (err error) {
	if h.Organization == "" {
		return nil
	}
	if h.organization, err = policy.NewOrganization(h.Organization); err != nil {
		return fmt.Errorf("organization: %w", err)
	}
	return nil
}

// inviter gives the directive whose organization the link of an invitation names, and
// without one any that has an organization: this one, or one beside it.
func (h *Handler) inviter(v *visit, query map[string]string) *Handler {
	found := h
	if query["invitation"] == "" {
		return found
	}
	for _, other := range append([]*Handler{h}, h.siblings(v)...) {
		switch {
		case other.organization.Is(query["organization"], query["organization_name"]):
			return other
		case found.organization == "":
			found = other
		}
	}
	return found
}

// invitation gives the ticket of the link that Auth0 mails to whom it invites. It may be
// passed on only if the link names this directive's organization, because the ticket is
// worth nothing together with another one, and if it is not longer than any that Auth0
// makes. Without an organization it is not looked at.
// See https://auth0.com/docs/manage-users/organizations/configure-organizations/invite-members.
func (h *Handler) invitation(query map[string]string) (ticket string, ok bool) {
	ticket = query["invitation"]
	if h.organization == "" || ticket == "" {
		return "", true
	}
	return ticket, len(ticket) <= maxParam && h.organization.Is(query["organization"], query["organization_name"])
}

// judgeOrganization lets a machine pass whose token is for no organization at all: like
// the connection, it is about people, and the tenant grants the machine each API by name.
func (h *Handler) judgeOrganization(p *profile.Profile, token *tenant.AccessToken) error {
	if token != nil && token.IsMachine() && p.OrgID == "" && p.OrgName == "" {
		return nil
	}
	return h.organization.Judge(p)
}
