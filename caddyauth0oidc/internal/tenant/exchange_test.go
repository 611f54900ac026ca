package tenant

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const redirectURI = "https://app.example.com/auth/callback"

func tokenAnswer(changes object) object {
	return claims{"access_token": "the-at", "id_token": "the-idt", "refresh_token": "the-rt", "token_type": "Bearer", "expires_in": 86400}.with(changes)
}

func exchange(t *testing.T, tn *Tenant) (*Tokens, error) {
	return tn.Exchange(t.Context(), testApp, "the-code", testVerifier, redirectURI)
}

func TestACodeIsExchangedWithOneRequest(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.serve(tokenPath, tokenAnswer(nil))
	got, err := exchange(t, newTestTenant(t, a, c.Now))
	if err != nil {
		t.Fatal(err)
	}
	want := Tokens{IDToken: "the-idt", AccessToken: "the-at", RefreshToken: "the-rt", Expiry: c.Now().Add(24 * time.Hour)}
	if *got != want {
		t.Error("other tokens or another expiry")
	}
	if n := a.hits(tokenPath); n != 1 {
		t.Errorf("%d requests", n)
	}
	sent := a.requests[len(a.requests)-1]
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {"the-code"}, "code_verifier": {testVerifier}, "redirect_uri": {redirectURI},
		"client_id": {testClient}, "client_secret": {"the-client-secret"},
	}
	if sent.form.Encode() != form.Encode() || sent.auth != "" {
		t.Errorf("BCP-02: sent %v, Authorization %q", sent.form, sent.auth)
	}
}

func TestOIDC_04_TokenAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		body   any
		reason string
	}{
		{"CVE-SDK-22 no access token", tokenAnswer(object{"access_token": nil}), "access_token"},
		{"empty access token", tokenAnswer(object{"access_token": ""}), "access_token"},
		{"OIDC-04 no ID token", tokenAnswer(object{"id_token": nil}), "id_token"},
		{"OIDC-04 no token type", tokenAnswer(object{"token_type": nil}), "token_type"},
		{"OIDC-04 DPoP", tokenAnswer(object{"token_type": "DPoP"}), "token_type"},
		{"access token is a number", tokenAnswer(object{"access_token": 1}), "malformed"},
		{"ID token in another case", tokenAnswer(object{"id_token": nil, "ID_TOKEN": "x"}), "id_token"},
		{"FAULT-06 name twice", strings.Replace(toJSON(tokenAnswer(nil)), "{", `{"id_token":"evil",`, 1), "malformed"},
		{"FAULT-06 empty", "", "malformed"},
		{"CVE-MAO-20 null", "null", "access_token"},
		{"CVE-MAO-20 array", "[]", "malformed"},
		{"CVE-MAO-20 text", `"x"`, "malformed"},
		{"FAULT-06 HTML", "<html>", "malformed"},
		{"FAULT-06 truncated", `{"access_token":"x"`, "malformed"},
		{"FAULT-06 invalid UTF-8", "{\"access_token\":\"\xff\"}", "malformed"},
		{"FAULT-06 deep", strings.Repeat(`{"a":`, 100_000), "malformed"},
		{"FAULT-11 expires_in is a fraction", tokenAnswer(object{"expires_in": 3600.5}), "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority()
			a.serve(tokenPath, tt.body)
			tokens, err := exchange(t, newTestTenant(t, a, newClock().Now))
			wantInvalid(t, err, tt.reason)
			if tokens != nil {
				t.Error("CVE-LIB-07: tokens came with the error")
			}
		})
	}
}

func TestFAULT_11_Expiries(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"3600": time.Hour, `"3600"`: time.Hour, "0": 0, "-1": 0, "null": 0, "1000000000000000000": maxTokenLife, "2592001": maxTokenLife,
	} {
		c, a := newClock(), newAuthority()
		a.serve(tokenPath, tokenAnswer(object{"expires_in": json.RawMessage(text), "token_type": "bearer"}))
		got, err := exchange(t, newTestTenant(t, a, c.Now))
		switch {
		case err != nil:
			t.Errorf("%s: %v", text, err)
		case want == 0 && !got.Expiry.IsZero(), want != 0 && !got.Expiry.Equal(c.Now().Add(want)):
			t.Errorf("%s: expiry %v", text, got.Expiry)
		}
	}
}

func TestCVE_LIB_18_OnlyJSONIsATokenAnswer(t *testing.T) {
	t.Parallel()
	for contentType, accepted := range map[string]bool{
		"application/json": true, "Application/JSON; charset=utf-8": true,
		"text/plain": false, "application/x-www-form-urlencoded": false, "text/html": false, "application/jwt": false, "": false, "json": false,
	} {
		a := newAuthority()
		a.handle(tokenPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{contentType}
			if contentType == "text/plain" {
				_, _ = io.WriteString(w, "access_token=x&id_token=y&token_type=bearer")
				return
			}
			_, _ = io.WriteString(w, toJSON(tokenAnswer(nil)))
		})
		_, err := exchange(t, newTestTenant(t, a, newClock().Now))
		if accepted && err != nil {
			t.Errorf("FAULT-07 %s: %v", contentType, err)
		} else if !accepted {
			wantInvalid(t, err, "content_type")
		}
	}
}

func TestFAULT_10_ErrorsOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
		code   string
	}{
		{403, `{"error":"invalid_grant","error_description":"sekret"}`, "invalid_grant"},
		{400, `{"error":"invalid_grant"}`, "invalid_grant"},
		{401, `{"error":"access_denied","error_description":"Unauthorized"}`, "access_denied"},
		{401, `{"error":"invalid_client"}`, "invalid_client"},
		{403, `{"error":"mfa_required","mfa_token":"sekret"}`, "mfa_required"},
		{200, `{"error":"server_error","access_token":"x","id_token":"y","token_type":"bearer"}`, "server_error"}, // CVE-SDK-22
		{403, `{"error":"sekret <b>"}`, "unrecognized"},
		{403, `{"error":"` + strings.Repeat("a", 41) + `"}`, "unrecognized"},
		{403, `{"error":{"sekret":1}}`, "unrecognized"},
		{403, `<html>sekret</html>`, "unrecognized"},
		{404, ``, "unrecognized"},
		{201, `{"access_token":"x","id_token":"y","token_type":"bearer"}`, "unrecognized"},
	} {
		a := newAuthority()
		a.handle(tokenPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		_, err := exchange(t, newTestTenant(t, a, newClock().Now))
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Code != tt.code || refused.Status != tt.status {
			t.Errorf("%d %s: %v", tt.status, tt.body, err)
		}
		if strings.Contains(fmt.Sprint(err), "sekret") {
			t.Errorf("INV-04: %v", err)
		}
		if n := a.hits(tokenPath); n != 1 {
			t.Errorf("CVE-LIB-17: %d requests", n)
		}
	}
}

func TestCVE_LIB_17_AFailureIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 301, 302, 303, 307, 308, 429, 500, 502, 503, 504} {
		a := newAuthority()
		if status != 0 {
			a.fail(tokenPath, status, "Location", "https://acme.eu.auth0.com/elsewhere")
		}
		a.serve("/elsewhere", tokenAnswer(nil))
		_, err := exchange(t, newTestTenant(t, a, newClock().Now))
		if got := wantUnavailable(t, err); got.Status != status {
			t.Errorf("status %d: %v", status, err)
		}
		if a.hits(tokenPath) != 1 || a.hits("/elsewhere") != 0 {
			t.Errorf("CVE-LIB-16 status %d: %d requests, %d elsewhere", status, a.hits(tokenPath), a.hits("/elsewhere"))
		}
	}
}

func TestFAULT_05_AThrottledTokenEndpointIsLeftAlone(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newAuthority()
	a.fail(tokenPath, 429, "Retry-After", "10")
	tn := newTestTenant(t, a, c.Now)
	for range 5 {
		_, err := exchange(t, tn)
		if got := wantUnavailable(t, err); got.RetryAfter != 10*time.Second {
			t.Errorf("retry after %v", got.RetryAfter)
		}
	}
	if n := a.hits(tokenPath); n != 1 {
		t.Errorf("%d requests", n)
	}
	a.serve(tokenPath, tokenAnswer(nil))
	c.advance(10 * time.Second)
	if _, err := exchange(t, tn); err != nil {
		t.Error(err)
	}
}

func TestFAULT_03_TheExchangeHasATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, hangingAt(a, tokenPath), nil)
		start := time.Now()
		_, err := exchange(t, tn)
		if wantUnavailable(t, err); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != defaultTimeout {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

func TestCVE_GW_07_AnEndlessAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	a, body := newAuthority(), &endless{}
	tn := newTestTenant(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != tokenPath {
			return a.RoundTrip(r)
		}
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, ContentLength: -1, Request: r}, nil
	}), newClock().Now)
	_, err := exchange(t, tn)
	if wantUnavailable(t, err); !errors.Is(err, errTooLarge) || body.read > 2*maxBody {
		t.Errorf("error %v after %d bytes", err, body.read)
	}
}

func TestDOS_16_CVE_MAO_27_ACompressedBombIsCutOff(t *testing.T) {
	t.Parallel()
	server := loopbackServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("the transport does not offer gzip")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.Copy(z, io.LimitReader(&endless{}, 64<<20))
		_ = z.Close()
	})
	tn, err := New(Config{Issuer: server.URL + "/"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tn.Metadata(t.Context())
	if wantUnavailable(t, err); !errors.Is(err, errTooLarge) {
		t.Errorf("error %v", err)
	}
}

func TestINV_04_TokensShowThemselvesToNobody(t *testing.T) {
	t.Parallel()
	tokens := &Tokens{IDToken: "sekret", AccessToken: "sekret", RefreshToken: "sekret"}
	app := Application{ClientID: "c", ClientSecret: "sekret"}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "tokens", tokens, "app", app, "secret", tokens.IDToken)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "tokens", tokens, "app", app, "secret", tokens.IDToken)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s"} {
		for _, v := range []any{tokens, *tokens, app, tokens.IDToken, []Secret{"sekret"}, map[Secret]Secret{"sekret": "sekret"}} {
			logged.WriteString(fmt.Sprintf(verb, v) + "\n")
		}
	}
	logged.WriteString(toJSON(tokens) + toJSON(app) + tokens.IDToken.String())
	if got := logged.String(); strings.Contains(got, "sekret") || strings.Contains(strings.ToLower(got), "73656b726574") || !strings.Contains(got, redacted) {
		t.Errorf("shown: %s", got)
	}
	if string(tokens.IDToken) != "sekret" {
		t.Error("the conversion does not reveal it")
	}
}

func FuzzTokenAnswer(f *testing.F) {
	f.Add([]byte(toJSON(tokenAnswer(nil))), 200)
	f.Add([]byte(`{"error":"invalid_grant"}`), 403)
	f.Add([]byte(`null`), 200)
	tn := must(New(Config{Issuer: testIssuer}))
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		got, err := tn.readTokens(&answer{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: body}, exchanging)
		if (got == nil) == (err == nil) {
			t.Fatalf("answer %v, error %v", got, err)
		}
		if err == nil && (status != 200 || got.AccessToken == "") {
			t.Errorf("accepted %q with status %d", body, status)
		}
	})
}
