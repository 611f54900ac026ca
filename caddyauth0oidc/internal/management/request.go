package management

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/auth0/go-auth0/management"
)

const (
	// maxTries is how often a request is made that meets a rate limit.
	maxTries = 5

	// maxWait is the longest wait for a rate limit; Auth0's limits of the Management API end within a minute.
	maxWait = 2 * time.Minute

	minWait = time.Second
)

// Patience says what to do about rate limits.
type Patience struct {
	// Wait returns after a time, or early with the context's error.
	Wait func(ctx context.Context, d time.Duration) error
	// Progress is told about each wait before it begins; nil tells nobody.
	Progress func(doing string, d time.Duration)
}

// Tenant is a tenant that is being set up.
type Tenant struct {
	// Name is master or child, for errors.
	Name string
	// Client calls the tenant's Management API.
	Client *Client
	// Patience is for its rate limits.
	Patience Patience
}

// operation is one request, with the scopes of which it needs one.
type operation struct {
	doing   string
	scopes  []string
	method  string
	path    []string
	query   url.Values
	send    any
	receive any
}

// exchange sends one value and receives another; the library knows one for both.
type exchange struct{ send, receive any }

// MarshalJSON writes what is sent.
func (e *exchange) MarshalJSON() ([]byte, error) { return json.Marshal(e.send) }

// UnmarshalJSON reads what is received.
func (e *exchange) UnmarshalJSON(text []byte) error {
	if e.receive == nil {
		return nil
	}
	return json.Unmarshal(text, e.receive)
}

// do makes a request, again after the wait that a rate limit asks for. A request that has begun is not interrupted, so that
// its outcome is known: the context ends the waits between the tries, and the client's timeout the request itself.
func (t Tenant) do(ctx context.Context, o operation) error {
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return &Error{Tenant: t.Name, Doing: o.doing, Err: err}
		}
		err := t.once(ctx, o)
		var limited *Error
		if errors.As(err, &limited) {
			limited.Tenant, limited.Message = t.Name, o.withoutSecret(limited.Message)
		}
		if limited == nil || limited.Status != http.StatusTooManyRequests || try == maxTries || limited.RetryAfter > maxWait {
			return err
		}
		wait := max(limited.RetryAfter, minWait)
		if t.Patience.Progress != nil {
			t.Patience.Progress(t.Name+": "+o.doing, wait)
		}
		if err := t.Patience.Wait(ctx, wait); err != nil {
			return &Error{Tenant: t.Name, Doing: o.doing, Err: err}
		}
	}
}

// withoutSecret takes out of a message what it may quote of the body.
func (o operation) withoutSecret(message string) string {
	body, _ := o.send.(map[string]any)
	options, _ := body["options"].(map[string]any)
	secret, _ := options[optionSecret].(string)
	if secret == "" {
		return message
	}
	cut := len(message) == maxMessage // in the middle of the secret, perhaps
	message = strings.ReplaceAll(message, secret, secretShown)
	for n := len(secret) - 1; n > 0 && cut; n-- {
		rest := strings.TrimSuffix(message, secret[:n])
		cut, message = rest == message, rest
	}
	return message
}

func (t Tenant) once(ctx context.Context, o operation) error {
	return t.Client.call(context.WithoutCancel(ctx), o.doing, func(ctx context.Context, api *management.Management) error {
		var options []management.RequestOption
		for name := range o.query {
			options = append(options, management.Parameter(name, o.query.Get(name)))
		}
		return api.Request(ctx, o.method, api.URI(o.path...), &exchange{o.send, o.receive}, options...)
	}, o.scopes...)
}

// unanswered tells whether a request may have had its effect although it failed.
func unanswered(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.sent && (e.Err != nil || e.Status >= http.StatusInternalServerError)
}

func hasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Err == nil && e.Status == status
}
