package caddyauth0oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
)

// requestPlaceholder begins the placeholders that are known at a request only.
const requestPlaceholder = "{http."

// isDynamic tells whether the name is resolved at every request.
func (c Connection) isDynamic() bool { return strings.Contains(c.Name, requestPlaceholder) }

// names are those that the connection can have.
func (c Connection) names() []string {
	if c.isDynamic() {
		return c.Allow
	}
	return []string{c.Name}
}

// resolve fills in what is known when the configuration is loaded.
func (c *Connection) resolve(replacer *caddy.Replacer, replace func(setting string, value *string) error) error {
	var errs []error
	if c.isDynamic() {
		c.Name = trimmed(replacer.ReplaceKnown(c.Name, ""))
	} else {
		errs = append(errs, replace("connection", &c.Name))
	}
	for i := range c.Allow {
		errs = append(errs, replace("connection allow", &c.Allow[i]))
	}
	return errors.Join(append(errs, c.UserIDAs.resolve(replace), c.Child.resolve(replace))...)
}

// maxLabel bounds a label, in bytes.
const maxLabel = 128

func checkLabel(label string) error {
	if err := checkNotEmpty(label); err != nil {
		return err
	}
	if len(label) > maxLabel || !utf8.ValidString(label) || strings.ContainsFunc(label, unicode.IsControl) {
		return fmt.Errorf("the label is not one line of text; write at most %d bytes of UTF-8", maxLabel)
	}
	return nil
}

func checkEmailDomain(domain string) error {
	_, err := policy.EmailDomain(domain)
	return err
}

// checkConnections judges the connections as a whole. Names that are not resolved yet
// are judged once they are.
func checkConnections(all []Connection) error {
	var errs []error
	names, domains := make(map[string]bool), make(map[string]string)
	for _, c := range all {
		if names[c.Name] {
			errs = append(errs, fmt.Errorf("'%s' is there twice; leave one of the two out", c.Name))
		}
		names[c.Name] = true
		if c.isDynamic() {
			errs = append(errs, c.checkDynamic(len(all)))
		} else {
			errs = append(errs, c.checkFixed())
		}
		errs = append(errs, c.claimDomains(domains))
	}
	return errors.Join(errs...)
}

func (c Connection) checkFixed() error {
	errs := []error{named("strategy", checkStrategy(c.Strategy))}
	if !hasPlaceholder(c.Name) {
		errs = append(errs, checkConnection(c.Name))
	}
	if c.Label != "" {
		errs = append(errs, named("label", checkLabel(c.Label)))
	}
	if len(c.Allow) > 0 {
		errs = append(errs, fmt.Errorf("allow: '%s' is always the same connection; leave the line out, or write a name with a placeholder of requests, like {http.request.host.labels.2}", c.Name))
	}
	return errors.Join(errs...)
}

// checkDynamic refuses what would let the users of one connection pass as those of
// another one, and what is for the page that such a directive never shows.
func (c Connection) checkDynamic(connections int) error {
	switch rest := strings.ReplaceAll(c.Name, requestPlaceholder, ""); {
	case connections > 1:
		return fmt.Errorf("'%s' is another connection at every request, and the only one of its directive; give the others a directive and matcher of their own", c.Name)
	case strings.Contains(rest, "{env.") || strings.Contains(rest, "{file."): // of a Caddyfile, and known later
	case strings.Contains(rest, "{"):
		return fmt.Errorf("'%s' has a placeholder that requests do not have; write those that begin with '{http.'", c.Name)
	}
	switch {
	case len(c.Allow) == 0:
		return fmt.Errorf("'%s' depends on the request, and so on the client; add the names that it may come to: allow <name...>", c.Name)
	case c.Strategy == policy.StrategyAny:
		return errors.New("strategy: 'any' would let users of every connection in, at every host; choose one of: auto, auth0-oidc, oidc")
	case c.Label != "" || len(c.EmailDomains) > 0:
		return errors.New("'label' and 'email_domain' are for the page that lets users choose among several connections; leave them out here")
	}
	return errors.Join(named("strategy", checkStrategy(c.Strategy)), named("allow", checkAllowed(c.Allow)))
}

func checkAllowed(names []string) error {
	seen := make(map[string]bool)
	for _, name := range names {
		if !hasPlaceholder(name) {
			if err := checkConnection(name); err != nil {
				return err
			}
		}
		if seen[name] {
			return fmt.Errorf("'%s' is there twice; leave one of the two out", name)
		}
		seen[name] = true
	}
	return nil
}

// claimDomains notes whose the connection's domains are.
func (c Connection) claimDomains(owners map[string]string) error {
	for _, written := range c.EmailDomains {
		domain, err := policy.EmailDomain(written)
		if err != nil {
			return fmt.Errorf("email_domain: %w", err)
		}
		if owner, taken := owners[domain]; taken {
			return fmt.Errorf("email_domain: '%s' of '%s' leads to '%s' already; leave one of the two out", written, c.Name, owner)
		}
		owners[domain] = c.Name
	}
	return nil
}

// prepareConnections makes the connections that the requests are judged by.
func (h *Handler) prepareConnections() error {
	h.realms = make(map[string]string)
	for _, c := range h.Connections {
		if c.isDynamic() {
			h.dynamic = c.Name
		}
		for _, name := range c.names() {
			connection, err := policy.NewConnection(name, c.Strategy)
			if err != nil {
				return err
			}
			h.connections = append(h.connections, connection)
		}
		if err := c.claimDomains(h.realms); err != nil {
			return err
		}
	}
	if h.dynamic != "" || len(h.connections) < 2 {
		h.choice = ""
	}
	return nil
}

// choiceOf gives a text that tells directives apart by their connections and by what
// they protect. It stands in addresses, and is too short to tell what it was made of.
func choiceOf(all []Connection, protected caddyhttp.RawMatcherSets) (string, error) {
	written, err := json.Marshal([]any{all, protected})
	if err != nil {
		return "", fmt.Errorf("reading the connections: %w", err)
	}
	sum := sha256.Sum256(written)
	return base64.RawURLEncoding.EncodeToString(sum[:3]), nil
}

// connectionsFor gives the connections whose users may make this request: those that
// are configured, or the one that the request's placeholders come to, if it is allowed.
func (h *Handler) connectionsFor(r *http.Request) policy.Connections {
	if h.dynamic == "" {
		return h.connections
	}
	name := replacerOf(r).ReplaceAll(h.dynamic, "")
	for i := range h.connections {
		if h.connections[i].Name == name {
			return h.connections[i : i+1]
		}
	}
	return nil
}

// accepts tells whether a login of this request may go to the connection.
func (h *Handler) accepts(r *http.Request, connection string) bool {
	return h.connectionsFor(r).Has(connection)
}

// soleConnection gives the connection that a login of this request leads to without a
// choice, or nothing.
func (h *Handler) soleConnection(r *http.Request) string {
	if all := h.connectionsFor(r); len(all) == 1 {
		return all[0].Name
	}
	return ""
}

// unknownConnection is the refusal of a request whose placeholders come to a connection
// that is not allowed.
func unknownConnection() refusal {
	return refusal{code: codeUnknownConnection, status: http.StatusNotFound}
}
