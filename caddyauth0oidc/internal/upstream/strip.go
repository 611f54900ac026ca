package upstream

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// Strip removes from the request whatever the application could take for an
// identity of ours, in headers and in trailers, and the means to make a proxy
// behind us drop ours: a header named in Connection is removed on the way to
// the application (RFC 9110 section 7.6.1).
//
// The request must be the one that the next handler gets, and not the very one
// that net/http made for the connection: net/http hangs the trailers that
// arrive onto that one. Caddy hands every handler a copy.
func (p *Plan) Strip(r *http.Request) {
	for name, values := range r.Header {
		switch {
		case p.owns(name):
			delete(r.Header, name)
		case name == "Connection" || name == "Proxy-Connection":
			if anyToken(values, p.guards) {
				setOrDelete(r.Header, name, otherTokens(values, p.guards))
			}
		case name == "Trailer":
			if anyToken(values, p.ownsTrailer) {
				delete(r.Header, name)
				r.Trailer = nil
			}
		}
	}
	if r.Trailer != nil {
		p.stripTrailer(r)
	}
}

// authorization is where a bearer token is (RFC 6750 section 2.1).
const authorization = "Authorization"

// Withdraw removes what Apply has set: what Strip removes, and a bearer token.
func (p *Plan) Withdraw(r *http.Request) {
	p.Strip(r)
	if p.bearer {
		delete(r.Header, authorization)
	}
}

// WithdrawTokens removes the headers with tokens that Apply has set.
func (p *Plan) WithdrawTokens(h http.Header) {
	for _, key := range p.tokens {
		delete(h, key)
	}
}

// ShowsToken reports whether a line has a token of the user in it.
func (p *Plan) ShowsToken() bool {
	return slices.ContainsFunc(p.headers, func(one header) bool { return one.from == fromExpandedToken })
}

// stripTrailer drops all trailers if one of ours is announced. Deleting that
// one alone would not do, since net/http fills the same map again when the body
// ends. That moment also adds trailers that nobody announced, which is why
// the body is watched when other trailers are announced.
func (p *Plan) stripTrailer(r *http.Request) {
	for name := range r.Trailer {
		if p.ownsTrailer(name) {
			r.Trailer = nil
			return
		}
	}
	if r.Body != nil {
		r.Body = &trailedBody{ReadCloser: r.Body, plan: p, trailer: r.Trailer}
	}
}

// trailedBody removes our names from the trailers in the same Read that brings
// them, before whoever reads the body can look at them.
type trailedBody struct {
	io.ReadCloser
	plan    *Plan
	trailer http.Header
}

// Read reads the body and, at its end, cleans the trailers.
func (b *trailedBody) Read(to []byte) (int, error) {
	n, err := b.ReadCloser.Read(to)
	if err != nil {
		for name := range b.trailer {
			if b.plan.ownsTrailer(name) {
				delete(b.trailer, name)
			}
		}
	}
	return n, err
}

func anyToken(values []string, wanted func(string) bool) bool {
	for _, value := range values {
		for token := range strings.SplitSeq(value, ",") {
			if wanted(trimToken(token)) {
				return true
			}
		}
	}
	return false
}

func otherTokens(values []string, unwanted func(string) bool) []string {
	var lines []string
	for _, value := range values {
		var kept []string
		for token := range strings.SplitSeq(value, ",") {
			if name := trimToken(token); name != "" && !unwanted(name) {
				kept = append(kept, name)
			}
		}
		if len(kept) > 0 {
			lines = append(lines, strings.Join(kept, ", "))
		}
	}
	return lines
}

// trimToken trims at least what any reader of the list trims.
func trimToken(token string) string {
	for token != "" && token[0] <= ' ' {
		token = token[1:]
	}
	for token != "" && token[len(token)-1] <= ' ' {
		token = token[:len(token)-1]
	}
	return token
}

func setOrDelete(h http.Header, name string, values []string) {
	if len(values) == 0 {
		delete(h, name)
		return
	}
	h[name] = values
}
