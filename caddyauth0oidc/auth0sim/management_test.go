package auth0sim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// api calls the master's Management API with a token of those scopes.
type api struct {
	w     *world
	token string
}

func (w *world) api(scopes ...string) api {
	w.t.Helper()
	app := w.Master.AddManagementClient(scopes...)
	status, body := w.exchange(w.Master, url.Values{
		"grant_type": {"client_credentials"}, "audience": {w.Master.ManagementAudience()},
		"client_id": {app.ClientID}, "client_secret": {app.ClientSecret},
	})
	if status != http.StatusOK || body["scope"] != strings.Join(scopes, " ") {
		w.t.Fatalf("%d %v", status, body)
	}
	return api{w, body["access_token"].(string)}
}

func (a api) raw(method, path, body string) (int, any) {
	a.w.t.Helper()
	req, err := http.NewRequest(method, a.w.Master.base()+"/api/v2/"+path, strings.NewReader(body))
	if err != nil {
		a.w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.w.network.RoundTrip(req)
	if err != nil {
		a.w.t.Fatal(err)
	}
	content, _ := io.ReadAll(resp.Body)
	var answer any
	if len(content) > 0 {
		if err := json.Unmarshal(content, &answer); err != nil {
			a.w.t.Fatalf("%s %s: %s", method, path, content)
		}
	}
	return resp.StatusCode, answer
}

func (a api) call(method, path, body string) (int, map[string]any) {
	a.w.t.Helper()
	status, answer := a.raw(method, path, body)
	object, _ := answer.(map[string]any)
	return status, object
}

func TestManagementErrors(t *testing.T) {
	t.Parallel()
	const oidc = `{"name":"%","strategy":"auth0-oidc","options":{"client_id":"a"}}`
	cases := map[string]struct {
		scopes             []string
		method, path, body string
		status             int
		code, message      string
	}{
		"scope of another endpoint": {[]string{"read:users"}, "POST", "connections", "{}", 403, "insufficient_scope", "Insufficient scope, expected any of: create:connections"},
		"no body":                   {[]string{"create:connections"}, "POST", "connections", "", 400, "invalid_body", "Payload validation error: "},
		"bad name":                  {[]string{"create:connections"}, "POST", "connections", strings.Replace(oidc, "%", "a|b", 1), 400, "invalid_body", "pattern"},
		"bad strategy":              {[]string{"create:connections"}, "POST", "connections", `{"name":"a","strategy":"magic"}`, 400, "invalid_body", "enum"},
		"unknown member":            {[]string{"create:connections"}, "POST", "connections", `{"name":"a","strategy":"oidc","x":1}`, 400, "invalid_body", "Additional properties not allowed: x"},
		"no options":                {[]string{"create:connections"}, "POST", "connections", `{"name":"a","strategy":"auth0-oidc"}`, 400, "invalid_body", "Missing required property: client_id"},
		"no issuer":                 {[]string{"create:connections"}, "POST", "connections", `{"name":"a","strategy":"oidc","options":{"client_id":"a"}}`, 400, "invalid_body", "discovery_url or issuer"},
		"name taken":                {[]string{"create:connections"}, "POST", "connections", strings.Replace(oidc, "%", "acme-child", 1), 409, "connection_conflict", "already exists"},
		"no such connection":        {[]string{"read:connections"}, "GET", "connections/con_x", "", 404, "inexistent_connection", "The connection does not exist"},
		"no such user":              {[]string{"read:users"}, "GET", "users/auth0%7Cx", "", 404, "inexistent_user", "The user does not exist."},
		"no such field":             {[]string{"read:users"}, "GET", "users/auth0%7Cx?fields=password", "", 400, "invalid_query_string", "fields"},
		"no such client":            {[]string{"read:clients"}, "GET", "clients/x", "", 404, "inexistent_client", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			status, body := w.api(c.scopes...).call(c.method, c.path, c.body)
			message, _ := body["message"].(string)
			if status != c.status || body["statusCode"] != float64(c.status) || body["errorCode"] != c.code ||
				body["error"] != http.StatusText(c.status) || !strings.Contains(message, c.message) {
				t.Errorf("%d %v", status, body)
			}
		})
	}
}

func TestManagementRefusesOtherTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, token := range []string{"", "x", w.tokens(map[string]string{"scope": "openid read:connections"})["access_token"].(string)} {
		if status, body := (api{w, token}).call("GET", "connections", ""); status != 401 || body["message"] != "Invalid token" {
			t.Errorf("%d %v", status, body)
		}
	}
}

func TestConnectionLifeInTheManagementAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.api("create:connections", "read:connections", "update:connections", "delete:connections")
	options := `{"client_id":"` + w.ChildApp.ClientID + `","client_secret":"` + w.ChildApp.ClientSecret +
		`","domain":"child.auth0.test","scope":"openid"}`
	status, created := a.call("POST", "connections", `{"name":"seed","strategy":"auth0-oidc","options":`+options+`}`)
	id, _ := created["id"].(string)
	if status != http.StatusCreated || !strings.HasPrefix(id, "con_") || len(id) != 20 {
		t.Fatalf("%d %v", status, created)
	}
	use := map[string]string{"connection": "seed"}
	if q := w.open(w.AuthorizeURL(use)).URL.Query(); q.Get("error_description") != "the connection was not found" {
		t.Errorf("a connection that is not enabled: %v", q)
	}
	enable := `[{"client_id":"` + w.App.ClientID + `","status":true}]`
	if status, body := a.call("PATCH", "connections/"+id+"/clients", enable); status != http.StatusNoContent {
		t.Fatalf("%d %v", status, body)
	}
	if _, body := a.call("GET", "connections/"+id+"/clients", ""); len(body["clients"].([]any)) != 1 {
		t.Errorf("enabled clients: %v", body)
	}
	if callback := w.login(use); callback.URL.Query().Get("code") == "" {
		t.Errorf("the login through the new connection ended at %s", callback.URL)
	}
	_, list := a.call("GET", "connections?name=seed&include_totals=true", "")
	if list["total"] != float64(1) || len(list["connections"].([]any)) != 1 {
		t.Errorf("list: %v", list)
	}
	_, changed := a.call("PATCH", "connections/"+id, `{"options":{"client_id":"only"}}`)
	if got := changed["options"].(map[string]any); len(got) != 1 || got["client_id"] != "only" {
		t.Errorf("options were merged, not replaced: %v", got)
	}
	if status, _ := a.call("PATCH", "connections/"+id, `{"name":"other"}`); status != http.StatusBadRequest {
		t.Errorf("renaming: %d", status)
	}
	if status, body := a.call("DELETE", "connections/"+id, ""); status != http.StatusAccepted || body["deleted_at"] == nil {
		t.Errorf("deleting: %d %v", status, body)
	}
	if status, _ := a.call("DELETE", "connections/"+id, ""); status != http.StatusNoContent {
		t.Errorf("deleting again: %d", status)
	}
}

func TestConnectionsArePaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.api("read:connections")
	_, all := a.raw("GET", "connections", "")
	_, second := a.raw("GET", "connections?page=1&per_page=1&fields=name", "")
	_, first := a.call("GET", "connections?take=1", "")
	if len(all.([]any)) != 2 || len(second.([]any)) != 1 || first["next"] == nil {
		t.Fatalf("all %v, second %v, first %v", all, second, first)
	}
	if only := second.([]any)[0].(map[string]any); len(only) != 1 || only["name"] != "acme-child" {
		t.Errorf("the second page holds %v", only)
	}
}

func TestHiddenConnectionOptionsNeedTheirScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Master.HideConnectionOptions = true
	path := "connections/" + w.Connection.ID
	plain := w.api("read:connections", "update:connections")
	if _, body := plain.call("GET", path, ""); body["name"] != "acme-child" || body["options"] != nil {
		t.Errorf("without the scope: %v", body)
	}
	if status, body := plain.call("PATCH", path, `{"options":{}}`); status != 403 || body["errorCode"] != "insufficient_scope" {
		t.Errorf("%d %v", status, body)
	}
	full := w.api("read:connections", "read:connections_options", "update:connections", "update:connections_options")
	if _, body := full.call("GET", path, ""); body["options"] == nil {
		t.Errorf("with the scope: %v", body)
	}
	if status, body := full.call("PATCH", path, `{"options":{"client_id":"a","scope":"openid"}}`); status != 200 {
		t.Errorf("%d %v", status, body)
	}
}

func TestHiddenConnectionSecretsNeedTheScopeOfOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Master.HideConnectionSecrets = true
	path := "connections/" + w.Connection.ID
	for scope, shown := range map[string]bool{"read:connections": false, "read:connections read:connections_options": true} {
		_, body := w.api(strings.Fields(scope)...).call("GET", path, "")
		options, _ := body["options"].(map[string]any)
		if _, ok := options["client_secret"]; ok != shown || options["client_id"] != w.ChildApp.ClientID {
			t.Errorf("%s: %v", scope, options)
		}
	}
	if w.Connection.Options["client_secret"] != w.ChildApp.ClientSecret {
		t.Error("hiding the secret lost it")
	}
}

func TestManagementUpdatesAreJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.api("update:connections", "update:clients")
	oidc := w.Master.AddConnection(Connection{Name: "oidc", Strategy: "oidc", Options: map[string]any{"client_id": "a", "issuer": "https://x.test/"}})
	for _, test := range []struct{ path, body, part string }{
		{"connections/" + oidc.ID, `{}`, "Too few properties"},
		{"connections/" + oidc.ID, `{"options":{"issuer":"https://x.test/"}}`, "client_id"},
		{"connections/" + oidc.ID, `{"options":{"client_id":"a"}}`, "discovery_url or issuer"},
		{"connections/" + w.Connection.ID, `{"options":{}}`, "client_id"},
		{"clients/" + w.App.ClientID, `{}`, "Too few properties"},
		{"clients/" + w.App.ClientID, `{"jwt_configuration":{"alg":"RS257"}}`, "on property alg"},
		{"clients/" + w.App.ClientID, `{"jwt_configuration":{"alg":null}}`, "on property alg"},
	} {
		status, body := a.call("PATCH", test.path, test.body)
		if message, _ := body["message"].(string); status != http.StatusBadRequest || !strings.Contains(message, test.part) {
			t.Errorf("%s %s: %d %v", test.path, test.body, status, body)
		}
	}
	if oidc.Options["issuer"] != "https://x.test/" || w.App.SigningAlg == "RS257" {
		t.Errorf("what was refused is there: %v %v", oidc.Options, w.App)
	}
	if status, body := a.call("PATCH", "connections/"+oidc.ID, `{"display_name":"x"}`); status != http.StatusOK {
		t.Errorf("%d %v", status, body)
	}
}

func TestUserInTheManagementAPIIsTheSeedsProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(nil)
	path := "users/" + url.PathEscape(w.MasterUserID(w.User))
	_, user := w.api("read:users").call("GET", path, "")
	identity := user["identities"].([]any)[0].(map[string]any)
	for name, want := range map[string]any{
		"user_id": "acme-child|auth0|563b9b6cf50bc24402a69b80", "provider": "auth0-oidc", "connection": "acme-child",
		"isSocial": true, "access_token": nil,
	} {
		if identity[name] != want {
			t.Errorf("identity %s = %v, want %v", name, identity[name], want)
		}
	}
	if user["user_id"] != w.MasterUserID(w.User) || user["logins_count"] != float64(1) {
		t.Errorf("user = %v", user)
	}
	_, user = w.api("read:user_idp_tokens").call("GET", path+"?fields=identities", "")
	if len(user) != 1 {
		t.Errorf("fields: %v", user)
	}
	token := user["identities"].([]any)[0].(map[string]any)["access_token"]
	if claims := claimsOf(t, token); claims["iss"] != "https://child.auth0.test/" ||
		claims["aud"] != w.ChildApp.ClientID || claims["sub"] != w.User.ID {
		t.Errorf("the child's token has the claims %v", claims)
	}
}

func TestClientsInTheManagementAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.api("read:clients", "update:clients")
	status, client := a.call("PATCH", "clients/"+w.App.ClientID,
		`{"callbacks":["https://x.test/cb"],"oidc_conformant":false,"oidc_logout":{"backchannel_logout_urls":["https://x.test/bcl"]}}`)
	if status != http.StatusOK || client["oidc_conformant"] != false || client["client_secret"] != nil ||
		client["jwt_configuration"].(map[string]any)["alg"] != "RS256" {
		t.Errorf("%d %v", status, client)
	}
	if w.App.BackchannelLogoutURL != "https://x.test/bcl" || w.App.Callbacks[0] != "https://x.test/cb" {
		t.Errorf("the application is %v", w.App)
	}
	for _, bad := range []string{`"http://x.test/bcl"`, `"https://127.0.0.1/bcl"`, `"https://10.0.0.1/"`, `"https://localhost/"`, `"https://x.test/","https://y.test/"`} {
		if status, _ := a.call("PATCH", "clients/"+w.App.ClientID, `{"oidc_logout":{"backchannel_logout_urls":[`+bad+`]}}`); status != http.StatusBadRequest {
			t.Errorf("%s for logout tokens: %d", bad, status)
		}
	}
	_, client = w.api("read:client_keys").call("GET", "clients/"+w.App.ClientID, "")
	if client["client_secret"] != w.App.ClientSecret {
		t.Error("read:client_keys does not show the secret")
	}
	w.Master.UpdateApplication(w.App.ClientID, func(app *Application) { app.Rotation, app.RefreshLifetime = true, time.Hour })
	_, list := a.call("GET", "clients?include_totals=true", "")
	if list["total"] != float64(3) {
		t.Fatalf("list: %v", list)
	}
	for _, item := range list["clients"].([]any) {
		client := item.(map[string]any)
		settings := client["refresh_token"].(map[string]any)
		if rotating := client["client_id"] == w.App.ClientID; rotating != (settings["rotation_type"] == "rotating") {
			t.Errorf("%v has %v", client["name"], settings)
		}
	}
}

func TestClientCredentialsNeedAClientGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.Master.AddManagementClient("read:users", "read:clients")
	form := func(audience, scope string) url.Values {
		return url.Values{
			"grant_type": {"client_credentials"}, "audience": {audience}, "scope": {scope},
			"client_id": {app.ClientID}, "client_secret": {app.ClientSecret},
		}
	}
	w.Master.AddAPI(API{Identifier: "https://api.test/"})
	if status, body := w.exchange(w.Master, form("https://other.test/", "")); status != 403 ||
		body["error_description"] != "Service not found: https://other.test/" {
		t.Errorf("unknown audience: %d %v", status, body)
	}
	if status, body := w.exchange(w.Master, form("https://api.test/", "")); status != 403 || body["error"] != "access_denied" {
		t.Errorf("no grant: %d %v", status, body)
	}
	if status, body := w.exchange(w.Master, form("", "")); status != 400 || body["error_description"] != "Missing required parameter: audience" {
		t.Errorf("no audience: %d %v", status, body)
	}
	_, body := w.exchange(w.Master, form(w.Master.ManagementAudience(), "read:users create:users"))
	claims := claimsOf(t, body["access_token"])
	if body["scope"] != "read:users" || claims["gty"] != "client-credentials" || claims["sub"] != app.ClientID+"@clients" {
		t.Errorf("%v with the claims %v", body, claims)
	}
}
