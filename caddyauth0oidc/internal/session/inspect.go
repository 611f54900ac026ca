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

// Flaw says why a cookie does not open.
type Flaw string

// The flaws. Each of them is further on the way to an open cookie than those before it.
const (
	// NoFlaw is that of a cookie that opens.
	NoFlaw Flaw = ""
	// Absent is said where no cookie has the name.
	Absent Flaw = "absent"
	// NotOurs is a value that this package did not write.
	NotOurs Flaw = "not_ours"
	// Incomplete is a cookie of which further chunks are missing.
	Incomplete Flaw = "incomplete"
	// Truncated is a cookie of which an end is missing.
	Truncated Flaw = "truncated"
	// UnknownKey is a cookie that was sealed with a secret, or for an issuer or a client, that the keyring does not have.
	UnknownKey Flaw = "unknown_key"
	// Altered is a cookie of a known key whose value, name or purpose is not the one that was sealed.
	Altered Flaw = "altered"
	// OtherVersion is an unaltered cookie that another version of this package wrote.
	OtherVersion Flaw = "other_version"
)

// flaws are all of them, in their order.
var flaws = []Flaw{Absent, NotOurs, Incomplete, Truncated, UnknownKey, Altered, OtherVersion}

// Before tells whether a cookie with this flaw is further from being open than one with the other.
func (f Flaw) Before(other Flaw) bool {
	return f != NoFlaw && (other == NoFlaw || slices.Index(flaws, f) < slices.Index(flaws, other))
}

// Inspected is what can be told of a cookie and its further chunks without showing what is in it.
type Inspected struct {
	Flaw   Flaw
	KeyID  string    // that the cookie names, of 4 characters
	Key    int       // the place of the secret among the keyring's, with NoFlaw
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
	if found.Flaw != NoFlaw {
		return nil, found
	}
	return s, found
}

// InspectTokens does the same for the tokens beside a session; name is that of the session's cookie. Whether they belong to
// the session is left to the caller.
func (k *Keyring) InspectTokens(lines []string, name string) (*Tokens, Inspected) {
	t := new(Tokens)
	found := k.inspect(forTokens, lines, TokensName(name), t)
	if found.Flaw != NoFlaw {
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
	best := Inspected{Flaw: Absent}
	for turn := range slices.Max(c.count[:]) {
		found := k.inspectTurn(p, &c, turn, name, payload)
		if best.Flaw.Before(found.Flaw) {
			best = found
		}
		if found.Flaw == NoFlaw {
			break
		}
	}
	best.Copies = c.count[0]
	return best
}

func (k *Keyring) inspectTurn(p purpose, c *chunks, turn int, name string, payload unpacker) Inspected {
	found, value := c.inspectParts(turn, name)
	if found.Flaw != NoFlaw {
		return found
	}
	found.Sealed, found.Flaw = sealedAt(value)
	if found.Flaw != NoFlaw {
		return found
	}
	found.Key = slices.IndexFunc(k.keys, func(one key) bool { return one.id == found.KeyID })
	if found.Key < 0 {
		found.Flaw = UnknownKey
		return found
	}
	found.Flaw = k.keys[found.Key].inspect(p, name, value, payload)
	return found
}

// inspectParts puts the chunks of one turn together, as join does.
func (c *chunks) inspectParts(turn int, name string) (found Inspected, value string) {
	first := c.pick(0, turn)
	if first == "" {
		return Inspected{Flaw: Incomplete, Lost: []string{name}}, ""
	}
	id, rest, _ := strings.Cut(first, ".")
	if len(id) != keyIDLength || strings.ContainsFunc(id, func(r rune) bool { return !isNameRune(r) }) ||
		len(rest) < 2 || rest[0] < '1' || rest[0] > '0'+maxChunks || rest[1] != '.' {
		return Inspected{Flaw: NotOurs, Size: len(first)}, ""
	}
	found = Inspected{KeyID: id, Chunks: int(rest[0] - '0')}
	parts := []string{rest[2:]}
	for i := range found.Chunks {
		part := c.pick(i, turn)
		found.Size += len(part)
		switch {
		case part == "":
			found.Lost = append(found.Lost, name+"."+strconv.Itoa(i))
		case len(part) > chunkSize:
			found.Flaw = Altered
		case i < found.Chunks-1 && len(part) < chunkSize && found.Flaw == NoFlaw:
			found.Flaw = Truncated
		}
		if i > 0 {
			parts = append(parts, part)
		}
	}
	if len(found.Lost) > 0 {
		found.Flaw = Incomplete
	}
	return found, strings.Join(parts, "")
}

// sealedAt reads the time that securecookie writes in front of what it has sealed. The MAC behind it has a known length.
func sealedAt(value string) (time.Time, Flaw) {
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
	return time.Unix(seconds, 0).UTC(), NoFlaw
}

// payloadBytes takes a payload as it is.
type payloadBytes []byte

func (b *payloadBytes) unpack(text []byte) error {
	*b = slices.Clone(text)
	return nil
}

// inspect opens with this key.
func (k *key) inspect(p purpose, name, value string, payload unpacker) Flaw {
	var text payloadBytes
	err := k.codecs[p].Decode(name, value, &text)
	switch {
	case errors.Is(err, securecookie.ErrMacInvalid):
		return Altered
	case err != nil, payload.unpack(text) != nil: // what the key sealed has a meaning, to the version that sealed it
		return OtherVersion
	}
	return NoFlaw
}
