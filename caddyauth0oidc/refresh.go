package caddyauth0oidc

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Refresh keeps the access token fresh: logins ask for a refresh token (the scope
// `offline_access`), which is exchanged for new tokens on a request shortly before the
// access token ends (RFC 6749 section 6). Each time the profile is made anew, too. The
// newest state of such a session is kept, sealed, in Caddy's storage as well, so that no
// refresh token is used twice, whichever instance a request meets. A session whose refresh
// the tenant refuses is over.
type Refresh struct {
	// Before is how long before its end the access token is replaced, on the first
	// request from then on. From 1s to 1h. Default: 60s.
	Before caddy.Duration `json:"before,omitempty"`

	// Leeway is the Rotation Overlap Period of the application at Auth0. A refresh of
	// which nobody knows what became, as after a lost connection, is tried again with the
	// same refresh token within that time only: later, Auth0 would take it for stolen, and
	// end all tokens of the user here. At most 60s. Default: 0, such a refresh is not
	// tried again, and the session ends with its access token.
	Leeway caddy.Duration `json:"leeway,omitempty"`
}

const (
	refreshBefore     = 60 * time.Second
	maxRefreshBefore  = time.Hour
	maxRefreshLeeway  = time.Minute
	scopeOffline      = "offline_access"
	accessPlaceholder = userPlaceholder + accessTokenName
	accessTokenName   = "access_token"
)

// parseRefresh reads:
//
//	refresh on | off {
//		before <duration>
//		leeway <duration>
//	}
func (h *Handler) parseRefresh(d *caddyfile.Dispenser) error {
	first, name, args := *d, d.Val(), d.RemainingArgs()
	if len(args) != 1 {
		return d.Errf("'%s' needs exactly one value, not %d", name, len(args))
	}
	set := new(Refresh)
	err := parseFields(d, fields{
		"before": func() error { return duration(d, &set.Before) },
		"leeway": func() error { return durationFrom(0, d, &set.Leeway) },
	})
	if err != nil {
		return err
	}
	if h.Refresh, err = set.switched(args[0]); err != nil {
		return first.Errf("%s: %w", name, err)
	}
	return nil
}

// switched gives the settings of `on`, and none for `off`.
func (s *Refresh) switched(to string) (*Refresh, error) {
	if err := oneOf(to, []string{"on", "off"}); err != nil {
		return nil, err
	}
	if to == "on" {
		return s, checkRefresh(s)
	}
	if *s != (Refresh{}) {
		return nil, errors.New("'off' takes no settings; leave the block out")
	}
	return nil, nil
}

// checkRefresh takes zero for the default.
func checkRefresh(s *Refresh) error {
	switch {
	case s == nil:
		return nil
	case s.Before != 0 && (time.Duration(s.Before) < time.Second || time.Duration(s.Before) > maxRefreshBefore):
		return fmt.Errorf("before: %s is not possible; write one from 1s to %s", time.Duration(s.Before), maxRefreshBefore)
	case s.Leeway < 0 || time.Duration(s.Leeway) > maxRefreshLeeway:
		return fmt.Errorf("leeway: %s is not possible; write the Rotation Overlap Period of the application, at most %s", time.Duration(s.Leeway), maxRefreshLeeway)
	}
	return nil
}

var errOffline = errors.New("'offline_access' asks for a refresh token, which 'refresh on' does by itself; write that line, and leave the scope out")

func (s *Refresh) fillDefaults() {
	if s != nil {
		orDuration(&s.Before, refreshBefore)
	}
}

// askedScopes are those of a login.
func (h *Handler) askedScopes() string {
	scopes := h.Scopes
	if h.Refresh != nil && !slices.Contains(scopes, scopeOffline) {
		scopes = append(slices.Clone(scopes), scopeOffline)
	}
	return strings.Join(scopes, " ")
}

// keepsAccess tells whether the access token is kept: it is refreshed, or a header shows it.
func (h *Handler) keepsAccess() bool { return h.Refresh != nil || h.plan.ShowsToken() }

// addAccess adds what of the tokens of a login is kept for the application.
func (h *Handler) addAccess(kept *session.Tokens, issued *tenant.Tokens) {
	if !h.keepsAccess() {
		return
	}
	kept.Access, kept.Expiry = string(issued.AccessToken), h.endOf(issued)
	if h.Refresh == nil {
		return
	}
	if kept.Refresh = string(issued.RefreshToken); kept.Refresh == "" {
		h.logger.Warn("the tenant gave no refresh token, so that the access token of this session is not refreshed: allow the application " +
			"the grant Refresh Token, and offline access for the API of the audience")
	}
}

// unknownLife is how long an access token is used of which nobody says when it ends.
const unknownLife = time.Hour

// endOf is when the access token ends, by the answer or by itself, in the whole seconds
// that cookies and storage keep.
func (h *Handler) endOf(t *tenant.Tokens) time.Time {
	end := t.Expiry
	if end.IsZero() {
		_, end = tenant.Unverified(string(t.AccessToken))
	}
	if end.IsZero() {
		end = h.now().Add(unknownLife)
	}
	return time.Unix(end.Unix(), 0).UTC()
}

// freshness is what a request goes on with: the access token by which the user is known,
// and, of a session, all tokens.
type freshness struct {
	id     [16]byte // of the identity that the token belongs to
	access string   // empty when there is none that is good
	tokens *session.Tokens
	renew  bool // the browser has older ones
}

// accessToken gives the token of whoever is known, or nothing.
func (v *visit) accessToken() string {
	if v.identity.plan == nil || v.fresh == nil || v.fresh.id != v.identity.id {
		return ""
	}
	return v.fresh.access
}

// freshen sees to it that the session goes on with an access token that is good, as far
// as the directive cares. With over the session has ended; a refusal says to wait.
func (h *Handler) freshen(r *http.Request, v *visit) (over bool, refused *refusal) {
	v.fresh = nil
	if !h.keepsAccess() {
		return false, nil
	}
	tokens, _ := h.keys.Load().ReadTokens(&v.session, v.cookies, h.cookiesOf(h.originOf(r)).Session.Name)
	f := &freshness{id: v.session.ID, tokens: tokens}
	if h.Refresh != nil {
		if over, refused = h.refreshIfDue(r, v, f); over || refused != nil {
			return over, refused
		}
	}
	if f.tokens == nil {
		return false, nil
	}
	if now := h.now(); now.Before(f.tokens.Expiry) && isToken68(f.tokens.Access) {
		f.access = f.tokens.Access
	}
	v.fresh = f
	return false, nil
}

// refreshIfDue refreshes a session whose access token is about to end.
func (h *Handler) refreshIfDue(r *http.Request, v *visit, f *freshness) (over bool, refused *refusal) {
	known := h.refresher.find(v.session.ID)
	f.adopt(v, known.state)
	now := h.now()
	if f.tokens == nil || f.tokens.Refresh == "" || now.Before(f.tokens.Expiry.Add(-time.Duration(h.Refresh.Before))) {
		return false, nil
	}
	if !now.Before(known.retry) {
		known = h.awaitRefresh(r.Context(), &session.Refreshed{Session: v.session, Tokens: *f.tokens}, now.Before(f.tokens.Expiry))
		f.adopt(v, known.state)
	}
	switch {
	case known.over:
		return true, nil
	case h.now().Before(f.tokens.Expiry):
		return false, nil
	case known.lost:
		h.endRefreshed(r.Context(), &v.session, errLost)
		return true, nil
	}
	return false, &refusal{
		code: codeTenantUnavailable, status: http.StatusServiceUnavailable, cause: errNotRefreshed, again: h.localReturnTo(r, originalAddress(r)),
		retryAfter: max(known.retry.Sub(h.now()), time.Second),
	}
}

var (
	errNotRefreshed = errors.New("the access token has ended, and cannot be refreshed at the moment")
	errLost         = errors.New("the access token has ended, and the refresh token is lost")
)

// adopt goes on with the state if it is newer than what the browser has.
func (f *freshness) adopt(v *visit, state *session.Refreshed) {
	if state == nil || f.tokens != nil && !newer(&state.Tokens, f.tokens) {
		return
	}
	v.session, f.tokens, f.renew = continuedAs(state, &v.session), &state.Tokens, true
}

// continuedAs gives the session of the state for a browser that may have used it since.
func continuedAs(state *session.Refreshed, had *session.Session) session.Session {
	s := state.Session
	s.Issue = max(s.Issue, had.Issue)
	if had.Seen.After(s.Seen) {
		s.Seen = had.Seen
	}
	return s
}

// newer compares tokens of one session. Their ends would not tell: what was issued later
// ends before the rest where the tenant's settings or the clocks of instances differ.
func newer(a, b *session.Tokens) bool { return a.Refreshes > b.Refreshes }
