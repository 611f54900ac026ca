package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// ResendScript sends the form of a page that needs no question. It does without names
// that a field of the form could take.
const ResendScript = "HTMLFormElement.prototype.submit.call(document.forms[0])"

// ResendHash is the source expression that allows the script.
var ResendHash = contentHash(ResendScript)

// NewResend gives what a form sends, by itself or when the button is pressed.
func NewResend(fields []Field, byItself bool) *Resend {
	r := &Resend{Fields: fields}
	if byItself {
		r.Script = template.JS(ResendScript)
	}
	return r
}

// contentHash gives the source expression that allows an inline element (Content
// Security Policy Level 3 section 2.3.1).
func contentHash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// content is what a rendered page has in it.
type content struct {
	styles  []string // hashes of the style elements
	scripts []string
	links   []string // addresses of links
	forms   []formOf
	inForm  bool // between the tags of the last one
}

// formOf is a form of a rendered page.
type formOf struct {
	action, method string
	fields         []Field
	button         bool // that sends it
}

// blocked are the elements that the page's policy, or the page's purpose, keeps out, with
// what to do instead.
var blocked = map[string]string{
	"iframe": "the page's policy blocks it", "frame": "the page's policy blocks it", "object": "the page's policy blocks it",
	"embed": "the page's policy blocks it", "base": "the page's policy blocks it", "audio": "the page's policy blocks it",
	"video": "the page's policy blocks it",
}

// look reads a rendered page.
func look(page io.Reader) (*content, error) {
	c := new(content)
	reader := html.NewTokenizer(page)
	for {
		switch kind := reader.Next(); kind {
		case html.ErrorToken:
			if err := reader.Err(); !errors.Is(err, io.EOF) {
				return nil, err
			}
			return c, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			if err := c.add(reader.Token(), reader); err != nil {
				return nil, err
			}
		case html.EndTagToken:
			if name, _ := reader.TagName(); string(name) == "form" {
				c.inForm = false
			}
		}
	}
}

func (c *content) add(t html.Token, reader *html.Tokenizer) error {
	attributes := make(map[string]string)
	for _, a := range t.Attr {
		attributes[a.Key] = a.Val
	}
	if err := checkElement(t.Data, attributes); err != nil {
		return err
	}
	switch t.Data {
	case "style":
		c.styles = append(c.styles, contentHash(rawText(reader)))
	case "script":
		c.scripts = append(c.scripts, rawText(reader))
	case "a":
		c.links = append(c.links, attributes["href"])
	case "form":
		c.forms = append(c.forms, formOf{action: attributes["action"], method: strings.ToLower(attributes["method"])})
		c.inForm = true
	case "input", "button":
		if c.inForm {
			c.forms[len(c.forms)-1].add(t.Data, attributes)
		}
	}
	return nil
}

func (f *formOf) add(name string, attributes map[string]string) {
	kind := strings.ToLower(attributes["type"])
	switch {
	case kind == "submit" || name == "button" && kind == "":
		f.button = true
	case name == "input":
		f.fields = append(f.fields, Field{attributes["name"], attributes["value"]})
	}
}

// posts tells whether the form can be sent to an address by who sees it.
func (f formOf) posts(href string) bool {
	return f.action == href && f.method == "post" && f.button
}

// asks tells whether the form has a field of a name.
func (f formOf) asks(name string) bool {
	return slices.ContainsFunc(f.fields, func(field Field) bool { return field.Name == name })
}

// rawText gives what is in a style or script element, as a browser hashes it.
func rawText(reader *html.Tokenizer) string {
	if reader.Next() != html.TextToken {
		return ""
	}
	return reader.Token().Data
}

// checkElement refuses what the page's policy would block without a word to whoever wrote
// the template.
func checkElement(name string, attributes map[string]string) error {
	if why, found := blocked[name]; found {
		return fmt.Errorf("there is a <%s>; leave it out, %s", name, why)
	}
	for attribute := range attributes {
		if attribute == "style" || strings.HasPrefix(attribute, "on") {
			return fmt.Errorf("<%s> has the attribute %s, which the page's policy blocks; write a <style> element, and no scripts", name, attribute)
		}
	}
	switch {
	case name == "meta" && attributes["http-equiv"] != "":
		return fmt.Errorf("there is a <meta http-equiv>; leave it out, the headers of the page are set already")
	case name == "link" && strings.Contains(strings.ToLower(attributes["rel"]), "stylesheet"):
		return fmt.Errorf("there is a link to a stylesheet, which the page's policy blocks; write a <style> element, or page.css")
	case name == "img" && (strings.HasPrefix(attributes["src"], "//") || strings.Contains(attributes["src"], "://") && !strings.HasPrefix(attributes["src"], "data:")):
		return fmt.Errorf("an <img> is of another site, which the page's policy blocks; use a data: address, or a path of this site")
	}
	return nil
}

// serves tells whether the page can do what it is for.
func (c *content) serves(p *Page) error {
	for _, script := range c.scripts {
		if p.Resend == nil || script != string(p.Resend.Script) {
			return fmt.Errorf("there is a <script> that is not ours, which the page's policy blocks; leave it out")
		}
	}
	if p.Choose != nil {
		for _, way := range p.Choose.Ways {
			if !slices.Contains(c.links, way.Href) {
				return fmt.Errorf(`not every way to sign in has its link; write {{template "actions" .}}`)
			}
		}
	}
	if p.AsksForAddress() && !slices.ContainsFunc(c.forms, func(f formOf) bool { return f.posts(p.Choose.Email.Form.Href) && f.asks("email") }) {
		return fmt.Errorf(`there is no form with a button and the field email, for an e-mail address; write {{template "actions" .}}`)
	}
	if p.Resend != nil {
		return c.sends(p)
	}
	if p.Kind == ConfirmLogout && !slices.ContainsFunc(c.forms, func(f formOf) bool { return f.posts(p.Post.Href) }) {
		return fmt.Errorf(`there is no form that signs out; write {{template "actions" .}}`)
	}
	return nil
}

// sends tells whether the form of the page is sent whole, and by its script if it has one,
// which takes the first form of the page.
func (c *content) sends(p *Page) error {
	if len(c.forms) > 0 && c.forms[0].posts(p.Post.Href) &&
		slices.Equal(c.forms[0].fields, p.Resend.Fields) && (p.Resend.Script == "") == (len(c.scripts) == 0) {
		return nil
	}
	return fmt.Errorf(`the first form is not the one that is to be sent on, or not as it came; write {{template "actions" .}} before any other form`)
}

func addNew(all, more []string) []string {
	for _, one := range more {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}
