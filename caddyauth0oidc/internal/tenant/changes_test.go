package tenant

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A document that must not be believed changes nothing at runtime either.
func TestFAULT_15_ADocumentThatTurnsBadLeavesTheLastGoodOne(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]any{
		"other issuer":                 discovery(object{"issuer": "https://evil.example/", "token_endpoint": "https://evil.example/t"}),
		"plain http":                   discovery(object{"token_endpoint": "http://acme.eu.auth0.com/oauth/token"}),
		"another host over plain http": discovery(object{"jwks_uri": "http://evil.example/k"}),
		"no keys":                      discovery(object{"jwks_uri": nil}),
		"a page":                       "<html>",
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAuthority()
			tn := newTestTenant(t, a, nil)
			before, err := tn.Metadata(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			a.serve(discoveryPath, document)
			for range 5 {
				time.Sleep(metadataFresh)
				if md, err := tn.Metadata(t.Context()); err != nil || toJSON(md) != toJSON(before) {
					t.Errorf("%s: %+v, %v", name, md, err)
				}
				synctest.Wait()
			}
			if n := a.hits(discoveryPath); n < 2 {
				t.Errorf("%s: the document was not fetched again", name)
			}
		})
	}
}

// What an issuer may change, it changes without a reload.
func TestFAULT_15_ADocumentThatChangesIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		tn := newTestTenant(t, a, nil)
		before, err := tn.Metadata(t.Context())
		if err != nil || before.EndSessionEndpoint == "" {
			t.Fatal(before, err)
		}
		a.serve(discoveryPath, discovery(object{"end_session_endpoint": nil, "authorization_endpoint": "https://login.example/a"}))
		time.Sleep(metadataFresh)
		_, _ = tn.Metadata(t.Context()) // the one before serves while this is fetched
		synctest.Wait()
		if md, err := tn.Metadata(t.Context()); err != nil || md.EndSessionEndpoint != "" || md.AuthorizationEndpoint != "https://login.example/a" {
			t.Errorf("%+v, %v", md, err)
		}
	})
}

// How long keys are believed is not the tenant's caching headers' to say.
func TestFAULT_14_CachingHeadersOfTheKeySetSayNothing(t *testing.T) {
	t.Parallel()
	for _, control := range []string{"no-store", "max-age=0", "max-age=99999999999999999999", "max-age=-1"} {
		synctest.Test(t, func(t *testing.T) {
			a := newAuthority()
			a.handle(jwksPath, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since") != "" {
					t.Errorf("%s: a conditional request", control)
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Cache-Control", control)
				w.Header().Set("ETag", `"one"`)
				_, _ = io.WriteString(w, toJSON(jwks(rsaJWK("one", &rsaOne().PublicKey))))
			})
			verify := verifying(t, newTestTenant(t, a, nil))
			for hour, want := range []int{1, 2, 3} {
				for range 10 {
					if err := verify(rsaOne(), "one"); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if n := a.hits(jwksPath); n != want {
					t.Errorf("%s: %d requests in hour %d", control, n, hour)
				}
				time.Sleep(keysFresh)
			}
		})
	}
}

// A stream that ends in the middle of the answer has perhaps used up the code.
func TestFAULT_09_AStreamThatIsResetIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"before the answer": func(http.ResponseWriter) {},
		"within the answer": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":`)
			_ = http.NewResponseController(w).Flush()
		},
	} {
		var protocols, exchanges atomic.Int64
		server, roots := http2Server(t, func(w http.ResponseWriter, r *http.Request) {
			protocols.Store(int64(r.ProtoMajor))
			exchanges.Add(1)
			answer(w)
			panic(http.ErrAbortHandler) // RST_STREAM
		})
		tn := must(New(Config{Issuer: server.URL + "/", Egress: Egress{Roots: roots}}))
		_, err := exchange(t, tn)
		if got := wantUnavailable(t, err); got.Unsent {
			t.Errorf("%s: it is said not to have been sent", name)
		}
		if n := exchanges.Load(); n != 1 || protocols.Load() != 2 {
			t.Errorf("%s: %d exchanges over HTTP/%d", name, n, protocols.Load())
		}
	}
}

// http2Server serves discovery, and tokens as it is told, over HTTP/2.
func http2Server(t *testing.T, token http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/t" {
			token(w, r)
			return
		}
		issuer := server.URL + "/"
		_, _ = io.WriteString(w, toJSON(discovery(object{
			"issuer": issuer, "authorization_endpoint": issuer + "a", "token_endpoint": issuer + "t", "jwks_uri": issuer + "k",
		})))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, roots
}
