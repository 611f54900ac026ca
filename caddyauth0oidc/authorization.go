package caddyauth0oidc

import (
	"net/http"
	"strings"
)

// bearerScheme is the scheme of Authorization that is ours (RFC 6750 section 2.1).
const bearerScheme = "Bearer"

// presented gives the access token of a request. found tells that there is one, or
// is meant to be: the token is empty if it is not written as RFC 6750 says, or not
// the only one. A token in the query or in the body is none.
func (h *Handler) presented(v *visit) (token string, found bool) {
	if h.Bearer == nil || v.authorization == "" {
		return "", false
	}
	if token = bearerToken(v.authorization); token != "" {
		return token, true
	}
	return "", mentionsBearer(v.authorization)
}

// authorizationOf gives the header as one line (RFC 9110 section 5.3). With several, none
// is a well-formed token any more.
func authorizationOf(r *http.Request) string {
	return strings.Join(r.Header["Authorization"], ", ")
}

// bearerToken gives the token of a line that is one well-formed `Bearer <token68>`, or
// nothing. HTTP/2 leaves the space around a value, and a proxy takes it off.
func bearerToken(line string) string {
	scheme, rest, _ := strings.Cut(strings.Trim(line, " \t"), " ")
	token := strings.TrimLeft(rest, " ")
	if !strings.EqualFold(scheme, bearerScheme) || !isToken68(token) {
		return ""
	}
	return token
}

// mentionsBearer tells whether the word stands in a line, or at the end of another one.
// Applications find their token in many more lines than RFC 6750 has: behind another
// scheme, before any space of theirs. What they may take for a token must have been
// verified. Base64 as that of `Basic dTpw` has no words.
func mentionsBearer(line string) bool {
	words := line[:startOfToken68(line)]
	for i := 0; i+len(bearerScheme) <= len(words); i++ {
		behind := i + len(bearerScheme)
		if words[i]|0x20 != 'b' || !strings.EqualFold(words[i:behind], bearerScheme) {
			continue
		}
		if behind == len(line) || !isTokenByte(line[behind]) {
			return true
		}
	}
	return false
}

// startOfToken68 gives where that of a line like `Basic dTpw` begins; without one, the
// length.
func startOfToken68(line string) int {
	line = strings.TrimRight(line, " \t")
	start := strings.LastIndexByte(line, ' ') + 1
	scheme := strings.Trim(line[:start], " \t")
	if scheme == "" || !isToken68(line[start:]) || strings.ContainsFunc(scheme, func(r rune) bool { return r > '~' || !isTokenByte(byte(r)) }) { // #nosec G115 -- no more than a tilde
		return len(line)
	}
	return start
}

// isTokenByte tells whether a byte may be part of a token (RFC 9110 section 5.6.2).
func isTokenByte(c byte) bool {
	return isAlphanumeric(rune(c)) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isToken68 tells whether the text is a token68 (RFC 9110 section 11.2), which
// RFC 6750 calls b64token.
func isToken68(text string) bool {
	body := strings.TrimRight(text, "=")
	return body != "" && !strings.ContainsFunc(body, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune("-._~+/", r)
	})
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
