package doctor

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestExplainKnowsErrorsInEveryFormInWhichTheyCome(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, name string
		kind       Kind
	}{
		{"feacft", "feacft", LogEvent},
		{"fp", "fp", LogEvent},
		{"F", "f", LogEvent},
		{"event feccft in the log", "feccft", LogEvent},
		{`{"type":"fertft","description":"gone"}`, "fertft", LogEvent},
		{"connection_mismatch", "connection_mismatch", OfModule},
		{`{"type":"about:blank","title":"Forbidden","status":403,"code":"login_denied"}`, "login_denied", OfModule},
		{`request refused {"code": "par_mismatch", "status": 502}`, "par_mismatch", OfModule},
		{"invalid_grant", "invalid_grant", OfAuth0},
		{"oauth2: \"invalid_grant\" \"something new\"", "invalid_grant", OfAuth0},
		{`{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`, "unknown or invalid refresh token", Message},
		{`{"error":"access_denied","error_description":"Unauthorized"}`, "access_denied unauthorized", Message},
		{`{"statusCode":409,"error":"Conflict","message":"A connection with the same name already exists","errorCode":"connection_conflict"}`, "a connection with the same name already exists", Message},
		{`{"statusCode":404,"error":"Not Found","message":"...","errorCode":"inexistent_user"}`, "inexistent_user", OfAuth0},
		{"https://app.example.com/auth/callback?error=invalid_request&error_description=the%20connection%20was%20not%20found&state=s", "the connection was not found", Message},
		{"https://app.example.com/auth/callback?error=access_denied&error_description=Unauthorized+to+use+this&state=s", "access_denied", OfAuth0},
		{`{"log_id":"9","data":{"type":"feacft","description":"something new"}}`, "feacft", LogEvent},
		{"https://app.example.com/auth/callback?error=login_required&state=s", "login_required", OfAuth0},
		{"https://app.example.com/auth/callback#error=server_error", "server_error", OfAuth0},
		{"error=unauthorized&error_description=user+is+blocked", "user is blocked", Message},
		{"https://app.example.com/auth/callback?code=abc&state=s", "code", Answer},
		{"Callback URL mismatch.\nThe provided redirect_uri is not in the list of allowed callback URLs.", "the provided redirect_uri is not in the list", Message},
		{"Service not found: https://api.example.com/", "service not found", Message},
		{`Client "abc" is not authorized to access resource server "https://acme.eu.auth0.com/api/v2/".`, "is not authorized to access resource server", Message},
		{"Wrong email or verification code.", "wrong email or verification code", Message},
		{`The "returnTo" querystring parameter "https://x/" is not defined as a valid URL in "Allowed Logout URLs".`, "is not defined as a valid url in allowed logout urls", Message},
		{"Grant type 'refresh_token' not allowed for the client.", "not allowed for the client", Message},
		{"verifying the tokens: not acceptable because of algorithm", "because of algorithm", Message},
		{"The refresh_token was generated for a user who doesn't exist anymore.", "the refresh_token was generated for a user who doesnt exist anymore", Message},
		{"Insufficient scope, expected any of: create:connections", "insufficient scope, expected any of", Message},
		{"Oops!, something went wrong: invalid algorithm", "invalid algorithm", Message},
		{"tenant_unavailable.", "tenant_unavailable", OfModule},
	} {
		found, ok := Explain(test.text)
		if !ok || found.Name != test.name || found.Kind != test.kind {
			t.Errorf("%q is %q, %q, %v", test.text, found.Name, found.Kind, ok)
		}
	}
}

func TestExplainSaysThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "something else", "s and w and f", "{}", `{"error":`, "https://app.example.com/?error=", "?", "errors_of_others", "\xff\xfe"} {
		if found, ok := Explain(text); ok {
			t.Errorf("%q is taken for %q", text, found.Name)
		}
	}
}

// A code that both have is explained for both, unless the text says whose it is.
func TestExplainTellsCodesOfTheModuleFromThoseOfAuth0(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"login_required", "invalid_request", "invalid_token", "insufficient_scope"} {
		both, _ := Explain(code)
		if !strings.Contains(both.Means, "From this module") || !strings.Contains(both.Means, "From Auth0") {
			t.Errorf("%s: %s", code, both.Means)
		}
		if ours, _ := Explain(`{"code":"` + code + `"}`); ours.Kind != OfModule {
			t.Errorf("%s as ours: %s", code, ours.Kind)
		}
		if theirs, _ := Explain("https://x.test/cb?error=" + code); theirs.Kind != OfAuth0 {
			t.Errorf("%s as Auth0's: %s", code, theirs.Kind)
		}
	}
}

// Every code that Auth0's answers are documented or known to have has its row.
func TestExplainHasTheCodesOfAuth0(t *testing.T) {
	t.Parallel()
	for _, code := range strings.Fields(`login_required consent_required interaction_required account_selection_required access_denied
		unauthorized invalid_request unauthorized_client unsupported_response_type invalid_scope server_error temporarily_unavailable
		invalid_grant invalid_client unsupported_grant_type mfa_required use_dpop_nonce too_many_requests invalid_request_uri
		invalid_request_object request_not_supported request_uri_not_supported registration_not_supported invalid_token
		insufficient_scope insufficient_user_authentication unmet_authentication_requirements invalid_authorization_details
		invalid_target authorization_pending slow_down expired_token unsupported_token_type invalid_connection invalid_body invalid_uri
		invalid_query_string inexistent_connection inexistent_user connection_conflict invalid_dpop_proof`) {
		if found, ok := Explain("https://x.test/cb?error=" + code); !ok || found.Kind != OfAuth0 {
			t.Errorf("%s is not explained: %q", code, found.Name)
		}
	}
	for _, description := range []string{
		"Login required", "Consent required", "Service not found: https://x", "user is blocked", "the connection was disabled",
		"no connections enabled for the client", "parameter organization is invalid: x", "Callback URL mismatch", "Invalid authorization code",
		"Failed to verify code verifier", "Multifactor authentication required", "Missing required parameter: code",
		"Global limit has been reached", "Rate limit exceeded.", "Client quota exceeded", "User has canceled the interaction.",
		"The connection does not exist", "The user does not exist.", "Payload validation error: 'x'", "You may have pressed the back button",
		"The name/client_id tuple has already been used for another connection", "the connection is not enabled",
	} {
		if found, ok := Explain(description); !ok || found.Kind != Message {
			t.Errorf("%q is not explained: %q", description, found.Name)
		}
	}
}

func TestExplanationsAreComplete(t *testing.T) {
	t.Parallel()
	for kind, table := range map[Kind][]explained{OfAuth0: auth0Codes, OfModule: ownCodes, LogEvent: logEvents, Message: knownMessages} {
		var seen []string
		for _, e := range table {
			if len(e.names) == 0 || e.means == "" || len(e.causes) == 0 || len(e.remedies) == 0 || !strings.HasPrefix(e.source, "https://") {
				t.Errorf("%s %q lacks something", kind, e.names)
			}
			if !strings.HasSuffix(e.means, ".") && !strings.HasSuffix(e.means, ").") {
				t.Errorf("%q: %q is no sentence", e.names, e.means)
			}
			for _, name := range e.names {
				if slices.Contains(seen, name) {
					t.Errorf("%s %q stands there twice", kind, name)
				}
				seen = append(seen, name)
				if kind == Message && plainWords(name) != name {
					t.Errorf("%q is never found, write %q", name, plainWords(name))
				}
			}
		}
	}
}

// What was asked for may have a code, a state or a name in it; none of it is said again.
func FuzzExplain(f *testing.F) {
	for _, seed := range []string{
		"https://app.example.com/auth/callback?error=access_denied&error_description=Service+not+found%3A+x&state=zebra&code=zebra",
		`{"error":"invalid_grant","error_description":"zebra"}`, "feacft", "callback url mismatch zebra", "?code=zebra", "\xff", "{", "a?b#error=%zz",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found, ok := Explain(text)
		if !ok {
			if found.Name != "" || found.Means != "" {
				t.Errorf("%q is unknown, and explained", text)
			}
			return
		}
		if found.Means == "" || found.Source == "" || !utf8.ValidString(found.Name) {
			t.Errorf("%q: %+v", text, found)
		}
		if found.Kind == Answer {
			return
		}
		for _, table := range [][]explained{auth0Codes, ownCodes, logEvents, knownMessages} {
			if slices.ContainsFunc(table, func(e explained) bool { return slices.Contains(e.names, found.Name) }) {
				return
			}
		}
		t.Errorf("%q: the name %q is not ours", text, found.Name)
	})
}
