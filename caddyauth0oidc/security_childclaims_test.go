package caddyauth0oidc

import (
	"net/http"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// childOf is a directive that uses the token of a child behind the connection.
func childOf(connection, child, lines string) string {
	return "connection " + connection + " {\nchild {\n" + child + "\n}\n}\n" + managed("idp_token {\nupstream header\n}") + lines
}

const ownChild = "domain CHILD_TENANT\nclient_id CHILD_APPLICATION"

// The admin of one child must not say who is admin for the users of another one.
func TestClaimsOfOneChildMeetNoRuleOfAnother(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readTokens, withGlobal(globalTenant), withSite(
		"auth0_oidc /acme/* {\n"+childOf("acme-child", ownChild, "")+"}\nauth0_oidc /partners/* {\n"+
			childOf("partners", "domain other-child.example.com\nclient_id x", "require child.email user-in-child@mail.com\nheaders {\nX-Child-Email child.email\n}\n")+
			"}\nreverse_proxy UPSTREAM"))
	w.addPartners()
	w.linkToPartners()
	b := w.browser()
	if page := w.signIn(b, "/acme/x", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("at its own directive: %d", page.Status)
	}
	w.app.take()
	page := w.open(b, "/partners/x")
	if page.Status == http.StatusOK || len(w.app.take()) != 0 {
		t.Errorf("passed a rule by another child's claims: %d", page.Status)
	}
}

func TestDenyByTheChildsTokenHoldsForSessionsWithoutIt(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readTokens, withGlobal(globalTenant), withSite(
		"@usual not path /strict/*\nauth0_oidc @usual {\n"+managed("")+"}\nauth0_oidc /strict/* {\n"+
			childOf("acme-child", ownChild, "deny child.email user-in-child@mail.com\n")+"}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	if page := w.open(b, "/strict/x"); page.Status != http.StatusForbidden {
		t.Errorf("a session without the child's claims: %d", page.Status)
	}
}

// Where the Management API was not asked, an ID token says who signed in, and not who is
// linked with whom.
func TestIdentitiesOfAnIDTokenLetNobodyIn(t *testing.T) {
	t.Parallel()
	w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(
		"auth0_oidc /acme/*\nauth0_oidc /partners/* {\nconnection partners\n"+managedOrNot("")+"}\nreverse_proxy UPSTREAM"))
	w.addPartners()
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.TamperIDToken = func(_, claims map[string]any) {
			claims["identities"] = []any{map[string]any{"provider": "auth0-oidc", "connection": "partners", "user_id": "partners|auth0|1"}}
		}
	})
	b := w.browser()
	w.signIn(b, "/acme/x", w.pair.User)
	if r, _ := w.send(b, http.MethodGet, "/partners/x", map[string]string{"Accept": "application/json"}); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("got in by the identities of an ID token: %d", r.StatusCode)
	}
}
