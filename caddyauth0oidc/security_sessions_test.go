package caddyauth0oidc

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// ASVS-17: nothing but a page that is shown begins a login, also where cookies go to
// frames of other sites.
func TestASVS_17_OnlyNavigationsBeginALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("session {\ncookie {\nsame_site none\n}\n}"))
	for name, header := range map[string]map[string]string{
		"image":     {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
		"script":    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
		"fetch":     {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
		"prefetch":  {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty", "Sec-Purpose": "prefetch"},
		"prerender": {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch;prerender"},
	} {
		for _, path := range []string{"/x", "/auth/login", "/auth/login?return_to=/x"} {
			response, _ := w.send(w.browser(), "GET", path, header)
			if response.StatusCode != http.StatusUnauthorized || len(response.Header.Values("Set-Cookie")) != 0 || len(w.app.take()) != 0 {
				t.Errorf("%s of %s: %d, cookies %q", name, path, response.StatusCode, response.Header.Values("Set-Cookie"))
			}
		}
	}
	for _, dest := range []string{"document", "iframe"} {
		response, _ := w.send(w.browser(), "GET", "/auth/login", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": dest})
		if response.StatusCode != http.StatusFound {
			t.Errorf("a login in a %s: %d", dest, response.StatusCode)
		}
	}
}

// ASVS-13: what ends a session for every copy of its cookie.
func TestASVS_13_WhatEndsEveryCopyOfASession(t *testing.T) {
	t.Parallel()
	const limits = "session {\nidle 1h\nabsolute 2h\n}\n"
	same := func(w *world, settings string) { w.load(worldSetup{base: w.base, settings: limits + settings}) }
	for name, tc := range map[string]struct {
		end  func(w *world, b *heldBrowser)
		ends bool
	}{
		"idle limit":             {func(w *world, _ *heldBrowser) { w.clock.advance(time.Hour + 2*time.Minute) }, true},
		"secret that is dropped": {func(w *world, _ *heldBrowser) { same(w, `secret "`+newSecret+`"`) }, true},
		"secret that is kept":    {func(w *world, _ *heldBrowser) { same(w, `secret "`+newSecret+`" "`+oldSecret+`"`) }, false},
		"shorter limit": {func(w *world, _ *heldBrowser) {
			w.clock.advance(10 * time.Minute)
			w.load(worldSetup{base: w.base, settings: "session {\nidle 5m\nabsolute 5m\n}\nsecret \"" + oldSecret + `"`})
		}, true},
		"connection that is gone": {func(w *world, _ *heldBrowser) {
			w.load(worldSetup{base: w.base, site: "auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection another\nsecret \"" + oldSecret + "\"\n}\nreverse_proxy UPSTREAM"})
		}, true},
		"logout": {func(w *world, b *heldBrowser) {
			w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
			if w.isSignedIn(b) {
				w.t.Error("the browser is still signed in")
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings(limits+`secret "`+oldSecret+`"`))
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			stolen := cookieHeader(w, b)
			tc.end(w, b)
			response := w.sendCookies(stolen)
			_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
			if ended := response.StatusCode == http.StatusUnauthorized; ended != tc.ends {
				t.Errorf("a copy of the cookie gets %d", response.StatusCode)
			}
		})
	}
}
