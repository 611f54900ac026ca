// Package upstream answers which request headers are ours and what the
// application behind the proxy gets to see.
package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"net/textproto"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// DefaultPrefix begins the names of the headers if the configuration sets none.
const DefaultPrefix = "X-Auth0-"

// The presets. Of those after PresetNone, a line takes the place of a header of its
// name, and the e-mail address is shown only if it is verified, because no header
// beside it would say that it is not.
const (
	PresetAuth0       = "auth0"        // the normalized user profile, the default
	PresetNone        = "none"         // nothing but the lines
	PresetRemoteUser  = "remote_user"  // Remote-User and its like
	PresetOAuth2Proxy = "oauth2_proxy" // X-Forwarded-User and its like
	PresetGrafana     = "grafana"      // X-WEBAUTH-USER and its like
)

// The forms of arrays.
const (
	ListsComma = "comma" // joined with commas, those inside as %2C
	ListsJSON  = "json"  // compact JSON
)

// Config says which headers are ours.
type Config struct {
	// Preset is one of the presets. Default: PresetAuth0.
	Preset string

	// Prefix begins the name of every header of PresetAuth0. Every header of the
	// client that begins with it is removed, under every preset. Default:
	// DefaultPrefix.
	Prefix string

	// User and Groups are the claims that the presets with a header for the user
	// and one for the groups show there. Defaults: id and groups.
	User, Groups string

	// Strip are names of further headers that are removed from the client's
	// request, beginnings of names with a star behind them, such as
	// X-Remote-*, and Known.
	Strip []string

	// Profile adds the header <prefix>Profile, the whole profile as base64url
	// JSON without padding.
	Profile bool

	// Assertion is the header of the assertion that Facts has, of another name than
	// the rest. Default: none.
	Assertion string

	// ChildToken is the header of the child's token that Facts has, of another name
	// than the rest, or Authorization for a bearer token (RFC 6750 section 2.1):
	// the client's own is then removed where Apply is called, and only there.
	// Default: none.
	ChildToken string

	// Encoding is one of the encodings, for all values but that of Profile, which
	// is base64url already, assertion and token, and the time at which the session
	// ends. Default: EncodingUTF8.
	Encoding string

	// Lists is how arrays are shown: ListsComma or ListsJSON. Default: ListsComma.
	Lists string

	// Lines are headers of the operator's own, each of another name than the
	// rest, unless the preset gives way to them. The client's copies are removed too.
	Lines []Line
}

// Line is a header with a claim, such as Remote-User with the claim id, or with
// text that the caller expands for each request. It has exactly one of the two.
type Line struct {
	Header string
	Claim  string // as profile.Claim finds it
	Value  string // as Apply hands it to the function that expands it

	// Token says that the value has a token of the user in it. No encoding changes it, it is
	// withdrawn with the child's token, and its header may be Authorization, as that of the
	// child's token may.
	Token bool
}

// Plan knows the headers that are ours. It is safe for concurrent use.
type Plan struct {
	prefixes []string  // folded, the operator's first
	names    []string  // folded, of headers without one of the prefixes
	initials [256]bool // the bytes that prefixes and names begin with, in either case
	headers  []header
	expands  bool                // a header has text to expand
	bearer   bool                // Authorization is among the headers, though not ours
	tokens   []string            // the keys of headers with tokens
	subject  bool                // a header needs the user id taken apart
	encode   func(string) string // nil if values stay as they are
	text     func(claim any) string
}

// header is one that Apply sets.
type header struct {
	key   string // canonical
	from  source
	path  string                        // of the claim, or the text to expand, if the source is one
	field func(*profile.Profile) string // for fromField
}

// NewPlan checks the names once, so that a request finds them ready.
func NewPlan(c Config) (*Plan, error) {
	prefix := cmp.Or(c.Prefix, DefaultPrefix)
	if err := checkPrefix(prefix); err != nil {
		return nil, fmt.Errorf("checking the header prefix %q: %w", prefix, err)
	}
	encode, err := encoderOf(c.Encoding)
	if err != nil {
		return nil, err
	}
	text, err := textOf(c.Lists)
	if err != nil {
		return nil, err
	}
	p := &Plan{prefixes: []string{fold(prefix)}, encode: encode, text: text}
	if err := p.addAll(c, prefix); err != nil {
		return nil, err
	}
	p.noteInitials()
	return p, nil
}

// addAll keeps an order, by which a later header may not have the name of an earlier one.
func (p *Plan) addAll(c Config, prefix string) error {
	if err := p.addPreset(c, prefix); err != nil {
		return err
	}
	if err := p.addStrip(c.Strip); err != nil {
		return err
	}
	if c.Profile {
		p.add(prefix+"Profile", fromWholeProfile, "")
	}
	if err := p.addLines(c.Lines); err != nil {
		return err
	}
	if err := p.addFurther(c.Assertion, fromAssertion); err != nil {
		return err
	}
	return p.addChildToken(c.ChildToken)
}

func (p *Plan) addChildToken(name string) error {
	if name != authorization {
		return p.addFurther(name, fromChildToken)
	}
	if p.bearer {
		return errors.New("a line sets Authorization, as the child's token does: leave one of the two out")
	}
	p.bearer = true
	p.add(authorization, fromChildBearer, "")
	return nil
}

func textOf(lists string) (func(any) string, error) {
	switch lists {
	case "", ListsComma:
		return profile.Text, nil
	case ListsJSON:
		return profile.TextWithJSONLists, nil
	}
	return nil, fmt.Errorf("lists cannot be %q: write %s or %s", lists, ListsComma, ListsJSON)
}

func (p *Plan) noteInitials() {
	for _, all := range [...][]string{p.prefixes, p.names} {
		for _, folded := range all {
			letter := folded[0]
			p.initials[letter], p.initials[letter-'a'+'A'] = true, true
		}
	}
}

// Len is the number of headers that Apply sets at most.
func (p *Plan) Len() int { return len(p.headers) }

// Expands reports whether Apply needs a function that expands text.
func (p *Plan) Expands() bool { return p.expands }

func (p *Plan) add(name string, from source, text string) {
	one := header{key: textproto.CanonicalMIMEHeaderKey(name), from: from, path: text}
	p.headers = append(p.headers, one)
	if from.isToken() {
		p.tokens = append(p.tokens, one.key)
	}
	p.subject = p.subject || from.isPartOfUserID()
}

// addClaim looks a path up among all claims only if its text is not at hand.
func (p *Plan) addClaim(name, path string) {
	field, from := profile.Field(path), parts[path]
	if from == fromClaims && field != nil {
		from = fromField
	}
	p.add(name, from, path)
	p.headers[len(p.headers)-1].field = field
}

// own has the client's copies of a header removed.
func (p *Plan) own(name string) {
	for _, prefix := range p.prefixes {
		if begins(name, prefix) {
			return
		}
	}
	p.names = append(p.names, fold(name))
}

func (p *Plan) addLines(lines []Line) error {
	var errs []error
	own := len(p.headers)
	for _, line := range lines {
		if err := p.checkLine(line, own); err != nil {
			errs = append(errs, fmt.Errorf("checking the header name %q: %w", line.Header, err))
			continue
		}
		from := fromExpanded
		if line.Token {
			from = fromExpandedToken
		}
		if line.isBearer() {
			p.bearer = true
		} else {
			p.own(line.Header)
		}
		if line.Value != "" {
			p.expands = true
			p.add(line.Header, from, line.Value)
			continue
		}
		p.addClaim(line.Header, line.Claim)
	}
	return errors.Join(errs...)
}

// addFurther adds a header that Facts fills; an empty name is none.
func (p *Plan) addFurther(name string, from source) error {
	if name == "" {
		return nil
	}
	if err := p.checkFurther(name); err != nil {
		return fmt.Errorf("checking the header name %q: %w", name, err)
	}
	p.own(name)
	p.add(name, from, "")
	return nil
}

func (p *Plan) checkFurther(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	for _, other := range p.headers {
		if Same(name, other.key) {
			return fmt.Errorf("%s is set already, which applications may take for the same: write another name", other.key)
		}
	}
	return nil
}

// checkLine compares the line with those before it; the first own headers are no
// lines.
func (p *Plan) checkLine(line Line, own int) error {
	if err := checkName(line.Header); err != nil && !line.isBearer() {
		return err
	}
	if line.Claim != "" && line.Value != "" {
		return errors.New("it has a claim and a value: write one of the two")
	}
	if line.Value == "" {
		if err := checkClaim(line.Claim); err != nil {
			return err
		}
	}
	for i, other := range p.headers {
		switch {
		case !Same(line.Header, other.key):
		case i < own:
			return fmt.Errorf("%s is among the headers that are set without a line: leave the line out, or write another name", other.key)
		default:
			return fmt.Errorf("another line sets %s, which applications may take for the same: keep one of the two", other.key)
		}
	}
	return nil
}

// isBearer tells of a line that has a token where clients send theirs.
func (l Line) isBearer() bool {
	return l.Token && textproto.CanonicalMIMEHeaderKey(l.Header) == authorization
}

func checkClaim(written string) error {
	claim := strings.TrimSpace(written)
	if claim == "" {
		return errors.New("it has no claim: write the name of one behind it, such as email")
	}
	if claim != written {
		return fmt.Errorf("the claim %q has spaces or line ends around it: write %q", written, claim)
	}
	return nil
}
