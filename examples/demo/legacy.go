package main

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

//go:embed legacy.html
var legacyPage string

var legacyTemplate = template.Must(template.New("legacy").Parse(legacyPage))

// legacyCookie is a cookie of the application's own.
const legacyCookie = "legacy_theme"

// legacy is an application that knows nothing of OpenID Connect: it believes
// the headers it is given. A person gets a page, a program JSON.
type legacy struct{ requests atomic.Int64 }

// seen is what the application saw of a request.
type seen struct {
	Method  string      `json:"method"`
	Address string      `json:"address"`
	Header  http.Header `json:"header"`
}

// ServeHTTP answers every path alike.
func (l *legacy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.requests.Add(1)
	http.SetCookie(w, &http.Cookie{Name: legacyCookie, Value: "plain", Path: "/", SameSite: http.SameSiteLaxMode}) // #nosec G124 -- as legacy applications set theirs
	w.Header().Set("Cache-Control", "no-store")
	s := seen{r.Method, r.URL.RequestURI(), r.Header}
	// Whoever reads an answer that was cut off notices; nothing is left to do about it here.
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = legacyTemplate.Execute(w, s)
}

// headerRow is a header in the table of the page.
type headerRow struct{ Name, Value string }

// User is whom the application takes the user for.
func (s seen) User() string { return s.Header.Get("X-Auth0-User-Id") }

// Name is how the application calls the user.
func (s seen) Name() string { return s.Header.Get("X-Auth0-Name") }

// Identity lists the headers that a program may take for one of X-Auth0-*. Some
// treat all punctuation in a name alike, so this one counts letters and digits.
func (s seen) Identity() []headerRow {
	var rows []headerRow
	for _, name := range slices.Sorted(maps.Keys(s.Header)) {
		if strings.HasPrefix(lettersAndDigits(name), "xauth0") {
			for _, value := range s.Header[name] {
				rows = append(rows, headerRow{name, value})
			}
		}
	}
	return rows
}

// Cookies are those of the request.
func (s seen) Cookies() []*http.Cookie { return (&http.Request{Header: s.Header}).Cookies() }

func lettersAndDigits(name string) string {
	return strings.Map(func(r rune) rune {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return -1
		}
		return r
	}, strings.ToLower(name))
}
