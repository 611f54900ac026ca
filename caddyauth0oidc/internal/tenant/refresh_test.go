package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func refresh(t *testing.T, tn *Tenant) (*Tokens, error) {
	t.Helper()
	return tn.Refresh(t.Context(), testApp, "the-rt")
}

func TestRP_REF_01_ARefreshTokenIsExchangedWithOneRequest(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.serve(tokenPath, tokenAnswer(object{"refresh_token": "the-next-rt", "expires_in": 600}))
	got, err := refresh(t, newTestTenant(t, a, c.Now))
	if err != nil {
		t.Fatal(err)
	}
	want := Tokens{IDToken: "the-idt", AccessToken: "the-at", RefreshToken: "the-next-rt", Expiry: c.Now().Add(10 * time.Minute)}
	if *got != want {
		t.Error("other tokens or another expiry")
	}
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {"the-rt"}, "client_id": {testClient}, "client_secret": {"the-client-secret"},
	}
	if sent := a.requests[len(a.requests)-1]; a.hits(tokenPath) != 1 || sent.form.Encode() != form.Encode() {
		t.Errorf("%d requests, the last with %v", a.hits(tokenPath), sent.form)
	}
}

func TestFAULT_12_WhatARefreshNeedNotBring(t *testing.T) {
	t.Parallel()
	for _, member := range []string{"id_token", "refresh_token", "expires_in"} {
		a := newAuthority()
		a.serve(tokenPath, tokenAnswer(object{member: nil}))
		if got, err := refresh(t, newTestTenant(t, a, newClock().Now)); err != nil || got.AccessToken != "the-at" {
			t.Errorf("CVE-OP-15 RP-FAPI-23 without %s: %v", member, err)
		}
	}
	for _, member := range []string{"access_token", "token_type"} {
		a := newAuthority()
		a.serve(tokenPath, tokenAnswer(object{member: nil}))
		_, err := refresh(t, newTestTenant(t, a, newClock().Now))
		wantInvalid(t, err, member)
	}
}

func TestARefusedRefreshIsTold(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.handle(tokenPath, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`))
	})
	_, err := refresh(t, newTestTenant(t, a, newClock().Now))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != "invalid_grant" || refused.Doing != refreshing {
		t.Error(err)
	}
}

// Over real sockets, because only a real transport tells how far a request came.
func TestWhetherTheTenantMayHaveActedOnARefresh(t *testing.T) {
	t.Parallel()
	drop := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		_ = conn.Close()
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc // nil: nobody listens
		unsent bool
	}{
		"nobody listens":    {nil, true},
		"429":               {status(429), true},
		"500":               {status(500), false},
		"503":               {status(503), false},
		"307":               {status(307), false},
		"closed in between": {drop, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn, stop := overSockets(t, tt.answer)
			if _, err := tn.Metadata(t.Context()); err != nil {
				t.Fatal(err)
			}
			if tt.answer == nil {
				stop()
				tn.Close() // of connections that it has kept, one more could be tried
			}
			_, err := refresh(t, tn)
			if got := wantUnavailable(t, err); got.Unsent != tt.unsent {
				t.Errorf("LSN-10: unsent %v: %v", got.Unsent, got)
			}
		})
	}
}

func TestNothingIsSentToATenantThatIsNotKnown(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.fail(discoveryPath, 502)
	_, err := refresh(t, newTestTenant(t, a, newClock().Now))
	if got := wantUnavailable(t, err); !got.Unsent || a.hits(tokenPath) != 0 {
		t.Errorf("%v after %d requests", got, a.hits(tokenPath))
	}
}

func TestAThrottledTokenEndpointGetsNoRefreshes(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.fail(tokenPath, 429, "Retry-After", "30")
	tn := newTestTenant(t, a, newClock().Now)
	for range 3 {
		_, err := refresh(t, tn)
		if got := wantUnavailable(t, err); !got.Unsent {
			t.Errorf("FAULT-05: %v", got)
		}
	}
	if n := a.hits(tokenPath); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A transport that does not say how far it came has to be taken for one that sent all.
func TestATransportThatTellsNothingMayHaveSentIt(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	silent := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == tokenPath {
			return nil, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
		}
		return a.RoundTrip(r)
	})
	_, err := refresh(t, newTestTenant(t, silent, newClock().Now))
	if got := wantUnavailable(t, err); got.Unsent {
		t.Error(got)
	}
}

// overSockets is a tenant whose token endpoint answers so, behind a listener that stop closes.
func overSockets(t *testing.T, token http.HandlerFunc) (tn *Tenant, stop func()) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	issuer := server.URL + "/"
	mux.HandleFunc(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(toJSON(discovery(object{
			"issuer": issuer, "authorization_endpoint": issuer + "authorize", "token_endpoint": issuer + "oauth/token",
			"jwks_uri": issuer + "jwks", "userinfo_endpoint": nil, "end_session_endpoint": nil, "revocation_endpoint": nil,
		}))))
	})
	if token != nil {
		mux.HandleFunc(tokenPath, token)
	}
	return must(New(Config{Issuer: issuer})), server.Close
}

func TestOIDC_21_IDTokensOfARefresh(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	tn, now := newTestTenant(t, a, c.Now), c.Now()
	signedIn := now.Add(-time.Hour)
	check := RefreshCheck{Subject: "auth0-oidc|acme-child|auth0|563b", SID: "sid-1", AuthTime: signedIn, AccessToken: "the-at"}
	for name, tt := range map[string]struct {
		changes object
		reason  string // empty: it is taken
	}{
		"as Auth0 sends it":                   {object{"nonce": nil}, ""},
		"the same sign-in":                    {object{"nonce": nil, "auth_time": signedIn.Unix()}, ""},
		"no sid":                              {object{"nonce": nil, "sid": nil}, ""},
		"a nonce that nobody sent":            {nil, "nonce"},
		"null for a nonce":                    {object{"nonce": json.RawMessage("null")}, "nonce"},
		"RP-REF-02 another issuer":            {object{"nonce": nil, "iss": "https://other.eu.auth0.com/"}, "issuer"},
		"RP-REF-03 another subject":           {object{"nonce": nil, "sub": "auth0-oidc|acme-child|auth0|other"}, "subject"},
		"another session of the tenant":       {object{"nonce": nil, "sid": "sid-2"}, "sid"},
		"another sign-in":                     {object{"nonce": nil, "auth_time": now.Unix()}, "auth_time"},
		"another audience":                    {object{"nonce": nil, "aud": "app2"}, "audience"},
		"another authorized party":            {object{"nonce": nil, "azp": "app2"}, "azp"},
		"an old one again":                    {object{"nonce": nil, "iat": now.Add(-time.Hour).Unix()}, "issued_at"},
		"an expired one":                      {object{"nonce": nil, "exp": now.Add(-2 * time.Minute).Unix()}, "expired"},
		"TOK-07 a logout token":               {object{"nonce": nil, "events": object{}}, "token_type"},
		"the hash of another access token":    {object{"nonce": nil, "at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"},
		"a session that must have ended then": {object{"nonce": nil, "session_expiry": now.Add(-time.Second).Unix()}, "session_expiry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tn.VerifyRefreshed(t.Context(), testApp, mint(rsaOne(), rs256, idToken(now, tt.changes)), check)
			if tt.reason == "" && err != nil {
				t.Error(err)
			} else if tt.reason != "" {
				wantInvalid(t, err, tt.reason)
			}
		})
	}
}
