package auth0sim

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestUnknownHostFailsAsItsLookupWould(t *testing.T) {
	t.Parallel()
	req, _ := http.NewRequest(http.MethodGet, "https://nowhere.test/", nil)
	_, err := NewNetwork().RoundTrip(req)
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("got %v", err)
	}
}

type contextKey struct{}

func TestServerSeesARequestAsFromTheWire(t *testing.T) {
	t.Parallel()
	n := NewNetwork()
	n.Handle("app.test:8443", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "" || r.RequestURI != "/a%2Fb?c=d" || r.Host != "app.test:8443" || r.TLS == nil || r.Body == nil {
			t.Errorf("the server sees %s %s, TLS %v", r.Host, r.RequestURI, r.TLS)
		}
		if r.Context().Value(contextKey{}) != nil {
			t.Error("a value of the client's context crossed the network")
		}
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "1")
	}))
	ctx := context.WithValue(context.Background(), contextKey{}, 1)
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://app.test:8443/a%2Fb?c=d", nil)
	resp, err := n.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-Late") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

func TestCancelledRequestReturnsAndCancelsTheHandler(t *testing.T) {
	t.Parallel()
	n := NewNetwork()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	n.Handle("slow.test", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		close(ended)
	}))
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://slow.test/", nil)
	if _, err := n.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-ended
	if _, err := n.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was cancelled before got %v", err)
	}
}

func TestPanicOfAHandlerIsAnErrorOfTheRequest(t *testing.T) {
	t.Parallel()
	n := NewNetwork()
	n.Handle("bad.test", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))
	req, _ := http.NewRequest(http.MethodGet, "https://bad.test/", nil)
	if _, err := n.RoundTrip(req); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
}

func TestRealListenerRoutesByHost(t *testing.T) {
	t.Parallel()
	n := NewNetwork()
	n.Keys = testKeys
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	tenant := n.Tenant("http://acme.localhost:9000/")
	if tenant.Issuer() != "http://acme.localhost:9000/" || tenant.Domain() != "http://acme.localhost:9000" ||
		tenant.Host() != "acme.localhost:9000" || n.Tenant("acme.localhost:9000") != tenant {
		t.Errorf("issuer %s, domain %s, host %s", tenant.Issuer(), tenant.Domain(), tenant.Host())
	}
	get := func(host string) (int, string, error) {
		req, _ := http.NewRequest(http.MethodGet, server.URL+"/.well-known/openid-configuration", nil)
		req.Host = host
		resp, err := server.Client().Do(req)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	if status, body, err := get("acme.localhost:9000"); err != nil || status != http.StatusOK ||
		!strings.Contains(body, `"http://acme.localhost:9000/oauth/token"`) {
		t.Errorf("%d %s %v", status, body, err)
	}
	if status, _, err := get("nobody.localhost"); err != nil || status != http.StatusMisdirectedRequest {
		t.Errorf("unknown host: %d %v", status, err)
	}
	tenant.Down(true)
	if _, _, err := get("acme.localhost:9000"); err == nil {
		t.Error("a tenant that is down answered")
	}
}

func TestInterceptScriptsAnyEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.codeForm(w.login(nil))
	w.Master.LimitRequests("/oauth/token", 0, 7*time.Second)
	req, _ := http.NewRequest(http.MethodPost, w.Master.base()+"/oauth/token", strings.NewReader(form.Encode()))
	resp, err := w.network.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "7" ||
		resp.Header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	w.Master.Configure(func(s *Settings) { s.Intercept = nil })
	if status, body := w.exchange(w.Master, form); status != http.StatusOK {
		t.Errorf("the code was used up: %d %v", status, body)
	}
	if calls := w.Master.Calls("/oauth/token"); calls != 2 {
		t.Errorf("counted %d calls", calls)
	}
}

func TestHTTPTenantsFederateToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Pair = NewPair(w.network, appBase, WithConnection("local"),
		WithDomains("http://master.localhost:9000", "http://child.localhost:9000"))
	claims := claimsOf(t, w.tokens(nil)["id_token"])
	if claims["iss"] != "http://master.localhost:9000/" || claims["sub"] != "auth0-oidc|local|auth0|563b9b6cf50bc24402a69b80" {
		t.Errorf("claims = %v", claims)
	}
	if cookies := w.browser.Cookies("http://master.localhost:9000/"); len(cookies) != 1 || cookies[0].Secure {
		t.Errorf("the session cookies of an http tenant are %v", cookies)
	}
}

func TestHostsOutsideTheNetworkCanBeReached(t *testing.T) {
	t.Parallel()
	outside := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(outside.Close)
	n := NewNetwork()
	n.Outside = outside.Client().Transport
	b := NewBrowser(n)
	b.SetCookie(outside.URL, &http.Cookie{Name: "n", Value: "v"})
	req, _ := http.NewRequest(http.MethodPost, outside.URL+"/", strings.NewReader("x=1"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); string(body) != " n=v 1" {
		t.Errorf("the server saw %q", body)
	}
}

func TestUserIDsFollowTheStrategy(t *testing.T) {
	t.Parallel()
	n := NewNetwork()
	tenant := n.Tenant("child.auth0.test")
	tenant.AddConnection(Connection{Name: "corp", Strategy: "samlp"})
	for connection, want := range map[string]string{
		DatabaseConnection: `^auth0\|[0-9a-f]{24}$`, "google-oauth2": `^google-oauth2\|1[0-9]{20}$`, "corp": `^samlp\|corp\|1[0-9]{20}$`,
	} {
		if u := tenant.AddUser(User{Connection: connection, Email: "Ann@Mail.com"}); !regexp.MustCompile(want).MatchString(u.ID) {
			t.Errorf("%s: %s", connection, u.ID)
		}
	}
}
