// Command demo answers what a login through a child tenant looks like: it runs
// two simulated Auth0 tenants, Caddy with the plugin, and a legacy application,
// all on this machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// options are the flags.
type options struct {
	app, tenants   int // ports; 0 is any free one
	check, verbose bool
}

func main() {
	var o options
	flag.IntVar(&o.app, "app", 8080, "`port` of the application; 0 takes a free one")
	flag.IntVar(&o.tenants, "tenants", 9090, "`port` of the two tenants; 0 takes a free one")
	flag.BoolVar(&o.check, "check", false, "walk through the whole story on free ports, tell what was seen, and end")
	flag.BoolVar(&o.verbose, "v", false, "show all of Caddy's log, not only its errors")
	flag.Parse()
	if o.check {
		o.app, o.tenants = 0, 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run builds the world, and either walks through the story in it or leaves it
// to a person until the context ends.
func run(ctx context.Context, out io.Writer, o options) (err error) {
	w, err := newWorld(out, o)
	if err != nil {
		return err
	}
	defer func() {
		if closing := w.close(); err == nil {
			err = closing
		}
	}()
	if o.check {
		return check(ctx, out, w)
	}
	if _, err := io.WriteString(out, w.introduction()); err != nil {
		return err
	}
	<-ctx.Done()
	_, err = fmt.Fprintln(out, "\nStopped.")
	return err
}
