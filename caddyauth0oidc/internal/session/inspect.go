package session

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

// Inspected is what can be told of a cookie and its further chunks without showing what is in it.
type Inspected struct {
	Opening
	KeyID  string    // that the cookie names, of 4 characters
	Key    int       // the place of the secret among the keyring's, with Opened
	Copies int       // how many cookies have the name
	Chunks int       // how many cookies the value says that it consists of
	Lost   []string  // names of the chunks that are missing
	Size   int       // bytes of all values
	Sealed time.Time // when it was sealed, as it says itself; zero if it does not
}

// InspectSession opens the session as ReadSession does, and says why if it cannot be opened. It is for operators, not for
// requests: it costs more and remembers nothing.
func (k *Keyring) InspectSession(lines []string, name string) (*Session, Inspected) {
	s := new(Session)
	found := k.inspect(forSession, lines, name, s)
	if found.Opening != Opened {
		return nil, found
	}
	return s, found
}

// InspectTokens does the same for the tokens beside a session; name is that of the session's cookie. Whether they belong to
// the session is left to the caller.
func (k *Keyring) InspectTokens(lines []string, name string) (*Tokens, Inspected) {
	t := new(Tokens)
	found := k.inspect(forTokens, lines, TokensName(name), t)
	if found.Opening != Opened {
		return nil, found
	}
	return t, found
}

// TokensName is the name of the cookie of the tokens beside the session's cookie.
func TokensName(name string) string { return name + tokensSuffix }

// inspect gives what comes furthest of the copies of the cookie.
func (k *Keyring) inspect(p purpose, lines []string, name string, payload unpacker) Inspected {
	var c chunks
	c.collect(lines, name)
	var best Inspected
	for turn := range slices.Max(c.count[:]) {
		found := k.inspectTurn(p, &c, turn, name, payload)
		if best.Opening < found.Opening {
			best = found
		}
		if found.Opening == Opened {
			break
		}
	}
	best.Copies = c.count[0]
	return best
}

func (k *Keyring) inspectTurn(p purpose, c *chunks, turn int, name string, payload unpacker) Inspected {
	found, value := c.inspectParts(turn, name)
	if found.Opening != Opened {
		return found
	}
	found.Sealed, found.Opening = sealedAt(value)
	found.Key = slices.IndexFunc(k.keys, func(one key) bool { return one.id == found.KeyID })
	if found.Key < 0 && found.Opening != Truncated {
		found.Opening = UnknownKey // whatever else is wrong, as for requests
	}
	if found.Opening != Opened {
		return found
	}
	found.Opening = k.keys[found.Key].inspect(p, name, value, payload)
	return found
}

// inspectParts puts the chunks of one turn together, as join does.
func (c *chunks) inspectParts(turn int, name string) (found Inspected, value string) {
	first := c.pick(0, turn)
	if first == "" {
		return Inspected{Opening: Incomplete, Lost: []string{name}}, ""
	}
	id, rest, _ := strings.Cut(first, ".")
	if len(id) != keyIDLength || strings.ContainsFunc(id, func(r rune) bool { return !isNameRune(r) }) ||
		len(rest) < 2 || rest[0] < '1' || rest[0] > '0'+maxChunks || rest[1] != '.' {
		return Inspected{Opening: NotOurs, Size: len(first)}, ""
	}
	found = Inspected{Opening: Opened, KeyID: id, Chunks: int(rest[0] - '0')}
	parts := []string{rest[2:]}
	for i := range found.Chunks {
		part := c.pick(i, turn)
		found.Size += len(part)
		switch {
		case part == "":
			found.Lost = append(found.Lost, name+"."+strconv.Itoa(i))
		case len(part) > chunkSize:
			found.Opening = Altered
		case i < found.Chunks-1 && len(part) < chunkSize && found.Opening == Opened:
			found.Opening = Truncated
		}
		if i > 0 {
			parts = append(parts, part)
		}
	}
	if len(found.Lost) > 0 {
		found.Opening = Incomplete
	}
	return found, strings.Join(parts, "")
}

// sealedAt reads the time that securecookie writes in front of what it has sealed. The MAC behind it has a known length.
func sealedAt(value string) (time.Time, Opening) {
	const macSize = 32
	if len(value)%4 != 0 || value == "" {
		return time.Time{}, Truncated
	}
	text, err := base64.URLEncoding.Strict().DecodeString(value)
	if err != nil || !canonical(value) {
		return time.Time{}, Altered
	}
	parts := bytes.SplitN(text, []byte("|"), 3)
	seconds, err := strconv.ParseInt(string(parts[0]), 10, 64)
	switch {
	case err != nil || seconds < 0 || seconds > latestTime:
		return time.Time{}, Altered
	case len(parts) < 3 || len(parts[2]) < macSize:
		return time.Unix(seconds, 0).UTC(), Truncated
	}
	return time.Unix(seconds, 0).UTC(), Opened
}

// payloadBytes takes a payload as it is.
type payloadBytes []byte

func (b *payloadBytes) unpack(text []byte) error {
	*b = slices.Clone(text)
	return nil
}

// inspect opens with this key.
func (k *key) inspect(p purpose, name, value string, payload unpacker) Opening {
	var text payloadBytes
	err := k.codecs[p].Decode(name, value, &text)
	switch {
	case errors.Is(err, securecookie.ErrMacInvalid):
		return Altered
	case err != nil, payload.unpack(text) != nil: // what the key sealed has a meaning, to the version that sealed it
		return Unreadable
	}
	return Opened
}
