package caddyauth0oidc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// Assertion says what the application is told in a signed JWT, which it can verify
// with the keys at `<prefix>/jwks.json`. Its issuer is one of `base_urls`; without
// any, the host that the client asks for, of which the log warns.
type Assertion struct {
	// Header is the header's name. A header of the client with this name, in any
	// spelling, is removed. Default: `Assertion` behind the prefix of `headers`,
	// `X-Auth0-Assertion`.
	Header string `json:"header,omitempty"`

	// Audience is the claim `aud`, by which the application knows that it is meant.
	// Placeholders are resolved when the configuration is loaded. Required.
	Audience string `json:"audience,omitempty"`

	// TTL is how long an assertion is valid, unless the session ends before; from
	// 10s to 10m. An assertion is used again until half of it is over. Default: 60s.
	TTL caddy.Duration `json:"ttl,omitempty"`

	// Claims are the claims about the user besides `sub`: `email`, `connection` or
	// another one; dots lead into objects and arrays. Each keeps its whole name,
	// without double quotes. Those of the JWT itself (`iss`, `sub`, `aud`, `exp`,
	// `nbf`, `iat`, `jti`) cannot be chosen. Default: `email`, `email_verified`,
	// `name` and `org_id`.
	Claims []string `json:"claims,omitempty"`
}

// parseAssertion reads:
//
//	assertion {
//		header   <Header>
//		audience <audience>
//		ttl      <duration>
//		claims   <claim...>
//	}
func (h *Handler) parseAssertion(d *caddyfile.Dispenser) error {
	if h.Assertion == nil {
		h.Assertion = new(Assertion)
	}
	a := h.Assertion
	return parseFields(d, fields{
		"header":   func() error { return oneArg(d, &a.Header, checkAssertionHeader) },
		"audience": func() error { return oneArg(d, &a.Audience, checkNotEmpty) },
		"ttl":      func() error { return duration(d, &a.TTL) },
		"claims": func() error {
			return list(func(*Handler) *[]string { return &a.Claims }, checkAssertedClaims)(h, d)
		},
	})
}

func (a *Assertion) fillDefaults(prefix string) {
	if a == nil {
		return
	}
	orText(&a.Header, prefix+"Assertion")
	orDuration(&a.TTL, time.Minute)
	if len(a.Claims) == 0 {
		a.Claims = []string{"email", "email_verified", "name", "org_id"}
	}
}

func checkAssertionHeader(name string) error {
	if name == "" { // which would stand for the default
		return errors.New("the name is empty; write one like X-Auth0-Assertion, or leave the line out")
	}
	_, err := upstream.NewPlan(upstream.Config{Preset: upstream.PresetNone, Assertion: name})
	return err
}

func checkAssertedClaims(claims []string) error {
	_, err := upstream.NewAssertion(upstream.AssertionConfig{Audience: "any", TTL: upstream.MinAssertionTTL, Claims: claims})
	return err
}

// checkAssertion judges the whole block, and its header beside the others.
func checkAssertion(a *Assertion, headers *Headers) error {
	if a == nil {
		return nil
	}
	_, err := a.newMaker()
	if checkHeaders(headers) == nil { // its errors are named otherwise
		_, conflict := headers.newPlan(a, "")
		err = errors.Join(err, conflict)
	}
	return err
}

// newMaker judges the block by making what the requests use.
func (a *Assertion) newMaker() (*upstream.Assertion, error) {
	for _, claim := range a.Claims {
		if hasPlaceholder(claim) {
			return nil, fmt.Errorf("'%s' is a placeholder; write the name of a claim, such as email", claim)
		}
	}
	return upstream.NewAssertion(upstream.AssertionConfig{Audience: a.Audience, TTL: time.Duration(a.TTL), Claims: a.Claims})
}

// warn tells that clients may choose the issuer.
func (a *Assertion) warn(logger *zap.Logger, baseURLs []string) {
	if a != nil && len(baseURLs) == 0 {
		logger.Warn("the assertion has no base_url for its issuer, which is then the host that the client asks for: " +
			"on a site that answers any host, whatever the client writes; set base_url")
	}
}

// asserter signs what a handler asserts.
type asserter struct {
	maker *upstream.Assertion
	keys  *signing
	made  *assertions
}

// prepareAssertion needs the storage, where the keys are.
func (h *Handler) prepareAssertion(ctx caddy.Context) error {
	if h.Assertion == nil {
		return nil
	}
	maker, err := h.Assertion.newMaker()
	if err != nil {
		return err
	}
	watcher, err := acquireWatcher(secretStore{signingKind(h.shared.key), h.storage, h.random}, h.now)
	if err != nil {
		return err
	}
	keys := &signing{watcher: watcher, logger: h.logger}
	h.asserter = &asserter{maker: maker, keys: keys, made: &h.shared.assertions}
	return watcher.join(ctx, keys)
}

// close tells the watcher of the keys that they are not used any more.
func (a *asserter) close() error {
	if a == nil {
		return nil
	}
	return a.keys.watcher.leave(a.keys)
}

// assert gives the assertion for the request of a session, or of an access token, that
// ends at the given time: one that was made before, or a new one. Without any, which the
// log says, the application has nothing to believe.
func (h *Handler) assert(r *http.Request, p *profile.Profile, id [16]byte, end time.Time) string {
	if h.asserter == nil {
		return ""
	}
	now, o, keys := h.now(), h.originOf(r), h.asserter.keys.current.Load()
	key := assertionKey{maker: h.asserter.maker, issuer: o, session: id}
	if text, ok := h.asserter.made.find(key, keys.ID(), p, now, end); ok {
		return text
	}
	jti, err := h.drawID()
	if err == nil {
		var signed upstream.Signed
		occasion := upstream.Occasion{Issuer: o.String(), ID: jti, Now: now, Until: end}
		if signed, err = key.maker.Sign(keys, p, occasion); err == nil {
			key.issuer.host = strings.Clone(o.host) // it may be a part of the request's whole header
			h.asserter.made.keep(&assertion{
				key: key, signer: keys.ID(), profile: p.Forgetful(), from: now, expires: signed.Expires, text: signed.Text,
			})
			return signed.Text
		}
	}
	h.logger.Error("signing an assertion; the application gets none", zap.Error(err))
	return ""
}

// drawID gives 128 random bits as text.
func (h *Handler) drawID() (string, error) {
	var id [16]byte
	if _, err := io.ReadFull(h.random, id[:]); err != nil {
		return "", fmt.Errorf("drawing an id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(id[:]), nil
}
