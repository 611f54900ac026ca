package tenant

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// How an application sends its secret (OpenID Connect Core 1.0 section 9).
const (
	AuthPost  = "post"  // client_secret_post
	AuthBasic = "basic" // client_secret_basic
)

// Application is a client of the tenant and how it authenticates: with a secret or, if there is a Key or a Certificate, with that
// alone.
type Application struct {
	// ClientID is the client_id that the tenant gave to the application.
	ClientID string
	// ClientSecret is the secret that belongs to it.
	ClientSecret Secret
	// NextClientSecret takes its place when the tenant refuses it; empty for none.
	NextClientSecret Secret
	// Method says how the secret is sent: AuthBasic, or AuthPost, which is the default.
	Method string
	// Key signs client assertions (private_key_jwt) in place of a secret; nil for none.
	Key *AssertionKey
	// Certificate is presented (RFC 8705 section 2) in place of a secret; nil for none.
	Certificate *ClientCertificate
	// Warn, unless nil, is told what went well and still needs an operator. Nothing in it is secret.
	Warn func(message string) `json:"-"`
}

func (a Application) warn(message string) {
	if a.Warn != nil {
		a.Warn(message)
	}
}

// call is a form that the application posts to an endpoint at which it authenticates.
type call struct {
	doing    string
	at       Endpoint
	endpoint string
	form     url.Values
	// limit is the largest body in bytes; 0 for none.
	limit int
	// throttledUntil is the Unix time in nanoseconds until which the endpoint asked to be left alone.
	throttledUntil *atomic.Int64
}

// send makes one request, and another one only if the first was refused because of the client secret and there is a second
// secret. Otherwise nothing is sent twice: a code is good for one request, and what became of it is unknown after a failure.
func (t *Tenant) send(ctx context.Context, app Application, c call) (*answer, error) {
	if err := t.throttled(c); err != nil {
		return nil, unsent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	secrets := t.secretsOf(app)
	a, err := t.post(ctx, app, secrets[0], c)
	if err != nil || len(secrets) == 1 || !refusesClient(a) {
		return a, err
	}
	a, err = t.post(ctx, app, secrets[1], c)
	if err == nil && a.status < 300 {
		t.prefer(app, secrets[1])
	}
	return a, err
}

// secretsOf are the secrets to try, the one that worked last in front; a single empty one where there is none.
func (t *Tenant) secretsOf(app Application) []Secret {
	switch {
	case app.Key != nil || app.Certificate != nil:
		return []Secret{""}
	case app.NextClientSecret == "" || app.NextClientSecret == app.ClientSecret:
		return []Secret{app.ClientSecret}
	}
	secrets := []Secret{app.ClientSecret, app.NextClientSecret}
	if worked, _ := t.worked.Load(app.ClientID); worked == app.NextClientSecret {
		slices.Reverse(secrets)
	}
	return secrets
}

// prefer remembers which secret works, so that a rotation costs one refused request and not one for each login.
func (t *Tenant) prefer(app Application, secret Secret) {
	before, _ := t.worked.Swap(app.ClientID, secret)
	switch {
	case before == secret: // another login was quicker
	case secret == app.NextClientSecret:
		app.warn("the tenant refused the first client secret and accepted the next one; put that in the first place")
	default:
		app.warn("the tenant refused the next client secret and accepted the first one")
	}
}

// refusesClient reports whether the authentication was refused, and nothing else was looked at. Auth0 answers 401 access_denied to
// a wrong secret, RFC 6749 section 5.2 wants invalid_client; access_denied with another status is about what was asked for.
func refusesClient(a *answer) bool {
	switch errorCode(a) {
	case "invalid_client":
		return a.status >= 400
	case "access_denied", "unauthorized", "unrecognized":
		return a.status == http.StatusUnauthorized
	}
	return false
}

// errorCode gives the error of RFC 6749 section 5.2, if it is a word of the protocol.
func errorCode(a *answer) string {
	var r struct {
		Error string `json:"error"`
	}
	if decodeExactly(a.body, &r) != nil {
		return refusalCode("")
	}
	return refusalCode(r.Error)
}

// post makes one request. Its error is that of a request which was not made, or has no usable answer.
func (t *Tenant) post(ctx context.Context, app Application, secret Secret, c call) (*answer, error) {
	r, err := t.authenticated(ctx, app, secret, c)
	if err != nil {
		return nil, unsent(err)
	}
	var w wire
	client, a := t.clientOf(c.at, app)
	if response, err := client.Do(r.WithContext(w.watch(r.Context()))); err == nil {
		_ = response.Body.Close()
	}
	if failure := t.unanswered(c, a); failure != nil {
		failure.Unsent = w.untouched() || a.status == http.StatusTooManyRequests
		return nil, failure
	}
	return a, nil
}

// authenticated builds the request. All that authenticates the application, anywhere, is set here.
func (t *Tenant) authenticated(ctx context.Context, app Application, secret Secret, c call) (*http.Request, error) {
	form, basic := maps.Clone(c.form), false
	switch {
	case app.Certificate != nil:
		form.Set("client_id", app.ClientID)
	case app.Key != nil:
		assertion, err := app.Key.assert(app, t.now(), t.random)
		if err != nil {
			return nil, &UnavailableError{Doing: c.doing, RetryAfter: minRetryAfter, Err: err}
		}
		form.Set("client_id", app.ClientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", string(assertion))
	case app.Method == AuthBasic:
		basic = true
	default:
		form.Set("client_id", app.ClientID)
		form.Set("client_secret", string(secret))
	}
	body := form.Encode()
	if c.limit > 0 && len(body) > c.limit {
		return nil, ErrRequestTooLarge
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, strings.NewReader(body))
	if err != nil {
		return nil, &UnavailableError{Doing: c.doing, RetryAfter: minRetryAfter, Err: errEndpoint}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic { // RFC 6749 section 2.3.1: both are form-encoded before they are joined
		r.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(string(secret)))
	}
	return r, nil
}

// throttled is the failure of a call to an endpoint that asked to be left alone.
func (t *Tenant) throttled(c call) error {
	until := time.Unix(0, c.throttledUntil.Load())
	if now := t.now(); pending(until, now) {
		return &UnavailableError{Doing: c.doing, RetryAfter: max(until.Sub(now), minRetryAfter), Err: errThrottled}
	}
	return nil
}

// unanswered is the failure of a call without a usable answer, after which nobody knows what became of it.
func (t *Tenant) unanswered(c call, a *answer) *UnavailableError {
	throttled := a.status == http.StatusTooManyRequests
	if !throttled && a.status < 500 && a.status >= 200 && (a.status < 300 || a.status >= 400) {
		return nil
	}
	failure := t.unavailable(c.doing, a, errNoHTTP)
	if throttled {
		c.throttledUntil.Store(t.now().Add(failure.RetryAfter).UnixNano())
	}
	return failure
}
