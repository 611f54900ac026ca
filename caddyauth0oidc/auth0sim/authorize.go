package auth0sim

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// transaction is a login that the tenant has begun: a valid request to /authorize and what became of it.
type transaction struct {
	clientID, redirectURI, responseMode string
	state, nonce                        string
	scopes                              []string
	audience                            string
	challenge, challengeMethod          string
	connection, prompt, loginHint       string
	organization                        Organization
	invitation                          string
	maxAge                              *time.Duration
	multiFactor                         bool
	query                               url.Values // the request itself, for aliases of upstream_params

	sid string // set once somebody has signed in
}

// authorizeError is an OAuth error for the callback.
type authorizeError struct{ code, description string }

// multiFactorPolicy is the value of acr_values that asks for a second factor.
const multiFactorPolicy = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

func (t *Tenant) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.errorPage(w, http.StatusBadRequest, "invalid_request", "The request could not be read.")
		return
	}
	parameters, ok := t.pushedParameters(w, r.Form)
	if !ok {
		return
	}
	app, ok := t.applicationOf(w, parameters)
	if !ok {
		return
	}
	tx := t.newTransaction(parameters)
	conn, problem := t.checkRequest(tx, app)
	if problem == nil {
		problem = t.checkPushed(app, r.Form.Has("request_uri"))
	}
	if problem == nil {
		problem = t.proceed(w, r, tx, conn)
	}
	if problem != nil {
		t.refuse(w, r, tx, *problem)
	}
}

// applicationOf finds client and callback. As long as these two are not known to be good, errors stay on Auth0's own
// page (Auth0 docs, "Error pages").
func (t *Tenant) applicationOf(w http.ResponseWriter, q url.Values) (Application, bool) {
	s := t.settings()
	for _, name := range []string{"client_id", "redirect_uri"} {
		if q.Get(name) == "" {
			t.errorPage(w, s.UnknownClientStatus, "invalid_request", "Missing required parameter: "+name)
			return Application{}, false
		}
	}
	app, ok := t.application(q.Get("client_id"))
	if !ok {
		t.errorPage(w, s.UnknownClientStatus, "invalid_request", "Unknown client: "+q.Get("client_id"))
		return Application{}, false
	}
	if redirectURI := q.Get("redirect_uri"); !app.allowsCallback(redirectURI) {
		t.errorPage(w, s.CallbackMismatchStatus, "Callback URL mismatch.",
			redirectURI+" is not in the list of allowed callback URLs")
		return Application{}, false
	}
	return app, true
}

func (t *Tenant) newTransaction(q url.Values) *transaction {
	tx := &transaction{
		clientID: q.Get("client_id"), redirectURI: q.Get("redirect_uri"), responseMode: q.Get("response_mode"),
		state: q.Get("state"), nonce: q.Get("nonce"), scopes: strings.Fields(q.Get("scope")), audience: q.Get("audience"),
		challenge: q.Get("code_challenge"), challengeMethod: q.Get("code_challenge_method"),
		connection: q.Get("connection"), prompt: q.Get("prompt"), loginHint: q.Get("login_hint"), query: q,
		multiFactor: t.settings().MFAOnACRValues && slices.Contains(strings.Fields(q.Get("acr_values")), multiFactorPolicy),
	}
	if seconds, err := strconv.Atoi(q.Get("max_age")); err == nil && seconds >= 0 {
		age := time.Duration(seconds) * time.Second
		tx.maxAge = &age
	}
	return tx
}

// checkRequest judges everything whose answer goes to the callback, and finds the connection if the request names one.
func (t *Tenant) checkRequest(tx *transaction, app Application) (*Connection, *authorizeError) {
	q := tx.query
	switch {
	case !slices.Contains([]string{"", "query", "form_post"}, tx.responseMode):
		mode := tx.responseMode
		tx.responseMode = ""
		return nil, &authorizeError{"invalid_request", "Unsupported response mode: " + mode}
	case q.Get("response_type") == "":
		return nil, &authorizeError{"invalid_request", "Missing required parameter: response_type"}
	case q.Get("response_type") != "code":
		return nil, &authorizeError{"unsupported_response_type", "Unsupported response type: " + q.Get("response_type")}
	case !app.allows("authorization_code"):
		return nil, &authorizeError{"unauthorized_client", "Grant type 'authorization_code' not allowed for the client."}
	case !slices.Contains([]string{"", "plain", "S256"}, tx.challengeMethod):
		return nil, &authorizeError{"invalid_request", "Unsupported code_challenge_method: " + tx.challengeMethod}
	case tx.challenge == "" && (tx.challengeMethod != "" || app.TokenEndpointAuthMethod == "none"):
		return nil, &authorizeError{"invalid_request", "Parameter 'code_challenge' is required"}
	case tx.prompt != "none" && slices.Contains(strings.Fields(tx.prompt), "none"):
		return nil, &authorizeError{"invalid_request", "Parameter 'prompt' cannot combine none with other values"}
	}
	if problem := t.checkAudience(tx); problem != nil {
		return nil, problem
	}
	if problem := t.checkOrganization(tx, app); problem != nil {
		return nil, problem
	}
	return t.checkConnection(tx)
}

func (t *Tenant) checkAudience(tx *transaction) *authorizeError {
	if tx.audience == "" || tx.audience == t.base()+"/userinfo" {
		return nil
	}
	api, ok := t.api(tx.audience)
	if !ok {
		return &authorizeError{"access_denied", "Service not found: " + tx.audience}
	}
	tx.scopes = slices.DeleteFunc(tx.scopes, func(scope string) bool {
		return !slices.Contains(userScopes, scope) && !slices.Contains(api.Scopes, scope)
	})
	return nil
}

// userScopes are the scopes that every request may name; others have to be scopes of the API.
var userScopes = []string{"openid", "profile", "email", "phone", "address", "offline_access"}

// checkConnection has one text for a connection that does not exist and one that is not enabled for the application.
func (t *Tenant) checkConnection(tx *transaction) (*Connection, *authorizeError) {
	enabled := t.enabledConnections(tx.clientID)
	if tx.connection == "" {
		if len(enabled) == 0 {
			return nil, &authorizeError{"invalid_request", "no connections enabled for the client"}
		}
		return nil, nil
	}
	i := slices.IndexFunc(enabled, func(c Connection) bool { return c.Name == tx.connection })
	if i < 0 {
		return nil, &authorizeError{"invalid_request", "the connection was not found"}
	}
	return &enabled[i], nil
}

// proceed answers from the single sign-on session, goes to the connection's own identity provider, or shows the login
// page.
func (t *Tenant) proceed(w http.ResponseWriter, r *http.Request, tx *transaction, conn *Connection) *authorizeError {
	if s, ok := t.currentSession(r); ok && t.satisfies(s, tx) {
		tx.sid = s.sid
		return t.complete(w, r, tx, s)
	}
	if tx.prompt == "none" {
		return &authorizeError{"login_required", "Login required"}
	}
	if conn != nil && conn.federated() {
		return t.goUpstream(w, r, tx, *conn)
	}
	state := t.network.token(32)
	t.mu.Lock()
	t.transactions[state] = tx
	t.mu.Unlock()
	http.Redirect(w, r, t.base()+"/u/login?state="+url.QueryEscape(state), http.StatusFound)
	return nil
}

func (t *Tenant) satisfies(s session, tx *transaction) bool {
	switch {
	case slices.Contains(strings.Fields(tx.prompt), "login"), slices.Contains(strings.Fields(tx.prompt), "select_account"):
		return false
	case tx.maxAge != nil && (*tx.maxAge == 0 || t.now().Sub(s.authTime) > *tx.maxAge):
		return false
	}
	return tx.connection == "" || tx.connection == s.connection || t.settings().SSOIgnoresConnection
}

// serveResume is the hop between the tenant's pages and the callback; it works once, in the browser that signed in.
func (t *Tenant) serveResume(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	s, live := t.currentSession(r)
	t.mu.Lock()
	tx, ok := t.transactions[state]
	if ok = ok && live && tx.sid != "" && tx.sid == s.sid; ok {
		delete(t.transactions, state)
	}
	t.mu.Unlock()
	if !ok {
		t.lostTransaction(w)
		return
	}
	if problem := t.complete(w, r, tx, s); problem != nil {
		t.refuse(w, r, tx, *problem)
	}
}

// complete ends a login with a code, unless the user is blocked or an Action denies.
func (t *Tenant) complete(w http.ResponseWriter, r *http.Request, tx *transaction, s session) *authorizeError {
	user, ok := t.User(s.userID)
	switch deny := t.settings().DenyLogin; {
	case !ok:
		return &authorizeError{"login_required", "Login required"}
	case user.Blocked:
		return &authorizeError{"unauthorized", "user is blocked"}
	case deny != "":
		return &authorizeError{"access_denied", deny}
	case !t.accept(tx):
		return &authorizeError{"invalid_request", "the invitation was not found or has been used"}
	}
	t.joinSession(s.sid, tx.clientID)
	t.deliver(w, r, tx, url.Values{"code": {t.newCode(tx, s)}})
	return nil
}

func (t *Tenant) refuse(w http.ResponseWriter, r *http.Request, tx *transaction, problem authorizeError) {
	t.deliver(w, r, tx, url.Values{"error": {problem.code}, "error_description": {problem.description}})
}

// deliver brings the answer to the callback, in the response mode of the request.
func (t *Tenant) deliver(w http.ResponseWriter, r *http.Request, tx *transaction, answer url.Values) {
	if tx.state != "" {
		answer.Set("state", tx.state)
	}
	s := t.settings()
	if s.IssParameter {
		answer.Set("iss", t.Issuer())
	}
	if s.TamperCallback != nil {
		s.TamperCallback(answer)
	}
	if tx.responseMode == "form_post" {
		t.formPostPage(w, tx.redirectURI, answer)
		return
	}
	separator := "?"
	if strings.Contains(tx.redirectURI, "?") {
		separator = "&"
	}
	http.Redirect(w, r, tx.redirectURI+separator+answer.Encode(), http.StatusFound)
}

func (t *Tenant) lostTransaction(w http.ResponseWriter) {
	t.errorPage(w, http.StatusBadRequest, "invalid_request",
		"You may have pressed the back button, refreshed during login, opened too many login dialogs, or there is some "+
			"issue with cookies, since we couldn't find your session. Try logging in again from the application.")
}
