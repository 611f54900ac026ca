package doctor

import (
	"context"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

func aboutLogout(base string) string { return "logout " + base }

func aboutChildLogout(base, client string) string { return "child logout " + base + " " + client }

// askLogouts asks where a browser without a session is sent to. There is nothing to end then.
func (i *inquiry) askLogouts(ctx context.Context) {
	for _, base := range i.bases() {
		back := base + i.site.ReturnTo
		a := i.get(ctx, i.master.LogoutURL(i.metadata, i.site.Application, tenant.LogoutRequest{Strategy: i.site.LogoutStrategy, ReturnTo: back}))
		switch {
		case !a.answered():
			i.notAsked(a)
		case a.refused():
			i.logoutNotAllowed(base, "The master refuses to lead back to "+back+" after a logout.")
		default:
			i.passed(aboutLogout(base), CodeLogoutAllowed, "The master leads back to "+back+" after a logout.")
		}
		for _, c := range i.site.Connections {
			i.askChildLogout(ctx, c, base)
		}
	}
}

// refused tells that the answer is a page of errors, or leads to one.
func (a reply) refused() bool { return a.status >= 400 || a.refusal() != refusedNothing }

func (i *inquiry) logoutNotAllowed(base, seen string) {
	i.fault(aboutLogout(base), Failure, CodeLogoutNotAllowed, seen,
		"The Allowed Logout URLs of the application do not have it, so that users end on an error page of Auth0. They are compared to "+
			"the byte, with the slash at the end.",
		"Add "+base+i.site.ReturnTo+" to the Allowed Logout URLs in the master's dashboard: Applications > (yours) > Settings"+
			i.orConnect(base)+".")
}

// askChildLogout asks the child for the way back to the site, if logouts go there.
func (i *inquiry) askChildLogout(ctx context.Context, c Connection, base string) {
	if i.site.ChildReturnTo == "" || c.ChildDomain == "" || c.ChildClientID == "" {
		return
	}
	back := base + i.site.ChildReturnTo
	address, err := tenant.ChildLogoutURL(c.ChildDomain, c.ChildClientID, back)
	if err != nil {
		return // which is an error when the configuration is loaded
	}
	if a := i.get(ctx, address); a.answered() && a.refused() {
		i.childLogoutNotAllowed(c, base, "The child refuses to lead back to "+back+" after a logout.")
	}
}

func (i *inquiry) childLogoutNotAllowed(c Connection, base, seen string) {
	i.fault(aboutChildLogout(base, c.ChildClientID), Failure, CodeChildLogout, seen,
		"logout child is on, and the Allowed Logout URLs of the child's application do not have that address, or child client_id is not "+
			"the application's.",
		"Add "+base+i.site.ChildReturnTo+" to the Allowed Logout URLs in the child's dashboard: Applications > "+
			shown(c.ChildClientID)+" > Settings"+i.orConnectTo(c, base)+".")
}
