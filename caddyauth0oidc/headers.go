package caddyauth0oidc

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// parseHeaders reads:
//
//	headers {
//		preset   auth0 | none
//		prefix   <prefix>
//		profile
//		<Header> <claim>
//	}
func (h *Handler) parseHeaders(d *caddyfile.Dispenser) error {
	if h.Headers == nil {
		h.Headers = new(Headers)
	}
	var lines []HeaderLine
	err := parseFields(d, fields{
		"preset":  func() error { return oneArg(d, &h.Headers.Preset, checkHeaderPreset) },
		"prefix":  func() error { return oneArg(d, &h.Headers.Prefix, checkHeaderPrefix) },
		"profile": func() error { return flag(d, &h.Headers.Profile) },
		anyHeader: func() error { return parseHeaderLine(d, &lines) },
	})
	h.Headers.override(lines)
	return err
}

func parseHeaderLine(d *caddyfile.Dispenser, lines *[]HeaderLine) error {
	line := HeaderLine{Header: d.Val()}
	if err := oneArg(d, &line.Claim, checkNotEmpty); err != nil {
		return err
	}
	*lines = append(*lines, line)
	if err := checkHeaderLines(*lines); err != nil {
		return d.Errf("headers: %w", err)
	}
	return nil
}

// newPlan judges the headers, that of the assertion among them, by making what the
// requests use.
func (h *Headers) newPlan(a *Assertion) (*upstream.Plan, error) {
	c := upstream.Config{Preset: h.Preset, Prefix: h.Prefix, Profile: h.Profile}
	if a != nil {
		c.Assertion = a.Header
	}
	for _, l := range h.Lines {
		if hasPlaceholder(l.Claim) {
			return nil, fmt.Errorf("'%s' is a placeholder; write the name of a claim behind %s, such as email", l.Claim, l.Header)
		}
		c.Lines = append(c.Lines, upstream.Line{Header: l.Header, Claim: l.Claim})
	}
	return upstream.NewPlan(c)
}

// override puts the lines of a directive over those of the preset that it began
// with, each over the one of the same name.
func (h *Headers) override(lines []HeaderLine) {
	for _, l := range lines {
		same := func(other HeaderLine) bool { return upstream.Same(l.Header, other.Header) }
		if i := slices.IndexFunc(h.Lines, same); i >= 0 {
			h.Lines[i] = l
		} else {
			h.Lines = append(h.Lines, l)
		}
	}
}
