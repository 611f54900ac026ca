package caddyauth0oidc

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// addConnection adds a connection to the child under another name.
func (w *world) addConnection(name, strategy string) {
	options := w.pair.Connection.Options
	if strategy == "oidc" {
		options = map[string]any{
			"client_id": w.pair.ChildApp.ClientID, "client_secret": w.pair.ChildApp.ClientSecret, "scope": "openid profile email",
			"discovery_url": w.pair.Child.Issuer() + ".well-known/openid-configuration", "type": "back_channel",
		}
	}
	w.pair.Master.AddConnection(auth0sim.Connection{
		Name: name, Strategy: strategy, Options: options, EnabledClients: []string{w.pair.App.ClientID},
	})
}

// replace is load, and takes the configuration that was there away.
func (w *world) replace(setup worldSetup) {
	w.t.Helper()
	old := w.handler()
	w.load(setup)
	if err := old.Cleanup(); err != nil {
		w.t.Fatal(err)
	}
}

// twoChoices are directives that differ in their connections only.
const twoChoices = `@usual not path /b/* /c/*
auth0_oidc @usual {
connection acme-child
connection globex
}
auth0_oidc /b/* {
connection partners
connection initech
}
auth0_oidc /c/* {
connection partners
}
reverse_proxy UPSTREAM`

// The choice is among the connections of the directive that sent the browser there, and
// the login it leads to is enough there.
func TestChoiceIsThatOfTheDirectiveThatSentTheBrowserThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(twoChoices))
	for _, name := range []string{"partners", "globex", "initech"} {
		w.addConnection(name, "auth0-oidc")
	}
	for path, want := range map[string][]string{"/x": {"acme-child", "globex"}, "/b/x": {"partners", "initech"}} {
		for _, label := range want {
			b := w.browser()
			page := w.open(b, path)
			w.wantWays(page, want...)
			page = w.choose(b, page, label)
			if page.Status != http.StatusOK || page.URL.Path != path || len(w.logins(page)) > 1 {
				t.Fatalf("%s by %s ended at %d %s", path, label, page.Status, page.URL)
			}
			w.wantSeen(path, label)
		}
	}
	b := w.browser()
	if page := w.signIn(b, "/c/x", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("the one connection leads to %d %s", page.Status, page.URL)
	}
	if page := w.open(b, "/b/y"); page.Status != http.StatusOK { // its session is of one of them
		t.Errorf("/b/y: %d %s", page.Status, page.URL)
	}
	w.wantWays(w.open(b, "/x"), "acme-child", "globex")
	w.wantWays(w.open(w.browser(), "/auth/login?return_to=/b/x"), "acme-child", "globex") // a link that names none
}

// Directives with connections of the same names may call and judge them otherwise, and ask
// for something else.
func TestChoiceOfTheSameNamesIsThatOfItsDirective(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`@usual not path /b/* /c/*
auth0_oidc @usual {
connection acme-child
connection globex
}
auth0_oidc /b/* {
connection acme-child {
label Staff
email_domain acme.example
}
connection globex
}
auth0_oidc /c/* {
connection acme-child
connection globex
scopes openid email
}
reverse_proxy UPSTREAM`))
	w.addConnection("globex", "auth0-oidc")
	for path, want := range map[string][]string{"/x": {"acme-child", "globex"}, "/b/x": {"Staff", "globex"}, "/c/x": {"acme-child", "globex"}} {
		page := w.open(w.browser(), path)
		links := w.wantWays(page, want...)
		scope := "openid profile email"
		if path == "/c/x" {
			scope = "openid email"
		}
		if got := askedFor(t, w.step(w.browser(), links["globex"])).Get("scope"); got != scope {
			t.Errorf("%s asks for %s", path, got)
		}
		if field := strings.Contains(page.Body, `name="email"`); field != (path == "/b/x") {
			t.Errorf("%s: a field for an address: %v", path, field)
		}
	}
}

// Directives with the same connections may ask for different sign-ins.
func TestOIDC_15_ChoiceOfAStrongerSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(strings.Replace(globalTenant, "connection acme-child", "connection acme-child\nconnection partners", 1)),
		withSite(strings.ReplaceAll(besideAdmin, "LINES", "acr_values mfa")))
	w.pair.Master.MFAOnACRValues = true
	w.addPartners()
	b := w.browser()
	w.choose(b, w.open(b, "/home"), "partners")
	page := w.open(b, "/admin/x")
	w.wantWays(page, "partners (last)", "acme-child")
	page = w.choose(b, page, "partners")
	if page.Status != http.StatusOK || page.URL.Path != "/admin/x" {
		t.Fatalf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
	}
	w.wantPage(w.open(b, "/home"), "/home", 0)
	w.wantPage(w.open(b, "/admin/y"), "/admin/y", 0)
}

// A late callback goes on with the connection that was chosen, or with another choice
// once that is gone.
func TestLateCallbackKeepsTheChosenConnection(t *testing.T) {
	t.Parallel()
	setup := worldSetup{base: "https://app.example.test", settings: "connection partners\nconnection globex"}
	w := newWorld(t, withSettings(setup.settings))
	w.addPartners()
	callback := w.callbackOf(w.browser(), "/auth/login?connection=partners&return_to=/b/x", w.pair.User)
	if got := askedFor(t, w.step(w.browser(), callback)).Get("connection"); got != "partners" {
		t.Errorf("connection=%s", got)
	}
	setup.settings = "connection globex"
	w.replace(setup)
	page, err := w.browser().Get(callback)
	if err != nil {
		t.Fatal(err)
	}
	if links := w.wantWays(page, "acme-child", "globex"); !strings.Contains(links["globex"], "return_to=%2Fb%2Fx") {
		t.Errorf("the page leads to %s", links["globex"])
	}
}

// The form of such a callback waits for the choice, and is sent on the user's word.
func TestFormOfALateCallbackWaitsForTheNextChoice(t *testing.T) {
	t.Parallel()
	setup := worldSetup{base: "https://app.example.test", settings: "connection partners\n" + formSettings}
	w := newWorld(t, withSettings(setup.settings))
	w.addPartners()
	w.addConnection("globex", "auth0-oidc")
	b := w.browser()
	b.gate.closed = true
	response, _ := w.post(b, "/save", strings.NewReader("a=1"), formHeader())
	page, err := b.Get(response.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	w.choose(b, page, "partners")
	held := b.gate.held
	b.gate.closed = false
	if held == "" {
		t.Fatal("the login did not come to its callback")
	}
	w.loseLogins(b)
	setup.settings = "connection globex\n" + formSettings
	w.replace(setup)
	if page, err = b.Get(held); err != nil {
		t.Fatal(err)
	}
	w.wantWays(page, "acme-child", "globex")
	page = w.choose(b, page, "globex")
	if !strings.Contains(page.Body, "Send this form?") || len(w.app.take()) != 0 {
		t.Fatalf("ended at %s\n%s", page.URL, page.Body)
	}
	if _, err := page.Press("Send the form"); err != nil {
		t.Fatal(err)
	}
	if seen := w.app.take(); len(seen) != 1 || seen[0].method != "POST" || seen[0].body != "a=1" {
		t.Errorf("the application saw %+v", seen)
	}
}

// A connection that is taken out of the configuration ends its sessions at
// their next request, a cookie that somebody kept too.
func TestRemovedConnectionEndsItsSessions(t *testing.T) {
	t.Parallel()
	setup := worldSetup{base: "https://app.example.test", settings: "connection partners\nconnection globex"}
	w := newWorld(t, withSettings(setup.settings))
	w.addPartners()
	staff, partner := w.browser(), w.browser()
	w.choose(staff, w.open(staff, "/x"), "acme-child")
	w.choose(partner, w.open(partner, "/x"), "partners")
	kept := cookieHeader(w, partner)
	setup.settings = "connection globex"
	w.replace(setup)
	w.app.take()
	if page := w.open(staff, "/y"); page.Status != http.StatusOK {
		t.Errorf("the other connection's session: %d %s", page.Status, page.URL)
	}
	w.app.take()
	w.wantWays(w.open(partner, "/y"), "acme-child", "globex")
	r, _ := http.NewRequest("GET", w.base+"/y", nil)
	r.Header.Set("Cookie", kept)
	if response, err := w.network.RoundTrip(r); err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the kept cookie: %v %v", response, err)
	}
	if seen := w.app.take(); len(seen) > 0 {
		t.Errorf("the application saw %+v", seen)
	}
	setup.settings = "connection globex\nconnection partners"
	w.load(setup)
	if page := w.open(partner, "/y"); page.Status != http.StatusOK {
		t.Errorf("once it is back: %d %s", page.Status, page.URL)
	}
}

// Each connection has its own strategy, and auto stands for both under one name.
func TestConnectionsWithStrategiesOfTheirOwn(t *testing.T) {
	t.Parallel()
	const site = "auth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM"
	w := newWorld(t, withSite(strings.ReplaceAll(site, "SETTINGS",
		"domain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\nconnection partners {\nstrategy oidc\n}\nconnection globex {\nstrategy auth0-oidc\n}")))
	sub := ""
	w.pair.Master.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = sub }
	for user, status := range map[string]int{
		"auth0-oidc|acme-child|auth0|1": 200, "oidc|acme-child|auth0|1": 200, "oidc|partners|auth0|1": 200, "auth0-oidc|globex|auth0|1": 200,
		"auth0-oidc|partners|auth0|1": 403, "oidc|globex|auth0|1": 403, "oidc|elsewhere|auth0|1": 403, "oidc|acme-child": 403, "auth0|acme-child": 403, "samlp|partners|1": 403,
	} {
		sub = user
		b := w.browser()
		if page := w.choose(b, w.open(b, "/x"), "acme-child"); page.Status != status {
			t.Errorf("%s: %d, want %d", user, page.Status, status)
		}
	}
}

// customerSite has a host for each customer, and a connection of the same name.
const customerSite = "auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection {labels.2} {\nallow acme globex\n}\nLINES\n}\nreverse_proxy UPSTREAM"

// customerWorld has the customers acme and globex, and a host of nobody.
func customerWorld(t *testing.T, lines string) *world {
	t.Helper()
	w := newWorld(t, atBase("https://acme.example.test"), atAddress("https://*.example.test"), withSite(strings.ReplaceAll(customerSite, "LINES", lines)))
	w.addConnection("acme", "auth0-oidc")
	w.addConnection("globex", "oidc")
	for _, host := range []string{"globex.example.test", "nobody.example.test"} {
		w.network.Handle(host, w.server)
		w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) {
			a.Callbacks = append(a.Callbacks, "https://"+host+"/auth/callback")
		})
	}
	return w
}

// at gives the same world seen from another host.
func (w *world) at(base string) *world {
	other := *w
	other.base = base
	return &other
}

func TestCustomersHaveTheirOwnConnections(t *testing.T) {
	t.Parallel()
	w := customerWorld(t, "")
	for _, name := range []string{"acme", "globex"} {
		customer := w.at("https://" + name + ".example.test")
		b := w.browser()
		if asked := askedFor(t, customer.step(w.browser(), customer.base+"/x")); asked.Get("connection") != name {
			t.Errorf("%s goes to %s", name, asked.Get("connection"))
		}
		page := customer.signIn(b, "/x?y=1", w.pair.User)
		if page.Status != http.StatusOK || page.URL.String() != customer.base+"/x?y=1" {
			t.Fatalf("%s ended at %d %s", name, page.Status, page.URL)
		}
		w.wantSeen("/x?y=1", name)
		for _, c := range b.Cookies(customer.base) {
			if strings.HasSuffix(c.Name, "_connection") {
				t.Errorf("%s is remembered without a choice", c.Value)
			}
		}
	}
	response, body := w.send(w.browser(), "POST", "/x", nil)
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "/auth/login?connection=acme\"") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	for query, status := range map[string]int{"": 302, "?connection=acme": 302, "?connection=globex": 400, "?choice=x": 302} {
		if page := w.step(w.browser(), w.base+"/auth/login"+query); page.Status != status {
			t.Errorf("%q: %d, want %d", query, page.Status, status)
		}
	}
}

// A host that is no customer's begins no login and ends none.
func TestHostOfNoCustomerIsRefused(t *testing.T) {
	t.Parallel()
	w := customerWorld(t, "")
	callback := w.callbackOf(w.browser(), "/x", w.pair.User)
	nobody := w.at("https://nobody.example.test")
	for _, path := range []string{"/x", "/auth/login", "/auth/login?choice=x", strings.TrimPrefix(callback, w.base)} {
		page := nobody.step(w.browser(), nobody.base+path)
		if page.Status != http.StatusNotFound || !strings.Contains(page.Body, codeUnknownConnection) || page.Header.Get("Set-Cookie") != "" {
			t.Errorf("%.30s: %d %s", path, page.Status, page.Location())
		}
	}
	if response, body := nobody.send(w.browser(), "POST", "/x", nil); response.StatusCode != http.StatusNotFound || !strings.Contains(body, codeUnknownConnection) {
		t.Errorf("a POST: %d %s", response.StatusCode, body)
	}
	if page := nobody.step(w.browser(), nobody.base+"/auth/login?connection=acme"); page.Status != http.StatusBadRequest {
		t.Errorf("with a name: %d", page.Status)
	}
	if seen := w.app.take(); len(seen) > 0 {
		t.Errorf("the application saw %+v", seen)
	}
}

// A session of one customer is none at the host of another one, although the
// cookie is for both, and neither is a callback.
func TestSessionOfACustomerIsNoneOfAnother(t *testing.T) {
	t.Parallel()
	w := customerWorld(t, "session {\ncookie {\ndomain example.test\n}\n}\nsecret \""+newSecret+"\"")
	globex := w.at("https://globex.example.test")
	b := w.browser()
	w.signIn(b, "/x", w.pair.User)
	w.app.take()
	if cookieHeader(globex, b) == "" {
		t.Fatal("the cookie is not shared")
	}
	if asked := askedFor(t, globex.step(b, globex.base+"/x")); asked.Get("connection") != "globex" {
		t.Errorf("globex's host goes to %v", asked)
	}
	if response, _ := globex.send(b, "GET", "/auth/profile", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the profile at globex's: %d", response.StatusCode)
	}
	if page := w.open(b, "/y"); page.Status != http.StatusOK {
		t.Errorf("at acme's own: %d", page.Status)
	}
	w.app.take()
	other := w.browser()
	callback := w.callbackOf(other, "/z", w.pair.User)
	page := globex.step(other, globex.base+strings.TrimPrefix(callback, w.base))
	if sessionCookie(globex, other) != "" || page.Status == http.StatusOK {
		t.Errorf("the callback at globex's: %d %v", page.Status, page.Header)
	}
	if seen := w.app.take(); len(seen) > 0 {
		t.Errorf("the application saw %+v", seen)
	}
}

// What names the customer may be up to the client.
func TestWhatTheClientNamesIsAllowedOrRefused(t *testing.T) {
	t.Parallel()
	site := strings.Replace(customerSite, "{labels.2}", "\"{header.X-Customer}\"", 1)
	w := newWorld(t, atBase("https://acme.example.test"), withSite(strings.ReplaceAll(site, "LINES", "")))
	w.addConnection("acme", "auth0-oidc")
	for value, want := range map[string]int{
		"acme": http.StatusFound, "": http.StatusNotFound, "ACME": http.StatusNotFound, "acme globex": http.StatusNotFound,
		"{env.HOME}": http.StatusNotFound, "{http.request.host.labels.2}": http.StatusNotFound, strings.Repeat("x", 5000): http.StatusNotFound,
	} {
		r := httptest.NewRequest("GET", w.base+"/x", nil)
		r.Header.Set("Accept", "text/html")
		r.Header.Set("X-Customer", value)
		recorder := httptest.NewRecorder()
		w.server.ServeHTTP(recorder, r)
		if recorder.Code != want {
			t.Errorf("%.40q: %d, want %d", value, recorder.Code, want)
		}
		if u, _ := url.Parse(recorder.Header().Get("Location")); want == http.StatusFound && u.Query().Get("connection") != "acme" {
			t.Errorf("%q leads to %s", value, u)
		}
	}
}

// A page for everybody stays one, with nobody signed in.
func TestHostOfNoCustomerWhereAllPass(t *testing.T) {
	t.Parallel()
	w := customerWorld(t, "unauthenticated pass\nsession {\ncookie {\ndomain example.test\n}\n}")
	b := w.browser()
	page := w.open(b, "/auth/login?return_to=/x")
	w.finishLogin(b, page)
	w.app.take()
	nobody := w.at("https://nobody.example.test")
	if page := nobody.open(b, "/x"); page.Status != http.StatusOK {
		t.Errorf("%d %s", page.Status, page.URL)
	}
	if seen := w.app.take(); len(seen) != 1 || seen[0].header.Get("X-Auth0-User-Id") != "" {
		t.Errorf("the application saw %+v", seen)
	}
	w.clock.advance(time.Hour)
	if response, _ := w.send(b, "GET", "/x", nil); response.StatusCode != http.StatusOK || w.app.take()[0].header.Get("X-Auth0-Connection") != "acme" {
		t.Errorf("at acme's own: %d", response.StatusCode)
	}
}
