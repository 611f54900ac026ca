package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// deepLink is a page of the application.
const deepLink = "/reports/2026?quarter=3"

// steps are the story in its order; later ones go on where earlier ones ended.
var steps = []step{
	{"A visitor who is not signed in opens " + deepLink, (*story).arrive},
	{"The visitor signs in at the child and is back at the deep link", (*story).signIn},
	{"Scripts without a session get 401 and an address to sign in at", (*story).scripts},
	{"Forged headers reach the application neither signed in nor signed out", (*story).forge},
	{"Two more users: of the child's social identity provider, and with a name beyond ASCII", (*story).others},
	{"Direct links lead to pages of this site and to no other", (*story).directLinks},
	{"/auth/profile shows the signed-in user", (*story).profile},
	{"Signing out ends the session here and at the master", (*story).signOut},
	{"A login through another connection of the master is refused", (*story).editConnection},
}

func (s *story) arrive() (err error) {
	if s.page, err = s.user.Get(s.base + deepLink); err != nil {
		return err
	}
	s.hops(s.page, "app/reports/2026", "master/authorize", "child/authorize", "child/u/login")
	if len(s.page.Hops) != 4 {
		return nil // judged above
	}
	asked := s.page.Hops[1].URL.Query()
	for _, c := range [][2]string{
		{"client_id", s.pair.App.ClientID}, {"redirect_uri", s.base + "/auth/callback"}, {"response_type", "code"},
		{"scope", "openid profile email"}, {"connection", s.pair.Connection.Name}, {"code_challenge_method", "S256"},
	} {
		s.is("the master is asked for "+c[0], asked.Get(c[0]), c[1])
	}
	// 22 characters of base64url hold 128 bits; a S256 challenge is 43 long (RFC 7636 section 4.2).
	for _, c := range []struct {
		name   string
		length int
	}{{"state", 22}, {"nonce", 22}, {"code_challenge", 43}} {
		length := len(asked.Get(c.name))
		s.judge("the master is given "+c.name, fmt.Sprintf("%d characters", length),
			fmt.Sprintf("at least %d characters", c.length), length >= c.length)
	}
	toChild := s.page.Hops[2].URL.Query()
	s.judge("the child is given a state", toChild.Get("state"), "one of the master's own",
		toChild.Get("state") != "" && toChild.Get("state") != asked.Get("state"))
	s.is("the child is asked for client_id", toChild.Get("client_id"), s.pair.ChildApp.ClientID)
	return nil
}

func (s *story) signIn() (err error) {
	if s.page, err = s.user.Login(s.page, s.pair.User.Email, auth0sim.PairPassword); err != nil {
		return err
	}
	s.hops(s.page, "child/u/login", "child/authorize/resume", "master/login/callback", "master/authorize/resume",
		"app/auth/callback", "app/reports/2026")
	s.is("address at the end", s.page.URL.String(), s.base+deepLink)
	s.isNumber("status", s.page.Status, http.StatusOK)
	s.contains("the page", s.page.Body, "Hello, "+s.pair.User.Name)
	saw, err := s.told(s.user)
	if err != nil {
		return err
	}
	u := s.pair.User
	for _, row := range []headerRow{
		{"X-Auth0-User-Id", "auth0-oidc|acme-child|" + u.ID},
		{"X-Auth0-Name", u.Name}, {"X-Auth0-Nickname", u.Nickname},
		{"X-Auth0-Email", u.Email}, {"X-Auth0-Email-Verified", "false"}, {"X-Auth0-Picture", u.Picture},
		{"X-Auth0-Strategy", "auth0-oidc"}, {"X-Auth0-Connection", "acme-child"},
		{"X-Auth0-Child-User", u.ID}, {"X-Auth0-Child-Connection", "auth0"},
		{"X-Auth0-Child-User-Id", strings.TrimPrefix(u.ID, "auth0|")},
		{"X-Auth0-Client-Id", s.pair.App.ClientID},
	} {
		s.is(row.Name, saw.Header.Get(row.Name), row.Value)
	}
	var names []string
	for _, c := range saw.Cookies() {
		names = append(names, c.Name)
	}
	s.contains("cookies that the plugin set", strings.Join(s.pluginCookies(s.user), ", "), "auth0_session")
	s.is("cookies that the application saw", strings.Join(names, ", "), legacyCookie)
	return nil
}

// told asks the application what it was told of the browser's user.
func (s *story) told(b *auth0sim.Browser) (seen, error) {
	var saw seen
	_, err := s.fetchJSON(b, deepLink, nil, &saw)
	return saw, err
}

// pluginCookies are the names of the cookies that are not the application's own.
func (s *story) pluginCookies(b *auth0sim.Browser) []string {
	var names []string
	for _, c := range b.Cookies(s.base) {
		if c.Name != legacyCookie {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *story) scripts() error {
	nobody := s.browser()
	before := s.legacy.requests.Load()
	for _, c := range []struct {
		name, method string
		header       http.Header
	}{
		{"fetch", http.MethodGet, nil},
		{"fetch with POST", http.MethodPost, nil},
		{"XMLHttpRequest", http.MethodGet, http.Header{"X-Requested-With": {"XMLHttpRequest"}}},
	} {
		r, err := s.fetch(nobody, c.method, deepLink, c.header)
		if err != nil {
			return err
		}
		s.isNumber(c.name+": status", r.status, http.StatusUnauthorized)
		s.is(c.name+": type", r.header.Get("Content-Type"), "application/problem+json")
		s.is(c.name+": login_url", r.member("login_url"), s.base+"/auth/login?connection=acme-child")
	}
	s.isNumber("requests that reached the application", int(s.legacy.requests.Load()-before), 0)
	return nil
}

// forgeries are headers of a client that wants to be taken for somebody.
var forgeries = []struct {
	told   string
	header http.Header
}{
	{"X-Auth0-User-Id", http.Header{"X-Auth0-User-Id": {"auth0|root"}}},
	{"x_auth0_user_id", http.Header{"x_auth0_user_id": {"auth0|root"}}},
	{"X~Auth0!User+Id", http.Header{"X~Auth0!User+Id": {"auth0|root"}}},
	{"Connection: X-Auth0-User-Id", http.Header{"Connection": {"X-Auth0-User-Id"}}},
	{"all of them", http.Header{
		"X-Auth0-User-Id": {"auth0|root"}, "x_auth0_user_id": {"auth0|root"}, "X~Auth0!User+Id": {"auth0|root"},
		"Connection": {"X-Auth0-User-Id"},
	}},
}

func (s *story) forge() error {
	honest, err := s.told(s.user)
	if err != nil {
		return err
	}
	nobody := s.browser()
	for _, f := range forgeries {
		var saw seen
		if _, err := s.fetchJSON(s.user, deepLink, f.header, &saw); err != nil {
			return err
		}
		s.is("signed in, with "+f.told+": headers lost", fmt.Sprint(without(honest.Identity(), saw.Identity())), "[]")
		s.is("signed in, with "+f.told+": headers gained", fmt.Sprint(without(saw.Identity(), honest.Identity())), "[]")
		before := s.legacy.requests.Load()
		r, err := s.fetch(nobody, http.MethodGet, deepLink, f.header)
		if err != nil {
			return err
		}
		s.isNumber("signed out, with "+f.told+": status", r.status, http.StatusUnauthorized)
		s.isNumber("requests that reached the application", int(s.legacy.requests.Load()-before), 0)
	}
	return nil
}

// without are the rows that the others do not have.
func without(rows, others []headerRow) []headerRow {
	return slices.DeleteFunc(rows, func(row headerRow) bool { return slices.Contains(others, row) })
}

func (s *story) others() error {
	social := s.browser()
	page, err := social.Get(s.base + deepLink)
	if err != nil {
		return err
	}
	if page, err = social.LoginWith(page, s.pair.Social.Connection, s.pair.Social.ID); err != nil {
		return err
	}
	s.is("address at the end", page.URL.String(), s.base+deepLink)
	saw, err := s.told(social)
	if err != nil {
		return err
	}
	s.is("X-Auth0-User-Id", saw.User(), s.pair.MasterUserID(s.pair.Social))
	s.is("X-Auth0-Name", saw.Name(), s.pair.Social.Name)
	s.is("X-Auth0-Child-Connection", saw.Header.Get("X-Auth0-Child-Connection"), "google-oauth2")

	accented := s.browser()
	if _, err = s.enter(accented, deepLink, s.pair.Accented); err != nil {
		return err
	}
	if saw, err = s.told(accented); err != nil {
		return err
	}
	s.is("X-Auth0-User-Id", saw.User(), s.pair.MasterUserID(s.pair.Accented))
	s.is("X-Auth0-Name", saw.Name(), s.pair.Accented.Name)
	s.is("X-Auth0-Family-Name", saw.Header.Get("X-Auth0-Family-Name"), s.pair.Accented.FamilyName)
	if saw, err = s.told(s.user); err != nil {
		return err
	}
	s.is("the first browser's X-Auth0-User-Id", saw.User(), s.pair.MasterUserID(s.pair.User))
	return nil
}

// enter opens an address of the application and signs a database user of the
// child in.
func (s *story) enter(b *auth0sim.Browser, address string, u auth0sim.User) (*auth0sim.Page, error) {
	page, err := b.Get(s.base + address)
	if err != nil {
		return nil, err
	}
	return b.Login(page, u.Email, auth0sim.PairPassword)
}

func (s *story) directLinks() error {
	for _, c := range []struct{ returnTo, end string }{
		{deepLink, deepLink},
		{s.base + deepLink, deepLink},
		{"https://evil.test/", "/"},
		{"//evil.test/", "/"},
		{`/\evil.test/`, "/"},
		{"/auth/logout", "/"},
	} {
		page, err := s.enter(s.browser(), "/auth/login?return_to="+url.QueryEscape(c.returnTo), s.pair.User)
		if err != nil {
			return err
		}
		s.is("return_to="+c.returnTo+" ends at", page.URL.String(), s.base+c.end)
		s.isNumber("status", page.Status, http.StatusOK)
	}
	return nil
}

func (s *story) profile() error {
	var answer struct {
		Profile map[string]any `json:"profile"`
		Expires string         `json:"session_expires"`
	}
	r, err := s.fetchJSON(s.user, "/auth/profile", nil, &answer)
	if err != nil {
		return err
	}
	s.isNumber("status", r.status, http.StatusOK)
	s.is("type", r.header.Get("Content-Type"), "application/json")
	s.is("user_id", fmt.Sprint(answer.Profile["user_id"]), s.pair.MasterUserID(s.pair.User))
	s.is("email", fmt.Sprint(answer.Profile["email"]), s.pair.User.Email)
	s.judge("session_expires", answer.Expires, "a time", answer.Expires != "")
	if r, err = s.fetch(s.browser(), http.MethodGet, "/auth/profile", nil); err != nil {
		return err
	}
	s.isNumber("status without a session", r.status, http.StatusUnauthorized)
	return nil
}

func (s *story) signOut() error {
	before := len(s.pair.Master.Sessions())
	here, err := s.user.Step(s.base + "/auth/logout")
	if err != nil {
		return err
	}
	s.hops(here, "app/auth/logout")
	s.is("cookies that the plugin left", strings.Join(s.pluginCookies(s.user), ", "), "auth0_txn_signedout")
	master, err := s.user.Step(here.Location())
	if err != nil {
		return err
	}
	s.hops(master, "master/oidc/logout")
	s.isNumber("sessions that ended at the master", before-len(s.pair.Master.Sessions()), 1)
	asked, err := url.Parse(here.Location())
	if err != nil {
		return fmt.Errorf("reading the address of the logout: %w", err)
	}
	s.is("the master sends the browser back to", master.Location(), s.base+"/?state="+asked.Query().Get("state"))
	r, err := s.fetch(s.user, http.MethodGet, deepLink, nil)
	if err != nil {
		return err
	}
	s.isNumber("status for a script afterwards", r.status, http.StatusUnauthorized)
	page, err := master.Follow()
	if err != nil {
		return err
	}
	s.hops(page, "app/")
	s.contains("page", page.Body, "You are signed out")
	s.say("   The child's own session goes on, for whoever asks to sign in again:")
	if page, err = page.Click("/auth/login"); err != nil {
		return err
	}
	s.hops(page, "app/auth/login", "master/authorize", "child/authorize", "master/login/callback", "master/authorize/resume",
		"app/auth/callback", "app/")
	return s.signOutEverywhere()
}

// signOutEverywhere ends the child's session too, so that the next login asks.
func (s *story) signOutEverywhere() error {
	s.say("   Signing out here, at the master and at the child:")
	here, err := s.user.Step(s.base + "/auth/logout")
	if err != nil {
		return err
	}
	for _, address := range []string{here.Location(), s.pair.Child.Issuer() + "v2/logout"} {
		page, err := s.user.Step(address)
		if err != nil {
			return err
		}
		s.say("        %d  GET  %s", page.Status, brief(page.URL))
	}
	page, err := s.user.Get(s.base + "/auth/login")
	if err != nil {
		return err
	}
	s.hops(page, "app/auth/login", "master/authorize", "child/authorize", "child/u/login")
	return nil
}

func (s *story) editConnection() error {
	b := s.browser()
	start, err := b.Step(s.base + deepLink)
	if err != nil {
		return err
	}
	edited, err := url.Parse(start.Location())
	if err != nil {
		return fmt.Errorf("reading the address of the login: %w", err)
	}
	q := edited.Query()
	q.Set("connection", auth0sim.DatabaseConnection)
	edited.RawQuery = q.Encode()
	page, err := b.Get(edited.String())
	if err != nil {
		return err
	}
	s.hops(page, "master/authorize", "master/u/login")
	before := s.legacy.requests.Load()
	if page, err = b.Login(page, s.operator.Email, auth0sim.PairPassword); err != nil {
		return err
	}
	s.hops(page, "master/u/login", "master/authorize/resume", "app/auth/callback")
	s.isNumber("status", page.Status, http.StatusForbidden)
	s.is("type", page.Header.Get("Content-Type"), "text/html; charset=utf-8")
	s.contains("the page", page.Body, "connection_mismatch")
	r, err := s.fetch(b, http.MethodGet, deepLink, nil)
	if err != nil {
		return err
	}
	s.isNumber("status for a script afterwards", r.status, http.StatusUnauthorized)
	s.isNumber("requests that reached the application", int(s.legacy.requests.Load()-before), 0)
	return nil
}
