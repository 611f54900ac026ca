package caddyauth0oidc

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// answer is what the handlers behind us write to. It takes out cookies that only we
// may set, keeps what is for one user out of shared caches, and adds the session's
// cookie when it is renewed.
type answer struct {
	caddyhttp.ResponseWriterWrapper
	visit        *visit
	audience     audience
	renewal      *renewal
	cacheControl [1]string
	done         bool
}

// audience says for whom an answer is.
type audience int

const (
	forEverybody audience = iota
	forSignedOut          // and those who are signed in may see another one
	forUser
)

// answerTo gives the writer for the handlers behind us. The usual request needs
// one only, which is a part of the visit.
func (v *visit) answerTo(w http.ResponseWriter, who audience) *answer {
	a := &v.answer
	if a.ResponseWriter != nil {
		a = new(answer)
	}
	a.ResponseWriter, a.visit, a.audience = w, v, who
	return a
}

// WriteHeader sees to the header of the final answer, and to the cookies of those
// that precede it.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.finish()
	} else {
		a.dropOurCookies()
	}
	a.ResponseWriterWrapper.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.finish()
	return a.ResponseWriterWrapper.Write(b)
}

// ReadFrom keeps the way open for sendfile.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.finish()
	return a.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError sends what was written so far, the header with it.
func (a *answer) FlushError() error {
	a.finish()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *answer) finish() {
	if a.done {
		return
	}
	a.done = true
	a.dropOurCookies()
	header := a.Header()
	if a.renewal != nil && a.renewal.write(header) {
		keepFromSharedCaches(header)
		header.Set("Cache-Control", uncached)
		header.Del("Expires")
		header.Del("Pragma")
		return
	}
	if a.visit.speaks {
		return
	}
	switch a.audience {
	case forUser:
		a.makePrivate(header)
	case forSignedOut:
		header.Add("Vary", "Cookie")
	}
}

// dropOurCookies removes what the application sets under our names: a session of
// its making could only be somebody else's, or the end of this one.
func (a *answer) dropOurCookies() {
	header := a.Header()
	lines := header["Set-Cookie"]
	if len(lines) == 0 || a.visit.speaks {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return a.visit.site.ownsCookie(strings.TrimSpace(name))
	})
	if len(kept) == 0 {
		delete(header, "Set-Cookie")
		return
	}
	header["Set-Cookie"] = kept
}

// sharedCacheHeaders are those by which caches between us and the browser may be
// told otherwise than by Cache-Control (RFC 9213, and what came before it).
var sharedCacheHeaders = []string{
	"Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control", "Surrogate-Control", "X-Accel-Expires",
}

func keepFromSharedCaches(header http.Header) {
	for _, name := range sharedCacheHeaders {
		delete(header, name)
	}
}

// makePrivate lets the browser alone store what is shown to a signed-in user
// (RFC 9111 section 5.2.2.7): a shared cache would show it to everybody.
func (a *answer) makePrivate(header http.Header) {
	keepFromSharedCaches(header)
	var directives string
	for _, line := range header["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(strings.ToLower(directive), "=")
			switch strings.TrimSpace(name) {
			case "private", "no-store": // a private with field names does not cover the rest
				if !strings.Contains(directive, "=") {
					return
				}
			case "", "public", "s-maxage", "proxy-revalidate":
			default:
				directives += ", " + strings.TrimSpace(directive)
			}
		}
	}
	a.cacheControl[0] = "private" + directives
	header["Cache-Control"] = a.cacheControl[:1:1]
}
