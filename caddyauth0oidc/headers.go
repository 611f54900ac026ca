package caddyauth0oidc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// Headers says under which names the profile reaches the upstream.
type Headers struct {
	// Preset are the headers to begin with: `auth0` for one header for each
	// member of the user's profile; `remote_user` for `Remote-User`,
	// `Remote-Name`, `Remote-Email` and `Remote-Groups`; `oauth2_proxy` for
	// `X-Forwarded-User`, `X-Forwarded-Email`, `X-Forwarded-Groups` and
	// `X-Forwarded-Preferred-Username`, which is no identity; `grafana` for
	// `X-WEBAUTH-USER`, `X-WEBAUTH-NAME`, `X-WEBAUTH-EMAIL` and
	// `X-WEBAUTH-GROUPS`; `none` for no others than `profile` and `lines` add. In
	// the three in the middle an e-mail address is shown only if it is verified,
	// and a line takes the place of a header of its name. Default: `auth0`.
	Preset string `json:"preset,omitempty"`

	// Prefix begins the name of every header of the preset `auth0`. Headers of
	// the client that begin with it, in any spelling, are removed, with the other
	// presets as well. Default: `X-Auth0-`.
	Prefix string `json:"prefix,omitempty"`

	// User is the claim that the presets `remote_user`, `oauth2_proxy` and
	// `grafana` show as the user, written as in a line. Default: `id`, the stable
	// user id.
	User string `json:"user,omitempty"`

	// Groups is the claim that these presets show as the groups. Default: `groups`.
	Groups string `json:"groups,omitempty"`

	// Strip are names of further headers that are removed from the requests of
	// clients, in any spelling: a name, a beginning such as `X-Remote-*`, or
	// `known` for those in which well-known proxies tell who the user is. In a
	// Caddyfile those of a directive are added to those of its block. Default: none.
	Strip []string `json:"strip,omitempty"`

	// Profile adds the header `<prefix>Profile`, the whole profile as base64url
	// JSON without padding. Default: false.
	Profile bool `json:"profile,omitempty"`

	// Encoding is how values are written: `utf8` as they are; `percent` with
	// `%XX` for every byte that is not printable ASCII and for the percent sign;
	// `rfc2047` as encoded words of RFC 2047 where there is more than ASCII;
	// `base64url` all of them as base64url without padding (RFC 4648 section 5).
	// `<prefix>Profile` and `<prefix>Session-Expires` are as without it. Default:
	// `utf8`.
	Encoding string `json:"encoding,omitempty"`

	// Lists is how headers show arrays: `comma` joins the elements with commas, a
	// comma inside one as `%2C` and a percent sign as `%25`, and writes those that
	// hold more than text, numbers and booleans as JSON; `json` writes all of them
	// as compact JSON. An empty one is no header. Default: `comma`.
	Lists string `json:"lists,omitempty"`

	// Lines are headers of your own choice, each of another name than the rest,
	// unless it takes the place of one of the preset.
	// Headers of the client with their names, in any spelling, are removed.
	// Default: none.
	Lines []HeaderLine `json:"lines,omitempty"`
}

// HeaderLine is a header with a claim about the user, or with text of your own.
type HeaderLine struct {
	// Header is the header's name, such as `Remote-User`. Names that mean
	// something to HTTP or to proxies are refused. Required.
	Header string `json:"header,omitempty"`

	// Claim is what the header shows: `id`, `email` or another claim; dots lead
	// into objects and arrays, as in `app_metadata.plan`, and a name with dots of
	// its own may stand in double quotes. Arrays are as `lists` says, objects are
	// JSON. A user without the claim has no such header. Required, unless Value
	// is there.
	Claim string `json:"claim,omitempty"`

	// Value is what the header shows in place of a claim: text with placeholders,
	// such as `{http.request.host}/{http.auth.user.org_id}`, which are resolved
	// when a directive lets a request with an identity pass, and again by further
	// directives of the site. What a claim says is not resolved. An unknown placeholder is empty, and a value without any
	// text is no header.
	Value string `json:"value,omitempty"`
}

// parseHeaders reads:
//
//	headers {
//		preset   auth0 | remote_user | oauth2_proxy | grafana | none
//		prefix   <prefix>
//		user     <claim>
//		groups   <claim>
//		strip    <Header> | <Prefix>-* | known ...
//		encoding utf8 | percent | rfc2047 | base64url
//		lists    comma | json
//		profile
//		<Header> <claim or text with placeholders>
//	}
func (h *Handler) parseHeaders(d *caddyfile.Dispenser) error {
	if h.Headers == nil {
		h.Headers = new(Headers)
	}
	var lines []HeaderLine
	err := parseFields(d, fields{
		"preset":   func() error { return oneArg(d, &h.Headers.Preset, checkHeaderPreset) },
		"prefix":   func() error { return oneArg(d, &h.Headers.Prefix, checkHeaderPrefix) },
		"encoding": func() error { return oneArg(d, &h.Headers.Encoding, checkHeaderEncoding) },
		"user":     func() error { return oneArg(d, &h.Headers.User, checkNotEmpty) },
		"groups":   func() error { return oneArg(d, &h.Headers.Groups, checkNotEmpty) },
		"lists":    func() error { return oneArg(d, &h.Headers.Lists, checkHeaderLists) },
		"strip":    func() error { return h.Headers.parseStrip(d) },
		"profile":  func() error { return flag(d, &h.Headers.Profile) },
		anyHeader:  func() error { return parseHeaderLine(d, &lines) },
	})
	h.Headers.override(lines)
	return err
}

func checkHeaderEncoding(encoding string) error { return oneOf(encoding, upstream.Encodings()) }

func checkHeaderLists(lists string) error {
	return oneOf(lists, []string{upstream.ListsComma, upstream.ListsJSON})
}

// parseStrip adds to the names that the directive began with, since one that was lost
// there would be forged here.
func (h *Headers) parseStrip(d *caddyfile.Dispenser) error {
	names := d.RemainingArgs()
	if len(names) == 0 {
		return d.Errf("'strip' needs at least one value")
	}
	if err := checkHeaders(&Headers{Preset: upstream.PresetNone, Strip: names}); err != nil {
		return d.Errf("headers: %w", err)
	}
	for _, name := range names {
		if !slices.Contains(h.Strip, name) {
			h.Strip = append(h.Strip, name)
		}
	}
	return nil
}

// parseHeaderLine takes what has a brace for a value, since no claim's name has one.
func parseHeaderLine(d *caddyfile.Dispenser, lines *[]HeaderLine) error {
	line := HeaderLine{Header: d.Val()}
	if err := oneArg(d, &line.Claim, checkNotEmpty); err != nil {
		return err
	}
	if hasPlaceholder(line.Claim) {
		line.Claim, line.Value = "", line.Claim
	}
	*lines = append(*lines, line)
	if err := checkHeaderLines(*lines); err != nil {
		return d.Errf("headers: %w", err)
	}
	return nil
}

// newPlan judges the headers, those of the assertion and of the child's token among
// them, by making what the requests use.
func (h *Headers) newPlan(a *Assertion, childToken string) (*upstream.Plan, error) {
	c := upstream.Config{
		Preset: h.Preset, Prefix: h.Prefix, User: h.User, Groups: h.Groups,
		Strip: h.Strip, Profile: h.Profile, Encoding: h.Encoding, Lists: h.Lists, ChildToken: childToken,
	}
	if a != nil {
		c.Assertion = a.Header
	}
	for _, claim := range []string{h.User, h.Groups} {
		if hasPlaceholder(claim) {
			return nil, fmt.Errorf("'%s' is a placeholder; write the name of a claim, such as email", claim)
		}
	}
	for _, l := range h.Lines {
		if hasPlaceholder(l.Claim) {
			return nil, fmt.Errorf("the claim '%s' of %s is a placeholder; write it as the line's value", l.Claim, l.Header)
		}
		c.Lines = append(c.Lines, upstream.Line{
			Header: l.Header, Claim: l.Claim, Value: l.Value, Token: strings.Contains(l.Value, accessPlaceholder),
		})
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
