package caddyauth0oidc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// BCL-01 to BCL-04, BCL-18, CVE-MAO-06, CVE-MAO-18: what is no form with one logout token
// is refused as the standard says, and reaches neither the application nor a session.
func TestBCL_01_RequestsThatCarryNoLogoutToken(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b, sid := w.signedInBrowser(w.pair.User)
	sub := w.pair.MasterUserID(w.pair.User)
	good := url.Values{"logout_token": {w.pair.Master.LogoutToken(w.pair.App.ClientID, sub, sid)}}.Encode()
	form := func(kind string) map[string]string { return map[string]string{"Content-Type": kind} }
	for name, tc := range map[string]struct {
		path, body string
		header     map[string]string
		want       int
	}{
		"BCL-02 JSON":                     {"", `{"logout_token":"x"}`, form("application/json"), 400},
		"BCL-02 multipart":                {"", good, form("multipart/form-data; boundary=x"), 400},
		"BCL-02 text":                     {"", good, form("text/plain"), 400},
		"BCL-02 query alone":              {"?" + good, "", nil, 400},
		"BCL-02 query and another body":   {"?" + good, "x=y", nil, 400},
		"CVE-MAO-18 query and body":       {"?" + good, good, nil, 400},
		"CVE-MAO-18 escaped in the query": {"?logout%5Ftoken=", good, nil, 400},
		"unreadable query":                {"?%zz", good, nil, 400},
		"CVE-MAO-06 no type":              {"", good, form(""), 400},
		"CVE-MAO-06 garbage type":         {"", good, form(";;=\x7f"), 400},
		"CVE-MAO-06 zero body":            {"", "", nil, 400},
		"encoded body":                    {"", good, map[string]string{"Content-Encoding": "gzip"}, 400},
		"another charset":                 {"", good, form("application/x-www-form-urlencoded; charset=utf-16"), 400},
		"BCL-04 empty":                    {"", "logout_token=", nil, 400},
		"BCL-04 no value":                 {"", "logout_token", nil, 400},
		"BCL-04 CVE-MAO-18 twice":         {"", good + "&" + good, nil, 400},
		"BCL-04 twice, one empty":         {"", "logout_token=&" + good, nil, 400},
		"BCL-04 twice, one escaped":       {"", good + "&logout%5ftoken=x", nil, 400},
		"another field only":              {"", "Logout_Token=" + strings.TrimPrefix(good, "logout_token="), nil, 400},
		"malformed escape":                {"", good + "&%zz=1", nil, 400},
		"malformed token escape":          {"", "logout_token=%zz", nil, 400},
		"NUL":                             {"", "logout_token=%00", nil, 400},
		"BCL-03 too large":                {"", good + "&x=" + strings.Repeat("a", maxLogoutForm), nil, 413},
	} {
		response, body := w.postLogout(backchannelPath+tc.path, tc.body, tc.header)
		if w.judgeLogoutAnswer(response, body); response.StatusCode != tc.want {
			t.Errorf("%s: %d, want %d", name, response.StatusCode, tc.want)
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
		response, _ := w.send(b, method, backchannelPath+"?"+good, map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "POST" || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("BCL-01 %s: %d %v", method, response.StatusCode, response.Header)
		}
	}
	w.app.take()
	if !w.alive(b) {
		t.Fatal("the session is over")
	}
	response, body := w.postLogout(backchannelPath+"?from=auth0", "x=1&x=2&"+good, form("Application/X-WWW-Form-URLEncoded; charset=UTF-8"))
	if w.judgeLogoutAnswer(response, body); response.StatusCode != http.StatusOK || w.alive(b) {
		t.Errorf("with other fields: %d", response.StatusCode)
	}
	for line := range strings.Lines(w.logs()) {
		ours := strings.Contains(line, "back-channel")
		if strings.Contains(line, good[20:60]) || strings.Contains(line, sid) || ours && strings.Contains(line, sub) {
			t.Errorf("INV-04: the log has the token, or what it says: %s", line)
		}
	}
}

// BCL-01: error routes have no part in it: they may lead to the application, and must not
// see the form.
func TestBCL_01_ErrorRoutesDoNotAnswerForTheEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc {\nSETTINGS\n}\nreverse_proxy UPSTREAM\nhandle_errors {\nreverse_proxy UPSTREAM\n}"))
	for _, body := range []string{"logout_token=SECRET", "SECRET", "logout_token=" + strings.Repeat("SECRET", 20000)} {
		response, answer := w.postLogout(backchannelPath, body, map[string]string{"Accept": "text/html"})
		w.judgeLogoutAnswer(response, answer)
	}
	w.send(w.browser(), "GET", backchannelPath+"?logout_token=SECRET", nil)
	if n := len(w.app.take()); n != 0 || strings.Contains(w.logs(), "SECRET") {
		t.Errorf("%d requests reached the application; the log has the form: %t", n, strings.Contains(w.logs(), "SECRET"))
	}
}

// BCL-03: a sender that is slow, or sends without end, is not waited for.
func TestBCL_03_SlowAndEndlessForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.localhost"))
	server := httptest.NewServer(w.server)
	t.Cleanup(server.Close)
	for name, tc := range map[string]struct {
		framing string
		sent    func(c net.Conn)
		want    string
	}{
		"slow": {"Content-Length: 100", func(c net.Conn) { _, _ = io.WriteString(c, "logout_token=") }, " 408 "},
		"endless": {"Transfer-Encoding: chunked", func(c net.Conn) {
			for range 100 {
				if _, err := fmt.Fprintf(c, "400\r\n%s\r\n", strings.Repeat("a", 1024)); err != nil {
					return
				}
			}
		}, " 413 "},
	} {
		t.Run(name, func(t *testing.T) {
			w.clock.mu.Lock()
			w.clock.now = time.Now().Add(300*time.Millisecond - formPatience)
			w.clock.mu.Unlock()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: app.localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n%s\r\n\r\n", backchannelPath, tc.framing)
			tc.sent(conn)
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			answer := bufio.NewReader(conn)
			if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, tc.want) {
				t.Fatalf("%q, %v", line, err)
			}
			if _, err := io.Copy(io.Discard, answer); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the server waits for more")
			}
		})
	}
}

// BCL-14, BCL-15: a token ends what it names, and nothing else.
func TestBCL_15_WhatATokenNamesIsWhatEnds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(w *world, sid string) string
		status int
		first  bool // whether the session named lives on
		same   bool // whether another one of the user does
	}{
		"sid only": {func(w *world, sid string) string { return w.tampered("", sid, lacking("sub")) }, 200, false, true},
		"sub only": {func(w *world, _ string) string {
			return w.tampered(w.pair.MasterUserID(w.pair.User), "", lacking("sid"))
		}, 200, false, false},
		"both": {func(w *world, sid string) string { return w.tampered(w.pair.MasterUserID(w.pair.User), sid, nil) }, 200, false, true},
		"sid of another user": {func(w *world, sid string) string {
			return w.tampered(w.pair.MasterUserID(w.pair.Accented), sid, nil)
		}, 200, true, true},
		"BCL-16 unknown sid": {func(w *world, _ string) string { return w.tampered(w.pair.MasterUserID(w.pair.User), "unknown", nil) }, 200, true, true},
		"BCL-14 the same sub at the child": {func(w *world, sid string) string {
			return w.pair.Child.LogoutToken(w.pair.ChildApp.ClientID, w.pair.MasterUserID(w.pair.User), sid)
		}, 200, true, true},
		"BCL-14 the child for our application": {func(w *world, sid string) string {
			return w.pair.Child.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), sid)
		}, 400, true, true},
		"BCL-14 the child in the master's name": {func(w *world, sid string) string {
			return w.pair.Child.SignJWT(nil, map[string]any{
				"iss": w.pair.Master.Issuer(), "aud": w.pair.App.ClientID, "sid": sid, "jti": "x", "iat": w.clock.Now().Unix(),
				"exp": w.clock.Now().Unix() + 100, "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
			})
		}, 400, true, true},
		"BCL-13 an ID token": {func(w *world, sid string) string {
			return w.pair.Master.SignJWT(nil, map[string]any{
				"iss": w.pair.Master.Issuer(), "aud": w.pair.App.ClientID, "sub": w.pair.MasterUserID(w.pair.User), "sid": sid, "nonce": "x",
				"iat": w.clock.Now().Unix(), "exp": w.clock.Now().Unix() + 100, "jti": "x",
			})
		}, 400, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := backchannelWorld(t)
			b, sid := w.signedInBrowser(w.pair.User)
			same, _ := w.signedInBrowser(w.pair.User)
			other, _ := w.signedInBrowser(w.pair.Accented)
			token := tc.change(w, sid)
			if status := w.sendLogout(token); status != tc.status {
				t.Errorf("%d, want %d", status, tc.status)
			}
			if w.alive(b) != tc.first || w.alive(same) != tc.same || !w.alive(other) {
				t.Error("the wrong sessions were ended")
			}
		})
	}
}

// A user who signs in again after a logout of all sessions is signed in, and the same token
// does not end that session (BCL-12), nor does one that comes late.
func TestBCL_12_TokensThatComeAgainEndNoNewSession(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b, _ := w.signedInBrowser(w.pair.User)
	sub := w.pair.MasterUserID(w.pair.User)
	token, late := w.tampered(sub, "", lacking("sid")), w.tampered(sub, "", lacking("sid"))
	if status := w.sendLogout(token); status != http.StatusOK || w.alive(b) {
		t.Fatalf("the first one is answered with %d", status)
	}
	w.clock.advance(clockLead + 2*time.Second)
	again, _ := w.signedInBrowser(w.pair.User)
	if status := w.sendLogout(token); status != http.StatusBadRequest || !w.alive(again) {
		t.Errorf("the same one is answered with %d", status)
	}
	if status := w.sendLogout(late); status != http.StatusOK || !w.alive(again) || w.alive(b) {
		t.Errorf("a late one is answered with %d", status)
	}
	w.clock.advance(10 * time.Minute)
	if status := w.sendLogout(token); status != http.StatusBadRequest {
		t.Errorf("CVE-MAO-25: after ten minutes %d", status)
	}
}

// A child's token without the user's id says nothing here.
func TestChildsLogoutTokenHasToNameTheUser(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b, _ := w.signedInBrowser(w.pair.User)
	w.pair.Child.Configure(func(s *auth0sim.Settings) { s.TamperLogoutToken = lacking("sub") })
	if status := w.sendLogout(w.pair.Child.LogoutToken(w.pair.ChildApp.ClientID, "", w.pair.Child.Sessions()[0])); status != http.StatusBadRequest || !w.alive(b) {
		t.Errorf("%d", status)
	}
	if !strings.Contains(w.logs(), `"msg":"back-channel logout refused","code":"subject"`) {
		t.Error("the log has no reason")
	}
}

// Without the setting a child may end nothing.
func TestChildWithoutTheSettingEndsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite(siteOf("connection acme-child {\nchild {\ndomain CHILD_TENANT\nclient_id CHILD_APPLICATION\n}\n}")))
	b, _ := w.signedInBrowser(w.pair.User)
	if status := w.sendLogout(w.pair.Child.LogoutToken(w.pair.ChildApp.ClientID, w.pair.User.ID, "x")); status != http.StatusBadRequest || !w.alive(b) {
		t.Errorf("%d", status)
	}
}

// BCL-14: directives with other clients or other children, at the same prefix: whose token
// it is, is judged by that one, and no other one's sessions end.
func TestBCL_14_DirectivesAndChildrenAreToldApart(t *testing.T) {
	t.Parallel()
	const child = "child {\ndomain CHILD_TENANT\nclient_id %s\nbackchannel_logout on\n}\n"
	site := "@a not path /b/*\n@b path /b/*\nroute {\nauth0_oidc @a {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\n" +
		"connection globex-child {\nstrategy oidc\n" + fmt.Sprintf(child, "globex-app") + "}\nconnection acme-child {\n" + fmt.Sprintf(child, "CHILD_APPLICATION") + "}\n}\n" +
		"auth0_oidc @b {\ndomain DOMAIN\nclient_id other-client\nclient_secret x\nconnection other {\n" + fmt.Sprintf(child, "other-app") + "}\n}\nreverse_proxy UPSTREAM\n}"
	w := newWorld(t, withSite(site))
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home&connection=acme-child", w.pair.User)
	for _, application := range []string{"globex-app", "other-app", "unknown-app"} {
		want := http.StatusOK
		if application == "unknown-app" {
			want = http.StatusBadRequest
		}
		if status := w.sendLogout(w.pair.Child.LogoutToken(application, w.pair.User.ID, "x")); status != want || !w.alive(b) {
			t.Errorf("%s: %d", application, status)
		}
	}
	sub, sid := w.pair.MasterUserID(w.pair.User), w.pair.Master.Sessions()[0]
	if status := w.sendLogout(w.pair.Master.LogoutToken("other-client", sub, sid)); status != http.StatusOK || !w.alive(b) {
		t.Errorf("the other client: %d", status)
	}
	if status := w.sendLogout(w.pair.Child.LogoutToken(w.pair.ChildApp.ClientID, w.pair.User.ID, "x")); status != http.StatusOK || w.alive(b) {
		t.Errorf("the child's own: %d", status)
	}
}

// CONC-20: of the same token at the same time one is taken.
func TestCONC_20_ParallelDuplicatesAreTakenOnce(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b, sid := w.signedInBrowser(w.pair.User)
	token := w.pair.Master.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), sid)
	statuses := make([]int, 8)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = w.sendLogout(token) })
	}
	wg.Wait()
	slices.Sort(statuses)
	if statuses[0] != 200 || statuses[1] != 400 || statuses[len(statuses)-1] != 400 || w.alive(b) {
		t.Errorf("answered with %v", statuses)
	}
}

// CONC-19: what began before the logout may finish; nothing that begins after its 200 passes.
func TestCONC_19_NoRequestPassesAfterTheAnswer(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b, sid := w.signedInBrowser(w.pair.User)
	arrived, leave := make(chan struct{}), make(chan struct{})
	w.app.answer = func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-leave
		}
	}
	finished := make(chan int)
	go func() {
		response, _ := w.send(b, "GET", "/slow", nil)
		finished <- response.StatusCode
	}()
	<-arrived
	if status := w.sendLogout(w.pair.Master.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), sid)); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	if w.alive(b) {
		t.Error("a request passed after the answer")
	}
	close(leave)
	if status := <-finished; status != http.StatusOK {
		t.Errorf("the one under way ended with %d", status)
	}
}

// FUZZ-08: whatever a form has in it, there is one token or none, as other readers see it.
func FuzzLogoutForm(f *testing.F) {
	for _, seed := range []string{
		"logout_token=a.b.c", "logout_token=a&logout_token=b", "x=1&logout%5Ftoken=%61", "&&=&logout_token", "%zz", "logout_token=%", "a;logout_token=b", "\x00=\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, form string) {
		sent := &sentForm{
			header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, length: -1, body: io.NopCloser(bytes.NewBufferString(form)),
		}
		token, refused := sent.logoutToken(httptest.NewRecorder(), "", time.Now())
		if (token == "") == (refused == nil) {
			t.Fatalf("%q gives %q, %v", form, token, refused)
		}
		values, err := url.ParseQuery(form)
		if all := values["logout_token"]; refused == nil && err == nil && (len(all) != 1 || all[0] != token) {
			t.Errorf("%q gives %q, others see %q", form, token, all)
		}
	})
}
