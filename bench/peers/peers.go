// Package peers runs other proxies that put an OpenID Connect login in front of
// an application, so that a load generator can compare them: Apache with
// mod_auth_openidc, oauth2-proxy, and Caddy with caddy-security.
//
// Each signs a user in at simulated Auth0 tenants and is proven before it is
// handed over: the application learns from a header who a signed-in user is, and
// hears nothing of requests without a session.
package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Peer is a running proxy, and what a request of a signed-in user needs.
type Peer struct {
	// Name tells the peers of a comparison apart.
	Name string
	// URL is where the proxy answers, such as http://127.0.0.1:40001/.
	URL string
	// Cookie is the Cookie header of a signed-in user; it is empty for a bare
	// proxy.
	Cookie string
	// SignIn signs the user in once more and gives the new Cookie header. A load
	// should begin with one: mod_auth_openidc seals a new session cookie for each
	// request whose cookie is older than a minute. It is nil for a bare proxy.
	SignIn func(ctx context.Context) (string, error)
	// PIDs gives the ids of all its processes as they are now, whose CPU time
	// and memory count.
	PIDs func() []int
	// Stop ends the proxy and waits for its end. It tells of a proxy that had
	// ended before, or that had to be killed.
	Stop func() error
}

// Options are what the peers have in common, and where their programs are.
type Options struct {
	// Upstream is the address of the application, such as
	// http://127.0.0.1:40000.
	Upstream string
	// Witness is the handler of that address; it passes all requests but those
	// of proofs on to the application.
	Witness *Witness
	// Tenants are where users sign in. They have to live as long as the peers.
	Tenants *Tenants
	// Folder exists and takes the configurations of the peers, each in a folder
	// of its own.
	Folder string
	// Log takes what the programs write to their standard error, from several
	// goroutines at once. The default is to drop it.
	Log io.Writer
	// ApacheBinary is the path of apache2; the default is where Debian has it.
	ApacheBinary string
	// OAuth2ProxyBinary is the path of oauth2-proxy, which has no default.
	OAuth2ProxyBinary string
	// CaddySecurityBinary is the path of a Caddy built with caddy-security,
	// which has no default.
	CaddySecurityBinary string
}

// startLimit is how long a program may take until it listens.
const startLimit = 20 * time.Second

// place is where one peer runs.
type place struct {
	folder  string // of its configuration
	address string // that it listens on
	base    string // its address as browsers have it, without a slash at its end
}

// program is how one peer is run.
type program struct {
	name     string
	path     string
	callback string // path of its redirect URI; empty for a bare proxy
	// arguments writes the configuration and gives the command line.
	arguments func(place) ([]string, error)
}

// startAll starts the programs one after another, or none of them.
func (o Options) startAll(ctx context.Context, programs []program) ([]*Peer, error) {
	var started []*Peer
	for _, p := range programs {
		peer, err := o.start(ctx, p)
		if err != nil {
			err = fmt.Errorf("starting %s: %w", p.name, err)
			for _, earlier := range started {
				err = errors.Join(err, earlier.Stop())
			}
			return nil, err
		}
		started = append(started, peer)
	}
	return started, nil
}

func (o Options) start(ctx context.Context, p program) (*Peer, error) {
	folder, err := os.MkdirTemp(o.Folder, p.name+"-")
	if err != nil {
		return nil, fmt.Errorf("making its folder: %w", err)
	}
	address, release, err := reserveAddress()
	if err != nil {
		return nil, err
	}
	defer release()
	at := place{folder: folder, address: address, base: "http://" + address}
	arguments, err := p.arguments(at)
	if err != nil {
		return nil, err
	}
	if p.callback != "" {
		o.Tenants.allowCallback(at.base + p.callback)
	}
	running, err := startProcess(ctx, o.command(p.path, arguments, folder))
	if err != nil {
		return nil, err
	}
	peer := &Peer{Name: p.name, URL: at.base + "/", PIDs: running.family, Stop: running.stop}
	if p.callback != "" {
		peer.SignIn = func(ctx context.Context) (string, error) { return o.signIn(ctx, peer.URL) }
	}
	if err := o.makeReady(ctx, peer, running, address); err != nil {
		if ended := running.stop(); !errors.Is(err, errEndedEarly) {
			err = errors.Join(err, ended)
		}
		return nil, err
	}
	return peer, nil
}

// command has an environment of its own, so that what tunes the load generator
// does not tune the peers.
func (o Options) command(path string, arguments []string, folder string) *exec.Cmd {
	cmd := exec.Command(path, arguments...)
	cmd.Dir = folder
	if o.Log != nil {
		// A file would be handed on as it is, and Apache opens its standard error
		// anew, which does not work with all files.
		cmd.Stderr = struct{ io.Writer }{o.Log}
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}
	return cmd
}

func (o Options) makeReady(ctx context.Context, peer *Peer, running *process, address string) error {
	if err := running.awaitListener(ctx, address); err != nil {
		return err
	}
	if peer.SignIn == nil {
		return o.proveBare(ctx, peer)
	}
	cookie, err := peer.SignIn(ctx)
	if err != nil {
		return err
	}
	peer.Cookie = cookie
	return o.prove(ctx, peer)
}
