package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/report"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/peers"
)

// family is the peers that one program is.
type family struct {
	start    func(ctx context.Context, o peers.Options) ([]*peers.Peer, error)
	versions func(ctx context.Context, o peers.Options) []string // of the program and its modules
}

// peer is a proxy that is no Caddy of this module.
type peer struct {
	family *family
	name   string // among the family
	beside string // name of what it is compared with among the family; empty: a bare Caddy
}

var (
	apacheFamily        = family{startApache, peers.ApacheVersions}
	oauth2ProxyFamily   = family{peers.OAuth2Proxy, peers.OAuth2ProxyVersions}
	caddySecurityFamily = family{peers.CaddySecurity, peers.CaddySecurityVersions}
)

func startApache(ctx context.Context, o peers.Options) ([]*peers.Peer, error) {
	bare, oidc, err := peers.Apache(ctx, o)
	return append(oidc, bare), err
}

// peerVariants are the peers that the flags ask for.
func (o options) peerVariants() []variant {
	const server, client = "mod_auth_openidc", "mod_auth_openidc-client-cookie"
	var all []variant
	add := func(name, about string, p peer) {
		v := bare(name, about).with(func(v *variant) { v.peer = &p })
		if all = append(all, v); p.name != "apache" {
			all = append(all, v.with(alone))
		}
	}
	if o.peers {
		add("apache", "Apache, bare", peer{&apacheFamily, "apache", ""})
		add("oidc-shm", "Apache, mod_auth_openidc, sessions in shared memory", peer{&apacheFamily, server, ""})
		add("oidc-cookie", "Apache, mod_auth_openidc, session in the cookie", peer{&apacheFamily, client, ""})
		add("oidc-shm-apache", "mod_auth_openidc, sessions in shared memory", peer{&apacheFamily, server, "apache"})
		add("oidc-cookie-apache", "mod_auth_openidc, session in the cookie", peer{&apacheFamily, client, "apache"})
	}
	if o.oauth2Proxy != "" {
		add("oauth2-proxy", "oauth2-proxy", peer{&oauth2ProxyFamily, "oauth2-proxy", ""})
		add("oauth2-proxy-minimal", "oauth2-proxy, no tokens in the cookie", peer{&oauth2ProxyFamily, "oauth2-proxy-minimal", ""})
	}
	if o.caddySecurity != "" {
		add("caddy-security", "Caddy with caddy-security", peer{&caddySecurityFamily, "caddy-security", ""})
	}
	return all
}

// peerVersions is what runs beside the plugin, once each.
func (l *lab) peerVersions(ctx context.Context, chosen []variant) []string {
	var done []*family
	var all []string
	for _, v := range chosen {
		if v.peer != nil && !slices.Contains(done, v.peer.family) {
			done = append(done, v.peer.family)
			all = append(all, v.peer.family.versions(ctx, l.peers)...)
		}
	}
	return all
}

// openPeers prepares what all peers need: tenants, a witness, a folder and a log.
func (l *lab) openPeers(o options) (shut func() error, err error) {
	folder := filepath.Join(l.folder, "peers")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(l.peerLog())
	if err != nil {
		return nil, err
	}
	tenants, err := peers.StartTenants()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	witness := &peers.Witness{Next: http.NotFoundHandler()}
	server := httptest.NewServer(witness)
	l.witness = server.Listener.Addr().String()
	l.peers = peers.Options{
		Witness: witness, Tenants: tenants, Folder: folder, Log: log,
		OAuth2ProxyBinary: o.oauth2Proxy, CaddySecurityBinary: o.caddySecurity,
	}
	return func() error {
		server.Close()
		return errors.Join(tenants.Close(), log.Close())
	}, nil
}

func (l *lab) peerLog() string { return filepath.Join(l.folder, "peers.log") }

// rehearse starts every program once, so that one that is missing is found out
// before anything is built or measured.
func (l *lab) rehearse(ctx context.Context, chosen []variant) error {
	var done []*family
	for _, v := range chosen {
		if v.peer == nil || slices.Contains(done, v.peer.family) {
			continue
		}
		done = append(done, v.peer.family)
		progress("trying %s", v.name)
		started, err := l.startFamily(ctx, v.peer.family)
		if err = errors.Join(err, stopAll(started)); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) startFamily(ctx context.Context, f *family) ([]*peers.Peer, error) {
	o := l.peers
	o.Upstream = "http://" + l.upstream.address
	started, err := f.start(ctx, o)
	if err != nil {
		written, _ := os.ReadFile(l.peerLog()) // only for the message
		return nil, fmt.Errorf("%w\n%s", err, written[max(0, len(written)-2000):])
	}
	return started, nil
}

func stopAll(started []*peers.Peer) error {
	var errs []error
	for _, p := range started {
		if err := p.Stop(); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", p.Name, err))
		}
	}
	return errors.Join(errs...)
}

// measurePeer starts the peer's family anew, as all that is measured has no past,
// and loads the peer and what it is compared with. The others of the family have
// nothing to do meanwhile. A bare Apache gets the cookies of the plugin's session.
func (l *lab) measurePeer(ctx context.Context, o options, p *peer, cookies []string, result *report.Result) (err error) {
	started, err := l.startFamily(ctx, p.family)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopAll(started)) }()
	t, cookie, err := targetOf(started, p.name)
	if err != nil {
		return err
	}
	if cookie != "" {
		cookies = []string{cookie}
	}
	if p.beside == "" {
		return l.loadBesideCaddy(ctx, o, t, cookies, result)
	}
	other, _, err := targetOf(started, p.beside)
	if err != nil {
		return err
	}
	return l.load(ctx, o, t, other, cookies, result)
}

// targetOf finds a peer by its name. Whoever started it stops it.
func targetOf(started []*peers.Peer, name string) (t target, cookie string, err error) {
	at := slices.IndexFunc(started, func(p *peers.Peer) bool { return p.Name == name })
	if at < 0 {
		return target{}, "", fmt.Errorf("%d peers were started, and none is %s", len(started), name)
	}
	address, err := url.Parse(started[at].URL)
	if err != nil {
		return target{}, "", err
	}
	return target{address: address.Host, pids: started[at].PIDs, signIn: started[at].SignIn}, started[at].Cookie, nil
}
