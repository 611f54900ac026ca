package caddyauth0oidc

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// callbackWith sends the callback with these cookies.
func (w *world) callbackWith(callback, cookies string) *http.Response {
	r, _ := http.NewRequest("GET", callback, nil)
	r.Header.Set("Cookie", cookies)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	response, err := w.network.RoundTrip(r)
	if err != nil {
		w.t.Error(err)
		return new(http.Response)
	}
	return response
}

// sessionIn gives the cookies of the session that an answer sets.
func sessionIn(response *http.Response) (cookies []string) {
	for _, c := range response.Cookies() {
		if strings.Contains(c.Name, "auth0_session") && c.MaxAge >= 0 {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
	}
	return cookies
}

// CONC-03: a login whose callback is being served while another tab signs out leaves no
// session, nor a refresh token, and does not begin once more by itself.
func TestCONC_03_LoginThatEndsDuringALogoutIsDiscarded(t *testing.T) {
	t.Parallel()
	for name, signedIn := range map[string]bool{"nobody was signed in": false, "somebody was": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRefreshWorld(t)
			b := w.browser()
			path := "/page"
			if signedIn {
				w.signIn(b, "/home", w.pair.User)
				path = "/auth/login?return_to=/page"
			}
			callback, cookies := w.callbackOf(b, path, w.pair.User), cookieHeader(w, b)
			held, done := w.holdRefresh(), make(chan *http.Response)
			go func() { done <- w.callbackWith(callback, cookies) }()
			<-held.arrived
			asked := w.revocations()
			w.send(b, "POST", "/auth/logout", ownPost)
			before := len(asked())
			close(held.release)
			response := <-done
			if len(sessionIn(response)) != 0 || response.StatusCode != http.StatusUnauthorized || response.Header.Get("Location") != "" {
				t.Errorf("%d %v", response.StatusCode, response.Header)
			}
			body, _ := io.ReadAll(response.Body)
			if !strings.Contains(string(body), codeSignedOut) || !strings.Contains(string(body), "return_to=%2Fpage") {
				t.Errorf("the page is %s", body)
			}
			if n := len(asked()) - before; n != 1 {
				t.Errorf("%d tokens of the login were revoked", n)
			}
		})
	}
}

// CONC-03: it is the same when the login was served first, and its answer comes last.
func TestCONC_03_LoginThatWasServedBeforeALogoutIsOver(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]string{"": "", "form_post": "response_mode form_post", "refresh": refreshOn} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(settings))
			b := w.browser()
			callback := w.callbackOf(b, "/page", w.pair.User)
			if b.gate.form != "" {
				r, _ := http.NewRequest("POST", callback, strings.NewReader(b.gate.form))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				response, err := b.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				location, _ := response.Location()
				callback = location.String()
			}
			came := sessionIn(w.callbackWith(callback, cookieHeader(w, b)))
			if len(came) == 0 || w.statusWith(strings.Join(came, "; ")) != http.StatusOK {
				t.Fatal("the login came to nothing")
			}
			w.send(b, "POST", "/auth/logout", ownPost)
			if status := w.statusWith(strings.Join(came, "; ")); status != http.StatusUnauthorized {
				t.Errorf("the session lives on: %d", status)
			}
		})
	}
}

// CONC-03: the login that begins after a logout is not meant, nor is that of another browser.
func TestCONC_03_OtherLoginsThanThoseUnderWayGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, other := w.browser(), w.browser()
	callback := w.callbackOf(other, "/page", w.pair.Accented)
	w.step(b, w.base+"/pending")
	w.send(b, "POST", "/auth/logout", ownPost)
	if page, err := other.Get(callback); err != nil || page.Status != http.StatusOK {
		t.Errorf("the other browser: %v, %v", page, err)
	}
	if page := w.signIn(b, "/auth/login?return_to=/page", w.pair.User); page.Status != http.StatusOK {
		t.Errorf("the next login: %d %s", page.Status, page.Body)
	}
}
