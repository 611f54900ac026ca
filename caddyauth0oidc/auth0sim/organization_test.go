package auth0sim

import "testing"

func TestOrganizationsAreJudgedAtAuthorize(t *testing.T) {
	t.Parallel()
	const allow, require = OrganizationAllow, OrganizationRequire
	for name, c := range map[string]struct {
		usage, organization, invitation string
		names                           bool
		refused                         string // error_description; empty for a login that works
	}{
		"by id":                            {usage: allow, organization: "org_1"},
		"by id, required":                  {usage: require, organization: "org_1"},
		"by name":                          {usage: allow, organization: "Acme", names: true},
		"by name without the setting":      {usage: allow, organization: "acme", refused: "parameter organization is invalid: acme"},
		"unknown":                          {usage: allow, organization: "org_x", names: true, refused: "parameter organization is invalid: org_x"},
		"id in capitals":                   {usage: allow, organization: "ORG_1", names: true, refused: "parameter organization is invalid: ORG_1"},
		"none":                             {usage: allow},
		"none, by default":                 {},
		"none, required":                   {usage: require, refused: "parameter organization is required for this client"},
		"denied":                           {usage: OrganizationDeny, organization: "org_1", refused: "parameter organization is not allowed for this client"},
		"denied by default":                {organization: "org_1", refused: "parameter organization is not allowed for this client"},
		"invitation":                       {usage: allow, organization: "org_1", invitation: "ticket"},
		"invitation by name":               {usage: allow, organization: "acme", invitation: "ticket", names: true},
		"invitation without organization":  {usage: allow, invitation: "ticket", refused: "parameter invitation needs the parameter organization"},
		"invitation of nobody":             {usage: allow, organization: "org_1", invitation: "x", refused: "the invitation was not found or has been used"},
		"invitation to another one":        {usage: allow, organization: "org_2", invitation: "ticket", refused: "the invitation was not found or has been used"},
		"invitation where they are denied": {organization: "org_1", invitation: "ticket", refused: "parameter organization is not allowed for this client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.App.OrganizationUsage, w.Master.OrganizationNames = c.usage, c.names
			w.Master.Organizations = []Organization{{ID: "org_1", Name: "acme", Invitations: []string{"ticket"}}, {ID: "org_2", Name: "globex"}}
			extra := map[string]string{"organization": c.organization, "invitation": c.invitation}
			if c.refused == "" {
				claims := claimsOf(t, w.tokens(extra)["id_token"])
				if _, named := claims["org_name"]; (claims["org_id"] == "org_1") != (c.organization != "") || named != c.names {
					t.Errorf("claims = %v", claims)
				}
				return
			}
			if q := w.open(w.AuthorizeURL(extra)).URL.Query(); q.Get("error") != "invalid_request" || q.Get("error_description") != c.refused {
				t.Errorf("the callback received %v", q)
			}
		})
	}
}

func TestInvitationIsUsedUpByTheLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.App.OrganizationUsage = OrganizationAllow
	w.Master.Organizations = []Organization{{ID: "org_1", Name: "acme", Invitations: []string{"one", "two"}}}
	invited := w.AuthorizeURL(map[string]string{"organization": "org_1", "invitation": "one"})
	w.tokens(map[string]string{"organization": "org_1", "invitation": "one"})
	if left := w.Master.Organizations[0].Invitations; len(left) != 1 || left[0] != "two" {
		t.Errorf("left are %q", left)
	}
	if q := w.open(invited).URL.Query(); q.Get("error") != "invalid_request" {
		t.Errorf("the second time the callback received %v", q)
	}
}

func TestInvitationLinkHasItsThreeParameters(t *testing.T) {
	t.Parallel()
	o := Organization{ID: "org_1", Name: "acme"}
	if got := o.InvitationURL("https://app.example.test/auth/login", "a b"); got != "https://app.example.test/auth/login?invitation=a+b&organization=org_1&organization_name=acme" {
		t.Error(got)
	}
}
