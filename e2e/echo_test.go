package e2e

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// variable is what an application of testdata/servers says of one of the
// variables that it got.
type variable struct {
	Of      string  `json:"of"` // such as $_SERVER
	Name    string  `json:"name"`
	Text    string  `json:"text"`    // for the language
	Hex     string  `json:"hex"`     // the bytes
	Decoded *string `json:"decoded"` // nil if the text is not encoded in the way that was asked for
}

// place is where the application has it, such as "$_SERVER REMOTE_USER".
func (v variable) place() string { return v.Of + " " + v.Name }

func (v variable) bytes(t *testing.T) string {
	t.Helper()
	content, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatalf("%s: %v", v.place(), err)
	}
	return string(content)
}

// says reports whether the variable is that text, decoded or as it stands.
func (v variable) says(t *testing.T, text string) bool {
	t.Helper()
	return v.Decoded != nil && *v.Decoded == text || v.bytes(t) == text
}

// report is the answer of an application of testdata/servers.
type report struct {
	Server    string     `json:"server"`
	Variables []variable `json:"variables"`
}

func readReport(body io.Reader) (report, error) {
	var r report
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&r); err != nil {
		return r, fmt.Errorf("reading a report: %w", err)
	}
	if r.Server == "" || len(r.Variables) == 0 {
		return r, errors.New("reading a report: there is nothing in it")
	}
	return r, nil
}

// only gives the variables of one place.
func (r report) only(place string) []variable {
	var found []variable
	for _, v := range r.Variables {
		if strings.EqualFold(v.place(), place) {
			found = append(found, v)
		}
	}
	return found
}

// sendLines asks as a script of the site does, with the browser's cookies and with
// lines of headers that go over the connection as they are.
func (w *world) sendLines(t *testing.T, b *auth0sim.Browser, path string, lines []string) (status int, body string) {
	t.Helper()
	site, err := url.Parse(w.base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", site.Port()), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	request := []string{
		"GET " + path + " HTTP/1.1", "Host: " + site.Host, "Connection: close", "Accept: application/json",
		"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin",
	}
	for _, c := range b.Cookies(w.base) {
		request = append(request, "Cookie: "+c.Name+"="+c.Value)
	}
	request = append(append(request, lines...), "", "")
	if _, err := io.WriteString(conn, strings.Join(request, "\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}
