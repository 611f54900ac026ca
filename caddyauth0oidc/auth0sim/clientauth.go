package auth0sim

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLimit and assertionAge are Auth0's (docs, "Authenticate with Private Key JWT").
	assertionLimit = 2048
	assertionAge   = 5 * time.Minute
)

// authenticate accepts exactly the method that the application is registered with.
func (t *Tenant) authenticate(r *http.Request, form url.Values) (Application, *tokenError) {
	denied := &tokenError{http.StatusUnauthorized, "access_denied", "Unauthorized"}
	basicID, basicSecret, basic := r.BasicAuth()
	id, method, secret := form.Get("client_id"), "none", form.Get("client_secret")
	switch {
	case basic && (secret != "" || form.Has("client_assertion")):
		return Application{}, denied
	case basic:
		// RFC 6749 section 2.3.1: both halves are form-encoded first.
		id, _ = url.QueryUnescape(basicID)
		secret, _ = url.QueryUnescape(basicSecret)
		method = "client_secret_basic"
		if other := form.Get("client_id"); other != "" && other != id {
			return Application{}, denied
		}
	case form.Has("client_assertion"):
		id, method = assertionSubject(form, id), "private_key_jwt"
	case secret != "":
		method = "client_secret_post"
	}
	if id == "" {
		return Application{}, missing("client_id")
	}
	app, ok := t.application(id)
	if !ok {
		return Application{}, &tokenError{http.StatusUnauthorized, "invalid_client", "Unknown client"}
	}
	if method == "none" && app.TokenEndpointAuthMethod == tlsClientAuth {
		return t.authenticateByTLS(r, app)
	}
	if method != app.TokenEndpointAuthMethod {
		return Application{}, denied
	}
	switch method {
	case "none":
		return app, nil
	case "private_key_jwt":
		if !t.verifyAssertion(app, form) {
			return Application{}, &tokenError{http.StatusUnauthorized, "invalid_client", "Invalid client assertion"}
		}
		return app, nil
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(app.ClientSecret)) != 1 {
		return Application{}, denied
	}
	return app, nil
}

var assertionAlgs = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.PS256, jose.PS384, jose.ES256, jose.ES384}

func assertionSubject(form url.Values, clientID string) string {
	parsed, err := jwt.ParseSigned(form.Get("client_assertion"), assertionAlgs)
	if err != nil {
		return clientID
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil || clientID != "" && clientID != claims.Subject {
		return ""
	}
	return claims.Subject
}

// verifyAssertion: the audience is the issuer with its slash, not the token endpoint; a jti works once.
func (t *Tenant) verifyAssertion(app Application, form url.Values) bool {
	raw := form.Get("client_assertion")
	if form.Get("client_assertion_type") != assertionType || len(raw) > assertionLimit {
		return false
	}
	parsed, err := jwt.ParseSigned(raw, assertionAlgs)
	if err != nil {
		return false
	}
	for _, key := range app.AssertionKeys {
		var claims jwt.Claims
		if parsed.Claims(key, &claims) != nil {
			continue
		}
		return t.acceptsAssertion(app, claims)
	}
	return false
}

func (t *Tenant) acceptsAssertion(app Application, claims jwt.Claims) bool {
	expected := jwt.Expected{
		Issuer: app.ClientID, Subject: app.ClientID, AnyAudience: jwt.Audience{t.Issuer()}, Time: t.now(),
	}
	if claims.ValidateWithLeeway(expected, 10*time.Second) != nil || claims.Expiry == nil || claims.ID == "" ||
		claims.Expiry.Time().Sub(t.now()) > assertionAge {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := t.assertions[claims.ID]
	t.assertions[claims.ID] = true
	return !seen
}
