package caddyauth0oidc

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// answer is what the handlers behind us write to. It takes out cookies that only we
// may set, keeps what is for one user out of shared caches, and adds the session's
// cookie when it is renewed.
type answer struct {
	caddyhttp.ResponseWriterWrapper
	visit    *visit
	personal bool // for the signed-in user
	// Others see another answer at the same address: by their cookies, by their access token.
	variesByCookie, variesByToken bool

	done         bool
	renewal      *renewal
	cacheControl [1]string
}

// answerTo gives the writer for the handlers behind us. The usual request needs
// one only, which is a part of the visit.
func (v *visit) answerTo(w http.ResponseWriter) *answer {
	a := &v.answer
	if a.ResponseWriter != nil {
		a = new(answer)
	}
	a.ResponseWriter, a.visit, a.personal = w, v, v.identity.plan != nil
	return a
}

// serve lets the handlers behind us answer. Where they write nothing, Caddy or the
// site's error routes will, with the header as it is left here.
func (a *answer) serve(r *http.Request, next caddyhttp.Handler) error {
	err := next.ServeHTTP(a, r)
	a.dropOurCookies() // the application's trailers have come into the header meanwhile
	a.finish()
	return err
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
	switch {
	case a.renewal != nil && a.renewal.write(header):
		noTransform := strings.Contains(strings.ToLower(strings.Join(header["Cache-Control"], ",")), "no-transform")
		keepFromSharedCaches(header)
		header.Set("Cache-Control", uncached)
		if noTransform { // a stream that a proxy would compress comes late
			header.Set("Cache-Control", uncached+", no-transform")
		}
		header.Del("Expires")
		header.Del("Pragma")
	case a.personal || a.visit.identity.plan != nil: // who is known later, in a subroute
		a.makePrivate(header)
	}
	if a.variesByCookie {
		header.Add("Vary", "Cookie")
	}
	if a.variesByToken {
		header.Add("Vary", "Authorization")
	}
}

func (a *answer) dropOurCookies() {
	if !a.visit.speaks {
		a.visit.dropOurCookies(a.Header(), a.visit.renewed())
	}
}

// dropOurCookies removes what the application sets under our names, except for the
// lines that are ours: a session of its making could only be somebody else's, or the
// end of this one.
func (v *visit) dropOurCookies(header http.Header, ours []string) {
	v.dropOurLines(header, "Set-Cookie", ours)
	v.dropOurLines(header, trailedCookies, nil)
}

// trailedCookies is the name of Set-Cookie as a trailer that was not announced.
const trailedCookies = http.TrailerPrefix + "Set-Cookie"

func (v *visit) dropOurLines(header http.Header, name string, ours []string) {
	lines := header[name]
	if len(lines) == 0 {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return v.site.ownsCookie(session.SetCookieName(line)) && !slices.Contains(ours, line)
	})
	if len(kept) == 0 {
		delete(header, name)
		return
	}
	header[name] = kept
}

// keepFromSharedCaches removes what tells caches between us and the browser
// otherwise than Cache-Control (RFC 9213, and what came before it).
func keepFromSharedCaches(header http.Header) {
	for name := range header {
		if strings.HasSuffix(name, "-Cache-Control") {
			delete(header, name)
		}
	}
	for _, name := range [...]string{"Surrogate-Control", "X-Accel-Expires", "Edge-Control"} {
		delete(header, name)
	}
}

// makePrivate lets the browser alone store what is shown to a signed-in user
// (RFC 9111 section 5.2.2.7): a shared cache would show it to everybody.
func (a *answer) makePrivate(header http.Header) {
	keepFromSharedCaches(header)
	a.cacheControl[0] = private(header["Cache-Control"])
	header["Cache-Control"] = a.cacheControl[:1:1]
}

// private gives the directives of Cache-Control without those for shared caches.
func private(lines []string) string {
	kept := "private"
	for _, line := range lines {
		for line != "" {
			var directive string
			directive, line = cutDirective(line)
			name, _, _ := strings.Cut(strings.ToLower(directive), "=")
			switch strings.TrimSpace(name) {
			case "", "public", "private", "s-maxage", "proxy-revalidate", "must-understand":
			default:
				kept += ", " + directive
			}
		}
	}
	return kept
}

// cutDirective cuts at the first comma that does not stand in a quoted string
// (RFC 9110 section 5.6.4).
func cutDirective(line string) (directive, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return strings.TrimSpace(line[:i]), line[i+1:]
		}
	}
	return strings.TrimSpace(line), ""
}
