package caddyauth0oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// exitEnded is the exit code of inspect for a session that opens and is over.
const exitEnded = 3

const inspectHelp = `
Opens the cookie of a session with your secret, and shows what is in it and when it
ends; or says why it does not open. It asks nobody, and changes nothing.

The cookie is read from the standard input or a file, never from the command line, where
other users and the shell's history see it. It may be a Cookie header, a curl command as
browsers copy it, or the value of one cookie. A terminal passes 4095 bytes of a line on:
give longer ones in a file. Whoever has the cookie is signed in as its user; delete it.

The secret comes from --secret-file, or else from where the directive of the
configuration has it: the setting secret, or Caddy's storage. The file has one secret in
each line, or is a copy of auth0_oidc/secrets.json of Caddy's storage. Variables of the
server's environment that the configuration refers to have to be set here, too. Without
a configuration, --issuer, --client-id and --secret-file say all that is needed.

Of tokens in the cookie beside it (-t) it only says that they are there, and when they
end. Claims about the user are shown with --claims only; no secret and no token ever is.
A state parameter, or a callback's address that has one, is opened as well.

It cannot know whether a session was ended by a logout or an order, which the running
servers know, and does not ask whether the rules of the directive still accept it: its
connections, its organization, what it wants of sign-ins.

Exit codes:
  0  it opens, and the session is alive
  1  it does not open; the message says why, as far as that can be told
  2  the flags, the configuration, the secret or the input are not as they should be
  3  it opens, and the session is over`

const inspectExamples = `  # paste the header Cookie of the browser's tools, then Ctrl-D
  caddy auth0-oidc inspect --config /etc/caddy/Caddyfile --site app.example.com

  # from a file, for a program
  caddy auth0-oidc inspect --config /etc/caddy/Caddyfile --cookie-file cookie.txt --json

  # without the configuration
  caddy auth0-oidc inspect --issuer https://acme.eu.auth0.com/ --client-id APP_CLIENT_ID --secret-file secret < cookie.txt`

// inspectFlags are the flags of inspect.
type inspectFlags struct {
	config, adapter, site        string
	secretFile, cookieFile       string
	issuer, clientID, cookieName string
	claims, json                 bool
}

func newInspectCommand(f *inspectFlags) *cobra.Command {
	c := &cobra.Command{
		Use: "inspect [--config <file>] [--site <host>] [--secret-file <file>]", Args: noCookieArgument,
		Short: "Shows what is in a session's cookie, or why it does not open",
		Long:  inspectHelp, Example: inspectExamples,
		RunE: commandRunAtOnce(func(ctx context.Context, s surroundings) (int, error) {
			return (&inspect{inspectFlags: f, surroundings: s}).run(ctx)
		}),
	}
	c.SetFlagErrorFunc(commandUsage)
	flags := c.Flags()
	flags.StringVarP(&f.config, "config", "c", "", "configuration `file` (default: the Caddyfile of this folder)")
	flags.StringVarP(&f.adapter, "adapter", "a", "", "`name` of the configuration's adapter")
	flags.StringVar(&f.site, "site", "", "`host` of the site whose cookie it is (default: all are tried)")
	flags.StringVar(&f.secretFile, "secret-file", "", "`file` with the secrets, the current one first, or a copy of Caddy's secrets.json")
	flags.StringVar(&f.cookieFile, "cookie-file", "", "`file` with the cookie (default: the standard input)")
	flags.StringVar(&f.issuer, "issuer", "", "`url` of the issuer, or the tenant's domain, in place of a configuration")
	flags.StringVar(&f.clientID, "client-id", "", "client `id`, in place of a configuration")
	flags.StringVar(&f.cookieName, "cookie-name", "", "`name` of the cookie, in place of a configuration (default: "+defaultCookieName+")")
	flags.BoolVar(&f.claims, "claims", false, "show the claims about the user, too")
	flags.BoolVar(&f.json, "json", false, "write one JSON object to the standard output")
	completeFiles(c, "config", "secret-file", "cookie-file")
	completeNothing(c, "issuer", "client-id", "cookie-name")
	completeOneOf(c, "adapter", "caddyfile")
	complete(c, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return configuredHosts(f.config, f.adapter)
	}, "site")
	return c
}

// noCookieArgument does not repeat what it refuses.
func noCookieArgument(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return commandUsage(c, errors.New("a cookie does not belong on the command line, where other users and the shell's history see it: "+
		"give it on the standard input or in a file, --cookie-file"))
}

// inspect is one run of the command.
type inspect struct {
	*inspectFlags
	surroundings
	openers []*opener
	report  inspection
}

var errNotOpened = errors.New("the cookie does not open")

func (i *inspect) run(ctx context.Context) (int, error) {
	code, err := i.look(ctx)
	if writing := i.write(code, err); writing != nil && err == nil {
		return exitFailed, writing
	}
	return code, err
}

func (i *inspect) look(ctx context.Context) (int, error) {
	if err := i.prepare(ctx); err != nil {
		return exitUsage, err
	}
	in, err := i.read()
	if err != nil {
		return exitUsage, err
	}
	if in.state != "" {
		return i.openState(in.state)
	}
	i.openBest(in)
	switch {
	case !i.report.Opened:
		return exitFailed, errNotOpened
	case i.report.Session != nil && !i.report.Session.Alive:
		return exitEnded, errors.New("the session is over: " + i.report.Session.Over)
	}
	return exitDone, nil
}

// prepare judges the flags, and makes what opens cookies.
func (i *inspect) prepare(ctx context.Context) error {
	sites, config, err := i.sites()
	if err != nil {
		return err
	}
	var fromFile *secretsFound
	if i.secretFile != "" {
		found, err := i.secretsOfFile()
		if err != nil {
			return fmt.Errorf("--secret-file: %w", err)
		}
		fromFile = &found
	}
	for _, site := range sites {
		h, err := site.reduced()
		if err != nil {
			return fmt.Errorf("%s: %w", site.name, err)
		}
		found, err := i.secretsOf(ctx, h, config, fromFile)
		if err != nil {
			return fmt.Errorf("%s: %w", site.name, err)
		}
		o, err := h.opener(site.name, found)
		if err != nil {
			return fmt.Errorf("%s: %w", site.name, err)
		}
		i.openers = append(i.openers, o)
	}
	return nil
}

func (i *inspect) secretsOf(ctx context.Context, h *Handler, config []byte, fromFile *secretsFound) (secretsFound, error) {
	switch {
	case fromFile != nil:
		return *fromFile, nil
	case len(h.Secrets) > 0:
		return secretsWritten(h.Secrets), nil
	}
	return storedSecrets(ctx, config, i.now())
}

// sites gives the directives of the configuration, or the one that the flags describe.
func (i *inspect) sites() ([]inspectedSite, []byte, error) {
	if i.issuer != "" || i.clientID != "" || i.cookieName != "" {
		site, err := i.described()
		return []inspectedSite{site}, nil, err
	}
	config, err := loadConfiguration(i.config, i.adapter)
	if err != nil {
		return nil, nil, err
	}
	all, err := configuredDirectives(config)
	if err != nil {
		return nil, nil, err
	}
	var sites []inspectedSite
	for _, site := range all {
		if i.site == "" || site.called(i.site) {
			sites = append(sites, site)
		}
	}
	if len(sites) == 0 {
		return nil, nil, fmt.Errorf("the configuration has no directive %s for this", directive)
	}
	return sites, config, nil
}

func (i *inspect) described() (inspectedSite, error) {
	if i.config != "" || i.site != "" {
		return inspectedSite{}, errors.New("--issuer, --client-id and --cookie-name take the place of --config and --site")
	}
	if i.issuer == "" || i.clientID == "" || i.secretFile == "" {
		return inspectedSite{}, errors.New("--issuer, --client-id and --secret-file belong together")
	}
	name := strings.TrimSuffix(strings.TrimPrefix(i.cookieName, "__Host-"), session.TokensName(""))
	h := &Handler{ClientID: i.clientID, Session: &Session{Cookie: &Cookie{Name: name}}}
	if err := checkIssuer(i.issuer); err == nil {
		h.Issuer = i.issuer
	} else if err := checkDomain(i.issuer); err != nil {
		return inspectedSite{}, fmt.Errorf("--issuer: %w", err)
	} else {
		h.Domain = i.issuer
	}
	i.report.note("there is no configuration: the idle and the absolute limit are the defaults")
	return inspectedSite{handler: h, name: "the flags"}, nil
}

func (i *inspect) secretsOfFile() (secretsFound, error) {
	text, open, err := readLimited(i.secretFile, maxSecretFile)
	if err != nil {
		return secretsFound{}, err
	}
	if open {
		i.report.note(i.secretFile + " can be read by others: chmod 600 it")
	}
	found, err := secretsIn(string(text), i.now())
	if err != nil {
		return secretsFound{}, fmt.Errorf("%s: %w", i.secretFile, err)
	}
	return found, nil
}

// read takes the cookie from where it is.
func (i *inspect) read() (cookieInput, error) {
	var text []byte
	var err error
	if i.cookieFile != "" {
		text, _, err = readLimited(i.cookieFile, maxCookieInput)
	} else {
		if i.terminal {
			i.hint("Paste the header Cookie, then press Enter and Ctrl-D:")
		}
		text, err = io.ReadAll(io.LimitReader(i.in, maxCookieInput+1))
	}
	if err != nil {
		return cookieInput{}, fmt.Errorf("reading the cookie: %w", err)
	}
	if len(text) > maxCookieInput {
		return cookieInput{}, errors.New("reading the cookie: the input is larger than any browser's cookies")
	}
	if strings.TrimSpace(string(text)) == "" {
		return cookieInput{}, errors.New("reading the cookie: there is nothing to read")
	}
	in := readCookieInput(string(text), i.terminal && i.cookieFile == "")
	if in.cut {
		i.report.note("a line is as long as terminals pass on, its end may be missing: give it in a file")
	}
	return in, nil
}

// openState opens a state parameter, which any of the directives may have sealed.
func (i *inspect) openState(text string) (int, error) {
	for _, o := range i.openers {
		if state, ok := o.ring.OpenState(text); ok {
			i.report.Kind, i.report.Opened, i.report.Site = "state", true, o.site
			i.report.State = shownState(state)
			return exitDone, nil
		}
	}
	i.report.Kind, i.report.Reason = "state", "not_opened"
	i.report.Why = "It is no state that these secrets have sealed for this issuer and client, or it was altered or cut."
	return exitFailed, errors.New("the state does not open")
}

// limitsShown say by which limit a session is over.
var limitsShown = map[session.Limit]string{
	session.IdleLimit:     "it was not used for longer than the idle limit",
	session.AbsoluteLimit: "the absolute limit is reached",
	session.MaxAgeLimit:   "the sign-in at Auth0 is older than max_age",
	session.CeilingLimit:  "Auth0's own limit, session_expiry, is reached",
	session.FutureLimit:   "it is of the future, so a clock is wrong",
}
