package upstream

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-jose/go-jose/v4"
)

var errNoSigningKey = errors.New("there is no key to sign with")

// SigningKeys sign assertions with ES256 (RFC 7518 section 3.4): the first of them
// signs, all are published. They are safe for concurrent use.
type SigningKeys struct {
	id     string
	signer jose.Signer
	set    []byte
}

// NewSigningKey draws a P-256 key and gives its 32 bytes.
func NewSigningKey(random io.Reader) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("drawing a P-256 key: %w", err)
	}
	return key.Bytes()
}

// NewSigningKeys takes keys as NewSigningKey gives them, the one that signs in
// front.
func NewSigningKeys(all [][]byte) (*SigningKeys, error) {
	if len(all) == 0 {
		return nil, errNoSigningKey
	}
	k := new(SigningKeys)
	var public jose.JSONWebKeySet
	for i, bytes := range all {
		private, err := newJWK(bytes)
		if err != nil {
			return nil, fmt.Errorf("reading key %d: %w", i+1, err)
		}
		public.Keys = append(public.Keys, private.Public())
		if i > 0 {
			continue
		}
		signing := jose.SigningKey{Algorithm: jose.ES256, Key: private}
		if k.signer, err = jose.NewSigner(signing, new(jose.SignerOptions).WithType("JWT")); err != nil {
			return nil, fmt.Errorf("preparing the key that signs: %w", err)
		}
		k.id = private.KeyID
	}
	var err error
	k.set, err = json.Marshal(public)
	return k, err
}

// newJWK names the key by its thumbprint (RFC 7638), so that every instance gives it
// the same name.
func newJWK(bytes []byte) (jose.JSONWebKey, error) {
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes)
	if err != nil {
		return jose.JSONWebKey{}, errors.New("it is no P-256 key") // without anything of its bytes
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return key, err
}

// ID is the kid of the key that signs.
func (k *SigningKeys) ID() string { return k.id }

// Set is the public halves of all keys as a JWK Set (RFC 7517 section 5). It must
// not be changed.
func (k *SigningKeys) Set() []byte { return k.set }

func (k *SigningKeys) sign(payload []byte) (string, error) {
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return signed.CompactSerialize()
}
