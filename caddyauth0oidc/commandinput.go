package caddyauth0oidc

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// managementTimeout is longer than a login may take, because writing options makes Auth0 ask the child.
const managementTimeout = 20 * time.Second

// maxSecretFile limits files of tokens and secrets.
const maxSecretFile = 64 << 10

// othersRead are the bits of a file's mode that let others than its owner read it.
const othersRead = 0o044

// prepare judges the flags and reads the secrets.
func (c *connect) prepare() error {
	if err := c.judgeFlags(); err != nil {
		return err
	}
	base, err := baseOf("--master", c.master)
	if err != nil {
		return err
	}
	childBase, err := baseOf("--child", c.child)
	if err != nil {
		return err
	}
	if base == childBase {
		return errors.New("--master and --child are the same tenant")
	}
	loginBase := base
	if c.customDomain != "" {
		if loginBase, err = baseOf("--custom-domain", c.customDomain); err != nil {
			return err
		}
	}
	secret, err := c.secret(c.childSecretFile, "AUTH0_CHILD_CLIENT_SECRET")
	if err != nil {
		return err
	}
	if err := c.reach(base, childBase); err != nil {
		return err
	}
	return c.describe(base, loginBase, childBase, secret)
}

func (c *connect) judgeFlags() error {
	switch {
	case c.master == "" || c.child == "" || c.connection == "":
		return errors.New("--master, --child and --connection are required; see --help")
	case c.clientID == "" && c.appURL == "":
		return errors.New("write --client-id for an application that exists, or --app-url for a new one")
	case c.dryRun && c.yes:
		return errors.New("--dry-run and --yes do not go together")
	}
	return nil
}

// baseOf gives a tenant's address from the domain in a flag.
func baseOf(flag, domain string) (string, error) {
	base, err := tenant.IssuerOf(domain)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	return base, nil
}

// describe says what shall be.
func (c *connect) describe(base, loginBase, childBase, secret string) error {
	c.desired = management.Desired{
		Strategy: c.strategy, Connection: c.connection, Scope: c.scope, LoginBase: loginBase, ChildBase: childBase,
		ChildSecret: secret, RotateSecret: c.rotateSecret, ChildConnections: c.childConnections,
		App:      management.DesiredApplication{ClientID: c.clientID, Name: c.appName},
		ChildApp: management.DesiredApplication{ClientID: c.childClientID, Name: c.childAppName},
	}
	if c.appURL != "" {
		site, err := parseOrigin(c.appURL)
		if err == nil {
			_, err = tenant.IssuerOf(site.String()) // which has the rule for plain http, too
		}
		if err != nil {
			return fmt.Errorf("--app-url: %w", err)
		}
		c.desired.AppURL = site.String()
		if c.appName == "" {
			c.desired.App.Name = site.host
		}
	}
	if c.childAppName == "" {
		c.desired.ChildApp.Name = c.connection + " at " + hostOfBase(base)
	}
	return errors.Join(c.judgeChild(secret), c.desired.Validate())
}

// judgeChild says what is missing where the child itself cannot be asked.
func (c *connect) judgeChild(secret string) error {
	switch {
	case c.childClientID == "" && secret != "":
		return errors.New("the child's client secret is given without --child-client-id")
	case c.childTenant != nil:
		return nil
	case c.childClientID == "":
		return errors.New("write --child-client-id and give its secret, or give a token for the child; see --help")
	case len(c.childConnections) > 0:
		return errors.New("--child-connection needs a token for the child; see --help")
	}
	return nil
}

// reach makes the clients of the Management APIs. The child's is optional.
func (c *connect) reach(base, childBase string) error {
	master, err := c.access("master", base, c.tokenFile, "AUTH0_MANAGEMENT")
	if err != nil {
		return err
	}
	if master == nil {
		return errors.New("there is no token for the master: set AUTH0_MANAGEMENT_TOKEN, or AUTH0_MANAGEMENT_CLIENT_ID and " +
			"AUTH0_MANAGEMENT_CLIENT_SECRET, or write --token-file")
	}
	c.masterTenant = *master
	c.childTenant, err = c.access("child", childBase, c.childTokenFile, "AUTH0_CHILD_MANAGEMENT")
	return err
}

// access is nil without any credentials.
func (c *connect) access(name, base, file, prefix string) (*management.Tenant, error) {
	config := management.Config{Base: base, Transport: c.transport, Timeout: managementTimeout, Now: c.now}
	var err error
	if config.Token, err = c.secret(file, prefix+"_TOKEN"); err != nil {
		return nil, err
	}
	if config.Token == "" {
		config.ClientID, config.ClientSecret = c.getenv(prefix+"_CLIENT_ID"), c.getenv(prefix+"_CLIENT_SECRET")
		if config.ClientID == "" && config.ClientSecret == "" {
			return nil, nil
		}
		if config.ClientID == "" || config.ClientSecret == "" {
			return nil, fmt.Errorf("%s_CLIENT_ID and %s_CLIENT_SECRET belong together, and one of them is empty", prefix, prefix)
		}
	}
	client, err := management.New(config)
	if err != nil {
		return nil, err
	}
	return &management.Tenant{Name: name, Client: client, Patience: management.Patience{Wait: c.wait, Progress: c.limited}}, nil
}

// secret reads a file, or the environment if none is named.
func (c *connect) secret(file, variable string) (string, error) {
	if file == "" {
		return oneLine(c.getenv(variable), variable)
	}
	f, err := os.Open(file) // #nosec G304 -- the operator names it
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&othersRead != 0 {
		c.warn(file + " can be read by others: chmod 600 it")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	if strings.TrimSpace(string(text)) == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return oneLine(string(text), file)
}

// oneLine refuses what no header could carry, without showing it.
func oneLine(text, where string) (string, error) {
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s has more than one secret in it, or characters that a secret cannot have", where)
	}
	return text, nil
}

func (c *connect) warn(text string) {
	c.report.Warnings = append(c.report.Warnings, text)
	c.say("warning: " + text)
}

func hostOfBase(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}
