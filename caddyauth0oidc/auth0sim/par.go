package auth0sim

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	// pushLimit is Auth0's (docs, "Configure Pushed Authorization Requests").
	pushLimit = 10_000
)

// pushedRequest is an authorization request that waits for the browser to bring its reference (RFC 9126).
type pushedRequest struct {
	clientID   string
	parameters url.Values
	expires    time.Time
}

// servePush is POST /oauth/par: what /authorize would refuse is refused here, and only confidential applications are let in.
func (t *Tenant) servePush(w http.ResponseWriter, r *http.Request) {
	if !t.settings().AdvertisePAR {
		t.tokenFailure(w, tokenError{http.StatusNotFound, "not_found", "Not found"})
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, pushLimit+1))
	if err != nil || len(body) > pushLimit {
		t.tokenFailure(w, tokenError{http.StatusRequestEntityTooLarge, "invalid_request", "Payload too large"})
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		t.tokenFailure(w, tokenError{http.StatusBadRequest, "invalid_request", "The request body could not be read."})
		return
	}
	reference, problem := t.push(r, form)
	if problem != nil {
		t.tokenFailure(w, *problem)
		return
	}
	noStore(w)
	writeJSON(w, http.StatusCreated, map[string]any{
		"request_uri": reference, "expires_in": int(t.settings().PushLifetime / time.Second),
	})
}

func (t *Tenant) push(r *http.Request, form url.Values) (string, *tokenError) {
	app, problem := t.authenticate(r, form)
	switch {
	case problem != nil:
		return "", problem
	case app.TokenEndpointAuthMethod == "none":
		return "", &tokenError{http.StatusUnauthorized, "invalid_client", "Public clients cannot push requests"}
	case form.Has("request_uri"): // RFC 9126 section 2.1
		return "", &tokenError{http.StatusBadRequest, "invalid_request", "request_uri is not allowed here"}
	case form.Get("client_id") == "":
		return "", missing("client_id")
	case !app.allowsCallback(form.Get("redirect_uri")):
		return "", &tokenError{http.StatusBadRequest, "invalid_request", "Callback URL mismatch."}
	}
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		form.Del(name)
	}
	if _, problem := t.checkRequest(t.newTransaction(form), app); problem != nil {
		return "", &tokenError{http.StatusBadRequest, problem.code, problem.description}
	}
	reference := requestURIPrefix + t.network.token(24)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pushed[reference] = &pushedRequest{app.ClientID, form, t.now().Add(t.PushLifetime)}
	return reference, nil
}

// pushedParameters replaces the query of /authorize by the request that its request_uri refers to. A reference works once, and
// only for the client that pushed it.
func (t *Tenant) pushedParameters(w http.ResponseWriter, q url.Values) (url.Values, bool) {
	if !q.Has("request_uri") {
		return q, true
	}
	reference := q.Get("request_uri")
	t.mu.Lock()
	p := t.pushed[reference]
	ok := p != nil && p.clientID == q.Get("client_id")
	if ok {
		delete(t.pushed, reference)
		ok = !t.now().After(p.expires)
	}
	t.mu.Unlock()
	if !ok {
		t.errorPage(w, http.StatusBadRequest, "invalid_request_uri", "The request_uri is unknown, has expired or was used before.")
		return nil, false
	}
	return p.parameters, true
}

// checkPushed refuses a request that came with the browser where only pushed ones are taken.
func (t *Tenant) checkPushed(app Application, pushed bool) *authorizeError {
	if pushed || !app.RequirePushedAuthorizationRequests && !t.settings().RequirePAR {
		return nil
	}
	return &authorizeError{"invalid_request", "Pushed Authorization Requests are required"}
}
