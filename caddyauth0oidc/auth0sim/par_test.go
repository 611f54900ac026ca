package auth0sim

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// push sends a form to /oauth/par and gives status, body and the reference.
func (w *world) push(form url.Values) (int, map[string]any, string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, w.Master.base()+"/oauth/par", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body := w.send(req)
	reference, _ := body["request_uri"].(string)
	return status, body, reference
}

// pushForm is the request of a login with its application's secret.
func (w *world) pushForm() url.Values {
	u, err := url.Parse(w.AuthorizeURL(nil))
	if err != nil {
		w.t.Fatal(err)
	}
	form := u.Query()
	form.Set("client_secret", w.App.ClientSecret)
	return form
}

func (w *world) pushedURL(clientID, reference string) string {
	return w.Master.base() + "/authorize?" + url.Values{"client_id": {clientID}, "request_uri": {reference}}.Encode()
}

func newPushWorld(t *testing.T) *world {
	w := newWorld(t)
	w.Master.AdvertisePAR = true
	return w
}

func TestPushedRequestsLeadThroughTheLoginOnce(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	w.App.RequirePushedAuthorizationRequests = true
	status, body, reference := w.push(w.pushForm())
	if status != http.StatusCreated || !strings.HasPrefix(reference, requestURIPrefix) || body["expires_in"] != 90.0 {
		t.Fatalf("%d %v", status, body)
	}
	page, err := w.browser.Login(w.open(w.pushedURL(w.App.ClientID, reference)+"&state=forged"), w.User.Email, PairPassword)
	if err != nil {
		t.Fatal(err)
	}
	if q := page.URL.Query(); q.Get("code") == "" || q.Get("state") != "opaque" {
		t.Errorf("the browser ended at %s", page.URL)
	}
	if again := w.open(w.pushedURL(w.App.ClientID, reference)); again.Status != http.StatusBadRequest {
		t.Errorf("the same reference again: %d %s", again.Status, again.URL)
	}
	if plain := w.open(w.AuthorizeURL(nil)).URL.Query(); plain.Get("error") != "invalid_request" {
		t.Errorf("a request that was not pushed: %v", plain)
	}
}

func TestReferencesAreOfOneClientAndShortLived(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	other := w.Master.AddApplication(Application{Callbacks: w.App.Callbacks})
	_, _, reference := w.push(w.pushForm())
	if page := w.open(w.pushedURL(other.ClientID, reference)); page.Status != http.StatusBadRequest {
		t.Errorf("another client: %d", page.Status)
	}
	w.clock.advance(91 * time.Second)
	if page := w.open(w.pushedURL(w.App.ClientID, reference)); page.Status != http.StatusBadRequest {
		t.Errorf("late: %d", page.Status)
	}
	if page := w.open(w.pushedURL(w.App.ClientID, "https://evil.test/request")); page.Status != http.StatusBadRequest {
		t.Errorf("a reference to elsewhere: %d", page.Status)
	}
}

func TestPushIsStrict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *world, form url.Values)
		status int
		code   string
	}{
		"wrong secret":        {set("client_secret", "x"), 401, "access_denied"},
		"no secret":           {set("client_secret", ""), 401, "access_denied"},
		"no client":           {set("client_id", ""), 400, "invalid_request"},
		"a reference":         {set("request_uri", "urn:x"), 400, "invalid_request"},
		"other redirect_uri":  {set("redirect_uri", "https://evil.test/"), 400, "invalid_request"},
		"other response type": {set("response_type", "token"), 400, "unsupported_response_type"},
		"unknown connection":  {set("connection", "x"), 400, "invalid_request"},
		"too large":           {set("login_hint", strings.Repeat("x", pushLimit)), 413, "invalid_request"},
		"not switched on":     {func(w *world, _ url.Values) { w.Master.AdvertisePAR = false }, 404, "not_found"},
		"public client": {func(w *world, form url.Values) {
			w.App.TokenEndpointAuthMethod = "none"
			form.Del("client_secret")
		}, 401, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPushWorld(t)
			form := w.pushForm()
			c.change(w, form)
			if status, body, reference := w.push(form); status != c.status || body["error"] != c.code || reference != "" {
				t.Errorf("%d %v", status, body)
			}
		})
	}
}

func TestTenantThatRequiresPushedRequestsSaysSo(t *testing.T) {
	t.Parallel()
	w := newPushWorld(t)
	w.Master.RequirePAR = true
	req, err := http.NewRequest(http.MethodGet, w.Master.base()+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, doc := w.send(req)
	if doc["pushed_authorization_request_endpoint"] != w.Master.base()+"/oauth/par" || doc["require_pushed_authorization_requests"] != true {
		t.Errorf("discovery %v", doc)
	}
	if q := w.open(w.AuthorizeURL(nil)).URL.Query(); q.Get("error") != "invalid_request" {
		t.Errorf("a request that was not pushed: %v", q)
	}
}
