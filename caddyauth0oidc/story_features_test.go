package caddyauth0oidc

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
)

// A form waits for the choice of a connection, the login is pushed with a private key in
// place of a secret, and its answer is posted.
func TestFormWaitsForAChosenPushedAndPostedLogin(t *testing.T) {
	t.Parallel()
	path, key := filepath.Join(t.TempDir(), "key.pem"), newTestKey()
	writeKey(t, path, key)
	w := newPARWorld(t, withKeySite(path, strings.Join([]string{besidePartners, "par on", formPost, formSettings}, "\n")))
	w.addPartners()
	w.usesKey(key.Public())
	b := w.browser()
	response, _ := w.post(b, "/save?id=7", strings.NewReader("a=1&b=%C3%A4"), formHeader())
	page, err := b.Get(response.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	w.wantWays(page, "acme-child", "Partners & friends")
	if page = w.choose(b, page, "Partners & friends"); page.Status != http.StatusOK || page.URL.String() != w.base+"/save?id=7" {
		t.Fatalf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
	}
	seen := w.app.take()
	if len(seen) != 1 || seen[0].method != http.MethodPost || seen[0].header.Get("X-Auth0-Connection") != "partners" || seen[0].header.Get("Cookie") != "" {
		t.Fatalf("the application saw %+v", seen)
	}
	sameForm(t, seen[0].body, "a=1&b=%C3%A4")
	if w.pushes() != 1 || w.formCookies(b) != 0 || len(w.pendingLogins(b)) != 0 {
		t.Errorf("%d pushes, %d cookies of the form, %d pending logins", w.pushes(), w.formCookies(b), len(w.pendingLogins(b)))
	}
	for _, hop := range page.Hops {
		if strings.Contains(hop.URL.RawQuery, "code=") && hop.URL.Host == "app.example.test" {
			t.Errorf("INV-04: the code is in the address %s", hop.URL)
		}
	}
}

// Whoever was invited chooses a connection on the way, and the ticket is not lost.
func TestInvitedUserChoosesAConnection(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{modeQuery, modeFormPost} {
		w := orgWorld(t, withSettings(besidePartners+"\norganization acme\nresponse_mode "+mode))
		w.addPartners()
		link := w.pair.Master.Organizations[0].InvitationURL("/auth/login", "ticket-1")
		b := w.browser()
		page := w.open(b, link)
		w.wantWays(page, "acme-child", "Partners & friends")
		page, err := page.Submit(map[string]string{"email": "ann@partners.example"})
		if err != nil {
			t.Fatal(err)
		}
		logins := w.logins(page)
		if len(logins) != 1 || logins[0].Get("invitation") != "ticket-1" || logins[0].Get("organization") != "acme" || logins[0].Get("login_hint") != "ann@partners.example" {
			t.Fatalf("%s: the login asks for %v", mode, logins)
		}
		if page = w.finishLogin(b, page); page.Status != http.StatusOK || page.URL.String() != w.base+"/" {
			t.Fatalf("%s: ended at %d %s\n%s", mode, page.Status, page.URL, page.Body)
		}
		if seen := w.seen().header; seen.Get("X-Auth0-Org-Id") != acmeOrg || seen.Get("X-Auth0-Connection") != "partners" {
			t.Errorf("%s: the application saw %v", mode, seen)
		}
	}
}

// movedAndManaged shows the users of the new connection as those of the old one, by the
// whole profile.
func movedAndManaged(t *testing.T, lines string) *world {
	t.Helper()
	return managedWorld(t, readUsers, withStrategy("oidc"), withSite(siteOf("connection acme-child {\nstrategy oidc\nuser_id_as auth0-oidc\n}\n"+
		managed("metadata app_metadata.plan")+"assertion {\naudience legacy\nclaims app_metadata.plan connection\n}\n"+lines)))
}

// A user who moved, and whose profile is the Management API's, is the old one to rules,
// headers and the assertion alike.
func TestMovedUserOfTheManagementAPI(t *testing.T) {
	t.Parallel()
	w := movedAndManaged(t, "require user_id auth0-oidc|acme-child|*\nrequire app_metadata.plan gold")
	b := w.browser()
	if page := w.signIn(b, "/x", w.pair.User); page.Status != http.StatusForbidden {
		t.Fatalf("without a plan: %d", page.Status)
	}
	w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) { u.AppMetadata = map[string]any{"plan": "gold"} })
	w.wantPage(w.signIn(w.browser(), "/x", w.pair.User), "/x", 0)
	seen, shown := w.seen().header, "auth0-oidc|acme-child|"+w.pair.User.ID
	set, _ := w.publishedAt("/auth/jwks.json")
	claims, err := w.believe(set, seen.Get(assertionHeader), w.base, "legacy")
	if err != nil || claims.Subject != shown || seen.Get("X-Auth0-User-Id") != shown || seen.Get("X-Auth0-Strategy") != "auth0-oidc" {
		t.Errorf("%v: asserted %q, and the application saw %v", err, claims.Subject, seen)
	}
}

// Nobody but the user who moved has the old id: no linked account either, unless it is
// that user's own.
func TestLinkedAccountHasNobodysShownID(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		primary string
		status  int
	}{
		"of the master":           {"auth0|primary", http.StatusOK},
		"another one's old id":    {"auth0-oidc|acme-child|auth0|another", http.StatusForbidden},
		"the same user's old id":  {"auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80", http.StatusOK},
		"of an unrelated service": {"samlp|acme-child|auth0|another", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := movedAndManaged(t, "")
			primary := w.pair.Master.AddUser(auth0sim.User{ID: test.primary, Email: "ann@master.test"})
			secondary := w.pair.Master.AddUser(auth0sim.User{ID: w.pair.MasterUserID(w.pair.User), Connection: "acme-child", Email: "user-in-child@mail.com"})
			w.pair.Master.LinkUsers(primary.ID, secondary.ID)
			page := w.signIn(w.browser(), "/x", w.pair.User)
			if page.Status != test.status {
				t.Fatalf("%d, want %d\n%s", page.Status, test.status, page.Body)
			}
			if seen := w.app.take(); test.status == http.StatusOK && (len(seen) != 1 || seen[0].header.Get("X-Auth0-User-Id") != test.primary) {
				t.Errorf("the application saw %+v", seen)
			}
		})
	}
}

// Userinfo is asked at the stronger login too, and says nothing about its strength.
func TestStepUpWithClaimsOfUserinfo(t *testing.T) {
	t.Parallel()
	w := stepUpWorld(t, besideAdmin, "acr_values mfa\nprofile userinfo\nrequire https://acme.test/roles admin")
	asked := 0
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.MFAOnACRValues = false
		s.TamperUserInfo = func(body map[string]any) {
			asked++
			body["acr"], body["amr"], body["https://acme.test/roles"] = policy.MultiFactor, []string{"mfa"}, []string{"admin"}
		}
	})
	b := w.browser()
	w.wantPage(w.signIn(b, "/home", w.pair.User), "/home", 0)
	if page := w.open(b, "/admin/x"); page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeStepUpFailed) {
		t.Fatalf("userinfo's word for a second factor: %d\n%s", page.Status, page.Body)
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.MFAOnACRValues = true })
	w.wantPage(w.open(b, "/admin/x"), "/admin/x", 1)
	w.wantPage(w.open(b, "/admin/y"), "/admin/y", 0)
	w.wantPage(w.open(b, "/home"), "/home", 0)
	if asked != 2 {
		t.Errorf("userinfo was asked %d times by two logins", asked)
	}
}

// A provider of the company's own, with an authority of its own and an issuer with a path,
// posts its answer.
func TestPostedAnswerOfAPrivateIssuer(t *testing.T) {
	t.Parallel()
	own := newAuthority(t)
	for _, path := range []string{"/tenants/acme", "/tenants/acme/"} {
		w := newWorld(t, own.worldAt("master.localhost"), atIssuerPath(path), withSettings("http {\ntrust_pool file "+own.file+"\n}\n"+formPost))
		w.pair.Master.Configure(func(s *auth0sim.Settings) { s.IssParameter = true })
		b := w.browser()
		a := w.answerTo(b, "/reports?q=1")
		if a.form == "" || a.parameters(t).Get("iss") != w.pair.Master.Issuer() {
			t.Fatalf("the answer is %+v", a)
		}
		page := w.deliver(b, a)
		w.wantPage(page, "/reports?q=1", 0)
		if _, err := page.Click("/auth/logout"); err != nil {
			t.Fatal(err)
		}
		if left := w.pair.Master.Sessions(); len(left) != 0 {
			t.Errorf("the tenant still has the sessions %q", left)
		}
	}
}

// Hosts of customers share a cookie: posted answers come back to the host that asked, and
// the session of one customer is none at another's.
func TestCustomersShareACookieAndHaveAnswersPosted(t *testing.T) {
	t.Parallel()
	w := customerWorld(t, formPost+"\nsession {\ncookie {\ndomain example.test\n}\n}")
	b := w.browser()
	for i, name := range []string{"acme", "globex", "acme"} {
		customer := w.at("https://" + name + ".example.test")
		page := customer.open(b, "/x?y=1")
		if i == 0 {
			page = customer.finishLogin(b, page)
		}
		if page.Status != http.StatusOK || page.URL.String() != customer.base+"/x?y=1" {
			t.Fatalf("%d: ended at %d %s\n%s", i, page.Status, page.URL, page.Body)
		}
		w.wantSeen("/x?y=1", name)
	}
	nobody := w.at("https://nobody.example.test")
	if page := nobody.open(b, "/x"); page.Status != http.StatusNotFound || len(w.app.take()) != 0 {
		t.Errorf("at nobody's host: %d", page.Status)
	}
}

// Error routes answer refusals, and not the choice, which is none.
func TestErrorRoutesLeaveTheChoiceToTheUser(t *testing.T) {
	t.Parallel()
	w := chooserWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM\nhandle_errors {\nrespond \"own page: {http.auth.auth0_oidc.error}\"\n}"))
	b := w.browser()
	page := w.open(b, "/x")
	w.wantWays(page, "acme-child", "Partners & friends")
	again, err := page.Submit(map[string]string{"email": "ann@nobody.example"})
	if err != nil || again.Status != http.StatusUnprocessableEntity || !strings.Contains(again.Body, "no way to sign in") {
		t.Fatalf("an address of nobody: %v %d\n%s", err, again.Status, again.Body)
	}
	if refused := w.open(b, "/auth/login?connection=nobody"); refused.Status != http.StatusBadRequest || refused.Body != "own page: "+codeUnknownConnection {
		t.Errorf("another connection: %d %q", refused.Status, refused.Body)
	}
	w.choose(b, again, "Partners & friends")
	w.wantSeen("/x", "partners")
	if response, body := w.send(w.browser(), "POST", "/x", nil); response.StatusCode != http.StatusUnauthorized || body != "own page: "+codeLoginRequired {
		t.Errorf("a POST of nobody: %d %q", response.StatusCode, body)
	}
}

// A reload while the user is at the tenant, or while the answer is sealed, ends no login,
// nor does one that takes the setting away. A form that no such login waits for is refused
// then, and the way on works.
func TestReloadInTheMiddleOfAPostedLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formPost))
	same := worldSetup{base: w.base, settings: formPost}
	b := w.browser()
	a := w.answerTo(b, "/x?y=1")
	w.load(same)
	w.wantPage(w.deliver(b, a), "/x?y=1", 0)

	b = w.browser()
	response, _ := w.post(b, "/auth/callback", strings.NewReader(w.answerTo(b, "/x?y=2").form), tenantForm(w))
	w.load(same)
	page, err := b.Get(w.base + response.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	w.wantPage(page, "/x?y=2", 0)

	b = w.browser()
	a = w.answerTo(b, "/x?y=3")
	w.load(worldSetup{base: w.base})
	w.wantPage(w.deliver(b, a), "/x?y=3", 0)
	page = w.deliver(b, a)
	if page.Status != http.StatusMethodNotAllowed {
		t.Fatalf("without the setting: %d %s", page.Status, page.URL)
	}
	if page, err = page.Click(linkOf(t, page.Body, "Go to the start page")); err != nil {
		t.Fatal(err)
	}
	w.wantPage(page, "/", 0)
	b = w.browser()
	a = w.answerTo(b, "/x?y=4")
	w.load(same)
	w.wantPage(w.deliver(b, a), "/x?y=4", 0)
}
