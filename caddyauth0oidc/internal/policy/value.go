package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// value is one alternative of a rule: a text, a pattern of texts with stars
// between them, or a regular expression.
type value struct {
	written string   // without escapes, if it is a text
	parts   []string // around the stars, at least two
	regexp  *regexp.Regexp
}

var (
	errEmptyValue  = errors.New("a value is empty; write one, or none at all to ask whether the claim is there")
	errEscape      = errors.New(`a backslash stands before something else than *, ~ and \; write \\ for a backslash`)
	errPlaceholder = errors.New("placeholders are not resolved here; write the text itself, or {$NAME} for a variable that is read with the Caddyfile")
)

// placeholder is what Caddy would resolve elsewhere. A rule with it would ask for
// that very text, and one that denies would deny nobody.
var placeholder = regexp.MustCompile(`\{[a-zA-Z_$][^{}\s]*\.[^{}]*\}`)

// newValue reads a value: a text in which * stands for any characters and ~ at
// the begin makes the rest a regular expression of the syntax RE2 for the whole
// text. A backslash takes the meaning from *, ~ and \.
func newValue(written string) (value, error) {
	if written == "" {
		return value{}, errEmptyValue
	}
	if placeholder.MatchString(written) {
		return value{}, fmt.Errorf("%q: %w", written, errPlaceholder)
	}
	if expression, ok := strings.CutPrefix(written, "~"); ok {
		return newExpression(expression)
	}
	return newPattern(written)
}

// newExpression compiles the expression by itself first: one that is none could
// close the group around it.
func newExpression(written string) (value, error) {
	if written == "" {
		return value{}, errEmptyValue
	}
	if _, err := regexp.Compile(written); err != nil {
		return value{}, fmt.Errorf(`%w; write an expression of the syntax RE2 behind ~, or \~ for the character itself`, err)
	}
	whole, err := regexp.Compile(`\A(?:` + written + `)\z`)
	if err != nil {
		return value{}, fmt.Errorf("%w; write a shorter expression", err)
	}
	return value{regexp: whole}, nil
}

func newPattern(written string) (value, error) {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(written); i++ {
		switch written[i] {
		case '*':
			parts = append(parts, part.String())
			part.Reset()
			continue
		case '\\':
			if i++; i == len(written) || !strings.ContainsRune(`*~\`, rune(written[i])) {
				return value{}, fmt.Errorf("%q: %w", written, errEscape)
			}
		}
		part.WriteByte(written[i])
	}
	if parts == nil {
		return value{written: part.String()}, nil
	}
	return value{parts: append(parts, part.String())}, nil
}

// matches compares byte for byte, from the begin of the text to its end.
func (v *value) matches(text string) bool {
	switch {
	case v.regexp != nil:
		return v.regexp.MatchString(text)
	case v.parts == nil:
		return v.written == text
	}
	last := len(v.parts) - 1
	text, ok := strings.CutPrefix(text, v.parts[0])
	if !ok {
		return false
	}
	if text, ok = strings.CutSuffix(text, v.parts[last]); !ok {
		return false
	}
	for _, part := range v.parts[1:last] {
		if _, text, ok = strings.Cut(text, part); !ok {
			return false
		}
	}
	return true
}
