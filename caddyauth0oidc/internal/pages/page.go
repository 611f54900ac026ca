// Package pages has the pages that people see: their texts in several languages, their
// templates, and those that an operator puts in their place.
package pages

import (
	"html"
	"html/template"
	"time"
)

// Kind says what a page is for. A template of an operator is named after it.
type Kind string

// The kinds of pages.
const (
	// Error is the page of a request that failed.
	Error Kind = "error"
	// Refused is the page of a user or an account that may not go on.
	Refused Kind = "refused"
	// SignedOut is the first page after a logout.
	SignedOut Kind = "signed_out"
	// ConfirmLogout asks before a logout that another site may have caused.
	ConfirmLogout Kind = "confirm_logout"
	// Chooser offers the connections to sign in through.
	Chooser Kind = "chooser"
	// Outage is the page while something cannot be reached.
	Outage Kind = "outage"
	// Loop is the page in place of a redirect loop.
	Loop Kind = "loop"
	// Form sends a form of the application on, or asks before that.
	Form Kind = "form"
)

var kinds = []Kind{Error, Refused, SignedOut, ConfirmLogout, Chooser, Outage, Loop, Form}

// Page is what a template is executed with. Its fields and methods are a contract with the
// templates of operators (docs/pages.md): none is taken away or given another meaning.
type Page struct {
	// Kind is the kind of the page, such as "error".
	Kind Kind
	// Lang is the language of the texts as a BCP 47 tag, such as "de".
	Lang string
	// Dir is the direction in which the language is written, "ltr" or "rtl".
	Dir string
	// Title is the heading, one line.
	Title string
	// Text says what happened and what to do, in one paragraph.
	Text string
	// Wait says after how many seconds to try again, or is empty.
	Wait string
	// RetryAfter is that number of seconds, or 0.
	RetryAfter int
	// CodeLabel stands before the code, such as "Code:".
	CodeLabel string
	// Code is the stable code of a refusal (docs/errors.md), or empty.
	Code string
	// Detail goes with the code: the name of a claim, or a code of the tenant; or empty.
	Detail string
	// Links are the ways on; the first one is the most likely to be wanted.
	Links []Link
	// NewTab tells that the links must open another tab, because this one holds a form.
	NewTab bool
	// Post is a form with one button, or nil.
	Post *Link
	// Resend is what Post has to send along, on pages of the kind "form"; else nil.
	Resend *Resend
	// Choose is what there is to choose from, on pages of the kind "chooser"; else nil.
	Choose *Choice
	// Style is the content of the page's style element.
	Style template.CSS

	language *Language
}

// Link is a way on: an address of this site and what to call it.
type Link struct{ Href, Label string }

// Action gives the address as an attribute. As a value of its own the template would
// write it anew, with other escapes than those that it came with.
func (l Link) Action() template.HTMLAttr {
	return template.HTMLAttr(`action="` + html.EscapeString(l.Href) + `"`) // #nosec G203 -- escaped here, and of this site
}

// Resend is a form of the application's on its way.
type Resend struct {
	// Fields are the fields, in their order.
	Fields []Field
	// Script sends the form by itself; empty where the user is to be asked.
	Script template.JS
}

// Field is one field of a form. A form may have several of the same name.
type Field struct{ Name, Value string }

// Choice is what the page has on which the user chooses a connection.
type Choice struct {
	// Ways are the connections.
	Ways []Way
	// LastUsed marks the way that is the last one used, such as "last used".
	LastUsed string
	// Email is the form with the field for an e-mail address, or nil.
	Email *Entry
}

// Way is one of the connections.
type Way struct {
	Link
	// Last tells that it was the last one used in this browser.
	Last bool
}

// Entry is a form with the field for an e-mail address.
type Entry struct {
	// Form is where it is sent, and its button.
	Form Link
	// Label is that of the field.
	Label string
	// Value was entered before, or is empty.
	Value string
	// Error says why that led nowhere, or is empty.
	Error string
}

// Say gives a text of the language files by its key: one of ours, or one that begins with
// "own." and is in the operator's. Where the page's language lacks it, it is the English
// one; a key that is nowhere is an error.
func (p *Page) Say(key string) (string, error) { return p.language.find(key) }

// Page begins a page with the title and the text of a key. The pairs replace what the
// texts have in braces, as those of strings.NewReplacer.
func (l *Language) Page(kind Kind, key string, pairs ...string) *Page {
	return &Page{
		Kind: kind, Lang: l.tag, Dir: l.dir, language: l, CodeLabel: l.Say("code.label"),
		Title: l.Say(key+".title", pairs...), Text: l.Say(key+".text", pairs...),
	}
}

// Await has the page say when to try again; nothing without a time.
func (p *Page) Await(wait time.Duration) {
	if wait <= 0 {
		return
	}
	p.RetryAfter = int((wait + time.Second - 1) / time.Second)
	p.Wait = p.language.Count("wait", p.RetryAfter)
}

// Link gives a link with the label of a key.
func (l *Language) Link(href, key string) Link { return Link{href, l.Say(key)} }

// AddLink adds a way on with the label of a key.
func (p *Page) AddLink(href, key string) { p.Links = append(p.Links, p.language.Link(href, key)) }

// SetPost gives the page a form with one button, with the label of a key.
func (p *Page) SetPost(href, key string) {
	l := p.language.Link(href, key)
	p.Post = &l
}

// AsksForAddress tells whether the page has a field for an e-mail address.
func (p *Page) AsksForAddress() bool { return p.Choose != nil && p.Choose.Email != nil }
