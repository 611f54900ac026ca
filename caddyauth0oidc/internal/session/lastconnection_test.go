package session

import (
	"net/http"
	"testing"
	"time"
)

func TestLastConnectionIsRememberedAndBelievedOnlyIfItIsKnown(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t)
	b := &browser{t: t}
	h := http.Header{}
	WriteConnection(h, c.Transaction, "acme-child")
	b.receive(h)
	only := func(wanted string) func(string) bool { return func(name string) bool { return name == wanted } }
	if name, ok := ReadConnection(b.lines(), c.Transaction.Name, only("acme-child")); !ok || name != "acme-child" {
		t.Errorf("the connection is %q, %t", name, ok)
	}
	if name, ok := ReadConnection(b.lines(), c.Transaction.Name, only("partners")); ok || name != "" {
		t.Errorf("one that is not known is believed: %q", name)
	}
	planted := append([]string{c.Transaction.Name + "connection=evil"}, b.lines()...)
	if name, _ := ReadConnection(planted, c.Transaction.Name, only("acme-child")); name != "acme-child" {
		t.Errorf("beside a planted one it is %q", name)
	}
	if age := b.cookies[0].MaxAge; age != int(365*24*time.Hour/time.Second) {
		t.Errorf("Max-Age is %d", age)
	}
	if !c.Names().Own(b.cookies[0].Name) {
		t.Error("the cookie would reach the application")
	}
	if pending := newestFirst(b.lines(), c.Transaction.Name); len(pending) != 0 {
		t.Errorf("it counts as the pending login %v", pending)
	}
}
