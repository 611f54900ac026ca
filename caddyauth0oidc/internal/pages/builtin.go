package pages

import (
	"embed"
	"html/template"

	"golang.org/x/text/language"
)

//go:embed builtin
var builtinFiles embed.FS

// builtinTags are the languages that we have, the one for everybody else first.
var builtinTags = []language.Tag{language.English, language.German, language.Spanish, language.French, language.Japanese}

var (
	builtinLanguages = loadLanguages()
	builtinEnglish   = builtinLanguages.all[0]
	builtinStyle     = template.CSS(builtinFile("page.css")) // #nosec G203 -- our own file
	builtinTemplate  = template.Must(template.New(pageFile).Parse(builtinFile(pageFile)))
	builtin          = builtinSet()
)

// Builtin gives the pages without any of an operator's.
func Builtin() *Set { return builtin }

// English gives the built-in English texts, which programs are told.
func English() *Language { return builtinEnglish }

func builtinFile(name string) string { return string(mustRead(name)) }

func mustRead(name string) []byte {
	content, err := builtinFiles.ReadFile("builtin/" + name)
	if err != nil {
		panic(err) // embedded: a build without it does not compile
	}
	return content
}

func loadLanguages() languages {
	var all []*Language
	for _, tag := range builtinTags {
		name := tag.String() + languageFile
		texts, err := readTexts(name, mustRead(name))
		if err != nil {
			panic(err) // embedded, and read by every test
		}
		l := &Language{tag: tag.String(), dir: direction(tag), texts: texts}
		if len(all) > 0 {
			l.lacking = all[0]
		}
		all = append(all, l)
	}
	return newLanguages(all)
}

func builtinSet() *Set {
	s := &Set{languages: builtinLanguages, style: builtinStyle, faces: make(map[Kind]*face)}
	for _, kind := range kinds {
		s.faces[kind] = &face{name: pageFile, template: builtinTemplate}
	}
	if err := s.inspect(builtinEnglish); err != nil {
		panic(err) // embedded, and inspected by every test
	}
	return s
}
