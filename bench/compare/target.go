package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/peers"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/process"
)

const (
	startLimit = 20 * time.Second
	buildLimit = 20 * time.Minute
	// attempts is how often a program is started that finds its port taken.
	attempts = 3
)

// target is a proxy under load. A proxy that is not Caddy fits, too: one that has
// several processes, and no heap to ask for.
type target struct {
	address string // host and port
	pids    func() []int
	heap    func(context.Context) (process.Heap, error) // nil: there is none to ask for
	// signIn gives a new Cookie header, which every load begins with; nil: an old
	// one costs no more.
	signIn func(context.Context) (string, error)
	stop   func()
}

// lab is what all variants share: the programs, the application, a folder that goes
// with the comparison, and a client for everything but the load.
type lab struct {
	caddy    string
	folder   string
	upstream target
	witness  string // address at which the application shows what proofs sent
	peers    peers.Options
	client   *http.Client
}

// startUpstream runs this program as the application.
func (l *lab) startUpstream(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	l.upstream, err = l.start(ctx, "upstream", nil, func(_ string, ports []int) ([]string, error) {
		return []string{self, upstreamCommand, local(ports[0]), l.witness}, nil
	})
	return err
}

// startCaddy runs a variant.
func (l *lab) startCaddy(ctx context.Context, v *variant) (target, error) {
	admin := ""
	t, err := l.start(ctx, v.name, v.env, func(folder string, ports []int) ([]string, error) {
		config := filepath.Join(folder, "Caddyfile")
		text := caddyfile(v, site{port: ports[0], adminPort: ports[1], upstream: l.upstream.address, folder: folder})
		admin = "http://" + local(ports[1]) + "/debug/vars"
		return []string{l.caddy, "run", "--adapter", "caddyfile", "--config", config}, os.WriteFile(config, []byte(text), 0o600)
	})
	t.heap = func(ctx context.Context) (process.Heap, error) { return process.HeapOf(ctx, l.client, admin) }
	return t, err
}

// start runs a program in a folder of its own and waits until it accepts
// connections at the first of two free ports.
func (l *lab) start(ctx context.Context, name string, env []string, command func(folder string, ports []int) ([]string, error)) (target, error) {
	var errs []error
	for range attempts {
		folder, err := os.MkdirTemp(l.folder, name+"-")
		if err != nil {
			return target{}, err
		}
		ports, err := freePorts(2)
		if err != nil {
			return target{}, err
		}
		words, err := command(folder, ports)
		if err != nil {
			return target{}, err
		}
		t, err := launch(ctx, folder, env, words, local(ports[0]))
		if err == nil || ctx.Err() != nil {
			return t, err
		}
		errs = append(errs, fmt.Errorf("starting %s: %w", name, err))
	}
	return target{}, errors.Join(errs...)
}

func launch(ctx context.Context, folder string, env, words []string, address string) (target, error) {
	path := filepath.Join(folder, "output")
	output, err := os.Create(path)
	if err != nil {
		return target{}, err
	}
	defer output.Close()
	env = append([]string{"HOME=" + folder, "XDG_DATA_HOME=" + folder, "XDG_CONFIG_HOME=" + folder}, env...)
	p, err := process.Start(env, output, words[0], words[1:]...)
	if err != nil {
		return target{}, err
	}
	if err := awaitListener(ctx, p.Ended(), address); err != nil {
		p.Stop()
		written, _ := os.ReadFile(path) // only for the message
		return target{}, fmt.Errorf("%w\n%s", err, written[max(0, len(written)-2000):])
	}
	return target{address: address, pids: func() []int { return []int{p.PID()} }, stop: p.Stop}, nil
}

var errEnded = errors.New("the program has ended")

func awaitListener(ctx context.Context, ended <-chan struct{}, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("nobody listens at %s after %s", address, startLimit))
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		dialer := net.Dialer{Timeout: time.Second}
		if conn, err := dialer.DialContext(ctx, "tcp", address); err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}

// freePorts gives ports that nobody listened at a moment ago.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", local(0))
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
