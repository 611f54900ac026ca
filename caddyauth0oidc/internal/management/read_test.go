package management

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

func TestGetReadsAnyPathWithItsQuery(t *testing.T) {
	tenant, client := tenantWith(t, "read:clients", "read:connections")
	app := tenant.AddApplication(auth0sim.Application{ClientID: "an|odd/id", Name: "Site"})
	var read struct{ Name, Secret string }
	err := client.Get(t.Context(), "clients/an%7Codd%2Fid?fields=name&include_fields=true", &read)
	if err != nil || read.Name != app.Name {
		t.Errorf("%v %+v", err, read)
	}
	for _, path := range []string{"clients/%", "clients?a=%"} {
		if err := client.Get(t.Context(), path, &read); err == nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestGetTellsWhatIsMissing(t *testing.T) {
	tenant, client := tenantWith(t)
	var e *Error
	err := client.Get(t.Context(), "clients/x", new(any))
	if !errors.As(err, &e) || e.Status != http.StatusForbidden || e.GettingToken() {
		t.Errorf("%+v", err)
	}
	tenant.LimitRequests("/api/v2/", 0, 3*time.Second)
	err = client.Get(t.Context(), "clients/x", new(any))
	if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests || e.RetryAfter != 3*time.Second {
		t.Errorf("%+v", err)
	}
}

func TestGetTellsThatThereIsNoToken(t *testing.T) {
	network := auth0sim.NewNetwork()
	network.Keys = keys
	tenant := network.Tenant("acme.auth0.test")
	client, err := New(Config{Base: tenant.Issuer(), ClientID: "stranger", ClientSecret: "secret", Transport: network})
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := client.Get(t.Context(), "clients/x", new(any)); !errors.As(err, &e) || !e.GettingToken() {
		t.Errorf("%+v", err)
	}
}
