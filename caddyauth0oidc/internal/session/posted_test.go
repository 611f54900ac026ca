package session

import (
	"encoding/base64"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The mode and the answer survive the cookie, and whoever knows no posted answers can read
// a login without one.
func TestPostedAnswerSurvivesTheCookie(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	c.SameSite = http.SameSiteNoneMode
	plain := newTestTransaction(t, testNow)
	for name, change := range map[string]func(*Transaction){
		"in the address": func(*Transaction) {},
		"awaited":        func(txn *Transaction) { txn.Posted = true },
		"a code":         func(txn *Transaction) { txn.Posted, txn.Answer = true, &Answer{Code: "c"} },
		"an error and iss": func(txn *Transaction) {
			txn.Posted, txn.Answer = true, &Answer{Error: "e", Issuer: "https://i/", HasIssuer: true}
		},
		"an empty iss": func(txn *Transaction) { txn.Posted, txn.Answer = true, &Answer{Code: "c", HasIssuer: true} },
	} {
		txn := plain
		change(&txn)
		b := &browser{t: t}
		h := http.Header{}
		if err := k.WriteTransaction(h, c, txn, nil); err != nil {
			t.Fatal(err)
		}
		if line := h.Get("Set-Cookie"); !strings.Contains(line, "; Secure; SameSite=None") {
			t.Errorf("%s: %s", name, line)
		}
		b.receive(h)
		if got, ok := k.ReadTransaction(b.lines(), c.Name, txn.ID, testNow); !ok || !reflect.DeepEqual(got, txn) {
			t.Errorf("%s: got %+v, want %+v", name, got, txn)
		}
		if name == "in the address" && len(txn.pack()) != len(plain.pack()) {
			t.Errorf("%s: %d bytes", name, len(txn.pack()))
		}
	}
}

// Only a pending login that is sealed, of its own cookie, and in time awaits a form.
func TestPostIsAwaitedByPendingLoginsAlone(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	posted, plain := newTestTransaction(t, testNow), newTestTransaction(t, testNow)
	posted.Posted = true
	b := &browser{t: t}
	for i, want := range []bool{false, true} {
		h := http.Header{}
		if err := k.WriteTransaction(h, c, []Transaction{plain, posted}[i], nil); err != nil {
			t.Fatal(err)
		}
		b.receive(h)
		if got := k.AwaitsPost(b.lines(), c.Name, testNow); got != want {
			t.Errorf("after %d logins: %t", i+1, got)
		}
	}
	renamed := strings.ReplaceAll(strings.Join(b.lines(), "; "), posted.ID, newTestTransaction(t, testNow.Add(time.Second)).ID)
	for name, got := range map[string]bool{
		"late": k.AwaitsPost(b.lines(), c.Name, testNow.Add(TransactionLifetime)), "another key": newTestKeyring(t, secretB).AwaitsPost(b.lines(), c.Name, testNow),
		"another name": k.AwaitsPost([]string{renamed}, c.Name, testNow), "nothing": k.AwaitsPost(nil, c.Name, testNow),
	} {
		if got {
			t.Errorf("%s: a form is awaited", name)
		}
	}
}

// What could not be opened again is not written.
func TestAnswerThatIsTooLongIsNotWritten(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Transaction
	txn := newTestTransaction(t, testNow)
	txn.Posted = true
	for size := 1800; size < 4200; size += 7 {
		txn.Answer = &Answer{Code: base64.RawURLEncoding.EncodeToString([]byte(noise(size)))[:size]}
		h := http.Header{}
		err := k.WriteTransaction(h, c, txn, nil)
		if _, tooLarge := errors.AsType[*TooLargeError](err); err != nil && (!tooLarge || len(h) != 0) {
			t.Fatalf("%d bytes: %v, %v", size, err, h)
		}
		b := &browser{t: t}
		b.receive(h)
		if _, ok := k.ReadTransaction(b.lines(), c.Name, txn.ID, testNow); ok != (err == nil) {
			t.Fatalf("%d bytes: written %t, read %t", size, err == nil, ok)
		}
		if size <= 2048 && err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
