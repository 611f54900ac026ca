package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const (
	// maxTries is how often a request is sent while the balancer has nobody to give it
	// to, and how often a login is begun that this took something from.
	maxTries = 40

	tryAgain = 25 * time.Millisecond
)

// way is how a guest's requests travel: to tenants without a socket, to the sites
// through the balancer. What fails on the way to an instance is sent again.
type way struct {
	c        *cluster
	balancer http.RoundTripper
	failed   *atomic.Int64 // of all guests
	own      atomic.Int64
}

// RoundTrip gives whole answers, because one may break off.
func (w *way) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, port, _ := strings.Cut(req.URL.Host, ":"); port != w.c.port {
		return w.c.network.RoundTrip(req)
	}
	// The transport itself sends a request again whose connection was closed before an answer came.
	var connections int64
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connections++ }})
	var err error
	for range maxTries {
		connections = 0
		var resp *http.Response
		resp, err = whole(w.balancer.RoundTrip(req.Clone(ctx)))
		if connections > 1 {
			w.failed.Add(connections - 1)
			w.own.Add(connections - 1)
		}
		if err == nil {
			return resp, nil
		}
		w.failed.Add(1)
		w.own.Add(1)
		if !pause(req.Context(), tryAgain) {
			break
		}
	}
	return nil, fmt.Errorf("after %d tries: %w", maxTries, err)
}

// errBalancer is an answer that no instance gave.
var errBalancer = errors.New("the balancer has no instance for the request")

func whole(resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.Header.Get("X-Instance") == "" {
		return nil, fmt.Errorf("%w: %d", errBalancer, resp.StatusCode)
	}
	resp.Body = io.NopCloser(bytes.NewReader(content))
	return resp, nil
}

// guest is a browser, and who uses it.
type guest struct {
	browser *auth0sim.Browser
	way     *way
	base    string
	user    auth0sim.User
	id      string // that the application has to be told
	begun   int    // logins that had to begin again after something failed on the way

	mu   sync.RWMutex // held for reading by requests, so that nobody leaves in between
	gone bool
	lost bool // guarded by the load
}

func (l *load) guest(site string, user auth0sim.User) *guest {
	w := &way{c: l.c, balancer: l.balancer, failed: &l.failed}
	return &guest{browser: auth0sim.NewBrowser(w), way: w, base: l.c.base(site), user: user, id: l.c.pair.MasterUserID(user)}
}

// signIn opens the path and ends on it. A login that lost an answer on the way may
// end elsewhere, and begins again then.
func (v *guest) signIn(path string) error {
	for {
		before := v.way.own.Load()
		page, err := v.browser.Get(v.base + path)
		if err == nil && page.URL.Path == "/u/login" {
			page, err = v.browser.Login(page, v.user.Email, auth0sim.PairPassword)
		}
		switch {
		case err == nil && page.Status == http.StatusOK && page.URL.String() == v.base+path && page.Body == v.id:
			return nil
		case v.way.own.Load() == before || v.begun == maxTries:
			return fmt.Errorf("the login of %s ended at %s: %w", v.id, ending(page), err)
		}
		v.begun++
	}
}

// present runs what needs somebody who is signed in, unless that is over.
func (v *guest) present(run func()) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if !v.gone {
		run()
	}
}

// ending describes where a way ended, for people.
func ending(page *auth0sim.Page) string {
	if page == nil {
		return "no page"
	}
	return fmt.Sprintf("%d %s%s of instance %s: %.300s", page.Status, page.URL.Host, page.URL.Path, page.Header.Get("X-Instance"), page.Body)
}

// asked is what came of a request.
type asked struct {
	status   int
	instance string
	body     string
}

// ask sends a request as a script of the page does.
func (v *guest) ask(path string, header http.Header) (asked, error) {
	req, err := http.NewRequest(http.MethodGet, v.base+path, nil)
	if err != nil {
		return asked{}, err
	}
	req.Header = http.Header{
		"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"},
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := v.browser.Do(req)
	if err != nil {
		return asked{}, err
	}
	content, err := io.ReadAll(resp.Body)
	return asked{resp.StatusCode, resp.Header.Get("X-Instance"), string(content)}, err
}

// cookies are what a request to the site carries.
func (v *guest) cookies() string {
	var all []string
	for _, c := range v.browser.Cookies(v.base) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

// askAt sends the guest's cookies to an instance, past the balancer.
func (n *node) askAt(v *guest, path string) (asked, error) {
	return n.askWith(v.base+path, v.cookies())
}

func (n *node) askWith(address, cookies string) (asked, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return asked{}, err
	}
	req.Header = http.Header{"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}, "Cookie": {cookies}}
	resp, err := whole(n.direct.RoundTrip(req))
	if err != nil {
		return asked{}, err
	}
	content, err := io.ReadAll(resp.Body)
	return asked{resp.StatusCode, resp.Header.Get("X-Instance"), string(content)}, err
}
