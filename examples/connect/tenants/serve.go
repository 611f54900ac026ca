package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// The child's only user.
const (
	userEmail    = "user-in-child@mail.com"
	userPassword = auth0sim.PairPassword
)

// scopes are what the machine-to-machine applications may do, as the help of
// the command lists it.
var scopes = strings.Fields("create:connections read:connections update:connections delete:connections " +
	"read:connections_options update:connections_options " +
	"create:clients read:clients update:clients delete:clients read:client_keys")

// serve is both tenants, and the application, until the context ends.
func serve(ctx context.Context, out io.Writer, o options) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("opening a port: %w", err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	network := auth0sim.NewNetwork()
	master := network.Tenant("http://master.localhost:" + port)
	child := network.Tenant("http://child.localhost:" + port)
	for _, tenant := range []*auth0sim.Tenant{master, child} {
		tenant.HideConnectionOptions = true // as Auth0 does from now on
	}
	child.AddUser(auth0sim.User{Email: userEmail, Password: userPassword, Name: "User in Child"})
	network.Handle(o.app, http.HandlerFunc(application))
	if err := os.WriteFile(o.env, []byte(environment(master, child)), 0o600); err != nil {
		_ = l.Close()
		return fmt.Errorf("writing the environment: %w", err)
	}
	server := &http.Server{Handler: network, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if _, err := fmt.Fprintf(out, "%s and %s answer; %s has what the commands need.\n", master.Domain(), child.Domain(), filepath.Base(o.env)); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// environment is for the shell that runs the commands.
func environment(master, child *auth0sim.Tenant) string {
	var b strings.Builder
	b.WriteString("# made by examples/connect/tenants\n")
	set := func(name, value string) { fmt.Fprintf(&b, "export %s='%s'\n", name, value) }
	manage := func(prefix string, tenant *auth0sim.Tenant) {
		app := tenant.AddManagementClient(scopes...)
		set(prefix+"_CLIENT_ID", app.ClientID)
		set(prefix+"_CLIENT_SECRET", app.ClientSecret)
	}
	manage("AUTH0_MANAGEMENT", master)
	manage("AUTH0_CHILD_MANAGEMENT", child)
	set("MASTER", master.Domain())
	set("CHILD", child.Domain())
	set("TENANTS_PID", strconv.Itoa(os.Getpid()))
	return b.String()
}

// application shows who it is told that is there.
func application(w http.ResponseWriter, r *http.Request) {
	var lines []string
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Auth0-") {
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "%s %s\n%s\n", r.Method, r.URL, strings.Join(lines, "\n")) // #nosec G705 -- text/plain
}
