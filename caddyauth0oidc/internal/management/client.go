package management

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/auth0/go-auth0/management"
)

const defaultTimeout = 5 * time.Second

// Config says which tenant's Management API is called, and as whom.
type Config struct {
	// Base is the address of the tenant's canonical domain with a slash at its end, such as "https://acme.eu.auth0.com/". The
	// audience of the API is Base with "api/v2/" behind it, also for tenants that have a custom domain.
	Base string
	// Token is an access token for the API. Either it or client id and secret are there.
	Token string
	// ClientID and ClientSecret are those of a machine-to-machine application, with which a token is got and kept until a
	// minute before its end.
	ClientID, ClientSecret string
	// Transport carries the requests. Required.
	Transport http.RoundTripper
	// Observe, unless nil, gives a transport that does requests to the endpoint by next, and may look at what comes of them. An answer
	// of next has been read to its end, and an error of next may quote it.
	Observe func(endpoint string, next http.RoundTripper) http.RoundTripper
	// Timeout limits each call, that for the token included. The default is 5 seconds.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// The endpoints that are told to Config.Observe.
const (
	EndpointAPI   = "management"       // the Management API
	EndpointToken = "management_token" // the token for it
)

// Client calls the Management API of one tenant. It is safe for concurrent use. It does not try again by itself: an Error
// says when that makes sense.
type Client struct {
	api     *management.Management
	timeout time.Duration
	now     func() time.Time

	// limitedUntil is the Unix time in nanoseconds until which the tenant asked not to be asked for users.
	limitedUntil atomic.Int64
}

// New makes a client without talking to the tenant.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.Base)
	if err != nil || base.Host == "" || base.Path != "/" {
		return nil, errors.New("the Management API's base is not the address of a tenant, like https://acme.eu.auth0.com/")
	}
	if (c.Token == "") == (c.ClientID == "" || c.ClientSecret == "") {
		return nil, errors.New("the Management API needs either a token, or a client id and its secret")
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	api, err := management.New(base.Host,
		management.WithClient(&http.Client{Transport: newBearer(c, base)}),
		management.WithStaticToken("replaced by the transport"), // the library wants one; its own sources know no deadline
		management.WithNoRetries(), management.WithNoAuth0ClientInfo(), management.WithUserAgent("caddy-auth0-oidc"),
	)
	if err != nil {
		return nil, fmt.Errorf("preparing the Management API: %w", err)
	}
	return &Client{api: api, timeout: c.Timeout, now: c.Now}, nil
}

// Error says that a call did not succeed.
type Error struct {
	// Tenant is master or child where two are set up, else empty, and Doing what was being done.
	Tenant, Doing string
	// Status is the status of the answer, 0 without one.
	Status int
	// Message is what Auth0 says about it, in printable characters: for the operator's eyes, not for a log.
	Message string
	// RetryAfter is how long Auth0 asks to wait, 0 if it does not say.
	RetryAfter time.Duration
	// Scopes are those of which the token needs one for this call, empty if they are not known.
	Scopes []string
	// Err is why there was no answer; nil if there was one.
	Err error

	sent bool // the request itself, and not only that for a token
}

// Error quotes nothing of the answer.
func (e *Error) Error() string {
	doing := e.Doing
	if e.Tenant != "" {
		doing = e.Tenant + ": " + doing
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", doing, e.Err)
	}
	return fmt.Sprintf("%s: the tenant answered with status %d", doing, e.Status)
}

// Unwrap gives the reason, if there was no answer.
func (e *Error) Unwrap() error { return e.Err }

// GettingToken reports whether no token for the API was to be had, so that the request itself was not made.
func (e *Error) GettingToken() bool { return e.Doing == gettingToken }

// request does a call by the library.
type request func(context.Context, *management.Management) error

// call does one request, for which one of the scopes is needed, and makes an *Error of what goes wrong.
func (c *Client) call(ctx context.Context, doing string, request request, scopes ...string) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	seen := new(outcome)
	err := request(context.WithValue(ctx, outcomeKey{}, seen), c.api)
	var own *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case seen.status >= http.StatusBadRequest:
		return &Error{
			Doing: doing, Status: seen.status, Message: messageOf(err), RetryAfter: seen.retryAfter, Scopes: scopes, sent: true,
		}
	case seen.status != 0:
		return &Error{Doing: doing, Status: seen.status, Err: errUnreadable, sent: true}
	}
	return &Error{Doing: doing, Err: causeOf(err), sent: true}
}

var (
	errUnreadable  = errors.New("the answer cannot be read")
	errTimeout     = errors.New("the tenant did not answer in time")
	errUnreachable = errors.New("the tenant cannot be reached")
)

// causeOf keeps addresses, which contain users' ids, out of the error.
func causeOf(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errTimeout
	}
	return errUnreachable
}

// maxMessage bounds what is shown of Auth0's texts.
const maxMessage = 300

func messageOf(err error) string { return printable(err.Error()) }

func printable(text string) string {
	text = onlyPrintable(text)
	return text[:min(len(text), maxMessage)]
}

func onlyPrintable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
}
