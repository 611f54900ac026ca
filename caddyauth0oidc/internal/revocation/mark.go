// Package revocation answers which sessions were ended before their time.
//
// Sessions live in cookies, of which nobody has a list. What ends one is a mark, kept in
// a storage that every instance shares until no session that it is about can be alive,
// and in the memory of each instance, which is all that a request looks at.
//
// Nothing in the storage is ever written by two instances, except for one key without
// content of its own, so there is nothing to lock. Each instance has a log:
//
//	<path>/logs/<log>/<number>  a segment: 1024 records of marks, never changed when full
//	<path>/heads/<log>          how far the log goes, and its latest records
//	<path>/bell                 changed by every write
//
// They are written in this order, and read in the other one.
package revocation

import (
	"crypto/sha256"
	"encoding/binary"
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

// kind is what of a session a mark is about. The numbers are those of the storage.
type kind byte

const (
	voided kind = iota // a record that was taken back
	bySession
	bySID
	bySIDAndSubject
	bySubject
	byTokenID // no session's: a logout token that was seen
	kinds
)

// OfSession marks the one session with this id. The mark is kept until the time given, as
// are those of the other functions, or up to an hour longer.
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
	b = binary.BigEndian.AppendUint64(b, uint64(len(first))) // claims may have any bytes
	b = append(b, first...)
	b = append(b, second...)
	sum := sha256.Sum256(b)
	copy(made[:], sum[:])
	return made
}

// record is a mark as it is stored, with times in Unix seconds.
type record struct {
	kind   kind
	key    key
	before int64 // 0 for none
	until  int64
}

// untilStep is what the end of a mark is rounded up to. Who marks the same again within
// it, with an end that is so much later, changes nothing that would have to be stored.
const untilStep = int64(time.Hour / time.Second)

func (m Mark) record() record {
	until := max(0, m.until.Unix()+untilStep-1)
	r := record{kind: m.kind, key: m.key, until: until - until%untilStep}
	if !m.before.IsZero() {
		r.before = max(1, m.before.Unix())
	}
	return r
}
