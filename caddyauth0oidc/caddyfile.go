package caddyauth0oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// directive is the name of the directive and of the global option.
const directive = "auth0_oidc"

func init() {
	httpcaddyfile.RegisterGlobalOption(directive, parseGlobalOption)
	httpcaddyfile.RegisterDirective(directive, parseDirective)
	httpcaddyfile.RegisterDirectiveOrder(directive, httpcaddyfile.Before, "basic_auth")
}

// presets are the blocks of the global options by name; the block without a
// name has the empty one.
type presets map[string]*Handler

// parseGlobalOption reads one block of the global options:
//
//	auth0_oidc [<name>] {
//		<settings of the directive>
//	}
func parseGlobalOption(d *caddyfile.Dispenser, previous any) (any, error) {
	all, _ := previous.(presets)
	if all == nil {
		all = make(presets)
	}
	d.Next()
	name := ""
	if d.NextArg() {
		name = d.Val()
	}
	if d.NextArg() {
		return nil, d.Errf("the block has one name at most; write its settings in braces, not '%s' on its first line", d.Val())
	}
	if all[name] != nil {
		if name == "" {
			return nil, d.Errf("there is already an %s block without a name; give this one a name", directive)
		}
		return nil, d.Errf("there is already an %s block named '%s'; give this one another name", directive, name)
	}
	all[name] = new(Handler)
	head := *d
	if err := all[name].parseBlock(d); err != nil {
		return nil, err
	}
	if err := all[name].checkInPlaceOfSecret(); err != nil { // which a directive may replace
		return nil, head.WrapErr(err)
	}
	return all, nil
}

// parseDirective reads the directive of a site. Its matcher goes into the
// handler and not onto the route, so that the module's own routes are answered
// whatever the matcher says.
//
//	auth0_oidc [<matcher>] [<name>] {
//		<settings>
//	}
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next()
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.Errf("%w; write a path, or define the matcher in this site", err)
	}
	handler, err := startFromPreset(h)
	if err != nil {
		return nil, err
	}
	head := *h.Dispenser // its line is the one to show when something is missing
	if err := handler.parseBlock(h.Dispenser); err != nil {
		return nil, err
	}
	if err := errors.Join(handler.complete(), handler.judgeTogether()); err != nil {
		return nil, head.WrapErr(err)
	}
	if matcher != nil {
		handler.MatcherSetsRaw = []caddy.ModuleMap{matcher}
	}
	return h.NewRoute(nil, handler), nil
}

// startFromPreset reads the directive's first line and returns a copy of the
// preset that it names.
func startFromPreset(h httpcaddyfile.Helper) (*Handler, error) {
	h.Next()
	name := ""
	if h.NextArg() {
		name = h.Val()
	}
	if h.NextArg() {
		return nil, h.Errf("the directive takes a matcher and the name of a global block; write settings in braces, not '%s' on its first line", h.Val())
	}
	all, _ := h.Option(directive).(presets)
	preset := all[name]
	if preset == nil {
		if name == "" {
			return new(Handler), nil
		}
		if len(all) == 0 {
			return nil, h.Errf("no %s block named '%s' in the global options; define it there, or leave the name out", directive, name)
		}
		return nil, h.Errf("no %s block named '%s' in the global options; choose one of: %s", directive, name, all.names())
	}
	return preset.clone()
}

func (p presets) names() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name == "" {
			names = append(names, "one without a name")
		} else {
			names = append(names, "'"+name+"'")
		}
	}
	return strings.Join(names, ", ")
}

// clone copies the configuration by way of its JSON, which is all there is to
// a handler that was not provisioned.
func (h *Handler) clone() (*Handler, error) {
	encoded, err := json.Marshal(h) // #nosec G117 -- read again at once, and kept nowhere
	if err != nil {
		return nil, fmt.Errorf("copying the %s block: %w", directive, err)
	}
	copied := new(Handler)
	if err := json.Unmarshal(encoded, copied); err != nil {
		return nil, fmt.Errorf("copying the %s block: %w", directive, err)
	}
	return copied, nil
}

// A setting reads what follows its name. It is called once for each block that
// has it, and replaces what a preset said.
type setting func(*Handler, *caddyfile.Dispenser) error

// settings are the subdirectives by name.
var settings = map[string]setting{
	"domain":             provider(text(func(h *Handler) *string { return &h.Domain }, checkDomain)),
	"issuer":             provider(text(func(h *Handler) *string { return &h.Issuer }, checkIssuer)),
	"http":               (*Handler).parseHTTP,
	"client_id":          text(func(h *Handler) *string { return &h.ClientID }, checkNotEmpty),
	"client_secret":      (*Handler).parseClientSecret,
	"client_auth":        text(func(h *Handler) *string { return &h.ClientAuth }, checkClientAuth),
	"client_assertion":   (*Handler).parseClientAssertion,
	"client_certificate": (*Handler).parseClientCertificate,
	"connection":         (*Handler).parseConnection,
	"scopes":             list(func(h *Handler) *[]string { return &h.Scopes }, checkScopes),
	"audience":           text(func(h *Handler) *string { return &h.Audience }, checkNotEmpty),
	"profile":            (*Handler).parseProfile,
	"management":         (*Handler).parseManagement,
	"authorize_param":    (*Handler).parseAuthorizeParam,
	"allow_params":       list(func(h *Handler) *[]string { return &h.AllowParams }, each(checkAuthorizeParam)),
	"par":                text(func(h *Handler) *string { return &h.PAR }, checkPAR),
	"response_mode":      text(func(h *Handler) *string { return &h.ResponseMode }, checkResponseMode),
	"max_age":            age(func(h *Handler) *caddy.Duration { return &h.MaxAge }),
	"acr_values":         list(func(h *Handler) *[]string { return &h.ACRValues }, checkACRValues),
	"organization":       text(func(h *Handler) *string { return &h.Organization }, checkOrganization),
	"prompt":             text(func(h *Handler) *string { return &h.Prompt }, checkPrompt),
	"secret":             list(func(h *Handler) *[]string { return &h.Secrets }, checkSecrets),
	"session":            (*Handler).parseSession,
	"refresh":            (*Handler).parseRefresh,
	"revocation":         (*Handler).parseRevocation,
	"unauthenticated":    text(func(h *Handler) *string { return &h.Unauthenticated }, checkUnauthenticated),
	"require":            rule(func(h *Handler) *[]Rule { return &h.Require }),
	"deny":               rule(func(h *Handler) *[]Rule { return &h.Deny }),
	"bearer":             (*Handler).parseBearer,
	"preserve_post":      (*Handler).parsePreservePost,
	"headers":            (*Handler).parseHeaders,
	"assertion":          (*Handler).parseAssertion,
	"base_url":           list(func(h *Handler) *[]string { return &h.BaseURLs }, each(checkBaseURL)),
	"prefix":             text(func(h *Handler) *string { return &h.Prefix }, checkPrefix),
	"pages":              text(func(h *Handler) *string { return &h.Pages }, checkNotEmpty),
	"logout":             (*Handler).parseLogout,
}

// repeatable are the subdirectives that may stand in a block more than once,
// each time with another first argument.
var repeatable = map[string]bool{"authorize_param": true, "connection": true}

// addable may also stand there with the same first argument: each line counts.
var addable = map[string]bool{"require": true, "deny": true}

func (h *Handler) parseBlock(d *caddyfile.Dispenser) error {
	ofPreset := h.Connections
	h.Connections = nil
	err := h.inheritIssuer(func() error { return h.inheritClient(func() error { return h.parseSettings(d) }) })
	if len(h.Connections) == 0 {
		h.Connections = ofPreset
	}
	return err
}

func (h *Handler) parseSettings(d *caddyfile.Dispenser) error {
	return eachOnce(d, repeatable, func(name string) error {
		set := settings[name]
		if set == nil {
			return unknown(d, name, settings)
		}
		return set(h, d)
	})
}

// eachOnce calls set for every line of the block that begins at d.
func eachOnce(d *caddyfile.Dispenser, repeatable map[string]bool, set func(name string) error) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if name == "{" {
			return d.Errf("the setting on this line has no block; leave the block out")
		}
		line := name
		if repeatable[name] && d.NextArg() { // each line has a key of its own
			line += " " + d.Val()
			d.Prev()
		}
		if seen[line] && !addable[line] {
			return d.Errf("'%s' is already specified; keep one of the two lines", line)
		}
		seen[line] = true
		if err := set(name); err != nil {
			return err
		}
	}
	return nil
}

func unknown[V any](d *caddyfile.Dispenser, name string, known map[string]V) error {
	return d.Errf("unrecognized subdirective '%s'; known here: %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// text reads exactly one argument.
func text(field func(*Handler) *string, check func(string) error) setting {
	return func(h *Handler, d *caddyfile.Dispenser) error { return oneArg(d, field(h), check) }
}

// age reads one duration.
func age(field func(*Handler) *caddy.Duration) setting {
	return func(h *Handler, d *caddyfile.Dispenser) error { return duration(d, field(h)) }
}

// list reads one argument or more.
func list(field func(*Handler) *[]string, check func([]string) error) setting {
	return func(h *Handler, d *caddyfile.Dispenser) error {
		name, args := d.Val(), d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("'%s' needs at least one value", name)
		}
		if !slices.ContainsFunc(args, hasPlaceholder) {
			if err := check(args); err != nil {
				return d.Errf("%s: %w", name, err)
			}
		}
		*field(h) = args
		return nil
	}
}

func oneArg(d *caddyfile.Dispenser, target *string, check func(string) error) error {
	name, args := d.Val(), d.RemainingArgs()
	if len(args) != 1 {
		return d.Errf("'%s' needs exactly one value, not %d", name, len(args))
	}
	if !hasPlaceholder(args[0]) {
		if err := check(args[0]); err != nil {
			return d.Errf("%s: %w", name, err)
		}
	}
	*target = args[0]
	return nil
}

func each(check func(string) error) func([]string) error {
	return func(values []string) error {
		for _, v := range values {
			if err := check(v); err != nil {
				return err
			}
		}
		return nil
	}
}

// hasPlaceholder tells whether a value is not known before it is loaded.
func hasPlaceholder(value string) bool { return strings.Contains(value, "{") }
