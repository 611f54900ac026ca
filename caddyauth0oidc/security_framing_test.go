package caddyauth0oidc

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exchange sends bytes as they are and gives the statuses of all that is answered to
// them until the connection ends.
func exchange(t *testing.T, address, request string) (statuses []int) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	for answers := bufio.NewReader(conn); len(statuses) < 10; {
		response, err := http.ReadResponse(answers, nil)
		if err != nil { // the connection is over
			return statuses
		}
		if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		statuses = append(statuses, response.StatusCode)
	}
	return statuses
}

// crlf ends the lines of a request as HTTP/1.1 has them.
func crlf(lines string) string { return strings.ReplaceAll(lines, "\n", "\r\n") }

const smuggled = "GET /smuggled HTTP/1.1\nHost: app.example.test\nAccept: application/json\nX-Auth0-Role: evil\nConnection: close\n\n"

// HDR-30, ASVS-07: bytes on which two readers could disagree about where a request ends,
// or a header, are refused or read in one way; what stands behind them has no session and
// gets nowhere. COOKIE stands for the user's cookie and CASE for a number.
func TestHDR_30_ASVS_07_FramingHidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	address, cookie := w.onWire(), cookieHeader(w, b)
	user := map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User), "X-Auth0-Email": "user-in-child@mail.com"}
	post := func(lines string) string {
		return "POST /x?CASE HTTP/1.1\nHost: app.example.test\nAccept: application/json\nCookie: COOKIE\n" + lines
	}
	number := 0
	for name, tc := range map[string]struct {
		request string // lines end with \n, which is sent as CR LF; \v is sent as a bare LF
		want    []int
	}{
		"CL.TE":                       {post("Content-Length: 6\nTransfer-Encoding: chunked\n\n0\n\n" + smuggled), []int{200, 401}},
		"TE.CL":                       {post("Transfer-Encoding: chunked\nContent-Length: 4\nConnection: close\n\n" + fmt.Sprintf("%x\n%s\n0\n\n", len(crlf(smuggled)), smuggled)), []int{200}},
		"TE.TE unknown":               {post("Transfer-Encoding: xchunked\n\n0\n\n" + smuggled), []int{501}},
		"TE.TE two lines":             {post("Transfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n" + smuggled), []int{501}},
		"TE.TE list":                  {post("Transfer-Encoding: chunked, identity\n\n0\n\n" + smuggled), []int{501}},
		"TE.TE space before colon":    {post("Transfer-Encoding : chunked\nContent-Length: 5\n\n0\n\n" + smuggled), []int{400}},
		"TE.TE folded":                {post("Transfer-Encoding:\n chunked\nContent-Length: 6\n\n0\n\n" + smuggled), []int{200, 401}},
		"TE.TE form feed":             {post("Transfer-Encoding: \x0cchunked\n\n0\n\n" + smuggled), []int{400}},
		"CL.CL that differ":           {post("Content-Length: 0\nContent-Length: 5\n\n" + smuggled), []int{400}},
		"CL.CL in a list":             {post("Content-Length: 0, 5\n\n" + smuggled), []int{400}},
		"CL with a sign":              {post("Content-Length: +0\n\n" + smuggled), []int{400}},
		"CL of GET":                   {strings.Replace(post("Content-Length: 4\n\nbody"), "POST", "GET", 1) + smuggled, []int{200, 401}},
		"chunk extension":             {post("Transfer-Encoding: chunked\n\n4;X-Auth0-User-Id=evil\nbody\n0;a=\"\n\n" + smuggled), []int{200, 401}},
		"chunk extension and bare LF": {post("Transfer-Encoding: chunked\n\n4;a\vbody\n0\n\n" + smuggled), []int{502}},
		"chunk size with a sign":      {post("Transfer-Encoding: chunked\n\n+4\nbody\n0\n\n" + smuggled), []int{502}},
		"bare LF ends a line":         {post("X-Other: 1\vX-Auth0-Role: evil\nConnection: close\n\n"), []int{200}},
		"bare CR in a value":          {post("X-Other: 1\rX-Auth0-Role: evil\n\n"), []int{400}},
		"NUL in a value":              {post("X-Auth0-Role: evil\x00\n\n"), []int{400}},
		"space before the colon":      {post("X-Auth0-Role : evil\n\n"), []int{400}},
		"name without a colon":        {post("X-Auth0-User-Id\n\n"), []int{400}},
		"obs-fold of ours":            {post("X-Auth0-Role:\n evil\n\tevil\nConnection: close\n\n"), []int{200}},
		"obs-fold that looks like it": {post("X-Other: 1\n X-Auth0-Role: evil\nConnection: close\n\n"), []int{200}},
		"obs-fold of Connection":      {post("Connection: close,\n X-Auth0-User-Id\n\n"), []int{200}},
		"obs-fold before any header":  {"GET /x?CASE HTTP/1.1\n X-Auth0-Role: evil\nHost: app.example.test\nCookie: COOKIE\n\n", []int{400}},
	} {
		number++
		statuses := exchange(t, address, strings.NewReplacer("\n", "\r\n", "\v", "\n", "CASE", strconv.Itoa(number), "COOKIE", cookie).Replace(tc.request))
		if !slices.Equal(statuses, tc.want) {
			t.Errorf("%s: answered with %v, want %v", name, statuses, tc.want)
		}
	}
	seen := make(map[string]int)
	for _, r := range w.app.take() { // of a body that breaks off it may get the beginning, whenever that is
		if seen[r.uri]++; seen[r.uri] > 1 || !strings.HasPrefix(r.uri, "/x?") {
			t.Errorf("%s reached the application, for the %d. time", r.uri, seen[r.uri])
		}
		assertOnlyOurs(t, r, user)
	}
	if len(seen) < 9 {
		t.Errorf("only %v reached the application", seen)
	}
}

// HDR-32: whoever is not signed in is told so before sending a body.
func TestHDR_32_RefusalComesBeforeTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	address := w.onWire()
	request := "POST /x HTTP/1.1\nHost: app.example.test\nConnection: close\nExpect: 100-continue\nContent-Length: 1073741824\n"
	if got := raw(t, address, request+"\n"); got != http.StatusUnauthorized || len(w.app.take()) != 0 {
		t.Errorf("signed out, the first answer is %d", got)
	}
	if got := raw(t, address, request+"Cookie: "+cookieHeader(w, b)+"\n\n"); got != http.StatusContinue {
		t.Errorf("signed in, the first answer is %d", got)
	}
}

// HDR-33: of requests that arrive together each is judged by its own cookies.
func TestHDR_33_PipelinedRequestsAreJudgedOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	address := w.onWire()
	page := "GET /first HTTP/1.1\nHost: app.example.test\nAccept: text/html\n"
	data := "GET /second HTTP/1.1\nHost: app.example.test\nAccept: application/json\nConnection: close\nX-Auth0-Role: evil\n"
	cookie := "Cookie: " + cookieHeader(w, b) + "\n"
	for name, tc := range map[string]struct {
		request string
		want    []int
		reached []string
	}{
		"nobody":           {page + "\n" + data + "\n", []int{302, 401}, nil},
		"the first alone":  {page + cookie + "\n" + data + "\n", []int{200, 401}, []string{"/first"}},
		"the second alone": {page + "\n" + data + cookie + "\n", []int{302, 200}, []string{"/second"}},
	} {
		if statuses := exchange(t, address, crlf(tc.request)); !slices.Equal(statuses, tc.want) {
			t.Errorf("%s: answered with %v, want %v", name, statuses, tc.want)
		}
		var reached []string
		for _, r := range w.app.take() {
			reached = append(reached, r.uri)
			assertOnlyOurs(t, r, map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User)})
		}
		if !slices.Equal(reached, tc.reached) {
			t.Errorf("%s: %v reached the application, want %v", name, reached, tc.reached)
		}
	}
}

// HDR-35: whichever form the target of a request has, it is protected, and matched, by the
// same path. HDR-36: a request has one host.
func TestHDR_35_HDR_36_TargetAndHostAreReadInOneWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"), withSite(`@private not path /public /public/*
auth0_oidc @private {
SETTINGS
}
reverse_proxy UPSTREAM`))
	b := w.browser()
	w.signIn(b, "/private/", w.pair.User)
	w.app.take()
	address, cookie := w.onWire(), cookieHeader(w, b)
	const host = "\nHost: app.example.test"
	for request, want := range map[string]struct {
		signedOut, signedIn int
		uri                 string // at the application
	}{
		"GET /private/x HTTP/1.1" + host:                                                        {401, 200, "/private/x"},
		"GET http://app.example.test/private/x HTTP/1.1" + host:                                 {401, 200, "/private/x"},
		"GET HTTP://APP.EXAMPLE.TEST/private/x HTTP/1.1" + host:                                 {401, 200, "/private/x"},
		"GET https://app.example.test/private/x HTTP/1.1" + host:                                {401, 200, "/private/x"},
		"GET http://app.example.test/private/x HTTP/1.1\nHost: other.example.test":              {401, 200, "/private/x"},
		"GET http://user@app.example.test/private/x HTTP/1.1" + host:                            {401, 200, "/private/x"},
		"GET http://other.example.test/private/x HTTP/1.1" + host:                               {200, 200, ""}, // no site, and an empty answer
		"GET http://app.example.test/public/../private/x HTTP/1.1" + host:                       {401, 200, "/public/../private/x"},
		"GET * HTTP/1.1" + host:                                                                 {401, 200, "*"},
		"OPTIONS * HTTP/1.1" + host:                                                             {200, 200, ""},
		"GET private/x HTTP/1.1" + host:                                                         {400, 400, ""},
		"GET app.example.test:80 HTTP/1.1" + host:                                               {401, 400, ""},
		"CONNECT app.example.test:80 HTTP/1.1" + host:                                           {401, 200, "app.example.test:80"},
		"GET /private/x HTTP/1.1" + host + host:                                                 {400, 400, ""},
		"GET /private/x HTTP/1.1" + host + "\nHost: other.example.test":                         {400, 400, ""},
		"GET http://app.example.test/private/x HTTP/1.1" + host + host:                          {400, 400, ""},
		"GET /private/x HTTP/1.1\nHost: app.example.test, other.example.test":                   {400, 400, ""},
		"GET /private/x HTTP/1.1":                                                               {400, 400, ""},
		"GET /private/x HTTP/1.1\nHost: other.example.test\nX-Forwarded-Host: app.example.test": {200, 200, ""},
	} {
		for _, visitor := range []struct {
			lines string
			want  int
			uri   string
		}{{"", want.signedOut, ""}, {"Cookie: " + cookie + "\n", want.signedIn, want.uri}} {
			statuses := exchange(t, address, crlf(request+"\nConnection: close\nX-Auth0-Role: evil\n"+visitor.lines+"\n"))
			if len(statuses) != 1 || statuses[0] != visitor.want {
				t.Errorf("%q, signed in %v: answered with %v, want %d", request, visitor.lines != "", statuses, visitor.want)
			}
			uri := ""
			for _, r := range w.app.take() {
				uri += r.uri
				assertOnlyOurs(t, r, map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User)})
			}
			if uri != visitor.uri {
				t.Errorf("%q, signed in %v: %q reached the application, want %q", request, visitor.lines != "", uri, visitor.uri)
			}
		}
	}
}
