package load

import (
	"strings"
	"sync/atomic"
)

// Source makes the requests of one target: always the same one, with one cookie
// after the other. Two sources with the same cookies ask for the same.
type Source struct {
	head    []byte
	cookies []string
	next    atomic.Uint64
}

// NewSource makes requests of about 440 bytes, as a browser sends for a page, and
// the cookie on top. Cookies are values of the Cookie header, at least one.
func NewSource(host, path string, cookies []string) *Source {
	return &Source{cookies: cookies, head: []byte(strings.Join([]string{
		"GET " + path + " HTTP/1.1",
		"Host: " + host,
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Language: de-AT,de;q=0.8,en-US;q=0.5,en;q=0.3",
		"Accept-Encoding: gzip, deflate, br, zstd",
		"Referer: http://" + host + "/reports",
		"Upgrade-Insecure-Requests: 1",
		"Sec-Fetch-Dest: document",
		"Sec-Fetch-Mode: navigate",
		"Sec-Fetch-Site: same-origin",
		"Cookie: ",
	}, "\r\n"))}
}

// use replaces the cookies, while no load runs.
func (s *Source) use(cookies []string) { s.cookies = cookies }

// appendNext appends the next request.
func (s *Source) appendNext(to []byte) []byte {
	turn := s.next.Add(1) - 1
	to = append(to, s.head...)
	to = append(to, s.cookies[turn%uint64(len(s.cookies))]...)
	return append(to, "\r\n\r\n"...)
}
