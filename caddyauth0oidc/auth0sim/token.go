package auth0sim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// codeGrant is what an authorization code stands for; it exists until the first exchange.
type codeGrant struct {
	authorization
	redirectURI, nonce         string
	challenge, challengeMethod string
	expires                    time.Time
}

// tokenError is an answer of /oauth/token whose statuses are Auth0's, not those of RFC 6749.
type tokenError struct {
	status            int
	code, description string
}

func (t *Tenant) newCode(tx *transaction, s session) string {
	code := t.network.token(33)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.codes[code] = &codeGrant{
		authorization: authorization{
			clientID: tx.clientID, userID: s.userID, sid: s.sid, scopes: tx.scopes, audience: tx.audience,
			authTime: s.authTime, showAuthTime: tx.maxAge != nil || strings.Contains(tx.prompt, "login"),
			multiFactor: tx.multiFactor, organization: tx.organization,
		},
		redirectURI: tx.redirectURI, nonce: tx.nonce, challenge: tx.challenge, challengeMethod: tx.challengeMethod,
		expires: t.now().Add(t.CodeLifetime),
	}
	return code
}

func (t *Tenant) serveToken(w http.ResponseWriter, r *http.Request) {
	form, err := bodyValues(r)
	if err != nil {
		t.tokenFailure(w, tokenError{http.StatusBadRequest, "invalid_request", "The request body could not be read."})
		return
	}
	app, problem := t.authenticate(r, form)
	var body map[string]any
	if problem == nil {
		body, problem = t.exchange(app, form)
	}
	if problem != nil {
		t.tokenFailure(w, *problem)
		return
	}
	if tamper := t.settings().TamperTokenResponse; tamper != nil {
		tamper(body)
	}
	noStore(w)
	writeJSON(w, http.StatusOK, body)
}

func (t *Tenant) exchange(app Application, form url.Values) (map[string]any, *tokenError) {
	grant := form.Get("grant_type")
	switch grant {
	case "":
		return nil, missing("grant_type")
	case "authorization_code", "refresh_token", "client_credentials":
	default:
		return nil, &tokenError{http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type: " + grant}
	}
	if !app.allows(grant) {
		return nil, &tokenError{
			http.StatusForbidden, "unauthorized_client", "Grant type '" + grant + "' not allowed for the client.",
		}
	}
	switch grant {
	case "authorization_code":
		return t.exchangeCode(app, form)
	case "refresh_token":
		return t.exchangeRefreshToken(app, form)
	default:
		return t.clientCredentials(app, form)
	}
}

func (t *Tenant) exchangeCode(app Application, form url.Values) (map[string]any, *tokenError) {
	code := form.Get("code")
	if code == "" {
		return nil, missing("code")
	}
	g := t.takeCode(code, app.ClientID)
	if g == nil || g.redirectURI != form.Get("redirect_uri") {
		return nil, &tokenError{http.StatusForbidden, "invalid_grant", "Invalid authorization code"}
	}
	if !verifies(g.challenge, g.challengeMethod, form.Get("code_verifier")) {
		return nil, &tokenError{http.StatusForbidden, "invalid_grant", "Failed to verify code verifier"}
	}
	user, ok := t.User(g.userID)
	if !ok {
		return nil, &tokenError{http.StatusForbidden, "invalid_grant", "Invalid authorization code"}
	}
	body := t.tokenResponse(app, g.authorization, user, "authorization_code")
	if g.has("openid") {
		body["id_token"] = t.idToken(app, g.authorization, user, g.nonce, false)
	}
	if t.grantsOffline(app, g.authorization) {
		body["refresh_token"] = t.newRefreshToken(app, g.authorization)
	}
	return body, nil
}

// takeCode hands a code out once. Somebody else's client does not use it up.
func (t *Tenant) takeCode(code, clientID string) *codeGrant {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.codes[code]
	if !ok || g.clientID != clientID {
		return nil
	}
	delete(t.codes, code)
	if t.now().After(g.expires) {
		return nil
	}
	return g
}

// verifies is RFC 7636 section 4.6; a verifier without a challenge is refused too.
func verifies(challenge, method, verifier string) bool {
	if method == "S256" {
		if len(verifier) < 43 || len(verifier) > 128 {
			return false
		}
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(challenge), []byte(verifier)) == 1
}

func (t *Tenant) tokenResponse(app Application, a authorization, user User, grantType string) map[string]any {
	token, lifetime := t.accessToken(a, grantType)
	scopes := slices.DeleteFunc(slices.Clone(a.scopes), func(s string) bool {
		return s == "offline_access" && !t.grantsOffline(app, a)
	})
	return map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime / time.Second),
		"scope": strings.Join(scopes, " "),
	}
}

func (t *Tenant) clientCredentials(app Application, form url.Values) (map[string]any, *tokenError) {
	audience := form.Get("audience")
	if audience == "" {
		return nil, missing("audience")
	}
	if _, ok := t.api(audience); !ok && audience != t.base()+"/api/v2/" {
		return nil, &tokenError{http.StatusForbidden, "access_denied", "Service not found: " + audience}
	}
	scopes, ok := app.Grants[audience]
	if !ok {
		return nil, &tokenError{
			http.StatusForbidden, "access_denied",
			`Client is not authorized to access "` + audience + `". You need to create a "client-grant" associated to this API.`,
		}
	}
	if wanted := strings.Fields(form.Get("scope")); len(wanted) > 0 {
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(wanted, s) })
	}
	a := authorization{clientID: app.ClientID, scopes: scopes, audience: audience}
	return t.tokenResponse(app, a, User{}, "client_credentials"), nil
}

func (t *Tenant) tokenFailure(w http.ResponseWriter, problem tokenError) {
	noStore(w)
	writeJSON(w, problem.status, map[string]any{"error": problem.code, "error_description": problem.description})
}

func missing(parameter string) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_request", "Missing required parameter: " + parameter}
}

func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}

// bodyValues reads a form or a JSON object; Auth0 takes both.
func bodyValues(r *http.Request) (url.Values, error) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType != "application/json" {
		err := r.ParseForm()
		return r.PostForm, err
	}
	var body map[string]any
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil {
		return nil, err
	}
	values := url.Values{}
	for name, value := range body {
		if text, ok := value.(string); ok {
			values.Set(name, text)
		}
	}
	return values, nil
}
