package caddyauth0oidc

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

func TestFormFieldsKeepOrderAndDuplicates(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]formField{
		"":                          nil,
		"&&":                        nil,
		"a=1&b=2&a=3":               {{"a", "1"}, {"b", "2"}, {"a", "3"}},
		"a&b=":                      {{"a", ""}, {"b", ""}},
		"a=b=c":                     {{"a", "b=c"}},
		"a=1;b=2":                   {{"a", "1;b=2"}},
		"a+b=%20+%2B":               {{"a b", "  +"}},
		"t=one%0D%0Atwo":            {{"t", "one\r\ntwo"}},
		"__proto__=x&constructor=y": {{"__proto__", "x"}, {"constructor", "y"}},
		"%22%3E%3Cscript%3E=%27":    {{`"><script>`, "'"}},
		"_charset_=UTF-8&x=%C3%A4":  {{"_charset_", "UTF-8"}, {"x", "ä"}},
		"ä=ü":                       {{"ä", "ü"}},
	} {
		if got, err := formFields(body); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", body, got, err, want)
		}
	}
}

func TestFormThatAPageCannotSendAgainIsRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		"a=%":                  errFormEscape,
		"%zz=1":                errFormEscape,
		"a=%E4":                errFormText,
		"%FF=1":                errFormText,
		"a=\xff":               errFormText,
		"a=%00":                errFormText,
		"a=one%0Atwo":          errFormText,
		"a=one%0Dtwo":          errFormText,
		"a=%0D%0D%0A":          errFormText,
		"=1":                   errFormName,
		"=":                    errFormName,
		"_charset_=iso-8859-1": errFormCharset,
		"_CHARSET_=":           errFormCharset,
	} {
		if _, err := formFields(body); err != want { //nolint:errorlint // none of them is wrapped
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
}

// resentBy gives the body that a browser makes of the page (HTML Standard section
// 4.10.21.4).
func resentBy(t *testing.T, page []byte) string {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n")
	var pieces []string
	for node := range root.Descendants() {
		if node.Type != html.ElementNode || node.Data != "input" {
			continue
		}
		attributes := make(map[string]string)
		for _, a := range node.Attr {
			attributes[a.Key] = a.Val
		}
		if attributes["type"] != "hidden" || len(attributes) != 3 {
			t.Fatalf("an input with the attributes %q", attributes)
		}
		name, value := lines.Replace(attributes["name"]), lines.Replace(attributes["value"])
		if strings.EqualFold(name, "_charset_") {
			value = "UTF-8"
		}
		pieces = append(pieces, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	return strings.Join(pieces, "&")
}

func renderForm(t *testing.T, form *session.Form, fields []formField) []byte {
	t.Helper()
	p := formPage(form, fields)
	p.Style = pageStyle
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sameForm compares what applications read from two bodies.
func sameForm(t *testing.T, got, want string) {
	t.Helper()
	first, second := readAsApplication(t, got), readAsApplication(t, want)
	if !slices.Equal(first, second) {
		t.Errorf("sent again %q\nas came    %q", first, second)
	}
}

// readAsApplication is another reader than the one under test: of net/url, which keeps
// no order, piece by piece.
func readAsApplication(t *testing.T, body string) (all []string) {
	t.Helper()
	for piece := range strings.SplitSeq(strings.ReplaceAll(body, ";", "%3B"), "&") {
		values, err := url.ParseQuery(piece)
		if err != nil {
			t.Fatalf("%q: %v", piece, err)
		}
		for name, value := range values {
			all = append(all, name+"\x00"+value[0])
		}
	}
	return all
}

func FuzzFormComesBackFromThePage(f *testing.F) {
	for _, body := range []string{
		"", "a=1&b=2&a=3", "a&b=", "t=one%0D%0Atwo%0D%0A%0D%0A&t=+%0D%0A", "%22%3E%3Cscript%3Ealert(1)%3C/script%3E=%3C/form%3E",
		"__proto__=x&submit=y&action=z&forms=1", "_charset_=UTF-8", "a=%E2%80%AE%F0%9F%98%80%EF%BB%BF%C2%85%1B", "=x", "a=%00", "a=%ff", "a;b=c;d",
		"a=%26lt%3B%26%23%31%33%3B", "=&&=", "%0D%0A=%0D%0A",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fields, err := formFields(body)
		if err != nil {
			return
		}
		for _, own := range []bool{true, false} {
			page := renderForm(t, &session.Form{Target: "/x", Body: body, Own: own}, fields)
			if scripts := bytes.Count(page, []byte("<script")); scripts != map[bool]int{true: 1, false: 0}[own] {
				t.Fatalf("%d scripts on the page, sent by an own page: %t", scripts, own)
			}
			sameForm(t, resentBy(t, page), body)
		}
	})
}
