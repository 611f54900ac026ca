package caddyauth0oidc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
)

// usualWidth is the width of lines where no terminal says another one.
const usualWidth = 80

// doctorReport is what an examination tells, as JSON or as text. It has no secrets.
type doctorReport struct {
	// Outcome is healthy, warnings, errors, failed or usage, and ExitCode what the process ends with.
	Outcome  string `json:"outcome"`
	ExitCode int    `json:"exit_code"`
	// Findings are in the order of the configuration's sites.
	Findings []doctor.Finding `json:"findings"`
	// Error says why not everything was looked at.
	Error string `json:"error,omitempty"`
}

// judge makes the outcome of the findings.
func (r *doctorReport) judge() (int, error) {
	switch {
	case r.count(doctor.Failure) > 0:
		r.Outcome = outcomeErrors
		return exitErrors, errDoctorErrors
	case r.count(doctor.Warning) > 0:
		r.Outcome = outcomeWarnings
		return exitWarnings, errDoctorWarnings
	}
	r.Outcome = outcomeHealthy
	return exitDone, nil
}

func (r *doctorReport) count(severity doctor.Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == severity {
			n++
		}
	}
	return n
}

func (e *examination) write(r *doctorReport) error {
	var text bytes.Buffer
	if e.json {
		encoder := json.NewEncoder(&text)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(r); err != nil {
			return err
		}
		_, err := e.out.Write(visibleJSON(text.Bytes()))
		return err
	}
	for _, site := range r.sites() {
		e.writeSite(&text, r, site)
	}
	if r.Outcome != outcomeUsage {
		e.writeSummary(&text, r)
	}
	_, err := io.Copy(e.out, &text)
	return err
}

// sites are the names in the findings, in their order.
func (r *doctorReport) sites() (names []string) {
	for _, f := range r.Findings {
		if !slices.Contains(names, f.Site) {
			names = append(names, f.Site)
		}
	}
	return names
}

func (e *examination) writeSite(b *bytes.Buffer, r *doctorReport, site string) {
	title := visible(site)
	if site == "" {
		title = "The configuration"
	}
	fmt.Fprintf(b, "%s\n", e.painted("1", title))
	passed := 0
	for _, f := range r.Findings {
		switch {
		case f.Site != site:
		case f.Severity == doctor.Passed && !e.verbose:
			passed++
		default:
			e.writeFinding(b, f)
		}
	}
	if passed > 0 {
		fmt.Fprintf(b, "  %s %d %s as %s shall be\n", e.label(doctor.Passed), passed, plural(passed, "matter is", "matters are"), plural(passed, "it", "they"))
	}
	b.WriteByte('\n')
}

// indent is where the text of a finding begins.
const indent = 12

func (e *examination) writeFinding(b *bytes.Buffer, f doctor.Finding) {
	if f.Severity == doctor.Passed {
		fmt.Fprintf(b, "  %s %s\n", e.label(f.Severity), e.wrapped(f.Seen, indent))
		return
	}
	fmt.Fprintf(b, "  %s %s\n", e.label(f.Severity), visible(f.Code))
	for _, part := range []struct{ name, text string }{{"Seen", f.Seen}, {"Cause", f.Cause}, {"Remedy", f.Remedy}} {
		if part.text != "" {
			fmt.Fprintf(b, "%*s%-8s%s\n", indent, "", part.name+":", e.wrapped(part.text, indent+8))
		}
	}
}

func (e *examination) label(severity doctor.Severity) string {
	colours := map[doctor.Severity]string{doctor.Passed: "32", doctor.Unknown: "36", doctor.Warning: "33", doctor.Failure: "31"}
	return e.painted(colours[severity], fmt.Sprintf("%-9s", severity))
}

func (e *examination) painted(colour, text string) string {
	if !e.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// wrapped breaks a text into lines of the width, of which all but the first are indented.
// Words that are longer, such as addresses, stay whole.
func (e *examination) wrapped(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(visible(text)) {
		length := len([]rune(word))
		switch {
		case i == 0:
		case column+1+length > e.width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += length
	}
	return b.String()
}

func (e *examination) writeSummary(b *bytes.Buffer, r *doctorReport) {
	errors, warnings, unknown := r.count(doctor.Failure), r.count(doctor.Warning), r.count(doctor.Unknown)
	fmt.Fprintf(b, "%d %s, %d %s, %d ok", errors, plural(errors, "error", "errors"), warnings, plural(warnings, "warning", "warnings"), r.count(doctor.Passed))
	if unknown > 0 {
		fmt.Fprintf(b, "; %d could not be looked at", unknown)
	}
	b.WriteString(".\n")
}
