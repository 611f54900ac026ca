package e2e

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"testing"
)

// encoders are the ways in which a header may carry any text in ASCII, by the
// decoder of the applications. Some ways have two writers.
var encoders = []struct {
	decode, name string
	encode       func(string) string
}{
	{"raw", "UTF-8", func(text string) string { return text }},
	{"percent", "of what is reserved", url.PathEscape},
	{"percent", "of every byte", func(text string) string { return everyByte(text, '%') }},
	{"rfc2047", "words of base64", func(text string) string { return words(mime.BEncoding, text) }},
	{"rfc2047", "words of quoted bytes", func(text string) string { return words(mime.QEncoding, text) }},
	{"base64url", "without padding", func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }},
	{"base64url", "with padding", func(text string) string { return base64.URLEncoding.EncodeToString([]byte(text)) }},
}

// words also encodes ASCII that looks like an encoded word, which package mime
// leaves as it is.
func words(e mime.WordEncoder, text string) string {
	if strings.Contains(text, "=?") {
		return "=?utf-8?q?" + everyByte(text, '=') + "?="
	}
	return e.Encode("utf-8", text)
}

func everyByte(text string, mark byte) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%c%02X", mark, text[i])
	}
	return b.String()
}

// assertDecoders wants the applications to read what any writer of the encoding
// sends, so that a setting that fails is at fault itself. The last text is longer than
// an encoded word may be.
func (w *world) assertDecoders(t *testing.T, servers []served) {
	texts := []string{strings.Repeat("Zoë 山田 ", 20) + "Müller"}
	for _, n := range names {
		texts = append(texts, n.name)
	}
	visitor := w.browser()
	for _, e := range encoders {
		t.Run(e.decode+" "+e.name, func(t *testing.T) {
			var lines []string
			for i, text := range texts {
				lines = append(lines, fmt.Sprintf("%s-%d: %s", nobodys, i, e.encode(text)))
			}
			for _, server := range servers {
				answer := w.report(t, headerSetting{decode: e.decode}, server, visitor, lines)
				for i, text := range texts {
					for _, place := range server.header(fmt.Sprintf("%s-%d", nobodys, i)) {
						assertSays(t, answer, place, text, e.decode)
					}
				}
			}
		})
	}
}
