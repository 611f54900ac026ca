package caddyauth0oidc

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// maxLogoutForm is how many bytes a form with a logout token may have.
const maxLogoutForm = 64 << 10

// logoutToken reads the one logout token that a request brought, which has to be in its
// form; the query is the request's.
func (f *sentForm) logoutToken(w http.ResponseWriter, query string, now time.Time) (string, *logoutRefusal) {
	const wanted = "send one logout_token as application/x-www-form-urlencoded"
	if n, ok := countLogoutTokens(query); n > 0 || !ok {
		return "", badLogout("query", wanted)
	}
	if !isURLEncoded(f.header) {
		return "", badLogout("content_type", wanted)
	}
	body, refused := f.readLogout(w, now)
	if refused != nil {
		return "", refused
	}
	token, ok := logoutTokenIn(body)
	if !ok {
		return "", badLogout("form", wanted)
	}
	return token, nil
}

func (f *sentForm) readLogout(w http.ResponseWriter, now time.Time) (string, *logoutRefusal) {
	tooLarge := &logoutRefusal{reason: "body_too_large", status: http.StatusRequestEntityTooLarge, text: "the form is too large"}
	if f.length > maxLogoutForm {
		endReading(w, now)
		return "", tooLarge
	}
	body, err := readSoon(w, f.body, now, maxLogoutForm+1)
	switch {
	case err == nil && len(body) <= maxLogoutForm:
		return string(body), nil
	case err == nil:
		endReading(w, now)
		return "", tooLarge
	}
	endReading(w, now)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", &logoutRefusal{reason: "body_too_slow", status: http.StatusRequestTimeout, text: "the form did not come in time"}
	}
	return "", badLogout("body", "the form could not be read to its end")
}

// endReading keeps the server from waiting for the rest of a body that nobody wants.
func endReading(w http.ResponseWriter, now time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(now.Add(time.Second)) // where there is none, the server's own limits hold
}

// logoutTokenIn gives the form's logout token, if there is exactly one. Other fields are
// not understood, and so ignored (OpenID Connect Back-Channel Logout 1.0 section 2.5).
func logoutTokenIn(form string) (token string, ok bool) {
	n, ok := countLogoutTokens(form)
	if n != 1 || !ok {
		return "", false
	}
	for piece := range strings.SplitSeq(form, "&") {
		name, value, _ := strings.Cut(piece, "=")
		if name, _ := url.QueryUnescape(name); name == logoutTokenField {
			token, err := url.QueryUnescape(value)
			return token, err == nil && token != ""
		}
	}
	return "", false
}

const logoutTokenField = "logout_token"

// countLogoutTokens is not ok if a name cannot be read.
func countLogoutTokens(form string) (n int, ok bool) {
	for piece := range strings.SplitSeq(form, "&") {
		name, _, _ := strings.Cut(piece, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return n, false
		}
		if name == logoutTokenField {
			n++
		}
	}
	return n, true
}
