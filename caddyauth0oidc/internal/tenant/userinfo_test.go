package tenant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	userinfoPath = "/userinfo"
	testSubject  = "auth0-oidc|acme-child|auth0|563b"
)

func userinfoAnswer(changes object) object {
	return claims{"sub": testSubject, "name": "Jane", "email": "jane@example.com", "email_verified": true}.with(changes)
}

// signedUserinfo is an answer of the type application/jwt, with nothing in it that need not be.
func signedUserinfo(changes object) object {
	return claims(userinfoAnswer(object{"iss": testIssuer, "aud": testClient})).with(changes)
}

// answerUserinfo serves a text under a type; none if it is empty.
func (a *authority) answerUserinfo(contentType, body string) {
	a.handle(userinfoPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		_, _ = io.WriteString(w, body)
	})
}

func askedUserinfo(t *testing.T, tn *Tenant) (map[string]any, error) {
	return tn.Userinfo(t.Context(), testApp, "the-at", testSubject)
}

func TestRP_CMP_08_TheAccessTokenIsInTheHeaderAlone(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.handle(userinfoPath, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.RawQuery != "" || r.Header.Get("Authorization") != "Bearer the-at" || r.Header.Get("Cookie") != "" {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, toJSON(userinfoAnswer(object{"https://acme.example/level": 12345678901234567})))
	})
	got, err := askedUserinfo(t, newTestTenant(t, a, newClock().Now))
	if err != nil {
		t.Fatal(err)
	}
	if got["name"] != "Jane" || fmt.Sprint(got["https://acme.example/level"]) != "12345678901234567" {
		t.Errorf("claims %v", got)
	}
	if n := a.hits(userinfoPath); n != 1 || len(a.requests[len(a.requests)-1].form) != 0 {
		t.Errorf("%d requests, the last with %v", n, a.requests[len(a.requests)-1].form)
	}
}

func TestRP_CMP_07_AnAnswerOfTwoTypesIsRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.handle(userinfoPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"application/json", "application/jwt"}
		_, _ = io.WriteString(w, toJSON(userinfoAnswer(nil)))
	})
	_, err := askedUserinfo(t, newTestTenant(t, a, newClock().Now))
	wantInvalid(t, err, "content_type")
}

func TestOIDC_17_AnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	const plain = "application/json"
	for _, tt := range []struct{ name, contentType, body, reason string }{
		{"RP-BAS-11 other sub", plain, toJSON(userinfoAnswer(object{"sub": testSubject + "x"})), "subject"},
		{"OIDC-17 no sub", plain, toJSON(userinfoAnswer(object{"sub": nil})), "subject"},
		{"sub is null", plain, `{"sub":null}`, "subject"},
		{"sub is a list", plain, toJSON(userinfoAnswer(object{"sub": []string{testSubject}})), "subject"},
		{"sub in other letters", plain, toJSON(userinfoAnswer(object{"sub": strings.ToUpper(testSubject)})), "subject"},
		{"sub with a space", plain, toJSON(userinfoAnswer(object{"sub": testSubject + " "})), "subject"},
		{"CVE-LIB-11 SUB beside sub", plain, toJSON(userinfoAnswer(object{"SUB": "auth0|root"})), "duplicate_claim"},
		{"CVE-LIB-11 SUB in place of sub", plain, toJSON(userinfoAnswer(object{"sub": nil, "SUB": testSubject})), "duplicate_claim"},
		{"Email beside email", plain, toJSON(userinfoAnswer(object{"Email": "root@example.com"})), "duplicate_claim"},
		{"sub twice", plain, `{"sub":"auth0|root","sub":"` + testSubject + `"}`, "duplicate_claim"},
		{"name twice below", plain, `{"sub":"` + testSubject + `","a":{"b":1,"b":2}}`, "duplicate_claim"},
		{"CVE-MAO-20 null", plain, "null", "malformed"},
		{"CVE-MAO-20 array", plain, "[]", "malformed"},
		{"CVE-MAO-20 text", plain, `"x"`, "malformed"},
		{"CVE-MAO-20 number", plain, "7", "malformed"},
		{"FAULT-06 empty", plain, "", "malformed"},
		{"FAULT-06 truncated", plain, `{"sub":"` + testSubject + `"`, "malformed"},
		{"FAULT-06 more behind it", plain, toJSON(userinfoAnswer(nil)) + "{}", "malformed"},
		{"TOK-06 depth", plain, `{"sub":"` + testSubject + `","a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}", "malformed"},
		{"TOK-06 invalid UTF-8", plain, "{\"sub\":\"" + testSubject + "\",\"name\":\"\xff\"}", "malformed"},
		{"TOK-06 1e999", plain, `{"sub":"` + testSubject + `","n":1e999}`, "malformed"},
		{"FAULT-07 HTML", "text/html", "<html>", "content_type"},
		{"JSON as text", "text/plain", toJSON(userinfoAnswer(nil)), "content_type"},
		{"JSON without a type", "", toJSON(userinfoAnswer(nil)), "content_type"},
		{"JSON as another JSON", "application/problem+json", toJSON(userinfoAnswer(nil)), "content_type"},
		{"RP-CMP-07 JSON as a JWT", "application/jwt", toJSON(userinfoAnswer(nil)), "malformed"},
		{"RP-CMP-07 JWT as JSON", plain, mint(rsaOne(), rs256, signedUserinfo(nil)), "malformed"},
		{"RP-CMP-07 JWT as text", "text/plain", mint(rsaOne(), rs256, signedUserinfo(nil)), "content_type"},
		{"encrypted", "application/jwt", b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..a.b.c", "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority()
			a.answerUserinfo(tt.contentType, tt.body)
			got, err := askedUserinfo(t, newTestTenant(t, a, newClock().Now))
			wantInvalid(t, err, tt.reason)
			if got != nil {
				t.Error("CVE-LIB-07: claims came with the error")
			}
		})
	}
}

func TestRP_CMP_07_SignedAnswers(t *testing.T) {
	t.Parallel()
	now := newClock().Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	with := func(changes object) string { return mint(rsaOne(), rs256, signedUserinfo(changes)) }
	headed := func(header any) string { return mint(rsaOne(), header, signedUserinfo(nil)) }
	for _, tt := range []struct{ name, raw, reason string }{
		{"good", with(nil), ""},
		{"good with times", with(object{"iat": at(0), "exp": at(time.Hour), "nbf": at(0), "jti": "x"}), ""},
		{"good with typ", headed(object{"alg": "RS256", "kid": "one", "typ": "JWT"}), ""},
		{"good with aud array", with(object{"aud": []string{testClient}}), ""},
		{"RP-BAS-11 other sub", with(object{"sub": "auth0|root"}), "subject"},
		{"no sub", with(object{"sub": nil}), "subject"},
		{"other iss", with(object{"iss": "https://evil.example/"}), "issuer"},
		{"iss without slash", with(object{"iss": strings.TrimSuffix(testIssuer, "/")}), "issuer"},
		{"no iss", with(object{"iss": nil}), "issuer"},
		{"other aud", with(object{"aud": "app2"}), "audience"},
		{"no aud", with(object{"aud": nil}), "audience"},
		{"aud with a stranger", with(object{"aud": []string{testClient, "app2"}}), "audience"},
		{"other azp", with(object{"azp": "app2"}), "azp"},
		{"expired", with(object{"exp": at(-2 * time.Minute)}), "expired"},
		{"from the future", with(object{"iat": at(2 * time.Minute)}), "issued_at"},
		{"not yet", with(object{"nbf": at(2 * time.Minute)}), "not_before"},
		{"TOK-07 ID token", mint(rsaOne(), rs256, idToken(now, nil)), "token_type"},
		{"TOK-07 logout token", with(object{"events": object{}}), "token_type"},
		{"TOK-07 access token by its type", headed(object{"alg": "RS256", "kid": "one", "typ": "at+jwt"}), "token_type"},
		{"TOK-07 access token by its audience", with(object{"aud": []string{"https://api", testIssuer + "userinfo"}, "azp": testClient}), "audience"},
		{"TOK-01 none", headed(object{"alg": "none"}), "algorithm"},
		{"TOK-01 nOnE", headed(object{"alg": "nOnE", "kid": "one"}), "algorithm"},
		{"TOK-01 no alg", headed(object{"kid": "one"}), "algorithm"},
		{"TOK-01 HS256 with the secret", mint([]byte(testApp.ClientSecret), object{"alg": "HS256"}, signedUserinfo(nil)), "algorithm"},
		{"TOK-01 RS384", headed(object{"alg": "RS384", "kid": "one"}), "algorithm"},
		{"TOK-02 kid with a path", headed(object{"alg": "RS256", "kid": "../../key"}), "signature"},
		{"TOK-02 kid twice", headed(`{"alg":"RS256","kid":"one","kid":"one"}`), "malformed"},
		{"TOK-03 jwk", mint(rsaTwo(), object{"alg": "RS256", "jwk": rsaJWK("evil", &rsaTwo().PublicKey)}, signedUserinfo(nil)), "signature"},
		{"TOK-03 jku", mint(rsaTwo(), object{"alg": "RS256", "kid": "one", "jku": "https://evil.example/jwks"}, signedUserinfo(nil)), "signature"},
		{"TOK-04 crit", headed(object{"alg": "RS256", "kid": "one", "crit": []string{"b64"}, "b64": true}), "malformed"},
		{"TOK-04 nested", mint(rsaOne(), rs256, with(nil)), "malformed"},
		{"TOK-05 line break", with(nil) + "\n", "malformed"},
		{"TOK-05 fourth part", with(nil) + ".AA", "malformed"},
		{"TOK-06 name twice", mint(rsaOne(), rs256, `{"iss":"`+testIssuer+`","iss":"`+testIssuer+`"}`), "duplicate_claim"},
		{"TOK-06 name in another case", with(object{"SUB": "auth0|root"}), "duplicate_claim"},
		{"TOK-06 too long", with(object{"name": strings.Repeat("a", maxToken)}), "malformed"},
		{"TOK-08 empty signature", strings.TrimRight(with(nil), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), "malformed"},
		{"foreign key", mint(rsaTwo(), rs256, signedUserinfo(nil)), "signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority()
			a.answerUserinfo("application/jwt", tt.raw)
			got, err := askedUserinfo(t, newTestTenant(t, a, newClock().Now))
			if tt.reason == "" {
				if err != nil || got["name"] != "Jane" {
					t.Errorf("%v, %v", got, err)
				}
				return
			}
			wantInvalid(t, err, tt.reason)
			if got != nil {
				t.Error("CVE-LIB-07: claims came with the error")
			}
		})
	}
}

func TestFAULT_04_FAULT_05_FAULT_08_UserinfoThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		header []string
		wait   time.Duration
	}{
		{401, nil, time.Second}, {403, nil, time.Second}, {404, nil, time.Second}, {204, nil, time.Second},
		{301, []string{"Location", "https://evil.example/"}, time.Second}, {307, []string{"Location", testIssuer + "other"}, time.Second},
		{429, []string{"Retry-After", "12"}, 12 * time.Second}, {500, nil, time.Second}, {503, []string{"Retry-After", "9999"}, time.Minute},
	} {
		a := newAuthority()
		a.fail(userinfoPath, tt.status, tt.header...)
		got, err := askedUserinfo(t, newTestTenant(t, a, newClock().Now))
		failure := wantUnavailable(t, err)
		if failure.Status != tt.status || failure.RetryAfter != tt.wait || got != nil {
			t.Errorf("%d: %+v, %v", tt.status, failure, got)
		}
		if n := a.hits(userinfoPath); n != 1 || a.hits("/other") != 0 {
			t.Errorf("%d: %d requests", tt.status, n)
		}
	}
}

func TestUserinfoThatIsNotThere(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.serve(discoveryPath, discovery(object{"userinfo_endpoint": nil}))
	_, err := askedUserinfo(t, newTestTenant(t, a, newClock().Now))
	if wantUnavailable(t, err); !errors.Is(err, errNoUserinfo) || a.hits(userinfoPath) != 0 {
		t.Errorf("%v after %d requests", err, a.hits(userinfoPath))
	}
}

// The limit of /userinfo is one for each user: who meets it keeps nobody else waiting.
func TestUserinfoOfOneUserThrottlesNobodyElse(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.handle(userinfoPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") == "Bearer busy" {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, toJSON(userinfoAnswer(nil)))
	})
	a.serve(tokenPath, tokenAnswer(nil))
	tn := newTestTenant(t, a, newClock().Now)
	for range 2 {
		_, err := tn.Userinfo(t.Context(), testApp, "busy", testSubject)
		wantUnavailable(t, err)
		if _, err := askedUserinfo(t, tn); err != nil {
			t.Error(err)
		}
		if _, err := exchange(t, tn); err != nil {
			t.Error(err)
		}
	}
}

func TestFAULT_03_UserinfoTimesOutByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, hangingAt(a, userinfoPath), nil)
		start := time.Now()
		_, err := askedUserinfo(t, tn)
		if wantUnavailable(t, err); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != defaultTimeout {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

func TestLargeUserinfoIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	body := &endless{}
	a := newAuthority()
	rt := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != userinfoPath {
			return a.RoundTrip(r)
		}
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, ContentLength: -1, Request: r}, nil
	})
	_, err := askedUserinfo(t, newTestTenant(t, rt, newClock().Now))
	if wantUnavailable(t, err); body.read > 2*maxBody {
		t.Errorf("%d bytes were read", body.read)
	}
}

func TestINV_04_UserinfoErrorsCarryNothingOfTheAnswer(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"application/json", "application/jwt", "sekret/sekret"} {
		for _, body := range []string{"sekret", `{"sub":"sekret"}`, `{"sub":"` + testSubject + `","sub":"sekret"}`, mint(rsaOne(), rs256, signedUserinfo(object{"iss": "sekret"}))} {
			a := newAuthority()
			a.answerUserinfo(contentType, body)
			if _, err := askedUserinfo(t, newTestTenant(t, a, newClock().Now)); err == nil || strings.Contains(err.Error(), "sekret") {
				t.Errorf("error %v", err)
			}
		}
	}
}

// A token that a header cannot carry is sent nowhere, and is not in the error.
func TestAccessTokensThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for _, token := range []Secret{"", "sekret\r\nX-Evil: 1", "sekret x", "sekr\u00e9t", "sekret\x00"} {
		a := newAuthority()
		_, err := newTestTenant(t, a, newClock().Now).Userinfo(t.Context(), testApp, token, testSubject)
		wantInvalid(t, err, "access_token")
		if a.hits(userinfoPath) != 0 {
			t.Errorf("%d requests", a.hits(userinfoPath))
		}
	}
}

// An ID token without a subject would fit an answer without one.
func TestUserinfoIsAboutSomebody(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.serve(userinfoPath, userinfoAnswer(object{"sub": ""}))
	_, err := newTestTenant(t, a, newClock().Now).Userinfo(t.Context(), testApp, "the-at", "")
	wantInvalid(t, err, "subject")
}

func FuzzUserinfo(f *testing.F) {
	for _, contentType := range []string{"application/json", "application/jwt", "text/html"} {
		f.Add(contentType, toJSON(userinfoAnswer(nil)))
		f.Add(contentType, mint(rsaOne(), rs256, signedUserinfo(nil)))
		f.Add(contentType, `{"sub":"a","sub":"b"}`)
	}
	a := newAuthority()
	tn, err := New(Config{Issuer: testIssuer, Transport: a, Now: newClock().Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		got, err := tn.readUserinfo(t.Context(), testApp, &answer{status: 200, header: http.Header{"Content-Type": {contentType}}, body: []byte(body)})
		if (err == nil) != (got != nil) {
			t.Errorf("claims %v with error %v", got, err)
		}
		var refused *InvalidTokenError
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
	})
}
