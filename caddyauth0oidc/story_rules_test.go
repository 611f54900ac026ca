package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// adminsOnly is the directive with a rule that the users of the child do not meet.
const adminsOnly = "require " + rolesClaim + " admin"

// Whoever is kept out learns so, can sign out, and can come in with another account
// although both tenants still know the first one: the connection passes prompt on.
func TestKeptOutUserComesInWithAnotherAccount(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withStrategy(strategy), withSettings("require name Zo*"))
			w.pair.Connection.Options["upstream_params"] = map[string]any{"prompt": map[string]any{"alias": "prompt"}}
			b := w.browser()
			page := w.signIn(b, "/reports?y=1&z=a%2fb", w.pair.User)
			if page.Status != http.StatusForbidden || page.URL.Path != "/reports" || len(w.app.take()) != 0 {
				t.Fatalf("%d %s\n%s", page.Status, page.URL, page.Body)
			}
			for _, want := range []string{"<title>This account may not open this page</title>", "Code: <code>forbidden</code>", `<form method="post" action="/auth/logout">`} {
				if !strings.Contains(page.Body, want) {
					t.Errorf("the page has no %s:\n%s", want, page.Body)
				}
			}
			for range 4 { // and changing one's mind is no loop
				asked, err := page.Click(linkOf(t, page.Body, "Use another account"))
				if err != nil || len(asked.Forms) == 0 || !strings.HasPrefix(asked.URL.String(), w.pair.Child.Issuer()) {
					t.Fatalf("the child does not ask: %v %+v", err, asked)
				}
				if page, err = b.Login(asked, w.pair.User.Email, auth0sim.PairPassword); err != nil || page.Status != http.StatusForbidden {
					t.Fatalf("the same account: %v %+v", err, page)
				}
			}
			asked, err := page.Click(linkOf(t, page.Body, "Use another account"))
			if err != nil {
				t.Fatal(err)
			}
			page, err = b.Login(asked, w.pair.Accented.Email, auth0sim.PairPassword)
			if err != nil || page.Status != http.StatusOK || page.URL.RequestURI() != "/reports?y=1&z=a%2fb" {
				t.Errorf("the other account: %v %+v", err, page)
			}
		})
	}
}

// linkOf gives the address behind the words of a link.
func linkOf(t *testing.T, body, words string) string {
	t.Helper()
	before, _, found := strings.Cut(body, ">"+words+"</a>")
	_, address, found2 := strings.Cut(before[strings.LastIndex(before, "<a "):], `href="`)
	if !found || !found2 {
		t.Fatalf("no link %q in\n%s", words, body)
	}
	return strings.ReplaceAll(strings.TrimSuffix(address, `"`), "&amp;", "&")
}

// Where the connection keeps prompt to itself the child answers from its session, and
// the way ends at the same page: no loop, and no page about one.
func TestLoginOfAKeptOutUserEndsAtThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(adminsOnly))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for i := range 5 {
		for _, address := range []string{"/auth/login?return_to=/home", "/auth/login?prompt=login&return_to=/home", "/auth/login"} {
			page := w.open(b, address)
			if page.Status != http.StatusForbidden || !strings.Contains(page.Body, codeForbidden) || len(page.Hops) > 12 {
				t.Fatalf("login %d, %s: %d %s after %d hops", i+1, address, page.Status, page.URL, len(page.Hops))
			}
		}
	}
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
}

func TestOnlyLoginIsAPrompt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for asked, want := range map[string]string{"login": "login", "none": "", "consent": "", "login%20x": "", "": ""} {
		u, _ := url.Parse(w.step(w.browser(), w.base+"/auth/login?prompt="+asked).Location())
		if got := u.Query().Get("prompt"); got != want {
			t.Errorf("prompt=%s becomes %q", asked, got)
		}
	}
}

// Signing out works for whom no page is open.
func TestKeptOutUserSignsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(adminsOnly))
	b := w.browser()
	page := w.signIn(b, "/home", w.pair.User)
	out, err := page.Press("Sign out")
	if err != nil {
		t.Fatal(err)
	}
	if sessionCookie(w, b) != "" || len(w.pair.Master.Sessions()) != 0 || !strings.Contains(out.Body, codeSignedOut) {
		t.Errorf("session here %q, at the tenant %v, page %d", sessionCookie(w, b), w.pair.Master.Sessions(), out.Status)
	}
}

// What programs get, what the operator reads, and what neither of them learns.
func TestKeptOutProgramGetsAProblem(t *testing.T) {
	t.Parallel()
	const value = "a-value-of-the-user"
	w := newWorld(t, withSettings("require email\nrequire "+rolesClaim+" a-value-of-the-rule"))
	b := w.signInWith(map[string]any{rolesClaim: value})
	for _, method := range []string{"GET", "POST", "HEAD"} {
		response, body := w.send(b, method, "/x", map[string]string{"Accept": "application/json"})
		if response.StatusCode != http.StatusForbidden || response.Header.Get("Content-Type") != "application/problem+json" ||
			response.Header.Get("Cache-Control") != uncached || response.Header.Get("Www-Authenticate") != "" {
			t.Errorf("%s: %d %v", method, response.StatusCode, response.Header)
		}
		var got problem
		if err := json.Unmarshal([]byte(body), &got); method != "HEAD" && (err != nil || got.Code != codeForbidden || got.Status != 403 || got.LoginURL != "") {
			t.Errorf("%s: %s %v", method, body, err)
		}
		if strings.Contains(body, value) || strings.Contains(body, "a-value-of-the-rule") || strings.Contains(body, rolesClaim) {
			t.Errorf("%s: the answer tells a claim: %s", method, body)
		}
	}
	logs := w.logs()
	if !strings.Contains(logs, `"code":"forbidden","status":403,"error":"judging the rules: the user is kept out by rule 2 of require, about the claim \"`+rolesClaim+`\""`) {
		t.Errorf("the log does not name the rule:\n%s", logs)
	}
	if strings.Contains(logs, value) || strings.Contains(logs, "a-value-of-the-rule") {
		t.Error("INV-04: the log tells a value")
	}
}

// A site's own page has the code, and nobody's identity, although the first of two
// directives has let the user in.
func TestErrorRoutesAnswerForKeptOutUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`route {
auth0_oidc
auth0_oidc {
`+adminsOnly+`
}
reverse_proxy UPSTREAM
}
handle_errors {
@claim auth0_claim email
respond @claim "known"
@forbidden expression {http.auth.auth0_oidc.error} == "forbidden"
respond @forbidden "{err.status_code} {http.auth.auth0_oidc.error} [{http.auth.user.id}]"
}`))
	b := w.signInWith(nil)
	if response, body := w.send(b, "GET", "/x", nil); response.StatusCode != 403 || body != "403 forbidden []" || response.Header.Get("Cache-Control") != uncached {
		t.Errorf("%d %q %v", response.StatusCode, body, response.Header)
	}
	in := w.signInWith(map[string]any{rolesClaim: []string{"admin"}})
	if response, _ := w.send(in, "GET", "/x", nil); response.StatusCode != http.StatusOK {
		t.Errorf("an admin: %d", response.StatusCode)
	}
}

// What a directive refuses is not let in by one that asks for less in the error routes:
// the address and the method there are those of the refused request.
func TestErrorRoutesLetNobodyInWhoWasRefused(t *testing.T) {
	t.Parallel()
	for _, outer := range []string{adminsOnly, "deny name", "acr_values mfa", "max_age 5m", "connection partners"} {
		for _, inner := range []string{"", "unauthenticated 401", "unauthenticated pass", "unauthenticated pass\n" + adminsOnly, bearerSetting} {
			w := newWorld(t, withGlobal(globalTenant), withSite("@usual not path /admin/*\nauth0_oidc @usual\nauth0_oidc /admin/* {\nunauthenticated 401\n"+outer+
				"\n}\nreverse_proxy UPSTREAM\nhandle_errors {\nauth0_oidc {\n"+inner+"\n}\nreverse_proxy UPSTREAM\n}"))
			b := w.signInWith(nil)
			w.clock.advance(10 * time.Minute)
			response, _ := w.send(b, "POST", "/admin/delete?id=1", nil)
			passes := strings.HasPrefix(inner, "unauthenticated pass")
			seen := w.app.take()
			if passes != (len(seen) == 1) || !passes && response.StatusCode < 400 {
				t.Errorf("%q, %q: %d, %d requests", outer, inner, response.StatusCode, len(seen))
			}
			for _, r := range seen {
				assertOnlyOurs(t, r, nil)
			}
		}
	}
}

// With pass nobody passes as nobody, but somebody who is kept out does not.
func TestRulesWherePagesAreOpenToEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("unauthenticated pass\n"+adminsOnly))
	for want, b := range map[int]*heldBrowser{200: w.browser(), 403: w.signInWith(nil)} {
		if response, _ := w.send(b, "GET", "/x", nil); response.StatusCode != want || len(w.app.take()) > 0 != (want == 200) {
			t.Errorf("%d, want %d", response.StatusCode, want)
		}
	}
	in := w.signInWith(map[string]any{rolesClaim: "admin"})
	if response, _ := w.send(in, "GET", "/x", nil); response.StatusCode != http.StatusOK {
		t.Errorf("an admin: %d", response.StatusCode)
	}
}

// Directives share the session, and each has its own rules; one inside another is
// asked as well, and what the first said about the user is taken back.
func TestEachDirectiveHasItsOwnRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal("auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\ndeny "+rolesClaim+" banned\n}"), withSite(`@rest not path /admin/* /staff/*
auth0_oidc @rest
auth0_oidc /staff/* {
require `+rolesClaim+` staff
}
auth0_oidc /admin/* {
require `+rolesClaim+` admin
headers {
prefix X-Admin-
}
}
handle /rest/inner/* {
auth0_oidc {
require `+rolesClaim+` admin
}
}
header X-Who "[{http.auth.user.id}]"
reverse_proxy UPSTREAM`))
	for role, open := range map[string]string{
		"none": "/rest/x", "staff": "/rest/x /staff/x", "admin": "/rest/x /admin/x /rest/inner/x", "banned": "",
	} {
		b := w.signInWith(map[string]any{rolesClaim: []string{role}})
		for _, path := range []string{"/rest/x", "/staff/x", "/admin/x", "/rest/inner/x"} {
			w.app.take()
			response, _ := w.send(b, "GET", path, nil)
			reached := len(w.app.take())
			if want := strings.Contains(open+" ", path+" "); (response.StatusCode == 200) != want || (reached == 1) != want || !want && response.StatusCode != 403 {
				t.Errorf("%s at %s: %d, the application was reached %d times", role, path, response.StatusCode, reached)
			}
		}
	}
}

// A rewrite leads around no rule, neither by what it makes of an address nor by what
// the address was before.
func TestRewritesLeadAroundNoRule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`rewrite /admin/* /index.php?{path}
rewrite /hidden /admin/x
auth0_oidc /admin/* {
`+adminsOnly+`
}
reverse_proxy UPSTREAM`))
	b := w.signInWith(nil)
	for _, path := range []string{"/admin/x", "/hidden", "/admin/index.php"} {
		if response, _ := w.send(b, "GET", path, nil); response.StatusCode != 403 || len(w.app.take()) != 0 {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}

// A session that began before the rules is judged by today's.
func TestRulesHoldForSessionsThatAreThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("secret \""+newSecret+"\""))
	b := w.signInWith(nil)
	if response, _ := w.send(b, "GET", "/x", nil); response.StatusCode != 200 {
		t.Fatalf("before: %d", response.StatusCode)
	}
	w.load(worldSetup{base: w.base, settings: "secret \"" + newSecret + "\"\n" + adminsOnly})
	w.clock.advance(3 * time.Hour) // a renewal would be due
	response, _ := w.send(b, "GET", "/x", nil)
	if response.StatusCode != 403 || len(response.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("after: %d %v", response.StatusCode, response.Header)
	}
}
