package caddyauth0oidc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// serveCallback receives the tenant's answer to an authorization request:
// GET <prefix>/callback?code=&state=, or error= in place of code; where answers are
// posted, the same with state= alone, after the form has brought the rest.
func (h *Handler) serveCallback(w http.ResponseWriter, r *http.Request, v *visit) error {
	query, err := singleQuery(v.query)
	if err != nil {
		return h.refuseCallback(w, r, refusal{code: codeBadRequest, status: http.StatusBadRequest, cause: err, again: "/"})
	}
	began, state := h.beganBy(r, v, query["state"])
	if began == nil {
		return h.refuseCallback(w, r, refusal{code: codeBadState, status: http.StatusBadRequest, again: "/"})
	}
	return began.finish(w, r, v, query, state)
}

// beganBy gives the directive that began a login: the very one, wherever it
// stands, or, after a change of the configuration, one of this site with the same
// connection, or else one that can open the state. Directives that share this
// route need share nothing else.
func (h *Handler) beganBy(r *http.Request, v *visit, sealed string) (*Handler, session.State) {
	for _, opener := range append(h.siblings(v), h.shared.all()...) {
		state, ok := opener.keys.Load().OpenState(sealed)
		if !ok {
			continue
		}
		if began := h.withKey(v, state.Handler); began != nil && began.Prefix == h.Prefix {
			return began, state
		}
		if other := h.siblingWith(r, v, state.Connection); other != nil {
			return other, state
		}
		return opener, state
	}
	return nil, session.State{}
}

// withKey gives the directive of that key: of this configuration, and only if it has
// none of another one, which may not serve yet.
func (h *Handler) withKey(v *visit, key string) *Handler {
	for _, sibling := range h.siblings(v) {
		if sibling.key == key {
			return sibling
		}
	}
	return h.shared.handler(key)
}

// finish ends a login that this directive began.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request, v *visit, query map[string]string, state session.State) error {
	if len(h.connectionsFor(r)) == 0 {
		return h.refuseCallback(w, r, unknownConnection())
	}
	sealed := query["state"]
	o := h.originOf(r)
	family := h.pendingCookie(o)
	var t *session.Transaction
	if pending, ok := h.keys.Load().ReadTransaction(v.cookies, family.Name, state.Transaction, h.now()); ok {
		t = &pending
	}
	query, err := h.answered(query, t, o)
	switch {
	case errors.Is(err, errWrongMode):
		return h.refuseCallback(w, r, h.wrongMode(r, state))
	case err != nil:
		return h.refuseCallback(w, r, refusal{code: codeBadState, status: http.StatusBadRequest, cause: err, again: "/"})
	}
	to := h.destinationOf(r, v, state, sealed)
	if t == nil || query == nil || !h.shared.spent.add(t.ID, h.now(), session.TransactionLifetime) { // over, or begun in another browser
		return h.goOn(w, r, v, to, attemptOf(state), h.following(attemptOf(state)))
	}
	session.ClearTransaction(w.Header(), family, t.ID)
	return h.takeLogin(w, r, v, query, *t, state, to)
}

// takeLogin redeems the answer to a login of this browser, for which it is the first one.
func (h *Handler) takeLogin(
	w http.ResponseWriter, r *http.Request, v *visit, answer map[string]string, t session.Transaction, state session.State, to destination,
) error {
	if err := h.checkIssuer(r.Context(), answer); err != nil {
		return h.refuseLogin(w, r, v, to, h.failedLogin(err, to.returnTo))
	}
	if answer["error"] != "" {
		return h.refuseLogin(w, r, v, to, tenantRefusal(answer["error"], to.returnTo))
	}
	got, err := h.redeem(r, answer, t, state.Connection)
	if isSpent(err) && state.Attempt == 0 { // by another instance, or by time; once more will do
		h.logger.Warn("the code was refused; it was used before, or is too old", zap.Error(err))
		next := attemptOf(state)
		next.Count = 1
		return h.goOn(w, r, v, to, attemptOf(state), next)
	}
	if errors.Is(err, errEnded) && state.Attempt == 0 {
		h.logger.Info("beginning another login", zap.Error(err))
		return h.goOn(w, r, v, to, attemptOf(state), session.Attempts{Count: 1, First: state.First})
	}
	if err != nil {
		return h.refuseLogin(w, r, v, to, h.failedLogin(err, to.returnTo))
	}
	if !h.shared.crossings.signIn(t.ID, got.session.ID, h.now()) {
		return h.discard(w, r, v, got, to)
	}
	return h.signIn(w, r, v, got, to, attemptOf(state), t.Started)
}

// goOn leads from a login that came to nothing to where the user wanted to go:
// directly if a session is alive, and otherwise by the next login. It never signs
// anybody in. A form is sent only when the user says so: the session may be somebody
// else's by now, and the form may have been sent after an earlier callback.
func (h *Handler) goOn(w http.ResponseWriter, r *http.Request, v *visit, to destination, last, next session.Attempts) error {
	to.ask()
	if h.readSession(r, v, new(session.Session)) {
		h.tally.callbacks.count(callbackKnown)
		return h.lead(w, r, v, to)
	}
	if h.isRow(last.Count, last.First, loopLimit) {
		return h.refuseLogin(w, r, v, to, refusal{code: codeLoop, status: http.StatusBadRequest, again: to.returnTo})
	}
	h.tally.callbacks.count(callbackAgain)
	connection := to.connection
	if !h.accepts(r, connection) { // any more
		if connection = h.soleConnection(r); connection == "" {
			return h.leadToChoice(w, r, v, to)
		}
	}
	return h.startLogin(w, r, v, login{
		returnTo: to.returnTo, connection: connection, attempt: next, form: to.form, formLost: to.lost, retry: to.retry,
	})
}

// isSpent tells whether the tenant does not know the code, or no longer.
func isSpent(err error) bool {
	refused, ok := errors.AsType[*tenant.RefusedError](err)
	return ok && refused.Code == "invalid_grant"
}

// redeemed is what a code was good for.
type redeemed struct {
	session *session.Session
	tokens  *tenant.Tokens
	asked   string // the connection that the login was sent to
	child   *childToken
}

// redeem exchanges the code of a login through the connection and verifies what comes back.
func (h *Handler) redeem(r *http.Request, query map[string]string, t session.Transaction, connection string) (*redeemed, error) {
	ctx := r.Context()
	tokens, err := h.shared.tenant.Exchange(ctx, h.application, query["code"], t.Verifier, h.callbackURL(h.originOf(r)))
	if err != nil {
		return nil, err
	}
	token, err := h.shared.tenant.VerifyIDToken(ctx, h.application, string(tokens.IDToken), tenant.Check{
		Nonce: t.Nonce, AccessToken: tokens.AccessToken, MaxAge: h.askedAge(), ProvenSince: h.provenSince(t.Started),
	})
	if err != nil {
		return nil, err
	}
	found, err := h.profileOf(ctx, token, tokens, connection)
	if err != nil {
		return nil, err
	}
	if err := h.admits(r, found.profile, found.source, nil); err != nil {
		return nil, &notAdmittedError{party{user: found.profile.UserID, sid: token.SID}, err}
	}
	s, err := session.New(h.random, h.now(), *found.profile)
	if err != nil {
		return nil, errors.Join(errNotBegun, err)
	}
	s.SID, s.AuthTime, s.Ceiling, s.Source = token.SID, token.AuthTime, token.SessionExpiry, found.source
	if !s.Alive(h.now(), h.limits) {
		return nil, &tenant.InvalidTokenError{Reason: h.endedBy(s)}
	}
	if h.endedMeanwhile(s, t.Started, token.IssuedAt) {
		return nil, errEnded
	}
	return &redeemed{session: s, tokens: tokens, asked: connection, child: found.child}, nil
}

// notAdmittedError says whom the directive does not admit, to events alone.
type notAdmittedError struct {
	about party
	error
}

func (e *notAdmittedError) Unwrap() error { return e.error }

// errNotBegun says that a session cannot be begun for a reason that lies here.
var errNotBegun = errors.New("beginning the session")

// endedBy names the claim by which a session is over before it begins.
func (h *Handler) endedBy(s *session.Session) string {
	withoutMaxAge := h.limits
	withoutMaxAge.MaxAge = 0
	if s.Alive(h.now(), withoutMaxAge) {
		return "auth_time"
	}
	return "session_expiry"
}

var errIssuerParameter = errors.New("the callback's iss is not the tenant's issuer")

// checkIssuer compares the parameter iss of RFC 9207 before the code is sent
// anywhere. Auth0 sends it only when the tenant says so.
func (h *Handler) checkIssuer(ctx context.Context, query map[string]string) error {
	metadata, err := h.shared.tenant.Metadata(ctx)
	if err != nil && query["code"] != "" {
		return err
	}
	var iss []string
	if got, ok := query["iss"]; ok {
		iss = []string{got}
	}
	if !h.shared.tenant.AcceptsCallback(metadata, iss) {
		return errIssuerParameter
	}
	return nil
}

// signIn begins the session and sends the browser to where it wanted to go.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request, v *visit, got *redeemed, to destination, attempt session.Attempts, started time.Time) error {
	at := h.placeOf(r)
	family, came := at.family, v.cookies
	session.ClearSignedOut(w.Header(), family.Transaction)
	v.cookies = session.WithoutForm(came, family.Transaction.Name) // the session need not give way to a form
	err := h.beginSession(w.Header(), at, v, got)
	if err == nil {
		h.keepTokens(w.Header(), at, v, got)
	}
	v.cookies = came
	if err != nil {
		return h.refuseLogin(w, r, v, to, h.failedLogin(err, to.returnTo))
	}
	h.rememberConnection(w.Header(), r, family.Transaction, got)
	session.FitForm(w.Header(), family, came, at.headerLimit)
	var before session.Session
	again := h.supersede(&before, v, family.Session.Name)
	if again && before.Profile.UserID != got.session.Profile.UserID {
		to.ask()
	}
	if err := h.keys.Load().WriteAttempts(w.Header(), family.Transaction, attempt); err != nil {
		return h.refuseLogin(w, r, v, to, h.failedLogin(err, to.returnTo))
	}
	h.tellLogin(r, got.session, h.now().Sub(started))
	if h.isLoop(attempt, again) {
		return h.refuseLogin(w, r, v, to, refusal{code: codeLoop, status: http.StatusBadRequest, again: to.returnTo, about: partyOf(got.session)})
	}
	h.tally.callbacks.count(callbackSignedIn)
	return h.lead(w, r, v, to)
}

// keepTokens stores the tokens that the configuration has a use for, for as long as
// the session can last, and deletes those of an earlier session.
func (h *Handler) keepTokens(header http.Header, at cookiePlace, v *visit, got *redeemed) {
	session.ClearTokens(header, at.family.Session, v.cookies)
	kept := session.Tokens{Session: got.session.ID}
	if h.Logout.Hint == hintIDToken {
		kept.ID = string(got.tokens.IDToken)
	}
	if h.childHeader() != "" && got.child != nil {
		kept.Child, kept.ChildExpiry, kept.ChildConnection = got.child.text, got.child.expiry, got.asked
	}
	h.addAccess(&kept, got.tokens)
	write := func() error {
		if kept == (session.Tokens{Session: kept.Session}) {
			return nil
		}
		return h.keys.Load().WriteTokens(header, at.family.Session, &kept, h.limits.Absolute, v.cookies, at.headerLimit)
	}
	err := write()
	if err != nil && kept.Child != "" {
		h.logger.Warn("keeping the child's token for the application, which does without it", zap.Error(err))
		kept.Child, kept.ChildExpiry, kept.ChildConnection = "", time.Time{}, ""
		err = write()
	}
	if err != nil && kept.ID != "" {
		h.logger.Warn("keeping the ID token for the logout, which does without it", zap.Error(err))
		kept.ID = ""
		err = write()
	}
	if err != nil {
		h.logger.Warn("keeping the access token for the application, which does without it; it is not refreshed", zap.Error(err))
	}
}

// failedLogin maps what went wrong between code and session to an answer.
func (h *Handler) failedLogin(err error, again string) refusal {
	f := refusal{code: codeLoginFailed, status: http.StatusBadRequest, cause: err, again: again}
	if kept, ok := errors.AsType[*notAdmittedError](err); ok {
		f.about = kept.about
	}
	if _, ok := errors.AsType[*tenant.UnavailableError](err); ok || errors.Is(err, errNotBegun) {
		return h.unavailable(err, again)
	}
	if refused, ok := managementRefusal(err, again); ok {
		return refused
	}
	if _, ok := errors.AsType[*tenant.RefusedError](err); ok {
		f.code = codeTokenRefused
		if !isSpent(err) { // secret, grant or application are set up wrongly
			f.status = http.StatusBadGateway
		}
	}
	if _, ok := errors.AsType[*tenant.InvalidTokenError](err); ok {
		f.code = codeInvalidToken
	}
	if claim, ok := weakness(err); ok {
		f.code, f.status, f.detail = codeStepUpFailed, http.StatusForbidden, claim
	}
	if _, ok := errors.AsType[*policy.ConnectionError](err); ok {
		f.code, f.status = codeConnectionMismatch, http.StatusForbidden
	}
	if errors.Is(err, policy.ErrOrganization) {
		f.code, f.status = codeOrgMismatch, http.StatusForbidden
	}
	if tooLarge, ok := errors.AsType[*session.TooLargeError](err); ok {
		f.code, f.status, f.detail = codeProfileTooLarge, http.StatusBadGateway, tooLarge.Biggest
	}
	return f
}

// tenantRefusal is the answer to an error that the tenant sent to the callback.
// Its description is free text of whoever caused it, and is not shown.
// See https://auth0.com/docs/authenticate/protocols/oauth/error-codes.
func tenantRefusal(tenantCode, again string) refusal {
	f := refusal{code: codeLoginFailed, status: http.StatusBadRequest, again: again, detail: knownTenantCode(tenantCode)}
	switch f.detail {
	case "access_denied", "unauthorized", "login_required", "consent_required", "interaction_required":
		f.code, f.status = codeLoginDenied, http.StatusForbidden
	case "server_error", "temporarily_unavailable":
		f.code, f.status, f.retryAfter = codeTenantUnavailable, http.StatusServiceUnavailable, 5*time.Second
	}
	f.cause = errors.New("the tenant answered " + f.detail)
	return f
}

// knownTenantCode gives the code if it is one of OAuth, OpenID Connect or
// Auth0, so that no text of a stranger gets onto a page or into the log.
func knownTenantCode(code string) string {
	switch code {
	case "access_denied", "unauthorized", "login_required", "consent_required", "interaction_required",
		"invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope",
		"server_error", "temporarily_unavailable", "account_selection_required", "mfa_required",
		"too_many_attempts", "invalid_user_password", "request_not_supported", "registration_not_supported":
		return code
	}
	return "unknown_error"
}

// redirect answers with an address that was cleaned before.
func redirect(w http.ResponseWriter, location string, status int) {
	noStore(w.Header())
	w.Header().Set("Location", location)
	w.WriteHeader(status)
}

// hideQuery keeps code and state from whoever comes after us, error routes and
// their upstreams, and from the access log, which has no way to leave out a part
// of the address. What became of the callback is in the module's own log.
func hideQuery(r *http.Request) {
	original(r).URL.RawQuery = ""
	r.URL.RawQuery = ""
	r.RequestURI = r.URL.RequestURI()
	replacer := replacerOf(r) // Caddy's own values are of the request as it came
	replacer.Set("http.request.orig_uri", original(r).URL.RequestURI())
	replacer.Set("http.request.orig_uri.query", "")
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
}
