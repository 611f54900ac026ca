package caddyauth0oidc

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
)

var (
	errNothingToExplain = errors.New("there is nothing to explain: write an error code, a description, an event type or the address of a callback")
	errUnexplained      = errors.New("this error is not known here")
)

// unexplained is where to look for an error that nobody has described.
const unexplained = `This is not known here. Where to look:
  - the log of Caddy: the lines "request refused" have a code and a cause, which can be explained
  - the logs of both tenants, Monitoring > Logs: the first failed event of the login, its type and its description
  - the address of the callback: error and error_description; write the whole address between quotes
  - https://auth0.com/docs/troubleshoot/basic-issues/check-error-messages
`

// maxExplained is the longest text that is explained.
const maxExplained = 64 << 10

// explains does what --explain asks for.
func (f *doctorFlags) explains(s surroundings) (int, error) {
	if f.explain != "-" {
		return explain(s.out, f.explain)
	}
	s.hint("Paste the error or the address, then press Enter and Ctrl-D:")
	text, err := io.ReadAll(io.LimitReader(s.in, maxExplained))
	if err != nil {
		return exitUsage, fmt.Errorf("--explain: reading the standard input: %w", err)
	}
	return explain(s.out, string(text))
}

// explain says what an error means, and what to do about it: a code of Auth0 or of this module, a description, the text of one
// of Auth0's pages, an event type of a tenant's log, or the address of a callback. Nothing of the text itself is shown, as it
// may have a code or a state in it.
func explain(out io.Writer, text string) (int, error) {
	if strings.TrimSpace(text) == "" {
		return exitUsage, errNothingToExplain
	}
	found, ok := doctor.Explain(text)
	shown := unexplained
	if ok {
		shown = explained(found)
	}
	if _, err := io.WriteString(out, shown); err != nil {
		return exitFailed, fmt.Errorf("writing the explanation: %w", err)
	}
	if !ok {
		return exitFailed, errUnexplained
	}
	return exitDone, nil
}

func explained(e doctor.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n\n", e.Name, e.Kind)
	b.WriteString(folded(capital(e.Means), ""))
	for _, list := range []struct {
		title string
		items []string
	}{{"Likely causes:", e.Causes}, {"What to do:", e.Remedies}} {
		if len(list.items) == 0 {
			continue
		}
		b.WriteString("\n" + list.title + "\n")
		for _, item := range list.items {
			b.WriteString("  - " + folded(item, "    "))
		}
	}
	fmt.Fprintf(&b, "\nMore: %s\n", e.Source)
	return b.String()
}

func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// foldedWidth is narrow enough for every terminal, and wide enough to copy addresses from.
const foldedWidth = 100

// folded breaks a text into lines, all but the first of which are indented.
func folded(text, indent string) string {
	var b strings.Builder
	width := len(indent)
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case width+1+len(word) > foldedWidth:
			b.WriteString("\n" + indent)
			width = len(indent)
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}
