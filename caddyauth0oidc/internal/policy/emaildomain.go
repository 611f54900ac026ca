package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// emailDomain is the claim that a rule may ask for in place of one of the
// profile's.
const emailDomain = "email_domain"

// domain is a domain in the form of the DNS, or every domain below it.
type domain struct {
	name  string // with a dot in front if those below are meant
	below bool
}

var errDomain = errors.New("this is not a domain; write it like example.com, or *.example.com for all below it")

func newDomain(written string) (domain, error) {
	name, below := strings.CutPrefix(written, "*.")
	name, ok := canonicalDomain(name)
	if !ok {
		return domain{}, fmt.Errorf("%q: %w", written, errDomain)
	}
	if below {
		name = "." + name
	}
	return domain{name, below}, nil
}

func (d domain) has(name string) bool {
	if d.below {
		return strings.HasSuffix(name, d.name)
	}
	return name == d.name
}

// domainOf gives the domain of the user's address, if the address is verified and
// can be read in one way only.
func domainOf(p *profile.Profile) (string, bool) {
	if p.EmailVerified != "true" {
		return "", false
	}
	return domainOfAddress(p.Email)
}

// domainOfAddress reads an address that has one @ and nothing that needs quotes
// (RFC 5321 section 4.1.2, RFC 6531 section 3.3). Comments, quoted local parts and
// address literals are legal mail, and are read differently by different programs.
func domainOfAddress(address string) (string, bool) {
	local, name, found := strings.Cut(address, "@")
	if !found || local == "" || !utf8.ValidString(address) || strings.ContainsFunc(local, needsQuotes) {
		return "", false
	}
	return canonicalDomain(name)
}

func needsQuotes(r rune) bool {
	return strings.ContainsRune("\"(),:;<>@[\\]", r) || unicode.IsSpace(r) || !unicode.IsGraphic(r)
}

// plainDomain has the form of the DNS as it stands, unless a label is an encoded one.
var plainDomain = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*$`)

// labels maps nothing: of two spellings that one program takes for the same domain
// and another does not, only the canonical one is a domain here.
var labels = idna.New(idna.ValidateForRegistration(), idna.CheckHyphens(false))

// canonicalDomain gives a domain in the form of the DNS: letters of ASCII in lower
// case, others as A-labels (RFC 5890 section 2.3.2.1).
func canonicalDomain(name string) (string, bool) {
	const longest = 253 // RFC 1035 section 2.3.4, without the final dot
	name = strings.Map(lowerASCII, name)
	if !plainDomain.MatchString(name) || strings.Contains(name, "xn--") {
		encoded, err := labels.ToASCII(name)
		if err != nil || !plainDomain.MatchString(encoded) {
			return "", false
		}
		name = encoded
	}
	return name, len(name) <= longest
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
