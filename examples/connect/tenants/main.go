// Command tenants answers as two empty Auth0 tenants on this machine, for a try
// of `caddy auth0-oidc connect`, and signs in at what came of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// options are the flags.
type options struct {
	port       int // of the tenants; 0 is any free one
	env, app   string
	background bool
	login      string
}

func main() {
	var o options
	flag.IntVar(&o.port, "port", 9090, "`port` of the tenants and of the application behind Caddy; 0 takes a free one")
	flag.StringVar(&o.env, "env", "connect.env", "`file` to write the environment of the commands to")
	flag.StringVar(&o.app, "app", "app.localhost:8080", "`host` of the site, whose requests the application answers")
	flag.BoolVar(&o.background, "background", false, "go on in the background once the tenants answer; TENANTS_PID is its process")
	flag.StringVar(&o.login, "login", "", "sign the child's user in at this `url` and print what the application saw, instead of being the tenants")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tenants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) error {
	switch {
	case o.login != "":
		return login(out, o.login)
	case o.background:
		return inBackground(ctx, out, o)
	}
	return serve(ctx, out, o)
}

// inBackground starts this program once more and waits until it says that the
// tenants answer.
func inBackground(ctx context.Context, out io.Writer, o options) (err error) {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = read.Close() }()
	nothing, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = nothing.Close() }()
	child, err := os.StartProcess(program, []string{program, "-port", strconv.Itoa(o.port), "-env", o.env, "-app", o.app}, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{nothing, write, os.Stderr},
	})
	if closing := write.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("starting the tenants: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = child.Kill() })
	defer stop()
	told := make([]byte, 1<<10)
	n, err := read.Read(told)
	if n == 0 {
		_ = child.Kill()
		return errors.Join(errors.New("the tenants did not start"), err)
	}
	_, err = out.Write(told[:n])
	return err
}
