package caddyauth0oidc

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// remembered counts what the handlers of a tenant and client keep of requests.
func (s *shared) remembered() int {
	s.spent.mu.Lock()
	defer s.spent.mu.Unlock()
	s.renewals.mu.Lock()
	defer s.renewals.mu.Unlock()
	return len(s.spent.current) + len(s.spent.previous) + len(s.renewals.underWay) + len(s.handlers)
}

// DOS-01: a login that is begun is kept in the browser that began it. Those of clients
// without cookies leave nothing here and cost the tenant one discovery altogether.
func TestDOS_01_BegunLoginsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.step(w.browser(), w.base+"/x")
	before := w.handler().shared.remembered()
	for i := range 2000 {
		response, _ := w.send(w.browser(), "GET", fmt.Sprintf("/x?%d", i), map[string]string{"Accept": "text/html"})
		if response.StatusCode != http.StatusFound {
			t.Fatalf("%d. login: %d", i+1, response.StatusCode)
		}
	}
	if after := w.handler().shared.remembered(); after != before {
		t.Errorf("%d things are remembered, %d before", after, before)
	}
	if n := w.tenantCalls(); n != 1 {
		t.Errorf("%d requests to the tenants", n)
	}
}

// DOS-03: a callback that no login of ours began is refused before anything is asked of
// the tenant, whatever its state looks like.
func TestDOS_03_InventedCallbacksCostTheTenantNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, err := url.Parse(w.step(w.browser(), w.base+"/x").Location())
	if err != nil {
		t.Fatal(err)
	}
	genuine, before := u.Query().Get("state"), w.tenantCalls()
	keyID, _, _ := strings.Cut(genuine, ".")
	for i := range 300 {
		for _, state := range []string{
			opaqueText(40 + i), keyID + "." + opaqueText(400-i), genuine[:len(genuine)-1-i%200], "zzzz" + genuine[4:], genuine[:5+i%200] + "A" + genuine[6+i%200:] + "A",
		} {
			query := url.Values{"code": {opaqueText(20 + i)}, "state": {state}}
			response, _ := w.send(w.browser(), "GET", "/auth/callback?"+query.Encode(), nil)
			if response.StatusCode != http.StatusBadRequest || len(response.Header.Values("Set-Cookie")) != 0 {
				t.Fatalf("state of %d characters: %d %v", len(state), response.StatusCode, response.Header)
			}
		}
	}
	if n := w.tenantCalls() - before; n != 0 {
		t.Errorf("%d requests to the tenants", n)
	}
	if n := w.handler().shared.remembered(); n != 1 { // the handler
		t.Errorf("%d things are remembered", n-1)
	}
}

// counted is a body that counts what is read of it.
type counted struct {
	io.Reader
	read int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.read += n
	return n, err
}

const marker = "MARKER-of-the-client"

// DOS-07: what is much too large is refused, or is no session, without being read to its
// end where that can be helped, and is not repeated to the client.
func TestDOS_07_OversizedInputIsNoSessionAndNoEcho(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	filler := marker + strings.Repeat("A", 3779)
	chunks := "__Host-auth0_session=n91r.8." + filler
	for i := range 200 {
		chunks += fmt.Sprintf("; __Host-auth0_session.%d=%s", i, filler)
	}
	for name, tc := range map[string]struct {
		method, path, cookie string
		want                 int
	}{
		"1 MB cookie":                {"GET", "/x", "__Host-auth0_session=" + marker + strings.Repeat("A", 1<<20), 401},
		"1 MB cookie, pending login": {"GET", "/auth/login", "__Host-auth0_txn_recent=" + marker + strings.Repeat("A", 1<<20), 302},
		"1 MB cookie, callback":      {"GET", "/auth/callback?code=x&state=y", "__Host-auth0_session=" + marker + strings.Repeat("A", 1<<20), 400},
		"200 chunks":                 {"GET", "/x", chunks, 401},
		"200 chunks, profile":        {"GET", "/auth/profile", chunks, 401},
		"64 KiB query, callback":     {"GET", "/auth/callback?code=x&state=" + marker + strings.Repeat("A", 64<<10), "", 400},
		"64 KiB query, login":        {"GET", "/auth/login?return_to=/" + marker + strings.Repeat("A", 64<<10), "", 400},
		"64 KiB query, page":         {"GET", "/x?" + marker + strings.Repeat("A", 64<<10), "", 401},
		"10 MB POST to the callback": {"POST", "/auth/callback?code=x&state=y", "", 405},
		"10 MB POST to a page":       {"POST", "/x", "", 401},
		"10 MB POST to the login":    {"POST", "/auth/login", "", 405},
	} {
		t.Run(name, func(t *testing.T) {
			body := &counted{Reader: strings.NewReader(marker + strings.Repeat("A", 10<<20))}
			r, err := http.NewRequest(tc.method, w.base+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.method == "POST" {
				r.Body = io.NopCloser(body)
			}
			if tc.cookie != "" {
				r.Header.Set("Cookie", tc.cookie)
			}
			response, err := w.network.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
			if err != nil || response.StatusCode != tc.want {
				t.Errorf("%d, want %d; %v", response.StatusCode, tc.want, err)
			}
			if strings.Contains(string(answer)+fmt.Sprint(response.Header), marker) || len(answer) > 16<<10 {
				t.Errorf("%d bytes of answer repeat what came", len(answer))
			}
			if body.read > 0 {
				t.Errorf("%d bytes of the body were read", body.read)
			}
		})
	}
	if n := len(w.app.take()); n != 0 {
		t.Errorf("the application saw %d requests", n)
	}
}

// ASVS-08: however much a client sends, what we send on its behalf, to the tenant and to
// the browser, stays short enough for both.
func TestASVS_08_AddressesThatWeSendAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("allow_params login_hint"))
	long := strings.Repeat("%C3%A4", 1000)
	for path, most := range map[string]int{
		"/" + long + "?q=" + long:                                 2048,
		"/auth/login?return_to=/" + long:                          2048,
		"/auth/login?login_hint=" + strings.Repeat("%C3%A4", 256): 2048 + 3*512,
		"/auth/login?login_hint=" + strings.Repeat("%C3%A4", 257): 0, // refused
		"/auth/login?scope=" + long:                               2048,
		"/auth/login?x=" + strings.Repeat("a", maxQuery):          0,
	} {
		response, _ := w.send(w.browser(), "GET", path, map[string]string{"Accept": "text/html"})
		location := response.Header.Get("Location")
		if (location == "") != (most == 0) || len(location) > most {
			t.Errorf("%.40s... (%d bytes) leads to %d bytes", path, len(path), len(location))
		}
		for name, values := range response.Header {
			if n := len(strings.Join(values, "")); n > 4096 {
				t.Errorf("%.40s...: %s has %d bytes", path, name, n)
			}
		}
	}
	w.send(w.browser(), "GET", "/auth/callback?state=x&code="+strings.Repeat("a", maxQuery), nil)
	if n := w.pair.Master.Calls("/oauth/token"); n != 0 {
		t.Error("an endless code is sent to the tenant")
	}
}
