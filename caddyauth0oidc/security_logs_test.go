package caddyauth0oidc

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// ASVS-19: the tokens of a login stay here. OIDC-23: an ID token that is kept for the
// logout goes to the tenant's logout, and into no log.
func TestASVS_19_OIDC_23_TokensStayHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("logout {\nstrategy oidc\nhint id_token\n}\nheaders {\nprofile\n}"), withGlobal("servers {\nlog_credentials\n}"))
	w.pair.Master.AdvertiseEndSession = true
	var tokens []string
	w.pair.Master.TamperTokenResponse = func(body map[string]any) {
		tokens = append(tokens, body["access_token"].(string), body["id_token"].(string))
	}
	b := w.browser()
	page := w.signIn(b, "/home", w.pair.User)
	_, profile := w.send(b, "GET", "/auth/profile", nil)
	seen := page.Body + profile + cookieHeader(w, b)
	for _, r := range w.app.take() {
		for name, values := range r.header {
			seen += name + strings.Join(values, " ")
		}
	}
	response, body := w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	location, err := response.Location()
	if err != nil || len(tokens) != 2 || location.Query().Get("id_token_hint") != tokens[1] {
		t.Fatalf("the logout leads to %s, %v", location, err)
	}
	seen += body + w.logs()
	for i, name := range []string{"access token", "ID token"} {
		if strings.Contains(seen, tokens[i]) {
			t.Errorf("the %s is on a page, in a header, in a readable cookie or in a log", name)
		}
	}
	if !strings.Contains(w.logs(), `"msg":"signed out"`) {
		t.Error("the logout is not in the log")
	}
}

// ASVS-27: logins are in the log, those that fail too, and what a stranger writes into
// addresses, or a user into claims, begins no line of it.
func TestASVS_27_NobodyWritesLinesIntoTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const forged = "x\r\n{\"level\":\"info\",\"msg\":\"signed in\",\"forged\":true}\n\u2028\x1b[2J"
	w.pair.Master.TamperIDToken = func(_, claims map[string]any) {
		claims["name"], claims["nickname"], claims[forged] = forged, forged, forged
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for _, path := range []string{"/x?q=", "/auth/callback?error=", "/auth/callback?state=x&code=", "/auth/login?return_to=", "/auth/login?connection="} {
		w.send(b, "GET", path+url.QueryEscape(forged), map[string]string{"User-Agent": "x{\"msg\":\"signed in\"}", "Accept": "text/html"})
	}
	late := w.browser()
	callback, _ := url.Parse(w.callbackOf(late, "/home", w.pair.User))
	w.step(late, w.base+"/auth/callback?error=access_denied&error_description="+url.QueryEscape(forged)+"&state="+url.QueryEscape(callback.Query().Get("state")))
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.TamperIDToken = func(_, claims map[string]any) { claims["sub"] = "auth0|" + forged }
	})
	w.signIn(w.browser(), "/home", w.pair.User)
	messages := make(map[string]int)
	for line := range strings.Lines(w.logs()) {
		var entry struct {
			Message string `json:"msg"`
			Code    string `json:"code"`
			Forged  bool   `json:"forged"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Forged || strings.ContainsAny(line, "\r\x1b") {
			t.Errorf("a line that is not ours: %q, %v", line, err)
		}
		messages[entry.Message+entry.Code]++
	}
	for message, want := range map[string]int{
		"signed in": 1, "request refused" + codeBadState: 2, "request refused" + codeUnknownConnection: 1,
		"request refused" + codeLoginDenied: 1, "request refused" + codeInvalidToken: 1,
	} {
		if messages[message] != want {
			t.Errorf("%q is in the log %d times, want %d", message, messages[message], want)
		}
	}
}
