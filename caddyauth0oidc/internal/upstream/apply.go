package upstream

import (
	"net/http"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// Facts is what the application gets to know besides the profile.
type Facts struct {
	Expires   time.Time // the latest end of the session; the zero time is not shown
	Assertion string    // of the user, signed; if the plan has a header for it

	// ChildToken is what the child tenant issued for the user; if the plan has a header
	// for it. It consists of the characters of a token68 (RFC 9110 section 11.2).
	ChildToken string
}

// Apply sets the headers of the profile, each once; a header without a value is
// absent, whoever set it before. Claims are text here: a placeholder in one
// is passed on as it stands.
//
// expand gives what the text of a line stands for. It is asked once for each such
// line, and may be nil if p.Expands is false.
//
// values is the array of this request: at least p.Len() long, and never shared
// between requests, because Caddy's header directives edit values in place.
//
// The map is never replaced by a larger one, although its growth is most of
// the cost: handlers before this one may have made shallow copies of the request,
// which Caddy's placeholders keep looking at.
func (p *Plan) Apply(h http.Header, values []string, prof *profile.Profile, facts Facts, expand func(string) string) {
	u := user{Profile: prof, facts: facts, show: p.text, expand: expand}
	if p.subject {
		u.subject = prof.Subject()
	}
	for i := range p.headers {
		one := &p.headers[i]
		value := Value(u.text(one))
		if value == "" {
			delete(h, one.key)
			continue
		}
		if p.encode != nil && !one.from.isPlain() {
			value = p.encode(value)
		}
		values[i] = value
		h[one.key] = values[i : i+1 : i+1]
	}
}
