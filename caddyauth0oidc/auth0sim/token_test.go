package auth0sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge() map[string]string {
	sum := sha256.Sum256([]byte(verifier))
	return map[string]string{
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
	}
}

func TestCodeExchangeIsStrict(t *testing.T) {
	t.Parallel()
	const invalid = "Invalid authorization code"
	cases := map[string]struct {
		authorize map[string]string
		change    func(w *world, form url.Values)
		status    int
		code      string
		text      string
	}{
		"good":                    {change: func(*world, url.Values) {}, status: 200},
		"good with verifier":      {authorize: challenge(), change: set("code_verifier", verifier), status: 200},
		"no grant type":           {change: set("grant_type", ""), status: 400, code: "invalid_request", text: "Missing required parameter: grant_type"},
		"unknown grant type":      {change: set("grant_type", "magic"), status: 400, code: "unsupported_grant_type", text: "Unsupported grant type: magic"},
		"grant not enabled":       {change: set("grant_type", "client_credentials"), status: 403, code: "unauthorized_client", text: "Grant type 'client_credentials' not allowed for the client."},
		"no code":                 {change: set("code", ""), status: 400, code: "invalid_request", text: "Missing required parameter: code"},
		"unknown code":            {change: set("code", "x"), status: 403, code: "invalid_grant", text: invalid},
		"other redirect_uri":      {change: set("redirect_uri", appBase+"/"), status: 403, code: "invalid_grant", text: invalid},
		"no redirect_uri":         {change: set("redirect_uri", ""), status: 403, code: "invalid_grant", text: invalid},
		"no client":               {change: set("client_id", ""), status: 400, code: "invalid_request", text: "Missing required parameter: client_id"},
		"unknown client":          {change: set("client_id", "x"), status: 401, code: "invalid_client", text: "Unknown client"},
		"wrong secret":            {change: set("client_secret", "x"), status: 401, code: "access_denied", text: "Unauthorized"},
		"no secret":               {change: set("client_secret", ""), status: 401, code: "access_denied", text: "Unauthorized"},
		"missing verifier":        {authorize: challenge(), change: func(*world, url.Values) {}, status: 403, code: "invalid_grant", text: "Failed to verify code verifier"},
		"wrong verifier":          {authorize: challenge(), change: set("code_verifier", strings.Repeat("a", 43)), status: 403, code: "invalid_grant", text: "Failed to verify code verifier"},
		"short verifier":          {authorize: challenge(), change: set("code_verifier", "short"), status: 403, code: "invalid_grant", text: "Failed to verify code verifier"},
		"verifier, no challenge":  {change: set("code_verifier", verifier), status: 403, code: "invalid_grant", text: "Failed to verify code verifier"},
		"expired code":            {change: func(w *world, _ url.Values) { w.clock.advance(11 * time.Minute) }, status: 403, code: "invalid_grant", text: invalid},
		"code of another client":  {change: func(w *world, form url.Values) { asOther(w, form) }, status: 403, code: "invalid_grant", text: invalid},
		"user deleted since then": {change: func(w *world, _ url.Values) { w.Master.DeleteUser(w.MasterUserID(w.User)) }, status: 403, code: "invalid_grant", text: invalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			form := w.codeForm(w.login(c.authorize))
			c.change(w, form)
			status, body := w.exchange(w.Master, form)
			if status != c.status {
				t.Fatalf("status %d, want %d: %v", status, c.status, body)
			}
			if c.status != 200 && (body["error"] != c.code || body["error_description"] != c.text) {
				t.Errorf("%v, want %q %q", body, c.code, c.text)
			}
		})
	}
}

func set(name, value string) func(*world, url.Values) {
	return func(_ *world, form url.Values) {
		form.Set(name, value)
		if value == "" {
			form.Del(name)
		}
	}
}

func asOther(w *world, form url.Values) {
	other := w.Master.AddApplication(Application{})
	form.Set("client_id", other.ClientID)
	form.Set("client_secret", other.ClientSecret)
}

func TestCodeWorksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.codeForm(w.login(nil))
	if status, body := w.exchange(w.Master, form); status != http.StatusOK {
		t.Fatalf("the first exchange: %d %v", status, body)
	}
	if status, body := w.exchange(w.Master, form); status != http.StatusForbidden || body["error"] != "invalid_grant" {
		t.Errorf("the second exchange: %d %v", status, body)
	}
}

func TestClientAuthenticationMethodMustBeTheRegisteredOne(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int{"client_secret_post": 401, "client_secret_basic": 200} {
		w := newWorld(t)
		w.App.TokenEndpointAuthMethod = method
		form := w.codeForm(w.login(nil))
		form.Del("client_id")
		form.Del("client_secret")
		req, _ := http.NewRequest(http.MethodPost, w.Master.base()+"/oauth/token", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(url.QueryEscape(w.App.ClientID), url.QueryEscape(w.App.ClientSecret))
		if status, body := w.send(req); status != want {
			t.Errorf("%s: %d %v", method, status, body)
		}
	}
}

func TestTokenEndpointTakesJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.codeForm(w.login(nil))
	var members []string
	for name := range form {
		members = append(members, `"`+name+`":"`+form.Get(name)+`"`)
	}
	req, _ := http.NewRequest(http.MethodPost, w.Master.base()+"/oauth/token", strings.NewReader("{"+strings.Join(members, ",")+"}"))
	req.Header.Set("Content-Type", "application/json")
	if status, body := w.send(req); status != http.StatusOK {
		t.Errorf("%d %v", status, body)
	}
}

func TestPrivateKeyAssertions(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		change func(c *jwt.Claims)
		want   int
	}{
		"good":                   {func(*jwt.Claims) {}, 200},
		"audience without slash": {func(c *jwt.Claims) { c.Audience = jwt.Audience{"https://master.auth0.test"} }, 401},
		"token endpoint":         {func(c *jwt.Claims) { c.Audience = jwt.Audience{"https://master.auth0.test/oauth/token"} }, 401},
		"other issuer":           {func(c *jwt.Claims) { c.Issuer = "x" }, 401},
		"no jti":                 {func(c *jwt.Claims) { c.ID = "" }, 401},
		"expires too late":       {func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(c.IssuedAt.Time().Add(6 * time.Minute)) }, 401},
		"expired":                {func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(c.IssuedAt.Time().Add(-time.Minute)) }, 401},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.App.TokenEndpointAuthMethod = "private_key_jwt"
			w.App.AssertionKeys = append(w.App.AssertionKeys, key.Public())
			claims := jwt.Claims{
				Issuer: w.App.ClientID, Subject: w.App.ClientID, Audience: jwt.Audience{w.Master.Issuer()}, ID: "j1",
				IssuedAt: jwt.NewNumericDate(w.clock.Now()), Expiry: jwt.NewNumericDate(w.clock.Now().Add(time.Minute)),
			}
			c.change(&claims)
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
			if err != nil {
				t.Fatal(err)
			}
			assertion, err := jwt.Signed(signer).Claims(claims).Serialize()
			if err != nil {
				t.Fatal(err)
			}
			form := w.codeForm(w.login(nil))
			form.Del("client_secret")
			form.Set("client_assertion", assertion)
			form.Set("client_assertion_type", assertionType)
			status, body := w.exchange(w.Master, form)
			if status != c.want {
				t.Fatalf("%d %v", status, body)
			}
			if c.want != 200 {
				return
			}
			form.Set("code", w.open(w.AuthorizeURL(nil)).URL.Query().Get("code"))
			if status, body := w.exchange(w.Master, form); status != http.StatusUnauthorized {
				t.Errorf("the same assertion again: %d %v", status, body)
			}
		})
	}
}

func TestAudienceMakesTheAccessTokenAJWT(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Master.AddAPI(API{Identifier: "https://api.test/", Scopes: []string{"read:things"}})
	body := w.tokens(map[string]string{
		"audience": "https://api.test/", "scope": "openid offline_access read:things delete:things",
	})
	claims := claimsOf(t, body["access_token"])
	aud, _ := claims["aud"].([]any)
	if len(aud) != 2 || aud[0] != "https://api.test/" || aud[1] != "https://master.auth0.test/userinfo" {
		t.Errorf("aud = %v", claims["aud"])
	}
	if claims["azp"] != w.App.ClientID || claims["sub"] != w.MasterUserID(w.User) {
		t.Errorf("claims = %v", claims)
	}
	if body["refresh_token"] != nil || body["scope"] != "openid read:things" {
		t.Errorf("an API without offline access gave %v", body)
	}
}

func TestHS256SignsWithTheClientSecretAndNoKeyID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.App.SigningAlg = "HS256"
	raw := w.tokens(nil)["id_token"].(string)
	if header := part(t, raw, 0); header["alg"] != "HS256" || header["kid"] != nil {
		t.Errorf("header = %v", header)
	}
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.Claims([]byte(w.App.ClientSecret), &map[string]any{}); err != nil {
		t.Errorf("verifying with the client secret: %v", err)
	}
}

func TestOrganizationAndSecondFactorShowInTheIDToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Master.Organizations, w.App.OrganizationUsage = []Organization{{ID: "org_1", Name: "acme"}}, OrganizationAllow
	w.Master.OrganizationNames, w.Master.MFAOnACRValues, w.Master.SessionExpiry = true, true, time.Hour
	w.Master.CustomClaims = map[string]any{"https://acme.test/roles": []string{"admin"}}
	claims := claimsOf(t, w.tokens(map[string]string{"organization": "ACME", "acr_values": multiFactorPolicy})["id_token"])
	if claims["org_id"] != "org_1" || claims["org_name"] != "acme" || claims["acr"] != multiFactorPolicy {
		t.Errorf("claims = %v", claims)
	}
	if roles, _ := claims["https://acme.test/roles"].([]any); len(roles) != 1 {
		t.Errorf("custom claims are missing: %v", claims)
	}
	if want := float64(w.clock.Now().Add(time.Hour).Unix()); claims["session_expiry"] != want {
		t.Errorf("session_expiry = %v, want %v", claims["session_expiry"], want)
	}
}

func TestUserInfoNeedsAGoodToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.tokens(nil)["access_token"].(string)
	for value, want := range map[string]int{"Bearer " + token: 200, "Bearer x": 401, "": 401, "Basic " + token: 401} {
		req, _ := http.NewRequest(http.MethodGet, w.Master.base()+"/userinfo", nil)
		req.Header.Set("Authorization", value)
		status, body := w.send(req)
		if status != want || want == 200 && (body["sub"] != w.MasterUserID(w.User) || body["user_id"] != nil) {
			t.Errorf("%q: %d %v", value, status, body)
		}
	}
	w.clock.advance(25 * time.Hour)
	req, _ := http.NewRequest(http.MethodGet, w.Master.base()+"/userinfo", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	if status, _ := w.send(req); status != http.StatusUnauthorized {
		t.Errorf("an expired token got %d", status)
	}
}

func TestAccessTokensSpeakTheDialectOfTheirAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	machine := w.Master.AddApplication(Application{
		GrantTypes: []string{"client_credentials"}, Grants: map[string][]string{"https://api.test/": {"read:things"}},
	})
	for dialect, want := range map[string]struct {
		typ                string
		azp, gty, clientID any
		permissions        bool
	}{
		"":                      {"JWT", machine.ClientID, "client-credentials", nil, false},
		"access_token":          {"JWT", machine.ClientID, "client-credentials", nil, false},
		"access_token_authz":    {"JWT", machine.ClientID, "client-credentials", nil, true},
		"rfc9068_profile":       {"at+jwt", nil, nil, machine.ClientID, false},
		"rfc9068_profile_authz": {"at+jwt", nil, nil, machine.ClientID, true},
	} {
		w.Master.AddAPI(API{Identifier: "https://api.test/", Scopes: []string{"read:things"}, TokenDialect: dialect})
		status, body := w.exchange(w.Master, url.Values{
			"grant_type": {"client_credentials"}, "audience": {"https://api.test/"},
			"client_id": {machine.ClientID}, "client_secret": {machine.ClientSecret},
		})
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", dialect, status, body)
		}
		header, claims := part(t, body["access_token"], 0), claimsOf(t, body["access_token"])
		if header["typ"] != want.typ || claims["azp"] != want.azp || claims["gty"] != want.gty || claims["client_id"] != want.clientID ||
			(claims["jti"] != nil) != (want.typ == "at+jwt") || claims["sub"] != machine.ClientID+"@clients" {
			t.Errorf("%s: %v %v", dialect, header, claims)
		}
		permissions, found := claims["permissions"].([]any)
		if found != want.permissions || found && (len(permissions) != 1 || permissions[0] != "read:things") {
			t.Errorf("%s: permissions %v", dialect, claims["permissions"])
		}
	}
	w.Master.AddAPI(API{
		Identifier: "https://api.test/", TokenDialect: "access_token_authz",
		Permissions: map[string][]string{w.MasterUserID(w.User): {"write:things"}},
	})
	claims := claimsOf(t, w.tokens(map[string]string{"audience": "https://api.test/", "scope": "openid"})["access_token"])
	if permissions, _ := claims["permissions"].([]any); len(permissions) != 1 || permissions[0] != "write:things" {
		t.Errorf("permissions of the user: %v", claims["permissions"])
	}
}

func TestAccessTokensCanBeTamperedWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Master.AddAPI(API{Identifier: "https://api.test/"})
	w.Master.TamperAccessToken = func(header, claims map[string]any) { header["typ"], claims["azp"] = "x", "y" }
	token := w.tokens(map[string]string{"audience": "https://api.test/"})["access_token"]
	if part(t, token, 0)["typ"] != "x" || claimsOf(t, token)["azp"] != "y" {
		t.Error("the token is as it would be")
	}
}
