package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	leeway    = 30 * time.Second // for clocks that differ
	fresh     = 5 * time.Minute  // how long the keys are not fetched again
	pause     = 10 * time.Second // between two attempts to fetch them
	timeout   = 5 * time.Second  // of an attempt
	emergency = time.Hour        // how long they are good while they cannot be fetched
)

var (
	errKeys       = errors.New("the keys cannot be fetched")
	errUnknownKey = errors.New("it is signed with an unknown key")
	errNotSet     = errors.New("the verifier has no issuer, or no audience")
	errNoKeys     = errors.New("the set has no keys")
	errIncomplete = errors.New("it has no sub, iat or exp")
)

// Verifier verifies assertions. It is safe for concurrent use.
type Verifier struct {
	keys, issuer, audience string
	client                 *http.Client
	now                    func() time.Time

	mu      sync.Mutex
	set     jose.JSONWebKeySet
	fetched time.Time // the keys
	tried   time.Time // to fetch them
}

// NewVerifier takes the address of the JWK Set, the issuer, which is the site (scheme
// and host, without a slash at the end), and the setting audience of the Caddyfile.
func NewVerifier(keys, issuer, audience string, client *http.Client, now func() time.Time) (*Verifier, error) {
	if issuer == "" || audience == "" { // neither would be compared
		return nil, errNotSet
	}
	return &Verifier{keys: keys, issuer: issuer, audience: audience, client: client, now: now}, nil
}

// Claims are what this application wants to know of its users.
type Claims struct {
	jwt.Claims
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
}

// Verify gives the claims of an assertion that is good. The user is in Subject.
func (v *Verifier) Verify(ctx context.Context, assertion string) (*Claims, error) {
	token, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, fmt.Errorf("reading it: %w", err)
	}
	key, err := v.key(ctx, token.Headers[0].KeyID)
	if err != nil {
		return nil, err
	}
	claims := new(Claims)
	if err := token.Claims(key, claims); err != nil {
		return nil, fmt.Errorf("checking its signature: %w", err)
	}
	if claims.Subject == "" || claims.IssuedAt == nil || claims.Expiry == nil {
		return nil, errIncomplete
	}
	expected := jwt.Expected{Issuer: v.issuer, AnyAudience: jwt.Audience{v.audience}, Time: v.now()}
	if err := claims.ValidateWithLeeway(expected, leeway); err != nil {
		return nil, fmt.Errorf("checking its claims: %w", err)
	}
	return claims, nil
}

func (v *Verifier) key(ctx context.Context, id string) (any, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	if id == "" {
		return nil, errUnknownKey
	}
	if (now.Sub(v.fetched) > fresh || len(v.set.Key(id)) == 0) && now.Sub(v.tried) >= pause {
		v.tried = now
		if set, err := v.fetch(ctx); err == nil {
			v.set, v.fetched = set, now
		}
	}
	if now.Sub(v.fetched) > emergency {
		return nil, errKeys
	}
	for _, key := range v.set.Key(id) {
		return key.Key, nil
	}
	return nil, errUnknownKey
}

// fetch goes on when the request is over, or else one that is aborted would use the
// attempt up for all.
func (v *Verifier) fetch(ctx context.Context) (set jose.JSONWebKeySet, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.keys, nil) // #nosec G704 -- the operator names it
	if err != nil {
		return set, err
	}
	response, err := v.client.Do(request) // #nosec G704 -- the operator names it
	if err != nil {
		return set, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return set, errKeys
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&set); err != nil {
		return set, err
	}
	if len(set.Keys) == 0 {
		return set, errNoKeys
	}
	return set, nil
}
