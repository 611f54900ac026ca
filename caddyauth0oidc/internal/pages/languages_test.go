package pages

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// sameInAll are the texts that are right as they are in English.
var sameInAll = map[string]bool{"de code.label": true}

func TestEveryLanguageHasEveryText(t *testing.T) {
	t.Parallel()
	if len(builtinLanguages.all) != 5 || len(builtinEnglish.texts) < 100 {
		t.Fatalf("%d languages, %d texts", len(builtinLanguages.all), len(builtinEnglish.texts))
	}
	for _, l := range builtinLanguages.all {
		if missing := l.lacks(); len(missing) > 0 {
			t.Errorf("%s lacks %q", l.tag, missing)
		}
		if err := checkTexts(l.tag, l.texts, builtinEnglish.texts); err != nil {
			t.Error(err)
		}
		for key, text := range l.texts {
			if l != builtinEnglish && text == builtinEnglish.texts[key] && !sameInAll[l.tag+" "+key] {
				t.Errorf("%s: '%s' is not translated", l.tag, key)
			}
			if text != strings.TrimSpace(text) || strings.ContainsAny(text, "\n\t") || strings.Contains(text, "  ") {
				t.Errorf("%s: '%s' has stray spaces: %q", l.tag, key, text)
			}
		}
	}
}

// Texts that ask for their pages in one way are in pairs in every language.
func TestTitlesAndTextsGoTogether(t *testing.T) {
	t.Parallel()
	for _, key := range slices.Sorted(maps.Keys(builtinEnglish.texts)) {
		if base, found := strings.CutSuffix(key, ".title"); found && !builtinEnglish.Has(base+".text") {
			t.Errorf("'%s' has no text", key)
		}
		if base, found := strings.CutSuffix(key, ".one"); found && !builtinEnglish.Has(base+".other") {
			t.Errorf("'%s' is for one alone", key)
		}
	}
}

func TestLanguageIsTheOneThatTheBrowserPrefers(t *testing.T) {
	t.Parallel()
	for accepted, want := range map[string]string{
		"": "en", "de": "de", "de-AT,de;q=0.9,en;q=0.8": "de", "en-GB,en;q=0.9,de;q=0.8": "en", "fr-CA": "fr", "es-419,es;q=0.9": "es",
		"ja-JP": "ja", "ja;q=0.1, fr;q=0.9": "fr", "nl": "en", "nl,fr;q=0.5": "fr", "de;q=0, es": "es", "*": "en", "*;q=0.5, ja": "ja",
		"xx, de": "de", "de;q=x, fr": "fr", "\x00,,;;,ja": "ja", "zh-TW": "en", "de;q=0.5, en": "en", "pt-BR, en;q=0.5": "en", "gsw": "de",
		strings.Repeat("a", 70) + ", fr": "fr", strings.Repeat("-", 1<<16): "en", strings.Repeat("nl,", 16) + "de": "en",
	} {
		if got := builtinLanguages.choose([]string{accepted}).tag; got != want {
			t.Errorf("%.60q: %s, want %s", accepted, got, want)
		}
	}
	if got := builtinLanguages.choose([]string{"nl", "fr"}).tag; got != "fr" {
		t.Errorf("of two lines: %s", got)
	}
}

func TestCountsHaveTheirOwnTexts(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 fields", 1: "one field", 2: "2 fields", 1000: "1000 fields"} {
		if got := builtinEnglish.Count("fields", n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func FuzzLanguageIsAlwaysOne(f *testing.F) {
	for _, accepted := range []string{"", "de-AT,de;q=0.9", "*;q=1", "x-klingon", "i-default, zh-min-nan;q=2", "\xff-\x00"} {
		f.Add(accepted)
	}
	f.Fuzz(func(t *testing.T, accepted string) {
		if l := builtinLanguages.choose([]string{accepted}); l == nil || l.tag == "" {
			t.Errorf("%q: no language", accepted)
		}
	})
}
