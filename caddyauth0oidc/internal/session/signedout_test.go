package session

import (
	"net/http"
	"testing"
)

func TestLogoutIsRememberedUntilItIsForgotten(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t)
	b := &browser{t: t}
	h := http.Header{}
	WriteSignedOut(h, c.Transaction)
	b.receive(h)
	if !SignedOut(b.lines(), c.Transaction.Name) {
		t.Error("the logout is not remembered")
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
	if b.receive(h); SignedOut(b.lines(), c.Transaction.Name) {
		t.Error("the logout is not forgotten")
	}
}
