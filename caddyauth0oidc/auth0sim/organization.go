package auth0sim

import (
	"net/url"
	"slices"
	"strings"
)

// Organization is an organization of a tenant.
type Organization struct {
	// ID begins with org_.
	ID string
	// Name is the lower-case name.
	Name string
	// Invitations are the tickets of those who were invited and have not signed in yet. A login uses one up.
	Invitations []string
}

// What [Application.OrganizationUsage] may be.
const (
	OrganizationDeny    = "deny"    // no login names an organization
	OrganizationAllow   = "allow"   // a login may name one
	OrganizationRequire = "require" // every login has to name one, as with organization_require_behavior no_prompt
)

// checkOrganization judges the parameters organization and invitation. Auth0 documents what it refuses, and the text for
// an unknown organization; the other texts are made up.
func (t *Tenant) checkOrganization(tx *transaction, app Application) *authorizeError {
	wanted, invitation := tx.query.Get("organization"), tx.query.Get("invitation")
	refused := func(text string) *authorizeError { return &authorizeError{"invalid_request", text} }
	switch {
	case wanted == "" && app.OrganizationUsage == OrganizationRequire:
		return refused("parameter organization is required for this client")
	case wanted == "" && invitation != "":
		return refused("parameter invitation needs the parameter organization")
	case wanted == "":
		return nil
	case app.OrganizationUsage != OrganizationAllow && app.OrganizationUsage != OrganizationRequire:
		return refused("parameter organization is not allowed for this client")
	}
	organization, found := t.organization(wanted)
	switch {
	case !found:
		return refused("parameter organization is invalid: " + wanted)
	case invitation != "" && !slices.Contains(organization.Invitations, invitation):
		return refused("the invitation was not found or has been used")
	}
	tx.organization, tx.invitation = organization, invitation
	return nil
}

// organization finds one by its id or, if the tenant allows it, by its name in any case.
func (t *Tenant) organization(wanted string) (Organization, bool) {
	s := t.settings()
	i := slices.IndexFunc(s.Organizations, func(o Organization) bool {
		return o.ID == wanted || s.OrganizationNames && strings.EqualFold(o.Name, wanted)
	})
	if i < 0 {
		return Organization{}, false
	}
	return s.Organizations[i], true
}

// accept uses the invitation of a login up, and tells whether it was still there.
func (t *Tenant) accept(tx *transaction) bool {
	if tx.invitation == "" {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, o := range t.Organizations {
		if at := slices.Index(o.Invitations, tx.invitation); o.ID == tx.organization.ID && at >= 0 {
			t.Organizations = slices.Clone(t.Organizations) // others may look at the old one
			t.Organizations[i].Invitations = slices.Delete(slices.Clone(o.Invitations), at, at+1)
			return true
		}
	}
	return false
}

// organizationClaims are the claims of ID tokens and of access tokens for an API.
func (t *Tenant) organizationClaims(a authorization) map[string]any {
	if a.organization.ID == "" {
		return nil
	}
	claims := map[string]any{"org_id": a.organization.ID}
	if t.settings().OrganizationNames {
		claims["org_name"] = a.organization.Name
	}
	return claims
}

// InvitationURL is where the mail of an invitation leads: the default login route with three parameters.
func (o Organization) InvitationURL(loginRoute, ticket string) string {
	return loginRoute + "?" + url.Values{
		"invitation": {ticket}, "organization": {o.ID}, "organization_name": {o.Name},
	}.Encode()
}
