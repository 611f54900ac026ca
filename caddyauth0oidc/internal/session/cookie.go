package session

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// maxBaseName keeps the name of every cookie short enough that name and value
// together stay below what browsers store, 4096 bytes.
const maxBaseName = 64

const (
	sessionSuffix     = "_session"
	transactionSuffix = "_txn_"
)

// ErrCookie says that cookies cannot be set as configured.
var ErrCookie = errors.New("unusable cookie settings")

// Cookie names a cookie, or a family of them that begin with the name, and carries
// the attributes it is set and deleted with. HttpOnly and Path=/ are always set.
type Cookie struct {
	Name     string
	Domain   string
	Secure   bool
	SameSite http.SameSite
}

// Cookies are the two families of cookies of one configuration.
type Cookies struct {
	Session     Cookie // its name is the name of the first chunk
	Transaction Cookie // its name is the prefix of the cookies of pending logins
}

// NewCookies names the cookies after base, the configured name such as
// auth0_session, from which the prefix auth0_txn_ of pending logins follows. The
// names begin with __Host- when the cookies are Secure and have no domain. A
// sameSite of 0 stands for Lax. Settings that browsers would refuse are an ErrCookie.
func NewCookies(base string, secure bool, domain string, sameSite http.SameSite) (Cookies, error) {
	if err := checkBaseName(base); err != nil {
		return Cookies{}, err
	}
	if sameSite == 0 || sameSite == http.SameSiteDefaultMode {
		sameSite = http.SameSiteLaxMode
	}
	if sameSite == http.SameSiteNoneMode && !secure {
		return Cookies{}, fmt.Errorf("%w: SameSite=None needs https", ErrCookie)
	}
	c := Cookie{Name: base, Domain: domain, Secure: secure, SameSite: sameSite}
	if err := c.with("", "", 0).Valid(); err != nil {
		return Cookies{}, fmt.Errorf("%w: %w", ErrCookie, err)
	}
	prefix := ""
	if secure && domain == "" {
		prefix = "__Host-"
	}
	both := Cookies{Session: c, Transaction: c}
	both.Session.Name = prefix + base
	both.Transaction.Name = prefix + strings.TrimSuffix(base, sessionSuffix) + transactionSuffix
	return both, nil
}

// checkBaseName leaves out the dot, which sets chunks apart, and all punctuation
// that software behind us might read in its own way.
func checkBaseName(base string) error {
	if base == "" || len(base) > maxBaseName {
		return fmt.Errorf("%w: the name must have 1 to %d characters", ErrCookie, maxBaseName)
	}
	if strings.ContainsFunc(base, func(r rune) bool { return !isNameRune(r) }) {
		return fmt.Errorf("%w: write the name with letters, digits, _ and - only", ErrCookie)
	}
	if strings.HasSuffix(base, tokensSuffix) {
		return fmt.Errorf("%w: the name may not end with %s, which is for the tokens of another session", ErrCookie, tokensSuffix)
	}
	lower := strings.ToLower(base)
	if strings.HasPrefix(lower, "__host-") || strings.HasPrefix(lower, "__secure-") {
		return fmt.Errorf("%w: the name must be given without its __Host- or __Secure- prefix", ErrCookie)
	}
	return nil
}

// Names returns what tells these cookies from others.
func (c Cookies) Names() Names {
	return Names{Session: c.Session.Name, Transaction: c.Transaction.Name}
}

func (c Cookie) with(suffix, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ // #nosec G124 -- Secure and SameSite are settings, which are checked
		Name:     c.Name + suffix,
		Value:    value,
		Domain:   c.Domain,
		Path:     "/",
		MaxAge:   maxAge,
		Secure:   c.Secure,
		HttpOnly: true,
		SameSite: c.SameSite,
	}
}

// set adds a Set-Cookie line. An age below a second is rounded up to one, because
// net/http would turn zero into a cookie that lives as long as the browser.
func (c Cookie) set(h http.Header, suffix, value string, maxAge time.Duration) {
	seconds := max(int(maxAge/time.Second), 1)
	addSetCookie(h, c.with(suffix, value, seconds))
}

// expire adds a Set-Cookie line that deletes the cookie. Browsers ignore one for a
// __Host- cookie that lacks Secure or Path, so all attributes are repeated.
func (c Cookie) expire(h http.Header, suffix string) {
	cookie := c.with(suffix, "", -1) // #nosec G124 -- as with has them
	cookie.Expires = time.Unix(1, 0)
	addSetCookie(h, cookie)
}

// addSetCookie replaces what was decided about the same cookie earlier in this
// response: RFC 6265 section 4.1.1 allows one Set-Cookie for each name.
func addSetCookie(h http.Header, cookie *http.Cookie) {
	start := cookie.Name + "="
	kept := make([]string, 0, len(h["Set-Cookie"])+1)
	for _, line := range h["Set-Cookie"] {
		if !strings.HasPrefix(line, start) {
			kept = append(kept, line)
		}
	}
	h["Set-Cookie"] = append(kept, cookie.String())
}
