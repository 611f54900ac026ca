package upstream

import (
	"strings"
	"unicode/utf8"
)

// Value makes a header value of a claim. Text is sent as UTF-8, byte for byte,
// except that
//
//   - every control character (C0 with the tab, DEL, C1, the line and paragraph
//     separators) and every byte that is not UTF-8 becomes U+FFFD. None of them
//     may reach the wire, and refusing the request would lock the user out. A
//     space in their place could make one user's id look like another's;
//   - spaces at either end are trimmed, as every HTTP reader does.
//
// Nothing left means that there is no header.
func Value(claim string) string {
	claim = strings.Trim(claim, " ")
	if isPlainText(claim) {
		return claim
	}
	var b strings.Builder
	b.Grow(len(claim) + utf8.UTFMax)
	for _, r := range claim {
		if isControl(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isPlainText spares the usual claim, ASCII, the look at every rune.
func isPlainText(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			return utf8.ValidString(s[i:]) && strings.IndexFunc(s[i:], isControl) < 0
		case c < ' ' || c == 0x7f:
			return false
		}
	}
	return true
}

func isControl(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || r == '\u2028' || r == '\u2029'
}
