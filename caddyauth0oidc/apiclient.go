package caddyauth0oidc

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// serveClient lets an API client pass, or refuses it. There is no way from here to
// a login: neither the session that may have come along, nor `unauthenticated`,
// makes up for a token that does not do.
func (h *Handler) serveClient(w http.ResponseWriter, r *http.Request, v *visit, token string, next caddyhttp.Handler) error {
	client, refused := h.judgeToken(r, token)
	switch {
	case refused == nil:
		if v.fresh = nil; h.plan.ShowsToken() {
			v.fresh = &freshness{id: client.id, access: token}
		}
		h.publish(r, v, client.shown, client.id, h.ends(client.AccessToken))
		a := v.answerTo(w)
		h.tellWhatVaries(a)
		if opensStream(r) {
			ends, revoked := h.ofToken(client)
			return h.serveStream(a, r, next, ends, revoked)
		}
		return a.serve(r, next)
	case v.refusal != nil: // an error route of our own refusal
		return h.turnAway(w, r, v, next)
	}
	v.withdraw(r)
	refused.ofToken = true
	return h.refuse(w, r, *refused)
}

// judgeToken gives the client that presented the token, or why it is refused.
func (h *Handler) judgeToken(r *http.Request, token string) (*verifiedToken, *refusal) {
	o := h.originOf(r)
	if token == "" {
		return nil, &refusal{
			code: codeInvalidRequest, status: http.StatusBadRequest, bearer: h.bearerChallenge(o, "invalid_request"),
		}
	}
	client, err := h.Bearer.verified.verify(r.Context(), h.shared.tenant, token, h.Bearer.Audiences, h.shown)
	if err == nil && h.endedToken(client) {
		err = &tenant.InvalidTokenError{Reason: "revoked"}
	}
	if invalid, ok := errors.AsType[*tenant.InvalidTokenError](err); ok {
		return nil, &refusal{
			code: codeInvalidAccessToken, status: http.StatusUnauthorized, cause: invalid, bearer: h.bearerChallenge(o, "invalid_token"),
		}
	}
	if err != nil {
		f := h.unavailable(err, "")
		return nil, &f
	}
	if h.marksTooOld() {
		f := h.unjudged("")
		return nil, &f
	}
	if scoped := hasAll(client.Scopes, h.Bearer.Scopes); !scoped || !hasAll(client.Permissions, h.Bearer.Permissions) {
		wanted := h.Bearer.Scopes
		if scoped { // permissions are up to the tenant, no client can ask for them
			wanted = nil
		}
		return nil, &refusal{
			code: codeInsufficientScope, status: http.StatusForbidden, bearer: h.bearerChallenge(o, "insufficient_scope", wanted...),
		}
	}
	return client, h.judgeClient(r, client)
}

// judgeClient asks of whoever the token is for what is asked of those who sign in.
func (h *Handler) judgeClient(r *http.Request, client *verifiedToken) *refusal {
	o := h.originOf(r)
	refused := func(code string, cause error) *refusal {
		return &refusal{code: code, status: http.StatusForbidden, cause: cause, bearer: h.bearerChallenge(o, ""), about: party{user: client.profile.UserID}}
	}
	switch err := h.admits(r, client.profile, session.FromIDToken, client.AccessToken); {
	case errors.Is(err, policy.ErrContext), errors.Is(err, errStale): // RFC 9470 section 3
		f := refused(codeStepUpRequired, err)
		f.status, f.bearer = http.StatusUnauthorized, f.bearer+h.demand().challenge()
		return f
	case errors.Is(err, policy.ErrOrganization):
		return refused(codeOrgMismatch, err)
	case err != nil:
		return refused(codeConnectionMismatch, err)
	}
	if err := h.rules.Judge(client.shown); err != nil {
		return refused(codeForbidden, err)
	}
	return nil
}

func hasAll(given, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(given, w) })
}

// bearerChallenge says in WWW-Authenticate how an API client gets in (RFC 6750
// section 3, RFC 9728 section 5.1); without an error to a request that presented
// nothing, and with the scopes that a client may ask for. It is empty where access tokens
// are not accepted.
func (h *Handler) bearerChallenge(o origin, code string, scopes ...string) string {
	if h.Bearer == nil {
		return ""
	}
	line := bearerScheme + ` realm="` + quoted(o.String()) + `"`
	if code != "" {
		line += `, error="` + code + `"`
	}
	if len(scopes) > 0 {
		line += `, scope="` + strings.Join(scopes, " ") + `"`
	}
	return line + `, resource_metadata="` + quoted(o.String()+resourceMetadataPath) + `"`
}

// quoted escapes text for a quoted string (RFC 9110 section 5.6.4).
func quoted(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
}

// tellWhatVaries says on which parts of the request the answer depends.
func (h *Handler) tellWhatVaries(a *answer) {
	a.variesByCookie = h.Unauthenticated == modePass
	a.variesByToken = h.Bearer != nil
}
