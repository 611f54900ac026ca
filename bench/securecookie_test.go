package bench

import (
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/securecookie"
)

// library is the codec that opens a session's cookie, with nothing of ours around it.
// What it takes depends on the machine, and no session can be opened for less.
func library() *securecookie.SecureCookie {
	return securecookie.New([]byte(strings.Repeat("h", 64)), []byte(strings.Repeat("b", 32))).
		MaxLength(0).MaxAge(0).SetSerializer(securecookie.NopEncoder{})
}

// openingWithout gives values to the library alone, in turn.
func openingWithout(values func(testing.TB) (all []string, ok bool)) func(testing.TB) func() {
	return func(tb testing.TB) func() {
		codec, turn := library(), 0
		all, ok := values(tb)
		return func() {
			var payload []byte
			err := codec.Decode(CookieName, all[turn%len(all)], &payload)
			turn++
			if opened := err == nil && len(payload) > 0; opened != ok {
				tb.Fatalf("opened: %t", opened)
			}
		}
	}
}

func manyValues(tb testing.TB) ([]string, bool) { return sealedByLibrary(tb, many), true }

func garbageValue(tb testing.TB) ([]string, bool) {
	return []string{garbled(sealedByLibrary(tb, 1)[0])}, false
}

// sealedByLibrary gives n values of the length that the session in smallCookie has.
func sealedByLibrary(tb testing.TB, n int) []string {
	tb.Helper()
	cookie := mintedCookie(tb, 0)
	length := len(cookie) - strings.LastIndex(cookie, ".") - 1
	payload, all := make([]byte, length/3), make([]string, n)
	for i := 0; i < n; {
		// The library encrypts in place what it is given.
		value, err := library().Encode(CookieName, slices.Clone(payload))
		if err != nil {
			tb.Fatal(err)
		}
		if len(value) < length {
			payload = append(payload, 0)
			continue
		}
		all[i] = value
		i++
	}
	return all
}
