package tenant

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// assertionLife is far below the five minutes that Auth0 allows, and above what two clocks and a slow network need.
	assertionLife = time.Minute
	// maxAssertion is Auth0's limit (docs, "Authenticate with Private Key JWT").
	maxAssertion = 2048
	maxKeyFile   = 64 << 10
)

// KeyConfig names the private key of an application.
type KeyConfig struct {
	// File is the path of a PEM file with one RSA or EC private key that is not encrypted.
	File string
	// Algorithm is one of AssertionAlgorithms; empty means the usual one of the key.
	Algorithm string
	// KeyID is the kid of the assertions; empty for none.
	KeyID string
}

// AssertionKey signs the client assertions of one application at one tenant (RFC 7523 section 2.2, OpenID Connect Core 1.0 section 9). It reads its file again when that
// has changed. It is safe for concurrent use.
type AssertionKey struct {
	config           KeyConfig
	issuer, clientID string

	mu      sync.Mutex
	signer  jose.Signer // the last good one
	read    fileState   // of the file that it is from
	refused *fileState  // of the file that could not be used since then, or nil
}

// Format hides the key from every verb.
func (k *AssertionKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// fileState is by what a changed file is known. The zero value is that of a file that cannot be looked at.
type fileState struct {
	modified, size int64
}

// NewAssertionKey reads the key and tries it with an assertion of that time: an error says why no assertion of the application would be
// accepted, and shows nothing of the file.
func NewAssertionKey(c KeyConfig, issuer, clientID string, now time.Time) (*AssertionKey, error) {
	k := &AssertionKey{config: c, issuer: issuer, clientID: clientID}
	if err := k.reload(k.look(), now); err != nil {
		return nil, err
	}
	return k, nil
}

// assert makes an assertion that is good for one request, because its jti is (RFC 7523 section 3).
func (k *AssertionKey) assert(app Application, now time.Time, random io.Reader) (Secret, error) {
	var id [16]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return "", errRandom
	}
	return k.sign(k.current(app, now), now, id)
}

// current gives the signer of the file as it is now, or the last good one.
func (k *AssertionKey) current(app Application, now time.Time) jose.Signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	state := k.look()
	if state == k.read {
		return k.signer
	}
	if err := k.reload(state, now); err != nil && (k.refused == nil || *k.refused != state) { // one line for each change
		k.refused = &state
		app.warn("the key of client_assertion has changed and cannot be used, so the one before it goes on: " + err.Error())
	}
	return k.signer
}

func (k *AssertionKey) look() fileState { return stateOf(k.config.File) }

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info.ModTime().UnixNano(), info.Size()}
}

// reload reads the file, whose state was looked at before: one that is replaced meanwhile is read again next time.
func (k *AssertionKey) reload(state fileState, now time.Time) error {
	text, err := keyPEM.read(k.config.File)
	if err != nil {
		return err
	}
	key, err := parsePrivateKey(text)
	if err != nil {
		return err
	}
	algorithm, err := algorithmFor(key, k.config.Algorithm)
	if err != nil {
		return err
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if k.config.KeyID != "" {
		options.WithHeader("kid", k.config.KeyID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		return errors.New("the key cannot sign; make another one")
	}
	if _, err := k.sign(signer, now, [16]byte{}); err != nil {
		return err
	}
	k.signer, k.read, k.refused = signer, state, nil
	return nil
}

// assertionClaims are all that Auth0 asks for. The audience is the issuer, as one text.
type assertionClaims struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience string           `json:"aud"`
	ID       string           `json:"jti"`
	IssuedAt *jwt.NumericDate `json:"iat"`
	Expiry   *jwt.NumericDate `json:"exp"`
}

func (k *AssertionKey) sign(signer jose.Signer, now time.Time, id [16]byte) (Secret, error) {
	signed, err := jwt.Signed(signer).Claims(assertionClaims{
		Issuer: k.clientID, Subject: k.clientID, Audience: k.issuer, ID: base64.RawURLEncoding.EncodeToString(id[:]),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLife)),
	}).Serialize()
	switch {
	case err != nil:
		return "", errSigning
	case len(signed) > maxAssertion:
		return "", fmt.Errorf("an assertion with this key has %d bytes, and Auth0 takes %d; use a smaller key", len(signed), maxAssertion)
	}
	return Secret(signed), nil
}

// AssertionAlgorithms are the algorithms of client assertions that can be chosen.
func AssertionAlgorithms() []string { return slices.Clone(assertionAlgorithms) }

var assertionAlgorithms = []string{"RS256", "RS384", "PS256", "ES256", "ES384"}
