package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const (
	acmeOrg   = "org_acme1"
	globexOrg = "org_globex1"
)

// orgWorld is a world whose master tenant has two organizations, with names in tokens.
func orgWorld(t *testing.T, options ...worldOption) *world {
	t.Helper()
	w := newWorld(t, options...)
	w.pair.App.OrganizationUsage = auth0sim.OrganizationAllow
	w.pair.Master.OrganizationNames = true
	w.pair.Master.Organizations = []auth0sim.Organization{
		{ID: acmeOrg, Name: "acme", Invitations: []string{"ticket-1", "a&b=c#d"}}, {ID: globexOrg, Name: "globex", Invitations: []string{"ticket-2"}},
	}
	return w
}

// besideGlobex protects two paths for an organization each, and the rest for everybody.
const besideGlobex = "@usual not path /acme/* /globex/*\nauth0_oidc @usual\nauth0_oidc /acme/* {\norganization acme\n}\nauth0_oidc /globex/* {\norganization " + globexOrg + "\n}\nreverse_proxy UPSTREAM"

func twoOrgWorld(t *testing.T) *world {
	t.Helper()
	return orgWorld(t, withGlobal(globalTenant), withSite(besideGlobex))
}

// OIDC-24: a login asks for the organization, and its session is one from then on.
func TestOIDC_24_UsersSignInToTheOrganization(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		for configured, asked := range map[string]string{acmeOrg: acmeOrg, "acme": "acme", "ACME": "acme"} {
			t.Run(strategy+" "+configured, func(t *testing.T) {
				t.Parallel()
				w := orgWorld(t, withStrategy(strategy), withSettings("organization "+configured))
				b := w.browser()
				first := w.open(b, "/x")
				if got := w.logins(first)[0].Get("organization"); got != asked {
					t.Errorf("the login asks for %q", got)
				}
				page, err := b.Login(first, w.pair.User.Email, auth0sim.PairPassword)
				if err != nil || page.Status != http.StatusOK || page.URL.Path != "/x" {
					t.Fatalf("%v %+v", err, page)
				}
				if seen := w.app.take()[0].header; seen.Get("X-Auth0-Org-Id") != acmeOrg || seen.Get("X-Auth0-User-Id") != w.pair.MasterUserID(w.pair.User) {
					t.Errorf("the application saw %v", seen)
				}
				w.wantPage(w.open(b, "/y"), "/y", 0)
			})
		}
	}
}

// A session of another organization is none here, and stays one elsewhere.
func TestOIDC_24_SessionOfAnotherOrganizationLeadsToALogin(t *testing.T) {
	t.Parallel()
	w := twoOrgWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for _, step := range []struct {
		path, organization string
		logins             int
	}{
		{"/acme/x?y=1", "acme", 1}, {"/acme/z", "", 0}, {"/home", "", 0}, {"/globex/x", globexOrg, 1}, {"/home", "", 0}, {"/acme/x", "acme", 1},
	} {
		page := w.open(b, step.path)
		w.wantPage(page, step.path, step.logins)
		if step.logins == 1 && w.logins(page)[0].Get("organization") != step.organization {
			t.Errorf("%s: the login asks for %v", step.path, w.logins(page)[0])
		}
	}
}

// What is no navigation is told where to sign in, and the link is of the very directive.
func TestOIDC_24_OtherRequestsGetALinkToTheOrganization(t *testing.T) {
	t.Parallel()
	w := twoOrgWorld(t)
	b := w.browser()
	w.signIn(b, "/acme/x", w.pair.User)
	w.app.take()
	response, body := w.send(b, "POST", "/globex/x", map[string]string{"Accept": "application/json"})
	var told problem
	if err := json.Unmarshal([]byte(body), &told); err != nil || response.StatusCode != http.StatusUnauthorized || told.Code != codeLoginRequired {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
	if want := w.base + "/auth/login?connection=acme-child&organization=" + globexOrg; told.LoginURL != want {
		t.Errorf("login_url %s", told.LoginURL)
	}
	page, err := b.Get(told.LoginURL + "&return_to=/globex/x")
	if err != nil {
		t.Fatal(err)
	}
	w.wantPage(page, "/globex/x", 1)
	if response, _ := w.send(b, "POST", "/globex/x", nil); response.StatusCode != http.StatusOK {
		t.Errorf("the POST after it: %d", response.StatusCode)
	}
}

// Login links choose among what is configured, by the organization too.
func TestLoginLinksBeginTheLoginOfTheirOrganization(t *testing.T) {
	t.Parallel()
	w := twoOrgWorld(t)
	for query, want := range map[string]string{
		"": "", "?organization=acme": "acme", "?connection=acme-child&organization=" + globexOrg: globexOrg,
		"?organization=org_nobody": "", "?organization_name=globex": "", "?organization=acme&acr_values=mfa": "",
	} {
		page := w.step(w.browser(), w.base+"/auth/login"+query)
		u, err := url.Parse(page.Location())
		if err != nil || page.Status != http.StatusFound {
			t.Fatalf("%s: %d %v", query, page.Status, err)
		}
		if got := u.Query(); got.Get("organization") != want || got.Has("invitation") {
			t.Errorf("%s: the login asks for %v", query, got)
		}
	}
}

// The link of an invitation is passed on to the directive of its organization, and to
// no other one.
func TestInvitationsPassTheLoginRoute(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("t", maxParam)
	for name, site := range map[string]struct {
		site     string
		settings string
		answers  map[string]string // of links: organization and ticket of the login, or 400
	}{
		"by id": {settings: "organization " + acmeOrg, answers: map[string]string{
			"invitation=ticket-1&organization=org_acme1&organization_name=acme":     "org_acme1 ticket-1",
			"invitation=ticket-1&organization=org_acme1":                            "org_acme1 ticket-1",
			"invitation=" + long + "&organization=org_acme1&organization_name=acme": "org_acme1 " + long,
			"invitation=" + url.QueryEscape("a&b=c#d") + "&organization=org_acme1":  "org_acme1 a&b=c#d",
			"invitation=ticket-2&organization=org_globex1&organization_name=globex": "400",
			"invitation=ticket-2&organization=org_globex1&organization_name=acme":   "400",
			"invitation=ticket-1&organization_name=acme":                            "400",
			"invitation=ticket-1":                              "400",
			"invitation=t" + long + "&organization=org_acme1":  "400",
			"invitation=1&invitation=2&organization=org_acme1": "400",
			"invitation=&organization=org_acme1":               "org_acme1 ",
			"organization=org_globex1":                         "org_acme1 ",
		}},
		"by name": {settings: "organization acme", answers: map[string]string{
			"invitation=ticket-1&organization=org_acme1&organization_name=acme":     "acme ticket-1",
			"invitation=ticket-1&organization=org_acme1&organization_name=Acme":     "acme ticket-1",
			"invitation=ticket-1&organization=org_acme1":                            "400",
			"invitation=ticket-2&organization=org_globex1&organization_name=globex": "400",
		}},
		"without the setting": {answers: map[string]string{
			"invitation=ticket-1&organization=org_acme1&organization_name=acme": " ",
			"invitation=t" + long: " ",
		}},
		"several directives": {site: besideGlobex, answers: map[string]string{
			"invitation=ticket-1&organization=org_acme1&organization_name=acme":     "acme ticket-1",
			"invitation=ticket-2&organization=org_globex1&organization_name=globex": "org_globex1 ticket-2",
			"invitation=ticket-3&organization=org_other1&organization_name=other":   "400",
			"organization=org_other1": " ",
		}},
		"a directive that asks for more": {
			site: strings.Replace(besideGlobex, "organization acme", "organization acme\nacr_values mfa\nsession {\ncookie {\nname acme\n}\n}", 1),
			answers: map[string]string{
				"invitation=ticket-1&organization=org_acme1&organization_name=acme": "acme ticket-1",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := []worldOption{withSettings(site.settings)}
			if site.site != "" {
				options = []worldOption{withGlobal(globalTenant), withSite(site.site)}
			}
			w := orgWorld(t, options...)
			for link, want := range site.answers {
				page := w.step(w.browser(), w.base+"/auth/login?"+link)
				got := "400"
				if page.Status == http.StatusFound {
					u, _ := url.Parse(page.Location())
					got = u.Query().Get("organization") + " " + u.Query().Get("invitation")
				} else if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeBadRequest) {
					got = page.Body
				}
				if got != want {
					t.Errorf("%.80s: %.80s, want %.80s", link, got, want)
				}
			}
		})
	}
}

// An invitation is accepted once; the tenant refuses what it does not know.
func TestInvitedUserArrives(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := orgWorld(t, withStrategy(strategy), withSettings("organization acme"))
			link := w.pair.Master.Organizations[0].InvitationURL("/auth/login", "ticket-1")
			b := w.browser()
			page := w.signIn(b, link, w.pair.User)
			if page.Status != http.StatusOK || page.URL.String() != w.base+"/" || w.app.take()[0].header.Get("X-Auth0-Org-Id") != acmeOrg {
				t.Fatalf("%d %s", page.Status, page.URL)
			}
			for _, again := range []string{link, strings.Replace(link, "ticket-1", "nobodys", 1)} {
				page := w.open(w.browser(), again)
				if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "<code>"+codeLoginFailed+"</code> <code>invalid_request</code>") {
					t.Errorf("%d %s", page.Status, page.Body)
				}
			}
		})
	}
}

// An invitation leads by way of the choice to the organization, whether the setting is
// its id or its name.
func TestInvitationSurvivesTheChoice(t *testing.T) {
	t.Parallel()
	for _, configured := range []string{acmeOrg, "acme", "ACME"} {
		t.Run(configured, func(t *testing.T) {
			t.Parallel()
			w := orgWorld(t, withSettings(besidePartners+"\norganization "+configured))
			w.addPartners()
			b := w.browser()
			page := w.open(b, w.pair.Master.Organizations[0].InvitationURL("/auth/login", "ticket-1"))
			links := w.wantWays(page, "acme-child", "Partners & friends")
			if asked := askedFor(t, w.step(w.browser(), links["acme-child"])); asked.Get("invitation") != "ticket-1" {
				t.Errorf("the login asks for %v", asked)
			}
			page = w.choose(b, page, "Partners & friends")
			if page.Status != http.StatusOK || w.app.take()[0].header.Get("X-Auth0-Org-Id") != acmeOrg {
				t.Errorf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
			}
		})
	}
}

// What the tenant refuses about the organization is shown once.
func TestOrganizationThatTheTenantRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings string
		prepare  func(w *world)
	}{
		"unknown id":                   {"organization org_nobody1", func(*world) {}},
		"name without the setting":     {"organization acme", func(w *world) { w.pair.Master.OrganizationNames = false }},
		"application denies them":      {"organization acme", func(w *world) { w.pair.App.OrganizationUsage = auth0sim.OrganizationDeny }},
		"application requires one":     {"", func(w *world) { w.pair.App.OrganizationUsage = auth0sim.OrganizationRequire }},
		"application says nothing yet": {"organization " + acmeOrg, func(w *world) { w.pair.App.OrganizationUsage = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := orgWorld(t, withSettings(test.settings))
			test.prepare(w)
			page := w.open(w.browser(), "/x")
			if page.Status != http.StatusBadRequest || len(w.logins(page)) != 1 || !strings.Contains(page.Body, "<code>"+codeLoginFailed+"</code> <code>invalid_request</code>") {
				t.Errorf("%d after %d logins\n%s", page.Status, len(w.logins(page)), page.Body)
			}
		})
	}
}
