package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
)

// The codes say why a request was refused. They are stable: error routes find
// them in {http.auth.auth0_oidc.error}, the log in `code`, and API clients in
// the member `code` of application/problem+json.
const (
	codeLoginRequired      = "login_required"
	codeSignedOut          = "signed_out"
	codeFormNotKept        = "form_not_kept"
	codeFormLost           = "form_lost"
	codeBadRequest         = "bad_request"
	codeMethodNotAllowed   = "method_not_allowed"
	codeBadState           = "bad_state"
	codeResponseMode       = "response_mode_mismatch"
	codeHTTPSRequired      = "https_required"
	codeStepUpRequired     = "step_up_required"
	codeStepUpFailed       = "step_up_failed"
	codeLoginDenied        = "login_denied"
	codeLoginFailed        = "login_failed"
	codeTokenRefused       = "token_refused"
	codeRequestRefused     = "request_refused"
	codePARMismatch        = "par_mismatch"
	codeInvalidToken       = "invalid_token"
	codeConnectionMismatch = "connection_mismatch"
	codeOrgMismatch        = "organization_mismatch"
	codeUnknownConnection  = "unknown_connection"
	codeUnknownIssuer      = "unknown_issuer"
	codeForbidden          = "forbidden"
	codeManagementRefused  = "management_refused"
	codeProfileTooLarge    = "profile_too_large"
	codeLoop               = "login_loop"
	codeTenantUnavailable  = "tenant_unavailable"
	codeRevocationUnknown  = "revocation_unknown"
	codeCrossSite          = "cross_site_request"
	codeInternal           = "internal_error"
	codeInvalidRequest     = "invalid_request"
	codeInvalidAccessToken = "invalid_access_token"
	codeInsufficientScope  = "insufficient_scope"
)

// errorPlaceholder holds the code in error routes.
const errorPlaceholder = "http.auth.auth0_oidc.error"

// refusal is the answer to a request that may not go on.
type refusal struct {
	code       string
	status     int
	retryAfter time.Duration // with 503
	loginURL   string        // where a login begins; shown to API clients
	challenge  string        // further parameters of WWW-Authenticate, with 401
	again      string        // address at which the page offers to try again
	signOut    string        // the logout route, which the page of a wrong account offers
	another    string        // where a login with another account begins
	allow      string        // methods that the route has, with 405
	cause      error         // for the log; has no secret and no claim in it
	detail     string        // what the page adds; one of our own words or names
	bearer     string        // the challenge to API clients
	ofToken    bool          // an access token was presented, and is why
	login      loginStage    // that it is the end of
	about      party         // whom it keeps out, for events
}

// loginStage is how far a login has come.
type loginStage int

const (
	noLogin      loginStage = iota
	loginAtStart            // the browser was not sent to the tenant
	loginAtEnd              // it has come back
)

// refusalCodes are all of them.
var refusalCodes = []string{
	codeLoginRequired, codeSignedOut, codeFormNotKept, codeFormLost, codeBadRequest, codeMethodNotAllowed,
	codeBadState, codeResponseMode, codeHTTPSRequired, codeStepUpRequired, codeStepUpFailed, codeLoginDenied,
	codeLoginFailed, codeTokenRefused, codeRequestRefused, codePARMismatch, codeInvalidToken,
	codeConnectionMismatch, codeOrgMismatch, codeUnknownConnection, codeUnknownIssuer, codeForbidden,
	codeManagementRefused, codeProfileTooLarge, codeLoop, codeTenantUnavailable, codeRevocationUnknown,
	codeCrossSite, codeInternal, codeInvalidRequest, codeInvalidAccessToken, codeInsufficientScope,
}

// refuse answers with the site's error routes, if it has any for this case, and
// else with a page for a browser and application/problem+json for the rest.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, f refusal) error {
	f.signOut = h.Prefix + "/logout"
	h.tellRefusal(r, f)
	noStore(w.Header())
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.retryAfter+time.Second-1)/time.Second)))
	}
	if f.allow != "" {
		w.Header().Set("Allow", f.allow)
	}
	if lines := f.challenges(); lines != nil {
		w.Header()["Www-Authenticate"] = lines
	}
	if v := visitOf(r); v.refusal == nil {
		v.refusal = &f
		if h.answeredByErrorRoutes(w, r, f) {
			return nil
		}
	}
	h.writeRefusal(w, r, f)
	return nil
}

// challenges say how to get in. RFC 9110 section 11.6.1 wants one with every 401.
func (f refusal) challenges() (lines []string) {
	if f.status == http.StatusUnauthorized && f.loginURL != "" {
		lines = append(lines, `Auth0-OIDC login_url="`+f.loginURL+`"`+f.challenge)
	}
	if f.bearer != "" {
		lines = append(lines, f.bearer)
	}
	return lines
}

// writeRefusal gives no error to Caddy, which would log the request's address.
func (h *Handler) writeRefusal(w http.ResponseWriter, r *http.Request, f refusal) {
	if wantsPage(r) {
		h.writePage(w, r, f.status, refusalPage(h.languageOf(r), f))
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(f.status)
	if r.Method == http.MethodHead {
		return
	}
	_ = json.NewEncoder(w).Encode(problem{ // fails when the client is gone
		Type: "about:blank", Title: http.StatusText(f.status), Status: f.status,
		Detail: pages.English().Say(f.textKey() + ".text"), Code: f.code, LoginURL: f.loginURL,
	})
}

// problem is an answer after RFC 9457.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Code     string `json:"code"`
	LoginURL string `json:"login_url,omitempty"`
}

// wantsPage tells whether a refusal is read by a person. A navigation by POST,
// as from a form, is one too.
func wantsPage(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	asGet := *r
	asGet.Method = http.MethodGet
	return isNavigation(&asGet)
}

// uncached is the Cache-Control of answers that are for one user, once.
const uncached = "private, no-store"

// noStore keeps an answer out of every cache, shared or private.
func noStore(header http.Header) {
	keepFromSharedCaches(header)
	header.Set("Cache-Control", uncached)
	header.Del("Etag")
}
