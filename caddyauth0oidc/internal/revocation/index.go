package revocation

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// shards keep those who look and the one who adds out of each other's way.
const shards = 64

// index has the marks in memory. Its locks are held for memory alone.
type index struct {
	counts [kinds]atomic.Int64
	shards [shards]shard
}

type shard struct {
	mu    sync.RWMutex
	marks map[indexKey]span
}

type indexKey struct {
	kind kind
	key  key
}

// span is the times of a mark in Unix seconds.
type span struct{ before, until int64 }

func (x *index) shard(k key) *shard { return &x.shards[k[0]%shards] }

// asked tells whether there is any mark of the kind.
func (x *index) asked(k kind) bool { return x.counts[k].Load() > 0 }

// size is the number of marks.
func (x *index) size() (n int) {
	for k := range x.counts {
		n += int(x.counts[k].Load())
	}
	return n
}

func (x *index) find(k kind, key key) (found span, ok bool) {
	s := x.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok = s.marks[indexKey{k, key}]
	return found, ok
}

// ends tells whether a mark ends what began at the time.
func (x *index) ends(k kind, key key, began time.Time) bool {
	if !x.asked(k) {
		return false
	}
	found, ok := x.find(k, key)
	return ok && (found.before == 0 || began.Unix() <= found.before)
}

// add tells whether that ends more, or longer, than what was known. Of two marks of the
// same there comes one that has the wider of each, so that the order, and how often a
// mark is added, makes no difference: each instance reads the logs in an order of its own.
func (x *index) add(r record) bool {
	s := x.shard(r.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marks == nil {
		s.marks = make(map[indexKey]span)
	}
	at := indexKey{r.kind, r.key}
	known, ok := s.marks[at]
	added := span{r.before, r.until}
	if ok {
		added = known.with(added)
	} else {
		x.counts[r.kind].Add(1)
	}
	s.marks[at] = added
	return !ok || added != known
}

func (s span) with(other span) span {
	wider := span{until: max(s.until, other.until)}
	if s.before != 0 && other.before != 0 {
		wider.before = max(s.before, other.before)
	}
	return wider
}

// drop forgets what is past, one shard after the other.
func (x *index) drop(now time.Time) {
	for i := range x.shards {
		x.dropIn(&x.shards[i], now.Unix())
	}
}

func (x *index) dropIn(s *shard, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.marks)
	for at, m := range s.marks {
		if m.until < now {
			delete(s.marks, at)
			x.counts[at.kind].Add(-1)
		}
	}
	if len(s.marks) < before/2 { // a map does not shrink by itself
		kept := make(map[indexKey]span, len(s.marks))
		maps.Copy(kept, s.marks)
		s.marks = kept
	}
}
