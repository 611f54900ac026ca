package caddyauth0oidc

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority is a private certificate authority whose certificate is in a file.
type authority struct {
	t           *testing.T
	file        string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	a.renew()
	return a
}

// renew replaces the authority by another one of the same name, in the same file.
func (a *authority) renew() {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA of the test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = key
	a.certificate = template
	der := a.sign(template, key)
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(a.file, text, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// server is the TLS configuration of a server with these names, which asks the authority
// for its certificate anew at every connection.
func (a *authority) server(names ...string) *tls.Config {
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der := a.sign(&x509.Certificate{
			SerialNumber: big.NewInt(2), DNSNames: names, NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}, key)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}}
}

func (a *authority) worldAt(host string) worldOption {
	return func(s *worldSetup) { s.host, s.tls = host, a.server(host) }
}

// The certificate of a private authority is believed with trust_pool, and only then.
func TestTrustPoolTakesThePlaceOfTheSystemsAuthorities(t *testing.T) {
	t.Parallel()
	own, other := newAuthority(t), newAuthority(t)
	for name, test := range map[string]struct {
		settings string
		trusted  bool
	}{
		"the system's":  {"", false},
		"of another CA": {"http {\ntrust_pool file " + other.file + "\n}", false},
		"of this CA":    {"http {\ntrust_pool file " + own.file + "\n}", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, own.worldAt("master.localhost"), atIssuerPath("/acme"), withSettings(test.settings))
			if !test.trusted {
				page := w.open(w.browser(), "/page")
				if page.Status != http.StatusServiceUnavailable || !strings.Contains(w.logs(), "not signed by a trusted authority") {
					t.Errorf("%d %s", page.Status, page.Body)
				}
				return
			}
			if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
				t.Errorf("%d %s\n%s", page.Status, page.Body, w.logs())
			}
		})
	}
}

// poolModule is a module that may have no pool to give.
type poolModule struct{ roots *x509.CertPool }

func (m poolModule) CertPool() *x509.CertPool { return m.roots }

func TestModuleWithoutAPoolDoesNotMeanTheSystemsAuthorities(t *testing.T) {
	t.Parallel()
	for name, module := range map[string]any{"no pool": poolModule{}, "no source of one": new(Handler), "nothing": nil} {
		if roots, err := rootsOf(module); err == nil || roots != nil {
			t.Errorf("%s: %v, %v", name, roots, err)
		}
	}
	empty := x509.NewCertPool()
	if roots, err := rootsOf(poolModule{empty}); err != nil || roots != empty {
		t.Errorf("%v, %v", roots, err)
	}
}

// A file with other certificates counts from the next reload on, also when the old
// configuration is still there.
func TestTrustPoolIsReadAnewByAReload(t *testing.T) {
	t.Parallel()
	own := newAuthority(t)
	w := newWorld(t, own.worldAt("master.localhost"), withSettings("http {\ntrust_pool file "+own.file+"\n}"))
	if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	own.renew()
	w.load(worldSetup{base: w.base, settings: "http {\ntrust_pool file " + own.file + "\n}"})
	if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("%d %s\n%s", page.Status, page.Body, w.logs())
	}
}

// connectProxy opens tunnels to one address, whatever it is asked for.
type connectProxy struct {
	address func() string
	refuse  int

	mu    sync.Mutex
	asked []string
	users []string
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host)
	p.users = append(p.users, r.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	if r.Method != http.MethodConnect || p.refuse != 0 {
		w.WriteHeader(p.refuse)
		return
	}
	to, err := net.Dial("tcp", p.address())
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer to.Close()
	w.WriteHeader(http.StatusOK)
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	go func(r *bufio.Reader) {
		_, _ = io.Copy(to, r)
		to.Close()
	}(buffered.Reader)
	_, _ = io.Copy(from, to)
}

func (p *connectProxy) seen() (asked, users []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked), slices.Clone(p.users)
}

// throughProxy is a world whose tenant has a name that only the proxy can reach.
func throughProxy(t *testing.T, host string, p *connectProxy) *world {
	t.Helper()
	own := newAuthority(t)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	t.Setenv("PROXY_PASSWORD_OF_THE_TEST", "s3cret%40proxy")
	proxy := strings.Replace(server.URL, "http://", "http://ann:{env.PROXY_PASSWORD_OF_THE_TEST}@", 1)
	w := newWorld(t, own.worldAt(host), withSettings("http {\ntrust_pool file "+own.file+"\nproxy "+proxy+"\n}"))
	issuer, err := url.Parse(w.pair.Master.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	p.address = func() string { return "127.0.0.1:" + issuer.Port() }
	return w
}

func TestProxyCarriesTheCallsToTheTenant(t *testing.T) {
	p := new(connectProxy)
	w := throughProxy(t, "master.example.test", p)
	if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s\n%s", page.Status, page.Body, w.logs())
	}
	asked, users := p.seen()
	if len(asked) == 0 {
		t.Fatal("the proxy was not asked")
	}
	for i := range asked {
		if asked[i] != "CONNECT "+w.pair.Master.Host() || users[i] != "Basic YW5uOnMzY3JldEBwcm94eQ==" {
			t.Errorf("the proxy was asked for %s with %s", asked[i], users[i])
		}
	}
}

func TestProxyThatRefusesEndsOnAPageAndIsNamedInTheLog(t *testing.T) {
	w := throughProxy(t, "master.example.test", &connectProxy{refuse: http.StatusProxyAuthRequired})
	page := w.open(w.browser(), "/page")
	if page.Status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	if logs := w.logs(); !strings.Contains(logs, "the proxy answered with status 407") || strings.Contains(logs, "s3cret") {
		t.Errorf("the log does not say why, or says too much:\n%s", logs)
	}
}

func TestLoopbackHostsAreReachedWithoutTheProxy(t *testing.T) {
	p := &connectProxy{refuse: http.StatusForbidden}
	w := throughProxy(t, "master.localhost", p)
	if page := w.signIn(w.browser(), "/page", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	if asked, _ := p.seen(); len(asked) != 0 {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

// FAULT-03: a tenant that does not answer is given up after the timeout.
func TestFAULT_03_TimeoutOfCallsToTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("http {\ntimeout 150ms\n}"))
	w.pair.Master.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/.well-known/openid-configuration" {
			<-r.Context().Done()
			return true
		}
		return false
	}
	before := time.Now()
	if page := w.open(w.browser(), "/page"); page.Status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	if took := time.Since(before); took > 4*time.Second {
		t.Errorf("the page took %s", took)
	}
}

// Sites with the same tenant and client that reach it in different ways share nothing;
// those that reach it in the same way do.
func TestWaysToTheTenantAreNotShared(t *testing.T) {
	t.Parallel()
	own := newAuthority(t)
	site := func(address, lines string) string {
		return address + " {\nauth0_oidc {\nSETTINGS\n" + lines + "\n}\nrespond ok\n}\n"
	}
	plain, slow, trusting := "", "http {\ntimeout 20s\n}", "http {\ntrust_pool file "+own.file+"\n}"
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM\n}\n"+
		site("https://b.example.test", plain)+site("https://c.example.test", slow)+site("https://d.example.test", slow)+
		site("https://e.example.test", trusting)+site("https://f.example.test", trusting)+site("https://g.example.test", "http {\nproxy none\n}")+
		"https://h.example.test {\nrespond ok"))
	var sharing []int
	pool.Range(func(_, value any) bool {
		// Another world may have had the port, and so the issuer, before.
		if s := value.(*shared); s.tenant.Issuer() == w.pair.Master.Issuer() && strings.HasSuffix(s.key, w.pair.App.ClientID) {
			members := 0
			for _, same := range s.handlers {
				members += len(same)
			}
			sharing = append(sharing, members)
		}
		return true
	})
	slices.Sort(sharing)
	if !slices.Equal(sharing, []int{1, 2, 2, 2}) {
		t.Errorf("handlers share in groups of %v", sharing)
	}
}

func TestPoolsAreNumberedByTheirContent(t *testing.T) {
	t.Parallel()
	own, other := newAuthority(t), newAuthority(t)
	pool := func(a *authority) *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(a.certificate)
		return p
	}
	var numbers poolNumbers
	first, second := pool(own), pool(other)
	used, a := numbers.share(first)
	if again, b := numbers.share(pool(own)); a != b || a == 0 || again != used {
		t.Errorf("the same certificates have the numbers %d and %d", a, b)
	}
	if _, b := numbers.share(second); a == b {
		t.Errorf("different certificates have the number %d", a)
	}
	if none, number := numbers.share(nil); none != nil || number != 0 {
		t.Errorf("no pool is %v, number %d", none, number)
	}
}

// Who came second keeps the number when the first is gone: the next configuration shares
// with it what is known of the tenant.
func TestPoolsKeepTheirNumberWhileAnybodyUsesThem(t *testing.T) {
	t.Parallel()
	own := newAuthority(t)
	pool := func() *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(own.certificate)
		return p
	}
	var numbers poolNumbers
	first, before := numbers.share(pool())
	second, _ := numbers.share(pool())
	runtime.KeepAlive(first)
	first = nil
	runtime.GC()
	if _, after := numbers.share(pool()); after != before {
		t.Errorf("the number was %d and is %d", before, after)
	}
	runtime.KeepAlive(second)
}

// What a proxy's URL holds is in no error.
func TestProxyErrorsShowNothingOfTheURL(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"proxy.example.com:3128", "ftp://ann:pw@proxy", "http://ann:pw@", "http://ann:pw@proxy/path", "http://ann:%pw@proxy", "", "NONE"} {
		if err := checkProxy(bad); err == nil || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []string{"none", "http://proxy:3128", "https://ann:p%40w@proxy.example.com/", "socks5://[::1]:1080"} {
		if err := checkProxy(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}
