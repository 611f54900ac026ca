package caddyauth0oidc

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
)

// streaming is a site whose application answers with streams, and a browser at it.
type streaming struct {
	*world
	browser *heldBrowser
	server  *httptest.Server
	ended   chan string // what the application has seen of the end of its side
}

// flushing is a proxy that is told not to listen to the request's context.
const flushing = "auth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM {\nflush_interval -1\n}"

func newStreaming(t *testing.T, isHTTP2 bool, options ...worldOption) *streaming {
	t.Helper()
	s := &streaming{world: newWorld(t, options...), ended: make(chan string, 9)}
	s.app.answer = s.answer
	s.browser = s.world.browser()
	s.signIn(s.browser, "/home", s.pair.User)
	s.server = httptest.NewUnstartedServer(s.world.server)
	s.server.EnableHTTP2 = isHTTP2
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	t.Cleanup(s.server.CloseClientConnections)
	return s
}

// answer is the application: an echo behind an upgrade, events until the client is gone,
// or a download in two parts.
func (s *streaming) answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Upgrade") != "":
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, err = io.Copy(conn, rw)
		s.ended <- fmt.Sprint("socket ", err == nil || err != io.ErrUnexpectedEOF)
	case strings.HasPrefix(r.URL.Path, "/events"):
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		s.ended <- "events"
	case r.URL.Path == "/download":
		_, _ = io.WriteString(w, "one")
		_ = http.NewResponseController(w).Flush()
		<-s.ended
		_, _ = io.WriteString(w, "two")
	}
}

// dial connects to the site over TLS.
func (s *streaming) dial() net.Conn {
	s.t.Helper()
	config := s.server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName, config.NextProtos = "example.com", []string{"http/1.1"}
	conn, err := tls.Dial("tcp", s.server.Listener.Addr().String(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// upgrade opens a WebSocket and says something through it.
func (s *streaming) upgrade(header string) *bufio.Reader {
	s.t.Helper()
	conn := s.dial()
	fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: app.example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%s\r\n\r\n", header)
	from := bufio.NewReader(conn)
	response, err := http.ReadResponse(from, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("%v %+v", err, response)
	}
	_, _ = io.WriteString(conn, "hello")
	if got := make([]byte, 5); mustRead(s.t, from, got) != "hello" {
		s.t.Fatalf("the socket says %q", got)
	}
	return from
}

func mustRead(t *testing.T, from io.Reader, into []byte) string {
	t.Helper()
	if _, err := io.ReadFull(from, into); err != nil {
		t.Fatal(err)
	}
	return string(into)
}

// events opens a stream of events, of which one has come when it returns.
func (s *streaming) events(header map[string]string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequest("GET", s.server.URL+"/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = "app.example.test"
	r.Header.Set("Accept", "text/event-stream")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := s.server.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { response.Body.Close() })
	if got := make([]byte, 13); mustRead(s.t, response.Body, got) != "data: first\n\n" {
		s.t.Fatalf("%d %q", response.StatusCode, got)
	}
	return response
}

func (s *streaming) cookies() map[string]string {
	return map[string]string{"Cookie": cookieHeader(s.world, s.browser)}
}

// streams gives those of the world's tenant and client.
func (s *streaming) streams() *streams { return &s.handler().shared.streams }

func (s *streaming) count() int {
	s.streams().mu.Lock()
	defer s.streams().mu.Unlock()
	return len(s.streams().open)
}

// revoke ends every session of the user.
func (s *streaming) revoke() {
	s.t.Helper()
	h := s.handler()
	mark := revocation.OfSubject(s.pair.MasterUserID(s.pair.User), h.now().Add(time.Second), h.marksUntil())
	if err := h.ledger.Revoke(context.Background(), mark); err != nil {
		s.t.Fatal(err)
	}
}

// isOver waits for the end of a stream.
func isOver(t *testing.T, from io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(from); len(rest) > 0 {
		t.Errorf("%q came after the end, %v", rest, err)
	}
}

// untilCut are the ways to the end of a stream.
var untilCut = map[string]func(*streaming){
	"revoked":      (*streaming).revoke,
	"absolute end": func(s *streaming) { s.clock.advance(absoluteOfStreams) },
}

const (
	absoluteOfStreams = 3 * time.Hour
	streamedSession   = "session {\nidle 30m\nabsolute 3h\n}"
)

// CONC-08: a WebSocket ends on both sides when its session is revoked or reaches its
// absolute end, and not before: the idle limit is for browsers that nobody uses.
func TestCONC_08_WebSocketsEndWithTheSession(t *testing.T) {
	t.Parallel()
	for site, content := range map[string]string{"usual": "", "flushing": flushing} {
		for name, end := range untilCut {
			t.Run(site+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newStreaming(t, false, withSettings(streamedSession), withSite(content))
				socket := s.upgrade("Cookie: " + cookieHeader(s.world, s.browser))
				s.clock.advance(2 * time.Hour)
				s.streams().check()
				if s.count() != 1 {
					t.Fatalf("%d streams are open, want 1", s.count())
				}
				end(s)
				s.streams().check()
				isOver(t, socket)
				<-s.ended
				if response, _ := s.send(s.browser, "GET", "/socket", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade"}); response.StatusCode != http.StatusUnauthorized {
					t.Errorf("a new one: %d", response.StatusCode)
				}
			})
		}
	}
}

// CONC-08: so do events, over HTTP/1.1 and HTTP/2, by themselves.
func TestCONC_08_EventsEndWithTheSession(t *testing.T) {
	t.Parallel()
	for site, content := range map[string]string{"usual": "", "flushing": flushing} {
		for protocol, isHTTP2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			for name, end := range untilCut {
				t.Run(site+" "+protocol+" "+name, func(t *testing.T) {
					t.Parallel()
					s := newStreaming(t, isHTTP2, withSettings(streamedSession), withSite(content))
					s.streams().mu.Lock()
					s.streams().every = time.Millisecond
					s.streams().mu.Unlock()
					response := s.events(s.cookies())
					if got := response.ProtoMajor == 2; got != isHTTP2 {
						t.Fatal(response.Proto)
					}
					end(s)
					isOver(t, response.Body)
					if content == "" { // the other one ends with the next event
						if ended := <-s.ended; ended != "events" {
							t.Error(ended)
						}
					}
				})
			}
		}
	}
}

// CONC-08: a stream of an API client ends with its access token, and that of a user when
// all that is the user's was ended.
func TestCONC_08_StreamsOfAPIClientsEndWithTheToken(t *testing.T) {
	t.Parallel()
	s := newStreaming(t, false, withSettings(bearerSetting))
	s.pair.Master.AddAPI(auth0sim.API{Identifier: reportsAPI, Scopes: []string{"read:reports"}})
	token, _ := s.machineToken(reportsAPI, "read:reports")
	response := s.events(map[string]string{"Authorization": "Bearer " + token})
	socket := s.upgrade("Authorization: Bearer " + token)
	ofUser := s.upgrade("Authorization: Bearer " + s.signed(nil))
	s.revoke()
	s.streams().check()
	isOver(t, ofUser)
	if s.count() != 2 {
		t.Fatalf("%d streams are open, want 2", s.count())
	}
	s.clock.advance(25 * time.Hour)
	s.streams().check()
	isOver(t, response.Body)
	isOver(t, socket)
}

// CONC-08, CONC-22: a stream goes on through reloads, and ends when its session does, whatever
// the newer configuration has changed. Where nobody answers for its tenant any more, it ends.
func TestCONC_08_CONC_22_StreamsOutliveTheirConfiguration(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]string{"no change": streamedSession, "a change": streamedSession + "\nunauthenticated 401", "gone": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStreaming(t, false, withSettings(streamedSession))
			response, streams, before := s.events(s.cookies()), s.streams(), s.handler()
			s.folder = t.TempDir() // another storage, so that what it was judged by is gone
			if name != "gone" {
				s.load(worldSetup{base: s.base, settings: settings})
			}
			if err := before.Cleanup(); err != nil {
				t.Error(err)
			}
			if name != "gone" {
				if streams.check(); s.count() != 1 {
					t.Fatalf("%d streams are open after the reload, want 1", s.count())
				}
				s.revoke()
			}
			streams.check()
			isOver(t, response.Body)
		})
	}
}

// CONC-08: and with all that was its user's.
func TestCONC_08_StreamsOfAPIClientsEndWithTheUsersSessions(t *testing.T) {
	t.Parallel()
	s := newStreaming(t, false, withSettings(bearerSetting))
	s.pair.Master.AddAPI(auth0sim.API{Identifier: reportsAPI, Scopes: []string{"read:reports"}})
	token, _ := s.userToken("openid read:reports")
	socket := s.upgrade("Authorization: Bearer " + token)
	s.revoke()
	s.streams().check()
	isOver(t, socket)
}

// CONC-08: what is no stream goes on to its end, and costs nothing.
func TestCONC_08_DownloadsAreNotCut(t *testing.T) {
	t.Parallel()
	s := newStreaming(t, false)
	r, err := http.NewRequest("GET", s.server.URL+"/download", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "app.example.test"
	r.Header.Set("Cookie", cookieHeader(s.world, s.browser))
	response, err := s.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if s.count() != 0 {
		t.Error("a download is a stream")
	}
	s.revoke()
	s.streams().check()
	s.ended <- "go on"
	if got, err := io.ReadAll(response.Body); string(got) != "onetwo" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// CONC-08: streams that end by themselves leave nothing behind, and nothing of the
// connection is touched afterwards.
func TestCONC_08_StreamsThatEndAreForgotten(t *testing.T) {
	t.Parallel()
	s := newStreaming(t, false)
	for range 3 {
		response := s.events(s.cookies())
		response.Body.Close()
		<-s.ended
	}
	if response, _ := s.send(s.browser, "GET", "/plain", map[string]string{"Accept": "text/event-stream"}); response.StatusCode != http.StatusOK {
		t.Errorf("%d", response.StatusCode)
	}
	s.server.Close() // waits for the handlers
	if o := s.streams(); s.count() != 0 || o.timer != nil {
		t.Errorf("%d streams, timer %v", s.count(), o.timer)
	}
	done := &openStream{}
	done.cancel = func() { t.Error("a stream was cut after its end") }
	s.streams().remove(done)
	done.cut()
}

func TestWhatOpensAStream(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, header, value string
		want                  bool
	}{
		"navigation":            {"GET", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8", false},
		"script":                {"POST", "Accept", "application/json", false},
		"no Accept":             {"GET", "X-Other", "event-stream", false},
		"events":                {"GET", "Accept", "text/event-stream", true},
		"posted events":         {"POST", "Accept", "application/json, text/event-stream", true},
		"WebSocket":             {"GET", "Upgrade", "websocket", true},
		"other upgrade":         {"POST", "Upgrade", "tcp", true},
		"RFC 8441":              {"CONNECT", ":protocol", "websocket", true},
		"upgrades to https":     {"GET", "Upgrade-Insecure-Requests", "1", false},
		"download of the whole": {"GET", "Range", "bytes=0-", false},
	} {
		r := httptest.NewRequest(tc.method, "/", nil)
		r.Header[tc.header] = []string{tc.value}
		if got := opensStream(r); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
