package session

import (
	"bytes"
	"net/http"
	"testing"
	"time"
)

func TestAttemptsAreRememberedForHalfAMinute(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	b := &browser{t: t}
	h := http.Header{}
	want := Attempts{Count: 2, First: testNow, Place: PlaceOf("/x"), Others: 3, Since: testNow.Add(-9 * time.Second)}
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

func TestPlacesAreOfThePathAlone(t *testing.T) {
	t.Parallel()
	place := PlaceOf("/cases/1")
	for address, same := range map[string]bool{
		"/cases/1?t=1": true, "/cases/1?": true, "/cases/1;jsessionid=1": true, "/cases/1;a?b": true,
		"/cases/2": false, "/cases/1/": false, "/": false, "": false,
	} {
		if got := PlaceOf(address); (got == place) != same || got == 0 {
			t.Errorf("%q is %d, and /cases/1 is %d", address, got, place)
		}
	}
}

func TestAttemptsForAnotherPlaceBeginAnewInARow(t *testing.T) {
	t.Parallel()
	a, b := PlaceOf("/a"), PlaceOf("/b")
	at := func(seconds int) time.Time { return testNow.Add(time.Duration(seconds) * time.Second) }
	for name, tc := range map[string]struct {
		last  Attempts
		place uint32
		now   time.Time
		want  Attempts
	}{
		"same place":             {Attempts{Count: 1, First: at(0), Place: a}, a, at(9), Attempts{Count: 2, First: at(0), Place: a}},
		"another place":          {Attempts{Count: 1, First: at(0), Place: a}, b, at(9), Attempts{First: at(9), Place: b, Others: 2, Since: at(0)}},
		"a third one":            {Attempts{First: at(9), Place: b, Others: 2, Since: at(0)}, a, at(12), Attempts{First: at(12), Place: a, Others: 3, Since: at(0)}},
		"same one after others":  {Attempts{First: at(9), Place: b, Others: 2, Since: at(0)}, b, at(12), Attempts{Count: 1, First: at(9), Place: b, Others: 2, Since: at(0)}},
		"others long ago":        {Attempts{First: at(9), Place: b, Others: 2, Since: at(0)}, b, at(31), Attempts{Count: 1, First: at(9), Place: b}},
		"long ago":               {Attempts{Count: 1, First: at(0), Place: a}, a, at(31), Attempts{First: at(31), Place: a}},
		"of an earlier version":  {Attempts{Count: 1, First: at(0)}, b, at(9), Attempts{Count: 2, First: at(0), Place: b}},
		"nothing before, nobody": {Attempts{}, b, at(9), Attempts{First: at(9), Place: b}},
	} {
		if got := tc.last.Next(tc.place, tc.now); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

// CONC-25: an instance of an earlier version writes and reads the count and the time
// alone. What it does not know is no count for it, and no reason to refuse a state that
// had no login for another address before it.
func TestCONC_25_AttemptsOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	earlier := appendCount([]byte{payloadVersion}, 2, testNow)
	var a Attempts
	if err := a.unpack(earlier); err != nil || a != (Attempts{Count: 2, First: testNow}) {
		t.Errorf("%+v, %v", a, err)
	}
	s := State{Transaction: "t", Handler: "h", Connection: "c", ReturnTo: "/x", Attempt: 2, First: testNow}
	old := []byte{payloadVersion}
	for _, text := range []string{"t", "h", "c", "/x"} {
		old = appendText(old, text)
	}
	old = appendCount(old, 2, testNow)
	if got := s.pack(); !bytes.Equal(got, old) {
		t.Errorf("a state without others is % x, want % x", got, old)
	}
	if s.Form = true; !bytes.Equal(s.pack(), append(old, 1)) {
		t.Errorf("one with a form is % x", s.pack())
	}
}
