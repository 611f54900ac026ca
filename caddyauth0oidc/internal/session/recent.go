package session

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	// recentSets times recentWays values are remembered of each kind: sessions take 2 kB
	// each for typical profiles, and custom claims that somebody asks for are kept decoded
	// beside them; tokens take 6 kB.
	recentSets = 128
	recentWays = 4
	// maxRecent is the most bytes that what was opened may take and still be remembered,
	// sealed value and texts together.
	maxRecent = 16 << 10
)

// recent remembers the values that were opened last. A browser asks for a page and
// then for all that is on it, with the same cookie each time, and opening it costs
// more than everything else that we do for a request.
//
// What is remembered is the result of a computation, never a decision: a value is
// found only if all of it is the same, and limits, connection and rules are asked
// about every request. What does not open is not remembered.
type recent[T any] struct {
	seed    maphash.Seed
	opened  [recentSets][recentWays]atomic.Pointer[opened[T]]
	turn    atomic.Uint32
	sighted [recentSets * recentWays]atomic.Uint64 // hashes of values that were opened once
}

type opened[T any] struct {
	hash            uint64
	id, name, value string
	content         T
}

func newRecent[T any]() *recent[T] { return &recent[T]{seed: maphash.MakeSeed()} }

// hash looks at the end of the value only, which is of the MAC. Whoever does not know
// that comes to no comparison, the time of which could tell something.
func (r *recent[T]) hash(value string) uint64 {
	return maphash.String(r.seed, value[max(0, len(value)-40):])
}

// find reads into content what the value held when it was opened before.
func (r *recent[T]) find(id, name, value string, content *T) bool {
	h := r.hash(value)
	set := &r.opened[h%recentSets]
	for i := range set {
		if o := set[i].Load(); o != nil && o.hash == h && o.value == value && o.id == id && o.name == name {
			*content = o.content
			return true
		}
	}
	return false
}

// again tells whether to keep a value that was opened, with texts of that many bytes
// in it: when it is seen for the second time, so that sessions of one request each
// neither cost memory nor push others out.
func (r *recent[T]) again(value string, texts int) bool {
	if len(value)+texts > maxRecent {
		return false
	}
	h := r.hash(value)
	return r.sighted[h/recentSets%uint64(len(r.sighted))].Swap(h) == h
}

// keep remembers what a value held.
func (r *recent[T]) keep(id, name, value string, content T) {
	h := r.hash(value)
	// A copy of the value, because the original is a part of the request.
	o := &opened[T]{hash: h, id: strings.Clone(id), name: name, value: strings.Clone(value), content: content}
	set := &r.opened[h%recentSets]
	for i := range set {
		if set[i].CompareAndSwap(nil, o) {
			return
		}
	}
	set[r.turn.Add(1)%recentWays].Store(o)
}

func (k *Keyring) rememberSession(id, name, value string, s *Session) {
	if !k.recent.again(value, len(s.Profile.Identities)+len(s.Profile.Extra)) {
		return
	}
	remembered := *s
	remembered.Profile.Remember()
	k.recent.keep(id, name, value, remembered)
}

func (k *Keyring) rememberTokens(id, name, value string, t *Tokens) {
	texts := 0
	for _, text := range t.texts() {
		texts += len(*text.value)
	}
	if k.recentTokens.again(value, texts) {
		k.recentTokens.keep(id, name, value, *t)
	}
}
