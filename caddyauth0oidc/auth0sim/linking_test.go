package auth0sim

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func TestLinkedUserIsOneUserWithTwoIdentities(t *testing.T) {
	tenant := NewNetwork().Tenant("master.auth0.test")
	tenant.AddConnection(Connection{Name: "acme-child", Strategy: "auth0-oidc"})
	primary := tenant.AddUser(User{ID: "auth0|1", Email: "ann@master.test"})
	secondary := tenant.AddUser(User{ID: "auth0-oidc|acme-child|auth0|2", Connection: "acme-child", Email: "ann@child.test"})
	tenant.LinkUsers(primary.ID, secondary.ID)
	tenant.LinkUsers(primary.ID, "auth0|nobody")
	if _, ok := tenant.User(secondary.ID); ok {
		t.Error("the secondary user is still there")
	}
	user, _ := tenant.User(primary.ID)
	if len(user.Identities) != 2 || user.Identities[1].Connection != "acme-child" || user.Identities[1].ProfileData["email"] != "ann@child.test" {
		t.Errorf("the identities are %+v", user.Identities)
	}
	id := tenant.upsert(Connection{Name: "acme-child", Strategy: "auth0-oidc"}, map[string]any{"sub": "auth0|2"}, upstreamTokens{ID: "the newest"})
	if user, _ = tenant.User(primary.ID); id != primary.ID || user.Identities[1].AccessToken != "the newest" {
		t.Errorf("a login is that of %s with %+v", id, user.Identities)
	}
}

func TestIDTokenOfALegacyApplicationReadsItsUserOnly(t *testing.T) {
	tenant := NewNetwork().Tenant("child.auth0.test")
	legacy := tenant.AddApplication(Application{Legacy: true})
	conformant := tenant.AddApplication(Application{})
	ann := tenant.AddUser(User{ID: "auth0|1", Email: "ann@child.test"})
	bob := tenant.AddUser(User{ID: "auth0|2", Email: "bob@child.test"})
	now := tenant.now().Unix()
	for name, test := range map[string]struct {
		client, user string
		exp          int64
		status       int
	}{
		"herself":               {legacy.ClientID, ann.ID, now + 60, http.StatusOK},
		"somebody else":         {legacy.ClientID, bob.ID, now + 60, http.StatusForbidden},
		"after its end":         {legacy.ClientID, ann.ID, now - int64(time.Hour/time.Second), http.StatusUnauthorized},
		"of a conformant one":   {conformant.ClientID, ann.ID, now + 60, http.StatusUnauthorized},
		"of nobody's client id": {"nobody", ann.ID, now + 60, http.StatusUnauthorized},
	} {
		token := tenant.SignJWT(nil, map[string]any{"iss": tenant.Issuer(), "sub": ann.ID, "aud": test.client, "exp": test.exp})
		r := httptest.NewRequest(http.MethodGet, "/api/v2/users/"+url.PathEscape(test.user), nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		if tenant.ServeHTTP(w, r); w.Code != test.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
