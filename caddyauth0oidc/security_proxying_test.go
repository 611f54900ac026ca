package caddyauth0oidc

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answerTo sends a request as it is and gives all bytes that come back.
func answerTo(t *testing.T, address, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, crlf(request)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// HDR-15, HDR-44: neither in an answer nor in one that precedes it does the application set
// a cookie of ours; its own pass.
func TestHDR_15_HDR_44_NoKindOfAnswerSetsOurCookies(t *testing.T) {
	t.Parallel()
	const ours = "auth0_session=evil; Path=/"
	hijacked := func(answer string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(rw).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, crlf(answer)) // the proxy may have gone
			conn.Close()
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"the final one": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Add("Set-Cookie", "theirs=1")
			rw.Header().Add("Set-Cookie", ours)
		},
		"103": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Add("Set-Cookie", "theirs=1")
			rw.Header().Add("Set-Cookie", ours)
			rw.WriteHeader(http.StatusEarlyHints)
			rw.WriteHeader(http.StatusOK)
		},
		"102":               hijacked("HTTP/1.1 102 Processing\nSet-Cookie: theirs=1\nSet-Cookie: " + ours + "\n\nHTTP/1.1 204 No Content\n\n"),
		"101":               hijacked("HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\nSet-Cookie: theirs=1\nSet-Cookie: " + ours + "\n\n"),
		"announced trailer": hijacked("HTTP/1.1 200 OK\nSet-Cookie: theirs=1\nTrailer: Set-Cookie\nTransfer-Encoding: chunked\n\n4\nbody\n0\nSet-Cookie: " + ours + "\n\n"),
		"trailer":           hijacked("HTTP/1.1 200 OK\nSet-Cookie: theirs=1\nTransfer-Encoding: chunked\n\n4\nbody\n0\nSet-Cookie: " + ours + "\n\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, atBase("http://app.example.test"), withSite("auth0_oidc /private/* {\nSETTINGS\n}\nreverse_proxy UPSTREAM"))
			b := w.browser()
			w.signIn(b, "/private/", w.pair.User)
			w.app.answer = answer
			address := w.onWire()
			for _, path := range []string{"/private/x", "/public"} {
				got := answerTo(t, address, "GET "+path+" HTTP/1.1\nHost: app.example.test\nConnection: close, upgrade\nUpgrade: websocket\nTE: trailers\nCookie: "+cookieHeader(w, b)+"\n\n")
				if strings.Contains(got, "auth0_session") || !strings.Contains(got, "theirs=1") {
					t.Errorf("%s is answered with\n%s", path, got)
				}
			}
		})
	}
}

// HDR-51: whatever Caddy asks on the way to the application, or in its place, it asks with
// the user's headers and without our cookies.
func TestHDR_51_SubrequestsDoNotCarryTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(`auth0_oidc {
SETTINGS
}
forward_auth UPSTREAM {
uri /gate
}
intercept {
@gone status 410
handle_response @gone {
rewrite * /spare
reverse_proxy UPSTREAM
}
}
reverse_proxy UPSTREAM {
@moved header X-Accel-Redirect *
handle_response @moved {
rewrite * {rp.header.X-Accel-Redirect}
reverse_proxy UPSTREAM
}
@teapot status 418
handle_response @teapot {
copy_response
}
}`))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/old":
			rw.WriteHeader(http.StatusGone)
		case "/file":
			rw.Header().Set("X-Accel-Redirect", "/storage")
		case "/tea":
			rw.WriteHeader(http.StatusTeapot)
		}
	}
	for path, want := range map[string][]string{
		"/x":    {"/gate", "/x"},
		"/old":  {"/gate", "/old", "/spare"},
		"/file": {"/gate", "/file", "/storage"},
		"/tea":  {"/gate", "/tea"},
	} {
		w.send(b, "GET", path, map[string]string{"Cookie": "theirs=1", "X-Auth0-Role": "evil"})
		requests := w.app.take()
		var asked []string
		for _, r := range requests {
			asked = append(asked, r.uri)
			assertOnlyOurs(t, r, map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User)})
			if got := r.header.Get("Cookie"); got != "theirs=1" {
				t.Errorf("%s, asked for %s: the cookies are %q", r.uri, path, got)
			}
		}
		if !slices.Equal(asked, want) {
			t.Errorf("for %s the application is asked for %v, want %v", path, asked, want)
		}
	}
}

// HDR-52: a request that is tried again carries what the first try carried.
func TestHDR_52_EveryTryCarriesTheSameHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(shortSession+"\nheaders {\nprofile\n}"), withSite(`auth0_oidc {
SETTINGS
}
reverse_proxy UPSTREAM UPSTREAM {
lb_policy round_robin
lb_retries 3
transport http {
keepalive off
}
}`))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	w.clock.advance(2 * time.Hour)
	var failed atomic.Int32
	w.app.answer = func(http.ResponseWriter, *http.Request) {
		if failed.Add(1) <= 2 {
			panic(http.ErrAbortHandler)
		}
	}
	response, _ := w.send(b, "GET", "/x", map[string]string{"X-Auth0-Role": "evil"})
	tries := w.app.take()
	if response.StatusCode != http.StatusOK || len(tries) != 3 {
		t.Fatalf("%d after %d tries", response.StatusCode, len(tries))
	}
	for _, try := range tries {
		assertOnlyOurs(t, try, map[string]string{"X-Auth0-User-Id": w.pair.MasterUserID(w.pair.User)})
		if !reflect.DeepEqual(try.header, tries[0].header) {
			t.Errorf("the first try has\n%v\nand another\n%v", tries[0].header, try.header)
		}
	}
	if lines := response.Header.Values("Set-Cookie"); len(lines) != 1 {
		t.Errorf("the session is renewed by %q", lines)
	}
}

// HDR-41: Authorization is between the client and the application. It is neither read nor
// set here, and opens nothing.
func TestHDR_41_AuthorizationPassesAsItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	for _, sent := range []string{"", "Basic dXNlcjpwYXNzd29yZA==", "Bearer theirs", "Negotiate  YII=,x"} {
		header := map[string]string{"Authorization": sent}
		if sent == "" {
			header = nil
		}
		w.send(b, "GET", "/x", header)
		requests := w.app.take()
		if len(requests) != 1 || strings.Join(requests[0].header["Authorization"], "|") != sent {
			t.Errorf("%q arrives as %+v", sent, requests)
		}
		if response, _ := w.send(w.browser(), "GET", "/x", header); response.StatusCode != http.StatusUnauthorized || len(w.app.take()) != 0 {
			t.Errorf("%q alone: %d", sent, response.StatusCode)
		}
	}
}

// HDR-34: a request that was recorded and sent again, as TLS early data may be, does once
// what it does.
func TestHDR_34_EarlyDataThatIsSentAgainDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := strings.TrimPrefix(w.callbackOf(b, "/page", w.pair.User), w.base)
	again := map[string]string{"Early-Data": "1", "Cookie": cookieHeader(w, b), "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
	for i := range 3 {
		r, _ := http.NewRequest("GET", w.base+callback, nil)
		for name, value := range again {
			r.Header.Set(name, value)
		}
		response, err := w.network.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		signedIn := strings.Contains(strings.Join(response.Header.Values("Set-Cookie"), "|"), "__Host-auth0_session=")
		if response.StatusCode != http.StatusFound || signedIn != (i == 0) {
			t.Errorf("delivery %d: %d, signs in: %v", i+1, response.StatusCode, signedIn)
		}
	}
	if n := w.pair.Master.Calls("/oauth/token"); n != 1 {
		t.Errorf("%d codes were exchanged", n)
	}
	w.open(b, "/home")
	again["Cookie"] = cookieHeader(w, b)
	w.send(b, "GET", "/auth/logout", again)
	w.open(b, "/auth/login?return_to=/home") // the tenant still knows the user
	r, _ := http.NewRequest("GET", w.base+"/auth/logout", nil)
	for name, value := range again {
		r.Header.Set(name, value)
	}
	if _, err := w.network.RoundTrip(r); err != nil || !w.isSignedIn(b) {
		t.Errorf("the logout before this login ends its session: %v", err)
	}
}

// HDR-23: what is long arrives whole, or is refused at the login by its name; it is never
// cut, and no list has fewer members.
func TestHDR_23_LongValuesArriveWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	groups := make([]string, 300)
	for i := range groups {
		groups[i] = fmt.Sprintf("group %d, of the company", i)
	}
	for name, tc := range map[string]struct {
		claim any
		want  string // nothing if the login is refused
	}{
		"10 kB":                      {strings.Repeat("a", 10_000), strings.Repeat("a", 10_000)},
		"300 groups":                 {groups, strings.ReplaceAll(strings.Join(groups, "|"), ",", "%2C")},
		"more than cookies can hold": {opaqueText(40_000), ""},
		"a bomb once deflated":       {strings.Repeat("a", 700_000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings("headers {\nX-Long \"https://acme.test/long\"\n}"))
			w.pair.Master.CustomClaims = map[string]any{"https://acme.test/long": tc.claim}
			page := w.signIn(w.browser(), "/home", w.pair.User)
			requests := w.app.take()
			if tc.want == "" {
				if page.Status < 400 || page.Status == http.StatusInternalServerError || len(requests) != 0 {
					t.Errorf("the login ends at %d with %d requests", page.Status, len(requests))
				}
				return
			}
			if page.Status != http.StatusOK || len(requests) != 1 {
				t.Fatalf("the login ends at %d %s", page.Status, page.Body)
			}
			if got := strings.ReplaceAll(requests[0].header.Get("X-Long"), ",", "|"); got != tc.want {
				t.Errorf("the application gets %d bytes, want %d", len(got), len(tc.want))
			}
		})
	}
}
