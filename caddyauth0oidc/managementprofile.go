package caddyauth0oidc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// Management says how the user's whole profile is read from the Management API of the
// master tenant, with `profile` `management`: once at each login, and never again.
type Management struct {
	// Domain is the master tenant's canonical domain, such as `acme.eu.auth0.com`;
	// needed where `domain` is a custom one, at which there is no such API.
	// Placeholders are resolved when the configuration is loaded. Default: `domain`.
	Domain string `json:"domain,omitempty"`

	// ClientID is the client id of a machine-to-machine application of the master
	// tenant that may use the Management API with the scope `read:users`.
	// Placeholders are resolved when the configuration is loaded. Required.
	ClientID string `json:"client_id,omitempty"`

	// ClientSecret is the secret of that application. Write it as a placeholder,
	// `{env.X}` or `{file./path}`, resolved when the configuration is loaded. Required.
	ClientSecret string `json:"client_secret,omitempty"`

	// Metadata are the parts of the user's metadata that become claims, by paths that
	// begin with `app_metadata` or `user_metadata`, such as `app_metadata.plan`; a
	// name with dots of its own stands in double quotes. Users can often edit their
	// `user_metadata` themselves. Default: none of the metadata.
	Metadata []string `json:"metadata,omitempty"`

	// IDPToken makes use of the access token that the child tenant issued at the login.
	// Default: it is not used.
	IDPToken *IDPToken `json:"idp_token,omitempty"`
}

// fromManagement tells whether logins of this directive read the Management API.
func (h *Handler) fromManagement() bool { return h.profileSource() == sourceManagement }

// parseManagement reads:
//
//	management {
//		domain        <domain>
//		client_id     <id>
//		client_secret <secret>
//		metadata      <path...>
//		idp_token {
//			upstream none | header | bearer
//			header   <Header>
//		}
//	}
func (h *Handler) parseManagement(d *caddyfile.Dispenser) error {
	h.Management = orNew(h.Management)
	m := h.Management
	return parseFields(d, fields{
		"domain":        func() error { return oneArg(d, &m.Domain, checkDomain) },
		"client_id":     func() error { return oneArg(d, &m.ClientID, checkNotEmpty) },
		"client_secret": func() error { return oneArg(d, &m.ClientSecret, checkNotEmpty) },
		"metadata": func() error {
			return list(func(*Handler) *[]string { return &m.Metadata }, each(checkMetadata))(h, d)
		},
		"idp_token": func() error { return m.parseIDPToken(d) },
	})
}

func checkMetadata(path string) error {
	if _, err := management.ParseMetadataPath(path); err != nil {
		return fmt.Errorf("'%s' does not lead into the metadata: %w", path, err)
	}
	return nil
}

// resolve replaces the placeholders.
func (m *Management) resolve(replace func(setting string, value *string) error) error {
	if m == nil {
		return nil
	}
	return errors.Join(replace("management domain", &m.Domain),
		replace("management client_id", &m.ClientID), replace("management client_secret", &m.ClientSecret))
}

func (m *Management) fillDefaults(domain, prefix string) {
	if m == nil {
		return
	}
	orText(&m.Domain, domain)
	m.IDPToken.fillDefaults(prefix)
}

// checkManagement judges the block, and the settings that need it or get in its way.
func (h *Handler) checkManagement() error {
	m := h.Management
	switch {
	case m == nil && h.fromManagement():
		return errors.New("the block is missing, without which the profile cannot be read; add it, with client_id and client_secret")
	case m == nil:
		return nil
	case h.Profile == nil:
		return errors.New("the block is there, and nothing reads it; add the line 'profile management', or leave the block out")
	}
	errs := []error{named("client_id", required(m.ClientID)), named("client_secret", required(m.ClientSecret)), each(checkMetadata)(m.Metadata)}
	if m.Domain != "" && !hasPlaceholder(m.Domain) {
		errs = append(errs, named("domain", checkDomain(m.Domain)))
	}
	return errors.Join(append(errs, named("idp_token", h.checkIDPToken()))...)
}

func required(value string) error {
	if value == "" {
		return errors.New("the value is missing; add the line with that of a machine-to-machine application")
	}
	return checkNotEmpty(value)
}

// managementPatience is how long all that a login asks of the Management API and, for the
// child's token, of the child may take together, unless `http` says how long a call may.
const managementPatience = 5 * time.Second

// managers keeps clients of the Management API, and the tokens that they have got,
// for all handlers with the same settings, across reloads.
var managers = caddy.NewUsagePool()

// manager is such a client.
type manager struct {
	key      string
	client   *management.Client
	patience time.Duration
	now      func() time.Time
	close    func()
	calls    *callObserver
}

// Destruct is called when the last handler is gone.
func (m *manager) Destruct() error {
	m.close()
	return nil
}

// acquireManager gives the client for a block whose values are known.
func acquireManager(m *Management, by passage) (*manager, error) {
	base, err := tenant.IssuerOf(m.Domain)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%s%q %q %x", by.key, base, m.ClientID, sha256.Sum256([]byte(m.ClientSecret)))
	value, _, err := managers.LoadOrNew(key, func() (caddy.Destructor, error) {
		transport := tenant.NewTransport(by.Egress)
		made := &manager{key: key, patience: cmp.Or(by.Timeout, managementPatience), now: time.Now, close: transport.CloseIdleConnections}
		made.calls = newManagementObserver(base, m.ClientID, func() time.Time { return made.now() })
		made.client, err = management.New(management.Config{
			Base: base, ClientID: m.ClientID, ClientSecret: m.ClientSecret,
			Transport: transport, Timeout: made.patience, Now: func() time.Time { return made.now() },
			Observe: made.calls.watch,
		})
		return made, err
	})
	if err != nil {
		return nil, err
	}
	return value.(*manager), nil
}

// prepareManagement makes what logins use. Nothing is asked of the tenants.
func (h *Handler) prepareManagement(by passage) (err error) {
	if !h.fromManagement() {
		return nil
	}
	for _, text := range h.Management.Metadata {
		path, err := management.ParseMetadataPath(text)
		if err != nil {
			return err
		}
		h.metadata = append(h.metadata, path)
	}
	h.manager, err = acquireManager(h.Management, by)
	return err
}

// releaseManagement gives back what prepareManagement took, also if that failed.
func (h *Handler) releaseManagement() error {
	if h.manager == nil {
		return nil
	}
	_, err := managers.Delete(h.manager.key)
	return err
}

// errBlocked says that an administrator of the master tenant has blocked the user.
var errBlocked = errors.New("reading the user: the user is blocked")

// managementError says that the Management API did not give a profile.
type managementError struct{ cause error }

// Error is the cause's.
func (e *managementError) Error() string { return e.cause.Error() }

// Unwrap gives the cause.
func (e *managementError) Unwrap() error { return e.cause }

// profileAndChild makes the profile of a login through the connection from its verified
// ID token and the Management API, with the token of the child.
func (h *Handler) profileAndChild(ctx context.Context, token *tenant.IDToken, connection string) (foundProfile, error) {
	ctx, cancel := context.WithTimeout(ctx, h.manager.patience)
	defer cancel()
	record, err := h.manager.client.Record(ctx, token.Subject)
	switch {
	case err != nil && (h.Profile.Fallback == "" || !unasked(err)):
		return foundProfile{}, &managementError{err}
	case err != nil:
		h.logger.Warn("the profile is what the ID token says, because the Management API did not give it", zap.Error(err))
		return profileFrom(session.FromIDToken, h.withoutChild(token.Claims))
	case record.Blocked:
		return foundProfile{}, errBlocked
	}
	claims := h.withoutChild(h.mergedClaims(token.Claims, record))
	if h.usesChildToken() {
		claims[childOfClaim] = connection
	}
	found, err := profileFrom(session.FromManagement, claims)
	if err == nil {
		found.profile, found.child, err = h.addChild(ctx, found.profile, claims, record, connection)
	}
	return found, err
}

// unasked tells whether the Management API could not be asked, or does not tell us. An
// answer that nobody can read is none of that: the user writes a part of it, and could
// bring about a fallback that is more lenient than the answer.
func unasked(err error) bool {
	failed, ok := errors.AsType[*management.Error](err)
	if !ok || errors.Is(err, context.Canceled) {
		return false
	}
	switch failed.Status {
	case 0, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return true
	}
	return failed.Status >= http.StatusInternalServerError
}

// mergedClaims lets the Management API speak alone about what it knows of the user. The
// protocol's claims, those of the organization, and custom ones are the ID token's.
func (h *Handler) mergedClaims(token map[string]any, record *management.Record) map[string]any {
	merged := maps.Clone(token)
	for _, name := range management.Replaced() {
		delete(merged, name)
	}
	maps.Copy(merged, record.Claims(h.metadata))
	return merged
}

// managementRefusal is the answer to a login whose profile could not be read: to wait if
// that may help, and otherwise one that the operator has to do something about.
func managementRefusal(err error, again string) (f refusal, ok bool) {
	if errors.Is(err, errBlocked) {
		return refusal{code: codeLoginDenied, status: http.StatusForbidden, cause: err, again: again}, true
	}
	if _, ok := errors.AsType[*managementError](err); !ok {
		return refusal{}, false
	}
	f = refusal{code: codeManagementRefused, status: http.StatusBadGateway, cause: err, again: again}
	failed, ok := errors.AsType[*management.Error](err)
	if ok && (failed.Status == 0 || failed.Status == http.StatusTooManyRequests || failed.Status >= http.StatusInternalServerError) {
		f.code, f.status = codeTenantUnavailable, http.StatusServiceUnavailable
		f.retryAfter = max(failed.RetryAfter, time.Second)
	}
	return f, true
}

// judgeConnection asks whether whoever is known came through a connection of this
// directive. The identities of the Management API are the master tenant's word, those of
// a token whatever an Action has made of it.
func (h *Handler) judgeConnection(r *http.Request, p *profile.Profile, source session.Source) error {
	return h.judgeBy(h.connectionsFor(r), p, source)
}

// judgeBy is judgeConnection by some of the connections.
func (h *Handler) judgeBy(connections policy.Connections, p *profile.Profile, source session.Source) error {
	if source == session.FromManagement && h.fromManagement() {
		return connections.JudgeLinked(p, h.userIDs)
	}
	return connections.Judge(p.UserID)
}
