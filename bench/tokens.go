package bench

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// CookiesWithTokens is Cookies for a directive that keeps tokens: each header has a
// second cookie, which a request that needs no token does not open.
func (m *Mint) CookiesWithTokens(n int) ([]string, error) {
	return m.each(n, func(s *session.Session, i int) (string, error) {
		cookie, err := m.Cookie(s)
		if err != nil {
			return "", err
		}
		tokens, err := m.tokenCookie(s, i)
		return cookie + "; " + tokens, err
	})
}

func (m *Mint) tokenCookie(s *session.Session, i int) (string, error) {
	id, err := token("id", i)
	if err != nil {
		return "", err
	}
	access, err := token("access", i)
	if err != nil {
		return "", err
	}
	refresh := digest("refresh", i)
	t := session.Tokens{
		Session: s.ID, ID: id, Access: access, Expiry: m.now.Add(24 * time.Hour),
		Refresh: "v1." + base64.RawURLEncoding.EncodeToString(refresh[:]) + "-offline-access",
	}
	h := make(http.Header)
	if err := m.keys.WriteTokens(h, m.cookie, &t, lifetime, nil, http.DefaultMaxHeaderBytes); err != nil {
		return "", fmt.Errorf("writing the tokens: %w", err)
	}
	return cookieHeader(h), nil
}

// token makes up a JWT of about 1300 bytes, with the claims of person i and a
// signature of the length that RS256 has.
func token(what string, i int) (string, error) {
	user := User(i)
	claims, err := user.MarshalJSON()
	if err != nil {
		return "", err
	}
	var signature []byte
	for part := range 8 {
		next := digest(fmt.Sprint(what, part), i)
		signature = append(signature, next[:]...)
	}
	encode := base64.RawURLEncoding.EncodeToString
	header := `{"alg":"RS256","typ":"JWT","kid":"NkFBQzM4RTVDQkQ0QjY3MDlFMjA0"}`
	return encode([]byte(header)) + "." + encode(claims) + "." + encode(signature), nil
}
