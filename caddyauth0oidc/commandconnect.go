package caddyauth0oidc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
)

// connectFlags are the flags of connect.
type connectFlags struct {
	master, customDomain, child                string
	connection, strategy, scope                string
	clientID, appURL, appName                  string
	childClientID, childAppName                string
	childConnections                           []string
	tokenFile, childTokenFile, childSecretFile string
	envFile                                    string
	rotateSecret, yes, dryRun, json            bool
}

// newConnectCommand makes the command, which fills the flags.
func newConnectCommand(f *connectFlags) *cobra.Command {
	c := &cobra.Command{
		Use: "connect --master <domain> --child <domain> --connection <name> (--client-id <id> | --app-url <url>)", Args: noArguments,
		Short: "Sets up the connection to the child tenant, and the applications of both, through the Management API",
		Long:  connectHelp, Example: connectExamples,
		RunE: commandRun(func(ctx context.Context, s surroundings) (int, error) {
			return (&connect{connectFlags: f, surroundings: s}).run(ctx)
		}),
	}
	c.SetFlagErrorFunc(commandUsage)
	flags := c.Flags()
	flags.StringVar(&f.master, "master", "", "canonical `domain` of the master tenant, also if it has a custom one")
	flags.StringVar(&f.customDomain, "custom-domain", "", "the master's custom `domain`, if logins happen there")
	flags.StringVar(&f.child, "child", "", "canonical `domain` of the child tenant")
	flags.StringVar(&f.connection, "connection", "", "`name` of the connection in the master")
	flags.StringVar(&f.strategy, "strategy", management.StrategyOIDC, "oidc, or auth0-oidc, which Auth0 deprecated in August 2019")
	flags.StringVar(&f.scope, "scope", "openid profile email", "what the connection asks the child for")
	flags.StringVar(&f.clientID, "client-id", "", "client `id` of the master's application, if it exists")
	flags.StringVar(&f.appURL, "app-url", "", "`url` of the site, like https://app.example.com")
	flags.StringVar(&f.appName, "app-name", "", "`name` of the master's application without --client-id (default: the site's host)")
	flags.StringVar(&f.childClientID, "child-client-id", "", "client `id` of the child's application, if it exists")
	flags.StringVar(&f.childAppName, "child-app-name", "", "`name` of the child's application without --child-client-id "+
		"(default: \"<connection> at <master>\")")
	flags.StringSliceVar(&f.childConnections, "child-connection", nil, "`name` of a connection of the child that its application "+
		"may use; may be repeated")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with a token for the master's Management API")
	flags.StringVar(&f.childTokenFile, "child-token-file", "", "`file` with a token for the child's Management API")
	flags.StringVar(&f.childSecretFile, "child-client-secret-file", "", "`file` with the client secret of the child's application")
	flags.StringVar(&f.envFile, "env-file", "", "`file` to write the site's settings to; other lines in it, its mode and its "+
		"owner are kept, and a new one is for its owner alone")
	flags.BoolVar(&f.rotateSecret, "rotate-secret", false, "write the child's client secret also where the stored one cannot be compared")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the plan and end")
	flags.BoolVar(&f.json, "json", false, "write one JSON object to the standard output")
	completeFiles(c, "token-file", "child-token-file", "child-client-secret-file", "env-file")
	completeOneOf(c, "strategy", management.StrategyOIDC, management.StrategyAuth0)
	completeOneOf(c, "scope", "openid profile email")
	completeNothing(c, "master", "custom-domain", "child", "client-id", "app-url", "app-name", "child-client-id", "child-app-name")
	complete(c, completeConnections, "connection")
	completeOneOf(c, "child-connection", "Username-Password-Authentication")
	return c
}

// connect is one run of the command.
type connect struct {
	*connectFlags
	surroundings

	desired      management.Desired
	masterTenant management.Tenant
	childTenant  *management.Tenant // nil without a token for it
	report       connectReport
}

// Outcomes of a run in its report.
const (
	outcomeNothing     = "nothing_to_do"
	outcomeDone        = "done"
	outcomeDryRun      = "dry_run"
	outcomeUnconfirmed = "unconfirmed"
	outcomeFailed      = "failed"
	outcomeUsage       = "usage"
)

var (
	errConnectFailed      = errors.New("the tenants were not connected")
	errConnectUnconfirmed = errors.New("nothing was changed, because nobody agreed to the plan")
	errNoTerminal         = errors.New("nobody can be asked here: look at the plan, and run it with --yes")
	errChangedMeanwhile   = errors.New("the tenants have changed since the plan was shown: run the command again")
)

func (c *connect) run(ctx context.Context) (int, error) {
	code, err := c.settle(ctx)
	if reporting := c.write(code, err); reporting != nil && err == nil {
		return c.failedCode(), reporting
	}
	return code, err
}

// failedCode is for failures after which nothing is taken back.
func (c *connect) failedCode() int {
	if len(c.report.Outcomes.Done) > 0 {
		return exitRemains
	}
	return exitFailed
}

// settle has the three parts of a run: what is wanted, what there is, and the changes.
func (c *connect) settle(ctx context.Context) (int, error) {
	c.report.Outcome = outcomeUsage
	err := c.prepare()
	if err == nil {
		err = checkEnvFile(c.envFile)
	}
	if err != nil {
		return exitUsage, err
	}
	c.report.Outcome = outcomeFailed
	plan, err := c.plan(ctx)
	if err != nil {
		return c.fail(err)
	}
	c.report.Plan, c.report.ByHand = plan, plan.ByHand()
	c.show(plan)
	outcome := management.Outcome{}
	if plan.Pending() > 0 {
		if c.dryRun {
			c.report.Outcome = outcomeDryRun
			return exitDone, nil
		}
		if plan, err = c.agreed(ctx, plan); err != nil {
			return c.unconfirmed(err)
		}
	}
	outcome, err = plan.Apply(ctx, c.masterTenant, c.childTenant, c.say)
	c.report.Outcomes = outcome
	if err != nil {
		return c.fail(err)
	}
	return c.finish(plan, outcome)
}

func (c *connect) plan(ctx context.Context) (*management.Plan, error) {
	c.hint("looking at what is in the %s", plural(c.tenants(), "master", "master and the child"))
	found, err := management.Survey(ctx, c.desired, c.masterTenant, c.childTenant)
	if err != nil {
		return nil, err
	}
	return management.NewPlan(c.desired, found)
}

// tenants are those that can be asked.
func (c *connect) tenants() int {
	if c.childTenant == nil {
		return 1
	}
	return 2
}

// agreed asks, and then looks again, because time has passed.
func (c *connect) agreed(ctx context.Context, plan *management.Plan) (*management.Plan, error) {
	if c.yes {
		return plan, nil
	}
	if !c.terminal {
		return nil, errNoTerminal
	}
	_, _ = fmt.Fprint(c.err, "\nDo this? Only \"yes\" will: ")
	if answer, err := c.answer(ctx); err != nil || answer != "yes" {
		return nil, errors.Join(errConnectUnconfirmed, err)
	}
	again, err := c.plan(ctx)
	if err == nil && !plan.Same(again) {
		err = errChangedMeanwhile
	}
	return again, err
}

// answer reads a line, or ends with the context and leaves the reader behind, as the process ends then.
func (c *connect) answer(ctx context.Context) (string, error) {
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(io.LimitReader(c.in, 1<<10)).ReadString('\n')
		line <- strings.TrimSpace(text)
	}()
	select {
	case text := <-line:
		return text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (c *connect) unconfirmed(err error) (int, error) {
	if !errors.Is(err, errNoTerminal) && !errors.Is(err, errConnectUnconfirmed) {
		return c.fail(err)
	}
	c.report.Outcome = outcomeUnconfirmed
	return exitUnconfirmed, err
}

// fail keeps the explanation for the report. The error itself is short, because Caddy logs it.
func (c *connect) fail(err error) (int, error) {
	c.report.Error = management.Explain(err)
	if len(c.report.Outcomes.Remains) > 0 {
		return exitRemains, fmt.Errorf("%w, and not everything could be taken back", errConnectFailed)
	}
	return exitFailed, errConnectFailed
}

// finish writes what the site needs.
func (c *connect) finish(plan *management.Plan, outcome management.Outcome) (int, error) {
	c.report.Outcome = outcomeDone
	if plan.Pending() == 0 {
		c.report.Outcome = outcomeNothing
	}
	c.report.Caddyfile = c.caddyfile(outcome)
	if c.envFile == "" || c.dryRun {
		return exitDone, nil
	}
	written, err := writeEnvFile(c.envFile, c.environment(outcome))
	if err != nil {
		c.report.Error = "The tenants are connected, but the file could not be written: " + err.Error() +
			". Run the command again when it can."
		c.report.Outcome = outcomeFailed
		return c.failedCode(), err
	}
	if written.warning != "" {
		c.warn(written.warning)
	}
	c.report.EnvFile, c.report.EnvFileChanged = c.envFile, written.changed
	return exitDone, nil
}

func (c *connect) say(text string) {
	for line := range strings.Lines(text + "\n") {
		_, _ = fmt.Fprintln(c.err, visible(strings.TrimSuffix(line, "\n")))
	}
}

// limited is told to the operator while a rate limit is waited for.
func (c *connect) limited(doing string, d time.Duration) {
	c.say(fmt.Sprintf("%s: the tenant limits its requests, going on in %s", doing, d.Round(time.Second)))
}
