package revocation

import (
	"sync"
	"sync/atomic"
	"time"
)

// shards keep those who look and the one who adds out of each other's way.
const shards = 64

// index has the marks in memory.
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

// ends tells whether a mark ends what began at the time.
func (x *index) ends(k kind, key key, began time.Time) bool {
	if !x.asked(k) {
		return false
	}
	s := x.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.marks[indexKey{k, key}]
	return ok && (found.before == 0 || began.Unix() <= found.before)
}

// add tells whether the mark was not there. Of two marks of the same, the one that ends
// more counts.
func (x *index) add(m Mark) bool {
	s := x.shard(m.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marks == nil {
		s.marks = make(map[indexKey]span)
	}
	at := indexKey{m.kind, m.key}
	added := span{until: m.until.Unix()}
	if !m.before.IsZero() {
		added.before = m.before.Unix()
	}
	known, ok := s.marks[at]
	if ok {
		added.until = max(added.until, known.until)
		if added.before != 0 && known.before != 0 {
			added.before = max(added.before, known.before)
		} else {
			added.before = 0
		}
	} else {
		x.counts[m.kind].Add(1)
	}
	s.marks[at] = added
	return !ok
}
