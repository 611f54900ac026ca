package session

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// TransactionLifetime is how long a login may take.
	TransactionLifetime = 15 * time.Minute
	// MaxTransactions is how many pending logins one browser keeps. More of them
	// would in the end push the session out of the browser's cookie jar.
	MaxTransactions = 5
	// maxTransactionBytes bounds names and values of all pending logins together,
	// because applications refuse long request headers.
	maxTransactionBytes = 4096
	// maxDeletions bounds the answer to a request full of planted cookies. The rest
	// of them go with the next answers, or end by themselves.
	maxDeletions = 20
)

const (
	transactionTimeDigits  = 8
	transactionRandomBytes = 12
	transactionIDLength    = transactionTimeDigits + transactionRandomBytes*4/3
)

// Transaction is a pending login: what must be known again when the browser comes
// back from Auth0. It lives in a cookie of its own.
type Transaction struct {
	ID       string    // part of the cookie's name
	Nonce    string    // sent to /authorize, must come back in the ID token
	Verifier string    // the PKCE code verifier
	Started  time.Time // in whole seconds
	Posted   bool      // the answer comes as a form of another site
	Answer   *Answer   // that such a form has brought
}

// NewTransaction begins a login. The ids of later logins sort behind those of
// earlier ones.
func NewTransaction(random io.Reader, now time.Time) (Transaction, error) {
	var b [transactionRandomBytes + 16 + 32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return Transaction{}, fmt.Errorf("drawing a transaction: %w", err)
	}
	id, nonce, verifier := b[:transactionRandomBytes], b[transactionRandomBytes:][:16], b[transactionRandomBytes+16:]
	encode := base64.RawURLEncoding.EncodeToString
	return Transaction{
		ID:       fmt.Sprintf("%08x", uint32(now.Unix())) + encode(id), // #nosec G115 -- 32 bits are enough until 2106
		Nonce:    encode(nonce),
		Verifier: encode(verifier), // RFC 7636 section 4.1
		Started:  wholeSeconds(now),
	}, nil
}

// validTransactionID tells the ids that NewTransaction makes from other suffixes.
func validTransactionID(id string) bool {
	if len(id) != transactionIDLength {
		return false
	}
	for i := range len(id) {
		hex := '0' <= id[i] && id[i] <= '9' || 'a' <= id[i] && id[i] <= 'f'
		if !hex && (i < transactionTimeDigits || !isNameRune(rune(id[i]))) {
			return false
		}
	}
	return true
}

func (t *Transaction) texts() [3]*string {
	return [...]*string{&t.ID, &t.Nonce, &t.Verifier}
}

func (t *Transaction) pack() []byte {
	b := append(make([]byte, 0, 256), payloadVersion)
	for _, text := range t.texts() {
		b = appendText(b, *text)
	}
	return t.packAnswer(appendTime(b, t.Started))
}

func (t *Transaction) unpack(b []byte) error {
	f := readFields(b)
	for _, text := range t.texts() {
		*text = f.string()
	}
	t.Started = f.time()
	t.unpackAnswer(&f)
	return f.end()
}

// WriteTransaction adds the Set-Cookie line of a pending login; c.Name is the prefix
// of its name. Of the pending logins that the request carries the oldest are
// deleted, so that with the new one at most MaxTransactions and less than 4096 bytes remain.
// One that its answer makes too long to be read again is a *TooLargeError, and nothing is set.
func (k *Keyring) WriteTransaction(h http.Header, c Cookie, t Transaction, lines []string) error {
	if !validTransactionID(t.ID) {
		return fmt.Errorf("writing a transaction: %w", errPayload)
	}
	name := c.Name + t.ID
	text, err := k.sealText(forTransaction, name, &t)
	if err != nil {
		return fmt.Errorf("sealing a transaction: %w", err)
	}
	if len(text) > chunkSize {
		return &TooLargeError{Size: len(text), Limit: chunkSize, Biggest: "code"}
	}
	used, kept, deleted := len(name)+len(text), 1, 0
	for _, pending := range newestFirst(lines, c.Name) {
		if pending.id == t.ID {
			continue
		}
		used += pending.size
		kept++
		if (kept > MaxTransactions || used >= maxTransactionBytes) && deleted < maxDeletions {
			c.expire(h, pending.id)
			deleted++
		}
	}
	c.set(h, t.ID, text, TransactionLifetime)
	return nil
}

type pendingLogin struct {
	id   string
	size int
}

// newestFirst lists the pending logins of a request. A name that comes in duplicate
// is listed once, with the room that all of its cookies take.
func newestFirst(lines []string, prefix string) []pendingLogin {
	var all []pendingLogin
	eachCookie(lines, prefix, func(id, value string) {
		if validTransactionID(id) {
			all = append(all, pendingLogin{id, len(prefix) + len(id) + len(value)})
		}
	})
	slices.SortFunc(all, func(a, b pendingLogin) int { return strings.Compare(b.id, a.id) })
	once := all[:0]
	for _, p := range all {
		if n := len(once); n > 0 && once[n-1].id == p.id {
			once[n-1].size += p.size
			continue
		}
		once = append(once, p)
	}
	return once
}

// ReadTransaction opens the pending login id. It is not there when its cookie is
// missing, forged, of another login, or older than TransactionLifetime.
func (k *Keyring) ReadTransaction(lines []string, prefix, id string, now time.Time) (Transaction, bool) {
	if !validTransactionID(id) {
		return Transaction{}, false
	}
	name := prefix + id
	values, n := candidates(lines, name)
	for _, text := range values[:n] {
		var t Transaction
		if k.openText(forTransaction, name, text, &t) && t.ID == id && within(t.Started, now, TransactionLifetime) {
			return t, true
		}
	}
	return Transaction{}, false
}

// Transactions gives the ids of the pending logins that the request carries, the newest
// twenty of them at most; prefix is that of their names.
func (k *Keyring) Transactions(lines []string, prefix string, now time.Time) (ids []string) {
	pending := newestFirst(lines, prefix)
	for _, p := range pending[:min(len(pending), maxDeletions)] {
		if _, ok := k.ReadTransaction(lines, prefix, p.id, now); ok {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// within tells whether since lies less than limit back, and not in the future.
func within(since, now time.Time, limit time.Duration) bool {
	return now.Before(since.Add(limit)) && !since.After(now.Add(clockSkew))
}

// ClearTransaction adds the Set-Cookie line that deletes the pending login id.
func ClearTransaction(h http.Header, c Cookie, id string) {
	if validTransactionID(id) {
		c.expire(h, id)
	}
}

// ClearTransactions deletes the pending logins that the request carries, the
// newest twenty of them.
func ClearTransactions(h http.Header, c Cookie, lines []string) {
	pending := newestFirst(lines, c.Name)
	for _, p := range pending[:min(len(pending), maxDeletions)] {
		c.expire(h, p.id)
	}
}
