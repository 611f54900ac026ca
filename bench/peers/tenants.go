package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// Tenants are a simulated master and child tenant with real listeners.
//
// Their domains are addresses of loopback, which every program reaches without a
// DNS server, and other ones than those of the peers, because cookies do not
// tell ports apart.
type Tenants struct {
	pair    *auth0sim.Pair
	servers []*http.Server
	served  chan error
}

// tenantHosts are those of the master and the child.
var tenantHosts = [...]string{"127.0.0.2", "127.0.0.3"}

// StartTenants starts them on ports of the kernel's choice, over plain HTTP.
func StartTenants() (*Tenants, error) {
	network := auth0sim.NewNetwork()
	t := &Tenants{served: make(chan error, len(tenantHosts))}
	var domains []string
	for _, host := range tenantHosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening a port for a tenant: %w", err), t.Close())
		}
		domains = append(domains, "http://"+l.Addr().String())
		server := &http.Server{Handler: network, ReadHeaderTimeout: 10 * time.Second}
		t.servers = append(t.servers, server)
		go func() { t.served <- server.Serve(l) }()
	}
	t.pair = auth0sim.NewPair(network, "http://127.0.0.1", auth0sim.WithDomains(domains[0], domains[1]))
	// With these the ID token has every claim of the scopes profile and email.
	// oauth2-proxy lets nobody in whose address is not verified.
	t.pair.Child.UpdateUser(t.pair.User.ID, func(u *auth0sim.User) {
		u.Name, u.GivenName, u.FamilyName = "Ursula Example", "Ursula", "Example"
		u.EmailVerified = true
	})
	return t, nil
}

// Close ends the tenants.
func (t *Tenants) Close() error {
	var errs []error
	for _, server := range t.servers {
		errs = append(errs, server.Close())
	}
	for range t.servers {
		if err := <-t.served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	t.servers = nil
	return errors.Join(errs...)
}

// allowCallback registers one more redirect URI of the application.
func (t *Tenants) allowCallback(redirectURI string) {
	t.pair.Master.UpdateApplication(t.pair.App.ClientID, func(a *auth0sim.Application) {
		a.Callbacks = append(slices.Clone(a.Callbacks), redirectURI)
	})
}

// namesUser tells whether a value is what the master knows the user by.
func (t *Tenants) namesUser(value string) bool {
	return value == t.pair.User.Email || value == t.pair.MasterUserID(t.pair.User)
}

// login opens the address in a new browser, signs in at the child, and gives the
// browser and the page that it ended on.
func (t *Tenants) login(ctx context.Context, address string) (*auth0sim.Browser, *auth0sim.Page, error) {
	transport := &http.Transport{ResponseHeaderTimeout: answerLimit}
	defer transport.CloseIdleConnections()
	browser := auth0sim.NewBrowser(during{ctx, transport})
	page, err := browser.Get(address)
	if err != nil {
		return nil, nil, err
	}
	// Not every peer can name the connection; without it the master asks.
	if page.URL.Host == t.pair.Master.Host() {
		if page, err = page.Press("Continue with " + t.pair.Connection.DisplayName); err != nil {
			return nil, nil, err
		}
	}
	page, err = browser.Login(page, t.pair.User.Email, auth0sim.PairPassword)
	return browser, page, err
}

// during ends requests with a context.
type during struct {
	ctx  context.Context
	next http.RoundTripper
}

// RoundTrip sends the request.
func (d during) RoundTrip(req *http.Request) (*http.Response, error) {
	return d.next.RoundTrip(req.WithContext(d.ctx))
}
