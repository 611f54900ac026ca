package load

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// dialed gives a client with connections to a server with the handler.
func dialed(t *testing.T, handler http.HandlerFunc, cookies ...string) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	c, err := Dial(t.Context(), address, 4, NewSource(address, "/reports", cookies))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestEveryCookieIsSentEquallyOften(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := make(map[string]int)
	c := dialed(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Header.Get("Cookie")]++
		_, _ = w.Write([]byte(strings.Repeat("x", 1024)))
	}, "a=1", "a=2", "a=3")
	result, err := c.Times(t.Context(), 300, time.Now().Add(time.Minute))
	if err != nil || result.Requests != 300 || result.Bad != 0 || len(result.Latencies) != 300 || !slices.IsSorted(result.Latencies) {
		t.Fatalf("%d and %d of 300, %v", result.Requests, result.Bad, err)
	}
	if len(seen) != 3 || seen["a=1"] != 100 || seen["a=2"] != 100 || seen["a=3"] != 100 {
		t.Errorf("the server saw %v", seen)
	}
}

func TestLoadEndsWithItsTimeAndCountsOtherAnswers(t *testing.T) {
	t.Parallel()
	c := dialed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // the load connects anew
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte("no"))
	}, "a=1")
	const d = 50 * time.Millisecond
	result, err := c.For(t.Context(), d)
	if err != nil || result.Requests != 0 || result.Bad == 0 || result.Elapsed < d {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := dialed(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done() // the client's going away
	}, "a=1")
	if result, err := c.For(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("it went on: %+v, %v", result, err)
	}
}

func TestRequestIsLikeABrowsers(t *testing.T) {
	t.Parallel()
	s := NewSource("localhost:8080", "/reports?page=2", []string{"a=1"})
	request := string(s.appendNext(nil))
	if n := len(request) - len("Cookie: a=1\r\n"); n < 420 || n > 520 {
		t.Errorf("it has %d bytes", n)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil || r.Host != "localhost:8080" || r.URL.Path != "/reports" || r.Header.Get("Cookie") != "a=1" {
		t.Errorf("%v, %v", r, err)
	}
}

func TestUnreadableAnswerIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "HTTP/1.1 200", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
	} {
		if r, err := readResponse(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q: got %+v", text, r)
		}
	}
	r, err := readResponse(bufio.NewReader(strings.NewReader("HTTP/1.1 302 Found\r\ncontent-length:  3 \r\nconnection: Close\r\n\r\nabc")))
	if want := (response{302, true}); err != nil || r != want {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestNobodyListeningIsAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var refused *net.OpError
	if _, err := Dial(t.Context(), address, 1, NewSource(address, "/", []string{"a=1"})); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}
