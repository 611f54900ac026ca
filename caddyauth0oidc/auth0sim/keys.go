package auth0sim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// KeyPool makes signing keys when they are first needed and keeps them. Tests that make many networks share one.
type KeyPool struct {
	mu   sync.Mutex
	made map[string][]signer
}

// signer is a private key and the self-signed certificate that Auth0 publishes with it.
type signer struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// NewKeyPool returns a pool without keys.
func NewKeyPool() *KeyPool { return &KeyPool{made: map[string][]signer{}} }

func (p *KeyPool) signer(family string, i int) signer {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.made[family]) <= i {
		p.made[family] = append(p.made[family], newSigner(family))
	}
	return p.made[family][i]
}

func newSigner(family string) signer {
	var key crypto.Signer
	var err error
	if family == "EC" {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		panic("auth0sim: making a signing key: " + err.Error())
	}
	return signer{key: key, cert: selfSigned(key)}
}

func selfSigned(key crypto.Signer) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "simulated tenant"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic("auth0sim: making a certificate: " + err.Error())
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic("auth0sim: reading the certificate just made: " + err.Error())
	}
	return cert
}

// tenantKey is a signing key under the kid a tenant gave it.
type tenantKey struct {
	kid string
	signer
}

// keyRing is what a tenant holds at any time: the key that signs, the next one, and the previous ones until revoked.
type keyRing struct {
	current, next tenantKey
	previous      []tenantKey
}

func keyFamily(alg string) string {
	if alg == "ES256" {
		return "EC"
	}
	return "RSA"
}

func (t *Tenant) newKey(family string) tenantKey {
	return tenantKey{kid: t.network.token(16)[:21], signer: t.network.nextSigner(family)}
}

// ring returns a copy of the ring for that algorithm.
func (t *Tenant) ring(alg string) keyRing {
	t.mu.Lock()
	defer t.mu.Unlock()
	return *t.lockedRing(keyFamily(alg))
}

func (t *Tenant) lockedRing(family string) *keyRing {
	ring, ok := t.rings[family]
	if !ok {
		ring = &keyRing{current: t.newKey(family), next: t.newKey(family)}
		t.rings[family] = ring
	}
	return ring
}

// RotateKeys makes the next key the current one; the one before still verifies until it is revoked.
func (t *Tenant) RotateKeys() {
	t.mu.Lock()
	defer t.mu.Unlock()
	family := keyFamily(t.SigningAlg)
	ring := t.lockedRing(family)
	// A new slice, because copies of the ring are read without the lock.
	ring.previous = append([]tenantKey{ring.current}, ring.previous...)
	ring.current, ring.next = ring.next, t.newKey(family)
}

// RevokePreviousKey takes every key but the current and the next out of the key set.
func (t *Tenant) RevokePreviousKey() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lockedRing(keyFamily(t.SigningAlg)).previous = nil
}

// PublicKey is the public half of the key that signs now.
func (t *Tenant) PublicKey() crypto.PublicKey {
	return t.ring(t.settings().SigningAlg).current.key.Public()
}

// KeyID is the kid of the key that signs now.
func (t *Tenant) KeyID() string { return t.ring(t.settings().SigningAlg).current.kid }

func (t *Tenant) serveKeys(w http.ResponseWriter, _ *http.Request) {
	s := t.settings()
	alg := s.SigningAlg
	if alg == "HS256" {
		alg = "RS256"
	}
	ring := t.ring(alg)
	if s.KeysWithoutAlg {
		alg = ""
	}
	set := jose.JSONWebKeySet{}
	for _, k := range append([]tenantKey{ring.current, ring.next}, ring.previous...) {
		sum := sha1.Sum(k.cert.Raw)
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: k.key.Public(), KeyID: k.kid, Algorithm: alg, Use: "sig",
			Certificates: []*x509.Certificate{k.cert}, CertificateThumbprintSHA1: sum[:],
		})
	}
	if s.TamperKeys != nil {
		s.TamperKeys(&set)
	}
	w.Header().Set("Cache-Control", "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")
	writeJSON(w, http.StatusOK, set)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone if this fails, and nobody is left to tell
}
