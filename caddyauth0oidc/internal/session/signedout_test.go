package session

import (
	"net/http"
	"testing"
)

func TestRIL_03_LogoutAndItsStateAreRememberedUntilTheyAreForgotten(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"", "1x_-", "111"} {
		testSignedOut(t, state)
	}
}

func testSignedOut(t *testing.T, state string) {
	t.Helper()
	c := newTestCookies(t)
	b := &browser{t: t}
	h := http.Header{}
	WriteSignedOut(h, c.Transaction, state)
	b.receive(h)
	if got, ok := SignedOut(b.lines(), c.Transaction.Name); !ok || got != state {
		t.Errorf("remembered: %t, with the state %q", ok, got)
	}
	if age := b.cookies[0].MaxAge; age != 60 {
		t.Errorf("Max-Age is %d", age)
	}
	if !c.Names().Own(b.cookies[0].Name) {
		t.Error("the cookie would reach the application")
	}
	if pending := newestFirst(b.lines(), c.Transaction.Name); len(pending) != 0 {
		t.Errorf("it counts as the pending login %v", pending)
	}
	h = http.Header{}
	ClearSignedOut(h, c.Transaction)
	b.receive(h)
	if _, ok := SignedOut(b.lines(), c.Transaction.Name); ok {
		t.Error("the logout is not forgotten")
	}
}
