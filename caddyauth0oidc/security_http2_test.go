package caddyauth0oidc

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// onHTTP2 puts a real HTTP/2 server in front of the site, and gives what dials it.
func (w *world) onHTTP2() (dial func() *tls.Conn) {
	w.t.Helper()
	server := httptest.NewUnstartedServer(w.server)
	server.EnableHTTP2 = true
	server.StartTLS()
	w.t.Cleanup(server.Close)
	config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName, config.NextProtos = "example.com", []string{"h2"}
	return func() *tls.Conn {
		conn, err := tls.Dial("tcp", server.Listener.Addr().String(), config)
		if err != nil {
			w.t.Fatal(err)
		}
		return conn
	}
}

// h2fields are names and values in turn, sent as they are.
type h2fields []string

func (f h2fields) encode() []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(f); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[i], Value: f[i+1]}) // a buffer takes everything
	}
	return block.Bytes()
}

// stream sends one request, as bytes of HTTP/2, and gives its status, or "refused" for an
// error of the stream or of the connection. Trailers, which may be none, are sent behind a body of four bytes.
func stream(t *testing.T, conn *tls.Conn, header, trailer h2fields) string {
	t.Helper()
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	framer.AllowIllegalWrites = true
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	send := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	send(framer.WriteSettings())
	send(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header.encode(), EndHeaders: true, EndStream: trailer == nil}))
	if trailer != nil {
		send(framer.WriteData(1, false, []byte("body")))
		send(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: trailer.encode(), EndHeaders: true, EndStream: true}))
	}
	for range 100 {
		frame, err := framer.ReadFrame()
		if err != nil {
			return "refused"
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return "refused"
		}
	}
	t.Fatal("no answer among a hundred frames")
	return ""
}

// HDR-31, HDR-11: what HTTP/2 cannot say in HTTP/1.1, or forbids, never becomes another
// request, or another header, on the way to the application.
func TestHDR_31_HDR_11_HTTP2IsNoWayAroundHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	dial, cookie := w.onHTTP2(), cookieHeader(w, b)
	get := func(more ...string) h2fields {
		return append(h2fields{":method", "GET", ":scheme", "https", ":authority", "app.example.test", ":path", "/x"}, more...)
	}
	path := func(p string) h2fields {
		return h2fields{":method", "GET", ":scheme", "https", ":authority", "app.example.test", ":path", p, "cookie", cookie}
	}
	for name, tc := range map[string]struct {
		header h2fields
		want   string
	}{
		"signed in":                  {get("cookie", cookie, "x-auth0-role", "evil"), "200"},
		"signed out":                 {get("x-auth0-role", "evil"), "401"},
		"CK-15 crumbs":               {get("cookie", "a=1", "cookie", cookie, "cookie", "b=2"), "200"},
		"alias":                      {get("cookie", cookie, "x_auth0~role", "evil"), "200"},
		"CR LF in a value":           {get("cookie", cookie, "x-other", "1\r\nX-Auth0-Role: evil"), "refused"},
		"LF in a value":              {get("cookie", cookie, "x-other", "1\nX-Auth0-Role: evil"), "refused"},
		"NUL in a value":             {get("cookie", cookie, "x-auth0-role", "evil\x00"), "refused"},
		"CR LF in a name":            {get("cookie", cookie, "x-other: 1\r\nx-auth0-role", "evil"), "refused"},
		"colon in a name":            {get("cookie", cookie, "x-auth0-role:", "evil"), "refused"},
		"space in a name":            {get("cookie", cookie, "x-auth0-role ", "evil"), "refused"},
		"upper case":                 {get("cookie", cookie, "X-Auth0-Role", "evil"), "refused"},
		"empty name":                 {get("cookie", cookie, "", "evil"), "refused"},
		"second :path":               {get(":path", "/y", "cookie", cookie), "refused"},
		"second :method":             {get(":method", "POST", "cookie", cookie), "refused"},
		"pseudo header in the end":   {get("cookie", cookie, ":path", "/y"), "refused"},
		"unknown pseudo header":      {get(":x-auth0-role", "evil", "cookie", cookie), "refused"},
		"pseudo header of an answer": {get(":status", "200", "cookie", cookie), "refused"},
		"no :path":                   {h2fields{":method", "GET", ":scheme", "https", ":authority", "app.example.test", "cookie", cookie}, "refused"},
		"path with a space":          {path("/x HTTP/1.1\r\nX-Auth0-Role: evil"), "refused"},
		"path with spaces alone":     {path("/x y"), "200"},
		"path without a slash":       {path("x"), "refused"},
		"host beside :authority":     {get("host", "evil.test", "cookie", cookie), "200"},
		"content-length of nothing":  {get("cookie", cookie, "content-length", "10"), "200"},
		"transfer-encoding":          {get("cookie", cookie, "transfer-encoding", "chunked"), "400"},
		"HDR-11 connection":          {get("cookie", cookie, "connection", "x-auth0-user-id"), "400"},
		"HDR-11 proxy-connection":    {get("cookie", cookie, "proxy-connection", "x-auth0-user-id"), "400"},
		"HDR-11 keep-alive":          {get("cookie", cookie, "keep-alive", "x-auth0-user-id"), "400"},
		"HDR-11 upgrade":             {get("cookie", cookie, "upgrade", "h2c"), "400"},
		"HDR-11 te":                  {get("cookie", cookie, "te", "x-auth0-user-id"), "400"},
	} {
		if got := stream(t, dial(), tc.header, nil); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
		requests := w.app.take()
		if want := map[bool]int{true: 1}[tc.want == "200"]; len(requests) != want {
			t.Errorf("%s: %d requests reached the application, want %d", name, len(requests), want)
		}
		for _, r := range requests {
			assertOnlyOurs(t, r, map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User)})
		}
	}
	short := h2fields{":method", "POST", ":scheme", "https", ":authority", "app.example.test", ":path", "/x", "cookie", cookie, "content-length", "2"}
	if got := stream(t, dial(), short, h2fields{}); got == "200" {
		t.Error("a body that is longer than its content-length is accepted")
	}
}

// HDR-14: trailers of HTTP/2 are headers to the application no more than those of HTTP/1.1.
func TestHDR_14_TrailersOfHTTP2CannotBeOurHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	dial := w.onHTTP2()
	post := h2fields{":method", "POST", ":scheme", "https", ":authority", "app.example.test", ":path", "/x", "cookie", cookieHeader(w, b)}
	for name, tc := range map[string]struct {
		announced string
		trailer   h2fields
		other     string // that the application gets
	}{
		"announced":                 {"x-auth0-role", h2fields{"x-auth0-role", "evil"}, ""},
		"announced with others":     {"x-other, x-auth0-role", h2fields{"x-auth0-role", "evil", "x-other", "1"}, ""},
		"announced beside others":   {"x-other", h2fields{"x-other", "1"}, "1"},
		"unannounced":               {"", h2fields{"x-auth0-role", "evil"}, ""},
		"unannounced beside others": {"x-other", h2fields{"x-other", "1", "x-auth0-role", "evil", "x_auth0~role", "evil"}, "1"},
	} {
		header := post
		if tc.announced != "" {
			header = append(header[:len(header):len(header)], "trailer", tc.announced)
		}
		if got := stream(t, dial(), header, tc.trailer); got != "200" {
			t.Errorf("%s: %s", name, got)
		}
		requests := w.app.take()
		if len(requests) != 1 {
			t.Fatalf("%s: %d requests reached the application", name, len(requests))
		}
		assertOnlyOurs(t, requests[0], map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User)})
		if got := requests[0].trailer.Get("X-Other"); got != tc.other {
			t.Errorf("%s: the application's own trailer is %q, want %q", name, got, tc.other)
		}
	}
}
