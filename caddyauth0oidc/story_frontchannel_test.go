package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const frontchannelSettings = "logout {\nfrontchannel\n}\nsession {\ncookie {\nsame_site none\n}\n}"

// framed is what a browser says of a frame in a page of the tenant.
var framed = map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}

// sidOf gives the claim sid of the browser's session.
func (w *world) sidOf(b *heldBrowser) string {
	w.t.Helper()
	h := w.handler()
	var s session.Session
	if !h.keys.Load().ReadSession(&s, []string{cookieHeader(w, b)}, h.cookiesOf(origin{scheme: "https"}).Session.Name) || s.SID == "" {
		w.t.Fatal("there is no session with a sid")
	}
	return s.SID
}

// RP-FCL-01, CVE-MAO-26: the tenant ends the session of this browser, a copy of its cookie
// included, and of no other one; nothing is revoked there.
func TestCVE_MAO_26_FrontchannelLogoutEndsTheSessionOfThisBrowserAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(frontchannelSettings))
	b, other := w.browser(), w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.signIn(other, "/home", w.pair.User)
	w.keepTokens(b, session.Tokens{Refresh: "a-refresh-token"})
	copied := cookieHeader(w, b)
	query := url.Values{"iss": {w.pair.Master.Issuer()}, "sid": {w.sidOf(b)}}.Encode()
	if response, _ := w.send(other, "GET", "/auth/frontchannel-logout?"+query, framed); response.StatusCode != http.StatusOK || !w.isSignedIn(b) || !w.isSignedIn(other) {
		t.Errorf("from another browser: %d", response.StatusCode)
	}
	response, body := w.send(b, "GET", "/auth/frontchannel-logout?"+query, framed)
	if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Cache-Control"), "no-store") || response.Header.Get("X-Frame-Options") != "" || strings.Contains(body, "script") {
		t.Errorf("%d %v %s", response.StatusCode, response.Header, body)
	}
	if policy := response.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-ancestors "+strings.TrimSuffix(w.pair.Master.Issuer(), "/")) {
		t.Errorf("the policy is %s", policy)
	}
	if cookies := cookieHeader(w, b); strings.Contains(cookies, "auth0_session") {
		t.Errorf("the cookies are %s", cookies)
	}
	r, _ := http.NewRequest("GET", w.base+"/x", nil)
	r.Header.Set("Cookie", copied)
	if response, err := w.network.RoundTrip(r); err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a copy of the cookie: %v, %v", response, err)
	}
	if w.pair.Master.Calls("/oauth/revoke") != 0 || len(w.pair.Master.Sessions()) != 2 || !w.isSignedIn(other) {
		t.Error("something else has ended, too")
	}
}

func TestFrontchannelLogoutThatNamesNothingHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(frontchannelSettings))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	iss, sid := url.QueryEscape(w.pair.Master.Issuer()), url.QueryEscape(w.sidOf(b))
	const path = "/auth/frontchannel-logout?"
	for query, want := range map[string]int{
		"iss=" + iss + "&sid=other": 200, "iss=" + strings.TrimSuffix(iss, "%2F") + "&sid=" + sid: 200, "iss=https://evil.test/&sid=" + sid: 200,
		"": 400, "iss=" + iss: 400, "sid=" + sid: 400, "iss=" + iss + "&sid=": 400, "iss=&sid=" + sid: 400,
		"iss=" + iss + "&sid=" + sid + "&sid=" + sid: 400, "iss=" + iss + "&iss=" + iss + "&sid=" + sid: 400, "iss=%zz&sid=" + sid: 400,
	} {
		response, _ := w.send(b, "GET", path+query, framed)
		if response.StatusCode != want || len(response.Header["Set-Cookie"]) != 0 || !strings.Contains(response.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: %d %v", query, response.StatusCode, response.Header)
		}
	}
	for _, method := range []string{"HEAD", "POST", "PUT"} {
		if response, _ := w.send(b, method, path+"iss="+iss+"&sid="+sid, nil); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET" {
			t.Errorf("%s: %d", method, response.StatusCode)
		}
	}
	if response, _ := w.send(w.browser(), "GET", path+"iss="+iss+"&sid="+sid, framed); response.StatusCode != http.StatusOK {
		t.Errorf("without a session: %d", response.StatusCode)
	}
	if !w.isSignedIn(b) {
		t.Error("the session has ended")
	}
}

// RP-FCL-01: without the setting the path is the application's. RP-FCL-02: a cookie that is
// Lax stays out of the frame, and nothing happens.
func TestRP_FCL_02_FrontchannelLogoutWithoutCookieOrSetting(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]int{"": http.StatusUnauthorized, "logout {\nfrontchannel\n}": http.StatusOK} {
		w := newWorld(t, withSettings(settings))
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		r, _ := http.NewRequest("GET", w.base+"/auth/frontchannel-logout?iss="+url.QueryEscape(w.pair.Master.Issuer())+"&sid="+w.sidOf(b), nil)
		for name, value := range framed {
			r.Header.Set(name, value)
		}
		response, err := w.network.RoundTrip(r)
		if err != nil || response.StatusCode != want || !w.isSignedIn(b) {
			t.Errorf("%q: %v, %v", settings, response, err)
		}
		if settings != "" && !strings.Contains(w.logs(), "same_site none") {
			t.Error("the log does not say that cookies are held back")
		}
	}
}
