// Package upstream answers which request headers are ours and what the
// application behind the proxy gets to see.
package upstream

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
)

// DefaultPrefix begins the names of the headers if the configuration sets none.
const DefaultPrefix = "X-Auth0-"

// Config says which headers are ours.
type Config struct {
	// Prefix begins the name of every header of the profile. Every header of the
	// client that begins with it is removed. Default: DefaultPrefix.
	Prefix string

	// Profile adds the header <prefix>Profile, the whole profile as base64url
	// JSON without padding.
	Profile bool

	// Names are headers without the prefix that the configuration sets as well,
	// such as Remote-User. The client's copies are removed too.
	Names []string
}

// Plan knows the headers that are ours. It is safe for concurrent use.
type Plan struct {
	prefix  string   // folded
	names   []string // folded
	profile bool
	keys    [headerCount]string // canonical, in the order of suffixes
}

// NewPlan checks the names once, so that a request finds them ready.
func NewPlan(c Config) (*Plan, error) {
	prefix := c.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if err := checkPrefix(prefix); err != nil {
		return nil, fmt.Errorf("checking the header prefix %q: %w", prefix, err)
	}
	p := &Plan{prefix: fold(prefix), profile: c.Profile}
	for i, suffix := range suffixes {
		p.keys[i] = textproto.CanonicalMIMEHeaderKey(prefix + suffix)
	}
	for _, name := range c.Names {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("checking the header name %q: %w", name, err)
		}
		p.names = append(p.names, fold(name))
	}
	return p, nil
}

var errName = errors.New("it must consist of letters, digits, hyphens and underscores, the first a letter: write a name such as Remote-User")

// checkPrefix refuses underscores, which a name may have: gateways drop such
// headers, and the prefix stands for all of them.
func checkPrefix(prefix string) error {
	if !plain(prefix) || strings.Contains(prefix, "_") {
		return fmt.Errorf("it must consist of letters, digits and hyphens, the first a letter: write %q", repaired(prefix))
	}
	if !strings.HasSuffix(prefix, "-") {
		return fmt.Errorf("it must end with a hyphen: write %q", prefix+"-")
	}
	folded := fold(prefix)
	for _, name := range standard {
		if begins(name, folded) {
			return fmt.Errorf("it would remove %s from every request: write a prefix of your own such as %q", name, DefaultPrefix)
		}
	}
	return nil
}

func checkName(name string) error {
	if !plain(name) {
		return errName
	}
	folded := fold(name)
	for _, reserved := range standard {
		if len(reserved) == len(folded) && begins(reserved, folded) {
			return fmt.Errorf("%s belongs to HTTP or to the proxy: write a name of your own such as %q", reserved, DefaultPrefix+"User-Id")
		}
	}
	return nil
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
	"Access-Control-Request-Method", "Authorization", "Cache-Control", "Cdn-Loop", "Cf-Connecting-Ip",
	"Connection", "Content-Encoding", "Content-Language", "Content-Length", "Content-Location",
	"Content-Range", "Content-Type", "Cookie", "Date", "Dnt", "Dpop", "Early-Data", "Expect", "Fly-Client-Ip",
	"Forwarded", "Host", "Http2-Settings", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
	"If-Unmodified-Since", "Keep-Alive", "Last-Event-Id", "Link", "Max-Forwards", "Origin", "Pragma",
	"Priority", "Proxy", "Proxy-Authorization", "Proxy-Connection", "Purpose", "Range", "Referer", "Sec-Ch-Ua",
	"Sec-Fetch-Mode", "Sec-Gpc", "Sec-Purpose", "Sec-Websocket-Key", "Set-Cookie", "Te", "Traceparent", "Tracestate", "Trailer",
	"Transfer-Encoding", "True-Client-Ip", "Upgrade", "Upgrade-Insecure-Requests", "User-Agent", "Via",
	"X-Amzn-Trace-Id", "X-B3-Traceid", "X-Client-Ip", "X-Csrf-Token", "X-Forwarded", "X-Forwarded-By",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Port",
	"X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Scheme",
	"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Http-Method-Override", "X-Original-Url",
	"X-Real-Ip", "X-Request-Id", "X-Requested-With", "X-Rewrite-Url", "X-Xsrf-Token",
}
