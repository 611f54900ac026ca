package tenant

import (
	"net/http"
	"net/url"
	"testing"
)

const revocationPath = "/oauth/revoke"

func revokeWith(t *testing.T, a *authority) error {
	t.Helper()
	return newTestTenant(t, a, newClock().Now).RevokeToken(t.Context(), testApp, "the-rt")
}

func newRevoker() *authority {
	a := newAuthority()
	a.serve(discoveryPath, discovery(object{"revocation_endpoint": testIssuer + "oauth/revoke"}))
	return a
}

func TestARefreshTokenIsRevokedWithOneAuthenticatedRequest(t *testing.T) {
	t.Parallel()
	a := newRevoker()
	a.handle(revocationPath, func(http.ResponseWriter, *http.Request) {}) // 200 with an empty body
	if err := revokeWith(t, a); err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"token": {"the-rt"}, "token_type_hint": {"refresh_token"}, "client_id": {testClient}, "client_secret": {"the-client-secret"},
	}
	if sent := a.requests[len(a.requests)-1]; a.hits(revocationPath) != 1 || sent.form.Encode() != form.Encode() {
		t.Errorf("%d requests, the last with %v", a.hits(revocationPath), sent.form)
	}
}

func TestRevocationsThatFail(t *testing.T) {
	t.Parallel()
	without := newAuthority()
	without.serve(discoveryPath, discovery(object{"revocation_endpoint": nil}))
	if got := wantUnavailable(t, revokeWith(t, without)); got.Err != errNoRevocation {
		t.Errorf("without an endpoint: %v", got)
	}
	for _, status := range []int{429, 500, 503, 307} {
		a := newRevoker()
		a.fail(revocationPath, status, "Location", testIssuer+"elsewhere")
		if got := wantUnavailable(t, revokeWith(t, a)); got.Status != status || a.hits(revocationPath) != 1 {
			t.Errorf("FAULT-04 status %d: %v", status, got)
		}
	}
}
