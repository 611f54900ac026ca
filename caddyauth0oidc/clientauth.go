package caddyauth0oidc

import (
	"cmp"
	"errors"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// ClientAssertion says with which key the module authenticates at the tenant
// (private_key_jwt of OpenID Connect Core 1.0 section 9), in place of a secret. The
// public half is registered with the application.
// See https://auth0.com/docs/get-started/authentication-and-authorization-flow/authenticate-with-private-key-jwt.
type ClientAssertion struct {
	// KeyFile is the path of a PEM file with the private key, not encrypted: RSA of
	// at least 2048 bits, P-256 or P-384. When the file changes, the new key is used
	// from the next assertion on; one that cannot be used is logged, and the key
	// before it goes on. Placeholders are resolved when the configuration is loaded.
	// Required.
	KeyFile string `json:"key_file,omitempty"`

	// Algorithm is the one that is registered with the public key: `RS256`, `RS384`
	// or `PS256` for RSA, `ES256` for P-256, `ES384` for P-384. Default: `RS256`,
	// `ES256` or `ES384`, as the key is.
	Algorithm string `json:"algorithm,omitempty"`

	// KeyID is the id of the public key at the tenant, sent as `kid`. Leave it out to
	// replace the key without changing the configuration. Placeholders are resolved
	// when the configuration is loaded. Default: none.
	KeyID string `json:"key_id,omitempty"`
}

// parseClientSecret reads one line:
//
//	client_secret <secret> [<next secret>]
func (h *Handler) parseClientSecret(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.Errf("'client_secret' needs one value, or two with the next secret, not %d", len(args))
	}
	for _, arg := range args {
		if err := checkNotEmpty(arg); err != nil {
			return d.Errf("client_secret: %w", err)
		}
	}
	h.ClientSecret, h.NextClientSecret = args[0], strings.Join(args[1:], "")
	return nil
}

// parseClientAssertion reads one line:
//
//	client_assertion <pem file> [<algorithm>] [<key id>]
func (h *Handler) parseClientAssertion(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 3 {
		return d.Errf("'client_assertion' needs the path of a key, and may have an algorithm and a key id behind it, not %d values", len(args))
	}
	a := &ClientAssertion{KeyFile: args[0]}
	if len(args) > 1 {
		a.Algorithm = args[1]
	}
	if len(args) > 2 {
		a.KeyID = args[2]
	}
	for _, arg := range args {
		if err := checkNotEmpty(arg); err != nil {
			return d.Errf("client_assertion: %w", err)
		}
	}
	if err := a.check(); err != nil {
		return d.Errf("client_assertion: %w", err)
	}
	h.ClientAssertion = a
	return nil
}

// resolve replaces the placeholders.
func (a *ClientAssertion) resolve(replace func(setting string, value *string) error) error {
	if a == nil {
		return nil
	}
	return errors.Join(replace("client_assertion", &a.KeyFile), replace("client_assertion key id", &a.KeyID))
}

// check judges all but the key itself, which is read when the configuration is loaded.
func (a *ClientAssertion) check() error {
	if !hasPlaceholder(a.KeyFile) {
		if err := tenant.CheckKeyFile(a.KeyFile); err != nil {
			return err
		}
	}
	if strings.ContainsFunc(a.KeyID, unicode.IsControl) {
		return errors.New("the key id has control characters; write it as the tenant shows it")
	}
	if a.Algorithm == "" {
		return nil
	}
	return oneOf(a.Algorithm, tenant.AssertionAlgorithms())
}

func checkClientAuth(method string) error {
	return oneOf(method, []string{tenant.AuthPost, tenant.AuthBasic})
}

// inheritClient parses a block whose client_secret, client_assertion or client_certificate
// takes the place of any of the preset's. What belongs to a secret goes with it.
func (h *Handler) inheritClient(parse func() error) error {
	secret, next, method := h.ClientSecret, h.NextClientSecret, h.ClientAuth
	assertion, certificate := h.ClientAssertion, h.ClientCertificate
	h.ClientSecret, h.NextClientSecret, h.ClientAuth, h.ClientAssertion, h.ClientCertificate = "", "", "", nil, nil
	if err := parse(); err != nil {
		return err
	}
	if h.ClientSecret == "" && !h.hasNoSecret() {
		h.ClientSecret, h.NextClientSecret = secret, next
		h.ClientAssertion, h.ClientCertificate = assertion, certificate
	}
	if !h.hasNoSecret() {
		h.ClientAuth = cmp.Or(h.ClientAuth, method)
	}
	return nil
}

// checkClient compares the settings with which the module authenticates.
func (h *Handler) checkClient() error {
	switch {
	case h.hasNoSecret():
		return h.checkInPlaceOfSecret()
	case h.NextClientSecret != "" && h.ClientSecret == "":
		return errors.New("next_client_secret: there is no client_secret before it; write that first")
	case h.ClientSecret != "" && checkNotEmpty(h.ClientSecret) != nil:
		return named("client_secret", checkNotEmpty(h.ClientSecret))
	}
	return named("client_auth", checkClientAuth(h.ClientAuth))
}

// hasNoSecret tells whether something takes the place of a secret.
func (h *Handler) hasNoSecret() bool { return h.ClientAssertion != nil || h.ClientCertificate != nil }

// checkInPlaceOfSecret judges client_assertion or client_certificate, whichever there is.
func (h *Handler) checkInPlaceOfSecret() error {
	switch {
	case h.ClientCertificate != nil && h.ClientAssertion != nil:
		return errors.New("client_certificate: it takes the place of 'client_assertion'; keep one of the two")
	case h.ClientCertificate != nil:
		return named("client_certificate", errors.Join(h.checkNoSecret(), h.ClientCertificate.check()))
	case h.ClientAssertion != nil:
		return named("client_assertion", errors.Join(h.checkNoSecret(), h.ClientAssertion.check()))
	}
	return nil
}

func (h *Handler) checkNoSecret() error {
	switch {
	case h.ClientSecret != "" || h.NextClientSecret != "":
		return errors.New("it takes the place of 'client_secret'; keep one of the two")
	case h.ClientAuth != "":
		return errors.New("'client_auth' says how a 'client_secret' is sent, and there is none; leave it out")
	}
	return nil
}

// newApplication reads the files of client_assertion or client_certificate, if there are any.
func (h *Handler) newApplication(issuer string, by passage) (app tenant.Application, err error) {
	app = tenant.Application{
		ClientID: h.ClientID, ClientSecret: tenant.Secret(h.ClientSecret), NextClientSecret: tenant.Secret(h.NextClientSecret),
		Method: h.ClientAuth, Warn: func(message string) { h.logger.Warn(message) },
	}
	if a := h.ClientAssertion; a != nil {
		key, err := tenant.NewAssertionKey(tenant.KeyConfig{File: a.KeyFile, Algorithm: a.Algorithm, KeyID: a.KeyID}, issuer, h.ClientID, h.now())
		if err != nil {
			return app, named("client_assertion", err)
		}
		app.Key = key
	}
	app.Certificate, err = h.ClientCertificate.load(h, by)
	return app, err
}
