package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// arrived is what the application behind the proxy got.
type arrived struct{ header, trailer http.Header }

// forwarder sends a proxy's requests to the application. It has a transport of
// its own: closing any test server cuts the connections of the shared one.
type forwarder func(application *url.URL, transport http.RoundTripper) http.Handler

// proxied runs a proxy that treats its requests as the plugin does in front of
// an application, and returns what arrives there of a raw request.
func proxied(t *testing.T, raw string, forward forwarder) arrived {
	t.Helper()
	requests := make(chan arrived, 1)
	application := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		requests <- arrived{r.Header, r.Trailer}
	}))
	defer application.Close()
	address, err := url.Parse(application.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	p, next := planOf(t, Config{}), forward(address, transport)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, "a copy, as Caddy makes one"))
		p.Strip(r)
		applied(p, r.Header, &profile.Profile{UserID: "auth0|alice"}, Facts{})
		next.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	connection, err := net.Dial("tcp", proxy.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(connection, strings.ReplaceAll(raw, "\n", "\r\n"))
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("reading the response: %v", err)
	}
	if response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Fatalf("status %s", response.Status)
	}
	return <-requests
}

func throughReverseProxy(application *url.URL, transport http.RoundTripper) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(application)
	proxy.Transport = transport
	return proxy
}

// throughSharedTrailers forwards as a proxy does that passes arriving trailers
// on: it sends the map that net/http fills at the end of the body.
func throughSharedTrailers(application *url.URL, transport http.RoundTripper) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		out.URL, out.RequestURI, out.Trailer = application, "", r.Trailer
		response, err := transport.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		response.Body.Close()
	})
}

func TestHDR_10_IdentityArrivesWhateverConnectionNames(t *testing.T) {
	t.Parallel()
	for _, connection := range []string{"X-Auth0-User-Id", "close, x-auth0-user-id", "Cookie, X-Auth0-User-Id"} {
		got := proxied(t, "GET / HTTP/1.1\nHost: app\nCookie: a=1\nX-Auth0-User-Id: auth0|admin\nX-Auth0-Email: admin@example.com\nConnection: "+connection+"\n\n", throughReverseProxy)
		if ids := got.header["X-Auth0-User-Id"]; !slices.Equal(ids, []string{"auth0|alice"}) {
			t.Errorf("Connection: %s: the application got %q", connection, ids)
		}
		if got.header.Get("X-Auth0-Email") != "" || got.header.Get("Cookie") != "a=1" {
			t.Errorf("Connection: %s: the application got %v", connection, got.header)
		}
	}
}

const chunkedWithTrailer = "POST / HTTP/1.1\nHost: app\nTransfer-Encoding: chunked\n%s\n3\nabc\n0\n%s\n"

func TestHDR_13_NoTrailerOfOursReachesTheApplication(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, announced, sent, other string }{
		{"announced", "Trailer: X-Auth0-User-Id, X-Other\n", "X-Auth0-User-Id: auth0|admin\nX-Other: kept\n", ""},
		{"announced in another spelling", "Trailer: x_auth0.user-id\n", "X_Auth0.User-Id: auth0|admin\n", ""},
		{"unannounced", "", "X-Auth0-User-Id: auth0|admin\n", ""},
		{"unannounced behind an announced one", "Trailer: X-Other\n", "X-Other: kept\nX-Auth0-User-Id: auth0|admin\nX_auth0_email: a\n", "kept"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			raw := fmt.Sprintf(chunkedWithTrailer, test.announced, test.sent)
			for _, got := range []arrived{proxied(t, raw, throughReverseProxy), proxied(t, raw, throughSharedTrailers)} {
				for name := range got.trailer {
					if strings.HasPrefix(cgi(name), cgi("X-Auth0-")) {
						t.Errorf("the application got the trailer %s", name)
					}
				}
				if ids := got.header["X-Auth0-User-Id"]; !slices.Equal(ids, []string{"auth0|alice"}) {
					t.Errorf("the application got the header %q", ids)
				}
			}
			if got := proxied(t, raw, throughSharedTrailers).trailer.Get("X-Other"); got != test.other {
				t.Errorf("the application's own trailer: got %q, want %q", got, test.other)
			}
		})
	}
}
