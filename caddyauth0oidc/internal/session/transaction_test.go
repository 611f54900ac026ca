package session

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func newTestTransaction(t testing.TB, now time.Time) Transaction {
	t.Helper()
	txn, err := NewTransaction(rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	return txn
}

// startLogin writes a new pending login into a new browser.
func startLogin(t testing.TB, k *Keyring, c Cookie, now time.Time) (Transaction, *browser) {
	t.Helper()
	b := &browser{t: t}
	return startAnotherLogin(t, k, c, now, b), b
}

func startAnotherLogin(t testing.TB, k *Keyring, c Cookie, now time.Time, b *browser) Transaction {
	t.Helper()
	txn := newTestTransaction(t, now)
	h := http.Header{}
	if err := k.WriteTransaction(h, c, txn, b.lines()); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	return txn
}

func TestASVS_11_TransactionIsDrawnAsTheStandardsAsk(t *testing.T) {
	t.Parallel()
	a, b := newTestTransaction(t, testNow), newTestTransaction(t, testNow.Add(time.Second))
	if !regexp.MustCompile(`^[0-9a-f]{8}[A-Za-z0-9_-]{16}$`).MatchString(a.ID) || !validTransactionID(a.ID) {
		t.Errorf("id %q", a.ID)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(a.Verifier) {
		t.Errorf("the verifier has %d characters", len(a.Verifier))
	}
	if len(a.Nonce) < 22 {
		t.Errorf("the nonce has %d characters", len(a.Nonce))
	}
	if a.ID >= b.ID {
		t.Errorf("ids %q, %q do not sort by age", a.ID, b.ID)
	}
	if a.ID[8:] == b.ID[8:] || a.Nonce == b.Nonce || a.Verifier == b.Verifier {
		t.Error("two logins share a random value")
	}
}

func TestTransactionSurvivesTheCookie(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	want, b := startLogin(t, k, c, testNow)
	if got, ok := k.ReadTransaction(b.lines(), c.Name, want.ID, testNow); !ok || got != want {
		t.Errorf("got %+v, %v; want %+v", got, ok, want)
	}
	if n := len(b.lines()[0]); n > 500 {
		t.Errorf("a pending login takes %d bytes", n)
	}
}

func TestCK_08_TransactionEndsAfterItsLifetime(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	txn, b := startLogin(t, k, c, testNow)
	for at, want := range map[time.Duration]bool{
		0: true, TransactionLifetime - time.Second: true, TransactionLifetime: false,
		TransactionLifetime + time.Second: false, -60 * time.Second: true, -61 * time.Second: false,
	} {
		if _, ok := k.ReadTransaction(b.lines(), c.Name, txn.ID, testNow.Add(at)); ok != want {
			t.Errorf("%v after its start: read %v", at, ok)
		}
	}
}

func TestCK_04_ChangedTransactionIsRefused(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	txn, b := startLogin(t, k, c, testNow)
	name := c.Name + txn.ID
	value := b.value(name)
	read := func(value string) bool {
		_, ok := k.ReadTransaction([]string{name + "=" + value}, c.Name, txn.ID, testNow)
		return ok
	}
	if !read(value) {
		t.Fatal("the genuine one was refused")
	}
	for i := range len(value) {
		for bit := range 8 {
			forged := []byte(value)
			forged[i] ^= 1 << bit
			if read(string(forged)) {
				t.Errorf("byte %d bit %d: accepted", i, bit)
			}
		}
		if read(value[:i]) {
			t.Errorf("%d bytes of it: accepted", i)
		}
	}
	for _, more := range []string{"A", "=", "AAAA", "====", ".", value, "\r\n", "%"} {
		if read(value + more) {
			t.Errorf("with %q behind it: accepted", more)
		}
	}
}

func TestTransactionOfAnotherLoginIsRefused(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	a, b := startLogin(t, k, c, testNow)
	other := newTestTransaction(t, testNow)
	value := b.value(c.Name + a.ID)
	if _, ok := k.ReadTransaction([]string{c.Name + other.ID + "=" + value}, c.Name, other.ID, testNow); ok {
		t.Error("the value opened under the name of another login")
	}
	// Sealed for the right name, yet carrying another id.
	text, err := k.sealText(forTransaction, c.Name+other.ID, &a)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := k.ReadTransaction([]string{c.Name + other.ID + "=" + text}, c.Name, other.ID, testNow); ok {
		t.Error("the id inside was not compared")
	}
	for _, id := range []string{"", "recent", a.ID + "x", a.ID[1:], "; x=" + a.ID} {
		if _, ok := k.ReadTransaction(b.lines(), c.Name, id, testNow); ok {
			t.Errorf("id %q: accepted", id)
		}
	}
}

func TestCK_09_PlantedTransactionDoesNotHideTheGenuineOne(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	txn, b := startLogin(t, k, c, testNow)
	lines := []string{c.Name + txn.ID + "=junk", b.lines()[0]}
	if _, ok := k.ReadTransaction(lines, c.Name, txn.ID, testNow); !ok {
		t.Error("the genuine one was not found")
	}
}

func TestCK_06_OldestPendingLoginsGiveWay(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	b := &browser{t: t}
	b.cookies = append(b.cookies,
		&http.Cookie{Name: c.Name + "recent", Value: "x", Path: "/"},
		&http.Cookie{Name: c.Name + "of-the-application", Value: "y", Path: "/"})
	var started []Transaction
	for i := range 9 {
		started = append(started, startAnotherLogin(t, k, c, testNow.Add(time.Duration(i)*time.Second), b))
		if got, want := len(b.cookies), min(i+1, MaxTransactions)+2; got != want {
			t.Fatalf("after login %d the browser keeps %d cookies, want %d", i+1, got, want)
		}
		if n := len(b.lines()[0]); n > maxTransactionBytes {
			t.Fatalf("after login %d the cookies take %d bytes", i+1, n)
		}
	}
	for i, txn := range started {
		_, ok := k.ReadTransaction(b.lines(), c.Name, txn.ID, testNow)
		if want := i >= len(started)-MaxTransactions; ok != want {
			t.Errorf("login %d: kept %v, want %v", i+1, ok, want)
		}
	}
}

func TestCVE_SDK_12_LargePendingLoginsStayBelow4KBTogether(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	b := &browser{t: t}
	for i := range 6 {
		txn := newTestTransaction(t, testNow.Add(time.Duration(i)*time.Second))
		txn.Nonce = strings.Repeat("n", 600)
		h := http.Header{}
		if err := k.WriteTransaction(h, c, txn, b.lines()); err != nil {
			t.Fatal(err)
		}
		b.receive(h)
		total := 0
		for _, cookie := range b.cookies {
			total += len(cookie.Name) + len(cookie.Value)
		}
		if total >= maxTransactionBytes {
			t.Fatalf("%d pending logins take %d bytes", len(b.cookies), total)
		}
	}
	if n := len(b.cookies); n < 2 || n >= MaxTransactions {
		t.Errorf("%d pending logins are kept", n)
	}
}

func TestTransactionOfNoLoginIsRefused(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	if err := k.WriteTransaction(http.Header{}, c, Transaction{ID: "x; Domain=evil"}, nil); err == nil {
		t.Error("an id that no login has became a cookie's name")
	}
}

// DOS-07: a request full of planted cookies is answered with a few deletions.
func TestPlantedTransactionsAreDeletedAFewAtATime(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	var planted strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&planted, "%s%08xAAAAAAAAAAAAAAAA=x; ", c.Name, i)
	}
	lines := []string{planted.String()}
	h := http.Header{}
	if err := k.WriteTransaction(h, c, newTestTransaction(t, testNow), lines); err != nil {
		t.Fatal(err)
	}
	if n := len(h["Set-Cookie"]); n != maxDeletions+1 {
		t.Errorf("a login answers with %d cookies", n)
	}
	h = http.Header{}
	if ClearTransactions(h, c, lines); len(h["Set-Cookie"]) != maxDeletions {
		t.Errorf("a logout answers with %d cookies", len(h["Set-Cookie"]))
	}
}

func TestClearingTransactions(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	first, b := startLogin(t, k, c, testNow)
	second := startAnotherLogin(t, k, c, testNow.Add(time.Second), b)
	b.cookies = append(b.cookies, &http.Cookie{Name: c.Name + "other", Value: "1", Path: "/"})

	h := http.Header{}
	ClearTransaction(h, c, first.ID)
	ClearTransaction(h, c, "x; Path=/")
	b.receive(h)
	if len(b.cookies) != 2 || b.value(c.Name+second.ID) == "" {
		t.Fatalf("after clearing one: %v", b.lines())
	}
	h = http.Header{}
	ClearTransactions(h, c, b.lines())
	b.receive(h)
	if len(b.cookies) != 1 || b.cookies[0].Value != "1" {
		t.Errorf("after clearing all: %v", b.lines())
	}
}

func TestDuplicatesOfOnePendingLoginCountOnce(t *testing.T) {
	t.Parallel()
	id := newTestTransaction(t, testNow).ID
	got := newestFirst([]string{"p" + id + "=12345", "a=b; p" + id + "=1"}, "p")
	if want := []pendingLogin{{id, 2*25 + 6}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzReadTransaction(f *testing.F) {
	k, c := newTestKeyring(f), newTestCookies(f).Transaction
	// Fuzzing runs in several processes, which must agree on what is genuine.
	txn, err := NewTransaction(strings.NewReader(strings.Repeat("not random ", 6)), testNow)
	if err != nil {
		f.Fatal(err)
	}
	h := http.Header{}
	if err := k.WriteTransaction(h, c, txn, nil); err != nil {
		f.Fatal(err)
	}
	line, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	f.Add(line, txn.ID)
	f.Add(c.Name+txn.ID+"="+k.keys[0].id+".AAAA", txn.ID)
	f.Add("; ;=", "recent")
	f.Fuzz(func(t *testing.T, line, id string) {
		if got, ok := k.ReadTransaction([]string{line}, c.Name, id, testNow); ok && (got != txn || id != txn.ID) {
			t.Error("a pending login that nobody began was accepted")
		}
	})
}

func TestTransactionsOfABrowserAreTheGenuineOnes(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	first, b := startLogin(t, k, c, testNow)
	second := startAnotherLogin(t, k, c, testNow.Add(time.Second), b)
	lines := append(b.lines(), c.Name+newTestTransaction(t, testNow).ID+"=forged", c.Name+"recent=x")
	if got := k.Transactions(lines, c.Name, testNow.Add(time.Second)); !slices.Equal(got, []string{second.ID, first.ID}) {
		t.Errorf("got %v, want %s and %s", got, second.ID, first.ID)
	}
	if got := k.Transactions(lines, c.Name, testNow.Add(TransactionLifetime)); !slices.Equal(got, []string{second.ID}) {
		t.Errorf("after the end of the first: %v", got)
	}
}
