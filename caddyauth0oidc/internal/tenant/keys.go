package tenant

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"net/http"
	"slices"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	exactjson "github.com/go-jose/go-jose/v4/json"
)

const (
	// Keys are asked for again in the background after an hour, and before the next use after two, as on a quiet site. A key
	// that is no longer served is believed for a day at most, while the tenant cannot be asked, however often this process
	// begins anew. More would serve few: while the tenant is away nobody gets a token, and those of before have ended after a
	// day, unless an API of the tenant says otherwise; but it would serve who has stolen a key and can keep us from asking.
	keysFresh = time.Hour
	keysOld   = 2 * keysFresh
	keysLimit = 24 * time.Hour

	// unknownKeyFloor is the least time between two requests that were caused by tokens with an unknown key.
	unknownKeyFloor = 30 * time.Second

	maxKeys    = 100
	maxKeyID   = 256
	minRSABits = 2048
	maxRSABits = 8192
)

// acceptedAlgs are the signature algorithms of tokens; no discovery document can add to them (OpenID Connect Core 1.0 section 3.1.3.7, 7).
var acceptedAlgs = []string{string(jose.RS256), string(jose.PS256), string(jose.ES256)}

var acceptedSignatures = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256}

// signingKey is a public key of the tenant, an *rsa.PublicKey or an *ecdsa.PublicKey.
type signingKey struct {
	id     string
	alg    string // the only algorithm it may be used with; empty means any that fits
	public any
}

// keySet is the tenant's keys; it implements oidc.KeySet.
type keySet struct {
	tenant *Tenant
	recall *recall[[]signingKey]
	missed time.Time // when an unknown key last caused a request; guarded by recall.mu
}

func newKeySet(t *Tenant) *keySet {
	k := &keySet{tenant: t}
	k.recall = &recall[[]signingKey]{
		ask: k.fetch, parse: parseKeys, doing: fetchingKeys, life: t.life, now: t.now, random: t.random, timeout: t.timeout, follow: t.follow,
		shelf: t.shelfOf("keys.json"), fresh: keysFresh, old: keysOld, limit: keysLimit,
	}
	return k
}

// VerifySignature returns the payload of a compact JWS that one of the tenant's keys signed. An unknown key is looked for once
// in the current set, at most every 30 seconds, however many tokens with unknown keys arrive. The first is always looked for, and
// what was in vain because the tenant was away is tried again.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, _, err := k.verify(ctx, token)
	return payload, err
}

// verify does what VerifySignature does, and tells of which generation the keys were.
func (k *keySet) verify(ctx context.Context, token string) (payload []byte, generation int, err error) {
	jws, err := jose.ParseSignedCompact(token, acceptedSignatures)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, 0, invalid("malformed")
	}
	keys, seen, err := k.recall.get(ctx)
	for range 3 {
		if err != nil {
			return nil, 0, err
		}
		payload, known := verifyWith(keys, jws)
		if payload != nil {
			return payload, seen, nil
		}
		if known {
			break
		}
		// The first renewal may only have waited for a request that began before the key existed, so there may be a second.
		keys, seen, err = k.recall.renew(ctx, seen, k.mayLookForUnknown)
	}
	return nil, 0, invalid("signature")
}

// mayLookForUnknown is called with the lock of recall held. After a request that failed the back-off alone limits the next: the
// key may have come during the outage.
func (k *keySet) mayLookForUnknown() bool {
	now := k.recall.now()
	if since := now.Sub(k.missed); since >= 0 && since < unknownKeyFloor && k.recall.failures == 0 {
		return false
	}
	k.missed = now
	return true
}

// verifyWith tries the keys that fit. known says that the token names one of them, so that other keys need not be looked for.
func verifyWith(keys []signingKey, jws *jose.JSONWebSignature) (payload []byte, known bool) {
	header := jws.Signatures[0].Protected
	for _, key := range keys {
		if !key.fits(header.KeyID, header.Algorithm) {
			continue
		}
		known = known || header.KeyID != ""
		if payload, err := jws.Verify(key.public); err == nil {
			return payload, true
		}
	}
	return nil, known
}

// fits reports whether the key may have signed a token with this header. A token without a key id may be of any key.
func (s signingKey) fits(id, alg string) bool {
	if (id != "" && s.id != id) || (s.alg != "" && s.alg != alg) {
		return false
	}
	switch s.public.(type) {
	case *rsa.PublicKey:
		return alg == string(jose.RS256) || alg == string(jose.PS256)
	case *ecdsa.PublicKey:
		return alg == string(jose.ES256)
	}
	return false
}

func (k *keySet) fetch(ctx context.Context) ([]byte, *UnavailableError) {
	md, _, err := k.tenant.metadata.get(ctx)
	if err != nil {
		return nil, &UnavailableError{Doing: fetchingKeys, RetryAfter: minRetryAfter, Err: err}
	}
	client, seen := k.tenant.client(EndpointKeys)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, md.JWKSURI, http.NoBody)
	if err != nil {
		return nil, &UnavailableError{Doing: fetchingKeys, RetryAfter: minRetryAfter, Err: errEndpoint}
	}
	resp, err := client.Do(request)
	if err != nil {
		return nil, k.tenant.unavailable(fetchingKeys, seen, errNoHTTP)
	}
	_ = resp.Body.Close()
	if seen.status != http.StatusOK {
		return nil, k.tenant.unavailable(fetchingKeys, seen, nil)
	}
	return seen.body, nil
}

// parseKeys reads a JWK set (RFC 7517 section 5). Keys that cannot be used are left out; a set without any is an error.
func parseKeys(body []byte) ([]signingKey, error) {
	var set struct {
		Keys []exactjson.RawMessage `json:"keys"`
	}
	if err := decodeExactly(body, &set); err != nil {
		return nil, err
	}
	var keys []signingKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		if key, ok := parseKey(raw); ok {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

// keyMembers are the members of a JWK that are used. Certificates are not: a broken one must not cost us the key beside it.
type keyMembers struct {
	KeyType    string   `json:"kty"`
	Use        string   `json:"use,omitempty"`
	Operations []string `json:"key_ops,omitempty"`
	Algorithm  string   `json:"alg,omitempty"`
	KeyID      string   `json:"kid,omitempty"`
	N          string   `json:"n,omitempty"`
	E          string   `json:"e,omitempty"`
	Curve      string   `json:"crv,omitempty"`
	X          string   `json:"x,omitempty"`
	Y          string   `json:"y,omitempty"`
}

func parseKey(raw []byte) (signingKey, bool) {
	var m keyMembers
	if err := decodeExactly(raw, &m); err != nil || len(m.KeyID) > maxKeyID {
		return signingKey{}, false
	}
	if (m.Use != "" && m.Use != "sig") || (m.Operations != nil && !slices.Contains(m.Operations, "verify")) {
		return signingKey{}, false
	}
	bare, err := exactjson.Marshal(keyMembers{KeyType: m.KeyType, N: m.N, E: m.E, Curve: m.Curve, X: m.X, Y: m.Y})
	if err != nil {
		return signingKey{}, false
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(bare); err != nil || !strongEnough(jwk.Key) {
		return signingKey{}, false
	}
	return signingKey{id: m.KeyID, alg: m.Algorithm, public: jwk.Key}, true
}

// strongEnough accepts RSA keys from 2048 bits up (RFC 7518 section 3.3) with an odd exponent above 1, and keys on the curve P-256.
func strongEnough(public any) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return bits >= minRSABits && bits <= maxRSABits && key.E >= 3 && key.E%2 == 1
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256()
	}
	return false
}
