package tenant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	parPath    = "/oauth/par"
	requestURI = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"
)

func pushAnswer(changes object) object {
	return claims{"request_uri": requestURI, "expires_in": 90}.with(changes)
}

// newPushAuthority offers pushed requests.
func newPushAuthority() *authority {
	a := newAuthority()
	a.serve(discoveryPath, discovery(object{"pushed_authorization_request_endpoint": testIssuer + "oauth/par"}))
	a.handle(parPath, func(w http.ResponseWriter, _ *http.Request) { answering(201, pushAnswer(nil))(w) })
	return a
}

func pushedURL(t *testing.T, tn *Tenant, app Application, r AuthorizeRequest) (string, error) {
	t.Helper()
	got, err := tn.AuthorizeURL(t.Context(), app, r)
	if (got == "") != (err != nil) {
		t.Errorf("RP-FAPI-26: URL %q with the error %v", got, err)
	}
	return got, err
}

func TestRP_FAPI_01_TheBrowserTakesOnlyAReferenceAlong(t *testing.T) {
	t.Parallel()
	a, r := newPushAuthority(), loginRequest()
	r.Extra = []Parameter{{"login_hint", "ada@example.com"}, {"request_uri", "https://evil"}, {"request", "x"}}
	plain := authorize(t, newAuthority(), r).Query()
	u := authorize(t, a, r)
	if u.Query().Encode() != (url.Values{"client_id": {testClient}, "request_uri": {requestURI}}).Encode() {
		t.Errorf("RP-FAPI-02: %s", u)
	}
	sent := a.last()
	if secret := sent.form.Get("client_secret"); sent.path != parPath || secret != string(testApp.ClientSecret) || sent.auth != "" {
		t.Errorf("not authenticated at %s", sent.path)
	}
	sent.form.Del("client_secret")
	if sent.form.Encode() != plain.Encode() {
		t.Errorf("OIDC-01, PKCE-03, BCP-02: pushed %v\nwant %v", sent.form, plain)
	}
	if strings.Contains(sent.form.Encode(), testVerifier) {
		t.Error("PKCE-04: the verifier is pushed")
	}
}

// RFC 9126 section 2.1: client_id is a parameter of the request, whatever authenticates it.
func TestRP_BAS_14_APushWithBasicHasTheClientIDAsAParameter(t *testing.T) {
	t.Parallel()
	a := newPushAuthority()
	app := testApp
	app.Method = AuthBasic
	if _, err := pushedURL(t, newTestTenant(t, a, nil), app, loginRequest()); err != nil {
		t.Fatal(err)
	}
	if sent := a.last(); sent.form.Get("client_id") != testClient || sent.form.Has("client_secret") || !strings.HasPrefix(sent.auth, "Basic ") {
		t.Errorf("sent %v, %q", sent.form, sent.auth)
	}
}

func TestRP_FAPI_26_WhetherRequestsArePushed(t *testing.T) {
	t.Parallel()
	const endpoint = "pushed_authorization_request_endpoint"
	offered, required := object{endpoint: testIssuer + "oauth/par"}, object{"require_pushed_authorization_requests": true}
	both := object{endpoint: testIssuer + "oauth/par", "require_pushed_authorization_requests": true}
	for _, tt := range []struct {
		push    string
		changes object
		pushed  bool
		err     error
	}{
		{"", nil, false, nil},
		{"", offered, true, nil},
		{PushAuto, nil, false, nil},
		{PushAuto, offered, true, nil},
		{PushAuto, both, true, nil},
		{PushAuto, required, false, nil},
		{PushOn, nil, false, ErrPushNotOffered},
		{PushOn, required, false, ErrPushNotOffered},
		{PushOn, offered, true, nil},
		{PushOff, nil, false, nil},
		{PushOff, offered, false, nil},
		{PushOff, both, false, ErrPushRequired},
	} {
		a, r := newPushAuthority(), loginRequest()
		a.serve(discoveryPath, discovery(tt.changes))
		r.Push = tt.push
		got, err := pushedURL(t, newTestTenant(t, a, nil), testApp, r)
		if !errors.Is(err, tt.err) || (a.hits(parPath) == 1) != tt.pushed || strings.Contains(got, "request_uri=") != tt.pushed {
			t.Errorf("%q with %v: %s, %v, %d pushes", tt.push, tt.changes, got, err, a.hits(parPath))
		}
	}
}

func TestAPreviewPushesNothing(t *testing.T) {
	t.Parallel()
	a, r := newPushAuthority(), loginRequest()
	r.Preview = true
	if u := authorize(t, a, r); u.RawQuery != "client_id="+testClient || a.hits(parPath) != 0 {
		t.Errorf("%s after %d pushes", u, a.hits(parPath))
	}
	if u := authorize(t, newAuthority(), r); u.Query().Get("state") != r.State {
		t.Errorf("without pushes: %s", u)
	}
}

func TestRP_FAPI_26_AnswersThatAreNoReference(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"no request_uri":             answering(201, pushAnswer(object{"request_uri": nil})),
		"foreign scheme":             answering(201, pushAnswer(object{"request_uri": "https://evil.example/request.jwt"})),
		"foreign URN":                answering(201, pushAnswer(object{"request_uri": "urn:example:bwc4JK-ESC0w8acc191e-Y1LTC2"})),
		"prefix in another case":     answering(201, pushAnswer(object{"request_uri": strings.ToUpper(requestURI)})),
		"prefix alone":               answering(201, pushAnswer(object{"request_uri": requestURIPrefix})),
		"endless":                    answering(201, pushAnswer(object{"request_uri": requestURIPrefix + strings.Repeat("a", maxRequestURI)})),
		"a space":                    answering(201, pushAnswer(object{"request_uri": requestURI + " x"})),
		"a line end":                 answering(201, pushAnswer(object{"request_uri": requestURI + "\r\nx"})),
		"beyond ASCII":               answering(201, pushAnswer(object{"request_uri": requestURI + "ä"})),
		"a fragment":                 answering(201, pushAnswer(object{"request_uri": requestURI + "#x"})),
		"a number":                   answering(201, pushAnswer(object{"request_uri": 1})),
		"no expires_in":              answering(201, pushAnswer(object{"expires_in": nil})),
		"expired":                    answering(201, pushAnswer(object{"expires_in": 0})),
		"expired long ago":           answering(201, pushAnswer(object{"expires_in": -1})),
		"lives for ever":             answering(201, pushAnswer(object{"expires_in": 1 << 40})),
		"FAULT-11 fraction":          answering(201, pushAnswer(object{"expires_in": 1.5})),
		"200":                        answering(200, pushAnswer(nil)),
		"204":                        func(w http.ResponseWriter) { w.WriteHeader(204) },
		"FAULT-06 empty":             answering(201, ""),
		"FAULT-06 HTML":              answering(201, "<html>"),
		"FAULT-06 truncated":         answering(201, `{"request_uri":"`+requestURI),
		"FAULT-06 name twice":        answering(201, strings.Replace(toJSON(pushAnswer(nil)), "{", `{"request_uri":"x",`, 1)),
		"name in another case":       answering(201, pushAnswer(object{"request_uri": nil, "Request_URI": requestURI})),
		"CVE-LIB-18 no JSON":         func(w http.ResponseWriter) { w.WriteHeader(201); _, _ = w.Write([]byte(toJSON(pushAnswer(nil)))) },
		"CVE-LIB-16 redirect":        answering(307, pushAnswer(nil)),
		"outage":                     answering(500, pushAnswer(nil)),
		"outage with an OAuth error": answering(503, object{"error": "invalid_request"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newPushAuthority()
			a.handle(parPath, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", testIssuer+"elsewhere")
				answer(w)
			})
			_, err := pushedURL(t, newTestTenant(t, a, newClock().Now), testApp, loginRequest())
			wantUnavailable(t, err)
			if n := a.hits(parPath); n != 1 {
				t.Errorf("%d pushes", n)
			}
		})
	}
}

func TestRP_FAPI_26_RefusedPushes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   any
		code   string
	}{
		{400, object{"error": "invalid_request", "error_description": "sekret"}, "invalid_request"},
		{401, object{"error": "invalid_client"}, "invalid_client"},
		{403, object{"error": "sekret <b>"}, "unrecognized"},
		{404, "", "unrecognized"},
		{413, "<html>sekret", "unrecognized"},
		{201, pushAnswer(object{"error": "server_error"}), "server_error"},
	} {
		a := newPushAuthority()
		a.handle(parPath, func(w http.ResponseWriter, _ *http.Request) { answering(tt.status, tt.body)(w) })
		_, err := pushedURL(t, newTestTenant(t, a, newClock().Now), testApp, loginRequest())
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Code != tt.code || refused.Status != tt.status || !strings.HasPrefix(err.Error(), pushing) {
			t.Errorf("%d: %v", tt.status, err)
		}
		if strings.Contains(fmt.Sprint(err), "sekret") || a.hits(parPath) != 1 {
			t.Errorf("INV-04: %v after %d pushes", err, a.hits(parPath))
		}
	}
}

func TestAPushTriesTheNextSecretToo(t *testing.T) {
	t.Parallel()
	a := newPushAuthority()
	a.handle(parPath, func(w http.ResponseWriter, _ *http.Request) {
		if a.last().form.Get("client_secret") == "new" {
			answering(201, pushAnswer(nil))(w)
			return
		}
		answering(401, object{"error": "access_denied"})(w)
	})
	a.serve(tokenPath, tokenAnswer(nil))
	tn := newTestTenant(t, a, newClock().Now)
	for range 2 {
		if _, err := pushedURL(t, tn, rotating(), loginRequest()); err != nil {
			t.Error(err)
		}
	}
	if n := a.hits(parPath); n != 3 {
		t.Errorf("%d pushes", n)
	}
	if err := exchangeAs(t, tn, rotating()); err != nil || a.last().form.Get("client_secret") != "new" {
		t.Errorf("the token endpoint gets the refused one: %v", err)
	}
}

// DOS-02: strangers begin logins. They must not use up what the tenant lets us have, nor hold up those who come back.
func TestDOS_02_FAULT_05_AThrottledPushEndpointIsLeftAloneByAll(t *testing.T) {
	t.Parallel()
	c, a := newClock(), newPushAuthority()
	a.serve(tokenPath, tokenAnswer(nil))
	a.fail(parPath, 429, "Retry-After", "10")
	tn := newTestTenant(t, a, c.Now)
	for range 5 {
		_, err := pushedURL(t, tn, testApp, loginRequest())
		if got := wantUnavailable(t, err); got.RetryAfter != 10*time.Second {
			t.Errorf("retry after %v", got.RetryAfter)
		}
	}
	if n := a.hits(parPath); n != 1 {
		t.Errorf("%d pushes", n)
	}
	if err := exchangeAs(t, tn, testApp); err != nil {
		t.Errorf("a callback is held up: %v", err)
	}
	a.handle(parPath, func(w http.ResponseWriter, _ *http.Request) { answering(201, pushAnswer(nil))(w) })
	c.advance(10 * time.Second)
	if _, err := pushedURL(t, tn, testApp, loginRequest()); err != nil {
		t.Error(err)
	}
}

func TestFAULT_03_APushHasATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newPushAuthority()
		tn := newTestTenant(t, hangingAt(a, parPath), nil)
		start := time.Now()
		_, err := pushedURL(t, tn, testApp, loginRequest())
		if wantUnavailable(t, err); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != defaultTimeout {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

func TestARequestThatIsTooLargeIsNotSent(t *testing.T) {
	t.Parallel()
	a, r := newPushAuthority(), loginRequest()
	tn := newTestTenant(t, a, nil)
	r.Extra = []Parameter{{"login_hint", strings.Repeat("x", maxPushed)}}
	if _, err := pushedURL(t, tn, testApp, r); !errors.Is(err, ErrRequestTooLarge) || a.hits(parPath) != 0 {
		t.Errorf("%v after %d pushes", err, a.hits(parPath))
	}
	r.Extra = []Parameter{{"login_hint", strings.Repeat("x", maxPushed-1000)}}
	if _, err := pushedURL(t, tn, testApp, r); err != nil {
		t.Error(err)
	}
}

func FuzzPushAnswer(f *testing.F) {
	f.Add([]byte(toJSON(pushAnswer(nil))), 201)
	f.Add([]byte(`{"error":"invalid_request"}`), 400)
	f.Add([]byte(`null`), 201)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		got, err := readPushed(&answer{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: body})
		if (got == "") == (err == nil) {
			t.Fatalf("reference %q, error %v", got, err)
		}
		if err == nil && (status != 201 || !strings.HasPrefix(got, requestURIPrefix) || len(got) > maxRequestURI || strings.ContainsAny(got, " \r\n\"<>#")) {
			t.Errorf("accepted %q with status %d", got, status)
		}
	})
}
