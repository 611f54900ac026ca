// Package revocation answers which sessions were ended before their time.
//
// Sessions live in cookies, of which nobody has a list. What ends one is a mark, kept in
// a storage that every instance shares until no session that it is about can be alive,
// and in the memory of each instance, which is all that a request looks at.
package revocation

import (
	"crypto/sha256"
	"time"
)

// Mark ends sessions. Make one with OfSession, OfSID, OfSIDAndSubject or OfSubject.
type Mark struct {
	kind   kind
	key    key
	before time.Time // sessions that began later live on; zero for none
	until  time.Time // from when on no session that the mark is about can be alive
}

// key tells marks apart. It is no claim, and nothing of one can be learnt from it that
// was not known before.
type key [16]byte

// kind is what of a session a mark is about.
type kind byte

const (
	bySession kind = iota
	bySID
	bySIDAndSubject
	bySubject
	byTokenID // no session's: a logout token that was seen
	kinds
)

// OfSession marks the one session with this id. The mark is kept until the time given, as
// are those of the other functions.
func OfSession(id [16]byte, until time.Time) Mark {
	return Mark{kind: bySession, key: id, until: until}
}

// OfSID marks all sessions that began with this session of the tenant (the claim sid),
// those that begin later included: the tenant's session has ended.
func OfSID(sid string, until time.Time) Mark {
	return Mark{kind: bySID, key: keyOf(bySID, sid, ""), until: until}
}

// OfSIDAndSubject marks those among the sessions of OfSID that are of this user.
func OfSIDAndSubject(sid, sub string, until time.Time) Mark {
	return Mark{kind: bySIDAndSubject, key: keyOf(bySIDAndSubject, sid, sub), until: until}
}

// OfSubject marks all sessions of a user (the claim sub) that did not begin after the time
// before, which counts in whole seconds.
func OfSubject(sub string, before, until time.Time) Mark {
	return Mark{kind: bySubject, key: keyOf(bySubject, sub, ""), before: before, until: until}
}

func keyOf(k kind, first, second string) (made key) {
	var room [512]byte // which the usual claims fit in
	b := append(room[:0], byte(k))
	b = append(b, first...)
	b = append(b, 0)
	b = append(b, second...)
	sum := sha256.Sum256(b)
	copy(made[:], sum[:])
	return made
}
