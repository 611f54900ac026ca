package caddyauth0oidc

import (
	"crypto"
	"encoding/base64"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// conformanceVariant is a way for the application to authenticate, or to be answered.
type conformanceVariant struct {
	name     string
	settings string // more lines of the directive
	method   string // with which the application is registered; private_key_jwt has a key in place of the secret
	domain   bool   // the provider is a host, as Auth0's are; otherwise each module has an issuer with a port and a path
	posts    bool   // the provider answers with forms
	pushes   bool   // the provider takes pushed authorization requests alone
	module   string // the suite's module about this variant
}

// The plan for Basic RPs has the secret in the header, that for form_post as well. The
// other two ways are variants of oidcc-client-test-plan.
var (
	conformanceBasic = conformanceVariant{
		name: "client_secret_basic", settings: "client_auth basic", method: "client_secret_basic",
		module: "RP-BAS-14_oidcc-client-test-client-secret-basic",
	}
	conformancePost = conformanceVariant{
		name: "client_secret_post", method: "client_secret_post", domain: true,
		module: "RP-BAS-15_oidcc-client-test-plan_client_secret_post",
	}
	conformanceKey = conformanceVariant{
		name: "private_key_jwt", method: "private_key_jwt",
		module: "RP-BAS-15_oidcc-client-test-plan_private_key_jwt",
	}
	conformanceFormPost = conformanceVariant{
		name: "form_post", settings: "client_auth basic\n" + formPost, method: "client_secret_basic", posts: true,
		module: "RP-FRM-14_oidcc-client-test-client-secret-basic",
	}
	// conformancePAR is what the plans of FAPI 2.0 want.
	conformancePAR = conformanceVariant{
		name: "par_private_key_jwt", method: "private_key_jwt", pushes: true,
		module: "RP-FAPI-25_" + fapi + "happy-path",
	}
)

var conformanceVariants = []conformanceVariant{conformanceBasic, conformancePost, conformanceKey, conformanceFormPost}

// nameOf is the id of the module in this variant, and its name in the suite.
func (v conformanceVariant) nameOf(m conformanceModule) string {
	if v.posts {
		return strings.Replace(m.name, "RP-BAS-", "RP-FRM-", 1)
	}
	return m.name
}

// newWorld has a tenant that wants things as the variant has them; key verifies the
// assertions of the application, if it has one.
func (v conformanceVariant) newWorld(t *testing.T, m conformanceModule) (w *world, key crypto.PublicKey) {
	t.Helper()
	client, connection, path := "client_secret CLIENT_SECRET", "connection acme-child", "/test/a/"+v.nameOf(m)+"/"
	if v.method == "private_key_jwt" {
		file, private := filepath.Join(t.TempDir(), "key.pem"), newTestKey()
		writeKey(t, file, private)
		client, key = "client_assertion "+file, private.Public()
	}
	if m.subject != "" {
		connection += " {\nstrategy any\n}"
	}
	if v.domain {
		path = ""
	}
	w = newWorld(t, atIssuerPath(path), withSite(strings.Join([]string{
		"auth0_oidc {", "domain DOMAIN", "client_id CLIENT_ID", client, connection, "profile userinfo", v.settings, m.settings, "}",
		"reverse_proxy UPSTREAM",
	}, "\n")))
	w.pair.Master.AdvertisePAR = v.pushes
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) {
		a.TokenEndpointAuthMethod, a.RequirePushedAuthorizationRequests = v.method, v.pushes
		if key != nil {
			a.AssertionKeys = []crypto.PublicKey{key}
		}
	})
	return w, key
}

// proves tells whether a request of the application authenticates in this way, and in no other.
func (v conformanceVariant) proves(app *auth0sim.Application, request conformanceRequest) bool {
	authorization, body := request.header.Get("Authorization"), request.body
	if request.query.Has("client_secret") || request.query.Has("client_assertion") {
		return false
	}
	switch v.method {
	case "client_secret_basic":
		pair := url.QueryEscape(app.ClientID) + ":" + url.QueryEscape(app.ClientSecret)
		return authorization == "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)) &&
			!body.Has("client_id") && !body.Has("client_secret") && !body.Has("client_assertion")
	case "client_secret_post":
		return authorization == "" && body.Get("client_id") == app.ClientID && body.Get("client_secret") == app.ClientSecret && !body.Has("client_assertion")
	}
	return authorization == "" && body.Get("client_assertion") != "" && !body.Has("client_secret") &&
		body.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
}

// judgeMode looks at how the answer came, if one did: in which cookies it was waited for,
// and with what a form is answered.
func (r *conformanceRun) judgeMode(posts bool) {
	r.Helper()
	came, posted := false, false
	for _, hop := range r.hops {
		if !strings.HasPrefix(hop.URL.String(), r.base+"/") {
			continue
		}
		if hop.URL.Path == "/auth/callback" {
			came, posted = true, posted || hop.Method == http.MethodPost
			if posts && hop.URL.Query().Has("code") || hop.Method == http.MethodPost && hop.Status != http.StatusSeeOther && hop.Status < 400 {
				r.Errorf("BCP-17: %s %s is answered with %d", hop.Method, hop.URL, hop.Status)
			}
		}
		for _, line := range hop.Header.Values("Set-Cookie") {
			if ours := r.txnSuffix(line); len(ours) > 20 && posts != strings.Contains(line, "; Secure; SameSite=None") {
				r.Errorf("CK-01: %s", line)
			}
		}
	}
	if posted != (posts && came) {
		r.Errorf("the answer was posted: %t", posted)
	}
}
