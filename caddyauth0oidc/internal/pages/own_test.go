package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func load(t *testing.T, files map[string]string) *Set {
	t.Helper()
	s, warnings, err := Load(write(t, files))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return s
}

func render(t *testing.T, s *Set, p *Page) string {
	t.Helper()
	rendered, err := s.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return rendered.Body.String()
}

// house is a whole template of an operator's.
const house = `<!doctype html><html lang="{{.Lang}}" dir="{{.Dir}}"><head>{{template "head" .}}<style>header{margin:0}</style></head>
<body><header><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="Acme"> {{.Say "own.help"}}</header><main>{{template "content" .}}</main></body></html>`

func TestOwnTemplatesTakeThePlaceOfTheBuiltInOnes(t *testing.T) {
	t.Parallel()
	s := load(t, map[string]string{
		"page.html": house, "outage.html": `{{define "title"}}{{.Title}}{{end}}<html lang="{{.Lang}}"><title>{{template "title" .}}</title><p>{{.Wait}} {{.RetryAfter}}</p></html>`,
		"en.json": `{"own.help": "Call 100.", "link.try_again": "Once more"}`, "de.json": `{"own.help": "Wählen Sie 100."}`, "README.md": "ours",
	})
	for _, l := range s.languages.all {
		for _, kind := range kinds {
			for _, sample := range samples(l, kind) {
				body := render(t, s, sample)
				if (kind != Outage) != strings.Contains(body, "<header>") || !strings.Contains(body, `lang="`+l.tag) {
					t.Errorf("%s, %s:\n%s", l.tag, kind, body)
				}
			}
		}
	}
	german := s.Language([]string{"de"})
	if body := render(t, s, german.Page(Error, "bad_state")); !strings.Contains(body, "Wählen Sie 100.") || !strings.Contains(body, "Diese Anmeldung") {
		t.Errorf("German:\n%s", body)
	}
	if body := render(t, s, samples(s.languages.all[0], Loop)[0]); !strings.Contains(body, "Once more") || !strings.Contains(body, "Call 100.") {
		t.Errorf("English:\n%s", body)
	}
	if rendered, _ := s.Render(german.Page(Error, "bad_state")); strings.Count(rendered.Styles, "'sha256-") != 2 || !rendered.Own {
		t.Errorf("styles of two elements: %q", rendered.Styles)
	}
}

func TestLanguagesCanBeAdded(t *testing.T) {
	t.Parallel()
	s, warnings, err := Load(write(t, map[string]string{"ar.json": `{"code.label": "الرمز:", "link.try_again": "حاول مرة أخرى"}`}))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "bad_state.title") {
		t.Fatal(err, warnings)
	}
	body := render(t, s, samples(s.Language([]string{"ar-EG"}), Loop)[0])
	for _, want := range []string{`<html lang="ar" dir="rtl">`, "الرمز:", "حاول مرة أخرى", "The sign-in does not stick"} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %q in\n%s", want, body)
		}
	}
}

// A file for a region that changes one text leaves the rest in the language of that region.
func TestRegionsTakeWhatTheyLackFromTheirLanguage(t *testing.T) {
	t.Parallel()
	s := load(t, map[string]string{"de-AT.json": `{"link.try_again": "Nochmals"}`, "de.json": `{"own.help": "Hilfe"}`, "en.json": `{"own.help": "help"}`, "en-GB.json": `{"code.label": "Ref:"}`, "error.html": `{{.Say "own.help"}} {{template "content" .}}`})
	body := render(t, s, sampleWith(s.Language([]string{"de-AT"}).Page(Error, "bad_state"), "bad_state", "/x"))
	if !strings.Contains(body, "Nochmals") || !strings.Contains(body, "Diese Anmeldung") || !strings.Contains(body, "Hilfe") {
		t.Errorf("Austrian:\n%s", body)
	}
}

func TestOwnStyle(t *testing.T) {
	t.Parallel()
	s := load(t, map[string]string{"page.css": "body{color:red}\r\n/* <!-- & */"})
	p := builtinEnglish.Page(Error, "bad_state")
	rendered, err := s.Render(p)
	if err != nil || !rendered.Own || rendered.Styles != contentHash("body{color:red}\n/* <!-- & */") || strings.Contains(rendered.Body.String(), "system-ui") {
		t.Errorf("%v %s\n%s", err, rendered.Styles, rendered.Body)
	}
}

func TestFaultsOfTheDirectoryAreFoundWhenItIsLoaded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, content, want string }{
		{"page.html", "<p>\n{{if}}", "page.html:2"},
		{"error.html", "<p>\n\n{{.Nope}}", "error.html:3"},
		{"error.html", `{{.Say "own.help"}}`, "no language file has the text 'own.help'"},
		{"error.html", `{{template "nothing" .}}`, "nothing"},
		{"errors.html", "", "errors.html is no page; known are page.html and"},
		{"style.css", "", "the one style is page.css"},
		{"page.css", "a{}</style><p>", "only what is between its tags"},
		{"de.json", "{\n\"code.label\": 1}", "de.json:2: a number is no text"},
		{"de.json", "{\n\n", "de.json:3"},
		{"de.json", `{"code": "x"}`, "there is no text 'code'"},
		{"de.json", `{"code.label": " "}`, "is empty"},
		{"de.json", `{"wait.other": "warten"}`, `exactly these placeholders: ["{count}"]`},
		{"nolanguage.json", "{}", "is no language"},
		{"error.html", `<script>alert(1)</script>`, "<script> that is not ours"},
		{"error.html", `<p style="color:red">`, "attribute style"},
		{"error.html", `<p onclick="x()">`, "attribute onclick"},
		{"error.html", `<iframe src="/x"></iframe>`, "<iframe>"},
		{"error.html", `<meta http-equiv="refresh" content="1">`, "http-equiv"},
		{"error.html", `<link rel="stylesheet" href="/x.css">`, "stylesheet"},
		{"error.html", `<img src="https://cdn.example/x.png">`, "another site"},
		{"error.html", "", "nothing comes of it"},
		{"error.html", `{{define "content"}}<p>{{.Text}}</p>{{end}}`, "nothing comes of it"},
		{"error.html", `{{range 3000000}}for ever{{end}}`, "larger than 4 MiB"},
		{"chooser.html", `<h1>{{.Title}}</h1>`, "not every way"},
		{"chooser.html", `{{range .Choose.Ways}}<a href="{{.Href}}">{{.Label}}</a>{{end}}`, "the field email"},
		{"confirm_logout.html", `<form method="post" {{.Post.Action}}></form>`, "no form that signs out"},
		{"form.html", `<form method="post" {{.Post.Action}}><button>x</button></form>{{range .Resend.Fields}}<input name="{{.Name}}" value="{{.Value}}">{{end}}{{with .Resend.Script}}<script>{{.}}</script>{{end}}`, "the first form"},
		{"confirm_logout.html", `<h1>{{.Title}}</h1>`, "no form that signs out"},
		{"form.html", `<h1>{{.Title}}</h1>`, "the first form"},
		{"form.html", `<form method="get" action="/search"></form>{{template "actions" .}}`, "the first form"},
		{"page.html", strings.Repeat("x", maxFile+1), "larger than 1 MiB"},
	} {
		_, _, err := Load(write(t, map[string]string{tc.name: tc.content}))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %.40q: %v, want %q", tc.name, tc.content, err, tc.want)
		}
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that there is not")
	}
	if _, _, err := Load(filepath.Join(write(t, map[string]string{"page.html": ""}), "page.html")); err == nil {
		t.Error("a file in place of a directory")
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "page.html"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(folder); err == nil || !strings.Contains(err.Error(), "page.html is no file") {
		t.Errorf("a directory in place of a file: %v", err)
	}
}

// CVE-MAO-05, CVE-PA-13: nothing that a page is filled with gets out of its place.
func TestCVE_MAO_05_ValuesStayValuesInOwnTemplates(t *testing.T) {
	t.Parallel()
	const hostile = `"'></title></style></script><script>alert(1)</script>{{.Code}}`
	for name, s := range map[string]*Set{"own": load(t, map[string]string{"page.html": house, "en.json": `{"own.help": "x"}`}), "built-in": builtin} {
		p := sampleChoice(s.languages.all[0], &Entry{Value: hostile, Error: hostile})
		p.Choose.Ways[0].Label, p.Detail, p.Code, p.Title, p.Text, p.Wait = hostile, hostile, hostile, hostile, hostile, hostile
		p.Links, p.Choose.Ways[1].Href = []Link{{"javascript:alert(1)", hostile}}, `"><script>`
		body := render(t, s, p)
		content, err := look(strings.NewReader(body))
		if err != nil || len(content.scripts) != 0 || strings.Contains(body, "<script") || strings.Contains(body, `href="javascript`) {
			t.Errorf("%s: %v\n%s", name, err, body)
		}
		if rendered, _ := s.Render(p); strings.Join(content.styles, " ") != rendered.Styles {
			t.Errorf("%s: the styles changed", name)
		}
	}
}

func TestTemplateThatFailsLeavesTheBuiltInPage(t *testing.T) {
	t.Parallel()
	s := load(t, map[string]string{"error.html": `<p>half a page</p>{{if eq .Code "bad_state"}}{{index .Links 99}}{{end}}`})
	p := sampleWith(builtinEnglish.Page(Error, "bad_state"), "bad_state", "/x")
	rendered, err := s.Render(p)
	body := rendered.Body.String()
	if err == nil || strings.Contains(body, "half") || !strings.Contains(body, "cannot be finished") || rendered.Own || rendered.Styles != contentHash(string(builtinStyle)) {
		t.Errorf("%v\n%s", err, body)
	}
}

// A page of one main part with one heading, whose parts are named for those who do not
// see it.
func TestBuiltInPagesAreSane(t *testing.T) {
	t.Parallel()
	for _, l := range builtinLanguages.all {
		for _, kind := range kinds {
			for _, sample := range samples(l, kind) {
				body := render(t, builtin, sample)
				for _, once := range []string{"<main>", "<h1>", "<title>", `<html lang="` + l.tag + `" dir="ltr">`, "<style>"} {
					if strings.Count(body, once) != 1 {
						t.Errorf("%s, %s: %d %s in\n%s", l.tag, kind, strings.Count(body, once), once, body)
					}
				}
				if strings.Contains(body, `href=""`) || strings.Contains(body, "<p></p>") {
					t.Errorf("%s, %s:\n%s", l.tag, kind, body)
				}
			}
		}
	}
}
