package auth0sim

import (
	"net/http"
	"testing"
)

func TestDiscoveryFollowsTheSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	read := func(path string) map[string]any {
		req, _ := http.NewRequest(http.MethodGet, w.Master.base()+path, nil)
		_, doc := w.send(req)
		return doc
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		doc := read(path)
		if doc["issuer"] != "https://master.auth0.test/" || doc["end_session_endpoint"] != "https://master.auth0.test/oidc/logout" {
			t.Errorf("%s: %v", path, doc)
		}
		for _, absent := range []string{
			"grant_types_supported", "backchannel_logout_supported", "authorization_response_iss_parameter_supported",
			"pushed_authorization_request_endpoint",
		} {
			if _, ok := doc[absent]; ok {
				t.Errorf("%s: %s is there", path, absent)
			}
		}
	}
	w.Master.Configure(func(s *Settings) { s.AdvertiseEndSession, s.AdvertiseBackchannel, s.IssParameter = false, true, true })
	doc := read("/.well-known/openid-configuration")
	if doc["end_session_endpoint"] != nil || doc["backchannel_logout_supported"] != true ||
		doc["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("after the change: %v", doc)
	}
	if w.Master.Calls("/.well-known/openid-configuration") != 2 {
		t.Errorf("counted %d calls", w.Master.Calls("/.well-known/openid-configuration"))
	}
}
