package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

func TestTenantsThatAreRightPass(t *testing.T) {
	w := withTenants(t)
	w.site.Scopes += " offline_access"
	probed := []string{CodeCallbackAllowed, CodeChildReady, CodeClientAuthenticated, CodeConnectionUsable, CodeLogoutAllowed}
	findings := w.examine(false)
	if got := codes(findings, Passed); !slices.Equal(got, probed) {
		t.Errorf("without the Management API %q", got)
	}
	if got := codes(findings, Unknown); !slices.Equal(got, []string{CodeManagementAbsent}) {
		t.Errorf("without the Management API %q is unknown", got)
	}
	findings = w.examine(true)
	if got := codes(findings, Passed); !slices.Equal(got, append([]string{CodeApplicationRight}, probed...)) {
		t.Errorf("with the Management API %q", got)
	}
	if got := codes(findings, Unknown); len(got) > 0 {
		t.Errorf("with the Management API %q is unknown", got)
	}
}

// The checks must leave no trace but in the logs of the tenants: what they send is looked at as a whole.
func TestChecksOfTenantsChangeNothing(t *testing.T) {
	w := withTenants(t)
	w.Master.AdvertisePAR = true
	w.site.Scopes += " offline_access"
	var mu sync.Mutex
	var asked []string
	watch := func(tenant *auth0sim.Tenant, name string) {
		tenant.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, name+" "+r.Method+" "+r.URL.Path)
			if r.Header.Get("Cookie") != "" {
				t.Errorf("%s %s has cookies", name, r.URL.Path)
			}
			if name == "child" && r.URL.Path == "/authorize" && r.URL.Query().Get("prompt") != "none" {
				t.Error("a login is begun at the child")
			}
			return false
		}
	}
	watch(w.Master, "master")
	watch(w.Child, "child")
	w.examine(true)
	harmless := []string{
		"GET /.well-known/openid-configuration", "GET /authorize", "POST /oauth/token", "POST /oauth/par", "GET /oidc/logout", "GET /v2/logout",
	}
	for _, request := range asked {
		_, rest, _ := strings.Cut(request, " ")
		if !slices.Contains(harmless, rest) && !strings.HasPrefix(rest, "GET /api/v2/") {
			t.Errorf("%s is asked", request)
		}
	}
	if len(asked) > 30 {
		t.Errorf("%d requests are made: %q", len(asked), asked)
	}
}

func TestManagementThatTellsNothingIsUnknown(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*tenantWorld)
		want  []string
	}{
		{"wrong credentials", func(w *tenantWorld) { w.masterID = "nobody" }, []string{CodeManagementRefused}},
		{
			"no grant", func(w *tenantWorld) {
				w.masterID = w.Master.AddApplication(auth0sim.Application{GrantTypes: []string{"client_credentials"}}).ClientID
			}, []string{CodeManagementRefused},
		},
		{
			"no scope for applications", func(w *tenantWorld) { w.masterScopes = []string{"read:connections", "read:connections_options"} },
			[]string{CodeManagementScope},
		},
		{
			"no scope for connections", func(w *tenantWorld) { w.masterScopes = []string{"read:clients"} }, []string{CodeManagementScope},
		},
		{
			"no scope for hidden options", func(w *tenantWorld) {
				w.masterScopes, w.Master.HideConnectionOptions = []string{"read:clients", "read:connections"}, true
			}, []string{CodeManagementScope},
		},
		{
			"no scope for hidden secrets", func(w *tenantWorld) {
				w.masterScopes, w.Master.HideConnectionSecrets = []string{"read:clients", "read:connections"}, true
			}, []string{CodeChildSecretUnread},
		},
		{"no scope at the child", func(w *tenantWorld) { w.childScopes = []string{"read:users"} }, []string{CodeManagementScope}},
		{"rate limited", func(w *tenantWorld) { w.Master.LimitRequests("/api/v2/", 0, time.Minute) }, []string{CodeManagementLimited}},
		{"rate limited later", func(w *tenantWorld) { w.Master.LimitRequests("/api/v2/", 1, time.Minute) }, []string{CodeManagementLimited}},
		{
			"out of order", func(w *tenantWorld) {
				w.Master.Intercept = answerAt("/api/v2/clients/"+w.App.ClientID, http.StatusInternalServerError, `{"statusCode":500}`)
			}, []string{CodeManagementUnavailable},
		},
		{
			"nonsense", func(w *tenantWorld) {
				w.Master.Intercept = answerAt("/api/v2/clients/"+w.App.ClientID, http.StatusOK, `{"callbacks":7}`)
			}, []string{CodeManagementUnavailable},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := withTenants(t)
			test.spoil(w)
			findings := w.examine(true)
			if got := codes(findings, Unknown, Failure, Warning); !slices.Equal(got, test.want) {
				t.Errorf("found %q, not %q", got, test.want)
			}
			checkFindings(t, w, findings)
		})
	}
}

// Small plans allow two requests a second, which is less than is read here.
func TestRateLimitsOfTheManagementAPIThatEndSoonAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := withTenants(t)
		began, limited := time.Now(), 0
		w.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			busy := strings.HasPrefix(r.URL.Path, "/api/v2/connections") && limited < 2
			if busy {
				limited++
				rw.Header().Set("Retry-After", "2")
				rw.WriteHeader(http.StatusTooManyRequests)
				_, _ = rw.Write([]byte(`{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached"}`))
			}
			return busy
		}
		if got := codes(w.examine(true), Unknown, Warning, Failure); got != nil || time.Since(began) != 4*time.Second {
			t.Errorf("found %q after %s", got, time.Since(began))
		}
	})
}

func TestManagementOfAnotherTenantIsNotBelieved(t *testing.T) {
	w := withTenants(t)
	findings := w.examineWith(Surroundings{Now: time.Now, Master: w.api(w.Child, "", w.masterScopes), Child: w.api(w.Master, "", w.childScopes)})
	if got := codes(findings, Failure, Warning, Unknown); !slices.Equal(got, []string{CodeManagementElsewhere, CodeManagementElsewhere}) {
		t.Errorf("found %q", got)
	}
	checkFindings(t, w, findings)
}

func TestTenantsThatDoNotAnswerAreUnknown(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*tenantWorld)
		want  []string
	}{
		{"master away", func(w *tenantWorld) { w.Master.Down(true) }, []string{CodeTenantNotAsked}},
		{"issuer that is none", func(w *tenantWorld) { w.site.Issuer = "ftp://" }, []string{CodeTenantNotAsked}},
		{
			"master limits logins", func(w *tenantWorld) { w.Master.LimitRequests("/authorize", 0, time.Second) },
			[]string{CodeManagementAbsent, CodeTenantNotAsked, CodeTenantLimited},
		},
		{
			"master limits tokens", func(w *tenantWorld) { w.Master.LimitRequests("/oauth/token", 0, time.Second) },
			[]string{CodeManagementAbsent, CodeTenantLimited},
		},
		{
			"master is out of order at logouts", func(w *tenantWorld) { w.Master.Intercept = answerAt("/oidc/logout", 502, "") },
			[]string{CodeManagementAbsent, CodeTenantNotAsked},
		},
		{
			"tokens for an invented code", func(w *tenantWorld) {
				w.Master.Intercept = answerAt("/oauth/token", 200, `{"access_token":"a","token_type":"Bearer","id_token":"b"}`)
			}, []string{CodeManagementAbsent, CodeTenantNotAsked},
		},
		{
			"child away", func(w *tenantWorld) { // the master asks for no discovery document of the old strategy
				w.Connection.Strategy, w.Connection.Options["domain"] = "auth0-oidc", w.Child.Domain()
				w.Child.Down(true)
			}, []string{CodeChildNotAsked, CodeManagementAbsent},
		},
		{
			"child shows a page", func(w *tenantWorld) { w.Child.Intercept = answerAt("/authorize", 200, "<h1>Sign in</h1>") },
			[]string{CodeChildNotAsked, CodeManagementAbsent},
		},
		{
			"child limits logins", func(w *tenantWorld) { w.Child.LimitRequests("/authorize", 0, time.Second) },
			[]string{CodeChildNotAsked, CodeManagementAbsent},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := withTenants(t)
			test.spoil(w)
			findings := w.examine(false)
			if got := codes(findings, Unknown, Failure, Warning); !slices.Equal(got, test.want) {
				t.Errorf("found %q, not %q", got, test.want)
			}
			checkFindings(t, w, findings)
		})
	}
}

// A tenant may have a page of its own for errors, to which Auth0 redirects.
func TestErrorPagesOfTheOperatorAreUnderstood(t *testing.T) {
	for description, code := range map[string]string{
		"Callback URL mismatch. " + appBase + " is not in the list of allowed callback URLs": CodeCallbackNotAllowed,
		"Unknown client: x": CodeClientUnknown,
		"something else":    CodeLoginRefused,
	} {
		w := withTenants(t)
		w.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/authorize" {
				return false
			}
			http.Redirect(rw, r, "https://errors.example.test/?error=invalid_request&error_description="+strings.ReplaceAll(description, " ", "%20"), http.StatusFound)
			return true
		}
		if got := codes(w.examine(false), Failure, Warning); !slices.Equal(got, []string{code}) {
			t.Errorf("%s: found %q", description, got)
		}
	}
}

func TestOnlySafeAddressesAreAskedForTheChild(t *testing.T) {
	for location, want := range map[string][]string{
		"http://169.254.169.254/authorize?client_id=a&redirect_uri=b":              nil,
		"http://127.0.0.1:1/authorize?client_id=a&redirect_uri=b":                  nil,
		"https://saml.example.test/sso?SAMLRequest=x":                              {CodeStrategyWrong},
		"https://master.auth0.test/u/login?state=x":                                {CodeStrategyWrong},
		"https://x.test/?client_id=a&redirect_uri=b&" + strings.Repeat("x", 1<<15): {CodeStrategyWrong},
	} {
		w := withTenants(t)
		w.site.Connections[0].ChildDomain, w.site.Connections[0].ChildClientID = "", ""
		w.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			begun := r.URL.Path == "/authorize" && r.FormValue("prompt") != "none"
			if begun {
				rw.Header().Set("Location", location)
				rw.WriteHeader(http.StatusFound)
			}
			return begun
		}
		strangers := 0
		w.network.Outside = roundTripper(func(*http.Request) (*http.Response, error) {
			strangers++
			return nil, fmt.Errorf("nobody is there")
		})
		if got := codes(w.examine(false), Failure, Warning); !slices.Equal(got, want) || strangers > 0 {
			t.Errorf("%.60s: found %q, and asked %d times", location, got, strangers)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The secret of a connection is for the tenant that the connection names, wherever else a login is sent to.
func TestTheSecretOfAConnectionGoesToNoOtherHost(t *testing.T) {
	w := withTenants(t)
	w.site.Connections[0].ChildDomain, w.site.ChildReturnTo = "", ""
	w.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		begun := r.URL.Path == "/authorize" && r.FormValue("prompt") != "none"
		if begun {
			http.Redirect(rw, r, "https://elsewhere.auth0.test/authorize?client_id="+w.ChildApp.ClientID+"&redirect_uri=https://master.auth0.test/login/callback", http.StatusFound)
		}
		return begun
	}
	asked := false
	w.network.Tenant("elsewhere.auth0.test").Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		asked = asked || r.URL.Path == "/oauth/token"
		return answerAt("/authorize", http.StatusOK, "<h1>Log in</h1>")(rw, r)
	}
	findings := w.examine(true)
	if asked || !slices.Contains(codes(findings, Unknown), CodeChildSecretUnread) {
		t.Errorf("the secret was sent: %v; found %+v", asked, findings)
	}
}

// Auth0 asks people on localhost for a confirmation, and others for their organization, so that nothing follows from its page.
func TestLoginsThatStopAtAPageOfTheMasterAreUnknown(t *testing.T) {
	for page, base := range map[string]string{"/u/login-confirmation": "http://localhost:8080", "/u/organization": appBase} {
		w := withTenants(t)
		w.site.BaseURLs, w.site.ChildReturnTo = []string{base}, ""
		w.App.Callbacks, w.App.AllowedLogoutURLs = []string{base + "/auth/callback"}, []string{base + "/"}
		w.Master.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			begun := r.URL.Path == "/authorize" && r.FormValue("prompt") != "none"
			if begun {
				http.Redirect(rw, r, page+"?state=x", http.StatusFound)
			}
			return begun
		}
		if got := codes(w.examine(false), Failure, Warning, Unknown); !slices.Equal(got, []string{CodeChildNotAsked, CodeManagementAbsent}) {
			t.Errorf("%s: found %q", page, got)
		}
	}
}

func TestListsOfApplicationsMatchAsAuth0DoesIt(t *testing.T) {
	for _, test := range []struct {
		entry, address string
		want, path     bool
	}{
		{"https://a.test/cb", "https://a.test/cb", true, true},
		{"https://a.test/cb", "https://a.test/cb/", false, false},
		{"https://A.test/cb", "https://a.test/cb", false, true},
		{"https://a.test/cb?x=1", "https://a.test/cb", false, true},
		{"https://*.a.test/cb", "https://b.a.test/cb", true, true},
		{"https://*.a.test/cb", "https://c.b.a.test/cb", false, false},
		{"https://*.a.test/cb", "http://b.a.test/cb", false, false},
		{"https://x-*-y.a.test/cb", "https://x-1-y.a.test/cb", true, true},
		{"https://x-*-y.a.test/cb", "https://x--y.a.test/cb", false, false},
		{"https://{organization_name}.a.test/cb", "https://acme.a.test/cb", true, true},
		{"https://a.*.test/cb", "https://a.b.test/cb", false, false},
		{"https://*.a.test/cb", "https://evil.test/.a.test/cb", false, false},
		{"*", "https://a.test/cb", false, false},
		{"%", "https://a.test/cb", false, false},
	} {
		if got := allows([]string{"https://other.test/", test.entry}, test.address); got != test.want {
			t.Errorf("%s allows %s: %v", test.entry, test.address, got)
		}
		if got := allowsPath([]string{test.entry}, test.address); got != test.path {
			t.Errorf("%s allows the path of %s: %v", test.entry, test.address, got)
		}
	}
}

// A tenant of plain http sees no certificate, as one behind an edge that does not forward it.
func TestCertificatesThatDoNotArriveAreNamed(t *testing.T) {
	network := auth0sim.NewNetwork()
	network.Keys = keys
	server := httptest.NewServer(network)
	defer server.Close()
	master := network.Tenant(server.URL)
	app := master.AddApplication(auth0sim.Application{TokenEndpointAuthMethod: "tls_client_auth", Callbacks: []string{appBase + "/cb"}})
	master.Enable(auth0sim.DatabaseConnection, app.ClientID)
	certificate, key := certificateFiles(t)
	presented, err := tenant.NewClientCertificate(tenant.CertificateConfig{File: certificate, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	defer presented.Close()
	site := &Site{
		Name: "app", Issuer: master.Issuer(), Application: tenant.Application{ClientID: app.ClientID, Certificate: presented},
		BaseURLs: []string{appBase}, Callback: "/cb", Scopes: "openid", Client: server.Client(), LogoutStrategy: "v2",
	}
	var found []Finding
	for _, check := range TenantChecks() {
		found = append(found, check(t.Context(), site, Surroundings{Now: time.Now})...)
	}
	if got := codes(found, Failure, Warning); !slices.Equal(got, []string{CodeCertificateRefused, CodeLogoutNotAllowed}) {
		t.Errorf("found %q", got)
	}
}

func certificateFiles(t *testing.T) (certificate, key string) {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
