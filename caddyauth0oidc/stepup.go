package caddyauth0oidc

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// promptLogin is the value of prompt that has the tenant ask for the credentials
// (OpenID Connect Core 1.0 section 3.1.2.1).
const promptLogin = "login"

func checkPrompt(prompt string) error {
	if prompt == "none" {
		return errors.New("'none' would let nobody in whom Auth0 does not know already; leave the line out, or choose one of: login, select_account, consent")
	}
	return oneOf(prompt, []string{promptLogin, "select_account", "consent"})
}

func checkACRValues(values []string) error {
	_, err := policy.NewContexts(values)
	return err
}

// checkFixedParam refuses the parameter prompt as well, because nobody would verify
// what it asks for.
func checkFixedParam(key string) error {
	if strings.EqualFold(strings.TrimSpace(key), "prompt") {
		return errors.New("'prompt' has a setting of its own; write: prompt <value>")
	}
	return checkAuthorizeParam(key)
}

// demand is what the logins of a directive are for: how the user has to sign in, and
// which cookie keeps the session. Login links carry it as parameters, because
// directives with the same connection may differ in it.
type demand struct{ acrValues, maxAge, prompt, cookie, organization, choice, profile string }

func (h *Handler) demand() demand {
	d := demand{acrValues: strings.Join(h.contexts, " "), prompt: h.Prompt, organization: string(h.organization), choice: h.choice}
	if h.limits.MaxAge > 0 {
		d.maxAge = strconv.FormatInt(int64(h.limits.MaxAge/time.Second), 10)
	}
	if h.Session.Cookie.Name != defaultCookieName {
		d.cookie = h.Session.Cookie.Name
	}
	if source := h.profileSource(); source != sourceIDToken {
		d.profile = source
	}
	return d
}

func demandOf(query map[string]string) demand {
	return demand{
		query["acr_values"], query["max_age"], query["prompt"], query["session_cookie"], query["organization"], query["choice"], query["profile"],
	}
}

// parameters are the demand's part of a login link's query.
func (d demand) parameters() string {
	var all strings.Builder
	for _, p := range [...]tenant.Parameter{
		{Name: "acr_values", Value: d.acrValues}, {Name: "max_age", Value: d.maxAge}, {Name: "prompt", Value: d.prompt}, {Name: "session_cookie", Value: d.cookie},
		{Name: "organization", Value: d.organization}, {Name: "choice", Value: d.choice}, {Name: "profile", Value: d.profile},
	} {
		if p.Value != "" {
			all.WriteString("&" + p.Name + "=" + url.QueryEscape(p.Value))
		}
	}
	return all.String()
}

// distance tells how far from what a link wants a directive is: 0 for all of it, and
// more for each part that it can do without. The cookie and the choice of connections
// may be another one, the profile more than the ID token's, and a link may ask for the
// credentials where the directive does not. It is negative if the directive would ask for something else.
func (d demand) distance(wanted demand) int {
	n := 0
	switch {
	case d.acrValues != wanted.acrValues, d.maxAge != wanted.maxAge, d.organization != wanted.organization:
		return -1
	case d.prompt == wanted.prompt:
	case wanted.prompt == promptLogin:
		n++
	default:
		return -1
	}
	if d.choice != wanted.choice {
		n += 2
	}
	switch {
	case d.profile == wanted.profile:
	case wanted.profile == "":
		n += 4
	default:
		return -1
	}
	if d.cookie != wanted.cookie {
		n += 8
	}
	return n
}

// demanding gives the directive whose logins ask for what the query of a login link
// says, among those that lead to where it does. The link only chooses among those that
// are configured; if none of them fits it is this one.
func (h *Handler) demanding(v *visit, query map[string]string, leadsThere func(*Handler) bool) *Handler {
	best, least := h, -1
	for _, other := range append([]*Handler{h}, h.siblings(v)...) {
		n := other.demand().distance(demandOf(query))
		if leadsThere(other) && n >= 0 && (least < 0 || n < least) {
			best, least = other, n
		}
	}
	return best
}

// provenSince is the moment after which the user must have proved who they are in a
// login that began at the given time, or zero: the parameter prompt can be taken out
// of the address by the user.
func (h *Handler) provenSince(started time.Time) time.Time {
	if h.Prompt != promptLogin {
		return time.Time{}
	}
	return started
}

// missingLogin is the refusal of a request whose session is not there, or is there
// and not enough.
func (h *Handler) missingLogin(r *http.Request, v *visit) refusal {
	o := h.originOf(r)
	f := refusal{code: codeLoginRequired, status: http.StatusUnauthorized, loginURL: h.loginURL(r), bearer: h.bearerChallenge(o, "")}
	if h.hasWeakSession(r, v) {
		f.code, f.challenge = codeStepUpRequired, h.demand().challenge()
	}
	return f
}

// hasWeakSession tells, of a request that this directive does not let pass, whether
// it has a session that would do but for how or when the user signed in.
func (h *Handler) hasWeakSession(r *http.Request, v *visit) bool {
	s, limits := new(session.Session), h.limits
	limits.MaxAge = 0
	return h.keys.Load().ReadSession(s, v.cookies, h.cookiesOf(h.originOf(r)).Session.Name) &&
		s.Alive(h.now(), limits) && !h.revoked(s) && h.acceptsSource(s.Source) && h.acceptsChild(r, &s.Profile) && h.judgeConnection(r, &s.Profile, s.Source) == nil && h.organization.Judge(&s.Profile) == nil
}

// challenge is what RFC 9470 section 3 adds to WWW-Authenticate.
func (d demand) challenge() string {
	text := `, error="insufficient_user_authentication", error_description="A new sign-in is needed"`
	if d.acrValues != "" {
		text += `, acr_values="` + d.acrValues + `"`
	}
	if d.maxAge != "" {
		text += `, max_age="` + d.maxAge + `"`
	}
	return text
}

// weakness names the claim by which a login is not what was asked for, if that is
// why it failed.
func weakness(err error) (claim string, found bool) {
	if errors.Is(err, policy.ErrContext) {
		return "acr", true
	}
	invalid, ok := errors.AsType[*tenant.InvalidTokenError](err)
	return "auth_time", ok && invalid.Reason == "auth_time"
}
