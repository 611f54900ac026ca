package session

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func sealTestContinuation(t testing.TB, k *Keyring, c Continuation) string {
	t.Helper()
	text, err := k.SealContinuation(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestContinuationSurvivesTheRoundTrip(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	alphabet := regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	for n := range 40 {
		want := Continuation{Session: [16]byte{1, 2, 3}, SID: strings.Repeat("s", n), State: "a-state", Made: testNow}
		text := sealTestContinuation(t, k, want)
		if got, ok := k.OpenContinuation(text, testNow); !ok || got != want || !alphabet.MatchString(text) {
			t.Fatalf("sid of %d bytes: %q gives %+v, %v", n, text, got, ok)
		}
	}
	long := sealTestContinuation(t, k, Continuation{SID: strings.Repeat("s", 2000), State: "a-state", Made: testNow})
	if got, ok := k.OpenContinuation(long, testNow); !ok || got.SID != "" || got.State != "a-state" || len(long) >= maxState {
		t.Errorf("%d characters, %+v, %v", len(long), got, ok)
	}
}

func TestContinuationEnds(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	text := sealTestContinuation(t, k, Continuation{Made: testNow})
	for after, want := range map[time.Duration]bool{
		0: true, -clockSkew: true, ContinuationLifetime - time.Second: true,
		ContinuationLifetime: false, -clockSkew - time.Second: false, 24 * time.Hour: false,
	} {
		if _, ok := k.OpenContinuation(text, testNow.Add(after)); ok != want {
			t.Errorf("after %s: %v", after, ok)
		}
	}
}

// CK-04: nothing else that we seal is a continuation, and a continuation is nothing else.
func TestCK_04_ContinuationIsGoodForNothingElse(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	text := sealTestContinuation(t, k, Continuation{SID: "s", Made: testNow})
	if _, ok := k.OpenState(text); ok {
		t.Error("it is a state")
	}
	if _, ok := k.OpenContinuation(sealTestState(t, k, State{ReturnTo: "/"}), testNow); ok {
		t.Error("a state is one")
	}
	for i := range len(text) {
		forged := []byte(text)
		forged[i] ^= 1
		if _, ok := k.OpenContinuation(string(forged), testNow); ok {
			t.Fatalf("byte %d: accepted", i)
		}
		if _, ok := k.OpenContinuation(text[:i], testNow); ok {
			t.Fatalf("%d bytes of it: accepted", i)
		}
	}
	other, err := NewKeyring([]string{secretA}, testIssuer, "another-client")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := other.OpenContinuation(text, testNow); ok {
		t.Error("another client opens it")
	}
}

func FuzzOpenContinuation(f *testing.F) {
	k := newTestKeyring(f)
	seed := Continuation{SID: "s", State: "x", Made: testNow}
	f.Add(sealTestContinuation(f, k, seed))
	f.Add(k.keys[0].id + ".AAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := k.OpenContinuation(text, testNow); ok && got != seed {
			t.Error("a continuation that nobody sealed was accepted")
		}
	})
}
