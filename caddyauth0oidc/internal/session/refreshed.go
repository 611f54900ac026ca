package session

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// refreshedName stands where a cookie's name stands when a cookie is sealed.
const refreshedName = "refreshed"

// maxRefreshed bounds what is opened, in bytes; maxPayload is less, sealed.
const maxRefreshed = 2 * maxPayload

// Refreshed is the newest state of a session that is refreshed, for the storage that instances share: a browser may come back with
// an older cookie, and the refresh token in it is good for one use.
type Refreshed struct {
	// Session and Tokens are the newest that are known; Tokens.Session is Session.ID.
	Session Session
	Tokens  Tokens
	// Begun is when the refresh that is under way began, with the refresh token of Tokens; the zero time when none is. Where one is
	// found that nobody works on any more, what became of the token is not known.
	Begun time.Time
	// Rotates says whether the tenant is known to replace refresh tokens, or not to.
	Rotates Rotation
}

// Rotation is what is known of the tenant's refresh tokens.
type Rotation uint8

// What is known of refresh tokens: a tenant that has answered once without a new one does not rotate them.
const (
	RotationUnknown Rotation = iota
	Rotating
	NotRotating
)

func (r *Refreshed) pack() []byte {
	b := append(make([]byte, 0, 6144), payloadVersion)
	b = binary.AppendUvarint(b, uint64(r.Rotates))
	b = appendTime(b, r.Begun)
	b = appendText(b, r.Session.pack())
	return appendText(b, r.Tokens.pack())
}

func (r *Refreshed) unpack(b []byte) error {
	f := readFields(b)
	r.Rotates = Rotation(f.atMost(uint64(NotRotating))) // #nosec G115 -- atMost bounds it
	r.Begun = f.time()
	session, tokens := f.raw(), f.raw()
	if err := f.end(); err != nil {
		return err
	}
	if err := r.Session.unpack(session); err != nil {
		return err
	}
	if err := r.Tokens.unpack(tokens); err != nil {
		return err
	}
	if r.Tokens.Session != r.Session.ID {
		return errPayload
	}
	return nil
}

// SealRefreshed seals it for a storage whose readers need not be trusted. It fails if session and tokens together are more than 64 kB.
func (k *Keyring) SealRefreshed(r *Refreshed) (string, error) {
	text, err := k.sealText(forRefreshed, refreshedName, r)
	if err != nil {
		return "", fmt.Errorf("sealing the refreshed session: %w", err)
	}
	return text, nil
}

// OpenRefreshed is the reverse of SealRefreshed. It refuses whatever SealRefreshed did not make, and what a lost key has sealed.
func (k *Keyring) OpenRefreshed(text string) (*Refreshed, bool) {
	r := new(Refreshed)
	id, value, _ := strings.Cut(text, ".")
	if len(value) > maxRefreshed || !k.open(forRefreshed, id, refreshedName, value, r) {
		return nil, false
	}
	return r, true
}
