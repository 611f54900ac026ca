package management

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxBody limits an answer; a user with a hundred kilobytes of metadata is the largest that Auth0 has.
	maxBody = 4 << 20

	// tokenMargin is how long before its end a token is no longer used.
	tokenMargin = time.Minute

	gettingToken = "getting a token for the Management API"
)

// outcome is what the library forgets of an answer.
type outcome struct {
	status     int
	retryAfter time.Duration
}

type outcomeKey struct{}

// bearer is the transport below the library: it adds the token, reads answers within their limit, and follows nothing.
type bearer struct {
	config Config
	base   *url.URL
	api    http.RoundTripper // to the API itself
	grants http.RoundTripper // to where the tokens are

	turn    chan struct{} // holds one while the token is looked at, or got
	token   string
	expires time.Time
}

func newBearer(c Config, base *url.URL) *bearer {
	watched := func(endpoint string) http.RoundTripper {
		if c.Observe == nil {
			return reading{c.Transport}
		}
		return c.Observe(endpoint, reading{c.Transport})
	}
	return &bearer{config: c, base: base, api: watched(EndpointAPI), grants: watched(EndpointToken), turn: make(chan struct{}, 1)}
}

// RoundTrip does one request with a token that is still good. If the tenant does not take a token that was kept, because the
// key that signed it is gone, a request without a body is made once more with a new one.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, kept, err := b.current(r.Context())
	if err != nil {
		return nil, err
	}
	response, err := b.with(token, r)
	if err == nil && response.StatusCode == http.StatusUnauthorized && kept && (r.Body == nil || r.Body == http.NoBody) {
		if token, _, err = b.current(r.Context()); err != nil {
			return nil, err
		}
		return b.with(token, r)
	}
	return response, err
}

func (b *bearer) with(token string, r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = b.base.Scheme // the library only knows https, simulated tenants have http on loopback
	r.Header.Set("Authorization", "Bearer "+token)
	seen, _ := r.Context().Value(outcomeKey{}).(*outcome)
	response, err := b.api.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if seen != nil {
		seen.status, seen.retryAfter = response.StatusCode, b.retryAfter(response.Header)
	}
	if response.StatusCode == http.StatusUnauthorized {
		b.forget(r.Context(), token)
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return nil, errors.New("the tenant redirects elsewhere")
	}
	return response, nil
}

// reading is a RoundTripper that reads the whole answer within its limit before anybody else sees it.
type reading struct{ next http.RoundTripper }

// RoundTrip does the request.
func (rd reading) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := rd.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errUnreadable
	}
	if err != nil {
		return nil, err
	}
	read := *response
	read.Body = io.NopCloser(bytes.NewReader(body))
	return &read, nil
}

// current gives the token, and whether it was kept from before. Whoever comes while one is being got waits for it, or for its
// own deadline.
func (b *bearer) current(ctx context.Context) (token string, kept bool, err error) {
	if b.config.Token != "" {
		return b.config.Token, false, nil
	}
	if err := b.enter(ctx); err != nil {
		return "", false, &Error{Doing: gettingToken, Err: causeOf(err)}
	}
	defer b.leave()
	if b.token != "" && b.config.Now().Before(b.expires) {
		return b.token, true, nil
	}
	token, lifetime, err := b.grant(ctx)
	if err != nil {
		return "", false, err
	}
	b.token, b.expires = token, b.config.Now().Add(lifetime-tokenMargin)
	return token, false, nil
}

func (b *bearer) enter(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *bearer) leave() { <-b.turn }

func (b *bearer) forget(ctx context.Context, token string) {
	if b.enter(ctx) != nil {
		return // whoever is inside gets a new one, or the next request finds out again
	}
	defer b.leave()
	if b.token == token {
		b.token = ""
	}
}

// grant is the client credentials grant (RFC 6749 section 4.4) with Auth0's audience.
func (b *bearer) grant(ctx context.Context) (token string, lifetime time.Duration, err error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "audience": {b.config.Base + "api/v2/"},
		"client_id": {b.config.ClientID}, "client_secret": {b.config.ClientSecret},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.config.Base+"oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, &Error{Doing: gettingToken, Err: errUnreachable}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	response, err := b.grants.RoundTrip(r)
	if err != nil {
		return "", 0, &Error{Doing: gettingToken, Err: causeOf(err)}
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxBody)) // which is in memory
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	unreadable := json.Unmarshal(body, &answer)
	switch {
	case response.StatusCode != http.StatusOK:
		return "", 0, &Error{
			Doing: gettingToken, Status: response.StatusCode, RetryAfter: b.retryAfter(response.Header),
			Message: redacted(strings.TrimSpace(answer.Code+" "+answer.Description), b.config.ClientSecret),
		}
	case unreadable != nil || answer.AccessToken == "" || strings.ContainsAny(answer.AccessToken, " \r\n"):
		return "", 0, &Error{Doing: gettingToken, Status: response.StatusCode, Err: errUnreadable}
	}
	return answer.AccessToken, time.Duration(min(max(answer.ExpiresIn, 0), 30*24*3600)) * time.Second, nil
}

// redacted takes a secret out of a text, also as it is in a form, before the text is cut.
func redacted(text, secret string) string {
	text = onlyPrintable(text)
	for _, form := range []string{onlyPrintable(secret), url.QueryEscape(secret)} {
		if form != "" {
			text = strings.ReplaceAll(text, form, secretShown)
		}
	}
	return printable(text)
}

// retryAfter reads Retry-After in seconds, or Auth0's X-RateLimit-Reset.
func (b *bearer) retryAfter(h http.Header) time.Duration {
	if seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if reset, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil && h.Get("X-Ratelimit-Remaining") == "0" {
		return max(0, time.Unix(reset, 0).Sub(b.config.Now()))
	}
	return 0
}
