package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// MultiFactor asks for a second factor. It is the one authentication context that
// Auth0 knows; ID tokens say of it that amr contains mfa, and most that it is acr.
// See https://auth0.com/docs/secure/multi-factor-authentication/step-up-authentication.
const MultiFactor = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

// multiFactor is the method in amr, and our short word for MultiFactor.
const multiFactor = "mfa"

// longestContext bounds a value, which travels in URLs and header fields.
const longestContext = 200

var errContext = errors.New("write a word or a URI of at most 200 printable ASCII characters, without spaces, quotation marks and backslashes")

// ErrContext says that a sign-in was not of a context that is asked for.
var ErrContext = errors.New("judging the sign-in: neither acr nor amr shows what acr_values asks for")

// Contexts are authentication context class references (acr_values of OpenID Connect
// Core 1.0 section 3.1.2.1), each of which will do. Without any, every sign-in does.
type Contexts []string

// NewContexts checks the values; mfa among them stands for MultiFactor.
func NewContexts(values []string) (Contexts, error) {
	var c Contexts
	for _, value := range values {
		if value == "" || len(value) > longestContext || strings.ContainsFunc(value, notInContext) {
			return nil, fmt.Errorf("checking the value %q: %w", value, errContext)
		}
		if value == multiFactor {
			value = MultiFactor
		}
		c = append(c, value)
	}
	return c, nil
}

func notInContext(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

// Judge returns nil if the claims of the verified ID token, which the profile keeps,
// show one of the contexts: acr is the value or, for MultiFactor, amr contains mfa.
// The error is ErrContext.
func (c Contexts) Judge(p *profile.Profile) error {
	if len(c) == 0 {
		return nil
	}
	claim, _ := p.Claim("acr")
	if acr, ok := claim.(string); ok && slices.Contains(c, acr) {
		return nil
	}
	if slices.Contains(c, MultiFactor) {
		claim, _ := p.Claim("amr")
		if methods, ok := claim.([]any); ok && slices.Contains(methods, any(multiFactor)) {
			return nil
		}
	}
	return ErrContext
}
