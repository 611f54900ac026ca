package auth0sim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// upstreamLogin is a login that the tenant has sent on to another tenant.
type upstreamLogin struct {
	tx         *transaction
	connection string
	verifier   string
}

// upstreamProvider is the other tenant as a connection describes it.
type upstreamProvider struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	Keys          string `json:"jwks_uri"`
	EndSession    string `json:"end_session_endpoint"`
}

// callbackURL is where every identity provider of the tenant sends its users.
func (t *Tenant) callbackURL() string { return t.base() + "/login/callback" }

// provider knows the endpoints of an Auth0 domain by heart, and those of an oidc connection by discovery.
func (t *Tenant) provider(c Connection) (upstreamProvider, error) {
	if c.Strategy == "auth0-oidc" {
		base := t.scheme + "://" + c.option("domain")
		return upstreamProvider{
			Issuer: base + "/", Authorization: base + "/authorize", Token: base + "/oauth/token",
			UserInfo: base + "/userinfo", Keys: base + "/.well-known/jwks.json",
		}, nil
	}
	var p upstreamProvider
	if err := t.fetchJSON(c.option("discovery_url"), "", &p); err != nil {
		return p, fmt.Errorf("reading the discovery document of connection %s: %w", c.Name, err)
	}
	return p, nil
}

// goUpstream is the second hop: the browser goes to the other tenant with a state of this tenant's own.
func (t *Tenant) goUpstream(w http.ResponseWriter, r *http.Request, tx *transaction, c Connection) *authorizeError {
	p, err := t.provider(c)
	if err != nil {
		return &authorizeError{"access_denied", "The identity provider could not be reached."}
	}
	login := &upstreamLogin{tx: tx, connection: c.Name}
	q := upstreamParams(c, tx.query)
	state := t.network.token(32)
	q.Set("client_id", c.option("client_id"))
	q.Set("response_type", "code")
	q.Set("redirect_uri", t.callbackURL())
	q.Set("scope", scopeOption(c))
	q.Set("state", state)
	// Strategy oidc uses PKCE with providers that offer it; auth0-oidc is older than PKCE.
	if c.Strategy == "oidc" {
		login.verifier = t.network.token(32)
		sum := sha256.Sum256([]byte(login.verifier))
		q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		q.Set("code_challenge_method", "S256")
	}
	t.mu.Lock()
	t.upstream[state] = login
	t.mu.Unlock()
	http.Redirect(w, r, p.Authorization+"?"+q.Encode(), http.StatusFound)
	return nil
}

func scopeOption(c Connection) string {
	if scope := c.option("scope"); scope != "" {
		return scope
	}
	return "openid"
}

// upstreamParams are the parameters that the connection passes on; without the option none reach the other tenant.
func upstreamParams(c Connection, request url.Values) url.Values {
	q := url.Values{}
	params, _ := c.Options["upstream_params"].(map[string]any)
	for name, raw := range params {
		param, _ := raw.(map[string]any)
		if value, ok := param["value"].(string); ok {
			q.Set(name, value)
		}
		if alias, ok := param["alias"].(string); ok && request.Get(alias) != "" {
			q.Set(name, request.Get(alias))
		}
	}
	return q
}

// serveLoginCallback receives the browser from the other tenant. A state works once.
func (t *Tenant) serveLoginCallback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	state := q.Get("state")
	if t.finishFederatedLogout(w, r, state) {
		return
	}
	t.mu.Lock()
	login, ok := t.upstream[state]
	delete(t.upstream, state)
	t.mu.Unlock()
	if !ok {
		t.lostTransaction(w)
		return
	}
	if q.Has("error") {
		description := q.Get("error_description")
		if description == "" {
			description = q.Get("error")
		}
		t.refuse(w, r, login.tx, authorizeError{"access_denied", description})
		return
	}
	userID, idToken, err := t.federate(login, q.Get("code"))
	if err != nil {
		t.record(LogEntry{Type: "f", ClientID: login.tx.clientID, Details: err.Error()})
		t.refuse(w, r, login.tx, authorizeError{"access_denied", "The login at the identity provider failed: " + err.Error()})
		return
	}
	t.resume(w, r, login.tx, t.network.token(32), userID, login.connection, idToken)
}

// federate is the back channel of a login: code, verified ID token, profile, and the user of this tenant made from it.
func (t *Tenant) federate(login *upstreamLogin, code string) (userID, idToken string, err error) {
	c, ok := t.connectionNamed(login.connection)
	if !ok {
		return "", "", fmt.Errorf("finding the connection %s", login.connection)
	}
	p, err := t.provider(c)
	if err != nil {
		return "", "", err
	}
	tokens, err := t.redeem(p, c, login, code)
	if err != nil {
		return "", "", err
	}
	profile, err := t.verifyUpstream(p, c, tokens.ID)
	if err != nil {
		return "", "", err
	}
	if c.Strategy == "auth0-oidc" {
		if profile, err = t.legacyProfile(p, tokens.Access, profile); err != nil {
			return "", "", err
		}
	}
	return t.upsert(c, profile, tokens), tokens.ID, nil
}

type upstreamTokens struct {
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
}

func (t *Tenant) redeem(p upstreamProvider, c Connection, login *upstreamLogin, code string) (upstreamTokens, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {t.callbackURL()},
		"client_id": {c.option("client_id")}, "client_secret": {c.option("client_secret")},
	}
	if login.verifier != "" {
		form.Set("code_verifier", login.verifier)
	}
	var tokens upstreamTokens
	req, err := http.NewRequest(http.MethodPost, p.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return tokens, fmt.Errorf("exchanging the code: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := t.call(req, &tokens); err != nil {
		return tokens, fmt.Errorf("exchanging the code: %w", err)
	}
	return tokens, nil
}

func (t *Tenant) verifyUpstream(p upstreamProvider, c Connection, raw string) (map[string]any, error) {
	algs := []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.HS256}
	parsed, err := jwt.ParseSigned(raw, algs)
	if err != nil {
		return nil, fmt.Errorf("reading the ID token: %w", err)
	}
	var key any = []byte(c.option("client_secret"))
	if parsed.Headers[0].Algorithm != string(jose.HS256) {
		var set jose.JSONWebKeySet
		if err := t.fetchJSON(p.Keys, "", &set); err != nil {
			return nil, fmt.Errorf("fetching the signing keys: %w", err)
		}
		key = set
	}
	var claims jwt.Claims
	profile := map[string]any{}
	if err := parsed.Claims(key, &claims, &profile); err != nil {
		return nil, fmt.Errorf("verifying the ID token: %w", err)
	}
	expected := jwt.Expected{Issuer: p.Issuer, AnyAudience: jwt.Audience{c.option("client_id")}, Time: t.now()}
	if err := claims.ValidateWithLeeway(expected, time.Minute); err != nil {
		return nil, fmt.Errorf("judging the ID token: %w", err)
	}
	return profile, nil
}

// legacyProfile is why the strategy was given up: only the legacy user profile of the other tenant has a user_id.
func (t *Tenant) legacyProfile(p upstreamProvider, token string, idToken map[string]any) (map[string]any, error) {
	var profile map[string]any
	if err := t.fetchJSON(p.UserInfo, token, &profile); err != nil {
		return nil, fmt.Errorf("fetching the profile: %w", err)
	}
	if id, _ := profile["user_id"].(string); id == "" || id != idToken["sub"] {
		return nil, fmt.Errorf("the identity provider returned no legacy user profile")
	}
	profile["sub"] = profile["user_id"]
	return profile, nil
}

// upsert keeps one user per connection and id of the other tenant; root attributes are taken over at each login.
func (t *Tenant) upsert(c Connection, profile map[string]any, tokens upstreamTokens) string {
	text := func(name string) string { s, _ := profile[name].(string); return s }
	u := User{
		ID: userID(c, text("sub")), Connection: c.Name, Email: text("email"), Name: text("name"),
		Nickname: text("nickname"), Picture: text("picture"), GivenName: text("given_name"),
		FamilyName: text("family_name"), PhoneNumber: text("phone_number"),
	}
	u.EmailVerified, _ = profile["email_verified"].(bool)
	if u.Name == "" && u.Email == "" {
		u.Name = text("sub")
	}
	u.fill(c, t.now())
	if c.Strategy == "auth0-oidc" {
		u.Identities[0].AccessToken = tokens.ID
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if primary, ok := t.signInLinked(u.Identities[0]); ok {
		return primary
	}
	if old, ok := t.users[u.ID]; ok {
		u.CreatedAt, u.Blocked, u.LoginsCount = old.CreatedAt, old.Blocked, old.LoginsCount
		u.AppMetadata, u.UserMetadata, u.Claims = old.AppMetadata, old.UserMetadata, old.Claims
		u.Identities = append(u.Identities, old.Identities[1:]...)
	}
	t.users[u.ID] = &u
	return u.ID
}

func (t *Tenant) fetchJSON(address, bearer string, into any) error {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return t.call(req, into)
}

func (t *Tenant) call(req *http.Request, into any) error {
	req.Header.Set("Accept", "application/json")
	resp, err := t.transport().RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the identity provider answered with status %d", resp.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into)
}

func (t *Tenant) transport() http.RoundTripper {
	if rt := t.settings().BackchannelTransport; rt != nil {
		return rt
	}
	return t.network
}
