package auth0sim

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAuthorizeErrorsThatReachTheCallback(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare     func(w *world)
		extra       map[string]string
		code, text  string
		afterSignIn bool
	}{
		"no response type":          {extra: map[string]string{"response_type": ""}, code: "invalid_request", text: "Missing required parameter: response_type"},
		"implicit flow":             {extra: map[string]string{"response_type": "token"}, code: "unsupported_response_type", text: "Unsupported response type: token"},
		"fragment":                  {extra: map[string]string{"response_mode": "fragment"}, code: "invalid_request", text: "Unsupported response mode: fragment"},
		"unknown challenge method":  {extra: map[string]string{"code_challenge": "x", "code_challenge_method": "S512"}, code: "invalid_request", text: "Unsupported code_challenge_method: S512"},
		"method without challenge":  {extra: map[string]string{"code_challenge_method": "S256"}, code: "invalid_request", text: "Parameter 'code_challenge' is required"},
		"prompt none and login":     {extra: map[string]string{"prompt": "none login"}, code: "invalid_request", text: "Parameter 'prompt' cannot combine none with other values"},
		"unknown audience":          {extra: map[string]string{"audience": "https://api.test/"}, code: "access_denied", text: "Service not found: https://api.test/"},
		"unknown connection":        {extra: map[string]string{"connection": "nobody"}, code: "invalid_request", text: "the connection was not found"},
		"connection of others":      {extra: map[string]string{"connection": DatabaseConnection}, code: "invalid_request", text: "the connection was not found"},
		"prompt none without login": {extra: map[string]string{"prompt": "none"}, code: "login_required", text: "Login required"},
		"no connection at all": {
			prepare: func(w *world) { w.Master.Disable("acme-child", w.App.ClientID) },
			extra:   map[string]string{"connection": ""}, code: "invalid_request", text: "no connections enabled for the client",
		},
		"grant not enabled": {
			prepare: func(w *world) { w.App.GrantTypes = []string{"client_credentials"} },
			code:    "unauthorized_client", text: "Grant type 'authorization_code' not allowed for the client.",
		},
		"public client without PKCE": {
			prepare: func(w *world) { w.App.TokenEndpointAuthMethod = "none" },
			code:    "invalid_request", text: "Parameter 'code_challenge' is required",
		},
		"blocked user": {
			prepare: func(w *world) {
				w.Master.AddUser(User{ID: w.MasterUserID(w.User), Connection: "acme-child", Blocked: true})
			},
			code: "unauthorized", text: "user is blocked", afterSignIn: true,
		},
		"Action that denies": {
			prepare: func(w *world) { w.Master.DenyLogin = "<b>no</b>" },
			code:    "access_denied", text: "<b>no</b>", afterSignIn: true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if c.prepare != nil {
				c.prepare(w)
			}
			var page *Page
			if c.afterSignIn {
				page = w.login(c.extra)
			} else {
				page = w.open(w.AuthorizeURL(c.extra))
			}
			q := page.URL.Query()
			if page.URL.Host != "app.example.test" || q.Get("error") != c.code || q.Get("error_description") != c.text {
				t.Errorf("ended at %s with %q %q", page.URL.Host, q.Get("error"), q.Get("error_description"))
			}
			if q.Get("state") != "opaque" || q.Has("code") || q.Has("iss") {
				t.Errorf("the callback received %v", q)
			}
		})
	}
}

func TestAuthorizeErrorsThatStayOnTheTenantsPage(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		extra  map[string]string
		status int
		text   string
	}{
		"no client":              {map[string]string{"client_id": ""}, 400, "Missing required parameter: client_id"},
		"unknown client":         {map[string]string{"client_id": "x"}, 400, "Unknown client: x"},
		"no callback":            {map[string]string{"redirect_uri": ""}, 400, "Missing required parameter: redirect_uri"},
		"other path":             {map[string]string{"redirect_uri": appBase + "/auth/callback/"}, 403, "is not in the list of allowed callback URLs"},
		"other case":             {map[string]string{"redirect_uri": appBase + "/Auth/callback"}, 403, "is not in the list"},
		"other scheme":           {map[string]string{"redirect_uri": "http://app.example.test/auth/callback"}, 403, "is not in the list"},
		"added query":            {map[string]string{"redirect_uri": appBase + "/auth/callback?x=1"}, 403, "is not in the list"},
		"markup in the callback": {map[string]string{"redirect_uri": "https://x.test/<script>"}, 403, "&lt;script&gt;"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			page := w.open(w.AuthorizeURL(c.extra))
			if page.URL.Host != "master.auth0.test" || page.Status != c.status || !strings.Contains(page.Body, c.text) {
				t.Errorf("%d at %s: %s", page.Status, page.URL.Host, page.Body)
			}
		})
	}
}

func TestWildcardsMatchTheLeftmostLabelOnly(t *testing.T) {
	t.Parallel()
	cases := []struct {
		entry, given string
		want         bool
	}{
		{"https://*.example.test/cb", "https://a.example.test/cb", true},
		{"https://*.example.test/cb", "https://a.b.example.test/cb", false},
		{"https://*.example.test/cb", "https://.example.test/cb", false},
		{"https://*.example.test/cb", "https://evil.test/.example.test/cb", false},
		{"https://*.example.test/cb", "https://evil.test?.example.test/cb", false},
		{"https://*.example.test/cb", "https://user@a.example.test/cb", false},
		{"https://*.example.test/cb", "http://a.example.test/cb", false},
		{"https://a.example.test/*", "https://a.example.test/cb", false},
		{"*", "https://a.example.test/cb", false},
	}
	for _, c := range cases {
		if got := matchesURL(c.entry, c.given); got != c.want {
			t.Errorf("matchesURL(%q, %q) = %t", c.entry, c.given, got)
		}
	}
}

func TestSessionAnswersOnlyWhatItSatisfies(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		after   time.Duration
		prepare func(w *world)
		extra   map[string]string
		silent  bool
	}{
		"at once":                   {silent: true, extra: map[string]string{"prompt": "none"}},
		"max_age not reached":       {after: time.Minute, extra: map[string]string{"max_age": "61", "prompt": "none"}, silent: true},
		"max_age passed":            {after: time.Minute, extra: map[string]string{"max_age": "59", "prompt": "none"}},
		"max_age zero":              {extra: map[string]string{"max_age": "0", "prompt": "none"}},
		"idle session":              {after: 73 * time.Hour, extra: map[string]string{"prompt": "none"}},
		"session of another origin": {prepare: enableDatabase, extra: map[string]string{"connection": DatabaseConnection, "prompt": "none"}},
		"session of another origin, ignored": {prepare: func(w *world) {
			enableDatabase(w)
			w.Master.SSOIgnoresConnection = true
		}, extra: map[string]string{"connection": DatabaseConnection, "prompt": "none"}, silent: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if c.prepare != nil {
				c.prepare(w)
			}
			w.login(nil)
			w.clock.advance(c.after)
			q := w.open(w.AuthorizeURL(c.extra)).URL.Query()
			if q.Has("code") != c.silent || !c.silent && q.Get("error") != "login_required" {
				t.Errorf("the callback received %v", q)
			}
		})
	}
}

func enableDatabase(w *world) { w.Master.Enable(DatabaseConnection, w.App.ClientID) }

func TestAuthTimeAppearsWhenItWasAskedFor(t *testing.T) {
	t.Parallel()
	for extra, want := range map[string]bool{"": false, "max_age": true, "prompt": true} {
		w := newWorld(t)
		params := map[string]string{}
		if extra != "" {
			params[extra] = map[string]string{"max_age": "3600", "prompt": "login"}[extra]
		}
		if _, got := claimsOf(t, w.tokens(params)["id_token"])["auth_time"]; got != want {
			t.Errorf("with %q auth_time is there: %t", extra, got)
		}
	}
}

func TestLoginPageOfAFinishedLoginIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.open(w.AuthorizeURL(nil))
	if _, err := w.browser.Login(page, w.User.Email, PairPassword); err != nil {
		t.Fatal(err)
	}
	again, err := w.browser.Login(page, w.User.Email, PairPassword)
	if err != nil {
		t.Fatal(err)
	}
	if again.Status != http.StatusBadRequest || !strings.Contains(again.Body, "pressed the back button") {
		t.Errorf("%d: %s", again.Status, again.Body)
	}
}

func TestWrongPasswordShowsThePageAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page, err := w.browser.Login(w.open(w.AuthorizeURL(nil)), w.User.Email, "guess")
	if err != nil {
		t.Fatal(err)
	}
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "Wrong email or password.") {
		t.Fatalf("%d: %s", page.Status, page.Body)
	}
	if page, err = w.browser.Login(page, w.User.Email, PairPassword); err != nil || page.URL.Host != "app.example.test" {
		t.Errorf("the second attempt ended at %v: %v", page, err)
	}
}

func TestLoginCannotBeResumedInAnotherBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	callback := w.login(nil)
	resume := callback.Hops[1].URL
	other, err := NewBrowser(w.network).Get(resume.String())
	if err != nil {
		t.Fatal(err)
	}
	if other.Status != http.StatusBadRequest || other.URL.Host == "app.example.test" {
		t.Errorf("%d at %s", other.Status, other.URL)
	}
}

func TestIssParameterComesWithTheSetting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Master.IssParameter = true
	if got := w.login(nil).URL.Query().Get("iss"); got != "https://master.auth0.test/" {
		t.Errorf("iss = %q", got)
	}
}

func TestUpstreamParamsReachTheChild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Connection.Options["upstream_params"] = map[string]any{
		"login_hint": map[string]any{"alias": "login_hint"}, "screen_hint": map[string]any{"value": "signup"},
	}
	page := w.open(w.AuthorizeURL(map[string]string{"login_hint": "ann@mail.com"}))
	if !strings.Contains(page.Body, `value="ann@mail.com"`) {
		t.Errorf("the child's page does not show the hint: %s", page.Body)
	}
	if got := page.Hops[1].URL.Query().Get("screen_hint"); got != "signup" {
		t.Errorf("screen_hint = %q", got)
	}
}
