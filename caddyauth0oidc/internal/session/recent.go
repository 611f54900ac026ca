package session

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	// recentSets times recentWays sessions are remembered, 2 kB each for typical
	// profiles; custom claims that somebody asks for are kept decoded beside them.
	recentSets = 128
	recentWays = 4
	// maxRecent is the most bytes that a session may take and still be remembered,
	// sealed value and JSON together.
	maxRecent = 16 << 10
)

// recent remembers the sessions that were opened last. A browser asks for a page and
// then for all that is on it, with the same cookie each time, and opening it costs
// more than everything else that we do for a request.
//
// What is remembered is the result of a computation, never a decision: a value is
// found only if all of it is the same, and limits, connection and rules are asked
// about every request. What does not open is not remembered.
type recent struct {
	seed    maphash.Seed
	opened  [recentSets][recentWays]atomic.Pointer[opened]
	turn    atomic.Uint32
	sighted [recentSets * recentWays]atomic.Uint64 // hashes of values that were opened once
}

type opened struct {
	hash            uint64
	id, name, value string
	session         Session
}

func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

// hash looks at the end of the value only, which is of the MAC. Whoever does not know
// that comes to no comparison, the time of which could tell something.
func (r *recent) hash(value string) uint64 {
	return maphash.String(r.seed, value[max(0, len(value)-40):])
}

// find reads into s what the value held when it was opened before.
func (r *recent) find(id, name, value string, s *Session) bool {
	h := r.hash(value)
	set := &r.opened[h%recentSets]
	for i := range set {
		if o := set[i].Load(); o != nil && o.hash == h && o.value == value && o.id == id && o.name == name {
			*s = o.session
			return true
		}
	}
	return false
}

// keep remembers an opened session when it is seen for the second time, so that
// sessions of one request each neither cost memory nor push others out.
func (r *recent) keep(id, name, value string, s *Session) {
	if len(value)+len(s.Profile.Identities)+len(s.Profile.Extra) > maxRecent {
		return
	}
	h := r.hash(value)
	if seen := &r.sighted[h/recentSets%uint64(len(r.sighted))]; seen.Swap(h) != h {
		return
	}
	// A copy of the value, because the original is a part of the request.
	o := &opened{hash: h, id: strings.Clone(id), name: name, value: strings.Clone(value), session: *s}
	o.session.Profile.Remember()
	set := &r.opened[h%recentSets]
	for i := range set {
		if set[i].CompareAndSwap(nil, o) {
			return
		}
	}
	set[r.turn.Add(1)%recentWays].Store(o)
}
