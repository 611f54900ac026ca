package caddyauth0oidc

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// This file says which values of a setting are possible. The Caddyfile's parser
// asks as soon as a value stands there in full, so that the error has its line;
// Provision asks again once placeholders and environment are known.

func checkDomain(domain string) error {
	_, err := tenant.IssuerOf(domain)
	return err
}

func checkNotEmpty(value string) error {
	if strings.TrimSpace(value) == "" {
		return errors.New("the value is empty; write one, or leave the line out")
	}
	return nil
}

func checkConnection(name string) error {
	_, err := policy.NewConnection(name, "")
	return err
}

func checkStrategy(strategy string) error {
	return oneOf(strategy, []string{policy.StrategyAuto, policy.StrategyAuth0OIDC, policy.StrategyOIDC, policy.StrategyAny})
}

func checkScopes(scopes []string) error {
	if err := each(checkScopeToken)(scopes); err != nil {
		return err
	}
	if !slices.Contains(scopes, "openid") {
		return errors.New("'openid' is missing among the scopes; add it, without it there is no ID token")
	}
	if slices.Contains(scopes, scopeOffline) {
		return errOffline
	}
	return nil
}

func checkAuthorizeParam(key string) error {
	if key == "" {
		return errors.New("the parameter's name is empty; write one, or leave the line out")
	}
	if tenant.ReservedParameter(key) {
		return fmt.Errorf("'%s' is a parameter of the protocol, has a setting of its own, or promises what would have to be verified; leave it out here", key)
	}
	return nil
}

func checkSecrets(secrets []string) error {
	_, err := session.NewKeyring(secrets, "any", "any")
	return err
}

// The values of logout hint.
const (
	hintSID     = "sid"
	hintIDToken = "id_token"
	hintNone    = "none"
)

func checkLogoutHint(hint string) error {
	return oneOf(hint, []string{hintSID, hintIDToken, hintNone})
}

func checkLogout(l *Logout) error {
	if l.Strategy == tenant.LogoutV2 && l.Hint == hintIDToken {
		return errors.New("/v2/logout takes no ID token; leave the hint out, or choose the strategy auto or oidc")
	}
	return nil
}

func checkHeaderPrefix(prefix string) error {
	if prefix == "" { // which would stand for the default
		return errors.New("the prefix is empty; write one like X-Auth0-, or leave the line out")
	}
	_, err := upstream.NewPlan(upstream.Config{Prefix: prefix})
	return err
}

func checkHeaderPreset(preset string) error {
	return oneOf(preset, upstream.Presets())
}

// checkHeaderLines compares lines with each other. The headers that are set
// without a line are known when the whole block is.
func checkHeaderLines(lines []HeaderLine) error {
	return checkHeaders(&Headers{Preset: upstream.PresetNone, Lines: lines})
}

func checkHeaders(h *Headers) error {
	_, err := h.newPlan(nil, "")
	return err
}

// checkSameSite has no `strict`: a browser on its way back from the tenant
// would not send such a cookie, and so never arrive signed in.
func checkSameSite(value string) error {
	return oneOf(value, []string{"lax", "none"})
}

func checkCookieName(name string) error {
	_, err := session.NewCookies(name, true, "", 0)
	return err
}

func checkCookieDomain(domain string) error {
	if _, err := session.NewCookies("any", true, domain, 0); err != nil {
		return fmt.Errorf("'%s' is not a domain for cookies; write it like example.com, without a port", domain)
	}
	// Browsers refuse cookies for a whole registry, and cookies of ours for one
	// would reach strangers where they do not.
	if suffix, _ := publicsuffix.PublicSuffix(domain); domain == suffix || !hostName.MatchString(domain) || net.ParseIP(domain) != nil {
		return fmt.Errorf("'%s' is not a domain for cookies; write one that is yours, like example.com", domain)
	}
	return nil
}

func checkLogoutStrategy(strategy string) error {
	return oneOf(strategy, []string{tenant.LogoutAuto, tenant.LogoutOIDC, tenant.LogoutV2})
}

func checkReturnTo(path string) error {
	if cleanReturnTo(path) != path {
		return fmt.Errorf("'%s' is not a path on this site; write one that begins with a single '/', without dot segments and '#'", path)
	}
	return nil
}

var prefixPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*)+$`)

func checkPrefix(prefix string) error {
	if !prefixPath.MatchString(prefix) {
		return fmt.Errorf("'%s' is not a prefix; write a path of letters, digits, hyphens and single dots without a slash at its end, like /auth", prefix)
	}
	return nil
}

func checkBaseURL(base string) error {
	_, err := parseOrigin(base)
	return err
}

func oneOf(value string, possible []string) error {
	if !slices.Contains(possible, value) {
		return fmt.Errorf("'%s' is not possible here; choose one of: %s", value, strings.Join(possible, ", "))
	}
	return nil
}

// judgeTogether compares settings with each other, before the defaults are
// filled in.
func (h *Handler) judgeTogether() error {
	filled, err := h.clone()
	if err != nil {
		return err
	}
	filled.fillDefaults()
	return errors.Join(
		filled.checkClient(),
		named("connection", checkConnections(filled.Connections)),
		named("session", checkLimits(time.Duration(filled.Session.Idle), time.Duration(filled.Session.Absolute))),
		named("revocation", checkRevocation(filled.Revocation)),
		named("max_age", checkMaxAge(time.Duration(filled.MaxAge))),
		named("user_id_as", checkUserIDs(filled.Connections)),
		named("headers", checkHeaders(filled.Headers)),
		named("assertion", checkAssertion(filled.Assertion, filled.Headers)),
		named("connection child", filled.checkChildren()),
		named("management", filled.checkManagement()),
		named("bearer", checkBearer(filled.Bearer, filled.issuer(), filled.ClientID)),
		named("logout", checkLogout(filled.Logout)),
		named("logout", checkLogoutChild(filled.Logout, filled.Connections)),
		named("http", checkHTTP(filled.HTTP)),
		named("response_mode", checkPosting(filled.ResponseMode, filled.BaseURLs)),
	)
}

// named says of which setting an error speaks.
func named(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", setting, err)
}

// checkMaxAge takes zero for no limit.
func checkMaxAge(age time.Duration) error {
	if age != 0 && age < time.Minute {
		return fmt.Errorf("%s is too short; it is at least %s", age, time.Minute)
	}
	return nil
}

func checkLimits(idle, absolute time.Duration) error {
	const least = time.Minute
	switch {
	case idle < least:
		return fmt.Errorf("the idle limit of %s is too short; it is at least %s", idle, least)
	case absolute < idle:
		return fmt.Errorf("the absolute limit of %s is shorter than the idle limit of %s; swap them, or set both", absolute, idle)
	}
	return nil
}

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*$`)

// parseOrigin reads a base URL: scheme and host and nothing else.
func parseOrigin(base string) (origin, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err == nil && u.User != nil {
		return origin{}, fmt.Errorf("the base URL of %s has a user name; leave it out", u.Host)
	}
	if err != nil || strings.Contains(base, ",") || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return origin{}, fmt.Errorf("'%s' is not a base URL; write scheme and host, like https://app.example.com, and several apart by spaces", base)
	}
	if name := strings.ToLower(u.Hostname()); strings.HasSuffix(u.Host, ":") || !hostName.MatchString(name) && net.ParseIP(name) == nil {
		return origin{}, fmt.Errorf("the host of '%s' is not one that a browser shows; write it in ASCII, without wildcards, like https://app.example.com", base)
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return origin{}, fmt.Errorf("'%s' has more than scheme and host; write only %s://%s", base, u.Scheme, u.Host)
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && err != nil {
		return origin{}, fmt.Errorf("'%s' has no possible port; write one up to 65535, or leave it out", base)
	}
	return origin{scheme: u.Scheme, host: withoutDefaultPort(u.Scheme, strings.ToLower(u.Host))}, nil
}
