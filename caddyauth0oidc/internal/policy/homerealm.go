package policy

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxAddress bounds an e-mail address, in bytes.
const maxAddress = 512

// EmailDomain checks a domain of e-mail addresses and gives it in the form of the DNS:
// letters of ASCII in lower case, others as A-labels. Domains below it are not meant.
func EmailDomain(written string) (string, error) {
	name, ok := canonicalDomain(written)
	if !ok || !strings.ContainsFunc(name, unicode.IsLetter) {
		return "", fmt.Errorf("%q is not a domain; write it like example.com", written)
	}
	return name, nil
}

// mapped reads a domain as browsers do: in any case, width and spelling.
var mapped = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckHyphens(false), idna.StrictDomainName(true))

// AddressDomain gives the domain behind the last @ of an address as EmailDomain writes
// it, and false if there is none, or the address has more than 512 bytes. It is for
// finding a user's way to the login, not for deciding about the user: it reads addresses
// that other programs may read otherwise.
func AddressDomain(address string) (string, bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || len(address) > maxAddress || !utf8.ValidString(address) || strings.ContainsFunc(address, notInAddress) {
		return "", false
	}
	name, err := mapped.ToASCII(strings.TrimSuffix(address[at+1:], "."))
	if err != nil || !dotted.MatchString(name) {
		return "", false
	}
	if name, ok := canonicalDomain(name); ok {
		return name, true
	}
	return "", false
}

// dotted leaves out names without a dot, and addresses of hosts.
var dotted = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*$`)

func notInAddress(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }
