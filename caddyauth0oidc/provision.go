package caddyauth0oidc

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// The environment names are those that Auth0's own SDKs read.
const (
	envDomain       = "AUTH0_DOMAIN"
	envClientID     = "AUTH0_CLIENT_ID"
	envClientSecret = "AUTH0_CLIENT_SECRET" // #nosec G101 -- the name of a variable
	envSecret       = "AUTH0_SECRET"        // #nosec G101 -- the name of a variable
	envConnection   = "AUTH0_CONNECTION"
	envBaseURL      = "APP_BASE_URL"
)

// defaultCookieName is the session cookie's name if the configuration has none.
const defaultCookieName = "auth0_session"

// Provision resolves placeholders and defaults and prepares the handler. It
// reaches no network but, where no secret is configured, Caddy's storage.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.now, h.random = time.Now, rand.Reader
	if err := h.identify(); err != nil {
		return err
	}
	if err := h.loadMatchers(ctx); err != nil {
		return err
	}
	if err := h.settle(); err != nil {
		return err
	}
	h.warn()
	return h.prepare(ctx)
}

var (
	errResolving = errors.New("resolving")
	errMissing   = errors.New("is missing")
)

// settle resolves placeholders and defaults, and judges what they come to. It reaches
// neither the network nor Caddy's storage.
func (h *Handler) settle() error {
	if err := h.resolve(); err != nil {
		return err
	}
	h.fillFromEnvironment()
	h.fillDefaults()
	return errors.Join(h.complete(), h.judge())
}

// warn tells of settings that are possible and give up a protection.
func (h *Handler) warn() {
	if domain := h.Session.Cookie.Domain; domain != "" {
		h.logger.Warn("with a cookie domain the cookies have no __Host- prefix: every host below it can set a session, "+
			"its own in place of the user's too", zap.String("domain", domain))
	}
	h.Headers.warn(h.logger)
	h.Bearer.warn(h.logger, h.Deny)
	h.Profile.warn(h.logger, h.Deny)
	h.Assertion.warn(h.logger, h.BaseURLs)
	h.Logout.warn(h.logger, h.Session.Cookie.SameSite)
}

// identify gives the handler a key that is the same after a reload, and on
// every instance with the same configuration, and its choice in the same way.
func (h *Handler) identify() (err error) {
	written, err := json.Marshal(h) // #nosec G117 -- hashed at once, and kept nowhere
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	sum := sha256.Sum256(written)
	h.key = hex.EncodeToString(sum[:8])
	h.choice, err = choiceOf(h.Connections, h.MatcherSetsRaw)
	return err
}

func (h *Handler) loadMatchers(ctx caddy.Context) error {
	if h.MatcherSetsRaw == nil {
		return nil
	}
	h.asksClaims = asksClaims(h.MatcherSetsRaw)
	loaded, err := ctx.LoadModule(h, "MatcherSetsRaw")
	if err != nil {
		return fmt.Errorf("loading the matchers: %w", err)
	}
	return h.matchers.FromInterface(loaded)
}

func (h *Handler) fillFromEnvironment() {
	for env, field := range map[string]*string{envDomain: &h.Domain, envClientID: &h.ClientID, envClientSecret: &h.ClientSecret} {
		if *field == "" && (env != envClientSecret || !h.hasNoSecret()) && (env != envDomain || h.Issuer == "") {
			*field = trimmed(os.Getenv(env))
		}
	}
	if name := trimmed(os.Getenv(envConnection)); name != "" && len(h.Connections) == 0 {
		h.Connections = []Connection{{Name: name}}
	}
	if secret := trimmed(os.Getenv(envSecret)); secret != "" && len(h.Secrets) == 0 {
		h.Secrets = []string{secret}
	}
	if base := trimmed(os.Getenv(envBaseURL)); base != "" && len(h.BaseURLs) == 0 {
		for u := range strings.SplitSeq(base, ",") {
			h.BaseURLs = append(h.BaseURLs, strings.TrimSpace(u))
		}
	}
}

func (h *Handler) fillDefaults() {
	h.Session = orNew(h.Session)
	h.Session.Cookie = orNew(h.Session.Cookie)
	h.Headers = orNew(h.Headers)
	h.Logout = orNew(h.Logout)
	if len(h.Scopes) == 0 {
		h.Scopes = []string{"openid", "profile", "email"}
	}
	if !h.hasNoSecret() {
		orText(&h.ClientAuth, tenant.AuthPost)
	}
	for i := range h.Connections {
		orText(&h.Connections[i].Strategy, policy.StrategyAuto)
	}
	orDuration(&h.Session.Idle, 24*time.Hour)
	orDuration(&h.Session.Absolute, 72*time.Hour)
	h.Revocation = orNew(h.Revocation)
	orDuration(&h.Revocation.Poll, defaultPoll)
	if h.Profile != nil {
		orText(&h.Profile.Source, sourceIDToken)
	}
	orText(&h.Session.Cookie.Name, defaultCookieName)
	orText(&h.Session.Cookie.SameSite, "lax")
	orText(&h.ResponseMode, modeQuery)
	orText(&h.Unauthenticated, modeAuto)
	orText(&h.Headers.Preset, upstream.PresetAuth0)
	orText(&h.Headers.Prefix, upstream.DefaultPrefix)
	h.Assertion.fillDefaults(h.Headers.Prefix)
	h.Refresh.fillDefaults()
	orText(&h.PAR, tenant.PushAuto)
	h.Management.fillDefaults(cmp.Or(h.Domain, h.Issuer), h.Headers.Prefix)
	orText(&h.Prefix, "/auth")
	orText(&h.Logout.Strategy, tenant.LogoutAuto)
	orText(&h.Logout.Hint, hintSID)
	orText(&h.Logout.ReturnTo, "/")
}

func orNew[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

func orText(field *string, standard string) {
	if *field == "" {
		*field = standard
	}
}

func orDuration(field *caddy.Duration, standard time.Duration) {
	if *field == 0 {
		*field = caddy.Duration(standard)
	}
}

// trimmed leaves out the line end and the byte order mark that editors and shells
// add.
func trimmed(value string) string {
	return strings.TrimRight(strings.TrimPrefix(value, "\ufeff"), "\r\n")
}

// resolve replaces the placeholders of the settings that take them.
func (h *Handler) resolve() error {
	replacer := caddy.NewReplacer()
	replace := func(setting string, value *string) error {
		resolved, err := replacer.ReplaceOrErr(*value, true, true)
		if err != nil {
			return fmt.Errorf("%w %s: %w", errResolving, setting, err)
		}
		*value = trimmed(resolved)
		return nil
	}
	errs := []error{
		replace("domain", &h.Domain), replace("issuer", &h.Issuer), replace("client_id", &h.ClientID),
		replace("client_secret", &h.ClientSecret), replace("audience", &h.Audience), replace("pages", &h.Pages),
		replace("next_client_secret", &h.NextClientSecret), h.ClientAssertion.resolve(replace), h.ClientCertificate.resolve(replace),
		h.Management.resolve(replace),
	}
	errs = append(errs, h.resolveOrganization(replace))
	if h.HTTP != nil {
		errs = append(errs, replace("http proxy", &h.HTTP.Proxy))
	}
	if h.Assertion != nil {
		errs = append(errs, replace("assertion audience", &h.Assertion.Audience))
	}
	for i := range h.Connections {
		errs = append(errs, h.Connections[i].resolve(replacer, replace))
	}
	for i := range h.Secrets {
		errs = append(errs, replace("secret", &h.Secrets[i]))
	}
	for i := range h.ACRValues {
		errs = append(errs, replace("acr_values", &h.ACRValues[i]))
	}
	for i := range orNew(h.Bearer).Audiences {
		errs = append(errs, replace("bearer audience", &h.Bearer.Audiences[i]))
	}
	for i := range h.BaseURLs {
		errs = append(errs, replace("base_url", &h.BaseURLs[i]))
	}
	for key, value := range h.AuthorizeParams {
		errs = append(errs, replace("authorize_param "+key, &value))
		h.AuthorizeParams[key] = value
	}
	return errors.Join(errs...)
}

// complete tells what is missing. A value may still come from the environment.
func (h *Handler) complete() error {
	missing := func(setting, env string, present bool) error {
		if present || trimmed(os.Getenv(env)) != "" {
			return nil
		}
		return fmt.Errorf("'%s' %w; add it to the block, or set %s in the environment", setting, errMissing, env)
	}
	return errors.Join(
		missing("domain", envDomain, h.Domain != "" || h.Issuer != ""),
		missing("client_id", envClientID, h.ClientID != ""),
		missing("client_secret", envClientSecret, h.ClientSecret != "" || h.hasNoSecret()),
		missing("connection", envConnection, len(h.Connections) != 0),
	)
}

// judge asks of every setting whether its value is possible.
func (h *Handler) judge() error {
	errs := []error{
		h.checkProvider(),
		named("client_id", checkNotEmpty(h.ClientID)),
		h.checkClient(),
		named("connection", checkConnections(h.Connections)),
		named("scopes", checkScopes(h.Scopes)),
		named("par", checkPAR(h.PAR)),
		named("profile", checkProfile(h.Profile)),
		named("allow_params", each(checkAuthorizeParam)(h.AllowParams)),
		named("authorize_param", each(checkFixedParam)(slices.Sorted(maps.Keys(h.AuthorizeParams)))),
		named("session", checkLimits(time.Duration(h.Session.Idle), time.Duration(h.Session.Absolute))),
		named("revocation", checkRevocation(h.Revocation)),
		named("max_age", checkMaxAge(time.Duration(h.MaxAge))),
		named("acr_values", checkACRValues(h.ACRValues)),
		named("session cookie name", checkCookieName(h.Session.Cookie.Name)),
		named("session cookie same_site", checkSameSite(h.Session.Cookie.SameSite)),
		named("refresh", checkRefresh(h.Refresh)),
		named("unauthenticated", checkUnauthenticated(h.Unauthenticated)),
		named("require", checkRules(h.Require)),
		named("deny", checkRules(h.Deny)),
		named("preserve_post", checkPreservePost(h.PreservePost)),
		named("user_id_as", checkUserIDs(h.Connections)),
		named("headers", checkHeaders(h.Headers)),
		named("assertion", checkAssertion(h.Assertion, h.Headers)),
		named("connection child", h.checkChildren()),
		named("management", h.checkManagement()),
		named("bearer", checkBearer(h.Bearer, h.issuer(), h.ClientID)),
		named("base_url", each(checkBaseURL)(h.BaseURLs)),
		named("prefix", checkPrefix(h.Prefix)),
		named("logout strategy", checkLogoutStrategy(h.Logout.Strategy)),
		named("logout hint", checkLogoutHint(h.Logout.Hint)),
		named("logout return_to", checkReturnTo(h.Logout.ReturnTo)),
		named("logout", checkLogout(h.Logout)),
		named("logout", checkLogoutChild(h.Logout, h.Connections)),
		named("http", checkHTTP(h.HTTP)),
		named("response_mode", errors.Join(checkResponseMode(h.ResponseMode), checkPosting(h.ResponseMode, h.BaseURLs))),
	}
	if h.Prompt != "" {
		errs = append(errs, named("prompt", checkPrompt(h.Prompt)))
	}
	if len(h.Secrets) > 0 {
		errs = append(errs, named("secret", checkSecrets(h.Secrets)))
	}
	if domain := h.Session.Cookie.Domain; domain != "" {
		errs = append(errs, named("session cookie domain", checkCookieDomain(domain)))
	}
	return errors.Join(errs...)
}

// prepare builds what the requests use, from values that were found possible.
func (h *Handler) prepare(ctx caddy.Context) (err error) {
	if err := errors.Join(h.prepareObserving(ctx), h.acquireStorage(ctx)); err != nil {
		return err
	}
	by, err := h.HTTP.passage(ctx, h.storage)
	if err != nil {
		return err
	}
	if err := h.prepareAlone(by); err != nil {
		return err
	}
	if err := h.prepareShared(ctx, by); err != nil {
		return err
	}
	h.shared.add(h)
	return nil
}

// prepareAlone makes what this handler shares with no other.
func (h *Handler) prepareAlone(by passage) (err error) {
	if h.application, err = h.newApplication(h.issuer(), by); err != nil {
		return err
	}
	if err := errors.Join(h.prepareJudging(), h.prepareOrigins(), h.loadPages()); err != nil {
		return err
	}
	if h.plan, err = h.Headers.newPlan(h.Assertion, h.childHeader()); err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	if err := h.newCookies(); err != nil {
		return fmt.Errorf("session cookie: %w", err)
	}
	h.routes, h.place = h.ownRoutes(), new(atomic.Pointer[place])
	return nil
}

// prepareJudging makes what users and sessions are judged by.
func (h *Handler) prepareJudging() (err error) {
	if err := h.prepareConnections(); err != nil {
		return fmt.Errorf("connection: %w", err)
	}
	if err := h.prepareUserIDs(); err != nil {
		return err
	}
	if h.contexts, err = policy.NewContexts(h.ACRValues); err != nil {
		return fmt.Errorf("acr_values: %w", err)
	}
	h.limits = session.Limits{
		Idle: time.Duration(h.Session.Idle), Absolute: time.Duration(h.Session.Absolute), MaxAge: time.Duration(h.MaxAge),
	}
	return errors.Join(h.prepareOrganization(), h.prepareRules())
}

func (h *Handler) prepareOrigins() error {
	for _, base := range h.BaseURLs {
		o, err := parseOrigin(base)
		if err != nil {
			return fmt.Errorf("base_url: %w", err)
		}
		h.origins = append(h.origins, o)
	}
	return nil
}

// prepareShared takes what handlers have in common, across reloads; Cleanup gives it back.
func (h *Handler) prepareShared(ctx caddy.Context, by passage) (err error) {
	if err := h.prepareKeys(ctx, h.issuer()); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	if h.shared, err = h.acquireShared(by); err != nil {
		return err
	}
	if h.ledger, err = h.acquireLedger(ctx); err != nil {
		return fmt.Errorf("revocation: %w", err)
	}
	if err := h.prepareRefresh(); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	if err := h.prepareAssertion(ctx); err != nil {
		return fmt.Errorf("assertion: %w", err)
	}
	if err := h.prepareManagement(by); err != nil {
		return fmt.Errorf("management: %w", err)
	}
	return named("connection", h.prepareChildren(by))
}

var (
	errNotSecure     = errors.New("browsers refuse 'none' without https")
	errCookieRefused = errors.New("browsers would refuse the cookie")
)

// Validate finds the settings that contradict each other.
func (h *Handler) Validate() error {
	if path, _, _ := strings.Cut(h.Logout.ReturnTo, "?"); h.routes[path] != nil {
		return fmt.Errorf("logout return_to: %s is one of the module's own routes; choose a page of the site", path)
	}
	cookie := h.Session.Cookie
	for _, o := range h.origins {
		if cookie.SameSite == "none" && !o.secure() {
			return fmt.Errorf("session cookie same_site: %w, and base_url has %s", errNotSecure, o)
		}
		host, _, _ := strings.Cut(o.host, ":")
		if cookie.Domain != "" && host != cookie.Domain && !strings.HasSuffix(host, "."+cookie.Domain) {
			return fmt.Errorf("session cookie domain: %s is not below %s; %w", o, cookie.Domain, errCookieRefused)
		}
	}
	return nil
}

// Cleanup releases what is shared with other handlers. Caddy calls it after a
// failed Provision, too.
func (h *Handler) Cleanup() error {
	var errs []error
	if h.rotation != nil {
		errs = append(errs, h.rotation.watcher.leave(h.rotation))
	}
	if h.refreshes() { // for as long as a tenant takes that hangs; a reload does not wait for that
		go h.releaseLater()
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, h.release())...)
}

// release gives back what handlers share.
func (h *Handler) release() error {
	errs := []error{h.releaseRefresher()}
	errs = append(errs, h.asserter.close(), h.releaseManagement(), h.releaseChildren(), h.ledger.leave(h))
	h.application.Certificate.Close()
	if h.shared != nil {
		errs = append(errs, h.shared.release(h))
	}
	return errors.Join(append(errs, h.storage.leave(h))...)
}
