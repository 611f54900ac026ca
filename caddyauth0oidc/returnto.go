package caddyauth0oidc

import (
	"net/url"
	"strings"
)

// cleanReturnTo gives the address on this site to which a browser may be sent,
// as path and query, or "/" when the given one could lead anywhere else. What
// it gives is printable ASCII and survives a second cleaning unchanged.
//
// Browsers read `\` as `/`, drop tabs and line ends, and resolve dot segments
// before they look for `//`, so none of these may stand in the path, in clear
// or percent-encoded.
func cleanReturnTo(address string) string {
	if !strings.HasPrefix(address, "/") || hasControl(address) {
		return "/"
	}
	address, _, _ = strings.Cut(address, "#")
	path, query, hasQuery := strings.Cut(address, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil || hasControl(decoded) || strings.Contains(decoded, `\`) || strings.HasPrefix(decoded, "//") || hasDotSegment(decoded) {
		return "/"
	}
	if hasQuery {
		path += "?" + query
	}
	return escapeUnprintable(path)
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// escapeUnprintable percent-encodes what may not stand in a Location header.
func escapeUnprintable(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
