package caddyauth0oidc

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// withChild are settings for the child's token, which reaches the application by a header
// or as a bearer token; the child is known.
func withChild(upstream, more string) string {
	return "connection acme-child {\nchild {\ndomain CHILD_TENANT\nclient_id CHILD_APPLICATION\n}\n}\n" +
		managed("idp_token {\nupstream "+upstream+"\n}") + more
}

var readTokens = []string{"read:users", "read:user_idp_tokens"}

func childWorld(t *testing.T, settings string, options ...worldOption) *world {
	t.Helper()
	return managedWorld(t, readTokens, append(options, withSite(siteOf(settings)))...)
}

// askChild calls the child's API with what the application got.
func (w *world) askChild(authorization string) (status int, body map[string]any) {
	w.t.Helper()
	address := w.pair.Child.Issuer() + "api/v2/users/" + url.PathEscape(w.pair.User.ID)
	r, err := http.NewRequest(http.MethodGet, address, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	response, err := w.network.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&body); err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, body
}

// The seed's story: the child's token, decoded, and used at the child's API.
func TestChildsTokenIsDecodedAndGoodAtTheChildsAPI(t *testing.T) {
	t.Parallel()
	for upstream, header := range map[string]string{"header": "X-Auth0-Child-Access-Token", "bearer": "Authorization"} {
		t.Run(upstream, func(t *testing.T) {
			t.Parallel()
			w := childWorld(t, withChild(upstream, "headers {\nX-Child-Email child.email\nX-Child-Sub \"{http.auth.user.child.sub}\"\nX-Child-Aud child.aud\n}"))
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			for range 4 {
				w.open(b, "/home")
			}
			for _, seen := range w.app.take() {
				assertSeen(t, seen, map[string]string{
					"X-Child-Email": "user-in-child@mail.com", "X-Child-Sub": w.pair.User.ID, "X-Child-Aud": "", "X-Auth0-Profile": "",
				})
				authorization := "Bearer " + strings.TrimPrefix(seen.header.Get(header), "Bearer ")
				if status, user := w.askChild(authorization); status != http.StatusOK || user["user_id"] != w.pair.User.ID {
					t.Errorf("the child's API answers %d %v", status, user)
				}
			}
			p := w.ownProfile(b)
			child, _ := p["child"].(map[string]any)
			for _, left := range []string{"iss", "aud", "iat", "exp", "nonce", "at_hash"} {
				if child[left] != nil {
					t.Errorf("child.%s is %v", left, child[left])
				}
			}
			if shown, _ := json.Marshal(p); strings.Contains(string(shown), "eyJ") || strings.Contains(string(shown), "access_token") {
				t.Errorf("the profile has a token: %s", shown)
			}
			assertSilent(t, w)
		})
	}
}

// HDR-41, HDR-43: nothing that a client sends passes for the child's token.
func TestHDR_43_ForgedChildTokensNeverPass(t *testing.T) {
	t.Parallel()
	for upstream, header := range map[string]string{"header": "X-Auth0-Child-Access-Token", "bearer": "Authorization"} {
		w := childWorld(t, withChild(upstream, "unauthenticated pass"))
		b := w.browser()
		w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
		genuine := w.seen().header.Get(header)
		if !strings.Contains(genuine, "eyJ") {
			t.Fatalf("the application got %q", genuine)
		}
		for _, name := range []string{header, "x-auth0-child-access-token", "X_Auth0_Child_Access_Token", "x-auth0.child~access-token"} {
			w.send(b, "GET", "/x", map[string]string{name: "Bearer evil", "Connection": "close, " + header})
			assertSeen(t, w.seen(), map[string]string{header: genuine})
		}
		signedOut := w.browser()
		w.send(signedOut, "GET", "/x", map[string]string{"X-Auth0-Child-Access-Token": "evil", "Authorization": "Basic dTpw"})
		assertSeen(t, w.seen(), map[string]string{"X-Auth0-Child-Access-Token": "", "Authorization": "Basic dTpw"})
		w.clock.advance(11 * time.Hour) // the child's token has ended, the session has not
		w.send(b, "GET", "/x", map[string]string{header: "Bearer evil"})
		assertSeen(t, w.seen(), map[string]string{header: "", "X-Auth0-Email": "user-in-child@mail.com"})
		if upstream == "header" {
			w.send(b, "GET", "/x", map[string]string{"Authorization": "Basic dTpw"})
			assertSeen(t, w.seen(), map[string]string{"Authorization": "Basic dTpw"})
		}
	}
}

// A token that is not what it should be is not used at all, and the login goes on.
func TestChildsTokenThatFailsIsNotUsedAtAll(t *testing.T) {
	t.Parallel()
	claims := func(w *world) map[string]any {
		now := w.clock.Now().Unix()
		return map[string]any{
			"iss": w.pair.Child.Issuer(), "sub": w.pair.User.ID, "aud": w.pair.ChildApp.ClientID, "iat": now, "exp": now + 3600, "email": "evil@child.test",
		}
	}
	with := func(name string, value any) func(w *world) string {
		return func(w *world) string {
			c := claims(w)
			c[name] = value
			return w.pair.Child.SignJWT(nil, c)
		}
	}
	for name, test := range map[string]struct {
		token func(w *world) string
		used  bool
	}{
		"genuine":         {with("email", "evil@child.test"), true},
		"another issuer":  {with("iss", "https://evil.test/"), false},
		"another user":    {with("sub", "auth0|other"), false},
		"another client":  {with("aud", "other"), false},
		"no end":          {with("exp", nil), false},
		"ended":           {with("exp", time.Now().Add(-time.Hour).Unix()), false},
		"not yet":         {with("nbf", time.Now().Add(time.Hour).Unix()), false},
		"a logout token":  {with("events", map[string]any{}), false},
		"the master's":    {func(w *world) string { return w.pair.Master.SignJWT(nil, claims(w)) }, false},
		"unsigned":        {func(w *world) string { return w.pair.Child.SignJWT(map[string]any{"alg": "none"}, claims(w)) }, false},
		"symmetric":       {func(w *world) string { return w.pair.Child.SignJWT(map[string]any{"alg": "HS256"}, claims(w)) }, false},
		"a line break":    {func(w *world) string { return with("x", 1)(w) + "\r\nX-Auth0-Email: evil@child.test" }, false},
		"a space":         {func(w *world) string { return "two tokens" }, false},
		"nothing":         {func(w *world) string { return "" }, false},
		"keys are absent": {func(w *world) string { w.pair.Child.Configure(noKeys); return with("x", 1)(w) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := childWorld(t, withChild("header", "headers {\nX-Child-Email child.email\n}"))
			w.pair.Master.CustomClaims = map[string]any{"child": map[string]any{"email": "of-the-id-token@evil.test"}}
			b := w.browser()
			callback := w.callbackOf(b, "/home", w.pair.User)
			token := test.token(w)
			w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) { u.Identities[0].AccessToken = token })
			w.open(b, strings.TrimPrefix(callback, w.base))
			seen := w.seen()
			if got := seen.header.Get("X-Auth0-Child-Access-Token") != ""; got != test.used {
				t.Errorf("the token reached the application: %v", got)
			}
			want := map[string]string{"X-Child-Email": "", "X-Auth0-Email": "user-in-child@mail.com"}
			if test.used {
				want["X-Child-Email"] = "evil@child.test"
			}
			assertSeen(t, seen, want)
			if strings.Contains(cookieHeader(w, b), "auth0_session-t=") != test.used {
				t.Error("the cookie of the tokens does not fit")
			}
			if !test.used && !strings.Contains(w.logs(), "child's token is not used") && !strings.Contains(w.logs(), "there is no token of the child") {
				t.Error("the log does not say why")
			}
			assertSilent(t, w)
		})
	}
}

func noKeys(s *auth0sim.Settings) {
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/.well-known/jwks.json" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
}

// Without the child, or with a token that is no JWT, there is nothing to verify: the
// application gets it as it is, and nobody believes what it says.
func TestTokenThatNobodyCanVerifyIsPassedOnWithoutItsClaims(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ settings, token string }{
		"opaque":    {withChild("bearer", ""), "opaque-token.of~child"},
		"a JWE":     {withChild("bearer", ""), "eyJhbGciOiJkaXIifQ..x.y.z"},
		"no child":  {"connection acme-child\n" + managed("idp_token {\nupstream bearer\n}"), ""},
		"no client": {strings.Replace(withChild("bearer", ""), "client_id CHILD_APPLICATION", "", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := childWorld(t, test.settings)
			b := w.browser()
			callback := w.callbackOf(b, "/home", w.pair.User)
			w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) {
				if test.token != "" {
					u.Identities[0].AccessToken = test.token
				}
				test.token = u.Identities[0].AccessToken
			})
			w.open(b, strings.TrimPrefix(callback, w.base))
			assertSeen(t, w.seen(), map[string]string{"Authorization": "Bearer " + test.token})
			if claims := w.ownProfile(b)["child"]; (claims != nil) != (name == "no client") {
				t.Errorf("child is %v", claims)
			}
			w.clock.advance(11 * time.Hour) // past the exp that the JWT itself names
			w.open(b, "/home")
			want := "Bearer " + test.token
			if strings.Count(test.token, ".") == 2 && strings.HasPrefix(test.token, "eyJ") {
				want = ""
			}
			assertSeen(t, w.seen(), map[string]string{"Authorization": want})
		})
	}
}

// The enterprise strategy is not known to keep a token.
func TestLoginGoesOnWhereTheConnectionKeepsNoToken(t *testing.T) {
	t.Parallel()
	w := childWorld(t, withChild("bearer", ""), withStrategy("oidc"))
	b := w.browser()
	if page := w.signIn(b, "/home", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	assertSeen(t, w.seen(), map[string]string{"Authorization": "", "X-Auth0-Strategy": "oidc"})
}

func TestLinkedUsersTokenIsThatOfTheIdentityThatSignedIn(t *testing.T) {
	t.Parallel()
	w := childWorld(t, withChild("header", "headers {\nX-Child-Sub child.sub\n}"))
	w.linkUser()
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	seen := w.seen()
	assertSeen(t, seen, map[string]string{"X-Auth0-User-Id": "auth0|primary", "X-Child-Sub": w.pair.User.ID})
	if status, _ := w.askChild("Bearer " + seen.header.Get("X-Auth0-Child-Access-Token")); status != http.StatusOK {
		t.Errorf("the child's API answers %d", status)
	}
}

// What does not fit is left out, and the user is signed in without it.
func TestCK_05_TokensAndClaimsOfTheChildGiveWay(t *testing.T) {
	t.Parallel()
	sign := func(w *world, more map[string]any) string {
		now := w.clock.Now().Unix()
		claims := map[string]any{"iss": w.pair.Child.Issuer(), "sub": w.pair.User.ID, "aud": w.pair.ChildApp.ClientID, "iat": now, "exp": now + 3600}
		for name, value := range more {
			claims[name] = value
		}
		return w.pair.Child.SignJWT(nil, claims)
	}
	for name, test := range map[string]struct {
		claims map[string]any
		token  bool
		log    string
	}{
		"a long claim":   {map[string]any{"groups": opaqueText(3 << 10), "email": "a@child.test"}, true, "claims of the child's token are left out"},
		"a secret":       {map[string]any{"idp_access_token": "eyJ-secret", "email": "a@child.test"}, true, ""},
		"a huge token":   {map[string]any{"groups": opaqueText(40 << 10), "email": "a@child.test"}, false, "which does without it"},
		"no other claim": {map[string]any{"email": "a@child.test"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := childWorld(t, withChild("header", "logout {\nhint id_token\n}\nheaders {\nX-Child-Email child.email\nX-Child-Groups child.groups\nX-Secret child.idp_access_token\n}"))
			b := w.browser()
			callback := w.callbackOf(b, "/home", w.pair.User)
			token := sign(w, test.claims)
			w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) { u.Identities[0].AccessToken = token })
			if page := w.open(b, strings.TrimPrefix(callback, w.base)); page.Status != http.StatusOK {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
			seen := w.seen()
			assertSeen(t, seen, map[string]string{"X-Child-Email": "a@child.test", "X-Child-Groups": "", "X-Secret": ""})
			if got := seen.header.Get("X-Auth0-Child-Access-Token") != ""; got != test.token {
				t.Errorf("the token reached the application: %v", got)
			}
			if !strings.Contains(cookieHeader(w, b), "auth0_session-t=") {
				t.Error("the ID token for the logout is gone")
			}
			if n := strings.Count(w.logs(), test.log); test.log != "" && n != 1 {
				t.Errorf("the log says %q %d times", test.log, n)
			}
		})
	}
}

// Secrets of identity providers stay in the Management API.
func TestINV_03_IdentitiesShowNoTokens(t *testing.T) {
	t.Parallel()
	w := childWorld(t, withChild("none", "headers {\nprofile\n}"))
	b := w.browser()
	callback := w.callbackOf(b, "/home", w.pair.User)
	w.pair.Master.UpdateUser(w.pair.MasterUserID(w.pair.User), func(u *auth0sim.User) {
		u.Identities[0].RefreshToken, u.Identities[0].AccessTokenSecret, u.Identities[0].ExpiresIn = "SECRETREFRESH", "SECRETSECRET", 86400
		u.Identities = append(u.Identities, auth0sim.Identity{
			Connection: "google-oauth2", UserID: "1", Provider: "google-oauth2", IsSocial: true, AccessToken: "SECRETACCESS",
			ProfileData: map[string]any{"name": "Ann", "id_token": "SECRETID", "more": map[string]any{"AccessToken": "SECRETDEEP"}},
		})
	})
	w.open(b, strings.TrimPrefix(callback, w.base))
	seen := w.seen()
	assertSeen(t, seen, map[string]string{"X-Auth0-Child-Access-Token": "", "Authorization": ""})
	identities := seen.header.Get("X-Auth0-Identities")
	if !strings.Contains(identities, `"profileData":{"more":{},"name":"Ann"}`) {
		t.Errorf("the identities are %s", identities)
	}
	shown, _ := json.Marshal(w.ownProfile(b))
	for _, text := range []string{identities, string(shown), seen.header.Get("X-Auth0-Profile")} {
		if strings.Contains(text, "SECRET") || strings.Contains(text, "expires_in") || strings.Contains(text, "eyJhbGciOiJSUzI1NiIs") {
			t.Errorf("INV-03: %s", text)
		}
	}
}

// A directive further down the site that does not accept the session takes the bearer
// token back, too.
func TestBearerTokenGoesWithTheIdentity(t *testing.T) {
	t.Parallel()
	first := withChild("bearer", "")
	w := managedWorld(t, readTokens, withSite("route {\nauth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\n"+first+"}\n"+
		"auth0_oidc /strict/* {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection other\nunauthenticated pass\n}\nreverse_proxy UPSTREAM\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	if got := w.seen().header.Get("Authorization"); !strings.HasPrefix(got, "Bearer eyJ") {
		t.Fatalf("Authorization is %q", got)
	}
	w.open(b, "/strict/x")
	assertSeen(t, w.seen(), map[string]string{"Authorization": "", "X-Auth0-User-Id": ""})
}

// linkToPartners gives the child's user a second account, in the child of partners.
func (w *world) linkToPartners() {
	first := w.pair.Master.AddUser(auth0sim.User{ID: w.pair.MasterUserID(w.pair.User), Connection: "acme-child", Email: "user-in-child@mail.com"})
	second := w.pair.Master.AddUser(auth0sim.User{ID: "auth0-oidc|partners|auth0|1", Connection: "partners", Email: "ann@partners.test"})
	w.pair.Master.LinkUsers(first.ID, second.ID)
}

// A session of linked accounts may do for directives of two connections; what one child
// issued is not for the application that belongs to the other one.
func TestChildsTokenStaysWithItsConnection(t *testing.T) {
	t.Parallel()
	for upstream, header := range map[string]string{"header": "X-Auth0-Child-Access-Token", "bearer": "Authorization"} {
		t.Run(upstream, func(t *testing.T) {
			t.Parallel()
			passing := managed("idp_token {\nupstream " + upstream + "\n}")
			w := managedWorld(t, readTokens, withGlobal(globalTenant), withSite(
				"auth0_oidc /acme/* {\nconnection acme-child\n"+passing+"}\nauth0_oidc /partners/* {\nconnection partners\n"+passing+"}\n"+
					"auth0_oidc /both/* {\nconnection acme-child\nconnection partners\n"+passing+"}\nreverse_proxy UPSTREAM"))
			w.addPartners()
			w.linkToPartners()
			b := w.browser()
			w.signIn(b, "/acme/x", w.pair.User)
			for range 2 {
				for path, want := range map[string]bool{"/acme/x": true, "/partners/x": false, "/both/x": true} {
					w.wantPage(w.open(b, path), path, 0)
					if got := w.seen().header.Get(header); strings.Contains(got, "eyJ") != want {
						t.Errorf("%s: %s is %q", path, header, got)
					}
				}
			}
		})
	}
}

// Hosts under one cookie domain have a connection each.
func TestChildsTokenStaysWithTheHostsOfItsConnection(t *testing.T) {
	t.Parallel()
	w := customerWorld(t, managed("idp_token {\nupstream header\n}")+"session {\ncookie {\ndomain example.test\n}\n}")
	w.addMachine(readTokens...)
	first := w.pair.Master.AddUser(auth0sim.User{ID: "auth0-oidc|acme|" + w.pair.User.ID, Connection: "acme", Email: "user-in-child@mail.com"})
	second := w.pair.Master.AddUser(auth0sim.User{ID: "oidc|globex|auth0|1", Connection: "globex", Email: "ann@globex.test"})
	w.pair.Master.LinkUsers(first.ID, second.ID)
	acme, globex, b := w.at("https://acme.example.test"), w.at("https://globex.example.test"), w.browser()
	acme.signIn(b, "/x", w.pair.User)
	for range 2 {
		acme.wantPage(acme.open(b, "/x"), "/x", 0)
		if got := w.seen().header.Get("X-Auth0-Child-Access-Token"); !strings.Contains(got, "eyJ") {
			t.Errorf("acme's application got %q", got)
		}
		globex.wantPage(globex.open(b, "/x"), "/x", 0)
		assertSeen(t, w.seen(), map[string]string{"X-Auth0-Child-Access-Token": "", "X-Auth0-User-Id": first.ID})
	}
}
