package auth0sim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// authorization is what a user granted to an application: codes, tokens and refresh tokens are made from it.
type authorization struct {
	clientID, userID, sid string
	scopes                []string
	audience              string
	authTime              time.Time
	showAuthTime          bool
	multiFactor           bool
	organization          Organization
}

func (a authorization) has(scope string) bool { return slices.Contains(a.scopes, scope) }

// accessGrant is what an access token stands for.
type accessGrant struct {
	authorization
	expires time.Time
}

// SignJWT signs any header and claims with the tenant's current key; alg and kid are filled in when missing.
func (t *Tenant) SignJWT(header, claims map[string]any) string {
	header = maps.Clone(header)
	if header == nil {
		header = map[string]any{}
	}
	if _, ok := header["alg"]; !ok {
		header["alg"] = t.settings().SigningAlg
	}
	if _, ok := header["kid"]; !ok {
		header["kid"] = t.KeyID()
	}
	return t.sign(header, claims, nil)
}

// sign obeys the alg of the header, whatever a test has made of it.
func (t *Tenant) sign(header, claims map[string]any, secret []byte) string {
	s := t.settings()
	alg, _ := header["alg"].(string)
	key := t.ring(alg).current.key
	if s.SignWithForeignKey {
		key = newSigner(keyFamily(alg)).key
	}
	if s.HMACKey != nil {
		secret = s.HMACKey
	}
	input := segment(header) + "." + segment(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(alg, key, secret, input))
}

func segment(part map[string]any) string {
	raw, err := json.Marshal(part)
	if err != nil {
		panic("auth0sim: encoding a part of a token: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func signature(alg string, key crypto.Signer, secret []byte, input string) []byte {
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch alg {
	case "none":
		return nil
	case "HS256":
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	case "ES256":
		return fixedLength(key.(*ecdsa.PrivateKey), sum[:])
	case "PS256":
		sig, err = key.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	default:
		sig, err = key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	if err != nil {
		panic("auth0sim: signing a token: " + err.Error())
	}
	return sig
}

// fixedLength is the signature form of RFC 7518 section 3.4, not the ASN.1 one.
func fixedLength(key *ecdsa.PrivateKey, sum []byte) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, key, sum)
	if err != nil {
		panic("auth0sim: signing a token: " + err.Error())
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig
}

// idToken makes the ID token for a login; a refresh has no nonce and no amr.
func (t *Tenant) idToken(app Application, a authorization, user User, nonce string, refreshed bool) string {
	s := t.settings()
	claims := t.scopedClaims(app, a.scopes, user)
	maps.Copy(claims, map[string]any{
		"iss": t.Issuer(), "sub": user.ID, "aud": app.ClientID,
		"iat": t.now().Unix(), "exp": t.now().Add(s.IDTokenLifetime).Unix(),
	})
	if nonce != "" && !refreshed {
		claims["nonce"] = nonce
	}
	if a.sid != "" && !s.OmitSID {
		claims["sid"] = a.sid
	}
	if a.showAuthTime || s.AlwaysAuthTime {
		claims["auth_time"] = a.authTime.Unix()
	}
	if a.multiFactor && !refreshed {
		claims["amr"], claims["acr"] = []string{"mfa"}, multiFactorPolicy
	}
	maps.Copy(claims, t.organizationClaims(a))
	if s.SessionExpiry != 0 {
		claims["session_expiry"] = a.authTime.Add(s.SessionExpiry).Unix()
	}
	return t.signIDToken(app, s, claims)
}

func (t *Tenant) signIDToken(app Application, s Settings, claims map[string]any) string {
	alg := s.SigningAlg
	if app.SigningAlg != "" {
		alg = app.SigningAlg
	}
	header := map[string]any{"alg": alg, "typ": "JWT"}
	if alg != "HS256" {
		header["kid"] = t.ring(alg).current.kid
	}
	if s.TamperIDToken != nil {
		s.TamperIDToken(header, claims)
	}
	return t.sign(header, claims, []byte(app.ClientSecret))
}

// scopedClaims are the attributes of the profile that the scopes ask for, and what an Action adds. For applications of
// the legacy pipeline the name of any attribute works as a scope.
func (t *Tenant) scopedClaims(app Application, scopes []string, user User) map[string]any {
	names := []string{}
	for _, scope := range scopes {
		switch scope {
		case "profile":
			names = append(names, "name", "given_name", "family_name", "nickname", "picture", "updated_at")
		case "email":
			names = append(names, "email", "email_verified")
		case "phone":
			names = append(names, "phone_number")
		default:
			if app.Legacy {
				names = append(names, scope)
			}
		}
	}
	claims, profile := map[string]any{}, user.profile()
	for _, name := range names {
		if value, ok := profile[name]; ok {
			claims[name] = value
		}
	}
	for name, value := range user.Claims {
		if strings.Contains(name, "://") {
			claims[name] = value
		}
	}
	maps.Copy(claims, t.settings().CustomClaims)
	return claims
}

// accessToken is a JWT if the request named an audience, and otherwise opaque: it looks like a JWE whose key is nobody's
// business, and works at /userinfo only.
func (t *Tenant) accessToken(a authorization, grantType string) (token string, lifetime time.Duration) {
	lifetime = t.settings().AccessTokenLifetime
	if a.audience == "" || a.audience == t.base()+"/userinfo" {
		token = t.opaqueToken()
	} else {
		token = t.jwtAccessToken(a, grantType, lifetime)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.access[token] = &accessGrant{authorization: a, expires: t.now().Add(lifetime)}
	return token, lifetime
}

func (t *Tenant) opaqueToken() string {
	header := segment(map[string]any{"alg": "dir", "enc": "A256GCM", "iss": t.Issuer()})
	return header + ".." + t.network.token(12) + "." + t.network.token(96) + "." + t.network.token(16)
}

func (t *Tenant) jwtAccessToken(a authorization, grantType string, lifetime time.Duration) string {
	claims := map[string]any{
		"iss": t.Issuer(), "sub": a.userID, "aud": any(a.audience), "azp": a.clientID,
		"iat": t.now().Unix(), "exp": t.now().Add(lifetime).Unix(), "scope": strings.Join(a.scopes, " "),
	}
	if a.has("openid") {
		claims["aud"] = []string{a.audience, t.base() + "/userinfo"}
	}
	switch grantType {
	case "client_credentials":
		claims["sub"], claims["gty"] = a.clientID+"@clients", "client-credentials"
	case "refresh_token":
		claims["gty"] = "refresh_token"
	}
	maps.Copy(claims, t.organizationClaims(a))
	// Access tokens of an API are signed with the tenant's key whatever the application's setting for ID tokens is.
	s := t.settings()
	alg := s.SigningAlg
	if alg == "HS256" {
		alg = "RS256"
	}
	header := map[string]any{"alg": alg, "typ": "JWT", "kid": t.ring(alg).current.kid}
	t.speakDialect(a, header, claims)
	if s.TamperAccessToken != nil {
		s.TamperAccessToken(header, claims)
	}
	return t.sign(header, claims, nil)
}

// speakDialect changes a token of Auth0's own dialect into the one that the API has.
func (t *Tenant) speakDialect(a authorization, header, claims map[string]any) {
	api, _ := t.api(a.audience)
	dialect, authz := strings.CutSuffix(api.TokenDialect, "_authz")
	if authz {
		claims["permissions"] = append([]string{}, api.Permissions[a.userID]...)
		if a.userID == "" {
			claims["permissions"] = append([]string{}, a.scopes...)
		}
	}
	if dialect == "rfc9068_profile" {
		header["typ"], claims["client_id"], claims["jti"] = "at+jwt", a.clientID, t.network.token(16)
		delete(claims, "azp")
		delete(claims, "gty")
	}
}

// bearer finds what an access token stands for.
func (t *Tenant) bearer(authorizationHeader string) (accessGrant, bool) {
	scheme, token, _ := strings.Cut(authorizationHeader, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return accessGrant{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.access[token]
	if !ok || t.now().After(a.expires) {
		return accessGrant{}, false
	}
	return *a, true
}
