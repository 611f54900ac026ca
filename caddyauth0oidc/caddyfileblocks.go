package caddyauth0oidc

import (
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseConnection reads:
//
//	connection <name> {
//		label        <text>
//		strategy     auto | auth0-oidc | oidc | any
//		email_domain <domain...>
//		allow        <name...>
//		user_id_as   auth0-oidc | oidc [<name>]
//		child {
//			domain    <domain>
//			client_id <id>
//		}
//	}
func (h *Handler) parseConnection(d *caddyfile.Dispenser) error {
	var c Connection
	if err := oneArg(d, &c.Name, checkConnection); err != nil {
		return err
	}
	read := func(field *[]string, check func(string) error) func() error {
		return func() error { return list(func(*Handler) *[]string { return field }, each(check))(h, d) }
	}
	err := parseFields(d, fields{
		"label":        func() error { return oneArg(d, &c.Label, checkLabel) },
		"strategy":     func() error { return oneArg(d, &c.Strategy, checkStrategy) },
		"email_domain": read(&c.EmailDomains, checkEmailDomain),
		"allow":        read(&c.Allow, checkConnection),
		"user_id_as":   func() error { return c.parseUserIDAs(d) },
		"child":        func() error { return c.parseChild(d) },
	})
	h.Connections = append(h.Connections, c)
	return err
}

// parseAuthorizeParam reads one line:
//
//	authorize_param <key> <value>
func (h *Handler) parseAuthorizeParam(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return d.Errf("'authorize_param' needs a key and a value, not %d values", len(args))
	}
	if err := checkFixedParam(args[0]); err != nil {
		return d.Errf("authorize_param: %w", err)
	}
	if h.AuthorizeParams == nil {
		h.AuthorizeParams = make(map[string]string)
	}
	h.AuthorizeParams[args[0]] = args[1]
	return nil
}

// parseSession reads:
//
//	session {
//		idle     <duration>
//		absolute <duration>
//		cookie {
//			name      <name>
//			domain    <domain>
//			same_site lax | none
//		}
//	}
func (h *Handler) parseSession(d *caddyfile.Dispenser) error {
	if h.Session == nil {
		h.Session = new(Session)
	}
	s := h.Session
	return parseFields(d, fields{
		"idle":     func() error { return duration(d, &s.Idle) },
		"absolute": func() error { return duration(d, &s.Absolute) },
		"cookie":   func() error { return s.parseCookie(d) },
	})
}

func (s *Session) parseCookie(d *caddyfile.Dispenser) error {
	if s.Cookie == nil {
		s.Cookie = new(Cookie)
	}
	c := s.Cookie
	return parseFields(d, fields{
		"name":      func() error { return oneArg(d, &c.Name, checkCookieName) },
		"domain":    func() error { return oneArg(d, &c.Domain, checkCookieDomain) },
		"same_site": func() error { return oneArg(d, &c.SameSite, checkSameSite) },
	})
}

// parseLogout reads:
//
//	logout {
//		strategy  auto | oidc | v2
//		hint      sid | id_token | none
//		child
//		federated
//		frontchannel
//		return_to <path>
//	}
func (h *Handler) parseLogout(d *caddyfile.Dispenser) error {
	if h.Logout == nil {
		h.Logout = new(Logout)
	}
	return parseFields(d, fields{
		"strategy":     func() error { return oneArg(d, &h.Logout.Strategy, checkLogoutStrategy) },
		"hint":         func() error { return oneArg(d, &h.Logout.Hint, checkLogoutHint) },
		"child":        func() error { return flag(d, &h.Logout.Child) },
		"federated":    func() error { return flag(d, &h.Logout.Federated) },
		"frontchannel": func() error { return flag(d, &h.Logout.Frontchannel) },
		"return_to":    func() error { return oneArg(d, &h.Logout.ReturnTo, checkReturnTo) },
	})
}

// fields are the lines of a nested block, each of which may stand there once.
type fields map[string]func() error

// anyHeader stands among fields for the lines that begin with a header's name.
const anyHeader = "<Header>"

func (f fields) find(name string) func() error {
	if set := f[name]; set != nil {
		return set
	}
	if looksLikeSetting(name) || f[strings.ToLower(name)] != nil {
		return nil
	}
	return f[anyHeader]
}

// looksLikeSetting tells names of settings from those of headers: a misspelt
// setting, or one of a later version, must not become a header.
func looksLikeSetting(name string) bool {
	return strings.ToLower(name) == name && !strings.Contains(name, "-")
}

func parseFields(d *caddyfile.Dispenser, known fields) error {
	name := d.Val()
	if d.NextArg() {
		return d.Errf("'%s' takes no more values on its line; write its settings in braces, not '%s'", name, d.Val())
	}
	return eachOnce(d, nil, func(name string) error {
		set := known.find(name)
		if set == nil {
			return unknown(d, name, known)
		}
		return set()
	})
}

func duration(d *caddyfile.Dispenser, target *caddy.Duration) error {
	return durationFrom(1, d, target)
}

// durationFrom takes no shorter one than the least.
func durationFrom(least time.Duration, d *caddyfile.Dispenser, target *caddy.Duration) error {
	var written string
	if err := oneArg(d, &written, checkNotEmpty); err != nil {
		return err
	}
	parsed, err := caddy.ParseDuration(written)
	if err != nil || parsed < least {
		return d.Errf("'%s' is not a possible duration; write it like 30m, 24h or 7d", written)
	}
	*target = caddy.Duration(parsed)
	return nil
}

func flag(d *caddyfile.Dispenser, target *bool) error {
	if name := d.Val(); d.NextArg() {
		return d.Errf("'%s' takes no value; write it alone, or leave the line out", name)
	}
	*target = true
	return nil
}
