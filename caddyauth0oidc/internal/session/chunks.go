package session

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// chunkSize is the most bytes of a value that one cookie holds. With name and
	// sign it stays below the 4096 bytes that browsers store (RFC 6265 section 6.1).
	chunkSize = 3800
	// maxChunks bounds what a session may take, and what is joined before opening.
	maxChunks = 8
	// otherHeaders is the room that a request needs beside the session: other
	// cookies, and what browsers send anyway.
	otherHeaders = 4096
	// otherCookies is the part of it for pending logins and the application's
	// cookies. What they take beyond it, the session cannot have.
	otherCookies = 2048
	// maxText bounds the sealed session, key id and number of chunks included.
	maxText = chunkSize * maxChunks
)

// TooLargeError says that something does not fit into the cookies it may take. It
// names the claim or field that takes the most room, never its value.
type TooLargeError struct {
	Size    int    // bytes needed
	Limit   int    // bytes allowed
	Biggest string // name of the claim or field
}

// Error names the sizes and the biggest field.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%d bytes of cookie are needed and %d are allowed; %q takes the most room",
		e.Size, e.Limit, e.Biggest)
}

// WriteSession adds the Set-Cookie lines that store the session for maxAge: the
// cookie c.Name and, as needed, the further chunks .1, .2 and so on. Lines is the
// Cookie header of the request: chunks that it carries and that are no longer
// needed are deleted. HeaderLimit is how many bytes of header the server accepts: a
// cookie above it would lock the user out of everything, logout included. A session
// that does not fit is a *TooLargeError, and nothing is set.
func (k *Keyring) WriteSession(h http.Header, c Cookie, s *Session, maxAge time.Duration, lines []string, headerLimit int) error {
	id, value, err := k.seal(forSession, c.Name, s)
	if errors.Is(err, errTooLong) {
		return &TooLargeError{Size: sealedSize(len(s.pack())), Limit: maxText, Biggest: s.biggestClaim()}
	}
	if err != nil {
		return fmt.Errorf("sealing the session: %w", err)
	}
	present, own := c.survey(lines)
	_, tokens := c.tokens().survey(lines) // they give way, not the session
	most := c.mostChunks(headerLimit - max(0, sizeOf(lines)-own-tokens-otherCookies))
	if err := c.fits(len(value), present, most); err != nil {
		err.Biggest = s.biggestClaim()
		return err
	}
	c.write(h, id, value, maxAge, lines)
	return nil
}

// fits gives nil if a sealed value needs no more than the allowed number of chunks,
// or no more than the request carries: as many as came will come again.
func (c Cookie) fits(sealed, present, most int) *TooLargeError {
	size := keyIDLength + len(".1.") + sealed
	if n := chunkCount(size); n > most && n > present {
		return &TooLargeError{Size: size, Limit: most * chunkSize}
	}
	return nil
}

// write sets the cookie and its further chunks, and deletes those that the request
// carries beyond them.
func (c Cookie) write(h http.Header, id, value string, maxAge time.Duration, lines []string) {
	n := chunkCount(len(id) + len(".1.") + len(value))
	text := id + "." + strconv.Itoa(n) + "." + value
	for i := range n {
		chunk := text[i*chunkSize : min((i+1)*chunkSize, len(text))]
		c.set(h, chunkSuffix(i), chunk, maxAge)
	}
	expireChunks(h, c, lines, n)
}

// survey counts the chunks of the cookie that a request carries, and their bytes.
func (c Cookie) survey(lines []string) (present, size int) {
	var seen [10]bool
	eachCookie(lines, c.Name, func(suffix, value string) {
		if i, ok := chunkNumber(suffix); ok || suffix == "" {
			if !seen[i] {
				seen[i] = true
				present++
			}
			size += len(c.Name) + len(suffix) + len("=; ") + len(value)
		}
	})
	return present, size
}

func sizeOf(lines []string) (size int) {
	for _, line := range lines {
		size += len(line)
	}
	return size
}

// mostChunks gives how many chunks fit into a request's headers beside the rest.
func (c Cookie) mostChunks(headerLimit int) int {
	return min(max(c.room(headerLimit), 1), maxChunks)
}

func (c Cookie) room(headerLimit int) int {
	return (headerLimit - otherHeaders) / (len(c.Name) + len(".1=; ") + chunkSize)
}

// ClearSession adds the Set-Cookie lines that delete the session cookie, and those of
// its further chunks and of its tokens that the request carries.
func ClearSession(h http.Header, c Cookie, lines []string) {
	c.expire(h, "")
	expireChunks(h, c, lines, 1)
	ClearTokens(h, c, lines)
}

// expireChunks deletes the chunks of the request from number n on.
func expireChunks(h http.Header, c Cookie, lines []string, n int) {
	var present [10]bool
	eachCookie(lines, c.Name, func(suffix, _ string) {
		if i, ok := chunkNumber(suffix); ok || suffix == "" {
			present[i] = true
		}
	})
	for i := n; i < len(present); i++ {
		if present[i] {
			c.expire(h, chunkSuffix(i))
		}
	}
}

func chunkCount(size int) int { return (size + chunkSize - 1) / chunkSize }

func chunkSuffix(i int) string {
	if i == 0 {
		return ""
	}
	return "." + strconv.Itoa(i)
}

// chunks are the values of the session cookie and its further chunks as a request
// carries them, with the duplicates of each.
type chunks struct {
	values [maxChunks][maxCandidates]string
	count  [maxChunks]int
}

// ReadSession opens the session that the Cookie header lines carry and reads it into
// s, whose raw JSON is shared with other requests and must not be changed in place.
// Whatever is missing, forged, truncated or of a lost key is no session and never an
// error; s is empty then.
//
// Where cookies come in duplicate, the first ones of each name are tried together,
// then the second ones, at most four times; where one name has fewer, its last one
// stands in. A planted cookie thus hides neither the session nor one of its chunks.
func (k *Keyring) ReadSession(s *Session, lines []string, name string) bool {
	return k.OpenSession(s, lines, name) == Opened
}

// readChunks tries what the chunks of a cookie make together.
func readChunks(lines []string, name string, try func(id, value string) bool) bool {
	var c chunks
	c.collect(lines, name)
	for turn := range maxCandidates {
		if id, value, ok := c.join(turn); ok && try(id, value) {
			return true
		}
	}
	return false
}

func (c *chunks) collect(lines []string, name string) {
	eachCookie(lines, name, func(suffix, value string) {
		i, ok := chunkNumber(suffix)
		if (ok || suffix == "") && i < maxChunks && c.count[i] < maxCandidates {
			c.values[i][c.count[i]] = value
			c.count[i]++
		}
	})
}

// join puts the chunks of one turn together. The first one says in clear how many
// there are: <key id>.<number>.<value>. Every chunk but the last must be full, so
// that the same value never fits another number of chunks. A turn that would repeat
// an earlier one is refused.
func (c *chunks) join(turn int) (id, value string, ok bool) {
	id, rest, _ := strings.Cut(c.pick(0, turn), ".")
	if len(rest) < 2 || rest[0] < '1' || rest[0] > '0'+maxChunks || rest[1] != '.' {
		return "", "", false
	}
	n := int(rest[0] - '0')
	var parts [maxChunks]string
	fresh := false
	for i := range n {
		parts[i] = c.pick(i, turn)
		size := len(parts[i])
		if size == 0 || size > chunkSize || i < n-1 && size < chunkSize {
			return "", "", false
		}
		fresh = fresh || turn < c.count[i]
	}
	parts[0] = rest[2:]
	return id, strings.Join(parts[:n], ""), fresh
}

// pick returns what stands in for chunk i in this turn, or nothing.
func (c *chunks) pick(i, turn int) string {
	if c.count[i] == 0 {
		return ""
	}
	return c.values[i][min(turn, c.count[i]-1)]
}
