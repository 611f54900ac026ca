package session

import (
	"net/http"
	"testing"
	"time"
)

func TestAttemptsAreRememberedForHalfAMinute(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	b := &browser{t: t}
	h := http.Header{}
	want := Attempts{Count: 2, First: testNow}
	if err := k.WriteAttempts(h, c, want); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	if age := b.cookies[0].MaxAge; age != 30 {
		t.Errorf("Max-Age is %d", age)
	}
	for at, fresh := range map[time.Duration]bool{
		0: true, 29 * time.Second: true, 30 * time.Second: false, -60 * time.Second: true, -61 * time.Second: false,
	} {
		got, ok := k.ReadAttempts(b.lines(), c.Name, testNow.Add(at))
		if ok != fresh || ok && got != want {
			t.Errorf("%v after the first: got %+v, %v", at, got, ok)
		}
	}
	h = http.Header{}
	ClearAttempts(h, c)
	if b.receive(h); len(b.cookies) != 0 {
		t.Errorf("the browser keeps %v", b.lines())
	}
}

func TestForgedAttemptsAreNone(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	txn, b := startLogin(t, k, c, testNow)
	for what, value := range map[string]string{
		"junk": "junk", "empty": "", "pending login": b.value(c.Name + txn.ID),
	} {
		if _, ok := k.ReadAttempts([]string{c.Name + "recent=" + value}, c.Name, testNow); ok {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestAttemptsAreNoPendingLogin(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t).Transaction
	lines := []string{c.Name + "recent=x"}
	if pending := newestFirst(lines, c.Name); len(pending) != 0 {
		t.Errorf("counted as %v", pending)
	}
	h := http.Header{}
	if ClearTransactions(h, c, lines); len(h) != 0 {
		t.Errorf("deleted with the pending logins: %v", h)
	}
}

func TestNegativeCountIsZero(t *testing.T) {
	t.Parallel()
	var a Attempts
	if err := a.unpack((&Attempts{Count: -1}).pack()); err != nil || a.Count != 0 {
		t.Errorf("got %+v, %v", a, err)
	}
	if err := a.unpack([]byte{payloadVersion, 0x80, 0x80, 0x80, 0x80, 0x08, 0}); err == nil {
		t.Error("a count of 2^31 was accepted")
	}
}
