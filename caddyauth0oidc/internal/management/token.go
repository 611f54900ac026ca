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
	"sync"
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

	mu      sync.Mutex
	token   string
	expires time.Time
}

// RoundTrip does one request with a token that is still good.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.current(r.Context())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Scheme = b.base.Scheme // the library only knows https, simulated tenants have http on loopback
	r.Header.Set("Authorization", "Bearer "+token)
	seen, _ := r.Context().Value(outcomeKey{}).(*outcome)
	response, body, err := b.do(r)
	if err != nil {
		return nil, err
	}
	if seen != nil {
		seen.status, seen.retryAfter = response.StatusCode, b.retryAfter(response.Header)
	}
	if response.StatusCode == http.StatusUnauthorized {
		b.forget(token)
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return nil, errors.New("the tenant redirects elsewhere")
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (b *bearer) do(r *http.Request) (*http.Response, []byte, error) {
	response, err := b.config.Transport.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errUnreadable
	}
	return response, body, err
}

// current gives the token. Whoever comes while one is being got waits for it, or for its own deadline.
func (b *bearer) current(ctx context.Context) (string, error) {
	if b.config.Token != "" {
		return b.config.Token, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.token != "" && b.config.Now().Before(b.expires) {
		return b.token, nil
	}
	token, lifetime, err := b.grant(ctx)
	if err != nil {
		return "", err
	}
	b.token, b.expires = token, b.config.Now().Add(lifetime-tokenMargin)
	return token, nil
}

func (b *bearer) forget(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
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
	response, body, err := b.do(r)
	if err != nil {
		return "", 0, &Error{Doing: gettingToken, Err: causeOf(err)}
	}
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
			Message: printable(strings.TrimSpace(answer.Code + " " + answer.Description)),
		}
	case unreadable != nil || answer.AccessToken == "" || strings.ContainsAny(answer.AccessToken, " \r\n"):
		return "", 0, &Error{Doing: gettingToken, Status: response.StatusCode, Err: errUnreadable}
	}
	return answer.AccessToken, time.Duration(min(max(answer.ExpiresIn, 0), 30*24*3600)) * time.Second, nil
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
