package caddyauth0oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// IDPToken makes use of the access token that the child tenant issued at the login, which
// the Management API shows to an application with the scope `read:user_idp_tokens`. If it
// is a JWT, and the connection says which tenant the child is, it is verified, and its
// claims are shown below `child`, as in `{http.auth.user.child.email}`.
type IDPToken struct {
	// Upstream is how the application gets the token: `none`, not at all; `header` in a
	// header of its own; `bearer` as `Authorization: Bearer`, where it takes the place of
	// what the client of a signed-in user sends. It is kept in a cookie of its own.
	// Default: `none`.
	Upstream string `json:"upstream,omitempty"`

	// Header is the header's name with `header`. A header of the client with this name, in
	// any spelling, is removed. Default: `Child-Access-Token` behind the prefix of
	// `headers`, `X-Auth0-Child-Access-Token`.
	Header string `json:"header,omitempty"`
}

// The values of idp_token upstream.
const (
	childTokenUnused = "none"
	childTokenHeader = "header"
	childTokenBearer = "bearer"
)

func (m *Management) parseIDPToken(d *caddyfile.Dispenser) error {
	m.IDPToken = orNew(m.IDPToken)
	t := m.IDPToken
	return parseFields(d, fields{
		"upstream": func() error { return oneArg(d, &t.Upstream, checkChildUpstream) },
		"header":   func() error { return oneArg(d, &t.Header, checkChildHeader) },
	})
}

func checkChildHeader(name string) error {
	if name == "" { // which would stand for the default
		return errors.New("the name is empty; write one like X-Auth0-Child-Access-Token, or leave the line out")
	}
	return checkAssertionHeader(name)
}

func checkChildUpstream(way string) error {
	return oneOf(way, []string{childTokenUnused, childTokenHeader, childTokenBearer})
}

func (t *IDPToken) fillDefaults(prefix string) {
	if t == nil {
		return
	}
	orText(&t.Upstream, childTokenUnused)
	if t.Upstream == childTokenHeader {
		orText(&t.Header, prefix+"Child-Access-Token")
	}
}

// checkIDPToken judges the block, and the settings that get in its way.
func (h *Handler) checkIDPToken() error {
	t := h.Management.IDPToken
	if t == nil {
		return nil
	}
	if err := checkChildUpstream(t.Upstream); err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	switch {
	case t.Upstream == childTokenBearer && t.Header != "":
		return errors.New("with 'upstream bearer' the header is Authorization; leave 'header' out, or write 'upstream header'")
	case t.Upstream == childTokenBearer && h.Bearer != nil:
		return errors.New("with 'bearer' API clients send tokens of the master tenant in Authorization, where those of the child would " +
			"take their place; write 'upstream header', or 'bearer off'")
	case checkHeaders(h.Headers) != nil: // its errors are named otherwise
		return nil
	}
	_, err := h.Headers.newPlan(h.Assertion, h.childHeader())
	return err
}

// childHeader is the header in which the application gets the child's token, or none.
func (h *Handler) childHeader() string {
	if !h.fromManagement() || h.Management == nil || h.Management.IDPToken == nil {
		return ""
	}
	switch t := h.Management.IDPToken; t.Upstream {
	case childTokenHeader:
		return t.Header
	case childTokenBearer:
		return "Authorization"
	}
	return ""
}

// usesChildToken tells whether logins look for the child's token.
func (h *Handler) usesChildToken() bool { return h.fromManagement() && h.Management.IDPToken != nil }

// childToken is what the child issued for the user of a login.
type childToken struct {
	text   string
	expiry time.Time // zero when not known

	without *profile.Profile // of the login, without the token's claims; nil if it has none of them
}

const (
	// childClaim is the claim below which those of the child's token are.
	childClaim = "child"
	// childOfClaim names the connection behind which that child is.
	childOfClaim = "child_of"
)

// acceptsChild tells whether a session says enough of the child for this directive: it
// was begun by one that asks for the child's token and, if rules are about its claims, by
// a connection that this request takes. A login that could not ask says nothing of it,
// which does where there is a fallback.
func (h *Handler) acceptsChild(r *http.Request, p *profile.Profile) bool {
	if !h.usesChildToken() {
		return true
	}
	of, _ := p.Claim(childOfClaim)
	if connection, ok := of.(string); ok {
		return h.accepts(r, connection) || !h.judgesChild()
	}
	_, claims := p.Claim(childClaim)
	return h.Profile.Fallback != "" && !claims
}

// judgesChild tells whether a rule is about claims of the child's token.
func (h *Handler) judgesChild() bool {
	about := func(rule Rule) bool { return rule.Claim == childClaim || strings.HasPrefix(rule.Claim, childClaim+".") }
	return slices.ContainsFunc(h.Require, about) || slices.ContainsFunc(h.Deny, about)
}

// withoutForeignChild hides what the child of another connection has said: a user with
// linked accounts may have come by that.
func (h *Handler) withoutForeignChild(r *http.Request, p *profile.Profile) *profile.Profile {
	of, _ := p.Claim(childOfClaim)
	if connection, ok := of.(string); !ok || h.accepts(r, connection) {
		return p
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(p.Extra, &claims) != nil {
		claims = nil
	}
	delete(claims, childClaim)
	delete(claims, childOfClaim)
	hidden := p.Forgetful()
	hidden.Extra, _ = json.Marshal(claims) // of JSON that was just read
	return &hidden
}

// withoutChild keeps anybody else from speaking for the child's token.
func (h *Handler) withoutChild(claims map[string]any) map[string]any {
	if !h.usesChildToken() {
		return claims
	}
	claims = maps.Clone(claims)
	delete(claims, childClaim)
	delete(claims, childOfClaim)
	return claims
}

// addChild looks for the child's token, and adds its claims to those of a profile.
func (h *Handler) addChild(
	ctx context.Context, p *profile.Profile, claims map[string]any, record *management.Record, connection string,
) (*profile.Profile, *childToken, error) {
	if !h.usesChildToken() {
		return p, nil, nil
	}
	token, shown := h.childTokenOf(ctx, record, connection)
	if len(shown) == 0 {
		return p, token, nil
	}
	token.without = p
	claims[childClaim] = shown
	p, err := profile.FromClaims(claims)
	return p, token, err
}

// childTokenOf gives the token of the login's identity, and the claims that were
// verified. One that is not what it should be is not used at all.
func (h *Handler) childTokenOf(ctx context.Context, record *management.Record, connection string) (*childToken, map[string]any) {
	identity, found := h.identityOf(record, connection)
	raw := identity.AccessToken
	switch {
	case !found || raw == "":
		h.logger.Warn("there is no token of the child: the application of the Management API lacks read:user_idp_tokens, or the connection keeps none")
		return nil, nil
	case !isToken68(raw):
		h.logger.Warn("the child's token is not used: it has characters that no header can carry")
		return nil, nil
	}
	isJWT, expiry := tenant.Unverified(raw)
	child := h.childTenants[connection]
	if !isJWT || child == nil {
		return &childToken{text: raw, expiry: expiry}, nil
	}
	subject := profile.ParseSubject(identity.Provider + "|" + identity.UserID).Child
	verified, err := child.tenant.VerifyChildToken(ctx, raw, subject, h.childClientID(connection))
	if err != nil {
		h.logger.Warn("the child's token is not used", zap.Error(err))
		return nil, nil
	}
	return &childToken{text: raw, expiry: verified.Expiry}, h.shownOfChild(verified.Claims)
}

// identityOf gives the identity through which a user signs in by the connection: where
// there are several, the one that gave the user its id, or else the first.
func (h *Handler) identityOf(record *management.Record, connection string) (management.Identity, bool) {
	var found []management.Identity
	for _, identity := range record.Identities() {
		federated := identity.Provider == policy.StrategyAuth0OIDC || identity.Provider == policy.StrategyOIDC
		if !federated || identity.Connection != connection || !h.hasStrategy(connection, identity.Provider) {
			continue
		}
		if identity.Provider+"|"+identity.UserID == record.ID {
			return identity, true
		}
		found = append(found, identity)
	}
	if len(found) == 0 {
		return management.Identity{}, false
	}
	return found[0], true
}

func (h *Handler) hasStrategy(connection, provider string) bool {
	return slices.ContainsFunc(h.Connections, func(c Connection) bool {
		return slices.Contains(c.names(), connection) && (c.Strategy == provider || c.Strategy == policy.StrategyAuto || c.Strategy == policy.StrategyAny)
	})
}

func (h *Handler) childClientID(connection string) string {
	for _, c := range h.Connections {
		if slices.Contains(c.names(), connection) && c.Child != nil {
			return c.Child.ClientID
		}
	}
	return ""
}

// maxChildClaims bounds what the claims of the child's token take in the session, as JSON.
const maxChildClaims = 2 << 10

// notOfChild are the claims that speak of the token, and not of the user.
var notOfChild = []string{"iss", "aud", "iat", "exp", "nbf", "nonce", "at_hash", "c_hash", "s_hash"}

// shownOfChild gives as many of the claims as fit, by name.
func (h *Handler) shownOfChild(claims map[string]any) map[string]any {
	all, _ := management.WithoutSecrets(claims).(map[string]any)
	shown, size, tooLarge := make(map[string]any), 0, 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] == nil || slices.Contains(notOfChild, name) {
			continue
		}
		encoded, err := json.Marshal(map[string]any{name: all[name]})
		if err != nil || size+len(encoded) > maxChildClaims {
			tooLarge++
			continue
		}
		size += len(encoded)
		shown[name] = all[name]
	}
	if tooLarge > 0 {
		h.logger.Warn("claims of the child's token are left out, because they do not fit", zap.Int("claims", tooLarge), zap.Int("bytes", maxChildClaims))
	}
	return shown
}

// beginSession stores the session of a login, if need be without the claims of the
// child's token.
func (h *Handler) beginSession(header http.Header, at cookiePlace, v *visit, got *redeemed) error {
	err := h.writeSession(header, at, v, got.session)
	if _, tooLarge := errors.AsType[*session.TooLargeError](err); !tooLarge || got.child == nil || got.child.without == nil {
		return err
	}
	h.logger.Warn("the claims of the child's token are left out, because the session would be too large", zap.Error(err))
	got.session.Profile = *got.child.without
	return h.writeSession(header, at, v, got.session)
}

// childTokenFor gives the token for a request of the session with that id, or nothing:
// the token is not there, it has ended, or it came through a connection that is none of
// this directive's, whose child is another one. Linked accounts have one session for both.
func (h *Handler) childTokenFor(r *http.Request, v *visit, id [16]byte) string {
	if h.childHeader() == "" || id != v.session.ID {
		return ""
	}
	tokens, ok := h.keys.Load().ReadTokens(&v.session, v.cookies, h.cookiesOf(h.originOf(r)).Session.Name)
	if !ok || !h.accepts(r, tokens.ChildConnection) || !tokens.ChildExpiry.IsZero() && !h.now().Before(tokens.ChildExpiry) {
		return ""
	}
	return tokens.Child
}
