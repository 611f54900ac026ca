package auth0sim

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// logoutTokenLifetime is Auth0's.
const logoutTokenLifetime = 2 * time.Minute

// LogoutToken makes the logout token that an application gets when a session of that user ends.
func (t *Tenant) LogoutToken(clientID, sub, sid string) string {
	id := t.network.bytes(16)
	alg := t.settings().SigningAlg
	if alg == "HS256" {
		alg = "RS256"
	}
	claims := map[string]any{
		"iss": t.Issuer(), "sub": sub, "aud": clientID, "sid": sid,
		"iat": t.now().Unix(), "exp": t.now().Add(logoutTokenLifetime).Unix(),
		"jti":      fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]),
		"events":   map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		"trace_id": t.network.token(12),
	}
	header := map[string]any{"alg": alg, "typ": "JWT", "kid": t.ring(alg).current.kid}
	if tamper := t.settings().TamperLogoutToken; tamper != nil {
		tamper(header, claims)
	}
	app, _ := t.application(clientID)
	return t.sign(header, claims, []byte(app.ClientSecret))
}

// sendLogoutTokens tells the applications that the user signed in to during the session, once each and without retries.
// Auth0 does it from a queue; here it is done when the logout's own answer is.
func (t *Tenant) sendLogoutTokens(s session) {
	for _, clientID := range s.clientIDs {
		app, ok := t.application(clientID)
		if !ok || app.BackchannelLogoutURL == "" {
			continue
		}
		token := t.LogoutToken(app.ClientID, s.userID, s.sid)
		for range 1 + t.settings().RepeatLogoutTokens {
			t.sendLogoutToken(app, s, token)
		}
	}
}

func (t *Tenant) sendLogoutToken(app Application, s session, token string) {
	ctx, cancel := context.WithTimeout(context.Background(), t.settings().BackchannelTimeout)
	defer cancel()
	entry := LogEntry{Type: "fslo", ClientID: app.ClientID, UserID: s.userID}
	defer func() { t.record(entry) }()
	body := url.Values{"logout_token": {token}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.BackchannelLogoutURL, strings.NewReader(body))
	if err != nil {
		entry.Details = err.Error()
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := t.transport().RoundTrip(req)
	if err != nil {
		entry.Details = err.Error()
		return
	}
	_ = resp.Body.Close()
	entry.Details = strconv.Itoa(resp.StatusCode)
	if resp.StatusCode/100 == 2 {
		entry.Type = "sslo"
	}
}

// verifiesOwn checks the signature of a token against the tenant's keys, or against the secret of its application.
func (t *Tenant) verifiesOwn(raw string, claims map[string]any) bool {
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.HS256})
	if err != nil {
		return false
	}
	alg := parsed.Headers[0].Algorithm
	var ignored map[string]any
	if alg == string(jose.HS256) {
		aud, _ := claims["aud"].(string)
		app, ok := t.application(aud)
		return ok && parsed.Claims([]byte(app.ClientSecret), &ignored) == nil
	}
	ring := t.ring(alg)
	for _, k := range append([]tenantKey{ring.current, ring.next}, ring.previous...) {
		if parsed.Claims(k.key.Public(), &ignored) == nil {
			return true
		}
	}
	return false
}
