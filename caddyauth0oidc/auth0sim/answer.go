package auth0sim

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// answer collects what a handler writes until it is done; the in-process transport does not stream.
type answer struct {
	mu     sync.Mutex
	header http.Header
	sent   http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeHeader(status)
}

func (a *answer) writeHeader(status int) {
	if a.status != 0 || status < 200 {
		return
	}
	a.status = status
	a.sent = a.header.Clone()
}

func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status == 0 && a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", http.DetectContentType(p))
	}
	a.writeHeader(http.StatusOK)
	return a.body.Write(p)
}

// Flush exists because handlers ask for it; everything arrives at the end anyway.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

func (a *answer) response(req *http.Request) *http.Response {
	a.WriteHeader(http.StatusOK)
	body := a.body.Bytes()
	if req.Method == http.MethodHead {
		body = nil
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.sent, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}
