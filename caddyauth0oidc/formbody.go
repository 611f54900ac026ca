package caddyauth0oidc

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
)

// charsetField is the field in which browsers say the encoding of a form. They fill
// it in themselves, whatever its value on the page.
const charsetField = "_charset_"

var (
	errFormEscape  = errors.New("the form has a malformed percent sign")
	errFormText    = errors.New("the form has text that a page cannot send again: another encoding than UTF-8, a NUL, or half a line break")
	errFormName    = errors.New("the form has a field without a name")
	errFormCharset = errors.New("the form is in another encoding than UTF-8")
)

// formFields reads a body of the type application/x-www-form-urlencoded as the URL
// Standard does (https://url.spec.whatwg.org/#urlencoded-parsing), and refuses what a
// browser would not send again in the same way from hidden inputs of a page.
func formFields(body string) ([]pages.Field, error) {
	var fields []pages.Field
	for piece := range strings.SplitSeq(body, "&") {
		if piece == "" {
			continue
		}
		name, value, _ := strings.Cut(piece, "=")
		field, err := decodeField(name, value)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field)
	}
	return fields, nil
}

func decodeField(name, value string) (pages.Field, error) {
	var f pages.Field
	var err error
	if f.Name, err = url.QueryUnescape(name); err != nil {
		return f, errFormEscape
	}
	if f.Value, err = url.QueryUnescape(value); err != nil {
		return f, errFormEscape
	}
	switch {
	case f.Name == "":
		return f, errFormName
	case !survivesPage(f.Name) || !survivesPage(f.Value):
		return f, errFormText
	case strings.EqualFold(f.Name, charsetField) && f.Value != "UTF-8":
		return f, errFormCharset
	}
	return f, nil
}

// survivesPage tells whether a text comes back from a page as it was. Parsers of HTML
// replace NUL, and browsers send every line break as CR and LF.
func survivesPage(text string) bool {
	rest := strings.ReplaceAll(text, "\r\n", "")
	return utf8.ValidString(text) && !strings.ContainsAny(rest, "\x00\r\n")
}
