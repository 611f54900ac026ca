package caddyauth0oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	config, adapter string
	envFiles        []string
	site            string
	master, child   string
	json, verbose   bool
	explain         string // in place of an examination
}

// newDoctorCommand makes the command, which fills the flags.
func newDoctorCommand(f *doctorFlags) *cobra.Command {
	var c *cobra.Command
	c = &cobra.Command{
		Use: "doctor [--config <file>] [--envfile <file>] [--site <host>] [--json] | doctor --explain <error>", Args: noArguments,
		Short: "Finds out why logins do not work, or soon will not, with causes and remedies",
		Long:  doctorHelp, Example: doctorExamples,
		RunE: caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
			ctx, stop := signal.NotifyContext(context.Background(), endings()...)
			defer stop()
			if c.Flags().Changed("explain") {
				return f.explains(processSurroundings())
			}
			return newExamination(f, processSurroundings()).run(ctx)
		}),
	}
	c.SetFlagErrorFunc(commandUsage)
	flags := c.Flags()
	flags.StringVarP(&f.config, "config", "c", "", "configuration `file` (default: Caddyfile in this folder)")
	flags.StringVarP(&f.adapter, "adapter", "a", "", "`name` of the configuration's adapter")
	flags.StringSliceVar(&f.envFiles, "envfile", nil, "`file` with environment variables, as for caddy run; may be repeated")
	flags.StringVar(&f.site, "site", "", "examine the site with this `host` only")
	flags.StringVar(&f.master, "master", "", "canonical `domain` of the master tenant (default: management domain, or domain)")
	flags.StringVar(&f.child, "child", "", "canonical `domain` of the child tenant (default: child domain of the connection)")
	flags.BoolVar(&f.json, "json", false, "write one JSON object to the standard output")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show what is as it shall be, too")
	flags.StringVar(&f.explain, "explain", "", "explain an `error`: a code, a description, a log event type, the address of a callback; - reads it")
	completeFiles(c, "config", "envfile")
	completeOneOf(c, "adapter", "caddyfile")
	completeNothing(c, "master", "child", "explain")
	complete(c, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return configuredHosts(f.config, f.adapter)
	}, "site")
	return c
}

// examination is one run of the command.
type examination struct {
	*doctorFlags
	surroundings
	egress func(tenant.Egress) http.RoundTripper
	colour bool
	width  int // of lines on the standard output
}

func newExamination(f *doctorFlags, s surroundings) *examination {
	e := &examination{
		doctorFlags: f, surroundings: s, egress: func(e tenant.Egress) http.RoundTripper { return tenant.NewTransport(e) },
		width: usualWidth,
	}
	if out := int(os.Stdout.Fd()); term.IsTerminal(out) {
		e.colour = s.getenv("NO_COLOR") == "" && s.getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(out); err == nil {
			e.width = min(max(width, 40), 2*usualWidth)
		}
	}
	return e
}

var (
	errDoctorErrors   = errors.New("the doctor has found errors")
	errDoctorWarnings = errors.New("the doctor has found nothing worse than warnings")
	errInterrupted    = errors.New("interrupted before everything was looked at")
)

// Outcomes of an examination in its report.
const (
	outcomeHealthy  = "healthy"
	outcomeWarnings = "warnings"
	outcomeErrors   = "errors"
)

func (e *examination) run(ctx context.Context) (int, error) {
	report := doctorReport{Outcome: outcomeFailed, Findings: []doctor.Finding{}}
	code, err := e.examine(ctx, &report)
	if code == exitUsage {
		report.Outcome = outcomeUsage
	}
	report.ExitCode = code
	if err != nil && (code == exitFailed || code == exitUsage) {
		report.Error = err.Error()
	}
	if writing := e.write(&report); writing != nil && err == nil {
		return exitFailed, fmt.Errorf("writing the report: %w", writing)
	}
	return code, err
}

func (e *examination) examine(ctx context.Context, report *doctorReport) (int, error) {
	config, err := e.load()
	if err != nil {
		return exitUsage, err
	}
	maker := &siteMaker{ctx: ctx, now: e.now, transport: e.egress, made: make(map[string]*doctor.Site)}
	if config.fault != nil {
		maker.faults = append(maker.faults, doctor.Unloadable("", doctor.CodeConfigInvalid, config.fault))
	}
	if err := e.choose(maker, config.directives); err != nil {
		return exitUsage, err
	}
	defer maker.end()
	report.Findings = append(report.Findings, maker.faults...)
	if err := e.oneOwner(maker.sites); err != nil {
		return exitUsage, err
	}
	for _, group := range e.byTenants(maker.sites) {
		around, err := e.around(group)
		if err != nil {
			return exitUsage, err
		}
		report.Findings = append(report.Findings, doctor.Examine(ctx, group, around, e.tell())...)
	}
	report.Findings = append(report.Findings, doctor.Compare(maker.sites)...)
	if ctx.Err() != nil {
		return exitFailed, errInterrupted
	}
	return report.judge()
}

// choose makes the sites that are meant.
func (e *examination) choose(maker *siteMaker, all []placed) error {
	wanted := strings.ToLower(e.site)
	var names []string
	chosen := 0
	for _, p := range all {
		if wanted == "" || p.name() == wanted || slices.Contains(p.place.Hosts, wanted) {
			maker.add(p)
			chosen++
		}
		if !slices.Contains(names, p.name()) {
			names = append(names, p.name())
		}
	}
	switch {
	case wanted != "" && chosen == 0 && len(all) > 0:
		return fmt.Errorf("--site: there is no site %q with auth0_oidc; there are: %s", e.site, strings.Join(names, ", "))
	case len(all) == 0 && len(maker.faults) == 0:
		maker.faults = append(maker.faults, doctor.Unloadable("", doctor.CodeNoDirective,
			errors.New("no site of the configuration has the directive auth0_oidc")))
	}
	return nil
}

// end lets idle connections go.
func (m *siteMaker) end() {
	for _, closed := range m.close {
		closed()
	}
	for _, site := range m.sites {
		site.Client.CloseIdleConnections()
	}
}

// tell gives what shows what is being done, to whoever watches.
func (e *examination) tell() func(string) {
	if !e.watched {
		return func(string) {}
	}
	var turn sync.Mutex
	return func(text string) {
		turn.Lock()
		defer turn.Unlock()
		_, _ = fmt.Fprintln(e.err, visible(text))
	}
}
