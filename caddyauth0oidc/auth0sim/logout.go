package auth0sim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// pendingLogout is where a browser goes on to when the other tenant has ended its session too.
type pendingLogout struct{ location string }

// serveV2Logout ends the session without asking; it knows no state and no hint.
func (t *Tenant) serveV2Logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	clientID, returnTo := q.Get("client_id"), q.Get("returnTo")
	list := t.settings().AllowedLogoutURLs
	if clientID != "" {
		app, _ := t.application(clientID)
		list = app.AllowedLogoutURLs
	}
	if returnTo != "" && !allowsLogout(list, returnTo) {
		t.errorPage(w, t.settings().LogoutMismatchStatus, "invalid_request",
			`The "returnTo" querystring parameter "`+returnTo+`" is not defined as a valid URL in "Allowed Logout URLs".`)
		return
	}
	if returnTo == "" && clientID != "" && len(list) > 0 {
		returnTo = list[0]
	}
	s, ok := t.endSession(w, r)
	if ok {
		t.sendLogoutTokens(s)
	}
	t.leave(w, r, s, q.Has("federated"), returnTo, clientID)
}

// leave goes to the other tenant's logout first, if that was asked for and is possible.
func (t *Tenant) leave(w http.ResponseWriter, r *http.Request, s session, federated bool, returnTo, clientID string) {
	if federated && s.connection != "" {
		if next := t.federatedLogout(s, returnTo, clientID); next != "" {
			http.Redirect(w, r, next, http.StatusFound)
			return
		}
	}
	if returnTo == "" {
		t.render(w, http.StatusOK, "message", plainPage{Tenant: t.host, Title: "Logged out", Message: "OK"})
		return
	}
	http.Redirect(w, r, returnTo, http.StatusFound)
}

// federatedLogout: an oidc provider is left through its end_session_endpoint and returns to /login/callback; for
// auth0-oidc the documented manual chain is followed, if the tenant is set to.
func (t *Tenant) federatedLogout(s session, returnTo, clientID string) string {
	c, ok := t.connectionNamed(s.connection)
	if !ok {
		return ""
	}
	switch {
	case c.Strategy == "auth0-oidc" && t.settings().ChainFederatedLogout:
		back := url.Values{"client_id": {clientID}, "returnTo": {returnTo}}
		next := url.Values{"client_id": {c.option("client_id")}, "returnTo": {t.base() + "/logout?" + back.Encode()}}
		return t.scheme + "://" + c.option("domain") + "/v2/logout?" + next.Encode()
	case c.Strategy == "oidc":
		p, err := t.provider(c)
		if err != nil || p.EndSession == "" {
			t.record(LogEntry{Type: "federated_logout_failed", ClientID: clientID, UserID: s.userID})
			return ""
		}
		state := t.network.token(24)
		t.mu.Lock()
		t.logouts[state] = &pendingLogout{location: returnTo}
		t.mu.Unlock()
		return p.EndSession + "?" + url.Values{
			"client_id": {c.option("client_id")}, "id_token_hint": {s.idToken},
			"post_logout_redirect_uri": {t.callbackURL()}, "state": {state},
		}.Encode()
	}
	return ""
}

func (t *Tenant) finishFederatedLogout(w http.ResponseWriter, r *http.Request, state string) bool {
	t.mu.Lock()
	pending, ok := t.logouts[state]
	delete(t.logouts, state)
	t.mu.Unlock()
	if ok {
		t.leave(w, r, session{}, false, pending.location, "")
	}
	return ok
}

// logoutRequest is a request to /oidc/logout whose parameters agree with each other.
type logoutRequest struct {
	clientID, sid, target string
}

func (t *Tenant) serveOIDCLogout(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.errorPage(w, http.StatusBadRequest, "invalid_request", "The request could not be read.")
		return
	}
	status := t.settings().LogoutMismatchStatus
	req, problem := t.readLogout(r.Form)
	if problem != "" {
		t.errorPage(w, status, "invalid_request", problem)
		return
	}
	current, live := t.currentSession(r)
	// Without a hint, or with the hint of another session, the user is asked (Auth0 docs, "OIDC Logout").
	hinted := req.sid != "" && (!live || req.sid == current.sid)
	if live && !hinted && !t.settings().SkipLogoutConsent && !t.confirmsLogout(r, current) {
		fields := url.Values{}
		for name, values := range r.Form {
			fields[name] = values
		}
		fields.Set("confirm", current.sid)
		t.render(w, http.StatusOK, "logout", plainPage{Tenant: t.host, Title: "Log out", Action: t.base() + "/oidc/logout", Fields: fields})
		return
	}
	s, ok := t.endSession(w, r)
	if ok {
		t.sendLogoutTokens(s)
	}
	federated := r.Form.Has("federated") && r.Form.Get("federated") != "false"
	t.leave(w, r, s, federated, withState(req.target, r.Form.Get("state")), req.clientID)
}

// confirmsLogout recognises the form of the consent page: nobody else knows the sid of the browser's session.
func (t *Tenant) confirmsLogout(r *http.Request, current session) bool {
	return r.Method == http.MethodPost && r.PostFormValue("action") == "accept" && r.PostFormValue("confirm") == current.sid
}

// readLogout applies the rules of the endpoint; the answer is the text of the error page, or empty.
func (t *Tenant) readLogout(q url.Values) (logoutRequest, string) {
	req := logoutRequest{clientID: q.Get("client_id"), sid: q.Get("logout_hint"), target: q.Get("post_logout_redirect_uri")}
	if hint := q.Get("id_token_hint"); hint != "" {
		claims, ok := t.ownToken(hint)
		aud, _ := claims["aud"].(string)
		sid, _ := claims["sid"].(string)
		switch {
		case !ok:
			return req, "Invalid id_token_hint"
		case req.clientID != "" && req.clientID != aud:
			return req, "The id_token_hint was not issued for the client_id"
		case req.sid != "" && req.sid != sid:
			return req, "The logout_hint does not match the id_token_hint"
		}
		req.clientID, req.sid = aud, sid
	}
	list := t.settings().AllowedLogoutURLs
	if req.clientID != "" {
		app, ok := t.application(req.clientID)
		if !ok {
			return req, "Unknown client: " + req.clientID
		}
		list = app.AllowedLogoutURLs
	}
	if req.target != "" && !slices.ContainsFunc(list, func(e string) bool { return matchesURL(e, req.target) }) {
		return req, `The "post_logout_redirect_uri" parameter "` + req.target + `" is not defined as a valid URL in "Allowed Logout URLs".`
	}
	return req, ""
}

// ownToken reads an ID token that this tenant issued, expired or not, by signing it once more.
func (t *Tenant) ownToken(raw string) (map[string]any, bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, false
	}
	var claims map[string]any
	if json.Unmarshal(payload, &claims) != nil || claims["iss"] != t.Issuer() {
		return nil, false
	}
	return claims, t.verifiesOwn(raw, claims)
}

func withState(target, state string) string {
	if target == "" || state == "" {
		return target
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return target + separator + url.Values{"state": {state}}.Encode()
}
