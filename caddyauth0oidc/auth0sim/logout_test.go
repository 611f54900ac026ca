package auth0sim

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func (w *world) signedIn() bool {
	w.t.Helper()
	return w.open(w.AuthorizeURL(map[string]string{"prompt": "none"})).URL.Query().Has("code")
}

func TestV2Logout(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		query   string // CLIENT stands for the application's id
		want    string // where the browser ends, or
		text    string // what the tenant's page says
		refused bool
	}{
		"to the application":       {query: "client_id=CLIENT&returnTo=https%3A%2F%2Fapp.example.test%2F", want: appBase + "/"},
		"query is not compared":    {query: "client_id=CLIENT&returnTo=https%3A%2F%2FAPP.example.test%2F%3Fa%3Db", want: "https://APP.example.test/?a=b"},
		"first URL of the list":    {query: "client_id=CLIENT", want: appBase + "/"},
		"nowhere":                  {query: "", text: "OK"},
		"path not listed":          {query: "client_id=CLIENT&returnTo=https%3A%2F%2Fapp.example.test%2Fx", text: "is not defined as a valid URL", refused: true},
		"other host":               {query: "client_id=CLIENT&returnTo=https%3A%2F%2Fevil.test%2F", text: "is not defined as a valid URL", refused: true},
		"user name before a host":  {query: "client_id=CLIENT&returnTo=https%3A%2F%2Fx%40app.example.test%2F", text: "is not defined as a valid URL", refused: true},
		"list of the tenant":       {query: "returnTo=https%3A%2F%2Ftenant.example.test%2F", want: "https://tenant.example.test/"},
		"application without name": {query: "returnTo=https%3A%2F%2Fapp.example.test%2F", text: "is not defined as a valid URL", refused: true},
		"unknown application":      {query: "client_id=x&returnTo=https%3A%2F%2Fapp.example.test%2F", text: "is not defined as a valid URL", refused: true},
	}
	for name, c := range cases {
		for _, path := range []string{"/v2/logout", "/logout"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.network.Handle("tenant.example.test", http.NotFoundHandler())
				w.Master.AllowedLogoutURLs = []string{"https://tenant.example.test/"}
				w.login(nil)
				page := w.open(w.Master.base() + path + "?" + strings.ReplaceAll(c.query, "CLIENT", w.App.ClientID))
				if c.want != "" && page.URL.String() != c.want || !strings.Contains(page.Body, c.text) {
					t.Errorf("%d at %s: %s", page.Status, page.URL, page.Body)
				}
				if w.signedIn() != c.refused {
					t.Errorf("signed in afterwards: %t", !c.refused)
				}
			})
		}
	}
}

func TestOIDCLogout(t *testing.T) {
	t.Parallel()
	const home = appBase + "/"
	cases := map[string]struct {
		query func(w *world, idToken, sid string) url.Values
		want  string
		text  string
	}{
		"sid and client": {func(w *world, _, sid string) url.Values {
			return url.Values{"client_id": {w.App.ClientID}, "logout_hint": {sid}, "post_logout_redirect_uri": {home}, "state": {"s&1"}}
		}, home + "?state=s%261", ""},
		"ID token alone": {func(_ *world, idToken, _ string) url.Values {
			return url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {home}}
		}, home, ""},
		"federated for auth0-oidc does nothing more": {func(_ *world, idToken, _ string) url.Values {
			return url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {home}, "federated": {""}}
		}, home, ""},
		"no hint asks": {func(w *world, _, _ string) url.Values {
			return url.Values{"client_id": {w.App.ClientID}, "post_logout_redirect_uri": {home}}
		}, "", "Do you want to log out?"},
		"hint of another session asks": {func(w *world, _, _ string) url.Values {
			return url.Values{"client_id": {w.App.ClientID}, "logout_hint": {"other"}, "post_logout_redirect_uri": {home}}
		}, "", "Do you want to log out?"},
		"query is compared": {func(w *world, _, sid string) url.Values {
			return url.Values{"client_id": {w.App.ClientID}, "logout_hint": {sid}, "post_logout_redirect_uri": {home + "?a=b"}}
		}, "", "is not defined as a valid URL"},
		"list of the tenant without client": {func(_ *world, _, sid string) url.Values {
			return url.Values{"logout_hint": {sid}, "post_logout_redirect_uri": {home}}
		}, "", "is not defined as a valid URL"},
		"token of another client": {func(w *world, idToken, _ string) url.Values {
			return url.Values{"client_id": {w.ChildApp.ClientID}, "id_token_hint": {idToken}}
		}, "", "was not issued for the client_id"},
		"hints that disagree": {func(_ *world, idToken, _ string) url.Values {
			return url.Values{"id_token_hint": {idToken}, "logout_hint": {"other"}}
		}, "", "does not match"},
		"forged token": {func(w *world, idToken, _ string) url.Values {
			return url.Values{"id_token_hint": {w.Child.SignJWT(nil, map[string]any{"iss": w.Master.Issuer(), "aud": w.App.ClientID})}}
		}, "", "Invalid id_token_hint"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			idToken := w.tokens(nil)["id_token"].(string)
			sid := claimsOf(t, idToken)["sid"].(string)
			page := w.open(w.Master.base() + "/oidc/logout?" + c.query(w, idToken, sid).Encode())
			if c.want != "" && page.URL.String() != c.want || !strings.Contains(page.Body, c.text) {
				t.Errorf("%d at %s: %s", page.Status, page.URL, page.Body)
			}
			if w.signedIn() != (c.want == "") {
				t.Errorf("signed in afterwards: %t", c.want != "")
			}
		})
	}
}

func TestConsentPageEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(nil)
	q := url.Values{"client_id": {w.App.ClientID}, "post_logout_redirect_uri": {appBase + "/"}, "state": {"s"}}
	page, err := w.open(w.Master.base() + "/oidc/logout?" + q.Encode()).Press("Log out")
	if err != nil {
		t.Fatal(err)
	}
	if page.URL.String() != appBase+"/?state=s" || w.signedIn() {
		t.Errorf("ended at %s", page.URL)
	}
}

func TestFederatedLogoutReachesTheChild(t *testing.T) {
	t.Parallel()
	cases := map[string]func(w *world) string{
		"oidc": func(w *world) string {
			return "/oidc/logout?federated&client_id=" + w.App.ClientID + "&logout_hint=" + w.Master.Sessions()[0] +
				"&post_logout_redirect_uri=" + url.QueryEscape(appBase+"/")
		},
		"auth0-oidc": func(w *world) string {
			w.Master.ChainFederatedLogout = true
			return "/v2/logout?federated&client_id=" + w.App.ClientID + "&returnTo=" + url.QueryEscape(appBase+"/")
		},
	}
	for strategy, address := range cases {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, WithStrategy(strategy))
			w.login(nil)
			page := w.open(w.Master.base() + address(w))
			if page.URL.String() != appBase+"/" {
				t.Errorf("ended at %s", page.URL)
			}
			if len(w.Child.Sessions()) != 0 || len(w.Master.Sessions()) != 0 {
				t.Error("a session is left")
			}
		})
	}
}

func TestLogoutTokensReachTheApplicationsOfTheSession(t *testing.T) {
	t.Parallel()
	ends := map[string]func(w *world){
		"logout":        func(w *world) { w.open(w.Master.base() + "/v2/logout") },
		"administrator": func(w *world) { w.Master.RevokeSession(w.Master.Sessions()[0]) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			received := make(chan string, 2)
			w.network.Handle("app.example.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					received <- r.PostFormValue("logout_token")
				}
				_, _ = io.WriteString(rw, "ok")
			}))
			w.App.BackchannelLogoutURL = appBase + "/auth/backchannel-logout"
			w.Master.AddApplication(Application{BackchannelLogoutURL: appBase + "/other"})
			sid := claimsOf(t, w.tokens(nil)["id_token"])["sid"]
			end(w)
			if len(received) != 1 {
				t.Fatalf("%d logout tokens", len(received))
			}
			raw := <-received
			claims := claimsOf(t, raw)
			if claims["sid"] != sid || claims["aud"] != w.App.ClientID || claims["nonce"] != nil || !w.verifies(raw) ||
				claims["exp"].(float64)-claims["iat"].(float64) != 120 {
				t.Errorf("claims = %v", claims)
			}
			if logs := w.Master.Logs(); len(logs) != 1 || logs[0].Type != "sslo" {
				t.Errorf("the log holds %v", logs)
			}
		})
	}
}

func TestLogoutTokensAsATestWantsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var received []string
	w.network.Handle("app.example.test", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			received = append(received, r.PostFormValue("logout_token"))
		}
	}))
	w.App.BackchannelLogoutURL = appBase + "/auth/backchannel-logout"
	w.login(nil)
	w.Master.Configure(func(s *Settings) {
		s.RepeatLogoutTokens = 1
		s.TamperLogoutToken = func(header, claims map[string]any) { header["alg"], claims["nonce"] = "none", "x" }
	})
	w.open(w.Master.base() + "/v2/logout")
	if len(received) != 2 || received[0] != received[1] || !strings.HasSuffix(received[0], ".") || claimsOf(t, received[0])["nonce"] != "x" {
		t.Errorf("received %q", received)
	}
}

func TestUndeliveredLogoutTokenIsLoggedAndNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.App.BackchannelLogoutURL = "https://nowhere.test/"
	w.login(nil)
	w.open(w.Master.base() + "/v2/logout")
	if logs := w.Master.Logs(); len(logs) != 1 || logs[0].Type != "fslo" || !strings.Contains(logs[0].Details, "no such host") {
		t.Errorf("the log holds %v", logs)
	}
}

func FuzzLogoutHintOfNobody(f *testing.F) {
	n := NewNetwork()
	n.Keys = testKeys
	tenant := n.Tenant("master.auth0.test")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL21hc3Rlci5hdXRoMC50ZXN0LyJ9.")
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL21hc3Rlci5hdXRoMC50ZXN0LyJ9.AAAA")
	f.Fuzz(func(t *testing.T, raw string) {
		if _, ok := tenant.ownToken(raw); ok {
			t.Errorf("%q passes for a token of the tenant", raw)
		}
	})
}
