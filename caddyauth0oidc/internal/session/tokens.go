package session

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// tokensSuffix follows the name of the session cookie.
const tokensSuffix = "-t"

// Tokens are what Auth0 issued at the login, for features that need them later. They
// live in a cookie of their own, beside that of the session, which every request
// opens: this one is opened only when a token is needed. An empty field was not
// issued, or nobody needs it.
type Tokens struct {
	Session [16]byte  // ID of the session that they belong to
	Expiry  time.Time // when the access token ends, zero when not known
	Refresh string
	ID      string
	Access  string
	Child   string // the access token of the child tenant

	ChildExpiry     time.Time // when Child ends, zero when not known
	ChildConnection string    // that Child came through
	Refreshes       uint32    // since the login; of two states of a session, the one with more is the newer
}

func (t *Tokens) texts() [4]textField {
	return [...]textField{
		{"refresh_token", &t.Refresh}, {"id_token", &t.ID}, {"access_token", &t.Access}, {"child_access_token", &t.Child},
	}
}

func (t *Tokens) pack() []byte {
	b := append(make([]byte, 0, 4096), payloadVersion)
	b = append(b, t.Session[:]...)
	b = appendTime(b, t.Expiry)
	for _, text := range t.texts() {
		b = appendToken(b, *text.value)
	}
	// Payloads that end before any of the next three are of the same version.
	connection := t.ChildConnection != "" || t.Refreshes > 0
	if t.ChildExpiry.Unix() > 0 || connection {
		b = appendTime(b, t.ChildExpiry)
	}
	if connection {
		b = appendText(b, t.ChildConnection)
	}
	if t.Refreshes > 0 {
		b = binary.AppendUvarint(b, uint64(t.Refreshes))
	}
	return b
}

func (t *Tokens) unpack(b []byte) error {
	f := readFields(b)
	from := f.take(uint64(len(t.Session)))
	copy(t.Session[:], f.bytes[from:f.at])
	t.Expiry = f.time()
	for _, text := range t.texts() {
		*text.value = f.token()
	}
	t.ChildExpiry, t.ChildConnection, t.Refreshes = time.Time{}, "", 0
	empty := false
	if f.more() {
		t.ChildExpiry = f.time()
		empty = t.ChildExpiry.IsZero()
	}
	if f.more() {
		t.ChildConnection = f.string()
		empty = t.ChildConnection == ""
	}
	if f.more() {
		t.Refreshes = uint32(f.atMost(math.MaxUint32)) // #nosec G115 -- atMost bounds it
		empty = t.Refreshes == 0
	}
	if empty { // which has a shorter spelling
		f.fail()
	}
	return f.end()
}

// A token is packed as text, or, if it is a JWT (RFC 7519), as the bytes of its three
// parts, which take a quarter less room and deflate better.
const (
	tokenText = iota
	tokenJWT
)

func appendToken(b []byte, token string) []byte {
	parts, ok := splitJWT(token)
	if !ok {
		return appendText(append(b, tokenText), token)
	}
	b = append(b, tokenJWT)
	for _, part := range parts {
		b = appendText(b, part)
	}
	return b
}

// splitJWT refuses what would not come back to the byte.
func splitJWT(token string) (parts [3][]byte, ok bool) {
	texts := strings.Split(token, ".")
	if len(texts) != len(parts) {
		return parts, false
	}
	for i, text := range texts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return parts, false
		}
		parts[i] = b
	}
	return parts, true
}

func (f *fields) token() string {
	at := f.take(1)
	if f.bad {
		return ""
	}
	switch f.bytes[at] {
	case tokenText:
		return f.string()
	case tokenJWT:
		encode := base64.RawURLEncoding.EncodeToString
		return encode(f.raw()) + "." + encode(f.raw()) + "." + encode(f.raw())
	}
	f.fail()
	return ""
}

// biggest names the token that takes the most room.
func (t *Tokens) biggest() string {
	texts := t.texts()
	most := texts[0]
	for _, text := range texts[1:] {
		if len(*text.value) > len(*most.value) {
			most = text
		}
	}
	return most.claim
}

// tokens is the cookie of the tokens beside the session cookie c.
func (c Cookie) tokens() Cookie {
	c.Name += tokensSuffix
	return c
}

// WriteTokens adds the Set-Cookie lines that store the tokens of a session for maxAge;
// c is the cookie of the session, which is written before, in the same header or in
// that of an earlier answer. The other arguments are those of WriteSession. Tokens
// that do not fit beside the session are a *TooLargeError, and nothing is set.
func (k *Keyring) WriteTokens(h http.Header, c Cookie, t *Tokens, maxAge time.Duration, lines []string, headerLimit int) error {
	beside := c.tokens()
	id, value, err := k.seal(forTokens, beside.Name, t)
	if errors.Is(err, errTooLong) {
		return &TooLargeError{Size: sealedSize(len(t.pack())), Limit: maxText, Biggest: t.biggest()}
	}
	if err != nil {
		return fmt.Errorf("sealing the tokens: %w", err)
	}
	chunks, sessions := c.survey(lines)
	if set := c.chunksSet(h); set > 0 {
		chunks = set
	}
	_, own := beside.survey(lines)
	others := sizeOf(lines) - sessions - own
	most := max(0, c.mostChunks(headerLimit-max(0, others-otherCookies))-chunks)
	if err := beside.fits(len(value), 0, most); err != nil {
		err.Biggest = t.biggest()
		return err
	}
	beside.write(h, id, value, maxAge, lines)
	return nil
}

// chunksSet counts the chunks of the cookie that an answer sets.
func (c Cookie) chunksSet(h http.Header) (set int) {
	for _, line := range h["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		if err != nil || cookie.MaxAge < 0 {
			continue
		}
		if suffix, ok := strings.CutPrefix(cookie.Name, c.Name); ok {
			if _, ok := chunkNumber(suffix); ok || suffix == "" {
				set++
			}
		}
	}
	return set
}

// ClearTokens adds the Set-Cookie lines that delete the tokens that the request
// carries; c is the cookie of the session.
func ClearTokens(h http.Header, c Cookie, lines []string) {
	expireChunks(h, c.tokens(), lines, 0)
}

// ReadTokens opens the tokens of the session s; name is that of the session cookie.
// Tokens of another session, of a lost key, forged or truncated are none.
func (k *Keyring) ReadTokens(s *Session, lines []string, name string) (*Tokens, bool) {
	t := new(Tokens)
	beside := name + tokensSuffix
	found := readChunks(lines, beside, func(id, value string) bool {
		if !k.recentTokens.find(id, beside, value, t) {
			if !k.open(forTokens, id, beside, value, t) {
				return false
			}
			k.rememberTokens(id, beside, value, t)
		}
		return t.Session == s.ID
	})
	if !found {
		return nil, false
	}
	return t, true
}
