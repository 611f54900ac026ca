package management

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

var keys = auth0sim.NewKeyPool()

// tenantWith gives a simulated tenant, and a client that may do what the scopes say.
func tenantWith(t *testing.T, scopes ...string) (*auth0sim.Tenant, *Client) {
	t.Helper()
	network := auth0sim.NewNetwork()
	network.Keys = keys
	tenant := network.Tenant("acme.auth0.test")
	app := tenant.AddManagementClient(scopes...)
	client, err := New(Config{Base: tenant.Issuer(), ClientID: app.ClientID, ClientSecret: app.ClientSecret, Transport: network})
	if err != nil {
		t.Fatal(err)
	}
	return tenant, client
}

func TestUserHasTheWholeProfile(t *testing.T) {
	tenant, client := tenantWith(t, "read:users")
	added := tenant.AddUser(auth0sim.User{ID: `samlp|staff|DOM\ann/1|é`, Email: "ann@example.com"})
	raw, err := client.User(t.Context(), added.ID)
	if err != nil {
		t.Fatal(err)
	}
	var user map[string]any
	if err := json.Unmarshal(raw, &user); err != nil {
		t.Fatal(err)
	}
	if user["user_id"] != added.ID || user["created_at"] == nil || user["identities"] == nil {
		t.Errorf("the profile is %v", user)
	}
}

func TestOneTokenServesManyCalls(t *testing.T) {
	tenant, client := tenantWith(t, "read:users")
	added := tenant.AddUser(auth0sim.User{ID: "auth0|1", Email: "ann@example.com"})
	tokens := 0
	tenant.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/oauth/token" {
				tokens++
			}
			return false
		}
	})
	for range 3 {
		if _, err := client.User(t.Context(), added.ID); err != nil {
			t.Fatal(err)
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens were asked for", tokens)
	}
}

func TestErrorsSayWhatWentWrong(t *testing.T) {
	for _, test := range []struct {
		what    string
		scopes  []string
		prepare func(*auth0sim.Tenant)
		want    Error
		cause   error
	}{
		{what: "no scope", scopes: []string{"read:clients"}, want: Error{Status: 403}},
		{what: "no user", scopes: []string{"read:users"}, want: Error{Status: 404}},
		{
			what: "a rate limit", scopes: []string{"read:users"}, want: Error{Status: 429, RetryAfter: 7 * time.Second},
			prepare: func(t *auth0sim.Tenant) { t.LimitRequests("/api/v2/", 0, 7*time.Second) },
		},
		{
			what: "a rate limit of tokens", scopes: []string{"read:users"}, want: Error{Status: 429, RetryAfter: 7 * time.Second},
			prepare: func(t *auth0sim.Tenant) { t.LimitRequests("/oauth/token", 0, 7*time.Second) },
		},
		{
			what: "an outage", scopes: []string{"read:users"}, cause: errUnreachable,
			prepare: func(t *auth0sim.Tenant) { t.Down(true) },
		},
		{
			what: "an answer that is none", scopes: []string{"read:users"}, want: Error{Status: 200}, cause: errUnreadable,
			prepare: func(t *auth0sim.Tenant) {
				t.Configure(func(s *auth0sim.Settings) {
					s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
						if r.URL.Path == "/oauth/token" {
							return false
						}
						_, _ = w.Write([]byte("<html>"))
						return true
					}
				})
			},
		},
	} {
		t.Run(test.what, func(t *testing.T) {
			tenant, client := tenantWith(t, test.scopes...)
			if test.prepare != nil {
				test.prepare(tenant)
			}
			_, err := client.User(t.Context(), "auth0|nobody")
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("the error is %v", err)
			}
			if got.Status != test.want.Status || got.RetryAfter != test.want.RetryAfter || !errors.Is(err, test.cause) && test.cause != nil {
				t.Errorf("the error is %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestCallsEndWithTheirDeadline(t *testing.T) {
	_, client := tenantWith(t, "read:users")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.User(ctx, "auth0|1"); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
