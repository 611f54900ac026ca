package e2e

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const machineSecret = "the-secret-of-the-machine-to-machine-application"

// managedLines have the whole profile read, with this secret.
func managedLines(secret, more string) string {
	return "\tauth0_oidc {\n\t\tprofile management\n\t\tmanagement {\n\t\t\tclient_id machine\n\t\t\tclient_secret " + secret + more + "\n\t\t}"
}

func addMachine(w *world) {
	w.pair.Master.AddApplication(auth0sim.Application{
		ClientID: "machine", ClientSecret: machineSecret, GrantTypes: []string{"client_credentials"},
		Grants: map[string][]string{w.pair.Master.ManagementAudience(): {"read:users", "read:user_idp_tokens"}},
	})
}

// The application calls the child's API with the token that the child issued.
func childTokenStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", func(t *testing.T, w *world) string {
		addMachine(w)
		site := replaceOnce(t, proxySite(t, w), "\tauth0_oidc {", managedLines(machineSecret, "\n\t\t\tidp_token {\n\t\t\t\tupstream header\n\t\t\t}"))
		return replaceOnce(t, site, "connection acme-child", "connection acme-child {\n\t\t\tchild {\n\t\t\t\tdomain http://"+w.pair.Child.Host()+"\n\t\t\t}\n\t\t}")
	})
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	b.assertAt(b.signIn(w.pair.User), http.StatusOK, w.base+deepLink)
	b.assertAt(b.open(w.base+"/later"), http.StatusOK, w.base+"/later")
	for _, r := range w.app.take() {
		if strings.Count(r.header.Get("X-Auth0-Child-Access-Token"), ".") != 2 || r.header.Get("X-Auth0-Identities") == "" || r.header.Get("Cookie") != "" {
			t.Errorf("%s got %v", r.uri, r.header)
		}
	}
	b.click("#out")
	for _, left := range b.cookies("app.localhost") {
		if left.Name != "auth0_txn_signedout" { // which keeps other tabs signed out for a minute
			t.Errorf("after the logout the cookie %s is left", left.Name)
		}
	}
}

// refusalStories look at the pages of settings that keep somebody out.
func refusalStories(t *testing.T, browser context.Context) {
	for name, story := range map[string]func(*testing.T, context.Context){
		"management": managementRefusedStory, "organization": otherOrganizationStory, "host": unknownHostStory, "mode": wrongModeStory, "http": plainHTTPStory,
	} {
		t.Run(name, func(t *testing.T) { story(t, browser) })
	}
}

func managementRefusedStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", func(t *testing.T, w *world) string {
		addMachine(w)
		return replaceOnce(t, proxySite(t, w), "\tauth0_oidc {", managedLines("another", ""))
	})
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	if where := b.signIn(w.pair.User); where.status != http.StatusBadGateway {
		t.Errorf("arrived at %d %s", where.status, where.url)
	}
	b.assertPage("management-refused", "management_refused")
}

// withoutParameter opens the last request for a login anew, as a user edits it.
func (b *tab) withoutParameter(w *world, name string) {
	b.t.Helper()
	edited, err := url.Parse(b.lastRequest(w.pair.Master.Issuer() + "authorize?"))
	if err != nil {
		b.t.Fatal(err)
	}
	query := edited.Query()
	query.Del(name)
	edited.RawQuery = query.Encode()
	b.open(edited.String())
}

func otherOrganizationStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", func(t *testing.T, w *world) string {
		w.pair.App.OrganizationUsage = auth0sim.OrganizationAllow
		w.pair.Master.Organizations = []auth0sim.Organization{{ID: "org_acme1", Name: "acme"}}
		return replaceOnce(t, proxySite(t, w), "\tauth0_oidc {", "\tauth0_oidc {\n\t\torganization org_acme1")
	})
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	b.withoutParameter(w, "organization")
	if where := b.signIn(w.pair.User); where.status != http.StatusForbidden {
		t.Errorf("arrived at %d %s", where.status, where.url)
	}
	b.assertPage("organization-mismatch", "organization_mismatch")
	b.click("main p a") // out, which the master asks about, as there is no session here
	b.click("main button")
	b.assertAt(b.click("main a"), http.StatusOK, w.base+"/") // the child knows the browser
}

func unknownHostStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", func(t *testing.T, w *world) string {
		return replaceOnce(t, proxySite(t, w), "connection acme-child", "connection {http.request.host.labels.1} {\n\t\t\tallow acme-child\n\t\t}")
	})
	b := newVisitor(t, browser)
	b.assertAt(b.open(w.base+deepLink), http.StatusNotFound, w.base+deepLink)
	b.assertPage("unknown-host", "unknown_connection")
}

func wrongModeStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "https", postedSite)
	b := newVisitor(t, browser)
	b.open(w.base + deepLink)
	b.withoutParameter(w, "response_mode")
	if where := b.signIn(w.pair.User); where.status != http.StatusBadRequest {
		t.Errorf("arrived at %d %s", where.status, where.url)
	}
	b.assertPage("response-mode-mismatch", "response_mode_mismatch")
	b.forgetRequests()
	b.click("main p a") // both tenants know the browser by now
	b.awaitApplication(w, deepLink)
}

// On loopback hosts the mode would be query; Chromium has a name that is none.
func plainHTTPStory(t *testing.T, browser context.Context) {
	w := newWorld(t, "http", func(t *testing.T, w *world) string {
		plain := strings.Replace(w.base, "app.localhost", plainHost, 1)
		return replaceOnce(t, replaceOnce(t, proxySite(t, w), w.base, w.base+", "+plain), "\tauth0_oidc {", "\tauth0_oidc {\n\t\tresponse_mode form_post")
	})
	address := strings.Replace(w.base, "app.localhost", plainHost, 1) + deepLink
	b := newVisitor(t, browser)
	b.assertAt(b.open(address), http.StatusForbidden, address)
	b.assertReadable("https-required", "https_required") // of which Chromium says in the console that it is not secure
}
