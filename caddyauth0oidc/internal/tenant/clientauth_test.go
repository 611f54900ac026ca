package tenant

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// pick answers the token endpoint by the client secret of the body.
func pick(a *authority, answers map[string]func(w http.ResponseWriter)) {
	a.handle(tokenPath, func(w http.ResponseWriter, r *http.Request) {
		answers[a.last().form.Get("client_secret")](w)
	})
}

func (a *authority) last() recorded {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[len(a.requests)-1]
}

// secretsSent are the secrets of all requests to the token endpoint.
func (a *authority) secretsSent() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.requests {
		if r.path == tokenPath {
			all = append(all, r.form.Get("client_secret"))
		}
	}
	return all
}

func answering(status int, body any) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, toJSON(body))
	}
}

// warnings collects what an application is warned of.
type warnings struct {
	mu  sync.Mutex
	all []string
}

func (w *warnings) add(message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, message)
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.all
	w.all = nil
	return all
}

func exchangeAs(t *testing.T, tn *Tenant, app Application) error {
	t.Helper()
	_, err := tn.Exchange(t.Context(), app, "the-code", testVerifier, redirectURI)
	return err
}

func TestRP_BAS_14_BasicSendsNothingInTheBody(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.serve(tokenPath, tokenAnswer(nil))
	app := Application{ClientID: "a:b c%ä", ClientSecret: "p+ä:/ %&=*~", Method: AuthBasic}
	if err := exchangeAs(t, newTestTenant(t, a, newClock().Now), app); err != nil {
		t.Fatal(err)
	}
	sent := a.last()
	raw, ok := strings.CutPrefix(sent.auth, "Basic ")
	decoded, err := base64.StdEncoding.DecodeString(raw)
	if !ok || err != nil || strings.Count(string(decoded), ":") != 1 {
		t.Fatalf("Authorization %q", decoded)
	}
	id, secret, _ := strings.Cut(string(decoded), ":")
	if id != "a%3Ab+c%25%C3%A4" { // RFC 6749 appendix B
		t.Errorf("id %q", id)
	}
	if got, err := url.QueryUnescape(secret); err != nil || got != string(app.ClientSecret) {
		t.Errorf("secret %q", secret)
	}
	for _, name := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if sent.form.Has(name) {
			t.Errorf("%s is in the body", name)
		}
	}
	if sent.form.Get("redirect_uri") != redirectURI || sent.form.Get("code_verifier") != testVerifier {
		t.Errorf("BCP-02, PKCE-04: sent %v", sent.form)
	}
}

func rotating() Application {
	return Application{ClientID: testClient, ClientSecret: "old", NextClientSecret: "new"}
}

func TestTheNextSecretIsTriedOnceWithTheSameCode(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]func(http.ResponseWriter){
		"Auth0":               answering(401, object{"error": "access_denied", "error_description": "Unauthorized"}),
		"RFC 6749":            answering(401, object{"error": "invalid_client"}),
		"RFC 6749, 400":       answering(400, object{"error": "invalid_client"}),
		"401 in another word": answering(401, object{"error": "unauthorized"}),
		"401 without a body":  answering(401, ""),
		"401 with a web page": answering(401, "<html>"),
	} {
		a, told := newAuthority(), &warnings{}
		pick(a, map[string]func(http.ResponseWriter){"old": refusal, "new": answering(200, tokenAnswer(nil))})
		tn, app := newTestTenant(t, a, newClock().Now), rotating()
		app.Warn = told.add
		if err := exchangeAs(t, tn, app); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := told.take(); len(got) != 1 || strings.Contains(got[0], "old") {
			t.Errorf("%s: warned %q", name, got)
		}
		if err := exchangeAs(t, tn, app); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := a.secretsSent(); !slices.Equal(got, []string{"old", "new", "new"}) {
			t.Errorf("%s: a rotation costs more than one refused request: %q", name, got)
		}
		if got := told.take(); len(got) != 0 {
			t.Errorf("%s: warned again: %q", name, got)
		}
		if a.last().form.Get("code") != "the-code" {
			t.Errorf("%s: another code", name)
		}
	}
}

func TestAfterEveryOtherFailureTheCodeIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"invalid_grant":           answering(403, object{"error": "invalid_grant"}),
		"invalid_grant with 401":  answering(401, object{"error": "invalid_grant"}),
		"mfa_required":            answering(401, object{"error": "mfa_required"}),
		"unauthorized_client":     answering(403, object{"error": "unauthorized_client"}),
		"access_denied by rules":  answering(403, object{"error": "access_denied"}),
		"rate limit":              answering(429, object{"error": "invalid_client"}),
		"outage":                  answering(503, object{"error": "invalid_client"}),
		"redirect":                answering(302, object{"error": "invalid_client"}),
		"success with an error":   answering(200, object{"error": "invalid_client"}),
		"success without a token": answering(200, tokenAnswer(object{"id_token": nil})),
	} {
		a := newAuthority()
		pick(a, map[string]func(http.ResponseWriter){"old": answer, "new": answering(200, tokenAnswer(nil))})
		if err := exchangeAs(t, newTestTenant(t, a, newClock().Now), rotating()); err == nil {
			t.Errorf("CVE-LIB-17 %s: no error", name)
		}
		if got := a.secretsSent(); len(got) != 1 {
			t.Errorf("CVE-LIB-17 %s: sent %q", name, got)
		}
	}
}

func TestTwoSecretsThatAreBothRefusedCostTwoRequests(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	refusal := answering(401, object{"error": "access_denied"})
	pick(a, map[string]func(http.ResponseWriter){"old": refusal, "new": refusal})
	tn, app, told := newTestTenant(t, a, newClock().Now), rotating(), &warnings{}
	app.Warn = told.add
	for range 2 {
		err := exchangeAs(t, tn, app)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Code != "access_denied" {
			t.Errorf("error %v", err)
		}
	}
	if got := a.secretsSent(); !slices.Equal(got, []string{"old", "new", "old", "new"}) {
		t.Errorf("sent %q", got)
	}
	if got := told.take(); len(got) != 0 {
		t.Errorf("none was accepted, and the operator is told %q", got)
	}
}

func TestOneSecretIsSentOnce(t *testing.T) {
	t.Parallel()
	for _, next := range []Secret{"", "old"} {
		a := newAuthority()
		pick(a, map[string]func(http.ResponseWriter){"old": answering(401, object{"error": "invalid_client"})})
		app := rotating()
		app.NextClientSecret = next
		_ = exchangeAs(t, newTestTenant(t, a, newClock().Now), app)
		if got := a.secretsSent(); !slices.Equal(got, []string{"old"}) {
			t.Errorf("sent %q", got)
		}
	}
}

func TestWhichSecretWorksOutlivesAReload(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	pick(a, map[string]func(http.ResponseWriter){
		"old": answering(401, object{"error": "invalid_client"}), "new": answering(200, tokenAnswer(nil)), "newer": answering(200, tokenAnswer(nil)),
	})
	tn := newTestTenant(t, a, newClock().Now)
	for _, app := range []Application{
		rotating(), rotating(),
		{ClientID: testClient, ClientSecret: "new", NextClientSecret: "newer"}, // the operator moved it
		{ClientID: "another", ClientSecret: "old", NextClientSecret: "new"},
	} {
		if err := exchangeAs(t, tn, app); err != nil {
			t.Error(err)
		}
	}
	if got := a.secretsSent(); !slices.Equal(got, []string{"old", "new", "new", "new", "old", "new"}) {
		t.Errorf("sent %q", got)
	}
}

func TestManyLoginsDuringARotation(t *testing.T) {
	t.Parallel()
	a := newAuthority()
	a.handle(tokenPath, func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("client_secret") == "new" {
			answering(200, tokenAnswer(nil))(w)
			return
		}
		answering(401, object{"error": "invalid_client"})(w)
	})
	replay := roundTrip(func(r *http.Request) (*http.Response, error) { // the authority reads the body
		if r.Body == nil {
			return a.RoundTrip(r)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body, r.PostForm = io.NopCloser(strings.NewReader(string(body))), must(url.ParseQuery(string(body)))
		return a.RoundTrip(r)
	})
	tn, app, told := newTestTenant(t, replay, newClock().Now), rotating(), &warnings{}
	app.Warn = told.add
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := tn.Exchange(t.Context(), app, "c", testVerifier, redirectURI); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := told.take(); len(got) != 1 {
		t.Errorf("warned %q", got)
	}
	before := a.hits(tokenPath)
	if err := exchangeAs(t, tn, rotating()); err != nil || a.hits(tokenPath) != before+1 {
		t.Errorf("%v, %d requests", err, a.hits(tokenPath)-before)
	}
}
