package upstream

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
)

var errName = errors.New("it must consist of letters, digits, hyphens and underscores, the first a letter: write a name such as Remote-User")

// maxName and maxPrefix bound names in bytes: servers limit what all headers of a
// request take together, and the longest name of the preset adds 16 to the prefix.
const (
	maxName   = 100
	maxPrefix = 80
)

// browsers begins, folded, the names that only browsers may set:
// https://fetch.spec.whatwg.org/#forbidden-request-header.
const browsers = "sec_"

// checkPrefix refuses underscores, which a name may have: gateways drop such
// headers, and the prefix stands for all of them.
func checkPrefix(prefix string) error {
	if !plain(prefix) || strings.Contains(prefix, "_") {
		return fmt.Errorf("it must consist of letters, digits and hyphens, the first a letter: write %q", repaired(prefix))
	}
	if !strings.HasSuffix(prefix, "-") {
		return fmt.Errorf("it must end with a hyphen: write %q", prefix+"-")
	}
	if len(prefix) > maxPrefix {
		return fmt.Errorf("it has %d bytes: write at most %d", len(prefix), maxPrefix)
	}
	if name := covered(prefix); name != "" {
		return fmt.Errorf("it would remove %s from every request: write a prefix of your own such as %q", name, DefaultPrefix)
	}
	if begins(prefix, browsers) {
		return fmt.Errorf("names that begin with Sec- belong to browsers: write a prefix of your own such as %q", DefaultPrefix)
	}
	return nil
}

// covered gives a standard header whose name begins with the prefix.
func covered(prefix string) string {
	folded := fold(prefix)
	for _, name := range standard {
		if begins(name, folded) {
			return name
		}
	}
	return ""
}

func checkName(name string) error {
	if !plain(name) {
		return errName
	}
	if len(name) > maxName {
		return fmt.Errorf("it has %d bytes: write a name of at most %d", len(name), maxName)
	}
	if begins(name, browsers) {
		return fmt.Errorf("names that begin with Sec- belong to browsers: write a name of your own such as %q", DefaultPrefix+"User-Id")
	}
	if reserved := standardName(name); reserved != "" {
		return fmt.Errorf("%s belongs to HTTP or to the proxy: write a name of your own such as %q", reserved, DefaultPrefix+"User-Id")
	}
	return nil
}

// standardName gives the standard header that an application may take for this one.
func standardName(name string) string {
	folded := fold(name)
	for _, reserved := range standard {
		if len(reserved) == len(folded) && begins(reserved, folded) {
			return reserved
		}
	}
	return ""
}

func plain(name string) bool {
	for i := range len(name) {
		c := foldByte(name[i])
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c == '_' && name[i] != '-' && name[i] != '_') {
			return false
		}
	}
	return name != ""
}

// repaired is the nearest prefix that would be allowed.
func repaired(prefix string) string {
	words := strings.FieldsFunc(fold(prefix), func(r rune) bool { return r == '_' })
	name := strings.TrimLeft(strings.Join(words, "-"), "0123456789-")
	if name == "" {
		return DefaultPrefix
	}
	return textproto.CanonicalMIMEHeaderKey(name + "-")
}

// standard are request headers that mean something to HTTP, to browsers or to
// proxies: no prefix may cover one, and none can carry a claim. X-Forwarded-User
// and the like are not among them, they are identity headers of other proxies.
var standard = []string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Access-Control-Request-Headers",
	"Access-Control-Request-Method", "Alt-Svc", "Authorization", "Cache-Control", "Cdn-Loop",
	"Cf-Connecting-Ip", "Client-Ip", "Connection", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Location", "Content-Range", "Content-Type", "Cookie", "Date", "Depth", "Destination", "Dnt",
	"Dpop", "Early-Data", "Expect", "Fly-Client-Ip", "Forwarded", "Host", "Http2-Settings", "If-Match",
	"If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Last-Event-Id",
	"Link", "Max-Forwards", "Origin", "Pragma", "Priority", "Proxy", "Proxy-Authenticate",
	"Proxy-Authorization", "Proxy-Connection", "Purpose", "Range", "Referer", "Sec-Ch-Ua", "Sec-Fetch-Mode",
	"Sec-Gpc", "Sec-Purpose", "Sec-Websocket-Key", "Set-Cookie", "Te", "Traceparent", "Tracestate", "Trailer",
	"Transfer-Encoding", "True-Client-Ip", "Upgrade", "Upgrade-Insecure-Requests", "User-Agent", "Via",
	"X-Amzn-Trace-Id", "X-B3-Traceid", "X-Client-Ip", "X-Csrf-Token", "X-Forwarded", "X-Forwarded-By",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Port",
	"X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Scheme",
	"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Host", "X-Http-Method-Override",
	"X-Method-Override", "X-Moz", "X-Original-Url", "X-Purpose", "X-Real-Ip", "X-Request-Id",
	"X-Requested-With", "X-Rewrite-Url", "X-Xsrf-Token",
}
