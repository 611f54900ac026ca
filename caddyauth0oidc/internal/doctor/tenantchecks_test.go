package doctor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// misconfiguration is what a test spoils, and what is found of it.
type misconfiguration struct {
	name    string
	options []auth0sim.PairOption
	spoil   func(*tenantWorld)
	// probed is what is found without the Management API, read what is found with it; nil is the same as probed.
	probed, read []string
}

var misconfigurations = []misconfiguration{
	{name: "nothing"},
	{name: "nothing, of the old strategy", options: []auth0sim.PairOption{auth0sim.WithStrategy("auth0-oidc")}},
	{
		name: "nothing, with Basic", spoil: func(w *tenantWorld) {
			w.App.TokenEndpointAuthMethod, w.site.Application.Method = "client_secret_basic", "basic"
		},
	},
	{
		name: "nothing, with a key", spoil: func(w *tenantWorld) {
			w.App.TokenEndpointAuthMethod, w.App.AssertionKeys = "private_key_jwt", []crypto.PublicKey{assertionKey(w)}
		},
	},
	{
		name: "wrong secret", spoil: func(w *tenantWorld) { w.site.Application.ClientSecret = "not-the-secret" },
		probed: []string{CodeClientSecretWrong},
	},
	{
		name: "only the next secret is right", spoil: func(w *tenantWorld) {
			w.site.Application.ClientSecret, w.site.Application.NextClientSecret = "not-the-secret", w.site.Application.ClientSecret
		},
		probed: []string{CodeFirstSecretRefused},
	},
	{
		name: "neither secret is right", spoil: func(w *tenantWorld) {
			w.site.Application.ClientSecret, w.site.Application.NextClientSecret = "not-the-secret", "not-the-secret-either"
		},
		probed: []string{CodeClientSecretWrong},
	},
	{
		name: "Post, where Basic is registered", spoil: func(w *tenantWorld) { w.App.TokenEndpointAuthMethod = "client_secret_basic" },
		probed: []string{CodeClientAuthWrong},
	},
	{
		name: "Basic, where Post is registered", spoil: func(w *tenantWorld) { w.site.Application.Method = "basic" },
		probed: []string{CodeClientAuthWrong},
	},
	{
		name: "a secret, where a key is registered", spoil: func(w *tenantWorld) { w.App.TokenEndpointAuthMethod = "private_key_jwt" },
		probed: []string{CodeClientSecretWrong}, read: []string{CodeClientAuthWrong},
	},
	{
		name: "a secret, where none is registered", spoil: func(w *tenantWorld) { w.App.TokenEndpointAuthMethod = "none" },
		probed: []string{CodeClientSecretWrong}, read: []string{CodeClientAuthWrong},
	},
	{
		name: "a key, where a secret is registered", spoil: func(w *tenantWorld) { assertionKey(w) },
		probed: []string{CodeClientAuthWrong},
	},
	{
		name: "another key than the registered one", spoil: func(w *tenantWorld) {
			w.App.TokenEndpointAuthMethod, w.App.AssertionKeys = "private_key_jwt", []crypto.PublicKey{assertionKey(w)}
			assertionKey(w)
		},
		probed: []string{CodeAssertionRefused},
	},
	{
		name: "unknown client id", spoil: func(w *tenantWorld) { w.site.Application.ClientID = "nobody" },
		probed: []string{CodeClientUnknown},
	},
	{
		name: "a token endpoint that refuses otherwise", spoil: func(w *tenantWorld) {
			w.Master.Intercept = answerWhere("grant_type", "authorization_code", http.StatusForbidden, `{"error":"quota_exceeded"}`)
		},
		probed: []string{CodeTokenRefused},
	},
	{
		name: "grant missing", spoil: func(w *tenantWorld) { w.App.GrantTypes = []string{"implicit"} },
		probed: []string{CodeGrantMissing},
	},
	{
		name: "refresh grant missing", spoil: func(w *tenantWorld) {
			w.App.GrantTypes, w.site.Scopes = []string{"authorization_code"}, "openid offline_access"
		},
		probed: []string{CodeRefreshGrantMissing},
	},
	{
		name: "callback missing at the master", spoil: func(w *tenantWorld) { w.App.Callbacks = []string{appBase + "/auth/callback/"} },
		probed: []string{CodeCallbackNotAllowed},
	},
	{
		name: "callback of the second base URL missing", spoil: func(w *tenantWorld) {
			w.site.BaseURLs = append(w.site.BaseURLs, "https://www.example.test")
			w.App.AllowedLogoutURLs = append(w.App.AllowedLogoutURLs, "https://www.example.test/")
			w.ChildApp.AllowedLogoutURLs = append(w.ChildApp.AllowedLogoutURLs, "https://www.example.test/auth/logout")
		},
		probed: []string{CodeCallbackNotAllowed},
	},
	{
		name: "callbacks with a wildcard", spoil: func(w *tenantWorld) { w.App.Callbacks = []string{"https://*.example.test/auth/callback"} },
	},
	{
		name: "logout URL missing", spoil: func(w *tenantWorld) { w.App.AllowedLogoutURLs = []string{appBase} },
		probed: []string{CodeLogoutNotAllowed},
	},
	{
		name: "logout URL missing, with /v2/logout", spoil: func(w *tenantWorld) {
			w.site.LogoutStrategy, w.App.AllowedLogoutURLs = "v2", []string{appBase + "/other"}
		},
		probed: []string{CodeLogoutNotAllowed},
	},
	{
		name: "logout URL that differs in its query, with /v2/logout", spoil: func(w *tenantWorld) {
			w.site.LogoutStrategy, w.App.AllowedLogoutURLs = "v2", []string{appBase + "/?x=y"}
		},
	},
	{
		name: "logout URL missing at the child", spoil: func(w *tenantWorld) { w.ChildApp.AllowedLogoutURLs = nil },
		probed: []string{CodeChildLogout},
	},
	{
		name: "audience unknown", spoil: func(w *tenantWorld) { w.site.Audience = "https://api.example.test" },
		probed: []string{CodeAudienceUnknown},
	},
	{
		name: "organization wrong", spoil: func(w *tenantWorld) {
			w.site.Organization, w.App.OrganizationUsage = "org_other", auth0sim.OrganizationAllow
			w.Master.Organizations = []auth0sim.Organization{{ID: "org_acme", Name: "acme"}}
		},
		probed: []string{CodeOrganizationRefused},
	},
	{
		name: "organization for an application that takes none", spoil: func(w *tenantWorld) {
			w.site.Organization = "org_acme"
			w.Master.Organizations = []auth0sim.Organization{{ID: "org_acme", Name: "acme"}}
		},
		probed: []string{CodeOrganizationRefused},
	},
	{
		name: "organization required", spoil: func(w *tenantWorld) { w.App.OrganizationUsage = auth0sim.OrganizationRequire },
		probed: []string{CodeOrganizationRequired},
	},
	{
		name: "connection missing", spoil: func(w *tenantWorld) { w.site.Connections[0].Name = "acme" },
		probed: []string{CodeConnectionNotUsable}, read: []string{CodeConnectionMissing},
	},
	{
		name: "connection not enabled", spoil: func(w *tenantWorld) { w.Connection.EnabledClients = []string{"others"} },
		probed: []string{CodeConnectionNotUsable}, read: []string{CodeConnectionNotEnabled},
	},
	{
		name: "connection enabled for very many", spoil: func(w *tenantWorld) {
			var many []string
			for n := range 250 {
				many = append(many, fmt.Sprint("other-", n))
			}
			w.Connection.EnabledClients = append(many, w.App.ClientID)
		},
	},
	{
		name: "a connection of the master's own users", spoil: func(w *tenantWorld) {
			w.site.Connections[0].Name = auth0sim.DatabaseConnection
			w.Master.Enable(auth0sim.DatabaseConnection, w.App.ClientID)
		},
		probed: []string{CodeStrategyWrong},
	},
	{
		name: "the other of the two strategies", spoil: func(w *tenantWorld) { w.site.Connections[0].Strategy = "auth0-oidc" },
		read: []string{CodeStrategyWrong},
	},
	{
		name: "any strategy", spoil: func(w *tenantWorld) {
			w.site.Connections[0] = Connection{Name: auth0sim.DatabaseConnection, Strategy: "any"}
			w.Master.Enable(auth0sim.DatabaseConnection, w.App.ClientID)
		},
	},
	{
		name: "front channel", spoil: func(w *tenantWorld) { w.Connection.Options["type"] = "front_channel" },
		read: []string{CodeFrontChannel},
	},
	{
		name: "HS256", spoil: func(w *tenantWorld) { w.App.SigningAlg = "HS256" },
		read: []string{CodeApplicationSigning},
	},
	{
		name: "not conformant", spoil: func(w *tenantWorld) { w.App.Legacy = true },
		read: []string{CodeApplicationNotConformant},
	},
	{
		name: "a native application", spoil: func(w *tenantWorld) { w.App.AppType = "native" },
		read: []string{CodeApplicationType},
	},
	{
		name: "pushed requests required and not offered", spoil: func(w *tenantWorld) { w.App.RequirePushedAuthorizationRequests = true },
		probed: []string{CodePushRequired},
	},
	{
		name: "pushed requests required, and par off", spoil: func(w *tenantWorld) {
			w.App.RequirePushedAuthorizationRequests, w.Master.AdvertisePAR, w.site.Push = true, true, "off"
		},
		probed: []string{CodePushRequired},
	},
	{
		name: "pushed requests required of all, and par off, which discovery tells", spoil: func(w *tenantWorld) {
			w.Master.RequirePAR, w.Master.AdvertisePAR, w.site.Push = true, true, "off"
		},
	},
	{
		name: "pushed requests required and offered", spoil: func(w *tenantWorld) {
			w.App.RequirePushedAuthorizationRequests, w.Master.AdvertisePAR = true, true
		},
	},
	{
		name: "pushed requests refused", spoil: func(w *tenantWorld) {
			w.Master.AdvertisePAR = true
			w.Master.Intercept = answerAt("/oauth/par", http.StatusBadRequest, `{"error":"invalid_request","error_description":"no"}`)
		},
		probed: []string{CodePushRefused},
	},
	{
		name: "callback missing at the child", spoil: func(w *tenantWorld) { w.ChildApp.Callbacks = nil },
		probed: []string{CodeChildCallbackMissing},
	},
	{
		name: "callback of the custom domain missing at the child", options: []auth0sim.PairOption{auth0sim.WithDomains("login.example.test", "child.auth0.test")},
		spoil:  func(w *tenantWorld) { w.ChildApp.Callbacks = []string{"https://acme.eu.auth0.test/login/callback"} },
		probed: []string{CodeChildCallbackMissing}, read: []string{CodeCustomDomainMixup},
	},
	{
		name: "child client unknown", spoil: func(w *tenantWorld) {
			w.Connection.Options["client_id"], w.site.Connections[0].ChildClientID, w.site.ChildReturnTo = "nobody", "nobody", ""
		},
		probed: []string{CodeChildClientUnknown},
	},
	{
		name: "child secret rotated", spoil: func(w *tenantWorld) { w.ChildApp.ClientSecret = "the-secret-after-a-rotation" },
		read: []string{CodeChildSecretWrong},
	},
	{
		name: "child refuses otherwise", spoil: func(w *tenantWorld) {
			w.Child.Intercept = answerAt("/authorize", http.StatusForbidden, "<h1>Forbidden</h1>")
		},
		probed: []string{CodeChildRefused},
	},
	{
		name: "child refuses otherwise at the callback", spoil: func(w *tenantWorld) {
			w.Child.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/authorize" {
					http.Redirect(rw, r, r.FormValue("redirect_uri")+"?error=invalid_scope&error_description=%3Cscript%3E", http.StatusFound)
				}
				return r.URL.Path == "/authorize"
			}
		},
		probed: []string{CodeChildRefused},
	},
	{
		name: "no base URL", spoil: func(w *tenantWorld) { w.site.BaseURLs = nil },
	},
	{
		name: "no connection", spoil: func(w *tenantWorld) {
			w.site.Connections, w.site.ChildReturnTo = nil, ""
			w.Master.Enable(auth0sim.DatabaseConnection, w.App.ClientID)
		},
	},
	{
		name: "one of two connections missing", spoil: func(w *tenantWorld) {
			w.site.Connections = append(w.site.Connections, Connection{Name: "other-child"})
		},
		probed: []string{CodeConnectionNotUsable}, read: []string{CodeConnectionMissing},
	},
	{
		name: "child grant missing", spoil: func(w *tenantWorld) { w.ChildApp.GrantTypes = []string{"implicit"} },
		probed: []string{CodeChildGrantMissing},
	},
	{
		name: "child without connections", spoil: func(w *tenantWorld) {
			for _, name := range []string{auth0sim.DatabaseConnection, "google-oauth2"} {
				w.Child.Disable(name, w.ChildApp.ClientID)
			}
		},
		probed: []string{CodeChildNoConnections},
	},
	{
		name: "child signs with HS256", spoil: func(w *tenantWorld) { w.ChildApp.SigningAlg = "HS256" },
		read: []string{CodeChildSigning},
	},
	{
		name: "another child than that of the settings", spoil: func(w *tenantWorld) {
			w.site.Connections[0].ChildDomain, w.site.ChildReturnTo = "other.auth0.test", ""
		},
		probed: []string{CodeChildDomain},
	},
	{
		name: "another client of the child than that of the settings", spoil: func(w *tenantWorld) {
			w.site.Connections[0].ChildClientID, w.site.ChildReturnTo = "other", ""
		},
		probed: []string{CodeChildClient},
	},
	{
		name: "the old strategy with a conformant child", options: []auth0sim.PairOption{auth0sim.WithStrategy("auth0-oidc")},
		spoil: func(w *tenantWorld) { w.ChildApp.Legacy = false },
		read:  []string{CodeChildConformant},
	},
	{
		name: "the old strategy with a newer child", options: []auth0sim.PairOption{auth0sim.WithStrategy("auth0-oidc")},
		spoil: func(w *tenantWorld) { w.Child.LegacyUserProfile = false },
		read:  []string{CodeChildLegacyProfile},
	},
	{
		name: "logins refused for an unknown reason", spoil: func(w *tenantWorld) {
			w.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				begun := r.URL.Path == "/authorize" && r.FormValue("prompt") != "none"
				if begun {
					http.Redirect(rw, r, r.FormValue("redirect_uri")+"?error=server_error&error_description=<script>", http.StatusFound)
				}
				return begun
			}
		},
		probed: []string{CodeLoginRefused},
	},
	{
		name: "logins answered with a page", spoil: func(w *tenantWorld) {
			w.Master.Intercept = answerAt("/authorize", http.StatusForbidden, "<h1>Oops!</h1>")
		},
		probed: []string{CodeLoginRefused},
	},
}

func TestTenantMisconfigurationsAreNamedOnceWithTheirRemedy(t *testing.T) {
	for _, m := range misconfigurations {
		for _, withManagement := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, management %v", m.name, withManagement), func(t *testing.T) {
				w := withTenants(t, m.options...)
				if m.spoil != nil {
					m.spoil(w)
				}
				want := m.probed
				if withManagement && m.read != nil {
					want = m.read
				}
				findings := w.examine(withManagement)
				if got := codes(findings, Failure, Warning); !slices.Equal(got, want) {
					t.Errorf("found %q, not %q", got, want)
				}
				checkFindings(t, w, findings)
			})
		}
	}
}

// checkFindings looks at what holds for all: there are words for the operator, and none of them is a secret or the tenant's own.
func checkFindings(t *testing.T, w *tenantWorld, findings []Finding) {
	t.Helper()
	for _, f := range findings {
		if f.Site != w.site.Name || f.Seen == "" || f.Severity != Passed && (f.Cause == "" || f.Remedy == "") {
			t.Errorf("not told whole: %+v", f)
		}
		text := f.Seen + f.Cause + f.Remedy
		for _, secret := range []string{w.App.ClientSecret, w.ChildApp.ClientSecret, string(w.site.Application.ClientSecret), "<script>", "<h1>"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q: %s", f.Code, secret, text)
			}
		}
	}
	for n, f := range findings {
		if slices.Contains(findings[:n], f) {
			t.Errorf("told twice: %+v", f)
		}
	}
}

func answerAt(path string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		if strings.HasPrefix(body, "{") {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// answerWhere answers requests whose form has a value.
func answerWhere(name, value string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return r.PostFormValue(name) == value && answerAt(r.URL.Path, status, body)(w, r)
	}
}

// assertionKey gives a new key of the site, with its public half.
func assertionKey(w *tenantWorld) crypto.PublicKey {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.site.Application.Key, err = tenant.NewAssertionKey(tenant.KeyConfig{File: file}, w.Master.Issuer(), w.App.ClientID, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return key.Public()
}
