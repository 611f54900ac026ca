package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const (
	reportsAPI    = "https://reports.example.test/"
	bearerSetting = "bearer {\naudience " + reportsAPI + "\nscope read:reports\n}"
)

// newAPIWorld is a site that API clients may use, too.
func newAPIWorld(t *testing.T, options ...worldOption) *world {
	t.Helper()
	w := newWorld(t, append([]worldOption{withSettings(bearerSetting)}, options...)...)
	w.pair.Master.AddAPI(auth0sim.API{Identifier: reportsAPI, Scopes: []string{"read:reports", "write:reports"}})
	return w
}

// tokenOf asks the master tenant for tokens.
func (w *world) tokenOf(form url.Values) string {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.pair.Master.Issuer()+"oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := w.network.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	var body struct {
		AccessToken string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil || body.AccessToken == "" {
		w.t.Fatalf("no access token: %v %s", err, body.Description)
	}
	return body.AccessToken
}

// machineToken is that of an application that acts for itself.
func (w *world) machineToken(audience string, scopes ...string) (token, clientID string) {
	w.t.Helper()
	app := w.pair.Master.AddApplication(auth0sim.Application{
		GrantTypes: []string{"client_credentials"}, Grants: map[string][]string{audience: scopes},
	})
	return w.tokenOf(url.Values{
		"grant_type": {"client_credentials"}, "audience": {audience}, "client_id": {app.ClientID}, "client_secret": {app.ClientSecret},
	}), app.ClientID
}

// userToken is that of a user who signs in to another application.
func (w *world) userToken(scope string) (token, clientID string) {
	w.t.Helper()
	const callback = "https://spa.example.test/callback"
	app := w.pair.Master.AddApplication(auth0sim.Application{Callbacks: []string{callback}})
	w.pair.Master.Enable("acme-child", app.ClientID)
	w.network.Handle("spa.example.test", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	b := auth0sim.NewBrowser(w.network)
	page, err := b.Get(w.pair.Master.Issuer() + "authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {app.ClientID}, "redirect_uri": {callback}, "connection": {"acme-child"},
		"scope": {scope}, "audience": {reportsAPI},
	}.Encode())
	if err == nil {
		page, err = b.Login(page, w.pair.User.Email, auth0sim.PairPassword)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return w.tokenOf(url.Values{
		"grant_type": {"authorization_code"}, "code": {page.URL.Query().Get("code")}, "redirect_uri": {callback},
		"client_id": {app.ClientID}, "client_secret": {app.ClientSecret},
	}), app.ClientID
}

// signed signs the claims of a good token with changes; nil takes a claim out.
func (w *world) signed(changes map[string]any) string {
	now := w.clock.Now()
	claims := map[string]any{
		"iss": w.pair.Master.Issuer(), "sub": w.pair.MasterUserID(w.pair.User), "aud": reportsAPI, "azp": "spa",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "read:reports",
	}
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return w.pair.Master.SignJWT(map[string]any{"typ": "JWT"}, claims)
}

// call sends an access token, as an API client does.
func (w *world) call(path, token string, more ...string) (*http.Response, string) {
	w.t.Helper()
	header := map[string]string{"Authorization": "Bearer " + token}
	for i := 0; i < len(more); i += 2 {
		header[more[i]] = more[i+1]
	}
	return w.send(w.browser(), "GET", path, header)
}

// assertRefused checks what every refusal of an API client has in common.
func assertRefused(t *testing.T, w *world, response *http.Response, body string, status int, code, challenge string) {
	t.Helper()
	var told problem
	if err := json.Unmarshal([]byte(body), &told); err != nil || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("no problem but %s %q", response.Header.Get("Content-Type"), body)
	}
	if response.StatusCode != status || told.Code != code {
		t.Errorf("%d %s, want %d %s", response.StatusCode, told.Code, status, code)
	}
	lines := response.Header.Values("WWW-Authenticate")
	want := `Bearer realm="` + w.base + `"` + challenge + `, resource_metadata="` + w.base + `/.well-known/oauth-protected-resource"`
	if len(lines) != 1 || lines[0] != want {
		t.Errorf("challenges %q, want %q", lines, want)
	}
	if response.Header.Get("Location") != "" || len(response.Header.Values("Set-Cookie")) != 0 ||
		response.Header.Get("Cache-Control") != uncached {
		t.Errorf("header %v", response.Header)
	}
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
}

func TestAMachineCallsWithItsToken(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"access_token", "rfc9068_profile"} {
		w := newAPIWorld(t)
		w.pair.Master.AddAPI(auth0sim.API{Identifier: reportsAPI, TokenDialect: dialect})
		token, clientID := w.machineToken(reportsAPI, "read:reports", "write:reports")
		response, body := w.call("/reports?x=1", token)
		if response.StatusCode != http.StatusOK || body != "application at /reports?x=1" {
			t.Fatalf("%s: %d %s", dialect, response.StatusCode, body)
		}
		seen := w.app.take()
		assertSeen(t, seen[0], map[string]string{
			"X-Auth0-User-Id": clientID + "@clients", "X-Auth0-Client-Id": clientID, "X-Auth0-Connection": "", "X-Auth0-Email": "",
			"X-Auth0-Session-Expires": w.clock.Now().Truncate(time.Second).Add(24 * time.Hour).UTC().Format(time.RFC3339),
			"Authorization":           "Bearer " + token, // HDR-41
		})
		if cache, vary := response.Header.Get("Cache-Control"), response.Header.Get("Vary"); cache != "private" || vary != "Authorization" {
			t.Errorf("%s: Cache-Control %q, Vary %q", dialect, cache, vary)
		}
		if len(response.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: cookies %q", dialect, response.Header.Values("Set-Cookie"))
		}
	}
}

func TestAUserOfTheConnectionCallsThroughAnotherApplication(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nrequest_header X-Seen-Scope {http.auth.user.scope}\nreverse_proxy UPSTREAM"))
	token, clientID := w.userToken("openid profile read:reports")
	response, _ := w.call("/reports", token)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	assertSeen(t, w.app.take()[0], map[string]string{
		"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User), "X-Auth0-Client-Id": clientID, "X-Auth0-Connection": "acme-child",
		"X-Auth0-Strategy": "auth0-oidc", "X-Seen-Scope": "openid profile read:reports",
	})
	w.clock.advance(25 * time.Hour)
	response, body := w.call("/reports", token)
	assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)
}

func TestScopesAndPermissionsAreAllWanted(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withSettings("bearer {\naudience "+reportsAPI+"\nscope read:reports write:reports\npermissions a:x b:y\n}"))
	for name, tc := range map[string]struct {
		scope, permissions any
		passes, lacksScope bool
	}{
		"all":                  {"write:reports openid read:reports", []string{"b:y", "c:z", "a:x"}, true, false},
		"one scope":            {"read:reports", []string{"a:x", "b:y"}, false, true},
		"a longer scope":       {"read:reports:all write:reports", []string{"a:x", "b:y"}, false, true},
		"other case":           {"Read:reports write:reports", []string{"a:x", "b:y"}, false, true},
		"tab between":          {"read:reports\twrite:reports", []string{"a:x", "b:y"}, false, true},
		"no scope":             {nil, []string{"a:x", "b:y"}, false, true},
		"one permission":       {"read:reports write:reports", []string{"a:x"}, false, false},
		"permissions in one":   {"read:reports write:reports", []string{"a:x b:y"}, false, false},
		"permissions as scope": {"read:reports write:reports a:x b:y", nil, false, false},
		"no permissions":       {"read:reports write:reports", []string{}, false, false},
	} {
		response, body := w.call("/reports", w.signed(map[string]any{"scope": tc.scope, "permissions": tc.permissions}))
		if tc.passes {
			if response.StatusCode != http.StatusOK || len(w.app.take()) != 1 {
				t.Errorf("%s: %d", name, response.StatusCode)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			challenge := `, error="insufficient_scope"`
			if tc.lacksScope {
				challenge += `, scope="read:reports write:reports"`
			}
			assertRefused(t, w, response, body, 403, "insufficient_scope", challenge)
		})
	}
}

func TestWhoComesWithoutATokenLearnsThatOneWouldDo(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	response, _ := w.send(w.browser(), "POST", "/reports", map[string]string{"Accept": "application/json"})
	want := []string{
		`Auth0-OIDC login_url="` + w.base + `/auth/login?connection=acme-child"`,
		`Bearer realm="` + w.base + `", resource_metadata="` + w.base + `/.well-known/oauth-protected-resource"`,
	}
	if got := response.Header.Values("WWW-Authenticate"); response.StatusCode != 401 || !slices.Equal(got, want) {
		t.Errorf("%d %q", response.StatusCode, got)
	}
	if page := w.open(w.browser(), "/reports"); len(page.Forms) == 0 {
		t.Errorf("a navigation came to %d %s", page.Status, page.URL)
	}
	response, _ = w.send(w.browser(), "GET", "/auth/profile", nil)
	if got := response.Header.Values("WWW-Authenticate"); response.StatusCode != 401 || len(got) != 1 {
		t.Errorf("the profile, for which no token does: %d %q", response.StatusCode, got)
	}
}

// A session is judged as ever, and says nothing for a request with a token.
func TestATokenStandsAloneBesideASession(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(3 * time.Hour) // the session is due to be renewed
	w.app.take()
	token, clientID := w.machineToken(reportsAPI, "read:reports")
	response, _ := w.send(b, "GET", "/x", map[string]string{"Authorization": "bearer " + token})
	if response.StatusCode != http.StatusOK || len(response.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("%d, cookies %q", response.StatusCode, response.Header.Values("Set-Cookie"))
	}
	assertSeen(t, w.app.take()[0], map[string]string{"X-Auth0-User-Id": clientID + "@clients", "Cookie": ""})

	response, body := w.send(b, "GET", "/x", map[string]string{"Authorization": "Bearer x.y.z", "Accept": "text/html", "Sec-Fetch-Mode": "cors"})
	assertRefused(t, w, response, body, 401, "invalid_access_token", `, error="invalid_token"`)

	response, _ = w.send(b, "GET", "/x", map[string]string{"Authorization": "Basic dTpw"})
	if response.StatusCode != http.StatusOK || response.Header.Get("Vary") != "Authorization" {
		t.Errorf("the session beside Basic: %d %v", response.StatusCode, response.Header)
	}
	assertSeen(t, w.app.take()[0], map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User), "Authorization": "Basic dTpw"})
	response, body = w.send(b, "GET", "/auth/profile", map[string]string{"Authorization": "Bearer x.y.z"})
	if response.StatusCode != http.StatusOK || !strings.Contains(body, w.pair.MasterUserID(w.pair.User)) {
		t.Errorf("the profile: %d %s", response.StatusCode, body)
	}
	if page := w.open(w.browser(), "/auth/login"); len(page.Forms) == 0 {
		t.Errorf("the login: %d", page.Status)
	}
}

func TestResourceMetadataTellWhoIssuesTokens(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]resourceMetadata{
		bearerSetting: {Resource: "https://app.example.test", ScopesSupported: []string{"read:reports"}},
		"bearer {\naudience urn:x https://app.example.test/\n}":                      {Resource: "https://app.example.test/"},
		"bearer {\naudience https://app.example.test/ https://app.example.test\n}":   {Resource: "https://app.example.test"},
		"bearer {\naudience https://app.example.test/api\n}\nunauthenticated pass\n": {Resource: "https://app.example.test"},
	} {
		w := newWorld(t, withSettings(settings))
		response, body := w.send(w.browser(), "GET", resourceMetadataPath, nil)
		var got resourceMetadata
		if err := json.Unmarshal([]byte(body), &got); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
		if got.Resource != want.Resource || !slices.Equal(got.ScopesSupported, want.ScopesSupported) ||
			!slices.Equal(got.AuthorizationServers, []string{w.pair.Master.Issuer()}) || !slices.Equal(got.BearerMethods, []string{"header"}) {
			t.Errorf("%s: %s", settings, body)
		}
		if got := response.Header.Get("Cache-Control"); got != "public, max-age=3600" || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("header %v", response.Header)
		}
		if response, body := w.send(w.browser(), "HEAD", resourceMetadataPath, nil); response.StatusCode != http.StatusOK || body != "" {
			t.Errorf("HEAD: %d %q", response.StatusCode, body)
		}
		if response, _ := w.send(w.browser(), "POST", resourceMetadataPath, nil); response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", response.StatusCode)
		}
		if response, _ := w.send(w.browser(), "GET", resourceMetadataPath+"/api", nil); response.StatusCode == http.StatusOK && len(w.app.take()) == 0 {
			t.Errorf("below it: %d", response.StatusCode)
		}
	}
	w := newWorld(t) // without the setting the path is the application's
	if response, _ := w.send(w.browser(), "GET", resourceMetadataPath, nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without bearer: %d", response.StatusCode)
	}
}

// The directives of a site describe it together, and each looks at tokens only where it
// protects and accepts them.
func TestDirectivesOfASiteShareOneDescriptionOfTheirAPIs(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, withGlobal(globalTenant), withSite(`@a path /a/*
@b path /b/*
@pages path /pages/*
auth0_oidc @pages
auth0_oidc @a {
bearer {
audience urn:a
scope b:read a:read
}
}
auth0_oidc @b {
bearer {
audience https://app.example.test/
scope b:read
}
}
reverse_proxy UPSTREAM`))
	_, body := w.send(w.browser(), "GET", resourceMetadataPath, nil)
	want := `{"resource":"https://app.example.test/","authorization_servers":["` + w.pair.Master.Issuer() +
		`"],"scopes_supported":["a:read","b:read"],"bearer_methods_supported":["header"]}`
	if strings.TrimSpace(body) != want {
		t.Errorf("%s, want %s", body, want)
	}
	token := w.signed(map[string]any{"aud": "urn:a", "scope": "a:read b:read"})
	for path, status := range map[string]int{"/a/x": 200, "/b/x": 401, "/pages/x": 401, "/open": 200} {
		response, _ := w.call(path, token, "X-Auth0-User-Id", "evil", "Connection", "close, Authorization")
		if response.StatusCode != status {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
		user := ""
		if path == "/a/x" {
			user = w.pair.MasterUserID(w.pair.User)
		}
		for _, seen := range w.app.take() {
			assertSeen(t, seen, map[string]string{"X-Auth0-User-Id": user, "Authorization": "Bearer " + token})
		}
	}
	if response, _ := w.call("/open", "x.y.z"); response.StatusCode != http.StatusOK || response.Header.Get("Vary") != "" {
		t.Errorf("where nothing is protected: %d %v", response.StatusCode, response.Header)
	}
}
