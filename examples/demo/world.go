package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"      // the Caddyfile itself
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy" // its directive reverse_proxy
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"            // where the plugin keeps its key

	_ "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// The Caddyfile works as it stands. Where other ports are used, these addresses
// in it are replaced.
const (
	appInFile     = "app.localhost:8080"
	tenantsInFile = "master.localhost:9090"
	legacyInFile  = "127.0.0.1:8081"
)

//go:embed Caddyfile
var caddyfileText string

// world is everything that the demo runs.
type world struct {
	base      string // of the application as the browser sees it, without a slash at its end
	pair      *auth0sim.Pair
	operator  auth0sim.User // of the master tenant itself; may not come in
	legacy    *legacy
	caddyfile string

	closers []func() error
}

// newWorld starts the tenants, the legacy application and Caddy.
func newWorld(out io.Writer, o options) (_ *world, err error) {
	w := &world{legacy: new(legacy)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	app, err := w.listen(out, o.app)
	if err != nil {
		return nil, err
	}
	tenants, err := w.listen(out, o.tenants)
	if err != nil {
		return nil, err
	}
	behind, err := w.listen(out, 0)
	if err != nil {
		return nil, err
	}
	w.base = "http://" + hostOf("app.localhost", app)
	w.serve(tenants, w.newTenants(hostOf("master.localhost", tenants), hostOf("child.localhost", tenants)))
	w.serve(behind, w.legacy)
	w.caddyfile = strings.NewReplacer(
		appInFile, hostOf("app.localhost", app),
		tenantsInFile, w.pair.Master.Host(),
		legacyInFile, behind.Addr().String(),
	).Replace(caddyfileText)
	// Caddy opens the port itself, so ours has to go.
	if err := app.Close(); err != nil {
		return nil, fmt.Errorf("handing the port to Caddy: %w", err)
	}
	return w, w.startCaddy(o.verbose)
}

// newTenants sets up a master and a child tenant and their users.
func (w *world) newTenants(master, child string) *auth0sim.Network {
	network := auth0sim.NewNetwork()
	w.pair = auth0sim.NewPair(network, w.base, auth0sim.WithDomains("http://"+master, "http://"+child))
	w.operator = w.pair.Master.AddUser(auth0sim.User{Email: "operator@mail.com", Password: auth0sim.PairPassword})
	w.pair.Master.Enable(auth0sim.DatabaseConnection, w.pair.App.ClientID)
	return network
}

// listen takes the port, or a free one when it is taken.
func (w *world) listen(out io.Writer, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil && port != 0 {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			_, err = fmt.Fprintf(out, "Port %d cannot be used; taking %d.\n", port, l.Addr().(*net.TCPAddr).Port)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening a port: %w", err)
	}
	w.closers = append(w.closers, func() error {
		_ = l.Close() // mostly closed already, by the server that used it
		return nil
	})
	return l, nil
}

// hostOf writes name and port as browsers do.
func hostOf(name string, l net.Listener) string {
	if port := l.Addr().(*net.TCPAddr).Port; port != 80 {
		return net.JoinHostPort(name, strconv.Itoa(port))
	}
	return name
}

func (w *world) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	w.closers = append(w.closers, func() error {
		err := server.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})
}

// startCaddy runs Caddy inside this process, with its files in a folder that
// goes when the world does.
func (w *world) startCaddy(verbose bool) error {
	folder, err := os.MkdirTemp("", "caddy-auth0-oidc-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for Caddy: %w", err)
	}
	w.closers = append(w.closers, func() error { return os.RemoveAll(folder) })
	if err := w.setEnvironment(); err != nil {
		return err
	}
	cfg, err := w.adapt()
	if err != nil {
		return err
	}
	level := "ERROR"
	if verbose {
		level = "DEBUG"
	}
	persist := false
	cfg.Admin = &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &persist}}
	cfg.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: level}}}}
	cfg.StorageRaw = caddyconfig.JSONModuleObject(map[string]string{"root": folder}, "module", "file_system", nil)
	// There are no certificates here, and cleaning would write to the user's own Caddy folder.
	cfg.AppsRaw["tls"] = json.RawMessage(`{"disable_storage_check": true, "disable_storage_clean": true}`)
	if err := caddy.Run(cfg); err != nil {
		return fmt.Errorf("starting Caddy: %w", err)
	}
	w.closers = append(w.closers, caddy.Stop)
	return nil
}

func (w *world) adapt() (*caddy.Config, error) {
	encoded, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(w.caddyfile), nil)
	if err != nil {
		return nil, fmt.Errorf("reading the Caddyfile: %w", err)
	}
	cfg := new(caddy.Config)
	if err := json.Unmarshal(encoded, cfg); err != nil {
		return nil, fmt.Errorf("reading the adapted Caddyfile: %w", err)
	}
	return cfg, nil
}

// setEnvironment sets what the Caddyfile refers to, and clears what would
// otherwise be taken from the environment of whoever runs the demo.
func (w *world) setEnvironment() error {
	for name, value := range map[string]string{
		"AUTH0_CLIENT_ID": w.pair.App.ClientID, "AUTH0_CLIENT_SECRET": w.pair.App.ClientSecret,
		"AUTH0_SECRET": "", "APP_BASE_URL": "",
	} {
		before, was := os.LookupEnv(name)
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("setting the environment: %w", err)
		}
		w.closers = append(w.closers, func() error {
			if was {
				return os.Setenv(name, before)
			}
			return os.Unsetenv(name)
		})
	}
	return nil
}

// close ends everything in the opposite order of its beginning.
func (w *world) close() error {
	var errs []error
	for _, end := range slices.Backward(w.closers) {
		errs = append(errs, end())
	}
	w.closers = nil
	return errors.Join(errs...)
}

// introduction tells a person what there is to see.
func (w *world) introduction() string {
	p := w.pair
	var b strings.Builder
	fmt.Fprintf(&b, "\nOpen %s/\n\nUsers, and where each of them signs in:\n", w.base)
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, row := range [][3]string{
		{"USER", "PASSWORD", "IDENTITY PROVIDER"},
		{p.User.Email, auth0sim.PairPassword, "database of the child"},
		{p.Accented.Email, auth0sim.PairPassword, "database of the child; a name beyond ASCII"},
		{p.Social.Name, "none: Continue with Google", "google-oauth2 of the child"},
		{w.operator.Email, auth0sim.PairPassword, "database of the master; not let in"},
	} {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", row[0], row[1], row[2])
	}
	_ = table.Flush() // a strings.Builder takes everything
	fmt.Fprintf(&b, `
The operator is no user of the connection, and gets in front of the plugin only by an edited
address: sign out, and while you are at the child copy the request to the master's /authorize
from the browser's network panel, change connection=%s in it into
connection=%s, and open it in the same browser.

Signing out ends the session here and at the master. The child's own session goes on, so that
signing in again passes through it without a question. %s/v2/logout ends it.

This is the Caddyfile:

%s
Ctrl-C stops everything.
`, p.Connection.Name, auth0sim.DatabaseConnection, strings.TrimSuffix(p.Child.Issuer(), "/"), w.caddyfile)
	return b.String()
}
