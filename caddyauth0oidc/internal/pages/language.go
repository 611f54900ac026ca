package pages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// Language has the texts of one language.
type Language struct {
	tag     string
	dir     string
	texts   map[string]string
	lacking *Language // has what this one lacks; nil for English itself
}

// rightToLeft are the scripts in use that are written that way (ISO 15924).
var rightToLeft = []string{"Adlm", "Arab", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"}

func direction(tag language.Tag) string {
	if script, _ := tag.Script(); slices.Contains(rightToLeft, script.String()) {
		return "rtl"
	}
	return "ltr"
}

// Say gives the text of a key, which must be one of ours. The pairs replace what the text
// has in braces.
func (l *Language) Say(key string, pairs ...string) string {
	text, _ := l.find(key)
	if len(pairs) == 0 {
		return text
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Count gives the text of a key for so many of something.
func (l *Language) Count(key string, n int) string {
	if n == 1 {
		return l.Say(key + ".one")
	}
	return l.Say(key+".other", "{count}", strconv.Itoa(n))
}

func (l *Language) find(key string) (string, error) {
	for ; l != nil; l = l.lacking {
		if text, found := l.texts[key]; found {
			return text, nil
		}
	}
	return "", fmt.Errorf("no language file has the text '%s'", key)
}

// Has tells whether the language has a text of its own for a key.
func (l *Language) Has(key string) bool {
	_, found := l.texts[key]
	return found
}

// knows tells whether a text is not the English one.
func (l *Language) knows(key string) bool {
	for ; l.lacking != nil; l = l.lacking {
		if l.Has(key) {
			return true
		}
	}
	return false
}

// languages are those of a set, English first.
type languages struct {
	all     []*Language
	matcher language.Matcher
}

func newLanguages(all []*Language) languages {
	var tags []language.Tag
	for _, l := range all {
		tags = append(tags, language.Make(l.tag))
	}
	return languages{all, language.NewMatcher(tags)}
}

// maxPreferences bounds how many languages of a request are looked at, and
// maxPreference how long the name of one may be.
const (
	maxPreferences = 16
	maxPreference  = 64
)

// choose gives the language for the values of Accept-Language (RFC 9110 section 12.5.4),
// English if none of them fits. What cannot be read is passed over.
func (l languages) choose(accepted []string) *Language {
	type preference struct {
		tag    language.Tag
		weight float32
	}
	var preferences []preference
	read := 0
	for _, line := range accepted {
		for item := range strings.SplitSeq(line, ",") {
			if read++; read > maxPreferences {
				break
			}
			if len(item) > maxPreference {
				continue
			}
			if tags, weights, err := language.ParseAcceptLanguage(item); err == nil && len(tags) == 1 {
				preferences = append(preferences, preference{tags[0], weights[0]})
			}
		}
	}
	slices.SortStableFunc(preferences, func(a, b preference) int {
		switch {
		case a.weight > b.weight:
			return -1
		case a.weight < b.weight:
			return 1
		}
		return 0
	})
	tags := make([]language.Tag, len(preferences))
	for i, p := range preferences {
		tags[i] = p.tag
	}
	_, index, confidence := l.matcher.Match(tags...)
	if confidence == language.No {
		index = 0
	}
	return l.all[index]
}

// Titles gives the keys of pages, without their endings, in order.
func (l *Language) Titles() (all []string) {
	for key := range l.texts {
		if page, found := strings.CutSuffix(key, ".title"); found {
			all = append(all, page)
		}
	}
	slices.Sort(all)
	return all
}
