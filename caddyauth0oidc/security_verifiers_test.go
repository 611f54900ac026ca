package caddyauth0oidc

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// sentVerifiers keeps the verifiers of all token requests, and answers the first ones
// with these statuses.
func (w *world) sentVerifiers(statuses ...int) func() []string {
	var mu sync.Mutex
	var sent []string
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/oauth/token" {
				return false
			}
			body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			r.Body = io.NopCloser(bytes.NewReader(body))
			form, _ := url.ParseQuery(string(body))
			mu.Lock()
			defer mu.Unlock()
			if sent = append(sent, form.Get("code_verifier")); len(sent) > len(statuses) {
				return false
			}
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(statuses[len(sent)-1])
			_, _ = io.WriteString(rw, `{"error":"invalid_grant"}`)
			return true
		}
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), sent...)
	}
}

// PKCE-05, BCP-05: the code of one tab is worth nothing in the login of another, not even
// in the same browser: the tenant refuses the verifier, and the login begins anew.
func TestPKCE_05_CodeOfAnotherTabInBothModes(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode string) {
		w := newWorld(t, withSettings(mode))
		b := w.browser()
		first, second := w.answerTo(b, "/first"), w.answerTo(b, "/second")
		sent := w.sentVerifiers()
		swapped := first.parameters(t)
		swapped.Set("code", second.parameters(t).Get("code"))
		b.gate.next = callbackOnly{w.network, w.base}
		if page := w.deliver(b, first.with(swapped)); page.Status == http.StatusOK || sessionCookie(w, b) != "" || len(w.app.take()) != 0 {
			t.Errorf("%d %s", page.Status, page.URL)
		}
		if n := len(sent()); n != 1 {
			t.Errorf("%d token requests", n)
		}
		b.gate.next = w.network
		if page := w.deliver(b, second); page.URL.String() != w.base+"/second" && !strings.HasPrefix(page.URL.String(), w.pair.Child.Issuer()) {
			t.Errorf("the other tab ends at %d %s", page.Status, page.URL)
		}
	})
}

// callbackOnly lets a browser come to the site alone: whoever else is asked answers 204.
type callbackOnly struct {
	next http.RoundTripper
	base string
}

func (c callbackOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), c.base+"/") {
		return &http.Response{StatusCode: http.StatusNoContent, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header), Body: http.NoBody, Request: r}, nil
	}
	return c.next.RoundTrip(r)
}

// PKCE-06: what was sent with a code that failed is never sent again, whether the login
// goes on by itself or by another try.
func TestPKCE_06_NoVerifierIsUsedTwice(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"refused": http.StatusForbidden, "outage": http.StatusInternalServerError} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			sent := w.sentVerifiers(status)
			b := w.browser()
			page := w.signIn(b, "/page", w.pair.User)
			if status >= 500 {
				var err error
				if page, err = page.Click(tryAgain(t, page)); err != nil {
					t.Fatal(err)
				}
			}
			if page.Status != http.StatusOK || page.URL.String() != w.base+"/page" {
				t.Errorf("ended at %d %s", page.Status, page.URL)
			}
			if got := sent(); len(got) != 2 || got[0] == got[1] || len(got[1]) < 43 {
				t.Errorf("the verifiers are %q", got)
			}
			for _, verifier := range sent() {
				if strings.Contains(w.logs(), verifier) {
					t.Error("PKCE-04: a verifier is in the log")
				}
			}
		})
	}
}

// LSN-07: a token of the user's login is not a way in, neither the ID token nor the access
// token, where no directive accepts tokens.
func TestLSN_07_TokensOfALoginAreNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("unauthenticated 401"))
	now := w.clock.Now().Unix()
	claims := map[string]any{
		"iss": w.pair.Master.Issuer(), "sub": w.pair.MasterUserID(w.pair.User), "aud": w.pair.App.ClientID, "iat": now, "exp": now + 600, "nonce": "n",
	}
	for name, token := range map[string]string{"ID token": w.pair.Master.SignJWT(nil, claims), "access token": "opaque"} {
		for _, header := range []map[string]string{
			{"Authorization": "Bearer " + token}, {"Cookie": "__Host-auth0_session=" + token}, {"X-Auth0-User-Id": "x", "Authorization": "bearer " + token},
		} {
			if response, _ := w.send(w.browser(), "GET", "/x", header); response.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %d", name, response.StatusCode)
			}
		}
	}
	if len(w.app.take()) != 0 {
		t.Error("INV-01: the application was reached")
	}
}
