package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Exit codes of the commands.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnconfirmed = 3
	exitRemains     = 4

	exitWarnings = 3 // of doctor
	exitErrors   = 4
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "auth0-oidc",
		Usage: "<command>",
		Short: "Sets up and looks after what the directive auth0_oidc needs",
		Long:  overviewHelp,
		CobraFunc: func(root *cobra.Command) {
			root.RunE, root.Example, root.ValidArgsFunction = unknownCommand, overviewExamples, cobra.NoFileCompletions
			root.AddCommand(newConnectCommand(new(connectFlags)), newDoctorCommand(new(doctorFlags)),
				newRevokeCommand(new(revokeFlags)), newKeygenCommand(new(keygenFlags)), newInspectCommand(new(inspectFlags)))
		},
	})
}

// surroundings are what a command has from its process.
type surroundings struct {
	getenv    func(string) string
	in        io.Reader
	out, err  io.Writer
	terminal  bool // somebody can answer a question
	watched   bool // somebody reads what is said on err as it is said
	random    io.Reader
	transport http.RoundTripper
	wait      func(context.Context, time.Duration) error
	now       func() time.Time
}

// processSurroundings are those of a command that a person or a script runs.
func processSurroundings() surroundings {
	return surroundings{
		getenv: os.Getenv, in: os.Stdin, out: os.Stdout, err: os.Stderr, random: rand.Reader,
		terminal: term.IsTerminal(int(os.Stdin.Fd())), watched: term.IsTerminal(int(os.Stderr.Fd())),
		transport: tenant.NewTransport(tenant.Egress{}), wait: waitFor, now: time.Now,
	}
}

func waitFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commandFunc runs a command until it ends or is interrupted. It returns an exit code, and an error whenever that is not 0.
type commandFunc func(context.Context, surroundings) (int, error)

// endings are the signals that end a command; a hangup only where nobody (as nohup does) has switched it off.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// commandRun lets the first interrupt end the context, and a second one the process. That nobody reads what it tells any more
// ends nothing, as half of the changes would stay.
func commandRun(run commandFunc) func(*cobra.Command, []string) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
		ctx, stop := signal.NotifyContext(context.Background(), endings()...)
		defer stop()
		signal.Ignore(syscall.SIGPIPE)
		s := processSurroundings()
		told := context.AfterFunc(ctx, func() {
			stop()
			_, _ = fmt.Fprintln(s.err, "interrupted: what was done is taken back; once more ends this at once")
		})
		defer told()
		return run(ctx, s)
	})
}

// commandRunAtOnce is for commands after which nothing has to be taken back, so that an interrupt may end the process. That
// nobody reads what it tells is an error of theirs.
func commandRunAtOnce(run commandFunc) func(*cobra.Command, []string) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
		signal.Ignore(syscall.SIGPIPE)
		return run(context.Background(), processSurroundings())
	})
}

// hint tells a person at a terminal what else there is to know.
func (s surroundings) hint(format string, values ...any) {
	if s.watched {
		_, _ = fmt.Fprintf(s.err, format+"\n", values...)
	}
}

// commandUsage makes the exit code of a wrong flag that of every wrong usage.
func commandUsage(c *cobra.Command, err error) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return exitUsage, err })(c, nil)
}

// unknownCommand makes a mistyped command a wrong usage; cobra only shows the help, and succeeds.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	return commandUsage(c, fmt.Errorf("there is no command %q; see --help", args[0]))
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return commandUsage(c, fmt.Errorf("%q belongs to no flag; see --help", args[0]))
}
