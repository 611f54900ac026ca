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
	emergency = time.Hour        // how long they are good while they cannot be fetched
)

var (
	errKeys       = errors.New("the keys cannot be fetched")
	errUnknownKey = errors.New("it is signed with an unknown key")
	errIncomplete = errors.New("it has no sub, iat or exp")
)

// Verifier verifies assertions. It is safe for concurrent use.
type Verifier struct {
	Keys     string // address of the JWK Set
	Issuer   string // the site: scheme and host, without a slash at the end
	Audience string // the setting audience of the Caddyfile
	Client   *http.Client
	Now      func() time.Time

	mu      sync.Mutex
	set     jose.JSONWebKeySet
	fetched time.Time // the keys
	tried   time.Time // to fetch them
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
	expected := jwt.Expected{Issuer: v.Issuer, AnyAudience: jwt.Audience{v.Audience}, Time: v.Now()}
	if err := claims.ValidateWithLeeway(expected, leeway); err != nil {
		return nil, fmt.Errorf("checking its claims: %w", err)
	}
	return claims, nil
}

func (v *Verifier) key(ctx context.Context, id string) (any, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.Now()
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

func (v *Verifier) fetch(ctx context.Context) (set jose.JSONWebKeySet, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.Keys, nil)
	if err != nil {
		return set, err
	}
	response, err := v.Client.Do(request)
	if err != nil {
		return set, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return set, errKeys
	}
	return set, json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&set)
}
