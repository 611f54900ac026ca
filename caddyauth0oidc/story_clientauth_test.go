package caddyauth0oidc

import (
	"crypto"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// withKeySite is the smallest use with a key in place of a secret.
func withKeySite(path, more string) worldOption {
	return withSite("auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nconnection acme-child\nclient_assertion " + path + "\n" + more + "\n}\nreverse_proxy UPSTREAM")
}

// usesKey registers a public key with the application, which then takes nothing else.
func (w *world) usesKey(key crypto.PublicKey) {
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) {
		a.TokenEndpointAuthMethod, a.AssertionKeys = "private_key_jwt", []crypto.PublicKey{key}
	})
}

func (w *world) rotateSecret(secret string) {
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.ClientSecret = secret })
}

func (w *world) signedInTwice() bool {
	first, second := w.signedIn(), w.signedIn()
	return first && second
}

// signedIn tells whether a login of a new browser ends at the application.
func (w *world) signedIn() bool {
	w.t.Helper()
	page := w.signIn(w.browser(), "/page", w.pair.User)
	return page.Status == http.StatusOK && page.URL.String() == w.base+"/page"
}

func TestRP_BAS_14_LoginWithTheSecretInTheHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("client_auth basic"))
	w.pair.Master.UpdateApplication(w.pair.App.ClientID, func(a *auth0sim.Application) { a.TokenEndpointAuthMethod = "client_secret_basic" })
	if !w.signedIn() {
		t.Error("not signed in")
	}
}

func TestASecretThatIsReplacedAtTheTenantFailsNoLogin(t *testing.T) {
	t.Parallel()
	const next = "the-next-client-secret"
	w := newWorld(t, withSite("auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nconnection acme-child\nclient_secret CLIENT_SECRET "+next+"\n}\nreverse_proxy UPSTREAM"))
	const switched = "accepted the next one"
	old := w.pair.App.ClientSecret
	if !w.signedIn() || strings.Contains(w.logs(), switched) {
		t.Fatal("not signed in with the first secret")
	}
	w.rotateSecret(next)
	before := w.pair.Master.Calls("/oauth/token")
	for range 3 {
		if !w.signedIn() {
			t.Fatal("not signed in with the next secret")
		}
	}
	if n := w.pair.Master.Calls("/oauth/token") - before; n != 4 {
		t.Errorf("three logins took %d requests, want 4", n)
	}
	logs := w.logs()
	if n := strings.Count(logs, switched); n != 1 {
		t.Errorf("the log says %d times that the next secret was needed", n)
	}
	for _, line := range strings.Split(logs, "\n") {
		if strings.Contains(line, switched) && !strings.Contains(line, `"level":"warn"`) {
			t.Errorf("no warning: %s", line)
		}
	}
	w.rotateSecret("another one")
	page := w.signIn(w.browser(), "/page", w.pair.User)
	if page.Status != http.StatusBadGateway || !strings.Contains(page.Body, codeTokenRefused) {
		t.Errorf("both refused: %d %s", page.Status, page.Body)
	}
	for _, secret := range []string{next, old} {
		if strings.Contains(w.logs()+page.Body, secret) {
			t.Error("INV-04: a secret is in the log or on a page")
		}
	}
}

func TestRP_FAPI_25_LoginWithAKeyThatIsReplacedWithoutARestart(t *testing.T) {
	t.Parallel()
	path, first, second := filepath.Join(t.TempDir(), "key.pem"), newTestKey(), newTestKey()
	writeKey(t, path, first)
	w := newWorld(t, withKeySite(path, ""))
	w.usesKey(first.Public())
	var sent []string
	w.pair.Master.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/oauth/token" {
			sent = append(sent, r.PostFormValue("client_assertion"))
		}
		return false
	}
	if !w.signedInTwice() {
		t.Fatal("not signed in with the first key")
	}
	writeDated(t, path, []byte("no key"), keyTime.Add(time.Minute))
	if !w.signedInTwice() {
		t.Error("a file that cannot be used ended the last good key")
	}
	if n := strings.Count(w.logs(), "the key of client_assertion has changed and cannot be used"); n != 1 {
		t.Errorf("the log says so %d times", n)
	}
	writeKeyAt(t, path, second, keyTime.Add(2*time.Minute))
	w.usesKey(second.Public())
	if !w.signedIn() {
		t.Error("not signed in with the second key")
	}
	if len(sent) != 5 || sent[0] == sent[1] {
		t.Errorf("%d assertions", len(sent))
	}
	for _, assertion := range sent {
		if assertion == "" || strings.Contains(w.logs(), assertion) {
			t.Error("INV-04: an assertion is in the log, or there was none")
		}
	}
}

func TestRP_BAS_15_AKeyThatTheTenantDoesNotKnowIsRefusedOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.pem")
	writeKey(t, path, newTestKey())
	w := newWorld(t, withKeySite(path, ""))
	w.usesKey(newTestKey().Public())
	page := w.signIn(w.browser(), "/page", w.pair.User)
	if page.Status != http.StatusBadGateway || !strings.Contains(page.Body, codeTokenRefused) || w.pair.Master.Calls("/oauth/token") != 1 {
		t.Errorf("%d after %d requests: %s", page.Status, w.pair.Master.Calls("/oauth/token"), page.Body)
	}
}
