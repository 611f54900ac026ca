// Command compare measures Caddy with the plugin, and other proxies with a login,
// against bare Caddy: whole processes, the same load, in pairs. It builds what it
// needs and is not given, uses loopback only, and writes tables to its output.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/report"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/peers"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/process"
)

const caddyPackage = "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/caddy"

var pidOfThis = os.Getpid()

// options are the flags.
type options struct {
	pairs       int
	slice       time.Duration
	connections int
	only        string
	tuning      bool
	json        string

	peers         bool
	oauth2Proxy   string
	caddySecurity string
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == upstreamCommand {
		exit(serveUpstream(os.Args[2], os.Args[3]))
	}
	var o options
	flag.IntVar(&o.pairs, "pairs", 8, "how often each variant is measured")
	flag.DurationVar(&o.slice, "slice", 2*time.Second, "how long each load lasts; a pair has three")
	flag.IntVar(&o.connections, "connections", 32, "connections to each side")
	flag.StringVar(&o.only, "only", "", "measure only the variants with these `names`, separated by commas, those of -tuning and of the peers asked for among them")
	flag.BoolVar(&o.tuning, "tuning", false, "measure the variants of a tuning page as well")
	flag.StringVar(&o.json, "json", "", "write all figures to this `file`, too")
	flag.BoolVar(&o.peers, "peers", false, "measure Apache, bare and with mod_auth_openidc, beside the plugin")
	flag.StringVar(&o.oauth2Proxy, "oauth2-proxy", "", "measure oauth2-proxy beside the plugin; its absolute `path`")
	flag.StringVar(&o.caddySecurity, "caddy-security", "", "measure a Caddy with caddy-security beside the plugin; its absolute `path`")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	cancel()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, o options) error {
	if o.pairs < 1 || o.connections < 1 || o.slice < time.Millisecond {
		return fmt.Errorf("nothing can be measured in %d pairs of %s over %d connections", o.pairs, o.slice, o.connections)
	}
	if o.peers && o.connections > peers.ApacheConnections {
		return fmt.Errorf("-peers: Apache keeps no more than %d connections open for sure, not %d", peers.ApacheConnections, o.connections)
	}
	chosen, err := o.variants()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "caddy-auth0-oidc-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	transport := &http.Transport{DisableKeepAlives: true} // no proxy of the environment either
	l := &lab{
		folder: folder, caddy: filepath.Join(folder, "caddy"),
		client: &http.Client{Transport: transport, Timeout: startLimit, CheckRedirect: stay},
	}
	found, err := l.compare(ctx, o, chosen)
	if err != nil {
		return err
	}
	return write(found, o.json)
}

// variants are those that the flags ask for. Beside peers stand the control and the
// plugin with few and with its own headers.
func (o options) variants() ([]variant, error) {
	all, outside := usual(), o.peerVariants()
	if o.only == "" && len(outside) > 0 {
		all, _ = choose(all, "noop,headers-4,headers-4-added,preset,preset-added") // they are there
	}
	if o.tuning || o.only != "" {
		all = append(all, tuning()...)
	}
	return choose(append(all, outside...), o.only)
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (l *lab) compare(ctx context.Context, o options, chosen []variant) (found *report.Report, err error) {
	if slices.ContainsFunc(chosen, func(v variant) bool { return v.peer != nil }) {
		shut, openErr := l.openPeers(o)
		if openErr != nil {
			return nil, openErr
		}
		defer func() { err = errors.Join(err, shut()) }()
	}
	if err := l.startUpstream(ctx); err != nil {
		return nil, err
	}
	defer l.upstream.stop()
	if err := l.rehearse(ctx, chosen); err != nil {
		return nil, err
	}
	if found, err = l.prepare(ctx, o, chosen); err != nil {
		return nil, err
	}
	found.Results, err = l.measureAll(ctx, o, chosen)
	return found, err
}

func (l *lab) measureAll(ctx context.Context, o options, chosen []variant) ([]report.Result, error) {
	mint, err := bench.NewMint(time.Now(), rand.Reader)
	if err != nil {
		return nil, err
	}
	var all []report.Result
	for i, v := range chosen {
		progress("%d of %d: %s", i+1, len(chosen), v.name)
		result, err := l.measure(ctx, o, &v, mint)
		if err != nil {
			return nil, fmt.Errorf("measuring %s: %w", v.name, err)
		}
		all = append(all, result)
	}
	return all, nil
}

// prepare builds Caddy and describes the machine.
func (l *lab) prepare(ctx context.Context, o options, chosen []variant) (*report.Report, error) {
	progress("building Caddy, which takes minutes when nothing of it was built before")
	building, cancel := context.WithTimeout(ctx, buildLimit)
	defer cancel()
	if out, err := exec.CommandContext(building, "go", "build", "-o", l.caddy, caddyPackage).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building Caddy: %w\n%s", err, out)
	}
	version, err := exec.CommandContext(building, l.caddy, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("asking Caddy for its version: %w", err)
	}
	caddy, _, _ := strings.Cut(strings.TrimSpace(string(version)), " ")
	processor, err := process.Processor()
	if err != nil {
		return nil, err
	}
	return &report.Report{
		Processor: processor, Cores: runtime.NumCPU(), Go: runtime.Version(), Caddy: caddy, Peers: l.peerVersions(building, chosen),
		Pairs: o.pairs, Slice: o.slice.String(), Connections: o.connections,
	}, nil
}

// measure runs a variant and what it is compared with, proves both, and loads them.
func (l *lab) measure(ctx context.Context, o options, v *variant, mint *bench.Mint) (report.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*levelLimit+time.Duration(6*o.pairs+6)*o.slice)
	defer cancel()
	result := v.result(o.connections)
	cookies, err := v.cookies(mint, v.sessions)
	if err != nil {
		return result, err
	}
	if v.peer != nil {
		err = l.measurePeer(ctx, o, v.peer, cookies, &result)
		return result, err
	}
	t, err := l.startProven(ctx, v, beside(cookies[0]))
	if err != nil {
		return result, err
	}
	defer t.stop()
	err = l.loadBesideCaddy(ctx, o, t, cookies, &result)
	return result, err
}

// loadBesideCaddy measures a target against a bare Caddy of its own.
func (l *lab) loadBesideCaddy(ctx context.Context, o options, t target, cookies []string, result *report.Result) error {
	plain := bare("bare", "bare")
	other, err := l.startProven(ctx, &plain, beside(bench.CookieName+"=opaque")) // it lets any pass
	if err != nil {
		return err
	}
	defer other.stop()
	return l.load(ctx, o, t, other, cookies, result)
}

func (l *lab) startProven(ctx context.Context, v *variant, cookie string) (target, error) {
	t, err := l.startCaddy(ctx, v)
	if err != nil {
		return t, err
	}
	if err := l.prove(ctx, v, t, cookie); err != nil {
		t.stop()
		return t, err
	}
	return t, nil
}

var errSessions = errors.New("there are not as many sessions as the report says")

// load measures one target against another, whatever they are, with the cookies of
// these sessions.
func (l *lab) load(ctx context.Context, o options, variant, bare target, sessions []string, result *report.Result) error {
	if len(sessions) != result.Sessions {
		return fmt.Errorf("%w: %d, not %d", errSessions, len(sessions), result.Sessions)
	}
	m := &match{upstream: l.upstream, slice: o.slice, added: result.Added}
	toVariant, toBare := sent(sessions, m.added)
	var err error
	if m.variant, err = newSide(ctx, variant, result.Connections, toVariant); err != nil {
		return err
	}
	defer m.variant.client.Close()
	if m.bare, err = newSide(ctx, bare, result.Connections, toBare); err != nil {
		return err
	}
	defer m.bare.client.Close()
	return m.play(ctx, o.pairs, result)
}

// play fills the result.
func (m *match) play(ctx context.Context, pairs int, result *report.Result) error {
	if err := m.warmUp(ctx); err != nil {
		return err
	}
	for turn := range pairs {
		p, err := m.pair(ctx, turn)
		if err != nil {
			return err
		}
		progress("  pair %d of %d: CPU per request %.1f µs, bare %.1f µs", turn+1, pairs, p.Variant.CPU, p.Bare.CPU)
		result.Pairs = append(result.Pairs, p)
	}
	var err error
	if result.Requests, err = m.level(ctx, result.Sessions); err != nil {
		return err
	}
	if result.Variant, err = process.MemoryOf(m.variant.pids()); err != nil {
		return err
	}
	result.Bare, err = process.MemoryOf(m.bare.pids())
	return err
}

func write(found *report.Report, file string) error {
	if err := found.Markdown(os.Stdout); err != nil || file == "" {
		return err
	}
	text, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, slices.Concat(text, []byte("\n")), 0o644)
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
