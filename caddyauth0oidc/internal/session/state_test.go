package session

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func sealTestState(t testing.TB, k *Keyring, s State) string {
	t.Helper()
	text, err := k.SealState(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestStateSurvivesTheRoundTrip(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	alphabet := regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	for n := range MaxReturnTo + 1 {
		want := State{
			Transaction: newTestTransaction(t, testNow).ID, Handler: "0123456789abcdef", Connection: "acme-child", ReturnTo: strings.Repeat("/", n),
			Attempt: 3, First: testNow, Form: n%2 == 0,
		}
		if n%3 == 0 {
			want.Others, want.Since = n+1, testNow.Add(-time.Second)
		}
		text := sealTestState(t, k, want)
		if len(text) >= 1400 || !alphabet.MatchString(text) {
			t.Fatalf("return address of %d bytes: %d characters, %q", n, len(text), text)
		}
		if got, ok := k.OpenState(text); !ok || got != want {
			t.Fatalf("return address of %d bytes: got %+v, %v", n, got, ok)
		}
	}
}

func TestStateWithTooLongAReturnAddressLeadsHome(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	text := sealTestState(t, k, State{ReturnTo: "/" + strings.Repeat("x", MaxReturnTo)})
	if got, ok := k.OpenState(text); !ok || got.ReturnTo != "/" {
		t.Errorf("got %q, %v", got.ReturnTo, ok)
	}
	long := State{Transaction: newTestTransaction(t, testNow).ID, Handler: "0123456789abcdef", Connection: strings.Repeat("c", 128), ReturnTo: "/" + strings.Repeat("x", 599)}
	text = sealTestState(t, k, long)
	if got, ok := k.OpenState(text); !ok || got.ReturnTo != "/" || got.Connection != long.Connection || len(text) >= 1400 {
		t.Errorf("%d characters, %+v, %v", len(text), got, ok)
	}
}

func TestCK_04_ChangedStateIsRefused(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	for n := range 9 { // every length of padding
		text := sealTestState(t, k, State{Transaction: "t", ReturnTo: strings.Repeat("/", n)})
		for i := range len(text) {
			for bit := range 8 {
				forged := []byte(text)
				forged[i] ^= 1 << bit
				if _, ok := k.OpenState(string(forged)); ok {
					t.Fatalf("byte %d bit %d: accepted", i, bit)
				}
			}
			if _, ok := k.OpenState(text[:i]); ok {
				t.Fatalf("%d bytes of it: accepted", i)
			}
		}
		for _, more := range []string{"=", "==", "A", "AAAA", "\n", "\r\n", ".", " "} {
			if _, ok := k.OpenState(text + more); ok {
				t.Fatalf("with %q: accepted", more)
			}
		}
	}
}

func TestStateOfAnotherClientIsRefused(t *testing.T) {
	t.Parallel()
	other, err := NewKeyring([]string{secretA}, testIssuer, "another-client")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := newTestKeyring(t).OpenState(sealTestState(t, other, State{ReturnTo: "/x"})); ok {
		t.Error("accepted")
	}
}

func TestTwoStatesForTheSameAddressDiffer(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	s := State{ReturnTo: "/x", First: testNow.Add(time.Second)}
	if one, other := sealTestState(t, k, s), sealTestState(t, k, s); one == other {
		t.Error("they are the same text")
	}
}

func FuzzOpenState(f *testing.F) {
	k := newTestKeyring(f)
	seed := State{Transaction: testID, ReturnTo: "/cases?id=1", Attempt: 1, First: testNow}
	f.Add(sealTestState(f, k, seed))
	f.Add(k.keys[0].id + ".")
	f.Add(k.keys[0].id + ".AAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := k.OpenState(text); ok && got != seed {
			t.Error("a state that nobody sealed was accepted")
		}
	})
}
