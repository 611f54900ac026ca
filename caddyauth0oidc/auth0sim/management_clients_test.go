package auth0sim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestCreatedClientsHaveTheRecordedDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.api("create:clients", "delete:clients", "read:clients", "read:client_keys")
	status, client := a.call("POST", "clients", `{"name":"Made"}`)
	id, _ := client["client_id"].(string)
	if _, alg := client["jwt_configuration"].(map[string]any)["alg"]; status != http.StatusCreated || len(id) != 32 || alg ||
		client["oidc_conformant"] != false || client["client_secret"] == nil {
		t.Fatalf("%d %v", status, client)
	}
	want := []string{"authorization_code", "implicit", "refresh_token", "client_credentials"}
	if got := stringList(client["grant_types"]); !slices.Equal(got, want) {
		t.Errorf("the grant types are %v", got)
	}
	w.Master.Enable("acme-child", id)
	for range 2 { // the second finds nothing, and that is no error
		if status, _ := a.call("DELETE", "clients/"+id, ""); status != http.StatusNoContent {
			t.Errorf("deleting: %d", status)
		}
	}
	if c, _ := w.Master.connectionNamed("acme-child"); slices.Contains(c.EnabledClients, id) {
		t.Error("the connection is still enabled for the client")
	}
	if status, _ := a.call("GET", "clients/"+id, ""); status != http.StatusNotFound {
		t.Errorf("reading: %d", status)
	}
}

func TestClientsAreJudgedByTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.api("create:clients")
	for body, part := range map[string]string{
		`{}`:                                        "Missing required property: name",
		`{"name":"<b>"}`:                            "on property name",
		`{"name":7}`:                                "Expected type string but found type number",
		`{"name":"a","app_type":"magic"}`:           "on property app_type",
		`{"name":"a","callbacks":["nowhere"]}`:      "on property callbacks",
		`{"name":"a","callbacks":[1]}`:              "on property callbacks",
		`{"name":"a","callbacks":"https://a.b/"}`:   "Expected type array",
		`{"name":"a","client_id":"chosen by hand"}`: "Additional properties not allowed: client_id",
	} {
		status, answer := a.call("POST", "clients", body)
		if message, _ := answer["message"].(string); status != http.StatusBadRequest || !strings.Contains(message, part) {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
}

func TestConnectionsAreEnabledForClientsThatExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "connections/" + w.Connection.ID + "/clients"
	status, body := w.api("update:connections").call("PATCH", path, `[{"client_id":"nobody","status":true}]`)
	if status != http.StatusNotFound || body["errorCode"] != "inexistent_client" {
		t.Errorf("%d %v", status, body)
	}
}

func TestPagesAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.api("read:clients", "read:connections")
	for _, path := range []string{"clients?per_page=101", "connections?take=101"} {
		if status, body := a.call("GET", path, ""); status != http.StatusBadRequest || body["errorCode"] != "invalid_query_string" {
			t.Errorf("%s: %d %v", path, status, body)
		}
	}
}
