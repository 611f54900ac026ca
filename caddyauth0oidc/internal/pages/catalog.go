package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// ownKey begins the keys of texts that only an operator's templates use.
const ownKey = "own."

// placeholder is a part of a text that is filled in.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// readTexts reads a language file: one JSON object with a text for each key.
func readTexts(name string, content []byte) (map[string]string, error) {
	var texts map[string]string
	err := json.Unmarshal(content, &texts)
	if at, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, fmt.Errorf("%s:%d: %w", name, lineOf(content, at.Offset), err)
	}
	if at, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, fmt.Errorf("%s:%d: a %s is no text; write one object with a text in quotes for each key", name, lineOf(content, at.Offset), at.Value)
	}
	return texts, err
}

func lineOf(content []byte, offset int64) int {
	return 1 + bytes.Count(content[:min(int(offset), len(content))], []byte("\n"))
}

// checkTexts refuses keys that are nobody's, texts that are empty, and those whose
// placeholders are not those of the English text.
func checkTexts(name string, texts, english map[string]string) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		standard, known := english[key]
		switch {
		case strings.TrimSpace(texts[key]) == "":
			errs = append(errs, fmt.Errorf("%s: the text of '%s' is empty; write one, or leave the key out", name, key))
		case known && !slices.Equal(placeholders(texts[key]), placeholders(standard)):
			errs = append(errs, fmt.Errorf("%s: the text of '%s' needs exactly these placeholders: %q", name, key, placeholders(standard)))
		case !known && !strings.HasPrefix(key, ownKey):
			errs = append(errs, fmt.Errorf("%s: there is no text '%s'; texts of your own templates begin with '%s'", name, key, ownKey))
		}
	}
	return errors.Join(errs...)
}

func placeholders(text string) []string {
	all := placeholder.FindAllString(text, -1)
	slices.Sort(all)
	return slices.Compact(all)
}

// lacks gives the keys of English texts that a language does not have, in order.
func (l *Language) lacks() (missing []string) {
	if l.tag == builtinEnglish.tag || strings.HasPrefix(l.tag, builtinEnglish.tag+"-") {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(builtinEnglish.texts)) {
		if !l.knows(key) {
			missing = append(missing, key)
		}
	}
	return missing
}

// addTexts gives the languages with those of an operator's file over them, or with one
// more. The file is named after its language.
func addTexts(all []*Language, name string, content []byte) ([]*Language, error) {
	written := strings.TrimSuffix(name, languageFile)
	tag, err := language.Parse(written)
	if err != nil || tag == language.Und {
		return nil, fmt.Errorf("%s: '%s' is no language; name the file after its BCP 47 tag, such as pt-BR.json", name, written)
	}
	texts, err := readTexts(name, content)
	if err != nil {
		return nil, err
	}
	english := all[0]
	if err := checkTexts(name, texts, builtinEnglish.texts); err != nil {
		return nil, err
	}
	for _, l := range all {
		if l.tag == tag.String() {
			maps.Copy(l.texts, texts)
			return all, nil
		}
	}
	return append(all, &Language{tag: tag.String(), dir: direction(tag), texts: texts, lacking: english}), nil
}

// takeParents lets the languages of regions have what they lack from the language
// itself, such as de-AT from de.
func takeParents(all []*Language) {
	for _, l := range all[1:] {
		for tag := language.Make(l.tag).Parent(); tag != language.Und && l.lacking == all[0]; tag = tag.Parent() {
			if i := slices.IndexFunc(all, func(parent *Language) bool { return parent.tag == tag.String() }); i > 0 {
				l.lacking = all[i]
			}
		}
	}
}

// clones gives copies of the built-in languages, to be changed.
func clones() (all []*Language) {
	for i, l := range builtinLanguages.all {
		c := *l
		c.texts = maps.Clone(l.texts)
		if i > 0 {
			c.lacking = all[0]
		}
		all = append(all, &c)
	}
	return all
}
