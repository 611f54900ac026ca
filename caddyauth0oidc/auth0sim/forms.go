package auth0sim

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Form is a form of a page with the values it shows.
type Form struct {
	// ID, Method and Action are its attributes; Method is upper-case.
	ID, Method, Action string
	// Fields are the named controls other than buttons and their values.
	Fields url.Values
	// Choices are the values that each select element offers.
	Choices map[string][]string
	// Buttons are the submit buttons in the order of the page.
	Buttons []Button

	order []string // names of Fields in the order of the page, each as often as it stands there
}

// Button is a submit button of a form.
type Button struct{ Name, Value, Label string }

var (
	formTag   = regexp.MustCompile(`(?is)<(/?)(form|input|button|select|option|textarea|body)\b((?:[^>"']|"[^"]*"|'[^']*')*)>`)
	attribute = regexp.MustCompile(`(?s)([a-zA-Z][\w-]*)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+))?`)
	selfSend  = regexp.MustCompile(`(?is)<body\b[^>]*onload="document\.forms\[0\]\.submit\(\)"|<script[^>]*>\s*(document\.forms\[0\]\.submit\(\)|HTMLFormElement\.prototype\.submit\.call\(document\.forms\[0\]\))`)
	anyTag    = regexp.MustCompile(`(?s)<[^>]*>`)
)

func (p *Page) submitsItself() bool {
	return p.Status == http.StatusOK && len(p.Forms) > 0 && selfSend.MatchString(p.Body)
}

// Submit fills in a form and sends it. The form is the first one that has all the named fields; a button is named in the
// same way, with its value, and without one the first button is pressed, as the Enter key does.
func (p *Page) Submit(values map[string]string) (*Page, error) {
	for _, f := range p.Forms {
		if f.takes(values) {
			nav, err := f.navigation(p.URL, values)
			if err != nil {
				return nil, err
			}
			return p.browser.navigate(nav, true)
		}
	}
	return nil, fmt.Errorf("submitting a form: none of the %d forms of the page has the fields %q",
		len(p.Forms), slices.Sorted(maps.Keys(values)))
}

// Press sends the form with the button of that label.
func (p *Page) Press(label string) (*Page, error) {
	for _, f := range p.Forms {
		for _, b := range f.Buttons {
			if b.Label != label {
				continue
			}
			pressed := map[string]string{}
			if b.Name != "" {
				pressed[b.Name] = b.Value
			}
			nav, err := f.navigation(p.URL, pressed)
			if err != nil {
				return nil, err
			}
			return p.browser.navigate(nav, true)
		}
	}
	return nil, fmt.Errorf("pressing a button: the page has none that reads %q", label)
}

// Login completes the page of a tenant on which page stands, with a user of its database.
func (b *Browser) Login(page *Page, user, password string) (*Page, error) {
	return page.Submit(map[string]string{"username": user, "password": password, "action": "login"})
}

// LoginWith completes the page of a tenant with a user of a simulated identity provider.
func (b *Browser) LoginWith(page *Page, connection, userID string) (*Page, error) {
	return page.Submit(map[string]string{"user": userID, "action": "connection:" + connection})
}

func (f Form) takes(values map[string]string) bool {
	for name, value := range values {
		button := slices.ContainsFunc(f.Buttons, func(b Button) bool { return b.Name == name && b.Value == value })
		if choices, ok := f.Choices[name]; ok && !slices.Contains(choices, value) {
			return false
		}
		if !button && !f.Fields.Has(name) {
			return false
		}
	}
	return true
}

func (f Form) navigation(page *url.URL, values map[string]string) (navigation, error) {
	target, err := page.Parse(f.Action)
	if err != nil {
		return navigation{}, fmt.Errorf("submitting a form: %w", err)
	}
	data := maps.Clone(f.Fields)
	pressed := false
	for name, value := range values {
		data[name] = []string{value}
		pressed = pressed || slices.ContainsFunc(f.Buttons, func(b Button) bool { return b.Name == name })
	}
	if !pressed && len(f.Buttons) > 0 && f.Buttons[0].Name != "" {
		data.Set(f.Buttons[0].Name, f.Buttons[0].Value)
	}
	nav := navigation{method: f.Method, url: target, initiator: page}
	if f.Method == http.MethodPost {
		nav.body = f.encode(data)
	} else {
		query := *target
		query.RawQuery = f.encode(data)
		nav.url = &query
	}
	return nav, nil
}

// encode writes the fields in the order of the page, and behind them those that the page does not show. Line breaks are
// sent as CR and LF (HTML Standard section 4.10.21.4).
func (f Form) encode(data url.Values) string {
	var body strings.Builder
	add := func(name, value string) {
		if body.Len() > 0 {
			body.WriteByte('&')
		}
		body.WriteString(url.QueryEscape(lineBreaks.Replace(name)) + "=" + url.QueryEscape(lineBreaks.Replace(value)))
	}
	rest := maps.Clone(data)
	for _, name := range f.order {
		if values := rest[name]; len(values) > 0 {
			add(name, values[0])
			rest[name] = values[1:]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		for _, value := range rest[name] {
			add(name, value)
		}
	}
	return body.String()
}

var lineBreaks = strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n")

// readForms finds the forms of a page. It reads the small, well-formed pages of this repository, not the web.
func readForms(body string) []Form {
	var forms []Form
	var selected string
	for _, m := range formTag.FindAllStringSubmatchIndex(body, -1) {
		closing, tag := m[3] > m[2], strings.ToLower(body[m[4]:m[5]])
		attrs := attributes(body[m[6]:m[7]])
		switch {
		case tag == "form" && !closing:
			forms = append(forms, newForm(attrs))
		case closing || len(forms) == 0:
		case tag == "select":
			selected = attrs["name"]
			forms[len(forms)-1].Choices[selected] = nil
		case tag == "option":
			forms[len(forms)-1].addOption(selected, attrs)
		default:
			forms[len(forms)-1].addControl(tag, attrs, body[m[1]:])
		}
	}
	return forms
}

func newForm(attrs map[string]string) Form {
	method := strings.ToUpper(attrs["method"])
	if method == "" {
		method = http.MethodGet
	}
	return Form{
		ID: attrs["id"], Method: method, Action: attrs["action"], Fields: url.Values{}, Choices: map[string][]string{},
	}
}

func (f *Form) addOption(name string, attrs map[string]string) {
	_, chosen := attrs["selected"]
	if !f.Fields.Has(name) {
		f.order = append(f.order, name)
	}
	if chosen || len(f.Choices[name]) == 0 {
		f.Fields.Set(name, attrs["value"])
	}
	f.Choices[name] = append(f.Choices[name], attrs["value"])
}

func (f *Form) addControl(tag string, attrs map[string]string, after string) {
	_, checked := attrs["checked"]
	kind := strings.ToLower(attrs["type"])
	switch {
	case tag == "button" && (kind == "" || kind == "submit"):
		label, _, _ := strings.Cut(after, "</button>")
		label = strings.Join(strings.Fields(html.UnescapeString(anyTag.ReplaceAllString(label, " "))), " ")
		f.Buttons = append(f.Buttons, Button{Name: attrs["name"], Value: attrs["value"], Label: label})
	case tag == "input" && kind == "submit":
		f.Buttons = append(f.Buttons, Button{Name: attrs["name"], Value: attrs["value"], Label: attrs["value"]})
	case tag == "button", attrs["name"] == "", (kind == "checkbox" || kind == "radio") && !checked:
	case tag == "textarea":
		text, _, _ := strings.Cut(after, "</textarea>")
		f.add(attrs["name"], html.UnescapeString(text))
	case tag == "input":
		f.add(attrs["name"], attrs["value"])
	}
}

func (f *Form) add(name, value string) {
	f.order = append(f.order, name)
	f.Fields.Add(name, value)
}

func attributes(raw string) map[string]string {
	attrs := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(raw, -1) {
		attrs[strings.ToLower(m[1])] = html.UnescapeString(strings.Trim(m[2], `"'`))
	}
	return attrs
}
