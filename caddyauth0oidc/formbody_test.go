package caddyauth0oidc

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

func TestFormFieldsKeepOrderAndDuplicates(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]pages.Field{
		"":                          nil,
		"&&":                        nil,
		"a=1&b=2&a=3":               {{Name: "a", Value: "1"}, {Name: "b", Value: "2"}, {Name: "a", Value: "3"}},
		"a&b=":                      {{Name: "a", Value: ""}, {Name: "b", Value: ""}},
		"a=b=c":                     {{Name: "a", Value: "b=c"}},
		"a=1;b=2":                   {{Name: "a", Value: "1;b=2"}},
		"a+b=%20+%2B":               {{Name: "a b", Value: "  +"}},
		"t=one%0D%0Atwo":            {{Name: "t", Value: "one\r\ntwo"}},
		"__proto__=x&constructor=y": {{Name: "__proto__", Value: "x"}, {Name: "constructor", Value: "y"}},
		"%22%3E%3Cscript%3E=%27":    {{Name: `"><script>`, Value: "'"}},
		"_charset_=UTF-8&x=%C3%A4":  {{Name: "_charset_", Value: "UTF-8"}, {Name: "x", Value: "ä"}},
		"ä=ü":                       {{Name: "ä", Value: "ü"}},
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

// actionOf gives where a browser would send the page's only form.
func actionOf(t *testing.T, page []byte) string {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for node := range root.Descendants() {
		if node.Type != html.ElementNode || node.Data != "form" {
			continue
		}
		for _, a := range node.Attr {
			if a.Key == "action" {
				actions = append(actions, a.Val)
			}
		}
	}
	if len(actions) != 1 {
		t.Fatalf("the page's forms lead to %q:\n%s", actions, page)
	}
	return actions[0]
}

// awkwardTargets are addresses that programs like to write in another way.
var awkwardTargets = []string{
	"/odata/P('x')/Act", "/a|b", "/a%2Fb|c", "/save?d=100%", "/save?x=(a|b)", "/save?q={a}", "/save?q=%zz", "/save?a;b",
	"/save?q=^`[]", "/save?a=1&amp;b=2&lt=3", `/save?q="><script>`, "/%c3%A4?%c3%A4", "/a?", "/a?b?c", "/~%7E", "/a,b=c:d@e", "/a&b+c",
}

func FuzzFormGoesToTheAddressItCameFor(f *testing.F) {
	for _, target := range awkwardTargets {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, address string) {
		target := cleanReturnTo(address)
		if got := actionOf(t, renderForm(t, &session.Form{Target: target}, nil)); got != target {
			t.Errorf("%q became %q", target, got)
		}
	})
}

// The very address that the form was sent to is kept.
func TestFormGoesToTheAddressItCameFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(formSettings))
	for _, target := range awkwardTargets {
		r := httptest.NewRequest("POST", w.base+"/", strings.NewReader("a=1"))
		path, query, _ := strings.Cut(target, "?")
		decoded, err := url.PathUnescape(path)
		if err != nil {
			t.Fatal(err)
		}
		r.RequestURI, r.URL.Path, r.URL.RawPath, r.URL.RawQuery = target, decoded, path, query // as net/http reads it
		r.URL.Scheme, r.URL.Host = "", ""
		for name, value := range formHeader("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test") {
			r.Header.Set(name, value)
		}
		recorder := httptest.NewRecorder()
		w.server.ServeHTTP(recorder, r)
		if recorder.Code != http.StatusOK {
			t.Errorf("%s: status %d", target, recorder.Code)
			continue
		}
		if got := actionOf(t, recorder.Body.Bytes()); got != target {
			t.Errorf("%s became %s", target, got)
		}
	}
}

func renderForm(t *testing.T, form *session.Form, fields []pages.Field) []byte {
	t.Helper()
	rendered, err := pages.Builtin().Render(formPage(pages.English(), form, fields))
	if err != nil {
		t.Fatal(err)
	}
	return rendered.Body.Bytes()
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
