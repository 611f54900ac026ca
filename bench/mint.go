package bench

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

const (
	// CookieName names the session cookie by default on plain http.
	CookieName = "auth0_session"
	lifetime   = 72 * time.Hour
)

// ApplicationCookie is what a browser sends of the application's own cookies.
const ApplicationCookie = "theme=dark; _ga=GA1.2.1234567890.1700000000"

// Mint seals the cookies of signed-in users as the directive would do after a login.
type Mint struct {
	keys   *session.Keyring
	cookie session.Cookie
	now    time.Time
	random io.Reader
}

// NewMint gives a mint for the settings of Directive. Its users have signed in at
// the time now; a handler whose clock is hours ahead will renew their cookies.
func NewMint(now time.Time, random io.Reader) (*Mint, error) {
	keys, err := NewKeyring(Secret)
	if err != nil {
		return nil, err
	}
	cookies, err := session.NewCookies(CookieName, false, "", http.SameSiteLaxMode)
	if err != nil {
		return nil, fmt.Errorf("naming the cookies: %w", err)
	}
	return &Mint{keys: keys, cookie: cookies.Session, now: now, random: random}, nil
}

// NewKeyring derives keys from the secrets as Directive's handler does.
func NewKeyring(secrets ...string) (*session.Keyring, error) {
	issuer, err := tenant.IssuerOf(Domain)
	if err != nil {
		return nil, fmt.Errorf("naming the issuer: %w", err)
	}
	return session.NewKeyring(secrets, issuer, ClientID)
}

// Session signs person i in.
func (m *Mint) Session(i int) (*session.Session, error) {
	s, err := session.New(m.random, m.now, User(i))
	if err != nil {
		return nil, err
	}
	s.SID, s.AuthTime = SID(i), m.now.Add(-time.Minute)
	return s, nil
}

// Cookie gives the Cookie header of a browser that got the session.
func (m *Mint) Cookie(s *session.Session) (string, error) {
	h := make(http.Header)
	if err := m.keys.WriteSession(h, m.cookie, s, lifetime, nil, http.DefaultMaxHeaderBytes); err != nil {
		return "", err
	}
	return cookieHeader(h), nil
}

// Cookies signs the first n people in and gives the Cookie header of each.
func (m *Mint) Cookies(n int) ([]string, error) {
	return m.each(n, func(s *session.Session, _ int) (string, error) { return m.Cookie(s) })
}

// each signs the first n people in and gives what is made of their sessions.
func (m *Mint) each(n int, header func(s *session.Session, i int) (string, error)) ([]string, error) {
	all := make([]string, n)
	for i := range all {
		s, err := m.Session(i)
		if err != nil {
			return nil, err
		}
		if all[i], err = header(s, i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// cookieHeader is what a browser sends after the Set-Cookie lines in h.
func cookieHeader(h http.Header) string {
	var pairs []string
	for _, line := range h["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		pairs = append(pairs, pair)
	}
	return strings.Join(pairs, "; ")
}
