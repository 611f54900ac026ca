package session

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/gorilla/securecookie"
)

// MinSecretLength is the least length of a configured secret in bytes.
const MinSecretLength = 32

// The reasons for which NewKeyring refuses the configured secrets.
var (
	ErrNoSecret        = errors.New("a session needs at least one secret")
	ErrShortSecret     = fmt.Errorf("a secret must be at least %d bytes long", MinSecretLength)
	ErrDuplicateSecret = errors.New("two secrets are the same, or have the same key id: leave one of them out")
)

// purpose separates the keys of the things that are sealed, so that one of them
// is never taken for another.
type purpose int

const (
	forSession purpose = iota
	forTransaction
	forState
	forAttempts
	forTokens
	forForm
	forRefreshed
	forContinuation
	purposes
)

// labels go into the derivation of keys. Changing one makes everything that was
// sealed before unreadable.
var labels = [purposes]string{"session", "transaction", "state", "attempts", "tokens", "form", "refreshed", "logout"}

const (
	derivation   = "caddy-auth0-oidc 1"
	hashKeySize  = 64
	blockKeySize = 32
	keyIDSize    = 3 // bytes
	keyIDLength  = keyIDSize * 4 / 3
)

// key is what is derived from one secret.
type key struct {
	id     string
	codecs [purposes]*securecookie.SecureCookie
}

// Keyring seals and opens cookies and states with keys derived from the
// configured secrets. The keys depend on the issuer, the client and the purpose
// as well, so that what another tenant, client or purpose sealed never opens.
// It may be used by many goroutines at once.
type Keyring struct {
	keys         []key
	recent       *recent[Session]
	recentTokens *recent[Tokens]
}

// NewKeyring derives keys from secrets: the first one seals, all of them open.
// It refuses with ErrNoSecret, ErrShortSecret or ErrDuplicateSecret.
func NewKeyring(secrets []string, issuer, clientID string) (*Keyring, error) {
	if len(secrets) == 0 {
		return nil, ErrNoSecret
	}
	k := &Keyring{keys: make([]key, 0, len(secrets)), recent: newRecent[Session](), recentTokens: newRecent[Tokens]()}
	for i, secret := range secrets {
		if len(secret) < MinSecretLength {
			return nil, fmt.Errorf("deriving keys from secret %d: %w", i+1, ErrShortSecret)
		}
		next, err := deriveKey(secret, issuer, clientID)
		if err != nil {
			return nil, fmt.Errorf("deriving keys from secret %d: %w", i+1, err)
		}
		if k.find(next.id) != nil {
			return nil, fmt.Errorf("deriving keys from secret %d: %w", i+1, ErrDuplicateSecret)
		}
		k.keys = append(k.keys, next)
	}
	return k, nil
}

func deriveKey(secret, issuer, clientID string) (key, error) {
	root, err := hkdf.Extract(sha256.New, []byte(secret), nil)
	if err != nil {
		return key{}, err
	}
	id, err := hkdf.Expand(sha256.New, root, derivationInfo("key id", issuer, clientID), keyIDSize)
	if err != nil {
		return key{}, err
	}
	k := key{id: base64.RawURLEncoding.EncodeToString(id)}
	for p, label := range labels {
		b, err := hkdf.Expand(sha256.New, root, derivationInfo(label, issuer, clientID), hashKeySize+blockKeySize)
		if err != nil {
			return key{}, err
		}
		hashKey, blockKey := b[:hashKeySize:hashKeySize], b[hashKeySize:]
		// The limits on length and age are ours: the library's length limit
		// would count all chunks, and its age counts from the last sealing.
		k.codecs[p] = securecookie.New(hashKey, blockKey).
			MaxLength(0).MaxAge(0).SetSerializer(payloadSerializer{})
	}
	return k, nil
}

// derivationInfo delimits its parts by their lengths, so that no byte can move
// from one part into the next one.
func derivationInfo(parts ...string) string {
	info := []byte(derivation)
	for _, part := range parts {
		info = binary.AppendUvarint(info, uint64(len(part)))
		info = append(info, part...)
	}
	return string(info)
}

func (k *Keyring) find(id string) *key {
	for i := range k.keys {
		if k.keys[i].id == id {
			return &k.keys[i]
		}
	}
	return nil
}

// seal returns the id of the key and the sealed payload, which is padded base64url.
// A payload of more than maxPayload is refused with errTooLong.
func (k *Keyring) seal(p purpose, name string, payload packer) (id, value string, err error) {
	first, packed := &k.keys[0], payload.pack()
	if len(packed) > maxPayload {
		return "", "", errTooLong
	}
	value, err = first.codecs[p].Encode(name, shortened(packed))
	return first.id, value, err
}

// open tells whether unseal has opened the value.
func (k *Keyring) open(p purpose, id, name, value string, payload unpacker) bool {
	return k.unseal(p, id, name, value, payload) == Opened
}

// canonical leaves one spelling of a value. The library would also read one with
// line breaks in it, or with other bits where base64 has no use for them.
func canonical(value string) bool {
	// strings.ContainsAny would look at one byte after another, a fifth of all opening.
	if len(value) < 4 || len(value)%4 != 0 || strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, '\n') >= 0 {
		return false
	}
	var last [3]byte
	_, err := base64.URLEncoding.Strict().Decode(last[:], []byte(value[len(value)-4:]))
	return err == nil
}

// sealText joins key id and sealed payload into the value of a cookie.
func (k *Keyring) sealText(p purpose, name string, payload packer) (string, error) {
	id, value, err := k.seal(p, name, payload)
	return id + "." + value, err
}

// openText is the reverse of sealText.
func (k *Keyring) openText(p purpose, name, text string, payload unpacker) bool {
	id, value, ok := strings.Cut(text, ".")
	return ok && len(value) <= chunkSize && k.open(p, id, name, value, payload)
}
