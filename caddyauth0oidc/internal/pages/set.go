package pages

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"strings"
)

// Set are the pages of one configuration: templates, style and languages.
type Set struct {
	languages languages
	style     template.CSS
	faces     map[Kind]*face
}

// face is how the pages of a kind look.
type face struct {
	name     string
	template *template.Template
	own      bool   // of an operator
	styles   string // source expressions that allow the style elements
}

// Rendered is a page as it is sent.
type Rendered struct {
	// Body is the HTML.
	Body *bytes.Buffer
	// Styles are the source expressions for style-src of a Content Security Policy.
	Styles string
	// Own tells that the template is an operator's, which may have images.
	Own bool
}

// Language gives the one for the values of Accept-Language.
func (s *Set) Language(accepted []string) *Language { return s.languages.choose(accepted) }

// Render gives a page. Where the template of an operator fails, it is the built-in one,
// together with the error.
func (s *Set) Render(p *Page) (Rendered, error) {
	f := s.faces[p.Kind]
	body, err := s.execute(f, p)
	if err != nil && f.own {
		f = builtin.faces[p.Kind]
		standard, _ := builtin.execute(f, p)
		return Rendered{standard, f.styles, false}, err
	}
	return Rendered{body, f.styles, f.own}, err
}

func (s *Set) execute(f *face, p *Page) (*bytes.Buffer, error) {
	shown := *p // a template cannot reach what the next one is executed with
	shown.Style = s.style
	body := new(bytes.Buffer)
	if err := f.template.Execute(bounded{body}, &shown); err != nil {
		return body, fmt.Errorf("executing the template: %w", err)
	}
	return body, nil
}

// maxPage bounds a page, in bytes: a template may have a loop without end.
const maxPage = 4 << 20

var errPageTooLarge = errors.New("the page is larger than 4 MiB")

type bounded struct{ *bytes.Buffer }

// Write fails where the page would become too large.
func (b bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxPage {
		return 0, errPageTooLarge
	}
	return b.Buffer.Write(p)
}

// inspect executes every template with samples of its kind, in these languages, and looks
// at what comes of it.
func (s *Set) inspect(all ...*Language) error {
	for _, kind := range kinds {
		f := s.faces[kind]
		var styles []string
		for _, l := range all {
			for _, sample := range samples(l, kind) {
				found, err := s.inspectSample(f, sample)
				if err != nil {
					return err
				}
				styles = addNew(styles, found)
			}
		}
		if f.styles = strings.Join(styles, " "); f.styles == "" {
			f.styles = "'none'"
		}
	}
	return nil
}

var errNothing = errors.New(`nothing comes of it; what is between {{define}} and {{end}} is shown where a {{template}} names it, such as {{template "page.html" .}}`)

func (s *Set) inspectSample(f *face, sample *Page) (styles []string, err error) {
	body, err := s.execute(f, sample)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body.Bytes())) == 0 {
		return nil, fmt.Errorf("%s, executed with a page of the kind %s: %w", f.name, sample.Kind, errNothing)
	}
	content, err := look(body)
	if err != nil {
		return nil, fmt.Errorf("%s, executed with a page of the kind %s: %w", f.name, sample.Kind, err)
	}
	if err := content.serves(sample); err != nil {
		return nil, fmt.Errorf("%s, executed with a page of the kind %s: %w", f.name, sample.Kind, err)
	}
	return content.styles, nil
}
