// Package upstream answers which request headers are ours and what the
// application behind the proxy gets to see.
package upstream

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
)

// DefaultPrefix begins the names of the headers if the configuration sets none.
const DefaultPrefix = "X-Auth0-"

// The presets.
const (
	PresetAuth0 = "auth0" // the normalized user profile, the default
	PresetNone  = "none"  // nothing but the lines
)

// Config says which headers are ours.
type Config struct {
	// Preset is PresetAuth0 or PresetNone. Default: PresetAuth0.
	Preset string

	// Prefix begins the name of every header of the preset. Every header of the
	// client that begins with it is removed, under every preset. Default:
	// DefaultPrefix.
	Prefix string

	// Profile adds the header <prefix>Profile, the whole profile as base64url
	// JSON without padding.
	Profile bool

	// Assertion is the header of the assertion that Facts has, of another name than
	// the rest. Default: none.
	Assertion string

	// Lines are headers of the operator's own, each of another name than the
	// rest. The client's copies are removed too.
	Lines []Line
}

// Line is a header with a claim, such as Remote-User with the claim id.
type Line struct {
	Header string
	Claim  string // as profile.Claim finds it
}

// Plan knows the headers that are ours. It is safe for concurrent use.
type Plan struct {
	prefix   string    // folded
	names    []string  // folded, those without the prefix
	initials [256]bool // the bytes that prefix and names begin with, in either case
	headers  []header
	subject  bool // a header needs the user id taken apart
}

// header is one that Apply sets.
type header struct {
	key  string // canonical
	from source
	path string // of the claim, if the source is one
}

// NewPlan checks the names once, so that a request finds them ready.
func NewPlan(c Config) (*Plan, error) {
	prefix := c.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if err := checkPrefix(prefix); err != nil {
		return nil, fmt.Errorf("checking the header prefix %q: %w", prefix, err)
	}
	p := &Plan{prefix: fold(prefix)}
	switch c.Preset {
	case "", PresetAuth0:
		for _, one := range auth0 {
			p.add(prefix+one.suffix, one.from, "")
		}
	case PresetNone:
	default:
		return nil, fmt.Errorf("there is no preset %q: write %s or %s", c.Preset, PresetAuth0, PresetNone)
	}
	if c.Profile {
		p.add(prefix+"Profile", fromWholeProfile, "")
	}
	if err := p.addLines(c.Lines); err != nil {
		return nil, err
	}
	if c.Assertion != "" {
		if err := p.addAssertion(c.Assertion); err != nil {
			return nil, fmt.Errorf("checking the header name %q: %w", c.Assertion, err)
		}
	}
	for _, folded := range append(p.names, p.prefix) {
		letter := folded[0]
		p.initials[letter], p.initials[letter-'a'+'A'] = true, true
	}
	return p, nil
}

// Len is the number of headers that Apply sets at most.
func (p *Plan) Len() int { return len(p.headers) }

func (p *Plan) add(name string, from source, path string) {
	p.headers = append(p.headers, header{textproto.CanonicalMIMEHeaderKey(name), from, path})
	p.subject = p.subject || from.isPartOfUserID()
}

func (p *Plan) addLines(lines []Line) error {
	var errs []error
	own := len(p.headers)
	for _, line := range lines {
		if err := p.checkLine(line, own); err != nil {
			errs = append(errs, fmt.Errorf("checking the header name %q: %w", line.Header, err))
			continue
		}
		p.addNamed(line.Header, fields[line.Claim], line.Claim)
	}
	return errors.Join(errs...)
}

// addNamed adds a header whose name does not come from the prefix.
func (p *Plan) addNamed(name string, from source, path string) {
	if !begins(name, p.prefix) {
		p.names = append(p.names, fold(name))
	}
	p.add(name, from, path)
}

func (p *Plan) addAssertion(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	for _, other := range p.headers {
		if Same(name, other.key) {
			return fmt.Errorf("%s is set already, which applications may take for the same: write another name", other.key)
		}
	}
	p.addNamed(name, fromAssertion, "")
	return nil
}

// checkLine compares the line with those before it; the first own headers are no
// lines.
func (p *Plan) checkLine(line Line, own int) error {
	if err := checkName(line.Header); err != nil {
		return err
	}
	claim := strings.TrimSpace(line.Claim)
	if claim == "" {
		return errors.New("it has no claim: write the name of one behind it, such as email")
	}
	if claim != line.Claim {
		return fmt.Errorf("the claim %q has spaces or line ends around it: write %q", line.Claim, claim)
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
