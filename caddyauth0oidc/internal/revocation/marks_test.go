package revocation

import (
	"bytes"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestEachKindEndsWhatItIsAbout(t *testing.T) {
	t.Parallel()
	clock := newClock()
	now, until := clock.now(), clock.now().Add(time.Hour)
	for name, c := range map[string]struct {
		mark     Mark
		id       int
		sid, sub string
		began    time.Time
		ended    bool
	}{
		"the session":                       {OfSession(idOf(1), until), 1, "s", "u", now, true},
		"another session":                   {OfSession(idOf(1), until), 2, "s", "u", now, false},
		"the sid":                           {OfSID("s", until), 1, "s", "u", now, true},
		"the sid, begun later (CONC-18)":    {OfSID("s", until), 1, "s", "u", now.Add(time.Minute), true},
		"another sid":                       {OfSID("s", until), 1, "t", "u", now, false},
		"no sid":                            {OfSID("", until), 1, "", "u", now, false},
		"sid and sub":                       {OfSIDAndSubject("s", "u", until), 1, "s", "u", now, true},
		"sid of another sub":                {OfSIDAndSubject("s", "u", until), 1, "s", "v", now, false},
		"sub of another sid":                {OfSIDAndSubject("s", "u", until), 1, "t", "u", now, false},
		"the sub, begun before":             {OfSubject("u", now, until), 1, "s", "u", now.Add(-time.Minute), true},
		"the sub, begun in the same second": {OfSubject("u", now, until), 1, "", "u", now.Add(999 * time.Millisecond), true},
		"the sub, begun later":              {OfSubject("u", now, until), 1, "s", "u", now.Add(time.Second), false},
		"another sub":                       {OfSubject("u", now, until), 1, "s", "v", now, false},
		"a sub that is a sid":               {OfSubject("s", now, until), 1, "s", "u", now, false},
		"past before it was marked":         {OfSID("s", now.Add(-2*time.Hour)), 1, "s", "u", now, false},
	} {
		l := newInstance(newMemory(), clock.now)
		revoke(t, l, c.mark)
		if got := l.Revoked(idOf(c.id), c.sid, c.sub, c.began); got != c.ended {
			t.Errorf("%s: ended is %t", name, got)
		}
	}
}

// Whatever bytes a tenant's claims have, they are told apart, and none gets into a key or
// a value of the storage.
func TestCVE_MAO_07_StrangeClaimsAreNoKeys(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	l, other := newInstance(store, clock.now), newInstance(store, clock.now)
	until := clock.now().Add(time.Hour)
	pairs := [][2]string{
		{"%s%n%x{}", "auth0|%d"}, {"a\x00b", "c"}, {"*1\r\n$8\r\nFLUSHALL\r\n", "u"}, {"../../acme", "/etc/passwd"},
		{"\xff\xfe", "\x80"}, {"{http.vars.x}", "u"}, {strings.Repeat("long", 5000), "u"}, {"a|b", "c"},
	}
	for _, p := range pairs {
		revoke(t, l, OfSIDAndSubject(p[0], p[1], until), OfSubject(p[0], clock.now(), until))
	}
	poll(t, other)
	for _, p := range pairs {
		if !other.Revoked(idOf(1), p[0], p[1], clock.now()) || !other.Revoked(idOf(1), "", p[0], clock.now()) {
			t.Errorf("%.20q is not ended", p)
		}
	}
	for _, p := range [][2]string{{"a", "b\x00c"}, {"a\x00", "bc"}, {"a", "b|c"}, {"%s%n%x{", "}auth0|%d"}} {
		if other.Revoked(idOf(1), p[0], p[1], clock.now()) {
			t.Errorf("%q is ended", p)
		}
	}
	plain := regexp.MustCompile(`^[a-z0-9_/]+$`)
	for _, k := range store.keys("") {
		value, _ := store.Load(t.Context(), k)
		if !plain.MatchString(k) || bytes.Contains(value, []byte("FLUSHALL")) || bytes.Contains(value, []byte("passwd")) {
			t.Errorf("%q has a claim: %s", k, hex.EncodeToString(value))
		}
	}
}

// A logout may come before this instance, or any, knows of the login.
func TestBCL_16_UnknownSIDIsRememberedForALaterLogin(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	revoke(t, a, OfSID("never seen", clock.now().Add(time.Hour)))
	poll(t, b)
	clock.pass(time.Minute)
	for _, l := range []*Ledger{a, b} {
		if !l.Revoked(idOf(1), "never seen", "u", clock.now()) {
			t.Error("a session lives whose sid had ended before")
		}
	}
}

func TestBCL_17_MarksAreKnownEverywhereAfterOnePoll(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	until := clock.now().Add(24 * time.Hour)
	for n := range 200 {
		revoke(t, a, OfSession(idOf(n), until))
		if n%7 != 0 {
			continue
		}
		poll(t, b)
		if unknown(b, 0, n+1) != 0 {
			t.Fatalf("the mark %d is not known after a poll", n)
		}
	}
	poll(t, b)
	late := newInstance(store, clock.now)
	poll(t, late)
	if unknown(b, 0, 200)+unknown(late, 0, 200) != 0 {
		t.Error("not all marks are known, or not to an instance that began later")
	}
}

// Somebody who sends the same logout again and again must not fill the storage.
func TestMarksThatAreStoredAlreadyAreNotStoredAgain(t *testing.T) {
	t.Parallel()
	store, clock := newMemory(), newClock()
	a, b := newInstance(store, clock.now), newInstance(store, clock.now)
	marked := clock.now()
	again := func() []Mark {
		until := clock.now().Add(12*time.Hour + time.Minute)
		return []Mark{OfSID("s", until), OfSubject("u", marked, until), OfSubject("u", marked.Add(-time.Hour), until)}
	}
	revoke(t, a, again()...)
	poll(t, a, b)
	store.spent()
	for range 50 {
		clock.pass(time.Minute)
		revoke(t, a, again()...)
		revoke(t, b, again()...)
	}
	if operations, _ := store.spent(); operations != 0 {
		t.Errorf("%d operations", operations)
	}
	revoke(t, b, OfSubject("u", marked.Add(time.Hour), clock.now().Add(time.Hour)))
	if operations, _ := store.spent(); operations != 2 {
		t.Errorf("%d operations for one that ends more", operations)
	}
}

// Requests look with every session that they have.
func TestRevokedDoesNotAllocate(t *testing.T) {
	store, clock := newMemory(), newClock()
	none, some := newInstance(store, clock.now), newInstance(store, clock.now)
	until := clock.now().Add(time.Hour)
	revoke(t, some, OfSession(idOf(1), until), OfSID("a", until), OfSIDAndSubject("a", "b", until), OfSubject("b", clock.now(), until))
	id, began := idOf(2), clock.now()
	sid, sub := strings.Repeat("s", 32), "auth0|"+strings.Repeat("u", 250)
	for name, l := range map[string]*Ledger{"no marks": none, "marks of each kind": some} {
		if n := testing.AllocsPerRun(100, func() { l.Revoked(id, sid, sub, began) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkRevoked(b *testing.B) {
	clock := newClock()
	none, some := newInstance(newMemory(), clock.now), newInstance(newMemory(), clock.now)
	until := clock.now().Add(time.Hour)
	marks := append(marksOf(0, 300_000, until), OfSID("a", until), OfSubject("b", clock.now(), until))
	if err := some.Revoke(b.Context(), marks...); err != nil {
		b.Fatal(err)
	}
	for name, l := range map[string]*Ledger{"no_marks": none, "marks_of_each_kind": some} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			id, began := idOf(1_000_000), clock.now()
			for b.Loop() {
				l.Revoked(id, "0123456789abcdef", "auth0|0123456789", began)
			}
		})
	}
}
