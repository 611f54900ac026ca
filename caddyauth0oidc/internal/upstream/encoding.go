package upstream

import (
	"encoding/base64"
	"fmt"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"
)

// The encodings. Each can be decoded to exactly what EncodingUTF8 sends.
const (
	EncodingUTF8      = "utf8"      // as it is, the default
	EncodingPercent   = "percent"   // %XX for the percent sign and all but printable ASCII
	EncodingRFC2047   = "rfc2047"   // encoded words for values with more than ASCII
	EncodingBase64URL = "base64url" // of the whole value, RFC 4648 section 5 without padding
)

// Encodings gives the names that Config.Encoding takes.
func Encodings() []string {
	return []string{EncodingUTF8, EncodingPercent, EncodingRFC2047, EncodingBase64URL}
}

// encoderOf gives nil for the encoding that changes nothing.
func encoderOf(encoding string) (func(string) string, error) {
	switch encoding {
	case "", EncodingUTF8:
		return nil, nil
	case EncodingPercent:
		return percentEncoded, nil
	case EncodingRFC2047:
		return encodedWords, nil
	case EncodingBase64URL:
		return func(value string) string { return base64.RawURLEncoding.EncodeToString([]byte(value)) }, nil
	}
	return nil, fmt.Errorf("there is no encoding %q: write one of %s", encoding, strings.Join(Encodings(), ", "))
}

// percentEncoded leaves spaces inside as they are: they are printable, and there are
// none at the ends.
func percentEncoded(value string) string {
	const hex = "0123456789ABCDEF"
	escaped := func(c byte) bool { return c < ' ' || c > '~' || c == '%' }
	n := 0
	for i := range len(value) {
		if escaped(value[i]) {
			n++
		}
	}
	if n == 0 {
		return value
	}
	encoded := make([]byte, 0, len(value)+2*n)
	for i := range len(value) {
		if c := value[i]; escaped(c) {
			encoded = append(encoded, '%', hex[c>>4], hex[c&15])
		} else {
			encoded = append(encoded, c)
		}
	}
	return string(encoded)
}

// encodedWords writes encoded words (RFC 2047 section 2), apart by spaces where one
// would be too long. Text that could be taken for an encoded word becomes one.
func encodedWords(value string) string {
	beyond := beyondASCII(value)
	if beyond == 0 {
		if strings.Contains(value, "=?") {
			return asciiWords(value)
		}
		return value
	}
	// Q takes three bytes for one that is escaped, B four for three of any kind.
	if 2*beyond > len(value)/3 {
		return mime.BEncoding.Encode("utf-8", value)
	}
	return mime.QEncoding.Encode("utf-8", value)
}

// asciiWords is for what package mime sees no need to encode.
func asciiWords(value string) string {
	const most = 45 // bytes that fit with the rest of an encoded word into 75 characters
	var words []string
	for part := range slices.Chunk([]byte(value), most) {
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString(part)+"?=")
	}
	return strings.Join(words, " ")
}

func beyondASCII(s string) (n int) {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			n++
		}
	}
	return n
}
