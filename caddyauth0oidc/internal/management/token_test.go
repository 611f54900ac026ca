package management

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// answering is a transport that always gives one answer.
type answering struct {
	status int
	body   string
}

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	recorder.WriteHeader(a.status)
	_, _ = recorder.WriteString(a.body)
	return recorder.Result(), nil
}

func TestARefusedTokenRequestShowsNoPartOfTheSecret(t *testing.T) {
	const secret = "hush+hush/secret~of the tenant"
	long := strings.Repeat("x", maxMessage-10)
	for what, quoted := range map[string]string{
		"plain": "wrong: " + secret, "as a form": "wrong: client_secret=" + url.QueryEscape(secret), "cut": long + secret,
		"with a control character": "wrong: hush+\\u0007hush/secret~of the tenant",
	} {
		body := `{"error":"access_denied","error_description":"` + quoted + `"}`
		client, err := New(Config{
			Base: "https://master.test/", ClientID: "machine", ClientSecret: secret, Transport: answering{http.StatusUnauthorized, body},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.User(t.Context(), "auth0|1")
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Message, "access_denied") {
			t.Fatalf("%s: %v", what, err)
		}
		if shown := Explain(err); strings.Contains(shown, "hush") || what != "cut" && !strings.Contains(shown, secretShown) {
			t.Errorf("%s: %s", what, shown)
		}
	}
}
