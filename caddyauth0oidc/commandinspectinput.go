package caddyauth0oidc

import (
	"cmp"
	"regexp"
	"strings"
)

const (
	// maxCookieInput bounds what is read, in bytes: some browsers' whole header many times over.
	maxCookieInput = 1 << 20

	// terminalLine is how much of a line a terminal passes on, the rest of which is lost.
	terminalLine = 4095
)

var (
	// A value ends with the quote that it began with, as cookies of others may have the other one in them.
	cookieInHeader = regexp.MustCompile(`(?im)(?:'(?:set-)?cookie:[ \t]*([^'\r\n]*)|\^?"(?:set-)?cookie:[ \t]*((?:\\\^?.|[^"\\\r\n])*)|(?:^|\s)(?:set-)?cookie:[ \t]*([^\r\n]*))`)
	cookieOption   = regexp.MustCompile(`(?:^|\s)(?:-b|--cookie)[ \t]+(?:\$?'([^'\r\n]+)|\^?"((?:\\\^?.|[^"\\\r\n])+)|([^'"\s]+))`)
	bareCookie     = regexp.MustCompile(`^[A-Za-z0-9_-]{4}\.[0-9]\.[A-Za-z0-9_=-]*$`)
	bareParameter  = regexp.MustCompile(`^[A-Za-z0-9_-]{4}\.[A-Za-z0-9_-]{16,}$`)
	stateInQuery   = regexp.MustCompile(`[?&]state=([A-Za-z0-9_.-]+)`)
)

// cookieInput is what was given to be looked at.
type cookieInput struct {
	lines []string // of a Cookie header
	value string   // of a cookie whose name is not given
	state string   // a state parameter
	cut   bool     // it may have been cut by the terminal
}

// readCookieInput takes a Cookie header, with its name or without, also one in a copied curl command or a row of a browser's
// tools, the bare value of a cookie, or a callback's address.
func readCookieInput(text string, terminal bool) cookieInput {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	in := cookieInput{}
	for line := range strings.Lines(text) {
		in.cut = in.cut || terminal && len(strings.TrimRight(line, "\r\n")) >= terminalLine
	}
	if bareCookie.MatchString(text) {
		in.value = text
		return in
	}
	if bareParameter.MatchString(text) {
		in.state = text
		return in
	}
	for _, form := range []*regexp.Regexp{cookieInHeader, cookieOption} {
		for _, match := range form.FindAllStringSubmatch(text, -1) {
			in.lines = append(in.lines, strings.TrimSuffix(cmp.Or(match[1:]...), "^"))
		}
		if in.lines != nil {
			return in
		}
	}
	if found := stateInQuery.FindStringSubmatch(text); found != nil {
		in.state = found[1]
		return in
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if columns := strings.Split(line, "\t"); len(columns) > 1 && !strings.Contains(columns[0], "=") {
			line = columns[0] + "=" + columns[1]
		}
		in.lines = append(in.lines, line)
	}
	return in
}

// looksOurs tells the values of cookies that some directive of this module has written, from others.
func looksOurs(value string) bool { return bareCookie.MatchString(value) }

// cookiesLikeOurs names the cookies whose values look like ours, at most ten.
func (in cookieInput) cookiesLikeOurs() (names []string) {
	for _, line := range in.lines {
		for pair := range strings.SplitSeq(line, ";") {
			name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if ok && looksOurs(value) && len(names) < 10 {
				names = append(names, name)
			}
		}
	}
	return names
}
