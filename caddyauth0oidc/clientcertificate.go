package caddyauth0oidc

import (
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// ClientCertificate says with which certificate the module authenticates at the tenant
// (mutual TLS, RFC 8705 section 2), in place of a secret. It is registered with the
// application. It is presented at the token endpoint and where requests are pushed to,
// and nowhere else; `mtls_endpoint_aliases` of the discovery document say where they
// are, if they are other ones. Both files are read again when one of them changes; what
// cannot be used then is logged, and the certificate before it goes on.
// See https://auth0.com/docs/get-started/authentication-and-authorization-flow/authenticate-with-mtls.
type ClientCertificate struct {
	// CertificateFile is the path of a PEM file with the certificate and, behind it,
	// those that lead to its authority, if the tenant's edge needs them. Placeholders
	// are resolved when the configuration is loaded. Required.
	CertificateFile string `json:"certificate_file,omitempty"`

	// KeyFile is the path of a PEM file with its private key, not encrypted: RSA of at
	// least 2048 bits, P-256 or P-384. Placeholders are resolved when the configuration
	// is loaded. Required.
	KeyFile string `json:"key_file,omitempty"`
}

// parseClientCertificate reads one line:
//
//	client_certificate <certificate pem file> <key pem file>
func (h *Handler) parseClientCertificate(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return d.Errf("'client_certificate' needs two values, the path of the certificate and that of its key, not %d", len(args))
	}
	c := &ClientCertificate{CertificateFile: args[0], KeyFile: args[1]}
	if err := c.check(); err != nil {
		return d.Errf("client_certificate: %w", err)
	}
	h.ClientCertificate = c
	return nil
}

// resolve replaces the placeholders.
func (c *ClientCertificate) resolve(replace func(setting string, value *string) error) error {
	if c == nil {
		return nil
	}
	return errors.Join(replace("client_certificate", &c.CertificateFile), replace("client_certificate key", &c.KeyFile))
}

// check judges the paths. The files are read when the configuration is loaded.
func (c *ClientCertificate) check() error {
	if !hasPlaceholder(c.CertificateFile) {
		if err := tenant.CheckCertificateFile(c.CertificateFile); err != nil {
			return err
		}
	}
	if hasPlaceholder(c.KeyFile) {
		return nil
	}
	return tenant.CheckKeyFile(c.KeyFile)
}

// load reads the files and prepares the connections on which they are presented.
func (c *ClientCertificate) load(h *Handler, by passage) (*tenant.ClientCertificate, error) {
	if c == nil {
		return nil, nil
	}
	loaded, err := tenant.NewClientCertificate(tenant.CertificateConfig{
		File: c.CertificateFile, KeyFile: c.KeyFile, Egress: by.Egress,
		Now:  func() time.Time { return h.now() },
		Warn: func(message string) { h.logger.Warn(message) },
	})
	return loaded, named("client_certificate", err)
}
