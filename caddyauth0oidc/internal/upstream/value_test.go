package upstream

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClaimBecomesAValueThatCannotBreakTheRequest(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, claim, want string }{
		{"ASCII", `Ann "O'Neil", a;b\c %`, `Ann "O'Neil", a;b\c %`},
		{"HDR-21 UTF-8", "Zoë 李 😀 \u202e e\u0301", "Zoë 李 😀 \u202e e\u0301"},
		{"HDR-25 no normalisation", "\u212b", "\u212b"},
		{"HDR-20 CVE-LIB-25 line feed", "Ann\nX-Auth0-Role: admin", "Ann\ufffdX-Auth0-Role: admin"},
		{"HDR-20 CRLF", "Ann\r\nX: y", "Ann\ufffd\ufffdX: y"},
		{"HDR-20 NUL, DEL, tab, ESC", "a\x00b\x7fc\td\x1b", "a\ufffdb\ufffdc\ufffdd\ufffd"},
		{"HDR-20 C1 and separators", "a\u0085b\u009fc\u2028d\u2029e\u00a0", "a\ufffdb\ufffdc\ufffdd\ufffde\u00a0"},
		{"HDR-20 invalid UTF-8", "a\xffb\xc3", "a\ufffdb\ufffd"},
		{"HDR-20 lone C1 byte", "a\x85b", "a\ufffdb"},
		{"HDR-20 control does not turn into another user", "alice\n", "alice\ufffd"},
		{"HDR-22 spaces at the ends", "  Ann  B ", "Ann  B"},
		{"only spaces", "   ", ""},
		{"HDR-24 placeholder", "{http.request.cookie.S}", "{http.request.cookie.S}"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := Value(test.claim); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUsualValueIsNotCopied(t *testing.T) {
	for _, claim := range []string{"user-in-child@mail.com", "Zoë Oðin 李", " spaces "} {
		if n := testing.AllocsPerRun(100, func() { Value(claim) }); n != 0 {
			t.Errorf("%q: %v allocations", claim, n)
		}
	}
}

// isFieldValue is the rule of RFC 9110 section 5.5 that Go's transport enforces:
// no control byte. It is stricter about the tab and about spaces at the ends,
// which a reader would trim.
func isFieldValue(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] == 0x7f {
			return false
		}
	}
	return strings.Trim(value, " ") == value
}

func FuzzValue(f *testing.F) {
	for _, seed := range []string{"Zoë", "a\r\nb: c", " \x00 ", "\xed\xa0\x80", "\u0085", "\u2028", "{x}", " a "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, claim string) {
		got := Value(claim)
		if !isFieldValue(got) || !utf8.ValidString(got) || strings.ContainsFunc(got, isControl) {
			t.Errorf("%q became %q", claim, got)
		}
		if again := Value(got); again != got {
			t.Errorf("%q became %q", got, again)
		}
		if isFieldValue(claim) && utf8.ValidString(claim) && !strings.ContainsFunc(claim, isControl) && got != claim {
			t.Errorf("harmless %q became %q", claim, got)
		}
		if (got == "") != (strings.Trim(claim, " ") == "") {
			t.Errorf("%q vanished or appeared as %q", claim, got)
		}
	})
}
